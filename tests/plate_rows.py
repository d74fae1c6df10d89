"""Plates for the record's tests: Inspections with known numbers, without an inspector."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from platewatch.inspection import Defect, Evidence, Inspection, Verdict

PLATE = Inspection(
    image="line-2/cam7_000123.png",
    image_sha256="0" * 64,
    verdict=Verdict.PASS,
    reason="looks like the good plates",
    score=0.5,
    threshold=1.25,
    p_value=0.75,
    model_id="0123456789ab",
    time=datetime(2026, 5, 1, 12, 30, tzinfo=UTC),
    duration_ms=12.5,
)
DEFECT = Defect((1, 2, 30, 4), 12, 5.5, 2.25, Evidence(colour=0.75, line=0.25))


def plate(verdict: Verdict | None = Verdict.PASS, **changes: Any) -> Inspection:
    """An Inspection with this verdict; None: its photograph is not readable."""
    if verdict is None:
        changes = {
            "score": None,
            "p_value": None,
            "reason": "the photograph is not readable",
            "error": "damaged",
        } | changes
    elif verdict is not Verdict.PASS:
        changes = {"score": 1.1 if verdict is Verdict.REVIEW else 2.0, "defects": (DEFECT,)} | changes
    return replace(PLATE, verdict=verdict, **changes)
