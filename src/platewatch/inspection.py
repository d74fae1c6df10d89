"""Inspection: the result for one plate as a frozen value and as JSON, with verdict, score, defects and evidence."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AwareDatetime, BeforeValidator, ConfigDict, Field, TypeAdapter
from pydantic.dataclasses import dataclass

from platewatch import printable

SCHEMA = 1
"""Version of all JSON formats."""

NOT_READABLE = "Not readable"
"""What people read in place of a verdict when `verdict` is None."""

_FROZEN = ConfigDict(extra="forbid", ser_json_inf_nan="constants")

Fraction = Annotated[float, Field(ge=0, le=1)]
Name = Annotated[str, BeforeValidator(lambda text: printable.name(text) if isinstance(text, str) else text)]
"""A file's path or name as it enters: what cannot be printed is replaced (printable.py)."""
Line = Annotated[str, BeforeValidator(lambda text: printable.line(text) if isinstance(text, str) else text)]
"""A sentence, printable."""


class Verdict(StrEnum):
    """The decision on a plate: PASS, REVIEW (a person decides) or REJECT."""

    PASS = "PASS"  # noqa: S105 - a verdict, no password
    REVIEW = "REVIEW"
    REJECT = "REJECT"


@dataclass(frozen=True, config=_FROZEN)
class Evidence:
    """Fractions of colour (as in rust), line (as in scratches) and texture in an anomaly; they add up to 1."""

    colour: Fraction
    line: Fraction
    texture: Fraction | None = None
    """What the features of an ImageNet network see; None in a model without them."""


@dataclass(frozen=True, config=_FROZEN)
class Millimetres:
    """The size of a place in mm, each with its standard uncertainty: of the scale, and of the place's outline."""

    length_mm: float
    length_uncertainty_mm: float
    area_mm2: float
    area_uncertainty_mm2: float


@dataclass(frozen=True, config=_FROZEN)
class Scale:
    """Millimetres per px in the middle of the picture."""

    mm_per_px: float
    uncertainty: float
    """Relative standard uncertainty."""
    by_part: bool
    """Whether this part's own pose and size give it, at every place; otherwise one scale holds for all pictures."""


@dataclass(frozen=True, config=_FROZEN)
class Defect:
    """A place on the plate that looks unlike the good plates; lengths in px of the original photograph."""

    box: tuple[int, int, int, int]
    """Left, top, width, height."""
    area_px: int
    length_px: float
    """Longest extent of the place, px."""
    peak: float
    """Largest value of the anomaly map in the place; 1 is the robust 3σ limit of good plates."""
    evidence: Evidence
    size_mm: Millimetres | None = None
    """None where no scale is known."""


@dataclass(frozen=True, config=_FROZEN)
class Finding:
    """One way in which the part's shape or place differs from the good parts'; the verdict is not PASS."""

    check: str
    """`present`, `unlike`, `hole`, `covered`, `corner`, `less`, `turned` or `mirrored`."""
    reason: Line
    box: tuple[int, int, int, int] | None
    """Left, top, width, height in px of the original photograph; None for the part as a whole."""


@dataclass(frozen=True, config=_FROZEN)
class Pose:
    """Where the part lies in the photograph."""

    outline: tuple[tuple[float, float], ...]
    """Corners x, y of the outline, px of the original photograph: four for a part with four sides."""
    turned_deg: float
    """Direction of the x axis of the part's frame, clockwise from the photograph's x axis, -180 to 180 degrees."""
    mirrored: bool
    """Whether the part lies with its other side up, compared with the model's frame."""


@dataclass(frozen=True, kw_only=True, config=_FROZEN)
class Inspection:
    """The result for one plate; there is exactly one per plate, also when its photograph is not readable."""

    schema: int = SCHEMA
    image: Name | None = None
    """Path or name of the photograph, printable; None for bytes and arrays without a name."""
    image_sha256: str | None = None
    """SHA-256 of the file's or the array's bytes; None when there are no bytes to hash."""
    verdict: Verdict | None
    """None when the photograph is not readable or judging failed; `error` says why."""
    reason: Line
    """The verdict's reason in one sentence."""
    score: float | None = None
    """Anomaly score, higher is worse; None when the photograph was not scored."""
    threshold: float
    """The REJECT limit: scores above it are REJECT."""
    p_value: float | None = None
    """Conformal p-value, (1 + number of good plates with at least this score) / (number of good plates + 1)."""
    surface: float | None = None
    reconstruction_error: float | None = None
    latent_error: float | None = None
    evidence: Evidence | None = None
    defects: tuple[Defect, ...] = ()
    findings: tuple[Finding, ...] = ()
    """What the shape check found; empty for a model without it."""
    pose: Pose | None = None
    """None for a model without a shape check, and where the pose is not sure."""
    scale: Scale | None = None
    """None where no scale is known."""
    region: str | None = None
    """SHA-256 of the model's region; None where the whole photograph was inspected."""
    error: Line | None = None
    decoder_messages: tuple[Line, ...] = ()
    """What the decoders remarked on the file; empty for most."""
    model_id: Line
    time: AwareDatetime
    duration_ms: float

    def as_dict(self) -> dict[str, Any]:
        """The Inspection as plain JSON values, as in schemas/inspection.json."""
        values: dict[str, Any] = _ADAPTER.dump_python(self, mode="json")
        return values

    def as_json(self) -> str:
        """The Inspection as one line of JSON."""
        return _ADAPTER.dump_json(self).decode()


def now() -> datetime:
    """The present time, aware, in this machine's zone."""
    return datetime.now().astimezone()


_ADAPTER = TypeAdapter(Inspection)
