"""Settings of a line that people set in the pages: when shifts begin, and the kinds of defect of each part type.

Each change is an event in the record, so that every station on it has the same, and who set what is known.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from platewatch.errors import InputError
from platewatch.line.statistics import SHIFTS
from platewatch.records import Records

SHIFTS_SET, KINDS_SET = "shifts_set", "defect_kinds_set"
"""The events: `hours` of the shifts' beginnings; `kinds` of defect of the part type `part_type`."""
_MOST, _LONGEST = 9, 40  # kinds of a part type, and characters of one
_LOOKED_AT = 100  # newest events of the kind, among which a part type's are looked for


@dataclass(frozen=True)
class LineSettings:
    """What holds for one part type."""

    shifts: tuple[int, ...]
    """Hours at which the shifts begin."""
    kinds: tuple[str, ...]
    """Kinds of defect that a reviewer chooses from; empty: none is asked for."""


def read(records: Records, part_type: str) -> LineSettings:
    """The settings in the record; for kinds, those of this part type, else those of the part type without a name."""
    hours: tuple[int, ...] = SHIFTS
    for event in records.events(SHIFTS_SET, limit=1):
        hours = tuple(int(hour) for hour in event.details.get("hours", SHIFTS))
    found = kinds(records)
    return LineSettings(hours, found.get(part_type, found.get("", ())))


def kinds(records: Records) -> dict[str, tuple[str, ...]]:
    """The kinds of defect of each part type that has some of its own; "" are those of all others."""
    found = dict[str, tuple[str, ...]]()
    for event in records.events(KINDS_SET, limit=_LOOKED_AT):
        named = tuple(str(kind) for kind in event.details.get("kinds", ()))
        found.setdefault(str(event.details.get("part_type", "")), named)
    return found


def set_shifts(records: Records, hours: Sequence[int], actor: str) -> None:
    """Set the hours at which shifts begin, for all stations of the record."""
    records.event(SHIFTS_SET, actor, {"hours": list(hours)})


def set_kinds(records: Records, part_type: str, named: Sequence[str], actor: str) -> None:
    """Set a part type's kinds of defect, at most nine; raises InputError."""
    wanted = list(dict.fromkeys(kind.strip() for kind in named if kind.strip()))
    if len(wanted) > _MOST or any(len(kind) > _LONGEST or not kind.isprintable() for kind in wanted):
        expected = f"at most {_MOST}, each of at most {_LONGEST} printable characters"
        raise InputError("kinds of defect", f"{len(wanted)} of them", expected=expected, remedy="shorten the list")
    records.event(KINDS_SET, actor, {"part_type": part_type, "kinds": wanted})
