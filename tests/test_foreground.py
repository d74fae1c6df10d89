"""The part is told from the background where it surely is an object; otherwise the whole photograph is the part."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from platewatch.arrays import Doubles, Photo
from platewatch.photographs import foreground, preparation
from platewatch.synthetic import rendered_plates

SIDE = 160
Y, X = np.indices((SIDE, SIDE)).astype(np.float64)
AWAY = np.hypot(X - SIDE / 2, Y - SIDE / 2) / (SIDE / 2)
"""Distance from the middle, 1 at the middle of a border."""
RNG = np.random.default_rng(0)


def noise(grain: int, strength: float) -> Doubles:
    """Smooth noise of grains `grain` px wide."""
    small = RNG.normal(0, strength, (SIDE // grain, SIDE // grain)).astype(np.float32)
    return np.asarray(cv2.resize(small, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC), np.float64)


def grey(level: Doubles, size: tuple[int, int] = (SIDE, SIDE)) -> Photo:
    """The middle of a grey photograph with camera noise; `size` is its width and height."""
    width, height = size
    side = max(size)
    whole = cv2.resize(level, (side, side))
    cut = whole[(side - height) // 2 :, (side - width) // 2 :][:height, :width]
    photo: Photo = np.clip(cut + RNG.normal(0, 3, cut.shape), 0, 255).astype(np.uint8)[..., None].repeat(3, axis=2)
    return photo


FILLS: dict[str, Callable[[], Doubles]] = {
    "fine texture": lambda: 120 + noise(1, 25),
    "coarse texture": lambda: 120 + noise(16, 40),
    "bright spots": lambda: np.where(noise(8, 1) > 1.5, 220.0, 90.0),
    "bright ring": lambda: 100 + 90 * np.exp(-(((AWAY - 0.6) / 0.08) ** 2)),
    "dark core": lambda: 150 - 110 * np.exp(-((AWAY / 0.35) ** 2)),
    "dark bore in a turned face": lambda: np.where(AWAY < 0.35, 40, 140 + 25 * np.sin(12 * AWAY)),
    "casting": lambda: np.select([AWAY < 0.3, AWAY < 0.4, AWAY < 1.05], [50, 190, 130 + noise(8, 14)], 180.0),
    "vignetting": lambda: 170 * (1 - 0.28 * AWAY**2),
    "gradient": lambda: 60 + 0.7 * X,
    "highlight": lambda: 90 + 140 * np.exp(-(((X - 60) / 40) ** 2 + ((Y - 70) / 15) ** 2)),
    "highlight of a cylinder": lambda: 80 + 120 * np.exp(-(((Y - 80) / 13) ** 2)),
    "stripes": lambda: 120 + 50 * np.sin(X / 5),
    "groove": lambda: np.where(np.abs(Y - 60) < 3, 200.0, 130.0),
    "plain": lambda: np.full((SIDE, SIDE), 128.0),
}

OBJECTS: dict[str, tuple[Callable[[], Doubles], float]] = {
    "disc": (lambda: np.where(AWAY < 0.6, 150.0, 30.0), 0.283),
    "ring": (lambda: np.where((AWAY < 0.8) & (AWAY > 0.6), 60.0, 210.0), 0.220),
    "textured disc": (lambda: np.where(AWAY < 0.7, 150 + noise(8, 15), 30.0), 0.385),
    "on an uneven background": (lambda: np.where(AWAY < 0.6, 60.0, 150 + 0.3 * X), 0.283),
    "that touches the border": (lambda: np.where((X > 40) & (X < 100) & (Y > 50), 70.0, 190.0), 0.253),
    "that is small": (lambda: np.where(AWAY < 0.25, 90.0, 200.0), 0.049),
}


@pytest.mark.parametrize("name", FILLS)
@pytest.mark.parametrize("size", [(SIDE, SIDE), (1130, 460), (500, 1260)], ids=["square", "1130x460", "500x1260"])
def test_of_a_part_that_fills_the_frame_the_whole_photograph_is_the_part(name: str, size: tuple[int, int]) -> None:
    photo = grey(FILLS[name](), size)
    assert foreground.find_object(photo).all()
    frame = preparation.frame(*size, 128)
    framed = foreground.find_framed_object(preparation.prepare(photo, 128), frame)
    assert np.array_equal(framed, frame.inside(128))


@pytest.mark.parametrize("name", OBJECTS)
def test_an_object_in_front_of_a_plain_background_is_found(name: str) -> None:
    level, area = OBJECTS[name]
    assert foreground.find_object(grey(level())).mean() == pytest.approx(area, abs=0.02)


def test_rendered_plates_are_found_at_every_size() -> None:
    for seed in range(6):
        photo = rendered_plates.render("good", seed, 128)[0]
        for size in (64, 128, 256):
            found = foreground.find_object(preparation.prepare(photo, size))
            assert 0.15 < found.mean() < 0.5
