"""Alarms of many rejected plates: so many in a row, or so many of the last ones, until a person acknowledges it.

The alarm and its acknowledgement are events in the record, so that a restart keeps it. The plates that count are those
that this process judged since it started, or since the last acknowledgement.
"""

import logging
import re
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from platewatch.errors import InputError, PlatewatchError
from platewatch.line.health import Finding
from platewatch.line.judging import RecordedPlate
from platewatch.records import Event, Outcome, Records

log = logging.getLogger("platewatch.line")

RAISED, SEEN = "reject_alarm", "reject_alarm_seen"
"""Events in the record; RAISED is also the problem's code."""

_MOST = 1000


@dataclass(frozen=True)
class Rule:
    """An alarm is raised when `rejects` of the last `plates` plates are REJECT."""

    rejects: int
    plates: int

    def __str__(self) -> str:
        if self.rejects == self.plates:
            return f"{self.rejects} rejected plates in a row"
        return f"{self.rejects} of the last {self.plates} plates rejected"


@dataclass(frozen=True, kw_only=True)
class AlarmPlan:
    """The rules, and whether an alarm stops the PLC."""

    rules: tuple[Rule, ...] = ()
    stops: bool = False


def rule(text: str) -> Rule:
    """Read `3`, three in a row, or `7/10`, seven of the last ten; raises InputError."""
    found = re.fullmatch(r"(\d{1,4})(?:/(\d{1,4}))?", text.strip())
    rejects = int(found[1]) if found else 0
    plates = int(found[2] or found[1]) if found else 0
    if not 2 <= rejects <= plates <= _MOST:
        expected = f"3 (in a row) or 7/10 (of the last ten), of 2 to {_MOST} plates"
        raise InputError("--alarm", f"{text!r}", expected=expected)
    return Rule(rejects, plates)


class Alarms:
    """The rules of one line; thread-safe."""

    def __init__(self, records: Records, plan: AlarmPlan, *, actor: str) -> None:
        self._records, self._plan, self._actor = records, plan, actor
        self._rejected = deque[bool](maxlen=max((each.plates for each in plan.rules), default=1))
        self._newest: Event | None = None
        self._pending: dict[str, Any] | None = None  # an alarm whose event could not be written yet
        self._lock = threading.Lock()

    def start(self) -> None:
        """Take over an alarm that nobody acknowledged before a restart; raises RecordError."""
        if self._plan.rules:
            for kind in (RAISED, SEEN):
                for event in self._records.events(kind, limit=1):
                    self.follow(event)

    @property
    def is_active(self) -> bool:
        """Whether an alarm waits for a person."""
        return self._pending is not None or (self._newest is not None and self._newest.kind == RAISED)

    @property
    def stops(self) -> bool:
        """Whether the PLC gets no part because of an alarm."""
        return self._plan.stops and self.is_active

    def add(self, plate: RecordedPlate) -> None:
        """Count a plate that was recorded, and raise the alarm when a rule says so."""
        if not self._plan.rules:
            return
        with self._lock:
            self._rejected.append(plate.entry.outcome is Outcome.REJECT)
            broken = None if self.is_active else next(filter(self._holds, self._plan.rules), None)
            if broken is not None:
                self._pending = {"rule": str(broken), "plate": plate.entry.number, "stops": self._plan.stops}
            self._write()

    def acknowledge(self, actor: str) -> None:
        """A person looked at the alarm: the count begins again. An event in the record; raises RecordError."""
        with self._lock:
            if not self.is_active:
                return
            self._write()
            rule_of = {} if self._newest is None else {"rule": self._newest.details.get("rule", "")}
            self._newest, self._pending = self._records.event(SEEN, actor, rule_of), None
            self._rejected.clear()

    def follow(self, event: Event) -> None:
        """Take over such an event of any process of this station; other kinds of events are ignored."""
        if event.kind not in {RAISED, SEEN} or event.station != self._records.station:
            return
        if self._newest is None or self._newest.id < event.id:
            self._newest = event

    def problems(self) -> Iterator[Finding]:
        """The alarm that waits for a person."""
        if not self.is_active:
            return
        details = self._pending or (self._newest.details if self._newest is not None else {})
        stopped = "; the PLC gets no part until then" if self._plan.stops else ""
        words = f"{details.get('rule')}, the last one plate {details.get('plate')}"
        yield RAISED, f"{words}: look at the line, then acknowledge the alarm{stopped}", False

    def _holds(self, each: Rule) -> bool:
        newest = list(self._rejected)[-each.plates :]
        return sum(newest) >= each.rejects

    def _write(self) -> None:
        """Write the event of an alarm, or try again when that failed before."""
        if self._pending is None:
            return
        try:
            self._newest = self._records.event(RAISED, self._actor, self._pending)
        except PlatewatchError:
            log.exception("the alarm is raised, but not in the record yet")
        else:
            self._pending = None
