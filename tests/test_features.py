"""A patch's features describe what the photograph shows at its place."""

from dataclasses import replace

import numpy as np
import pytest

from platewatch.arrays import Array
from platewatch.config import SurfaceConfig
from platewatch.surface import features
from platewatch.surface.features import _Level

SETTINGS = SurfaceConfig()


def noise(side: int = 96) -> Array:
    return np.random.default_rng(0).uniform(-50, 50, (side, side, 3)).astype(np.float32)


def test_blurring_in_two_steps_equals_one_blur() -> None:
    level = _Level(noise()).blurred(1.4).blurred(2.8)
    assert level.width == 2.8
    assert level.picture == pytest.approx(features.blur(noise(), 2.8), abs=0.15)
    assert level.picture.std() == pytest.approx(features.blur(noise(), 2.8).std(), rel=0.02)


def test_a_blurred_picture_keeps_its_values_when_every_second_px_is_sampled() -> None:
    whole = _Level(noise()).blurred(1.4)
    halved = whole.halved()
    assert halved.every == 2
    assert halved.halved() is halved
    wider, narrower = whole.blurred(5.6), halved.blurred(5.6)
    inner = slice(8, -8)  # the border is mirrored at another place
    assert narrower.picture[inner, inner] == pytest.approx(wider.picture[::2, ::2][inner, inner], abs=0.1)
    slopes = zip(wider.gradients(), narrower.gradients(), strict=True)
    for slope, seen in slopes:
        assert np.corrcoef(slope[::2, ::2].ravel(), seen.ravel())[0, 1] > 0.98
        assert seen.std() == pytest.approx(slope.std(), rel=0.05)


@pytest.mark.parametrize("every", [1, 2])
def test_a_patch_s_value_is_the_mean_over_it(every: int) -> None:
    places = noise()[::every, ::every].copy()
    side = 4 // every
    blocks = places.reshape(24, side, 24, side, 3).mean(axis=(1, 3))
    assert _Level(places, every=every).patches(places, 0.5, 4) == pytest.approx(blocks, abs=1e-3)


@pytest.mark.parametrize("every", [1, 2])
def test_a_window_wider_than_a_patch_has_the_standard_deviation_that_is_set(every: int) -> None:
    """One bright px spreads over the patches with the window's variance."""
    places = np.zeros((96 // every, 96 // every, 1), np.float32)
    places[48 // every, 48 // every] = 1
    seen = _Level(places, every=every).patches(places, 6.0, 4)
    profile = seen.reshape(24, 24).sum(axis=0)
    middles = 4 * np.arange(24) + 1.5
    mean = (profile * middles).sum() / profile.sum()
    spread = np.sqrt((profile * (middles - mean) ** 2).sum() / profile.sum())
    assert spread == pytest.approx(6.0, rel=0.1)


def test_a_stripe_s_strength_does_not_depend_on_its_direction() -> None:
    photo = np.full((96, 96, 3), 120, np.uint8)
    photo[:, 40:44] = 180
    lying, standing = (features.describe(each, SETTINGS)[1] for each in (photo.transpose(1, 0, 2).copy(), photo))
    assert lying.transpose(1, 0, 2)[4:-4, 4:-4] == pytest.approx(standing[4:-4, 4:-4], abs=0.05)


def test_the_weight_of_lightness_applies_to_its_mean_and_its_spread() -> None:
    """L of a grey 119 is 50."""
    photo = np.full((64, 64, 3), 119, np.uint8)
    photo[::2, ::2] = 160
    plain, weighed = (features.describe(photo, replace(SETTINGS, lightness=weight))[0] for weight in (1.0, 0.5))
    assert weighed[..., [0, 3]] == pytest.approx(0.5 * plain[..., [0, 3]], rel=1e-5)
    assert plain[..., 3].min() > 1
    assert np.array_equal(weighed[..., [1, 2, 4, 5]], plain[..., [1, 2, 4, 5]])


def test_shapes_and_dtypes_are_as_documented() -> None:
    colour, line = features.describe(np.zeros((64, 64, 3), np.uint8), SETTINGS)
    assert (colour.shape, line.shape) == ((16, 16, 6), (16, 16, 24))
    assert {colour.dtype, line.dtype} == {np.dtype(np.float32)}
