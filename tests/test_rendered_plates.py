import errno
import hashlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from platewatch.errors import InputError, OutputError
from platewatch.synthetic.rendered_plates import KINDS, TEST_COUNTS, render, render_set

DEFECTS = KINDS[1:]
FEW = {"good": 1, "major_rust": 1, "scratches": 2, "total_rust": 1}


def blue(photo: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return np.asarray(photo[..., 2].astype(int) - photo[..., 0] > 25)


def read(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        return np.asarray(image)


def hashes(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_determines_the_photograph(kind: str) -> None:
    photo, mask = render(kind, 3, 96)
    again, mask_again = render(kind, 3, 96)
    other, _ = render(kind, 4, 96)
    assert photo.shape == (96, 96, 3)
    assert photo.dtype == np.uint8
    assert mask.shape == (96, 96)
    assert mask.dtype == np.bool_
    np.testing.assert_array_equal(photo, again)
    np.testing.assert_array_equal(mask, mask_again)
    assert np.abs(photo.astype(int) - other).mean() > 5


def test_rendering_leaves_numpys_global_generator_alone() -> None:
    np.random.seed(1)
    before = np.random.get_state()[1].tolist()  # type: ignore[index]
    render("scratches", 0, 64)
    assert np.random.get_state()[1].tolist() == before  # type: ignore[index]


@pytest.mark.parametrize("seed", range(8))
def test_good_plates_have_an_empty_mask_and_are_blue(seed: int) -> None:
    photo, mask = render("good", seed, 96)
    assert not mask.any()
    assert 0.12 < blue(photo).mean() < 0.5


def test_channels_are_rgb_on_a_light_grey_wall() -> None:
    photo, _ = render("good", 0, 128)
    red, green, below = photo[blue(photo)].mean(0)
    assert below > green > red
    corner = photo[-8:, :8].reshape(-1, 3).mean(0)
    assert corner.min() > 120
    assert np.ptp(corner) < 10


@pytest.mark.parametrize("seed", range(4))
def test_the_wall_shows_through_the_hole(seed: int) -> None:
    photo, _ = render("good", seed, 128)
    contours, _ = cv2.findContours(blue(photo).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    plate = cv2.convexHull(np.concatenate(contours))  # the hook may cut the blue in two
    inside = cv2.drawContours(np.zeros((128, 128), np.uint8), [plate], -1, 1, cv2.FILLED)
    inside = cv2.erode(inside, np.ones((7, 7))).astype(bool)
    wall = (photo.min(-1) > 140) & (np.ptp(photo, axis=-1) < 15) & inside
    assert 0.03 < wall.sum() / inside.sum() < 0.09


@pytest.mark.parametrize("kind", DEFECTS)
@pytest.mark.parametrize("seed", range(8))
def test_defect_masks_lie_on_the_plate(kind: str, seed: int) -> None:
    photo, mask = render(kind, seed, 128)
    assert mask.mean() > 0.002
    # The wall, seen through the hole as well, is light and grey; scratches may be, over a small part.
    light = photo.min(-1) > 150
    assert (light & mask).sum() < 0.05 * mask.sum()
    border = np.ones_like(mask)
    border[2:-2, 2:-2] = False
    assert not (mask & border).any()


@pytest.mark.parametrize("seed", range(6))
def test_total_rust_covers_the_plate_and_major_rust_a_part(seed: int) -> None:
    rusty, whole = render("total_rust", seed, 128)
    assert (blue(rusty) & whole).sum() < 0.02 * whole.sum()
    partly, part = render("major_rust", seed, 128)
    painted = blue(partly)
    assert painted.sum() > 200
    assert part.sum() > 100
    assert (painted & part).sum() < 0.1 * part.sum()


def test_hook_and_hole_are_no_defect() -> None:
    _, mask = render("total_rust", 0, 256)
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    hull = cv2.contourArea(cv2.convexHull(np.concatenate(contours)))
    # The hole is 5.2 % of a plate, the hook and the notch take about as much again.
    assert 0.06 * hull < hull - mask.sum() < 0.2 * hull


def test_scratches_differ_from_the_paint_around_them_and_vary() -> None:
    contrast = []
    for seed in range(12):
        photo, mask = render("scratches", seed, 192)
        around = cv2.dilate(mask.astype(np.uint8), np.ones((15, 15))).astype(bool) & ~mask & blue(photo)
        paint = np.median(photo[around], axis=0)
        off = np.abs(photo[mask].astype(int) - paint).max(-1)
        contrast.append(float(np.percentile(off, 95)))
    assert min(contrast) > 35
    assert max(contrast) > 1.5 * min(contrast)


def test_one_seed_is_the_same_plate_at_any_size() -> None:
    for kind in DEFECTS:
        photo, mask = render(kind, 5, 128)
        large, large_mask = render(kind, 5, 256)
        shrunk = cv2.resize(large, (128, 128), interpolation=cv2.INTER_AREA)
        assert np.abs(photo.astype(int) - shrunk).mean() < 6
        small_mask = cv2.resize(large_mask.astype(np.float32), (128, 128), interpolation=cv2.INTER_AREA) > 0.5
        assert (mask & small_mask).sum() / (mask | small_mask).sum() > 0.7


@pytest.mark.parametrize(
    ("kind", "seed", "size", "message"),
    [
        ("dent", 0, 64, "one of good, major_rust, scratches, total_rust"),
        ("good", -1, 64, "seed -1"),
        ("good", 0, 63, "size 63"),
        ("good", 0, 2049, "size 2049"),
    ],
)
def test_bad_options_are_refused_in_one_line(kind: str, seed: int, size: int, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        render(kind, seed, size)
    assert "\n" not in str(caught.value)


def test_set_has_the_mvtec_layout(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "plates"
    calls: list[tuple[str, int, int]] = []
    assert render_set(out, good=2, test=FEW, size=64, progress=lambda *call: calls.append(call)) == 7
    assert calls == [("rendering plates", i, 7) for i in range(1, 8)]
    assert sorted(hashes(out)) == [
        "ground_truth/major_rust/000_mask.png",
        "ground_truth/scratches/000_mask.png",
        "ground_truth/scratches/001_mask.png",
        "ground_truth/total_rust/000_mask.png",
        "test/good/000.png",
        "test/major_rust/000.png",
        "test/scratches/000.png",
        "test/scratches/001.png",
        "test/total_rust/000.png",
        "train/good/000.png",
        "train/good/001.png",
    ]
    assert sorted(path.name for path in out.parent.iterdir()) == ["plates"]
    photo = read(out / "train/good/000.png")
    assert photo.shape == (64, 64, 3)
    assert blue(photo).mean() > 0.1
    mask = read(out / "ground_truth/total_rust/000_mask.png")
    assert mask.shape == (64, 64)
    assert set(np.unique(mask)) == {0, 255}


def test_a_photograph_does_not_depend_on_the_number_of_others(tmp_path: Path) -> None:
    render_set(tmp_path / "few", good=1, test={"scratches": 1}, size=64, seed=7)
    render_set(tmp_path / "more", good=3, test=FEW, size=64, seed=7)
    render_set(tmp_path / "other", good=1, test={"scratches": 1}, size=64, seed=8)
    few, more, other = (hashes(tmp_path / name) for name in ("few", "more", "other"))
    assert few.items() <= more.items()
    assert not set(few.values()) & set(other.values())
    assert len({digest for name, digest in more.items() if "ground_truth" not in name}) == 8


def test_default_counts_are_the_real_sets() -> None:
    assert dict(TEST_COUNTS) == {"good": 26, "major_rust": 14, "scratches": 34, "total_rust": 23}


def test_an_empty_folder_is_used_and_a_full_one_refused(tmp_path: Path) -> None:
    out = tmp_path / "plates"
    out.mkdir()
    assert render_set(out, good=1, test={}, size=64) == 1
    before = hashes(out)
    with pytest.raises(OutputError, match="exists and is not empty; choose another folder"):
        render_set(out, good=2, test={}, size=64)
    assert hashes(out) == before
    file = tmp_path / "file"
    file.write_text("mine")
    with pytest.raises(OutputError, match="file"):
        render_set(file, good=1, test={}, size=64)
    assert file.read_text() == "mine"


@pytest.mark.parametrize(
    ("good", "test", "seed", "size"),
    [(-1, {"good": 1}, 0, 64), (1, {"scratches": -1}, 0, 64), (1, {"dent": 1}, 0, 64), (1, {}, -1, 64), (1, {}, 0, 32)],
)
def test_a_set_with_bad_options_leaves_nothing(
    tmp_path: Path, good: int, test: dict[str, int], seed: int, size: int
) -> None:
    with pytest.raises(InputError):
        render_set(tmp_path / "plates", good=good, test=test, seed=seed, size=size)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = Path.write_bytes

    def write_until_full(self: Path, data: bytes) -> int:
        if self.name == "001.png":
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(self, data)

    monkeypatch.setattr(Path, "write_bytes", write_until_full)
    with pytest.raises(OutputError, match="No space left on device") as caught:
        render_set(tmp_path / "plates", good=3, test={}, size=64)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_read_only_folder_is_an_output_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Tests run as root too, whom permissions do not stop.
    def refuse(*args: object, **kwargs: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(OutputError, match="Permission denied"):
        render_set(tmp_path / "plates", good=1, test={}, size=64)
