"""Values of the record: Entry, Review, Event, Query, Page, Counts, Audit and others; frozen dataclasses."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import AwareDatetime, ConfigDict, TypeAdapter, computed_field
from pydantic.dataclasses import dataclass as typed

from platewatch.errors import InputError
from platewatch.inspection import Inspection
from platewatch.printable import printable

_FROZEN = ConfigDict(extra="forbid", ser_json_inf_nan="constants")

MOST = 200
"""Largest number of entries on one page."""

RANGE = 10**12
"""Numbers of one station (stations.py)."""


def place(number: int) -> int:
    """A plate's number, or a row's, within its station: 1, 2, 3 …"""
    return (number - 1) % RANGE + 1


Box = tuple[int, int, int, int]
"""Left, top, width, height in px of the photograph."""


class Judgement(StrEnum):
    """A person's judgement of a plate."""

    DEFECTIVE = "defective"
    GOOD = "good"
    UNSURE = "unsure"
    UNUSABLE = "unusable"
    """The part is good, the photograph is not: nothing is learned from it."""


class Outcome(StrEnum):
    """The outcome of a plate: its verdict; FAILED when its photograph is not readable or judging failed."""

    PASS = "PASS"  # noqa: S105 - a verdict, no password
    REVIEW = "REVIEW"
    REJECT = "REJECT"
    FAILED = "FAILED"


@typed(frozen=True, config=_FROZEN)
class Review:
    """A person's review of a plate, or the undo of an earlier review."""

    id: int
    """Row in the chain."""
    number: int
    """Number of the plate."""
    judgement: Judgement | None
    """None when this row undoes the review `undoes`."""
    reviewer: str
    time: AwareDatetime
    boxes: tuple[Box, ...] = ()
    """Defects that the person marked."""
    note: str = ""
    undoes: int | None = None
    """Id of the review that is undone."""
    chain: str = ""
    """Hash of this row in the chain; it covers all rows before."""
    kind: str = ""
    """Kind of defect that the person chose; empty for none."""


@typed(frozen=True, config=_FROZEN)
class Entry:
    """One plate in the record."""

    number: int
    """In the order of arrival without gaps, from 1 on, at a named station from k × 10¹² + 1: unique in the record."""
    inspection: Inspection
    plate_id: str | None
    source: str
    """Where it came from: `rest`, `page`, `watch` …"""
    received: AwareDatetime
    photograph_sha256: str | None
    """SHA-256 of the photograph's bytes; kept when the photograph is pruned."""
    photograph_kept: bool
    sampled: bool
    """Whether it passed and was chosen at random for review."""
    review: Review | None
    """The valid review: the last one that is not undone."""
    chain: str
    """Hash of this row in the chain; it covers all rows before."""
    key: str | None = None
    """Idempotency key: adding a plate with the same key again gives this entry."""
    station: str = ""
    """Name of the station that recorded it; empty at the unnamed one."""
    part_type: str = ""
    """Kind of part; empty when none was named."""

    @property
    def place(self) -> int:
        """Its number within its station: 1, 2, 3 …"""
        return place(self.number)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def outcome(self) -> Outcome:
        """The verdict, or FAILED."""
        return Outcome(self.inspection.verdict or Outcome.FAILED)

    def as_dict(self) -> dict[str, Any]:
        """The Entry as plain JSON values."""
        values: dict[str, Any] = _ENTRY.dump_python(self, mode="json")
        return values

    def as_json(self) -> str:
        """The Entry as one line of JSON."""
        return _ENTRY.dump_json(self).decode()


@dataclass(frozen=True)
class Added:
    """The result of adding a plate."""

    entry: Entry
    is_new: bool
    """False: the key was known, and `entry` is the earlier plate."""


@dataclass(frozen=True)
class Reviewed:
    """A plate with a valid review, without its Inspection, for lists of many plates."""

    number: int
    plate_id: str | None
    outcome: Outcome
    judgement: Judgement
    photograph_sha256: str | None
    photograph_kept: bool
    scored: bool
    """False when the photograph could not be judged: it failed a check, or was not readable."""

    @property
    def name(self) -> str:
        """The plate id, or the number if there is none."""
        return self.plate_id or f"No. {place(self.number)}"


@typed(frozen=True, config=_FROZEN)
class Event:
    """An event at the station: a model taken into service, a login, an alarm."""

    id: int
    """Row in the chain."""
    kind: str
    actor: str
    time: AwareDatetime
    details: Mapping[str, Any]
    chain: str
    station: str = ""
    """Name of the station in whose chain it is."""


Appended = Entry | Review | Event
"""A row of the record."""


