"""Before training every good photograph is looked at once, and a bad one costs only itself."""

import os
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tiny
from platewatch.arrays import Array
from platewatch.errors import InputError
from platewatch.exploration import mixed_sets
from platewatch.learning import preflight
from platewatch.learning.preflight import GoodPlates
from platewatch.photographs import colour, preparation, reading
from platewatch.progress import silent
from platewatch.synthetic import rendered_plates

CONFIG = tiny.settings()


def save(path: Path, photo: Array) -> Path:
    Image.fromarray(photo).save(path)
    return path


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    return [save(tmp_path / f"{seed}.png", rendered_plates.render("good", seed, 128)[0]) for seed in range(9)]


def read(paths: list[Path], min_images: int = 3) -> GoodPlates:
    return preflight.read(paths, tiny.settings(min_images=min_images), silent)


def test_photographs_are_prepared_as_for_the_verdict(paths: list[Path]) -> None:
    found = read(paths)
    assert found.paths == tuple(paths)
    assert found.sizes == ((128, 128),) * 9
    for path, photo, frame, sha256 in zip(paths, found.photos, found.frames, found.sha256, strict=True):
        assert np.array_equal(photo, preparation.prepare(reading.read(path), 96))
        assert frame == preparation.frame(128, 128, 96)
        assert sha256 == reading.sha256(path.read_bytes())


def test_mixed_sizes_and_kinds_become_one_array(tmp_path: Path, paths: list[Path]) -> None:
    grey = save(tmp_path / "grey.png", rendered_plates.render("good", 20, 64)[0][:40, :, 0])
    wide = save(tmp_path / "wide.jpg", rendered_plates.render("good", 21, 256)[0][:100])
    found = read([*paths, grey, wide])
    assert found.photos.shape == (11, 96, 96, 3)
    assert found.sizes[-2:] == ((64, 40), (256, 100))
    assert colour.is_grey(found.photos[-2])


def test_an_unreadable_photograph_is_left_out(tmp_path: Path, paths: list[Path]) -> None:
    bad = tmp_path / "bad.png"
    bad.write_text("no photograph")
    found = read([*paths[:4], bad, *paths[4:], tmp_path / "gone.png"])
    assert found.paths == tuple(paths)
    assert [path for path, _ in found.failed] == [bad, tmp_path / "gone.png"]
    assert "not a photograph" in found.failed[0][1]
    assert "no such file" in found.failed[1][1]


