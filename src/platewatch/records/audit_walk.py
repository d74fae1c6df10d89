"""The walk of an audit over all chains: each row's hash, its place and the tables' rows; and the anchors on the way."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from platewatch.records import chain, hourly_counts, schema, search, search_index, stations
from platewatch.records.anchors import Anchor
from platewatch.records.stations import Station
from platewatch.records.values import Outcome, Tampering


class Anchored:
    """Compares anchors with the chain while it is walked."""

    def __init__(self, anchors: Sequence[Anchor], unsigned: Sequence[Anchor]) -> None:
        self.last = dict[int, Anchor]()
        """The newest anchor that each station's chain contains, by the station's id."""
        self._unsigned = unsigned
        self._expected = dict[int, list[Anchor]]()
        for each in anchors:
            self._expected.setdefault(each.rows, []).append(each)

    def visit(self, position: int, digest: str, walk: "Walk") -> None:
        """Compare one row."""
        for each in self._expected.pop(position, ()):
            if each.chain != digest:
                walk.report(position, "its hash differs from the anchor: this row or earlier ones were written again")
            elif each not in self._unsigned:
                self.last[walk.chain.station.id] = each  # rows come in their order

    def row(self, station: str, walk: "Walk") -> int:
        """The last row that an anchor confirms in this station's chain; 0 without one."""
        found = (self.last.get(each.station.id) for each in walk.chains.values() if each.station.name == station)
        return next((each.rows for each in found if each is not None), 0)

    def finish(self, walk: "Walk") -> None:
        """Report anchors whose rows the chain lacks, and those without the signature."""
        for position in sorted(self._expected):
            if position > 0:
                walk.report(0, f"row {position} of the anchor is missing: rows were cut off, or this copy is older")
        for each in self._unsigned:
            walk.report(each.rows, "its anchor does not have the key's signature")


@dataclass
class ChainWalk:
    """The state of the walk in the chain of one station."""

    station: Station
    last: int
    """The row reached."""
    hash: str
    rows: int = 0
    plates: int = 0

    @classmethod
    def of(cls, station: Station) -> "ChainWalk":
        """Before the first row."""
        return cls(station, station.base, stations.genesis(station))


class Walk:
    """The state of an audit: the rows reached, and what the tables have to agree with."""

    def __init__(self, known: dict[int, Station]) -> None:
        self.chains = {each.id: ChainWalk.of(each) for each in known.values()}
        self.chain = self.chains[stations.UNNAMED]
        """That of the row that is visited."""
        self.tampering = list[Tampering]()
        self.seen = Counter[str]()
        """Number of rows of each kind."""
        self.reviews = dict[int, list[dict[str, Any]]]()
        """For each plate number its reviews, oldest first."""
        self.hourly_counts = dict[tuple[int, str, str, str], list[int]]()
        """Count, time in µs, first and last plate by hour, station, part type and outcome."""
        self.named_heads = list[tuple[int, int, str]]()
        """The row of another chain that a row names: that row, the other row and its hash."""
        self.terms = 0
        """Checksum of the search index without terms from reviews."""
        self.stored = dict[str, tuple[int, int]]()
        """For each stored photograph's hash the row and number of the first plate that has it."""
        self.pruned = list[tuple[int, int]]()
        """First and last plate number of each range whose photographs were pruned, as events say."""

    def report(self, row: int, what: str) -> None:
        """Add a place of tampering; row 0 is the record as a whole."""
        self.tampering.append(Tampering(row, what))

    def visit(self, row: Row[Any]) -> None:
        """Check one row against the row before and against the tables."""
        here = self._enter(row.position)
        if row.position != here.last + 1:
            self.report(row.position, f"rows {here.last + 1} to {row.position - 1} before it were removed")
        elif row.previous != here.hash:
            self.report(row.position, "does not follow the row before: one of the two was altered")
        if chain.digest(row.previous, row.body) != row.hash:
            self.report(row.position, f"{row.kind} altered: its hash does not match its content")
        here.rows, here.last, here.hash = here.rows + 1, row.position, row.hash
        try:
            body = json.loads(row.body)
            if (body["position"], body["kind"]) != (row.position, row.kind):
                self.report(row.position, "was moved: its content names another row")
            if body.get("station", "") != here.station.name:
                self.report(row.position, f"was moved: its content names another station than {here.station.name!r}")
            self._tables(row, body)
        except search.UNREADABLE:
            self.report(row.position, f"{row.kind} altered: its content cannot be read")

    def _enter(self, position: int) -> ChainWalk:
        identity = stations.of_number(position)
        if identity not in self.chains:
            self.report(position, "is of a station that is not in the record: its head was removed")
            self.chains[identity] = ChainWalk.of(Station(identity, ""))
        self.chain = self.chains[identity]
        return self.chain

    def _tables(self, row: Row[Any], body: dict[str, Any]) -> None:
        self.seen[row.kind] += 1
        match row.kind:
            case chain.INSPECTION:
                self._plate(row, body)
            case chain.REVIEW:
                self.reviews.setdefault(body["number"], []).append(body)
                self._compare(row, {"review_number": body["number"], "undoes": body["undoes"]})
            case chain.EVENT:
                self._compare(row, {"event_kind": body["event"], "event_time": stored(body["time"])})
                if body["event"] == chain.PRUNED:
                    self.pruned += [(first, last) for first, last in body["details"]["plates"]]
                if body["event"] == chain.HEADS:
                    heads = body["details"]["heads"].values()
                    self.named_heads += [(row.position, each["row"], each["chain"]) for each in heads]
            case _:
                self.report(row.position, f"has the unknown kind {row.kind}")

    def _plate(self, row: Row[Any], body: dict[str, Any]) -> None:
        found, number, received = body["inspection"], body["number"], stored(body["received"])
        outcome = found["verdict"] or Outcome.FAILED
        here, part_type = self.chain, body.get("part_type", "")
        here.plates += 1
        if number != here.station.base + here.plates:
            self.report(row.position, f"has the plate number {number}, expected {here.station.base + here.plates}")
        columns = {f"entry_{name}": body[name] for name in ("number", "plate_id", "key", "photograph", "sampled")}
        columns |= {"entry_received": received, "entry_outcome": outcome, "entry_model_id": found["model_id"]}
        columns |= {"entry_station": here.station.name, "entry_part_type": part_type}
        self._compare(row, columns)
        hour = received // hourly_counts.HOUR, here.station.name, part_type, outcome
        count, duration, first, _ = self.hourly_counts.get(hour, [0, 0, number, number])
        duration += hourly_counts.duration(found["duration_ms"])
        self.hourly_counts[hour] = [count + 1, duration, first, number]
        self.terms += search_index.checksum(search_index.of_plate(body["plate_id"], found["image"]), received, number)
        if body["photograph"] is not None and body["stored"]:
            self.stored.setdefault(body["photograph"], (row.position, number))

    def _compare(self, row: Row[Any], expected: dict[str, Any]) -> None:
        for name, value in expected.items():
            if row._mapping[name] != value:
                shown = f"{row._mapping[name]!r}, the chain {value!r}"
                self.report(row.position, f"{row.kind}: the table has {name.replace('_', ' ')} {shown}")


def stored(time: str) -> int:
    return schema.microseconds(datetime.fromisoformat(time))
