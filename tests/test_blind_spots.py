"""Blind spots name size and contrast of what was not found, for each kind, and say how few the trials are."""

from dataclasses import replace

import pytest

from platewatch.decision import blind_spots
from platewatch.decision.intervals import clopper_pearson
from platewatch.decision.sensitivity_summary import STRUCTURAL, Sensitivity, StructuralKind, StructuralTrial, Trial


def trial(size_px: float, contrast: float, found: int, plates: int = 20) -> Trial:
    return Trial(size_px, contrast, plates, found, 0, clopper_pearson(found, plates))


def structure(
    kind: StructuralKind, size_px: float, strength: float, found: int, contrast: float = 0.1, *, plates: int = 5
) -> StructuralTrial:
    return StructuralTrial(size_px, contrast, plates, found, 0, clopper_pearson(found, plates), kind, strength)


GRID = (trial(1, 0.1, 0), trial(1, 0.2, 5), trial(2, 0.1, 3), trial(2, 0.2, 19), trial(4, 0.1, 20), trial(4, 0.2, 20))


def stated(*structural: StructuralTrial, grid: tuple[Trial, ...] = GRID, mm_per_px: float | None = None) -> Sensitivity:
    """Photographs twice as large as judged."""
    return Sensitivity(512, 0.5, mm_per_px, 64, 54, 40, grid, grid, structural)


def plain(text: str) -> str:
    return text.replace("\u00a0", " ")


def test_each_contrast_names_the_largest_size_up_to_which_all_are_missed() -> None:
    found = stated()
    assert plain(blind_spots.sentence(found, "scratch")) == (
        "Scratch, 128 px long: not found on at least 95 % of plates: "
        "up to 4 px wide at 10 % contrast (3 of 20 plates, 95 % interval 3 to 38 %); "
        "2 px wide at 20 % contrast (5 of 20 plates, 95 % interval 9 to 49 %)."
    )
    assert "up to 4 px (0.8 mm) across at 10 % contrast" in plain(blind_spots.sentence(stated(mm_per_px=0.2), "rust"))


def test_a_missed_size_above_a_found_one_is_named_itself() -> None:
    gaps = stated(grid=(trial(1, 0.1, 3), trial(2, 0.1, 20), trial(4, 0.1, 0), trial(8, 0.1, 9)))
    text = plain(blind_spots.sentence(gaps, "rust"))
    assert [each in text for each in (": 2 px across", "; 8 px across", "; 16 px across", "4 px across")] == [
        True,
        True,
        True,
        False,
    ]
    assert "up to" not in text


def test_a_structural_kind_states_its_strength_and_the_contrast_that_came_out() -> None:
    trials = (
        structure("blur", 8, 0.5, 0, 0.013),
        structure("blur", 8, 1, 4, 0.025),
        structure("blur", 24, 0.5, 2, 0.02),
        structure("blur", 24, 1, 5, 0.04),
    )
    assert plain(blind_spots.sentence(stated(*trials), "blur")) == (
        "Blurred place: not found on at least 95 % of plates: "
        "up to 48 px across at 2 % contrast (strength 50 %) (2 of 5 plates, 95 % interval 5 to 85 %); "
        "16 px across at 2.5 % contrast (4 of 5 plates, 95 % interval 28 to 99 %)."
    )


def test_a_kind_without_a_blind_spot_states_its_smallest_defect() -> None:
    found = stated(structure("smear", 8, 1, 5, 0.07), structure("smear", 24, 1, 5, 0.09))
    assert plain(blind_spots.sentence(found, "smear")) == (
        "Smeared place: all that were tried are found on at least 95 % of plates; "
        "the smallest: 16 px across at 7 % contrast, on 5 of 5 plates (95 % interval 48 to 100 %)."
    )


@pytest.mark.parametrize(
    ("passing", "why"), [(0, "no good plate passes without a defect"), (40, "it changes too little on these plates")]
)
def test_what_was_not_tested_says_why(passing: int, why: str) -> None:
    found = replace(stated(structure("blur", 8, 1, 0, 0, plates=0)), passing=passing)
    assert blind_spots.sentence(found, "blur") == f"Blurred place: not tested, because {why}."
    assert blind_spots.structural_summary(found) == ""


def test_a_model_without_structural_trials_has_sentences_of_two_kinds() -> None:
    assert [each.partition(":")[0] for each in blind_spots.sentences(stated())] == ["Scratch, 128 px long", "Rust spot"]
    every = stated(*(structure(kind, 8, 1, 3) for kind in STRUCTURAL))
    assert len(blind_spots.sentences(every)) == 7


def test_it_says_how_little_few_plates_show() -> None:
    assert plain(blind_spots.few_words(stated(structure("blur", 8, 1, 5)))).startswith(
        "Some of these were tried on 5 plates only: where all 5 are found, up to 52 % of such defects could still pass"
    )
    assert blind_spots.few_words(stated(grid=(trial(1, 0.1, 0, 0),))) == ""


def test_the_terminal_has_one_line_of_structural_kinds() -> None:
    trials = (
        structure("missing", 8, 0.5, 0),
        structure("missing", 8, 1, 2),
        structure("missing", 24, 0.5, 0),
        structure("missing", 24, 1, 5),
        structure("blur", 24, 1, 1),
    )
    assert plain(blind_spots.structural_summary(stated(*trials))) == (
        "missing piece from 48 px; not found on 95 % of plates: blurred place"
    )
