"""What the record takes and gives: plain frozen values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from platewatch.errors import InputError
from platewatch.inspection import Inspection

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


@dataclass(frozen=True)
class Review:
    """What one person said of one plate, or that an earlier review is taken back."""

    id: int
    """Its place in the chain."""
    number: int
    """The plate's."""
    judgement: Judgement | None
    """None: this row takes back the review `undoes`."""
    reviewer: str
    time: datetime
    boxes: tuple[Box, ...] = ()
    """Defects that the person marked."""
    note: str = ""
    undoes: int | None = None
    """The id of the review that is taken back."""
    chain: str = ""
    """SHA-256 of this row and all before it."""


@dataclass(frozen=True)
class Entry:
    """One plate in the record."""

    number: int
    """1, 2, 3 … without gaps, in the order of arrival."""
    inspection: Inspection
    plate_id: str | None
    source: str
    """What handed it in: `rest`, `page`, `watch` …"""
    received: datetime
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

    @property
    def outcome(self) -> Outcome:
        """The verdict, or FAILED."""
        return Outcome(self.inspection.verdict or Outcome.FAILED)

    def as_dict(self) -> dict[str, Any]:
        """The Entry as plain JSON values, `inspection` as everywhere else."""
        return {
            "number": self.number,
            "plate_id": self.plate_id,
            "source": self.source,
            "received": self.received.isoformat(),
            "inspection": self.inspection.as_dict(),
            "photograph_sha256": self.photograph_sha256,
            "photograph_kept": self.photograph_kept,
            "sampled": self.sampled,
            "review": None if self.review is None else review_dict(self.review),
            "chain": self.chain,
        }


def review_dict(review: Review) -> dict[str, Any]:
    """A Review as plain JSON values."""
    return {
        "id": review.id,
        "number": review.number,
        "judgement": review.judgement,
        "reviewer": review.reviewer,
        "time": review.time.isoformat(),
        "boxes": [list(box) for box in review.boxes],
        "note": review.note,
        "undoes": review.undoes,
        "chain": review.chain,
    }


@dataclass(frozen=True)
class Event:
    """Something that happened at the station: a model taken into service, a login, an alarm."""

    id: int
    """Its place in the chain."""
    kind: str
    actor: str
    time: datetime
    details: Mapping[str, Any]
    chain: str


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
            raise InputError(f"query: limit {self.limit}, expected 1 to {MOST}; page on with before")
        for name in ("since", "until"):
            value = getattr(self, name)
            if value is not None and value.tzinfo is None:
                raise InputError(f"query: {name} {value} has no time zone; add one, such as +01:00")


@dataclass(frozen=True)
class Page:
    """Some entries, newest first."""

    entries: tuple[Entry, ...]
    next: str | None
    """Where the next page begins; None on the last one."""


@dataclass(frozen=True)
class Counts:
    """Plates by how they ended; none is ever missing."""

    passed: int = 0
    review: int = 0
    reject: int = 0
    failed: int = 0

    @property
    def received(self) -> int:
        """All of them: judged + failed."""
        return self.judged + self.failed

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
class Break:
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
    breaks: tuple[Break, ...] = field(default=())

    @property
    def whole(self) -> bool:
        """Nothing was altered."""
        return not self.breaks