def test_a_pipe_and_a_damaged_file_are_left_out_and_named(tmp_path: Path, paths: list[Path]) -> None:
    """Another program waits for ever for somebody to write into the pipe."""
    os.mkfifo(tmp_path / "pipe.png")
    whole = save(tmp_path / "whole.bmp", reading.read(paths[0])[::-1]).read_bytes()
    (tmp_path / "zeros.bmp").write_bytes(whole[: len(whole) // 3] + bytes(len(whole) - len(whole) // 3))
    found = read([*paths, tmp_path / "pipe.png", tmp_path / "zeros.bmp"])
    assert found.paths == tuple(paths)
    (_, pipe), (_, zeros) = found.failed
    assert pipe.endswith("pipe.png: is a pipe, expected a file; leave it out")
    assert "zeros.bmp: the file is damaged (its data are zeros" in zeros


def test_an_exact_duplicate_is_left_out_in_whatever_file_it_comes(tmp_path: Path, paths: list[Path]) -> None:
    photo = reading.read(paths[3])
    copy, other = save(tmp_path / "copy.png", photo), save(tmp_path / "copy.bmp", photo)
    found = read([*paths, copy, other])
    assert found.paths == tuple(paths)
    assert found.duplicates == ((copy, paths[3]), (other, paths[3]))


def test_the_same_pixels_in_another_shape_are_no_duplicate(tmp_path: Path) -> None:
    shapes = [(40, 40), (32, 50), (50, 32)]
    found = read(
        [save(tmp_path / f"{number}.png", np.full((*shape, 3), 90, np.uint8)) for number, shape in enumerate(shapes)]
    )
    assert len(found.paths) == 3


def test_too_few_photographs_say_how_many_and_what_to_do(tmp_path: Path, paths: list[Path]) -> None:
    bad = tmp_path / "bad.png"
    bad.touch()
    copy = save(tmp_path / "copy.png", reading.read(paths[0]))
    for given, words in (
        (paths[:3], r"found 3 images, training needs at least 20; add photographs or pass --min-images 3"),
        (paths[:2], r"found 2 images, training needs at least 20; add photographs"),
        (
            [*paths[:3], bad, copy],
            r"found 3 images \(besides 1 not readable and 1 duplicates\), training needs",
        ),
        ([bad], r"found 0 images \(besides 1 not readable\)"),
    ):
        with pytest.raises(InputError, match=f"{tmp_path}: {words}") as caught:
            read(given, 20)
        assert "\n" not in str(caught.value)


def test_progress_is_reported_for_every_photograph(paths: list[Path]) -> None:
    reported: list[tuple[str, int, int]] = []
    preflight.read(paths, CONFIG, lambda *each: reported.append(each))
    assert reported == [("reading photographs", done, 9) for done in range(1, 10)]


def test_near_duplicates_share_a_group_chains_included(tmp_path: Path, paths: list[Path]) -> None:
    first = reading.read(paths[0]).astype(int)
    noise = np.random.default_rng(0).integers(-3, 4, first.shape)
    near = save(tmp_path / "near.png", np.clip(first + noise, 0, 255).astype(np.uint8))
    nearer = save(tmp_path / "nearer.png", np.clip(first + noise + 1, 0, 255).astype(np.uint8))
    found = preflight.look(read([*paths, near, nearer]), CONFIG)
    assert found.near_duplicates[:2] == ((paths[0], near), (paths[0], nearer))
    assert found.groups.numbers[0] == found.groups.numbers[9] == found.groups.numbers[10]
    assert found.groups.count == 9
    assert (found.groups.names[0], found.groups.names[1], found.groups.names[9]) == ("0.png", "", "0.png")


def test_plates_in_a_jig_are_not_taken_for_duplicates(tmp_path: Path) -> None:
    """Fixed camera, illumination and place: good plates differ by little more than grain, and are different plates."""
    plate, rng = rendered_plates.render("good", 3, 128)[0].astype(float), np.random.default_rng(0)
    grainy = [np.clip(plate + rng.normal(0, 5, plate.shape), 0, 255).astype(np.uint8) for _ in range(9)]
    taken = [save(tmp_path / f"jig{number}.png", photo) for number, photo in enumerate(grainy)]
    found = preflight.look(read(taken), CONFIG)
    assert found.near_duplicates == ()
    assert found.groups.count == 9


def test_a_rusty_plate_among_the_good_ones_is_an_outlier(tmp_path: Path, paths: list[Path]) -> None:
    rust = save(tmp_path / "rust.png", rendered_plates.render("total_rust", 3, 128)[0])
    more = [save(tmp_path / f"m{seed}.png", rendered_plates.render("good", 30 + seed, 128)[0]) for seed in range(9)]
    outliers = preflight.look(read([*paths, *more, rust]), CONFIG).outliers
    assert outliers[0][0] == rust
    assert "much red" in outliers[0][1]


def test_among_too_few_plates_no_outlier_is_named(paths: list[Path]) -> None:
    assert preflight.look(read(paths[:4]), CONFIG).outliers == ()


def test_training_steps_are_counted(paths: list[Path]) -> None:
    found = preflight.look(
        read(paths), tiny.settings(training={"epochs": 40, "batch_size": 4}, calibration={"folds": 3})
    )
    assert found.floor == 1 / 10
    assert found.steps == pytest.approx(40 * (9 + 2 * 9) / 4)
    assert len(found.plates.conditions()) == 9


def test_two_kinds_of_photographs_are_named_when_as_many_are_bad_as_good(
    tmp_path: Path, paths: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platewatch.exploration.outliers.find", lambda *_: ((), 5))
    good = [save(tmp_path / f"g{seed}.png", rendered_plates.render("good", 30 + seed, 128)[0]) for seed in range(6)]
    assert preflight.look(read([*paths, *good]), CONFIG).warnings == (
        "5 of 15 photographs are outliers: look for defective plates among them",
    )
    bad = [save(tmp_path / f"r{seed}.png", rendered_plates.render("total_rust", seed, 128)[0]) for seed in range(15)]
    (sentence,) = preflight.look(read([*paths, *good, *bad]), CONFIG).warnings
    assert sentence.startswith("two kinds of photographs by")
    rusty = [{name.startswith("r") for name in each.split(", ")[:5]} for each in re.findall(r"\((.*?)\)", sentence)]
    assert sorted(rusty, key=str) == [{False}, {True}]


@pytest.mark.parametrize("side", [48, 96, 300])
def test_pure_noise_is_named_at_any_size(tmp_path: Path, side: int) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (4, side, side, 3), dtype=np.uint8)
    plate = save(tmp_path / "plate.png", rendered_plates.render("good", 3, max(64, side))[0])
    found = preflight.look(read([*(save(tmp_path / f"{k}.png", each) for k, each in enumerate(noise)), plate]), CONFIG)
    assert found.warnings == ("nothing but noise in 4 photographs: 0.png, 1.png, 2.png, 3.png",)


def test_a_division_is_found_where_there_are_two_groups_and_not_in_one() -> None:
    rng = np.random.default_rng(0)
    two = np.exp(np.concatenate([rng.normal(0, 0.1, 14), rng.normal(1, 0.1, 16)]))
    explained, below = mixed_sets._division(two)
    assert (below, explained > 0.9) == (14, True)
    one = [mixed_sets._division(np.exp(rng.normal(0, 0.1, 30)))[0] for _ in range(100)]
    assert max(one) < mixed_sets.TWO_KINDS
    assert mixed_sets._division(np.full(30, 7.0)) == (0.0, 0)
