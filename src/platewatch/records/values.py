"""What the record takes and gives: plain frozen values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import AwareDatetime, ConfigDict, TypeAdapter, computed_field
from pydantic.dataclasses import dataclass as typed

from platewatch.errors import InputError
from platewatch.inspection import Inspection

_FROZEN = ConfigDict(extra="forbid", ser_json_inf_nan="constants")

MOST = 200
"""Entries on one page."""

Box = tuple[int, int, int, int]
"""Left, top, width, height in px of the photograph."""


class Judgement(StrEnum):
    """What a person says of a plate."""

    DEFECTIVE = "defective"
    GOOD = "good"
    UNSURE = "unsure"


class Outcome(StrEnum):
    """How a plate that was handed in ended: the verdict, or FAILED when its photograph could not be read."""

    PASS = "PASS"  # noqa: S105 - a verdict, no password
    REVIEW = "REVIEW"
    REJECT = "REJECT"
    FAILED = "FAILED"


@typed(frozen=True, config=_FROZEN)
class Review:
    """What one person said of one plate, or that an earlier review is taken back."""

    id: int
    """Its place in the chain."""
    number: int
    """The plate's."""
    judgement: Judgement | None
    """None: this row takes back the review `undoes`."""
    reviewer: str
    time: AwareDatetime
    boxes: tuple[Box, ...] = ()
    """Defects that the person marked."""
    note: str = ""
    undoes: int | None = None
    """The id of the review that is taken back."""
    chain: str = ""
    """SHA-256 of this row and all before it."""


@typed(frozen=True, config=_FROZEN)
class Entry:
    """One plate in the record."""

    number: int
    """1, 2, 3 … without gaps, in the order of arrival."""
    inspection: Inspection
    plate_id: str | None
    source: str
    """What handed it in: `rest`, `page`, `watch` …"""
    received: AwareDatetime
    photograph_sha256: str | None
    """Of the bytes handed in with it; stays when the photograph is pruned."""
    photograph_kept: bool
    sampled: bool
    """Drawn for the review queue although it may have passed."""
    review: Review | None
    """The review that stands: the last one that was not taken back."""
    chain: str
    """SHA-256 of this row and all before it."""
    key: str | None = None
    """The same key again gives this entry, not a second one."""

    @computed_field  # type: ignore[prop-decorator]
    @property
    def outcome(self) -> Outcome:
        """The verdict, or FAILED."""
        return Outcome(self.inspection.verdict or Outcome.FAILED)

    def as_dict(self) -> dict[str, Any]:
        """The Entry as plain JSON values, `inspection` as everywhere else."""
        values: dict[str, Any] = _ENTRY.dump_python(self, mode="json")
        return values

    def as_json(self) -> str:
        """The Entry as one line of JSON."""
        return _ENTRY.dump_json(self).decode()


@dataclass(frozen=True)
class Added:
    """What became of a plate that was handed to the record."""

    entry: Entry
    is_new: bool
    """False: the key was known, and `entry` is what stood there."""


@dataclass(frozen=True)
class Reviewed:
    """A plate on which a person's word stands: only what sorting very many of them takes."""

    number: int
    plate_id: str | None
    outcome: Outcome
    judgement: Judgement
    photograph_sha256: str | None
    photograph_kept: bool

    @property
    def name(self) -> str:
        """What people call it."""
        return self.plate_id or f"No. {self.number}"


@typed(frozen=True, config=_FROZEN)
class Event:
    """Something that happened at the station: a model taken into service, a login, an alarm."""

    id: int
    """Its place in the chain."""
    kind: str
    actor: str
    time: AwareDatetime
    details: Mapping[str, Any]
    chain: str


Appended = Entry | Review | Event
"""A row of the record."""


@dataclass(frozen=True, kw_only=True)
class Query:
    """Which entries to find, newest first; what is None does not matter. Raises InputError when it makes no sense."""

    since: datetime | None = None
    """Received at this time or later; aware."""
    until: datetime | None = None
    """Received before this time; aware."""
    outcome: Outcome | None = None
    plate_id: str | None = None
    model_id: str | None = None
    reviewer: str | None = None
    """Who reviewed it at any time, also when that was taken back."""
    judgement: Judgement | None = None
    """What stands."""
    text: str | None = None
    """Beginnings of words in the plate id, the photograph's name and the notes; all must occur."""
    reviewed: bool | None = None
    limit: int = 50
    before: str | None = None
    """A page's `next`: go on from there."""

    def __post_init__(self) -> None:
        if not 1 <= self.limit <= MOST:
            raise InputError("query", f"limit {self.limit}", expected=f"1 to {MOST}", remedy="page on with before")
        for name in ("since", "until"):
            value = getattr(self, name)
            if value is not None and value.tzinfo is None:
                raise InputError("query", f"{name} {value} has no time zone", remedy="add one, such as +01:00")


@typed(frozen=True, config=_FROZEN)
class Page:
    """Some entries, newest first."""

    entries: tuple[Entry, ...]
    next: str | None
    """Where the next page begins; None on the last one."""


@typed(frozen=True, config=_FROZEN)
class Counts:
    """Plates by how they ended; none is ever missing."""

    passed: int = 0
    review: int = 0
    reject: int = 0
    failed: int = 0

    @computed_field  # type: ignore[prop-decorator]
    @property
    def received(self) -> int:
        """All of them: judged + failed."""
        return self.judged + self.failed

    @computed_field  # type: ignore[prop-decorator]
    @property
    def judged(self) -> int:
        """Those that have a verdict."""
        return self.passed + self.review + self.reject


@dataclass(frozen=True)
class Head:
    """Where the chain stands: noted elsewhere, it proves later that nothing before it was altered or cut off."""

    rows: int
    entries: int
    chain: str


@dataclass(frozen=True)
class Pruned:
    """What pruning removed and what it left."""

    photographs: int
    """Removed."""
    bytes: int
    """Freed."""
    left_bytes: int
    """Of the photographs that are kept."""
    over_bytes: int
    """More than the policy allows, because the rest waits for a review."""


@dataclass(frozen=True)
class Dataset:
    """What an export of reviewed plates holds, and what it leaves out."""

    good: int
    defective: int
    unsure: int
    """Left out: nobody could tell."""
    without_photograph: int
    """Left out: the photograph is not kept, or could not be read."""
    contradictory: int
    """Left out: the same photograph was called good once and defective once."""


@dataclass(frozen=True)
class Tampering:
    """A place where the record is not what was written."""

    row: int
    """Place in the chain; 0 for what belongs to no row."""
    what: str
    """In words: which entry, review or event, and what about it."""


@dataclass(frozen=True)
class Audit:
    """What an audit found."""

    rows: int
    photographs: int
    """Stored photographs whose bytes were read and compared."""
    head: Head
    breaks: tuple[Tampering, ...] = field(default=())

    @property
    def whole(self) -> bool:
        """Nothing was altered."""
        return not self.breaks


_ENTRY = TypeAdapter(Entry)
