"""Artificial defects: where they lie, how strong they are, and that their masks are exact."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from platewatch.arrays import Floats, Mask, Photo
from platewatch.errors import InputError
from platewatch.photographs import foreground
from platewatch.synthetic import compositing, rendered_plates
from platewatch.synthetic.artificial_defects import _KINDS, random_defect, rust, scratch

Kind = Callable[[Photo, Mask, np.random.Generator], tuple[Floats, Floats]]

SIDES = (32, 77, 128, 512)


def part(side: int, colour: tuple[int, int, int] = (30, 90, 160), noise: float = 2.0) -> Photo:
    """A turned rectangle of one colour in front of light grey, with camera noise."""
    photo = np.full((side, side, 3), 190, np.uint8)
    box = cv2.boxPoints(((side / 2, side / 2), (side * 0.6, side * 0.45), 25.0))
    cv2.fillConvexPoly(photo, np.rint(box).astype(np.int32), colour)
    grain = np.random.default_rng(0).normal(0, noise, (side, side, 1))
    return np.clip(photo + grain, 0, 255).astype(np.uint8)


def change(before: Photo, after: Photo) -> np.ndarray:
    return np.asarray(np.abs(after.astype(int) - before).max(axis=2))


def many(photo: Photo, count: int, seed: int = 0) -> list[tuple[Photo, Mask]]:
    rng = np.random.default_rng(seed)
    return [random_defect(photo, rng) for _ in range(count)]


@pytest.mark.parametrize("side", SIDES)
def test_changes_lie_in_the_mask_and_only_there(side: int) -> None:
    photo = part(side)
    before = photo.copy()
    for damaged, mask in many(photo, 40):
        assert damaged.shape == photo.shape
        assert damaged.dtype == np.uint8
        assert mask.shape == (side, side)
        assert mask.dtype == np.bool_
        assert mask.any()
        assert not change(photo, damaged)[~mask].any()
        assert change(photo, damaged)[mask].mean() >= 5
    assert np.array_equal(photo, before)


@pytest.mark.parametrize("kind", _KINDS, ids=lambda kind: kind.__name__)
def test_every_kind_changes_most_of_its_mask(kind: Kind) -> None:
    photo = part(128)
    rng = np.random.default_rng(1)
    for _ in range(20):
        damaged, mask = compositing.composite(photo, *kind(photo, foreground.find_object(photo), rng))
        assert mask.any()
        assert (change(photo, damaged)[mask] > 0).mean() > 0.8


def test_the_same_generator_gives_the_same_defect() -> None:
    photo = part(128)
    for (first, first_mask), (second, second_mask) in zip(many(photo, 12, 3), many(photo, 12, 3), strict=True):
        assert np.array_equal(first, second)
        assert np.array_equal(first_mask, second_mask)
    assert not np.array_equal(many(photo, 1, 3)[0][0], many(photo, 1, 4)[0][0])


@pytest.mark.parametrize("maker", ["random_defect", "scratch", "rust"])
def test_grey_stays_grey(maker: str) -> None:
    photo = part(96, (80, 80, 80))
    rng = np.random.default_rng(2)
    for _ in range(30):
        if maker == "random_defect":
            damaged, _ = random_defect(photo, rng)
        elif maker == "scratch":
            damaged, _ = scratch(photo, rng, width_px=2, length_px=30, contrast=0.3)
        else:
            damaged, _ = rust(photo, rng, diameter_px=12, contrast=0.3)
        assert (damaged[..., 0] == damaged[..., 1]).all()
        assert (damaged[..., 1] == damaged[..., 2]).all()


@pytest.mark.parametrize("colour", [(30, 90, 160), (60, 60, 60), (230, 120, 20)])
def test_defects_keep_to_the_object(colour: tuple[int, int, int]) -> None:
    photo = part(128, colour)
    near = cv2.dilate((part(128, colour, 0) != 190).any(axis=2).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    assert all(near[mask].all() for _, mask in many(photo, 40))


def test_uneven_illumination_of_the_background_is_not_found_as_object() -> None:
    photo = part(128).astype(float) * np.linspace(0.85, 1.15, 128)[None, :, None]
    found = foreground.find_object(np.clip(photo, 0, 255).astype(np.uint8))
    assert abs(found.mean() - 0.27) < 0.03


def test_without_an_object_defects_lie_anywhere() -> None:
    photo = np.random.default_rng(0).normal(128, 4, (64, 64, 3)).astype(np.uint8)
    assert foreground.find_object(photo).all()
    covered = np.any([mask for _, mask in many(photo, 60)], axis=0)
    assert covered.mean() > 0.9


def test_random_defects_range_from_subtle_to_strong_and_from_small_to_large() -> None:
    photo = part(128)
    results = many(photo, 150)
    strength = [change(photo, damaged)[mask].mean() for damaged, mask in results]
    area = [mask.mean() / 0.27 for _, mask in results]
    assert np.quantile(strength, 0.1) < 25
    assert np.quantile(strength, 0.9) > 80
    assert np.quantile(area, 0.2) < 0.02
    assert np.quantile(area, 0.9) > 0.2


@pytest.mark.parametrize("colour", [(110, 100, 90), (205, 205, 198)], ids=["like rust", "like steel"])
def test_no_defect_is_too_faint_to_be_seen(colour: tuple[int, int, int]) -> None:
    """Paint of the plate's own tone is replaced by another tone."""
    photo = part(64, colour)
    assert min(change(photo, artificial)[mask].mean() for artificial, mask in many(photo, 100)) >= 6


