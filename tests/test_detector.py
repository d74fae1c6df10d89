"""Phase one tells rust and scratches from good plates, fitted to good plates alone."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from platewatch.arrays import Array, Floats, Mask, Photo
from platewatch.config import SurfaceConfig
from platewatch.photographs import preparation
from platewatch.surface import detector, features, fusion
from platewatch.surface.detector import Surface
from platewatch.synthetic import artificial_defects, rendered_plates

SIZE = 96
FEW = SurfaceConfig(bank=2048)  # patches: enough where it matters little how well defects are found
ALL = np.ones((SIZE, SIZE), bool)


def rendered(kind: str, count: int, first: int = 0) -> Array:
    return np.stack([rendered_plates.render(kind, seed, SIZE)[0] for seed in range(first, first + count)])


@pytest.fixture(scope="module")
def fitted() -> Surface:
    return detector.fit(rendered("good", 16), seed=0)


@pytest.mark.parametrize("kind", ["major_rust", "total_rust"])
def test_rust_scores_above_every_good_plate_and_is_colour(fitted: Surface, kind: str) -> None:
    good = [fitted.inspect(photo, ALL).score for photo in rendered("good", 8, 100)]
    for photo in rendered(kind, 5):
        seen = fitted.inspect(photo, ALL)
        assert seen.score > max(good)
        assert fusion.pool(seen.maps[0]) > max(1, fusion.pool(seen.maps[1]))


def test_a_scratch_is_a_line_where_it_lies(fitted: Surface) -> None:
    photo = rendered("good", 1, 200)[0]
    scratched, mask = artificial_defects.scratch(
        photo, np.random.default_rng(0), width_px=3, length_px=60, contrast=0.5
    )
    before, after = fitted.inspect(photo, ALL), fitted.inspect(scratched, ALL)
    assert after.maps[1][mask].mean() > 1.3 * before.maps[1][mask].mean()
    gain = after.anomaly_map - before.anomaly_map
    assert gain[mask].mean() > 5 * max(0.01, gain[~mask].mean())


def test_good_plates_score_about_one_at_most(fitted: Surface) -> None:
    scores = [fitted.inspect(photo, ALL).score for photo in rendered("good", 12, 100)]
    assert np.median(scores) < 1
    assert max(scores) < 1.6


def test_padding_does_not_change_score_or_map(fitted: Surface) -> None:
    inside = ALL.copy()
    inside[:, 48:] = False
    photo = rendered("total_rust", 1)[0]
    seen = fitted.inspect(photo, inside)
    assert not seen.anomaly_map[:, 48:].any()
    assert seen.anomaly_map[:, :48].any()
    assert not fitted.inspect(photo, ~ALL).score


def test_the_same_seed_gives_the_same_banks_another_seed_others() -> None:
    photos = rendered("good", 6)
    one, two, other = (detector.fit(photos, seed, FEW).arrays() for seed in (0, 0, 1))
    assert all(np.array_equal(one[name], two[name]) for name in one)
    assert not np.array_equal(one["colour_cells"], other["colour_cells"])


def test_arrays_are_plain_and_give_the_same_surface_back(fitted: Surface) -> None:
    arrays = fitted.arrays()
    assert {array.dtype for array in arrays.values()} == {np.dtype(np.float32)}
    photo = rendered("scratches", 1)[0]
    again = Surface.from_arrays(arrays, fitted.settings).inspect(photo, ALL)
    assert again.score == pytest.approx(fitted.inspect(photo, ALL).score, rel=1e-6)
    del arrays["line_cells"]
    with pytest.raises(KeyError):
        Surface.from_arrays(arrays, fitted.settings)


def test_grey_photographs_have_no_invented_colour() -> None:
    grey = np.repeat(rendered("good", 1)[0][..., 1:2], 3, axis=2)
    colour, _ = features.describe(grey, detector.DEFAULT)
    assert np.abs(colour[..., [1, 2, 4, 5]]).max() < 0.2  # a, b and their spread, of ±128: rounding


def test_phase_one_works_on_grey_photographs() -> None:
    def grey(kind: str, count: int, first: int = 0) -> Array:
        return np.repeat(rendered(kind, count, first)[..., 1:2], 3, axis=3)

    fitted = detector.fit(grey("good", 10), seed=0)
    good = [fitted.inspect(photo, ALL).score for photo in grey("good", 6, 100)]
    assert min(fitted.inspect(photo, ALL).score for photo in grey("total_rust", 6)) > np.median(good)


def test_a_patch_s_features_do_not_depend_on_the_rest_of_the_photograph() -> None:
    """Invariant 2: nothing is scaled by the photograph's own extremes."""
    photo = rendered("good", 1)[0]
    beside = photo.copy()
    beside[:16, :16], beside[16:32, :16] = 255, 0
    for before, after in zip(
        features.describe(photo, detector.DEFAULT), features.describe(beside, detector.DEFAULT), strict=True
    ):
        assert np.array_equal(before[18:, 18:], after[18:, 18:])


