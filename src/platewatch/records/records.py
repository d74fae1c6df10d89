"""The class Records: add, find, review, export, deliver, prune and audit plates; may be shared by threads."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from platewatch.inspection import Inspection, Verdict
from platewatch.progress import Progress, silent
from platewatch.records import (
    appending,
    audit,
    backup,
    chain,
    copying,
    events,
    outbox,
    pruning,
    reviewing,
    search,
    stations,
)
from platewatch.records.anchors import Anchor
from platewatch.records.database import Database
from platewatch.records.outbox import Due
from platewatch.records.photographs import Photographs
from platewatch.records.policy import Keep, Policy
from platewatch.records.record_reader import RecordReader
from platewatch.records.record_time import RecordTime
from platewatch.records.station_hold import StationHold
from platewatch.records.stations import Station
from platewatch.records.values import (
    Added,
    Audit,
    Box,
    Event,
    Judgement,
    Pruned,
    Review,
)
from platewatch.signing import PublicKey


class Records(RecordReader):
    """An open record. Every method may raise RecordUnavailable; the same call may succeed later."""

    def __init__(self, database: Database, photographs: Photographs | None, policy: Policy, station: Station) -> None:
        """Use `Records.open`."""
        super().__init__(database, photographs, station)
        self.policy = policy
        self._destinations = set[str]()  # those that have this station's counts
        self._time = RecordTime()
        self._hold = StationHold(database, station)
        self._delivery_clock = outbox.DeliveryClock()

    @classmethod
    def open(
        cls,
        url: str,
        photographs: Path | None = None,
        policy: Policy = Policy(),  # noqa: B008 - frozen
        *,
        create: bool = True,
        station: str = "",
    ) -> Self:
        """Open the record `sqlite:///records.db` (or the path alone) or `postgresql://…`; `create` makes a missing one.

        `photographs` is the folder of photographs. Its default for SQLite is `<file>.photographs`; with PostgreSQL
        photographs are stored only if a folder is named. What is added goes to the chain of the `station`; everything
        that reads, reads all stations unless it is told one. Raises RecordError, InputError for the station's name.
        """
        stations.check_name(station)
        database = Database(url)
        try:
            database.prepare(create=create)
            here = database.station(station)
        except BaseException:
            database.close()  # a record that is refused keeps no connection
            raise
        folder = photographs or database.folder
        return cls(database, None if folder is None else Photographs(folder), policy, here)

    def close(self) -> None:
        """Close all connections."""
        self._hold.release()
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def hold_station(self) -> None:
        """Take the station's name for this process until it is closed; raises RecordError when another one has it.

        It is free again when the process ends, however that ends. The unnamed station may be shared.
        """
        self._hold.acquire()

    def station_problems(self) -> Iterable[tuple[str, str, bool]]:
        """The problem that another process took the station's name while the database was away, for Health."""
        return self._hold.problems()

    def add(
        self,
        inspection: Inspection,
        photograph: bytes | None = None,
        *,
        plate_id: str | None = None,
        key: str | None = None,
        source: str = "rest",
        part_type: str = "",
        deliver: Sequence[str] = (),
    ) -> Added:
        """Add a plate durably: once this returns, it survives a crash and a loss of power.

        With a `key` that was added before, returns the earlier entry. `deliver` names the destinations that get the
        plate (outbox.py). Raises InputError for an invalid plate id, key or part type.
        """
        for name, text, longest in (("plate id", plate_id, 200), ("key", key, 400), ("source", source, 40)):
            appending.check_text(name, text, longest)
        appending.check_text("part type", part_type or None, appending.LONGEST_PART_TYPE)
        values, passed = inspection.as_dict(), inspection.verdict is Verdict.PASS
        sampled = passed and appending.is_sampled(chain.canonical(values), self.policy.review_share)
        keep = self.policy.keep is Keep.ALL or not passed or sampled
        data = photograph if keep and self._photographs is not None else None
        sha256 = None if photograph is None else hashlib.sha256(photograph).hexdigest()
        size = None if data is None else len(data)
        new = appending.NewPlate(
            inspection, values, plate_id, key, source, part_type, sampled, sha256, size, tuple(deliver)
        )
        self._store(data, sha256)
        self._prepare(deliver)
        try:
            return self._add(new, data)
        except appending.KeyTaken:
            return self._add(new, data)  # finds it

    def _add(self, new: appending.NewPlate, data: bytes | None) -> Added:
        with self._database.appending() as connection:
            end, number = appending.lock(connection, self._station.id, new.key)
            if number is not None:
                return Added(search.load(connection, [number])[0], is_new=False)
            self._store(data, new.photograph)  # again, because it may have been pruned meanwhile; usually it exists
            return Added(appending.add(connection, end, new, self._time.now(connection, self.policy)), is_new=True)

    def _prepare(self, deliver: Sequence[str]) -> None:
        """Make the counts of deliveries to these destinations, once."""
        if not self._destinations.issuperset(deliver):
            with self._database.writing() as connection:
                outbox.prepare(connection, deliver, self.station)
            self._destinations.update(deliver)

    def review(
        self,
        number: int,
        judgement: Judgement,
        reviewer: str,
        *,
        boxes: Sequence[Box] = (),
        note: str = "",
        kind: str = "",
    ) -> Review:
        """Add a person's review of a plate; the verdict does not change. Raises NotFound, InputError."""
        with self._database.appending() as connection:
            given: dict[str, Any] = {"boxes": boxes, "note": note, "kind": kind}
            return reviewing.review(connection, number, judgement, reviewer, **given, at=self.station)

    def undo(self, review_id: int, reviewer: str) -> Review:
        """Undo a review by a further row; raises NotFound, and InputError when it is already undone."""
        with self._database.appending() as connection:
            return reviewing.undo(connection, review_id, reviewer, at=self.station)

    def event(self, kind: str, actor: str, details: Mapping[str, Any] | None = None) -> Event:
        """Add an event; raises InputError when the details are not JSON values."""
        with self._database.appending() as connection:
            return events.add(connection, self._station, kind, actor, details or {})

    def claim(self, destination: str, limit: int, lease_s: float) -> tuple[Due, ...]:
        """Deliveries due for a destination, in order; within the lease no other caller gets them."""
        clock = self._delivery_clock
        if clock.was_set_back(destination):
            with self._database.changing() as connection:
                outbox.release(connection, destination)
            clock.forget(destination)
        with self._database.changing() as connection:
            rows = outbox.claim(connection, destination, limit, lease_s=lease_s, now=clock.now(destination))
        if not rows:
            return ()
        with self._database.reading() as connection:
            found = {each.number: each for each in search.load(connection, sorted({row.number for row in rows}))}
        return tuple(Due(row.id, found[row.number], row.attempts) for row in rows if row.number in found)

    def delivered(self, destination: str, plates: Sequence[Due], untried: Sequence[Due] = ()) -> None:
        """Record these deliveries as successful, in one transaction; `untried` ones of their claim are due at once."""
        with self._database.changing() as connection:
            outbox.delivered(connection, destination, self.station, plates, untried)

    def postpone(self, destination: str, failed: int, others: Sequence[int] = (), *, wait_s: float, why: str) -> None:
        """Record a failed delivery; it and the `others` claimed with it are due again after `wait_s`."""
        with self._database.changing() as connection:
            due = outbox.after(self._delivery_clock.now(destination), wait_s)
            outbox.postpone(connection, destination, self.station, failed, others, due=due, why=why)

    def name_heads(self, actor: str) -> Event | None:
        """Write the ends of the other stations' chains into this one's, so that none of them can be taken away unseen.

        Does nothing while each other chain has at most one more row than the last such event names: the row that its
        own event takes.
        """
        last = self.events(chain.HEADS, limit=1, station=self.station)
        before = dict(last[0].details.get("heads", {})) if last else {}
        heads = {name: end for name, end in self.heads().items() if name != self.station and end.length}
        if not any(end.rows > before.get(name, {"row": -1})["row"] + 1 for name, end in heads.items()):
            return None
        named = {name: {"row": end.rows, "chain": end.chain} for name, end in heads.items()}
        return self.event(chain.HEADS, actor, {"heads": named})

    def prune(self) -> Pruned:
        """Remove the photographs that the policy no longer keeps, and record it; cheap when there are none."""
        if self._photographs is None:
            return Pruned(0, 0, 0, 0)
        return pruning.prune(self._database, self._photographs, self.policy, self._time, self._station)

    def audit(
        self,
        progress: Progress = silent,
        *,
        photographs: bool = True,
        anchor: tuple[int, str] | None = None,
        anchors: Sequence[Anchor] = (),
        key: PublicKey | None = None,
    ) -> Audit:
        """Check the whole chain for tampering; with `photographs` also the files.

        `anchor`, row and hash, and `anchors` are earlier heads that were kept elsewhere; the chain must contain them.
        With a key, all `anchors` must have its signature.
        """
        noted = [] if anchor is None else [Anchor(anchor[0], 0, anchor[1])]
        store = self._photographs if photographs else None
        unsigned = [each for each in anchors if key is not None and not each.is_signed_by(key)]
        return audit.complete(self._database, store, progress, [*noted, *anchors], unsigned)

    def backup(self, folder: Path, progress: Progress = silent) -> Audit:
        """Write a consistent copy with its photographs to a new folder, and audit it; see backup.py."""
        return backup.write(self._database, self._photographs, folder, progress)

    def copy(self, url: str, photographs: Path | None = None, progress: Progress = silent) -> Audit:
        """Copy everything into an empty database, photographs to this folder, and audit the copy; see copying.py.

        The default of `photographs` is that of `open`. Raises RecordError, InputError.
        """
        target = Database(url)
        try:
            folder = photographs or target.folder
            into = None if folder is None else Photographs(folder)
            return copying.copy(self._database, self._photographs, target, into, progress)
        finally:
            target.close()

    def checkpoint(self) -> None:
        """Bring SQLite's write-ahead log into the file; cheap, and nothing with PostgreSQL."""
        self._database.checkpoint()

    def _store(self, data: bytes | None, sha256: str | None) -> None:
        if data is not None and sha256 is not None and self._photographs is not None:
            self._photographs.store(data, sha256)