def test_no_defect_is_too_small_to_be_seen() -> None:
    """On an object of a few scattered pixels most draws cover less than a ten-thousandth of the picture."""
    photo, rng = part(256), np.random.default_rng(0)
    inside = np.zeros((256, 256), bool)
    inside[100:140:8, 100:140:8] = True
    assert min(np.count_nonzero(random_defect(photo, rng, inside)[1]) for _ in range(60)) >= 7


@pytest.mark.parametrize(("width_px", "contrast"), [(1, 0.3), (4, 0.03), (4, 0.1), (8, 0.3)])
@pytest.mark.parametrize("colour", [(30, 90, 160), (128, 128, 128)])
def test_a_scratch_has_the_given_contrast_and_size(
    width_px: int, contrast: float, colour: tuple[int, int, int]
) -> None:
    photo = part(256, colour, 0)
    rng = np.random.default_rng(5)
    for _ in range(5):
        damaged, mask = scratch(photo, rng, width_px=width_px, length_px=50, contrast=contrast)
        if width_px > 1:  # a finer one need not cover any pixel fully
            assert change(photo, damaged).max() == pytest.approx(255 * contrast, abs=1)
        covered = change(photo, damaged).sum() / (255 * contrast)
        assert covered == pytest.approx(width_px * 50, rel=0.15)
        reach = np.ptp(np.argwhere(mask), axis=0)
        assert np.hypot(*reach) == pytest.approx(50, abs=4)
        assert (photo[mask] != 190).any(axis=1).mean() > 0.8


@pytest.mark.parametrize("contrast", [0.05, 0.3])
def test_rust_has_the_given_contrast_and_area(contrast: float) -> None:
    photo = part(256, noise=0)
    rng = np.random.default_rng(5)
    for diameter in (3.0, 10.0, 40.0):
        damaged, mask = rust(photo, rng, diameter_px=diameter, contrast=contrast)
        assert mask.sum() == pytest.approx(np.pi / 4 * diameter**2, abs=1)
        assert change(photo, damaged)[mask].mean() == pytest.approx(255 * contrast, rel=0.15)
        assert (photo[mask] != 190).any(axis=1).mean() > 0.9


def test_invalid_photographs_and_sizes_are_refused_in_one_line() -> None:
    rng = np.random.default_rng(0)
    for wrong in (np.zeros((64, 60, 3), np.uint8), np.zeros((64, 64), np.uint8), np.zeros((64, 64, 3), np.float32)):
        with pytest.raises(InputError, match="expected uint8"):
            random_defect(wrong, rng)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"contrast 1\.5"):
        scratch(part(64), rng, width_px=2, length_px=10, contrast=1.5)
    with pytest.raises(InputError, match="diameter_px 0"):
        rust(part(64), rng, diameter_px=0, contrast=0.2)


def test_a_known_object_mask_gives_the_same_defect() -> None:
    photo = rendered_plates.render("good", 0, 96)[0]
    first, second = (
        random_defect(photo, np.random.default_rng(1), *known) for known in ((), (foreground.find_object(photo),))
    )
    assert all(np.array_equal(*pair) for pair in zip(first, second, strict=True))
