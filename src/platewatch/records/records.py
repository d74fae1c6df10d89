"""The class Records: add, find, review, export, deliver, prune and audit plates; may be shared by threads."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from sqlalchemy import func, select

from platewatch.errors import NotFound
from platewatch.inspection import Inspection, Verdict
from platewatch.printable import printable
from platewatch.progress import Progress, silent
from platewatch.records import (
    appending,
    audit,
    backup,
    chain,
    events,
    exports,
    following,
    hourly_counts,
    outbox,
    pruning,
    reviewing,
    schema,
    search,
    search_index,
)
from platewatch.records.anchors import Anchor
from platewatch.records.database import Database
from platewatch.records.outbox import Destination, Due
from platewatch.records.photographs import Photographs
from platewatch.records.policy import Keep, Policy
from platewatch.records.record_time import RecordTime
from platewatch.records.schema import entries
from platewatch.records.values import (
    MOST,
    Added,
    Appended,
    Audit,
    Box,
    Counts,
    Dataset,
    Entry,
    Event,
    Head,
    Judgement,
    Page,
    Pruned,
    Query,
    Review,
    Reviewed,
)
from platewatch.signing import PublicKey


class Records:
    """An open record. Every method may raise RecordUnavailable; the same call may succeed later."""

    def __init__(self, database: Database, photographs: Photographs | None, policy: Policy) -> None:
        """Use `Records.open`."""
        self.policy = policy
        self._database = database
        self._photographs = photographs
        self._time = RecordTime()
        self._delivery_clock = outbox.DeliveryClock()

    @classmethod
    def open(
        cls,
        url: str,
        photographs: Path | None = None,
        policy: Policy = Policy(),  # noqa: B008 - frozen
        *,
        create: bool = True,
    ) -> Self:
        """Open the record `sqlite:///records.db` (or the path alone) or `postgresql://…`; `create` makes a missing one.

        `photographs` is the folder of photographs. Its default for SQLite is `<file>.photographs`; with PostgreSQL
        photographs are stored only if a folder is named. Raises RecordError.
        """
        database = Database(url)
        try:
            database.prepare(create=create)
        except BaseException:
            database.close()  # a record that is refused keeps no connection
            raise
        folder = photographs or database.folder
        return cls(database, None if folder is None else Photographs(folder), policy)

    @property
    def name(self) -> str:
        """Its URL without passwords and parameters."""
        return self._database.name

    @property
    def places(self) -> tuple[Path, ...]:
        """The SQLite file, if any, and the folder of photographs, which must exist while the record is open."""
        file = self._database.file
        folder = None if self._photographs is None else self._photographs.folder
        return tuple(path for path in (file, folder) if path is not None)

    def close(self) -> None:
        """Close all connections."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add(
        self,
        inspection: Inspection,
        photograph: bytes | None = None,
        *,
        plate_id: str | None = None,
        key: str | None = None,
        source: str = "rest",
        deliver: Sequence[str] = (),
    ) -> Added:
        """Add a plate durably: once this returns, it survives a crash and a loss of power.

        With a `key` that was added before, returns the earlier entry. `deliver` names the destinations that get the
        plate (outbox.py). Raises InputError for an invalid plate id or key.
        """
        for name, text, longest in (("plate id", plate_id, 200), ("key", key, 400), ("source", source, 40)):
            appending.check_text(name, text, longest)
        values, passed = inspection.as_dict(), inspection.verdict is Verdict.PASS
        sampled = passed and appending.is_sampled(chain.canonical(values), self.policy.review_share)
        keep = self.policy.keep is Keep.ALL or not passed or sampled
        data = photograph if keep and self._photographs is not None else None
        sha256 = None if photograph is None else hashlib.sha256(photograph).hexdigest()
        size = None if data is None else len(data)
        new = appending.NewPlate(inspection, values, plate_id, key, source, sampled, sha256, size)
        self._store(data, sha256)
        with self._database.writing() as connection:
            number = None if key is None else appending.find_key(connection, key)
            if number is not None:
                return Added(search.load(connection, [number])[0], is_new=False)
            self._store(data, sha256)  # again, because it may have been pruned meanwhile; usually it exists
            entry = appending.add(connection, new, self._time.now(connection, self.policy))
            outbox.enqueue(connection, deliver, entry.number)
            return Added(entry, is_new=True)

    def get(self, number: int) -> Entry:
        """The plate with this number; raises NotFound."""
        with self._database.reading() as connection:
            found = search.load(connection, [number])
        if not found:
            raise NotFound(f"plate {number}", "there is none in this record", remedy="look it up in the history")
        return found[0]

    def with_key(self, key: str) -> Entry | None:
        """The plate that was added with this key, or None."""
        with self._database.reading() as connection:
            number = appending.find_key(connection, printable(key))
            return None if number is None else search.load(connection, [number])[0]

    def with_photograph(self, sha256: str, key_start: str) -> Entry | None:
        """The newest plate with this photograph whose key begins so, or None."""
        with self._database.reading() as connection:
            number = appending.find_photograph(connection, sha256, key_start)
            return None if number is None else search.load(connection, [number])[0]

    def known(self, keys: Sequence[str]) -> set[str]:
        """Subset of `keys` already recorded."""
        with self._database.reading() as connection:
            return appending.known(connection, [key for key in keys if key.isprintable()])  # no entry has another

    def find(self, query: Query) -> Page:
        """One page of the query's plates, newest first."""
        with self._database.reading() as connection:
            return search.find(connection, query)

    def queue(self, limit: int = 50, before: str | None = None) -> Page:
        """One page of the plates waiting for review, newest first: REVIEW, REJECT and sampled ones without a review."""
        Query(limit=limit)  # checks it
        with self._database.reading() as connection:
            return search.queue(connection, limit, before)

    def review(
        self, number: int, judgement: Judgement, reviewer: str, *, boxes: Sequence[Box] = (), note: str = ""
    ) -> Review:
        """Add a person's review of a plate; the verdict does not change. Raises NotFound, InputError."""
        with self._database.writing() as connection:
            return reviewing.review(connection, number, judgement, reviewer, boxes=boxes, note=note)

    def undo(self, review_id: int, reviewer: str) -> Review:
        """Undo a review by a further row; raises NotFound, and InputError when it is already undone."""
        with self._database.writing() as connection:
            return reviewing.undo(connection, review_id, reviewer)

    def reviews(self, number: int) -> tuple[Review, ...]:
        """All reviews and undos of a plate, oldest first; raises NotFound."""
        with self._database.reading() as connection:
            return reviewing.of_entry(connection, number)

    def reviewed(self, since: datetime | None = None, until: datetime | None = None) -> tuple[Reviewed, ...]:
        """Every plate received from `since` on and before `until` with a valid review, in the order of arrival.

        Thousands take a fraction of a second.
        """
        query = Query(since=since, until=until, reviewed=True)
        with self._database.reading() as connection:
            return search.reviewed(connection, query)

    def last_review(self) -> int:
        """The id of the newest review or undo, 0 before the first; a cheap test for new reviews."""
        with self._database.reading() as connection:
            return connection.execute(select(func.max(schema.reviews.c.position))).scalar() or 0

    def counts(self, since: datetime | None = None, until: datetime | None = None) -> Counts:
        """Counts by outcome of the plates received at `since` or later and before `until`."""
        Query(since=since, until=until)  # checks them
        with self._database.reading() as connection:
            return hourly_counts.counts(connection, since, until)

    def event(self, kind: str, actor: str, details: Mapping[str, Any] | None = None) -> Event:
        """Add an event; raises InputError when the details are not JSON values."""
        with self._database.writing() as connection:
            return events.add(connection, kind, actor, details or {})

    def events(
        self,
        kind: str | None = None,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 50,
        before: int | None = None,
    ) -> tuple[Event, ...]:
        """Events, newest first; `before` is the id of the last one seen."""
        with self._database.reading() as connection:
            kind = None if kind is None else printable(kind)
            return events.find(connection, kind, since=since, until=until, limit=limit, before=before)

    def photograph(self, number: int) -> bytes | None:
        """The photograph's original bytes, None when they are not kept; raises NotFound, RecordError when altered."""
        sha256 = self.get(number).photograph_sha256
        return None if sha256 is None or self._photographs is None else self._photographs.read(sha256)

    def model_ids(self) -> tuple[str, ...]:
        """The ids of all models that judged a plate of this record."""
        with self._database.reading() as connection:
            return search.distinct(connection, entries.c.model_id)

    def reviewers(self) -> tuple[str, ...]:
        """The names of all reviewers."""
        with self._database.reading() as connection:
            return search.distinct(connection, schema.terms.c.word, schema.terms.c.kind == search_index.REVIEWER)

    def head(self) -> Head:
        """The end of the chain; a cheap test for new rows."""
        with self._database.reading() as connection:
            return chain.head(connection)

    def appended(self, after: int, limit: int, *, only_events: bool = False) -> tuple[list[Appended], int]:
        """Plates, reviews and events (or events only) after a row of the chain, in order, at most `limit`.

        The second value is the last row that was read; pass it as the position of the next call.
        """
        with self._database.reading() as connection:
            return following.appended(connection, after, limit, only_events=only_events)

    def every(self, query: Query | None = None) -> Iterator[Entry]:
        """All plates of the query, newest first, without its limit; read page by page."""
        every = replace(query or Query(), limit=MOST)
        page = self.find(every)
        yield from page.entries
        while page.next is not None:
            page = self.find(replace(every, before=page.next))
            yield from page.entries

    def export_dataset(self, folder: Path, query: Query | None = None) -> Dataset:
        """Write the reviewed plates as a data set in the MVTec layout; raises OutputError.

        `train/good` and `test/good` hold plates reviewed as good, `test/defective` those reviewed as defective, with
        masks of the marked boxes; `reviewed.csv` lists the reviews. Only plates of the query are written.
        """
        reviewed = self.every(replace(query or Query(), reviewed=True))
        return exports.write_dataset(reviewed, self.photograph, folder)

    def claim(self, destination: str, limit: int, lease_s: float) -> tuple[Due, ...]:
        """Deliveries due for a destination, in order; within the lease no other caller gets them."""
        clock = self._delivery_clock
        if clock.was_set_back(destination):
            with self._database.writing() as connection:
                outbox.release(connection, destination)
            clock.forget(destination)
        with self._database.writing() as connection:
            return outbox.claim(connection, destination, limit, lease_s=lease_s, now=clock.now(destination))

    def delivered(self, destination: str, plates: Sequence[Due], untried: Sequence[Due] = ()) -> None:
        """Record these deliveries as successful, in one transaction; `untried` ones of their claim are due at once."""
        with self._database.writing() as connection:
            outbox.delivered(connection, destination, plates, untried)

    def postpone(self, destination: str, failed: int, others: Sequence[int] = (), *, wait_s: float, why: str) -> None:
        """Record a failed delivery; it and the `others` claimed with it are due again after `wait_s`."""
        with self._database.writing() as connection:
            due = outbox.after(self._delivery_clock.now(destination), wait_s)
            outbox.postpone(connection, destination, failed, others, due=due, why=why)

    def deliveries(self) -> tuple[Destination, ...]:
        """The state of the deliveries to each destination."""
        with self._database.reading() as connection:
            return outbox.state(connection)

    def prune(self) -> Pruned:
        """Remove the photographs that the policy no longer keeps, and record it; cheap when there are none."""
        if self._photographs is None:
            return Pruned(0, 0, 0, 0)
        return pruning.prune(self._database, self._photographs, self.policy, self._time)

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

    def checkpoint(self) -> None:
        """Bring SQLite's write-ahead log into the file; cheap, and nothing with PostgreSQL."""
        self._database.checkpoint()

    def _store(self, data: bytes | None, sha256: str | None) -> None:
        if data is not None and sha256 is not None and self._photographs is not None:
            self._photographs.store(data, sha256)
