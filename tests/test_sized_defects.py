"""Structural defects of a given size: their area, their place, and their strength."""

import numpy as np
import pytest

from platewatch.errors import InputError
from platewatch.synthetic.hard_defects import LEAST_CHANGE
from platewatch.synthetic.sized_defects import contrast, sized_defect
from platewatch.synthetic.structural_defects import SIZED
from test_hard_defects import change, part


@pytest.mark.parametrize("name", ["1130x460", "500x1260", "object"])
@pytest.mark.parametrize("kind", SIZED)
def test_it_has_the_area_that_is_stated_and_lies_on_the_part(kind: str, name: str) -> None:
    photo, inside, others = part(name)
    for seed, diameter_px in enumerate((6.0, 20.0)):
        sizes = {"diameter_px": diameter_px, "strength": 1.0}
        damaged, mask = sized_defect(photo, np.random.default_rng(seed), inside, others, kind=kind, **sizes)
        assert not (mask & ~inside).any()
        assert not change(photo, damaged)[~mask].any()
        assert mask.sum() == pytest.approx(np.pi / 4 * diameter_px**2, abs=1)
        assert contrast(photo, damaged, mask) * 255 >= LEAST_CHANGE / 2


@pytest.mark.parametrize("kind", SIZED)
def test_strength_fades_the_same_defect(kind: str) -> None:
    photo, inside, others = part("1130x460")

    def made(strength: float) -> tuple[float, bytes]:
        sizes = {"diameter_px": 16.0, "strength": strength}
        damaged, mask = sized_defect(photo, np.random.default_rng(3), inside, others, kind=kind, **sizes)
        return contrast(photo, damaged, mask), mask.tobytes()

    (full, mask), (half, same) = made(1), made(0.5)
    assert mask == same
    assert half == pytest.approx(full / 2, rel=0.1)
    assert made(1) == (full, mask), "the same random numbers give the same defect"


def test_on_an_even_part_it_changes_nothing_and_a_part_is_needed() -> None:
    photo, inside = np.full((64, 64, 3), 90, np.uint8), np.ones((64, 64), bool)
    damaged, mask = sized_defect(photo, np.random.default_rng(0), inside, kind="blur", diameter_px=12, strength=1)
    assert np.array_equal(damaged, photo)
    assert contrast(photo, damaged, mask) == 0
    with pytest.raises(InputError, match="no pixel"):
        sized_defect(photo, np.random.default_rng(0), ~inside, kind="blur", diameter_px=12, strength=1)
