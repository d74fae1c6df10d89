"""Exploration of a folder: measures, detectors, sentences and the page."""

import re
from pathlib import Path

import numpy as np
import pytest

from platewatch.errors import InputError, OutputError
from platewatch.exploration import classical_detectors, interpretation, outliers, plate_features, report
from platewatch.exploration.analysis import explore
from platewatch.exploration.findings import BANK, TEST, TRAIN, Area, Exploration
from platewatch.photographs import foreground, preparation, reading
from platewatch.synthetic import rendered_plates

SIZE = 64


def save(path: Path, photo: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    reading.write_png(path, photo)


def part(seed: int, colour: tuple[int, int, int], side: int = SIZE) -> np.ndarray:
    """A disc of one colour in front of white, with camera noise."""
    rng = np.random.default_rng(seed)
    y, x = np.indices((side, side)) - side / 2
    photo = np.where((np.hypot(x, y) < side * rng.uniform(0.3, 0.33))[..., None], colour, 230)
    return np.clip(photo + rng.normal(0, 3, (side, side, 1)), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("plates")
    counts = {"train/good": ("good", 12), "test/good": ("good", 6), "test/total_rust": ("total_rust", 5)}
    counts["test/scratches"] = ("scratches", 5)
    for where, (folder, (kind, count)) in enumerate(counts.items()):
        for number in range(count):
            save(data / folder / f"{number:03d}.png", rendered_plates.render(kind, 100 * where + number, SIZE)[0])
    (data / "train/good/broken.png").write_bytes(b"no photograph")
    (data / "test/scratches/broken.jpg").write_bytes(b"")
    return data


@pytest.fixture(scope="module")
def found(labelled: Path) -> Exploration:
    return explore(labelled, size=SIZE)


def test_groups_count_readable_photographs_and_unreadable_ones_are_named(found: Exploration, labelled: Path) -> None:
    counts = {group.name: group.count for group in found.groups}
    assert counts == {TRAIN: 12, TEST: 6, "scratches": 5, "total_rust": 5}
    assert found.count == 28
    assert found.defects == ("scratches", "total_rust")
    assert {Path(path).name for path, _ in found.failed} == {"broken.png", "broken.jpg"}
    assert all("\n" not in reason and str(labelled) not in reason for _, reason in found.failed)


def test_histograms_sum_to_1_and_channels_have_the_right_names(found: Exploration) -> None:
    groups = {group.name: group for group in found.groups}
    for group in found.groups:
        assert group.histogram.shape == group.spread.shape == (3, plate_features.BINS)
        assert group.histogram.sum(axis=1) == pytest.approx(1)
    values = (np.arange(plate_features.BINS) + 0.5) * 256 / plate_features.BINS
    red, _, blue = groups[TRAIN].histogram @ values
    assert blue > red + 40  # painted blue
    red, _, blue = groups["total_rust"].histogram @ values
    assert red > blue + 10
    assert groups[TRAIN].measures["blue"].mean() > groups[TRAIN].measures["red"].mean()
    assert np.isclose(groups[TRAIN].measures["blue"].mean(), (groups[TRAIN].histogram @ values)[2], atol=4)


def test_the_background_is_masked_out(found: Exploration) -> None:
    assert found.masked == found.count
    assert 0.1 < found.covered < 0.6
    for group in found.groups:
        assert group.example.inside.mean() == pytest.approx(found.covered, abs=0.2)
        assert not group.example.inside[:3, :3].any()


def test_every_detector_finds_rust_and_areas_lie_in_their_intervals(found: Exploration) -> None:
    assert len(found.detectors) == len(classical_detectors.DETECTORS) + 1
    for row in found.detectors + found.rows:
        for area in row.areas.values():
            assert area.low <= area.value <= area.high
    areas = {row.name: row.areas["total_rust"].value for row in found.detectors}
    assert areas[BANK] > 0.9
    assert areas["histograms: nearest neighbour"] > 0.9
    assert next(row for row in found.rows if row.name == "red").areas["total_rust"].value > 0.9
    assert next(row for row in found.rows if row.name == "blue").areas["total_rust"].value < 0.1


def test_the_sentences_agree_with_the_figures(found: Exploration) -> None:
    paragraphs = dict(interpretation.read(found))
    assert "12 good (train)" in paragraphs["What was looked at"]
    assert "2 are not readable" in paragraphs["What was looked at"]
    rust = paragraphs["total_rust"]
    assert "It shows in" in rust
    red = next(group for group in found.groups if group.name == "total_rust").measures["red"]
    row = next(row for row in found.rows if row.name == "red")
    assert interpretation.spread_text(red) in rust or interpretation.area_text(row.areas["total_rust"]) in rust
    assert "With 6 good and 5" in paragraphs["Detectors fitted to good plates alone"]
    assert not re.search(r"\bnan\b|None\b(?! of)|\bTrue\b", " ".join(paragraphs.values()))


def test_the_page_embeds_everything_and_the_plots_lie_beside_it(found: Exploration, tmp_path: Path) -> None:
    page = report.write(found, tmp_path / "out")
    text = page.read_text(encoding="utf-8")
    assert page.name == "explore.html"
    assert {path.name for path in page.parent.glob("*.png")} == {
        "examples.png",
        "histograms.png",
        "edges.png",
        "detectors.png",
    }
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", text)
    assert "<script" not in text
    for word in ("total_rust", "scratches", "broken.jpg", BANK, "train/good/"):
        assert word in text
    for path in page.parent.glob("*.png"):
        assert reading.read(path).std() > 5


def test_the_same_folder_gives_the_same_figures(found: Exploration, labelled: Path) -> None:
    again = explore(labelled, size=SIZE)
    assert again.detectors == found.detectors
    assert again.rows == found.rows
    assert [(each.path, each.reasons, each.place) for each in again.outliers] == [
        (each.path, each.reasons, each.place) for each in found.outliers
    ]
    assert interpretation.read(again) == interpretation.read(found)


def test_good_plates_alone_are_described_and_outliers_found(tmp_path: Path) -> None:
    for number in range(14):
        side = SIZE if number % 2 else 2 * SIZE  # mixed sizes
        save(tmp_path / f"{number:02d}.png", part(number, (40, 60, 150), side))
    dark = part(20, (40, 60, 150)).astype(float)
    save(tmp_path / "dark.png", (dark * 0.4).astype(np.uint8))
    spotted = part(21, (40, 60, 150))
    spotted[26:33, 30:37] = (150, 80, 20)
    save(tmp_path / "spotted.png", spotted)
    steps: list[tuple[str, int, int]] = []
    found = explore(tmp_path, size=SIZE, progress=lambda *call: steps.append(call))
    assert steps == [("looking at photographs", done, 16) for done in range(1, 17)]
    assert found.detectors == found.rows == found.drift == ()
    reasons = {Path(each.path).stem: " ".join(each.reasons) for each in found.outliers}
    assert set(reasons) == {"dark", "spotted"}
    assert found.outlier_count == 2
    assert "dark: " in reasons["dark"]
    place = next(each.place for each in found.outliers if "spotted" in each.path)
    assert place is not None
    assert 24 <= place[0] <= 42
    assert 20 <= place[1] <= 38
    headings = dict(interpretation.read(found))
    assert "no labelled test folder" in headings["What was looked at"]
    assert "2 of 16 good plates stand out" in headings["Outliers among the good plates"]
    page = report.write(found, tmp_path / "out").read_text(encoding="utf-8")
    assert 'id="detectors"' not in page


def test_a_small_spot_counts_by_its_peak_and_not_by_the_plate_around_it(tmp_path: Path) -> None:
    for number in range(9):
        save(tmp_path / f"{number}.png", part(number, (40, 60, 150)))
    spotted = part(21, (40, 60, 150))
    spotted[28:31, 30:33] = (150, 80, 20)
    save(tmp_path / "spotted.png", spotted)
    reasons = {Path(each.path).stem: each.reasons for each in explore(tmp_path, size=SIZE).outliers}
    times = re.match(r"a place whose colour no other good plate has: ([\d.]+) times the usual", reasons["spotted"][0])
    assert times is not None
    assert float(times[1]) > 40, "about 90; the mean over its map is 8 times the usual"


def test_grey_photographs_that_fill_the_frame_are_explored_as_such(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for folder, count, level in (("train/good", 8, 120), ("test/good", 4, 120), ("test/dark", 4, 80)):
        for number in range(count):
            grey = np.clip(rng.normal(level, 5, (SIZE, SIZE + 30)), 0, 255).astype(np.uint8)
            save(tmp_path / folder / f"{number}.png", np.repeat(grey[..., None], 3, axis=2))
    found = explore(tmp_path, size=SIZE)
    assert found.grey == found.count
    assert found.masked == 0
    assert found.covered == pytest.approx(1)
    assert [row.name for row in found.rows] == ["brightness", "unevenness", "edge strength"]
    paragraphs = dict(interpretation.read(found))
    assert "fills the frame" in paragraphs["What was looked at"]
    assert "All of them are grey" in paragraphs["What was looked at"]
    assert "It shows in mean brightness over the plate" in paragraphs["dark"]
    assert "red" not in paragraphs["dark"]
    report.write(found, tmp_path / "out")


def test_the_verb_depends_on_the_interval() -> None:
    assert interpretation.verb(Area(0.62, 0.45, 0.78)) == "does not separate"
    assert interpretation.verb(Area(0.75, 0.6, 0.9)) == "tends"
    assert interpretation.verb(Area(0.05, 0.01, 0.3)) == "separates"
    assert interpretation.area_text(Area(0.617, 0.5, 1.0)) == ".62 [.50, 1.00]"
    assert interpretation.spread_text(np.array([100.0, 120.0])) == "110 ± 10"
    assert interpretation.spread_text(np.array([1.0, 1.5])) == "1.25 ± 0.25"


def test_features_do_not_change_when_the_plate_is_rotated() -> None:
    photo = rendered_plates.render("scratches", 3, 128)[0]
    frame = preparation.frame(128, 128, 128)
    upright, turned = (plate_features.describe(np.ascontiguousarray(each), frame) for each in (photo, np.rot90(photo)))
    assert np.allclose(upright.histogram, turned.histogram, atol=1e-3)
    assert upright.measures["edge strength"] == pytest.approx(turned.measures["edge strength"], rel=0.02)
    assert np.allclose(upright.edges, turned.edges, atol=0.1)


def test_padding_is_not_measured() -> None:
    wide = np.repeat(np.linspace(40, 200, 120).astype(np.uint8)[None, :, None], 60, axis=0).repeat(3, axis=2)
    frame = preparation.frame(120, 60, SIZE)
    inside, masked = plate_features.find_plate(preparation.prepare(wide, SIZE), frame)
    assert not (inside & ~frame.inside(SIZE)).any()
    assert isinstance(masked, bool)


@pytest.mark.parametrize("detector", classical_detectors.DETECTORS, ids=lambda detector: detector.name)
def test_detectors_score_the_unlike_higher(detector: classical_detectors.Detector) -> None:
    frame = preparation.frame(SIZE, SIZE, SIZE)
    good = [plate_features.describe(part(seed, (40, 60, 150)), frame) for seed in range(14)]
    rng = np.random.default_rng(0)
    rough = part(30, (90, 60, 40)).astype(float) + rng.normal(0, 25, (SIZE, SIZE, 1)) * (part(30, (0, 0, 0)) < 100)
    bad = plate_features.describe(np.clip(rough, 0, 255).astype(np.uint8), frame)
    score = detector.fit(np.stack([detector.features(each) for each in good[:10]]), 0)
    scores = score(np.stack([detector.features(each) for each in [*good[10:], bad]]))
    assert scores.argmax() == 4
    assert scores[4] > 1.05 * scores[:4].max() or scores[:4].max() < 0


def test_robust_z_is_not_moved_by_a_few_outliers() -> None:
    values = np.array([10.0, 10.2, 9.8, 10.1, 9.9, 10.0, 40.0, 2.0])
    z = outliers._robust_z(values, upper=False)
    assert np.abs(z[:6]).max() < 3
    assert z[6] > 20
    assert z[7] < -20
    assert outliers._robust_z(values, upper=True)[7] == 0


def test_too_few_photographs_and_an_unwritable_folder_give_one_line(tmp_path: Path, found: Exploration) -> None:
    for number in range(3):
        save(tmp_path / "few" / f"{number}.png", part(number, (40, 60, 150)))
    (tmp_path / "few" / "x.png").write_bytes(b"x")
    with pytest.raises(InputError, match=r"3 readable photographs of 4.*at least 5.*x\.png"):
        explore(tmp_path / "few", size=SIZE)
    with pytest.raises(InputError, match="no such folder"):
        explore(tmp_path / "nowhere", size=SIZE)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        report.write(found, tmp_path / "file")


def test_find_object_agrees_with_the_rendered_plate() -> None:
    photo = part(5, (40, 60, 150), 128)
    assert foreground.find_object(photo).mean() == pytest.approx((photo[..., 0] < 140).mean(), abs=0.02)