def test_the_map_is_blurred_as_wide_as_the_settings_say(fitted: Surface) -> None:
    """The blur removes noise of single patches."""
    bank, side = fitted.banks[0], SIZE // fitted.settings.patch
    features = np.tile(bank.patches[0], (side, side, 1))
    features[side // 2, side // 2] += 50
    seen = bank.map(features, ALL, fitted.settings.smooth)
    places = np.arange(SIZE) - np.average(np.arange(SIZE), weights=seen.sum(axis=0))
    spread = np.sqrt(np.average(places**2, weights=seen.sum(axis=0)))
    assert spread == pytest.approx(fitted.settings.smooth, rel=0.15)


@pytest.mark.parametrize("count", [2, 3])
def test_very_few_plates_are_enough_to_fit(count: int) -> None:
    fitted = detector.fit(rendered("good", count), seed=0, settings=FEW)
    assert np.isfinite(fitted.inspect(rendered("good", 1, 50)[0], ALL).score)


def test_the_smallest_bank_is_enough_to_fit() -> None:
    fitted = detector.fit(rendered("good", 3), seed=0, settings=SurfaceConfig(bank=16))
    assert np.isfinite(fitted.inspect(rendered("good", 1, 50)[0], ALL).score)


def test_plates_that_are_all_alike_give_a_finite_score() -> None:
    photos = np.stack([preparation.prepare(rendered("good", 1)[0], SIZE)] * 4)
    fitted = detector.fit(photos, seed=0, settings=FEW)
    seen = fitted.inspect(rendered("good", 1, 50)[0], ALL)
    assert np.isfinite(seen.score)
    assert np.isfinite(seen.anomaly_map).all()


def test_pooling_takes_the_mean_of_the_top_pixels() -> None:
    values = np.random.default_rng(0).permutation(np.arange(100.0))
    assert fusion.pool(values.reshape(10, 10), 0.05) == pytest.approx(np.mean([95, 96, 97, 98, 99]))
    assert fusion.pool(values.reshape(10, 10), 1e-9) == 99
    assert fusion.pool(values.reshape(10, 10), 1) == pytest.approx(49.5)


def test_without_a_plate_its_patches_are_removed_and_the_scales_stay(fitted: Surface) -> None:
    """Invariant 5: no patch of a plate that is left out is searched."""
    assert fitted.coresets is not None
    left = fitted.without([2, 5])
    banks = left.banks, fitted.banks
    for mine, theirs, coreset in zip(*banks, fitted.coresets, strict=True):
        assert np.array_equal(mine.patches, coreset.without([2, 5]))
        assert mine.scale == theirs.scale
    assert (left.map_scale, left.score_scales) == (fitted.map_scale, fitted.score_scales)


def test_patches_carry_the_number_of_their_photograph(fitted: Surface) -> None:
    """A photograph's patches are in the bank unless it is left out."""
    assert fitted.coresets is not None
    colour, _ = features.describe(rendered("good", 16)[3], fitted.settings)
    own = {each.tobytes() for each in colour.reshape(-1, colour.shape[-1])}
    found = np.array([patch.tobytes() in own for patch in fitted.coresets[0].sample])
    assert set(fitted.coresets[0].numbers[found]) == {3}
    assert any(patch.tobytes() in own for patch in fitted.banks[0].patches)
    assert not any(patch.tobytes() in own for patch in fitted.without([3]).banks[0].patches)


def test_a_loaded_surface_cannot_leave_out_photographs(fitted: Surface) -> None:
    with pytest.raises(ValueError, match="no coresets"):
        Surface.from_arrays(fitted.arrays(), fitted.settings).without([0])
    with pytest.raises(ValueError, match="no coresets"):
        fitted.without([0]).without([1])


def test_the_score_is_the_larger_of_the_scores_of_a_small_and_a_large_fraction(fitted: Surface) -> None:
    few, many = fitted.settings.score_fractions
    spot, worn = np.zeros((2, 256, 256), np.float32)
    spot[100:110, 100:110], worn[60:180, 60:180] = 8, 1.5
    assert fusion.pool(spot, few) / fitted.score_scales[0] > fusion.pool(worn, few) / fitted.score_scales[0]
    assert fusion.pool(spot, many) / fitted.score_scales[1] < fusion.pool(worn, many) / fitted.score_scales[1]
    for photo in rendered("scratches", 2):
        seen = fitted.inspect(photo, ALL)
        pooled = [fusion.pool(seen.anomaly_map, fraction) for fraction in fitted.settings.score_fractions]
        assert seen.score == pytest.approx(max(np.array(pooled) / fitted.score_scales))


WIDE = SurfaceConfig(bank=4096, further_fractions=(0.1,), fine_fractions=(0.001, 0.01))


@pytest.fixture(scope="module")
def wide() -> Surface:
    """A surface whose score has pooled values of all three kinds."""
    return detector.fit(rendered("good", 12), seed=0, settings=WIDE)


def test_further_and_fine_values_do_not_raise_the_score_of_good_plates_that_set_their_scales(wide: Surface) -> None:
    """Their scales are at least the largest value of a good plate; fine ones 1.1 times that."""
    poolings = fusion.poolings(WIDE, wide.fusion)
    assert [(each.fraction, each.fine) for each in poolings] == [
        *((0.005, False), (0.02, False), (0.1, False)),
        *((0.001, True), (0.01, True)),
    ]
    photos = rendered("good", 12)
    values = np.array([wide.pooled(wide.without([k]).maps(each, ALL), ALL) for k, each in enumerate(photos)])
    largest = (values / wide.score_scales).max(axis=0)
    assert (largest[2:] <= [1 + 1e-6] + 2 * [1 / 1.1 + 1e-6]).all()
    assert (largest[2:] > 0.3).all()


def test_a_thin_mark_on_the_fine_map_and_wear_on_the_fused_map_raise_the_score(wide: Surface) -> None:
    plain = wide.maps(rendered("good", 1)[0], ALL)
    spot, worn = np.zeros((2, SIZE, SIZE), np.float32)
    spot[40:43, 40:43], worn[10:80, 10:80] = 4, 3
    before = np.array(wide.pooled(plain, ALL))
    line = np.array(wide.pooled((plain[0], plain[1] + spot), ALL)) / before
    assert line[3] > line[0] > line[2]  # the smallest fraction of the fine map gains most
    area = np.array(wide.pooled((plain[0] + worn, plain[1] + worn), ALL)) / before
    assert area[2] > area[0]


def test_the_map_shows_what_only_the_fine_map_has(wide: Surface) -> None:
    weighed = replace(wide, fusion=replace(wide.fusion, weights=(1.0, 0.01)))
    for photo in rendered("scratches", 2):
        seen = weighed.inspect(photo, ALL)
        fused, fine = weighed.fusion.of(seen.maps) / weighed.map_scale, weighed.fusion.fine(WIDE)
        assert fine is not None
        scale = weighed.score_scales[3]  # of the smallest fine fraction
        assert np.allclose(seen.anomaly_map, np.maximum(fused, fine.of(seen.maps) / scale), rtol=1e-5)
        assert (seen.anomaly_map > fused * 1.01).any()


def test_without_weight_for_colour_and_line_there_is_no_fine_map() -> None:
    only_texture = fusion.Fusion((0.0, 0.0, 1.0), 1)
    assert only_texture.fine(WIDE) is None
    assert [each.fine for each in fusion.poolings(WIDE, only_texture)] == [False, False, False]
    assert fusion.Fusion((1.0, 0.0, 1.0), 2).fine(WIDE) == fusion.Fusion((1.0, 0.0, 0.0), 2)


def test_large_photographs_give_more_patches_to_the_banks() -> None:
    photos = rendered("good", 4)
    few, more, most = (
        detector.fit_unscaled(photos, 0, SurfaceConfig(bank=256, pool_area=area)).coresets
        for area in (None, SIZE * SIZE // 4, 1000)
    )
    drawn = [len(each[0].sample) for each in (few, more, most) if each]
    assert drawn == [256, 4 * 256, 8 * 256]


def test_good_plates_that_it_never_saw_peak_at_one_at_most(fitted: Surface) -> None:
    peaks = [fusion.pool(fitted.inspect(photo, ALL).anomaly_map) for photo in rendered("good", 12, 100)]
    assert 0.4 < np.median(peaks) < 1


def test_the_line_map_is_fused_with_the_weight_of_the_settings(fitted: Surface) -> None:
    seen = fitted.inspect(rendered("scratches", 1)[0], ALL)
    fused = np.hypot(seen.maps[0], fitted.settings.line_weight * seen.maps[1]) / fitted.map_scale
    assert seen.anomaly_map == pytest.approx(fused)


def test_a_change_of_hue_alone_makes_lines_too(fitted: Surface) -> None:
    """Line features are taken of a and b as well: worn paint as light as the rest is found."""
    photo = rendered("good", 1, 200)[0]
    grey = np.repeat(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
    striped = photo.copy()
    striped[40:56:4] = grey[40:56:4]
    before, after = features.describe(photo, detector.DEFAULT)[1], features.describe(striped, detector.DEFAULT)[1]
    gain = np.abs(after - before)[10:14].mean(axis=(0, 1)).reshape(-1, 3)  # bands and directions of L, a, b
    assert gain[:, 2].max() > 2 * gain[:, 0].max()


def test_illumination_copies_lower_the_scores_of_dark_photographs(fitted: Surface) -> None:
    plain = detector.fit(rendered("good", 16), seed=0, settings=SurfaceConfig(illumination_copies=0))
    darker = [(photo * 0.7).astype(np.uint8) for photo in rendered("good", 6, 100)]
    scores = [[each.inspect(photo, ALL).score for photo in darker] for each in (fitted, plain)]
    assert np.median(scores[0]) < 0.9 * np.median(scores[1])


def test_an_unscaled_fit_has_the_same_distances() -> None:
    photos = rendered("good", 6)
    plain, fitted = detector.fit_unscaled(photos, 0, FEW), detector.fit(photos, 0, FEW)
    seen, scaled = (each.inspect(photos[0], ALL) for each in (plain, fitted))
    np.testing.assert_allclose(seen.maps[0], scaled.maps[0] * fitted.banks[0].scale, rtol=1e-5)
    np.testing.assert_allclose(seen.maps[1], scaled.maps[1] * fitted.banks[1].scale, rtol=1e-5)
    assert (plain.banks[0].scale, plain.banks[1].scale) == (1, 1)
    assert fitted.banks[1].scale > 0.01


def test_the_texture_map_has_a_blur_of_its_own() -> None:
    settings = SurfaceConfig(bank=64, texture_bank=64, smooth=1.0, texture_smooth=8.0)
    place = SIZE // 2

    def texture(photo: Photo, _inside: Mask) -> Floats:
        features = np.zeros((SIZE // 8, SIZE // 8, 3), np.float32)
        features[place // 8, place // 8] = photo[place, place, 0]
        return features

    photos = np.zeros((4, SIZE, SIZE, 3), np.uint8)
    insides = np.ones(photos.shape[:3], bool)
    fitted = detector.fit_unscaled(photos, 0, settings, insides, texture)
    marked = photos[0].copy()
    marked[place, place] = 255
    seen = fitted.maps(marked, ALL)[2]
    narrow = replace(fitted, settings=replace(settings, texture_smooth=1.0)).maps(marked, ALL)[2]
    assert seen.max() < narrow.max() / 3
    assert seen.sum() == pytest.approx(narrow.sum(), rel=0.02)


def test_several_fractions_are_pooled_as_one_by_one() -> None:
    values = np.random.default_rng(0).random((40, 50)).astype(np.float32)
    fractions = (0.005, 0.1, 0.02, 0.1, 1e-9)
    assert fusion.pools(values, fractions, most=1500) == [fusion.pool(values, each, most=1500) for each in fractions]
    assert fusion.pool(values, 0.1, most=1500) == pytest.approx(np.sort(values, axis=None)[-150:].mean())


LEVELLED = replace(FEW, levelling_range=0.4, illumination_copies=2)


def test_a_levelled_surface_sees_the_same_colours_and_lines_in_a_dimmer_photograph() -> None:
    photos = rendered("good", 8)
    photo = rendered("good", 1, 50)[0]
    dimmer = (photo * 0.8).astype(np.uint8)

    def changes(settings: SurfaceConfig) -> list[float]:
        fitted = detector.fit(photos, 0, settings)
        pairs = zip(fitted.maps(photo, ALL), fitted.maps(dimmer, ALL), strict=True)
        return [float(np.abs(each - other).mean() / each.mean()) for each, other in pairs]

    as_taken, levelled = changes(replace(LEVELLED, levelling_range=0.0)), changes(LEVELLED)
    assert levelled[0] < 0.5 * as_taken[0]
    assert levelled[1] < 0.8 * as_taken[1]


def test_levelling_is_stored_and_leaves_texture_features_alone() -> None:
    seen = list[float]()

    def texture(photo: Photo, _inside: Mask) -> Floats:
        seen.append(float(photo.mean()))
        return np.zeros((SIZE // 8, SIZE // 8, 3), np.float32)

    photos = rendered("good", 4)
    insides = np.ones(photos.shape[:3], bool)
    fitted = detector.fit_unscaled(photos, 0, LEVELLED, insides, texture)
    seen.clear()
    photo = (photos[0] * 0.7).astype(np.uint8)
    again = Surface.from_arrays(fitted.arrays(), LEVELLED, texture=texture)
    assert again.level == fitted.level
    assert np.array_equal(again.maps(photo, ALL)[0], fitted.maps(photo, ALL)[0])
    assert seen == [pytest.approx(float(photo.mean()))] * 2
    assert detector.fit_unscaled(photos, 0, FEW, insides).level is None


def test_a_surface_is_fitted_to_photographs_levelled_right_and_wrong() -> None:
    photos = np.stack([np.full((SIZE, SIZE, 3), grey, np.uint8) for grey in (100, 110, 120, 130)])
    fitted = detector.fit_unscaled(photos, 0, replace(LEVELLED, bank=65536), np.ones(photos.shape[:3], bool))
    assert fitted.level == 115
    lightness = {round(float(each[0]) / LEVELLED.lightness) for each in fitted.banks[0].patches}
    right, dim, bright = (
        float(cv2.cvtColor(np.full((1, 1, 3), each / 255, np.float32), cv2.COLOR_RGB2LAB)[0, 0, 0])
        for each in (115, 115 * 0.75, 115 * 1.25)
    )
    assert {min((right, dim, bright), key=lambda each: abs(each - found)) for found in lightness} == {
        right,
        dim,
        bright,
    }