@dataclass(frozen=True, kw_only=True)
class Query:
    """Conditions of a search for entries; None is no condition. Raises InputError for an invalid value."""

    since: datetime | None = None
    """Received at this time or later; aware."""
    until: datetime | None = None
    """Received before this time; aware."""
    outcome: Outcome | None = None
    plate_id: str | None = None
    model_id: str | None = None
    reviewer: str | None = None
    """Name of a reviewer of the plate, also of an undone review."""
    judgement: Judgement | None = None
    """Judgement of the valid review."""
    text: str | None = None
    """Beginnings of words in the plate id, the photograph's name and the notes; all must occur."""
    reviewed: bool | None = None
    station: str | None = None
    """Name of the station; empty for the unnamed one."""
    part_type: str | None = None
    limit: int = 50
    before: str | None = None
    """`next` of the page before."""

    def __post_init__(self) -> None:
        for name in ("plate_id", "model_id", "reviewer", "text", "part_type"):  # as the record holds them
            value = getattr(self, name)
            object.__setattr__(self, name, None if value is None else printable(value))
        if not 1 <= self.limit <= MOST:
            raise InputError(
                "query", f"limit {self.limit}", expected=f"1 to {MOST}", remedy="get further pages with before"
            )
        for name in ("since", "until"):
            value = getattr(self, name)
            if value is not None and value.tzinfo is None:
                raise InputError("query", f"{name} {value} has no time zone", remedy="add one, such as +01:00")


@typed(frozen=True, config=_FROZEN)
class Page:
    """One page of entries, newest first."""

    entries: tuple[Entry, ...]
    next: str | None
    """Value of `Query.before` for the next page; None on the last page."""


@typed(frozen=True, config=_FROZEN)
class Counts:
    """Numbers of plates by outcome."""

    passed: int = 0
    review: int = 0
    reject: int = 0
    failed: int = 0

    @computed_field  # type: ignore[prop-decorator]
    @property
    def received(self) -> int:
        """All plates: judged + failed."""
        return self.judged + self.failed

    @computed_field  # type: ignore[prop-decorator]
    @property
    def judged(self) -> int:
        """Plates with a verdict."""
        return self.passed + self.review + self.reject


@dataclass(frozen=True)
class Head:
    """The end of the chain. Kept elsewhere as an anchor, it proves later that no row before it was altered."""

    rows: int
    """The last row; at a named station the count begins after its base (stations.py)."""
    entries: int
    """Number of plates."""
    chain: str
    """Hash of the last row."""
    station: str = ""

    @property
    def length(self) -> int:
        """Number of rows."""
        return self.rows % RANGE


@dataclass(frozen=True)
class Pruned:
    """The result of pruning."""

    photographs: int
    """Number of photographs removed."""
    bytes: int
    """Bytes freed."""
    left_bytes: int
    """Bytes of the photographs that are kept."""
    over_bytes: int
    """Bytes above the policy's limit, of photographs that wait for review."""


@dataclass(frozen=True)
class Dataset:
    """Numbers of plates in an export of reviewed plates, and of those left out."""

    good: int
    defective: int
    unsure: int
    """Left out: reviewed as unsure, or as good on a photograph that could not be judged."""
    without_photograph: int
    """Left out: the photograph is not kept, or is not readable."""
    contradictory: int
    """Left out: the same photograph was reviewed as good and as defective."""


@dataclass(frozen=True)
class Tampering:
    """A place where the record was altered."""

    row: int
    """Row in the chain; 0 when it concerns no single row."""
    what: str
    """What was altered, in words."""


@dataclass(frozen=True)
class ChainAudit:
    """What an audit found in the chain of one station."""

    station: str
    rows: int
    head: Head
    anchored: int = 0
    """Number of its rows that an anchor confirms; what came after them is not anchored."""
    anchored_since: str = ""
    """When that anchor was made, as it says; empty when unknown."""


@dataclass(frozen=True)
class Audit:
    """The result of an audit; `head` and what is anchored are those of the first chain with rows."""

    rows: int
    photographs: int
    """Number of photographs whose SHA-256 was checked."""
    head: Head
    breaks: tuple[Tampering, ...] = field(default=())
    unlisted: int = 0
    """Photographs in the folder that no row lists: left by a crash, or of rows that a copy of the record lacks."""
    anchors: int = 0
    """Number of anchors that were compared with the chain."""
    anchored: int = 0
    """The last row that an anchor confirms; what came after it is not anchored."""
    anchored_since: str = ""
    """When that anchor was made, as it says; empty when unknown."""
    chains: tuple[ChainAudit, ...] = ()
    """Each station's chain, in the order in which the stations came."""

    @property
    def intact(self) -> bool:
        """Whether nothing was altered."""
        return not self.breaks


_ENTRY = TypeAdapter(Entry)
