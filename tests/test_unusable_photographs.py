"""Photographs made unusable in each way get REVIEW from a model, so a candidate that judges one is refused."""

from pathlib import Path

import numpy as np
import pytest

from conftest import Tiny
from platewatch.errors import InputError
from platewatch.inspection import Verdict
from platewatch.line import unusable_photographs
from platewatch.model.inspector import Inspector
from platewatch.photographs import data_sets, reading

WAYS = ["empty", "dark", "clipped", "blurred", "cut off at half its width", "cut off at half its height"]


def test_the_set_is_fixed_and_made_of_three_training_photographs(tiny_model: Tiny) -> None:
    paths = data_sets.training(tiny_model.data)
    made, again = unusable_photographs.from_training(paths), unusable_photographs.from_training(paths)
    chosen = (paths[0], paths[round((len(paths) - 1) / 2)], paths[-1])
    assert list(made) == [f"{way} ({path.name})" for path in chosen for way in WAYS]
    assert all(np.array_equal(made[name], again[name]) for name in made)
    assert list(unusable_photographs.from_training(paths[:1])) == [f"{way} ({paths[0].name})" for way in WAYS]


@pytest.mark.parametrize("way", WAYS)
def test_a_model_sends_each_to_review(tiny_model: Tiny, inspector: Inspector, way: str) -> None:
    for path in data_sets.training(tiny_model.data)[::4]:
        found = inspector.inspect(unusable_photographs.spoil(reading.read(path))[way])
        assert (found.verdict, found.score) == (Verdict.REVIEW, None), found.reason


def test_in_place_of_a_training_photograph_that_is_not_readable_comes_the_next(
    tiny_model: Tiny, tmp_path: Path
) -> None:
    paths = data_sets.training(tiny_model.data)[:3]
    made = unusable_photographs.from_training([tmp_path / "gone.png", *paths])
    assert next(iter(made)) == f"empty ({paths[0].name})"
    with pytest.raises(InputError, match=r"gone\.png"):
        unusable_photographs.from_training([tmp_path / "gone.png"])
