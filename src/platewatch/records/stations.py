"""Stations of a record: each has a name, a chain of its own, and a range of numbers that no other station uses.

The unnamed station counts 1, 2, 3 …; the first named one counts on from 1,000,000,000,000, the second from
2,000,000,000,000 and so on. A number is therefore unique in the record, and it tells its station. Plates and rows of
the chain are both numbered in this way. The names and the ends of the chains are in the table `heads`.
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, insert, select

from platewatch.errors import InputError, NotFound
from platewatch.records.schema import heads
from platewatch.records.values import RANGE, Head

UNNAMED = 1
"""The unnamed station's row in the table `heads`."""
START = "0" * 64
"""The previous hash of the unnamed chain's first row."""

_NAME = re.compile(r"[^\W_][\w .-]{0,39}")
_READABLE = "1 to 40 letters, digits, blanks, dots, hyphens and underscores, a letter or digit first"


@dataclass(frozen=True)
class Station:
    """A station of this record."""

    id: int
    name: str
    """Empty: the unnamed station."""

    @property
    def base(self) -> int:
        """Its numbers and rows begin after this one."""
        return base(self.id)


def check_name(name: str) -> None:
    """Raise InputError for a name that no station can have; the empty one is the unnamed station's."""
    if name and not _NAME.fullmatch(name):
        raise InputError("station", f"{name[:60]!r}", expected=_READABLE, remedy="choose another name")


def base(station: int) -> int:
    """The numbers of the station with this id begin after this one."""
    return (station - UNNAMED) * RANGE


def of_number(number: int) -> int:
    """The id of the station whose plate, or row of the chain, has this number."""
    return max(number - 1, 0) // RANGE + UNNAMED


def genesis(station: Station) -> str:
    """The previous hash of its chain's first row; a named station's covers its name and its range of numbers."""
    if not station.name:
        return START
    return hashlib.sha256(f"{START}\n{station.base}\n{station.name}".encode()).hexdigest()


def known(connection: Connection) -> dict[int, Station]:
    """All stations by id, in the order in which they came."""
    rows = connection.execute(select(heads.c.id, heads.c.station).order_by(heads.c.id))
    return {row.id: Station(row.id, row.station) for row in rows}


def find(connection: Connection, name: str) -> Station | None:
    """The station with this name."""
    identity = connection.execute(select(heads.c.id).where(heads.c.station == name)).scalar()
    return None if identity is None else Station(identity, name)


def named(connection: Connection, name: str) -> Station:
    """The station with this name; raises NotFound."""
    found = find(connection, name)
    if found is None:
        names = ", ".join(each.name or "(unnamed)" for each in known(connection).values())
        raise NotFound(f"station {name}", "there is none in this record", expected=f"one of {names}", remedy="name one")
    return found


def register(connection: Connection, name: str) -> Station:
    """The station with this name, a new one with an empty chain if there is none; in an exclusive transaction."""
    found = find(connection, name)
    if found is not None:
        return found
    made = Station(connection.execute(select(func.max(heads.c.id))).scalar_one() + 1, name)
    row = {"id": made.id, "station": name, "position": made.base, "hash": genesis(made), "entries": 0}
    connection.execute(insert(heads), row)
    return made


def ends(connection: Connection) -> dict[str, Head]:
    """The end of each station's chain, by name."""
    return {row.station: head(row) for row in connection.execute(select(heads).order_by(heads.c.id))}


def first(end: Head) -> int:
    """The number after which the station's begin."""
    return end.rows // RANGE * RANGE


def newest(end: Head) -> int:
    """The number of the newest plate."""
    return first(end) + end.entries


def head(row: Any) -> Head:
    """A row of the table `heads` as a Head."""
    return Head(row.position, row.entries, row.hash, row.station)
