"""An Inspection is frozen, complete and one line of plain JSON."""

import json
from dataclasses import FrozenInstanceError, fields
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from platewatch.inspection import SCHEMA, Defect, Evidence, Inspection, Verdict, now


def inspection(**changes: Any) -> Inspection:
    values: dict[str, Any] = {
        "verdict": Verdict.REJECT,
        "reason": "worse than all",
        "threshold": 1.25,
        "model_id": "0123456789ab",
        "time": datetime(2025, 5, 1, 12, 30, tzinfo=UTC),
        "duration_ms": 12.5,
    }
    return Inspection(**(values | changes))


def test_json_is_one_line_with_every_name() -> None:
    defect = Defect((1, 2, 3, 4), 12, 5.5, 2.25, Evidence(colour=0.75, line=0.25))
    line = inspection(image="Blech № 7\n.png", score=2.5, defects=(defect,)).as_json()
    assert "\n" not in line
    values = json.loads(line)
    assert list(values) == [field.name for field in fields(Inspection)]
    assert values["schema"] == SCHEMA
    assert values["verdict"] == "REJECT"
    assert values["image"] == "Blech № 7\N{REPLACEMENT CHARACTER}.png"
    assert values["time"] == "2025-05-01T12:30:00Z"
    evidence = {"colour": 0.75, "line": 0.25, "texture": None}
    assert values["defects"] == [
        {"box": [1, 2, 3, 4], "area_px": 12, "length_px": 5.5, "peak": 2.25, "evidence": evidence, "size_mm": None}
    ]
    assert values == inspection(image="Blech № 7\n.png", score=2.5, defects=(defect,)).as_dict()


def test_what_was_not_judged_is_null() -> None:
    values = inspection(verdict=None, error="plate.png: not a photograph").as_dict()
    assert [values[name] for name in ("verdict", "score", "p_value", "evidence", "defects")] == [None] * 4 + [[]]


def test_an_inspection_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        inspection().verdict = Verdict.PASS  # type: ignore[misc]


@pytest.mark.parametrize(
    "changes",
    [{"time": datetime(2025, 5, 1)}, {"verdict": "PERHAPS"}, {"colour": 1}],
    ids=["no zone", "no verdict", "unknown name"],
)
def test_what_is_no_inspection_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises((ValidationError, TypeError)):
        inspection(**changes)


def test_the_time_has_a_zone() -> None:
    assert now().utcoffset() is not None
