"""The summary's sentences are true of every trial that they cover."""

from dataclasses import replace

import pytest

from platewatch.decision import sensitivity_summary
from platewatch.decision.intervals import clopper_pearson
from platewatch.decision.sensitivity_summary import Illumination, Sensitivity, Trial


def trial(size_px: float, contrast: float, found: int, plates: int = 20) -> Trial:
    return Trial(size_px, contrast, plates, found, 0, clopper_pearson(found, plates))


def found(*trials: Trial, scale: float = 0.5, mm_per_px: float | None = None) -> Sensitivity:
    """The same trials for scratches and for rust, on photographs twice as large as judged."""
    return Sensitivity(512, scale, mm_per_px, 64, 54, 40, trials, trials)


def plain(text: str) -> str:
    return text.replace("\u00a0", " ")


GRID = (trial(1, 0.1, 0), trial(1, 0.2, 5), trial(2, 0.1, 3), trial(2, 0.2, 19), trial(4, 0.1, 20), trial(4, 0.2, 20))


def test_the_smallest_size_found_at_each_contrast_is_stated_with_count_and_interval() -> None:
    first, second = map(plain, sensitivity_summary.sentences(found(*GRID), "scratch"))
    assert (
        first
        == "a scratch 8 px wide and 128 px long at 10 % contrast: found on 20 of 20 plates (95 % interval 83 to 100 %)"
    )
    assert (
        second
        == "a scratch 4 px wide and 128 px long at 20 % contrast: found on 19 of 20 plates (95 % interval 75 to 100 %)"
    )
    assert plain(sensitivity_summary.summary_sentence(found(*GRID), "scratch")) == first


def test_a_spot_has_no_length_and_mm_are_stated_where_known() -> None:
    text = plain(sensitivity_summary.sentences(found(*GRID, mm_per_px=0.2), "rust")[1])
    assert text.startswith("a rust spot 4 px (0.8 mm) across at 20 % contrast: found on 19 of 20 plates")


@pytest.mark.parametrize(("count", "enough"), [(19, True), (18, False)])
def test_found_means_on_95_percent(count: int, enough: bool) -> None:
    assert (sensitivity_summary.smallest([trial(1, 0.1, count)], 0.1) is not None) is enough


def test_a_size_is_not_claimed_while_a_larger_one_fails() -> None:
    trials = [trial(1, 0.1, 20), trial(2, 0.1, 10), trial(4, 0.1, 20)]
    assert sensitivity_summary.smallest(trials, 0.1) == trials[2]
    assert sensitivity_summary.smallest(trials[:2], 0.1) is None
    text = plain(sensitivity_summary.sentences(found(*trials[:2]), "scratch")[0])
    assert text.startswith("even a scratch 4 px wide and 128 px long at 10 % contrast: found on only 10 of 20 plates")


def test_the_summary_sentence_claims_no_contrast_while_a_stronger_one_fails() -> None:
    trials = (trial(2, 0.1, 20), trial(2, 0.2, 15), trial(2, 0.4, 20))
    assert "at 40 % contrast: found on 20 of 20" in plain(sensitivity_summary.summary_sentence(found(*trials), "rust"))
    text = plain(sensitivity_summary.summary_sentence(found(*trials[:2]), "rust"))
    assert text.startswith("even a rust spot 4 px across at 20 % contrast: found on only 15 of 20 plates")


def test_if_nothing_is_found_there_is_one_sentence() -> None:
    trials = [replace(each, found=min(each.found, 18)) for each in GRID]
    (text,) = sensitivity_summary.sentences(found(*trials), "scratch")
    assert plain(text).startswith(
        "no scratch that was tried is found on 95 % of plates; most often found: a scratch 8 px wide and 128 px long "
        "at 20 % contrast, on only 18 of 20 plates"
    )
    assert sensitivity_summary.summary_sentence(found(*trials), "scratch") == text


def test_where_no_good_plate_passes_nothing_is_claimed() -> None:
    nothing = found(*(trial(each.size_px, each.contrast, 0, 0) for each in GRID))
    assert sensitivity_summary.sentences(nothing, "rust") == (
        "rust spot: not tested, because no good plate passes without a defect",
    )


def test_the_most_often_found_is_named_where_it_is_not_the_largest() -> None:
    grid = found(trial(1, 0.1, 17), trial(2, 0.1, 4), trial(4, 0.1, 7))
    (text,) = map(plain, sensitivity_summary.sentences(grid, "rust"))
    assert "most often found: a rust spot 2 px across at 10 % contrast, on only 17 of 20" in text
    enough = found(trial(1, 0.1, 20), trial(2, 0.1, 4))
    (text,) = map(plain, sensitivity_summary.sentences(found(*enough.rust), "rust"))
    assert text.startswith("even a rust spot 4 px across at 10 % contrast: found on only 4 of 20 plates")
    assert "most often found: a rust spot 2 px across at 10 % contrast, on 20 of 20 plates" in text


@pytest.mark.parametrize(
    ("scale", "mm_per_px", "text"), [(0.064, 0.25, "1,000 px (250 mm)"), (0.5, 0.05, "128 px (6.4 mm)")]
)
def test_lengths_are_never_powers_of_ten(scale: float, mm_per_px: float, text: str) -> None:
    assert found(*GRID, scale=scale, mm_per_px=mm_per_px).length(64) == text


def light(factor: float, warmth: float, passed: int) -> Illumination:
    return Illumination(factor, warmth, passed, 50 - passed, 0, (0, 1))


def test_an_illumination_is_costly_if_more_than_twice_as_many_plates_do_not_pass() -> None:
    usual, twice, more = light(1, 0, 47), light(0.75, 0, 44), light(1.25, 0, 43)
    assert sensitivity_summary.costly((usual, twice, more)) == (more,)
    none, two, three = light(1, 0, 50), light(0.75, 0, 48), light(1, 0.04, 47)
    assert sensitivity_summary.costly((none, two, three)) == (three,), "two plates of fifty are chance"


@pytest.mark.parametrize(
    ("factor", "warmth", "name"),
    [
        (1, 0, "as photographed"),
        (0.75, 0, "25 % darker"),
        (1.125, 0, "12.5 % brighter"),
        (1, 0.04, "4 % warmer"),
        (1.1, -0.04, "10 % brighter and 4 % colder"),
    ],
)
def test_illuminations_have_names(factor: float, warmth: float, name: str) -> None:
    assert plain(light(factor, warmth, 50).name) == name
