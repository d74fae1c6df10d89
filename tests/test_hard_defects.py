"""Artificial defects near the limit of what is seen: where they lie, what they are made of, how strong they are."""

from functools import cache

import cv2
import numpy as np
import pytest

from platewatch.arrays import Array, Floats, Mask, Photo
from platewatch.errors import InputError
from platewatch.learning import out_of_fold
from platewatch.photographs import preparation
from platewatch.photographs.foreground import find_framed_object
from platewatch.skipganomaly import augmentation
from platewatch.synthetic import artificial_defects, hard_defects, structural_defects
from platewatch.synthetic.hard_defects import KINDS, LEAST_CHANGE, VISIBILITY, hard_defect

SIDE = 128
ROUNDS = 3
Part = tuple[Photo, Mask, list[Photo]]
"""A prepared photograph, its object, and other photographs without padding."""


def cast(seed: int, size: tuple[int, int] = (SIDE, SIDE)) -> Photo:
    """A grey part that fills the frame: grain, a few dark pores, a bright groove."""
    rng, (width, height) = np.random.default_rng(seed), size
    grain = cv2.resize(rng.normal(0, 9, (height // 4, width // 4)), size, interpolation=cv2.INTER_LINEAR)
    photo = 130 + grain + rng.normal(0, 4, (height, width))
    photo[height // 3 : height // 3 + max(3, height // 40)] += 60
    for x, y in rng.uniform(0, 1, (12, 2)):
        cv2.circle(photo, (int(x * width), int(y * height)), max(1, width // 90), 45, -1)
    grey: Photo = np.clip(photo, 0, 255).astype(np.uint8)[..., None].repeat(3, axis=2)
    return grey


def plate(seed: int) -> Photo:
    """A coloured disc with a groove in front of a plain wall."""
    photo, rng = np.full((SIDE, SIDE, 3), 200, np.uint8), np.random.default_rng(seed)
    cv2.circle(photo, (SIDE // 2 + seed, SIDE // 2), SIDE // 3, (40, 70, 140), -1)
    cv2.circle(photo, (SIDE // 2 + seed, SIDE // 2), SIDE // 5, (90, 110, 160), 3)
    return np.asarray(np.clip(photo + rng.normal(0, 2, (SIDE, SIDE, 1)), 0, 255), np.uint8)


@cache
def part(name: str) -> Part:
    if name == "object":
        frame = preparation.frame(SIDE, SIDE, SIDE)
        return plate(0), find_framed_object(plate(0), frame), [plate(1), plate(2)]
    width, height = (int(each) for each in name.split("x"))
    frame = preparation.frame(width, height, SIDE)
    photos = [preparation.prepare(cast(seed, (width, height)), SIDE) for seed in range(3)]
    return photos[0], find_framed_object(photos[0], frame), [frame.cut(each) for each in photos[1:]]


def change(before: Photo, after: Photo) -> Floats:
    return np.asarray(np.abs(after.astype(np.float32) - before).max(axis=2), np.float32)


@pytest.mark.parametrize("name", ["1130x460", "500x1260", "object"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_defect_is_seen_and_lies_on_the_part_alone(kind: str, name: str) -> None:
    photo, inside, others = part(name)
    before, rng = photo.copy(), np.random.default_rng(1)
    for _ in range(ROUNDS):
        damaged, mask = hard_defect(photo, rng, inside, others, kind=kind)
        assert (damaged.shape, mask.shape) == (photo.shape, inside.shape)
        assert damaged.dtype == np.uint8
        assert mask.any()
        assert not (mask & ~inside).any()
        assert not change(photo, damaged)[~mask].any()
        assert change(photo, damaged)[mask].mean() >= LEAST_CHANGE
        if name != "object":
            assert np.ptp(damaged, axis=2).max() == 0  # grey stays grey
    assert np.array_equal(photo, before)


@pytest.mark.parametrize("kind", structural_defects.KINDS)
def test_no_piece_of_the_padding_is_used(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the padding's colour gets onto the part."""
    # in place of what cannot be seen there is a scratch, coloured because the padding is
    monkeypatch.setattr(artificial_defects, "visible_scratch", lambda photo, inside, _rng: (photo, inside))
    photo, inside, others = part("500x1260")
    marked, rng = np.where(inside[..., None], photo, np.array([255, 0, 255], np.uint8)), np.random.default_rng(2)
    far = cv2.erode(inside.astype(np.uint8), np.ones((31, 31), np.uint8)) > 0  # a blur reaches over the border
    for _ in range(ROUNDS):
        damaged, mask = hard_defect(marked, rng, inside, others, kind=kind)
        assert np.ptp(damaged[mask & (far if kind in ("blur", "smear") else inside)], axis=-1).max(initial=0) == 0


def test_the_same_generator_gives_the_same_defect() -> None:
    photo, inside, others = part("1130x460")
    one, two, other = (
        [hard_defect(photo, rng, inside, others) for _ in range(8)] for rng in map(np.random.default_rng, (3, 3, 4))
    )
    assert all(np.array_equal(a, b) for pair in zip(one, two, strict=True) for a, b in zip(*pair, strict=True))
    assert not all(np.array_equal(a[0], b[0]) for a, b in zip(one, other, strict=True))


def test_a_crack_is_thin_dark_and_of_the_part_s_own_tone() -> None:
    photo, inside, others = part("1130x460")
    large: Photo = np.asarray(cv2.resize(photo, (256, 256)), np.uint8)
    on_part: Mask = np.asarray(cv2.resize(inside.astype(np.uint8), (256, 256)) > 0)
    rng, darkest = np.random.default_rng(5), int(large[on_part].min())
    for _ in range(12):
        damaged, mask = hard_defect(large, rng, on_part, others, kind="crack")
        assert cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 3).max() <= 2.5
        assert (damaged <= large).mean() > 0.999
        assert damaged[mask].min() >= 0.7 * darkest - 1


@pytest.mark.parametrize("name", ["1130x460", "object"])
def test_strength_is_relative_to_the_texture(name: str) -> None:
    """From hardly to well visible; a few kinds cannot change the photograph as much as was drawn."""
    photo, inside, others = part(name)
    rng, low, high = np.random.default_rng(6), *VISIBILITY
    seen = []
    for _ in range(60):
        damaged, mask = hard_defect(photo, rng, inside, others)
        seen.append(hard_defects.visibility(photo, change(photo, damaged), mask))
    assert np.quantile(seen, 0.9) <= 1.1 * high
    assert np.quantile(seen, 0.1) < 2 * low
    assert np.quantile(seen, 0.9) > high / 3
    assert low < np.median(seen) < high / 2


def test_a_piece_is_missing_from_the_outline_of_an_object() -> None:
    photo, inside, others = part("object")
    rng = np.random.default_rng(7)
    outline = cv2.dilate((~inside).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    for _ in range(ROUNDS):
        damaged, mask = hard_defect(photo, rng, inside, others, kind="missing")
        assert (mask & outline).any()
        assert (damaged[mask].mean(axis=0) >= photo[mask].mean(axis=0)).all()  # towards the lighter wall


def test_pieces_come_from_other_photographs_where_there_are_some() -> None:
    photo, inside, _ = part("1130x460")
    rng, bright = np.random.default_rng(8), [np.full((40, 90, 3), 250, np.uint8)]
    for _ in range(ROUNDS):
        damaged, mask = hard_defect(photo, rng, inside, bright, kind="foreign")
        assert (damaged[mask] >= photo[mask]).all()


def test_detectors_differ_in_what_they_find() -> None:
    """Each of two detectors, one of brightness and one of grain, is blind to kinds that the other one finds."""
    photo, inside, others = part("1130x460")
    rng, found = np.random.default_rng(9), dict[str, Array]()

    def seen(picture: Photo) -> Array:
        grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
        even = cv2.GaussianBlur(grey, (0, 0), 3)
        return np.stack([even, cv2.GaussianBlur(np.abs(grey - even), (0, 0), 3)])[:, inside]

    before = seen(photo)
    for kind in ("stain", "blur"):
        changes = [np.abs(seen(hard_defect(photo, rng, inside, others, kind=kind)[0]) - before) for _ in range(12)]
        found[kind] = np.median([change.max(axis=1) for change in changes], axis=0)
    assert found["stain"][0] > 1.5 * found["blur"][0]
    assert found["blur"][1] / found["blur"][0] > 1.5 * found["stain"][1] / found["stain"][0]


def test_a_photograph_of_another_shape_and_an_empty_object_are_refused() -> None:
    rng, photo = np.random.default_rng(0), cast(0)
    with pytest.raises(InputError, match="expected uint8"):
        hard_defect(photo[:, :60], rng, np.ones((SIDE, 60), bool))
    with pytest.raises(InputError, match="no pixel"):
        hard_defect(photo, rng, np.zeros((SIDE, SIDE), bool))


def test_they_choose_and_the_strong_ones_train() -> None:
    assert vars(out_of_fold)["hard_defect"] is hard_defect
    assert vars(augmentation)["random_defect"] is artificial_defects.random_defect
