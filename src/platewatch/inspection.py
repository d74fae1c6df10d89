"""What comes out for every plate: a Verdict, its numbers, its Defects, and where they came from."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AwareDatetime, ConfigDict, Field, TypeAdapter
from pydantic.dataclasses import dataclass

SCHEMA = 1
"""Version of the JSON form of everything that programs read."""

NOT_READABLE = "Not readable"
"""What people read in place of a verdict when `verdict` is None."""

_FROZEN = ConfigDict(extra="forbid", ser_json_inf_nan="constants")

Share = Annotated[float, Field(ge=0, le=1)]


class Verdict(StrEnum):
    """The decision on a plate."""

    PASS = "PASS"  # noqa: S105 - a verdict, no password
    REVIEW = "REVIEW"
    REJECT = "REJECT"


@dataclass(frozen=True, config=_FROZEN)
class Evidence:
    """How much of a finding is colour (rust-like) and how much line (scratch-like); the two add up to 1."""

    colour: Share
    line: Share


@dataclass(frozen=True, config=_FROZEN)
class Defect:
    """A place on the plate that looks unlike the good ones; lengths in px of the photograph as it came."""

    box: tuple[int, int, int, int]
    """Left, top, width, height."""
    area_px: int
    length_px: float
    """Longest extent of the place."""
    peak: float
    """Largest value of the anomaly map within; 1 is the limit."""
    evidence: Evidence


@dataclass(frozen=True, kw_only=True, config=_FROZEN)
class Inspection:
    """The record of one plate handed in; exactly one for each, also when it could not be read."""

    schema: int = SCHEMA
    image: str | None = None
    """Path or name under which the photograph came; None for bytes and arrays."""
    image_sha256: str | None = None
    """SHA-256 of the file's bytes, or of the array's; None when not even bytes could be read."""
    verdict: Verdict | None
    """None when the photograph could not be read: `error` says why."""
    reason: str
    """One sentence for a person."""
    score: float | None = None
    """Higher is worse; None when nothing could be judged."""
    threshold: float
    """Scores above this are REJECT."""
    p_value: float | None = None
    """Share of good plates at least this bad (conformal; never below 1 / (good plates + 1))."""
    surface: float | None = None
    reconstruction_error: float | None = None
    latent_error: float | None = None
    evidence: Evidence | None = None
    defects: tuple[Defect, ...] = ()
    error: str | None = None
    model_id: str
    time: AwareDatetime
    duration_ms: float

    def as_dict(self) -> dict[str, Any]:
        """The Inspection as plain JSON values."""
        values: dict[str, Any] = _ADAPTER.dump_python(self, mode="json")
        return values

    def as_json(self) -> str:
        """The Inspection as one line of JSON."""
        return _ADAPTER.dump_json(self).decode()


def now() -> datetime:
    """The present time with its zone."""
    return datetime.now().astimezone()


_ADAPTER = TypeAdapter(Inspection)
