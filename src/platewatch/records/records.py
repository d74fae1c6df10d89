"""The record itself: what may be asked of it and written into it; all of it short and safe to share by threads."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from sqlalchemy import func, select

from platewatch.errors import NotFound
from platewatch.inspection import Inspection, Verdict
from platewatch.records import (
    appending,
    audit,
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
from platewatch.records.database import Database
from platewatch.records.outbox import Destination, Due
from platewatch.records.photographs import Photographs
from platewatch.records.policy import Keep, Policy
from platewatch.records.schema import entries
from platewatch.records.values import (
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


class Records:
    """A record that is open. Every method may raise RecordUnavailable; the same again later may then succeed."""

    def __init__(self, database: Database, photographs: Photographs | None, policy: Policy) -> None:
        """Use `Records.open`."""
        self.policy = policy
        self._database = database
        self._photographs = photographs

    @classmethod
    def open(
        cls,
        url: str,
        photographs: Path | None = None,
        policy: Policy = Policy(),  # noqa: B008 - frozen
        *,
        create: bool = True,
    ) -> Self:
        """Open the record: `sqlite:///records.db` (or the path alone), `postgresql://…`; made unless not to `create`.

        Photographs lie in `photographs`; beside an SQLite file that is `<its name>.photographs` unless told, with
        PostgreSQL they are only kept when a folder is named. Raises RecordError.
        """
        database = Database(url)
        database.prepare(create=create)
        folder = photographs or database.folder
        return cls(database, None if folder is None else Photographs(folder), policy)

    @property
    def places(self) -> tuple[Path, ...]:
        """The record's file, when it is one, and the photographs' folder: what must not vanish while it is open."""
        file = self._database.file
        folder = None if self._photographs is None else self._photographs.folder
        return tuple(path for path in (file, folder) if path is not None)

    def close(self) -> None:
        """Let go of files and connections."""
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
        """Write down a plate: when this returns, neither a crash nor a loss of power takes it away.

        The same `key` again gives the entry that is there. `deliver` names the destinations that get it
        (deliveries.py). Raises InputError for a plate id or key that cannot be kept.
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
            self._store(data, sha256)  # once more, should it have been pruned meanwhile; mostly it is there
            entry = appending.add(connection, new)
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
        """The plate that was added with this key, or None: asked before judging what may have come before."""
        with self._database.reading() as connection:
            number = appending.find_key(connection, key)
            return None if number is None else search.load(connection, [number])[0]

    def known(self, keys: Sequence[str]) -> set[str]:
        """Those of the keys that a plate was added with."""
        with self._database.reading() as connection:
            return appending.known(connection, keys)

    def find(self, query: Query) -> Page:
        """The plates that the query asks for, newest first."""
        with self._database.reading() as connection:
            return search.find(connection, query)

    def queue(self, limit: int = 50, before: str | None = None) -> Page:
        """The plates that wait for a person, newest first: REVIEW, REJECT and the sampled ones, not yet reviewed."""
        Query(limit=limit)  # checks it
        with self._database.reading() as connection:
            return search.queue(connection, limit, before)

    def review(
        self, number: int, judgement: Judgement, reviewer: str, *, boxes: Sequence[Box] = (), note: str = ""
    ) -> Review:
        """Write down what a person says of a plate; the verdict stays what it was. Raises NotFound, InputError."""
        with self._database.writing() as connection:
            return reviewing.review(connection, number, judgement, reviewer, boxes=boxes, note=note)

    def undo(self, review_id: int, reviewer: str) -> Review:
        """Write down that a review is taken back; raises NotFound, and InputError when it was before."""
        with self._database.writing() as connection:
            return reviewing.undo(connection, review_id, reviewer)

    def reviews(self, number: int) -> tuple[Review, ...]:
        """Everything that was said of a plate, oldest first, undos too; raises NotFound."""
        with self._database.reading() as connection:
            return reviewing.of_entry(connection, number)

    def reviewed(self) -> tuple[Reviewed, ...]:
        """Every plate on which a person's word stands, in the order of arrival: thousands in a fraction of a second."""
        with self._database.reading() as connection:
            return search.reviewed(connection)

    def last_review(self) -> int:
        """The id of the newest review or undo, 0 before the first: a cheap way to see whether anything was said."""
        with self._database.reading() as connection:
            return connection.execute(select(func.max(schema.reviews.c.position))).scalar() or 0

    def counts(self, since: datetime | None = None, until: datetime | None = None) -> Counts:
        """How many plates were received from `since` on and before `until`, and how they ended."""
        Query(since=since, until=until)  # checks them
        with self._database.reading() as connection:
            return hourly_counts.counts(connection, since, until)

    def event(self, kind: str, actor: str, details: Mapping[str, Any] | None = None) -> Event:
        """Write down that something happened; raises InputError when the details are no JSON."""
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
            return events.find(connection, kind, since=since, until=until, limit=limit, before=before)

    def photograph(self, number: int) -> bytes | None:
        """The bytes as they came in, or None when they are not kept; raises NotFound, RecordError when altered."""
        sha256 = self.get(number).photograph_sha256
        return None if sha256 is None or self._photographs is None else self._photographs.read(sha256)

    def model_ids(self) -> tuple[str, ...]:
        """Every model that judged a plate here."""
        with self._database.reading() as connection:
            return search.distinct(connection, entries.c.model_id)

    def reviewers(self) -> tuple[str, ...]:
        """Everybody who reviewed a plate here."""
        with self._database.reading() as connection:
            return search.distinct(connection, schema.terms.c.word, schema.terms.c.kind == search_index.REVIEWER)

    def head(self) -> Head:
        """Where the chain stands; a cheap way to see whether anything is new."""
        with self._database.reading() as connection:
            return chain.head(connection)

    def appended(self, after: int, limit: int, *, only_events: bool = False) -> tuple[list[Appended], int]:
        """Plates, reviews and events after a row of the chain, in order, at most `limit`, or only the events.

        Also the row up to which nothing was left out: what to ask for next is after that.
        """
        with self._database.reading() as connection:
            return following.appended(connection, after, limit, only_events=only_events)

    def every(self, query: Query | None = None) -> Iterator[Entry]:
        """All plates that the query asks for, newest first, whatever its limit; read page by page."""
        return exports.every(self, query or Query())

    def export_dataset(self, folder: Path, query: Query | None = None) -> Dataset:
        """Write the reviewed plates as a data set in the MVTec layout; raises OutputError.

        `train/good` and `test/good` hold what people called good, `test/defective` the others, with masks of what they
        marked, `reviewed.csv` who said so. Only plates that the query asks for.
        """
        return exports.write_dataset(self, folder, query or Query())

    def claim(self, destination: str, limit: int, lease_s: float) -> tuple[Due, ...]:
        """What a destination is to be told now, in order; nobody else gets the same within the lease."""
        with self._database.writing() as connection:
            return outbox.claim(connection, destination, limit, lease_s)

    def delivered(self, destination: str, ids: Sequence[int]) -> None:
        """Write down that a destination was told these."""
        with self._database.writing() as connection:
            outbox.delivered(connection, destination, ids)

    def postpone(self, destination: str, failed: int, others: Sequence[int] = (), *, wait_s: float, why: str) -> None:
        """Write down that telling one failed; it and the `others` claimed with it are due again after `wait_s`."""
        with self._database.writing() as connection:
            outbox.postpone(connection, destination, failed, others, wait_s=wait_s, why=why)

    def deliveries(self) -> tuple[Destination, ...]:
        """How telling each destination goes."""
        with self._database.reading() as connection:
            return outbox.state(connection)

    def prune(self) -> Pruned:
        """Remove the photographs that the policy keeps no longer, and write that down; cheap when there are none."""
        if self._photographs is None:
            return Pruned(0, 0, 0, 0)
        return pruning.prune(self._database, self._photographs, self.policy)

    def audit(
        self,
        progress: audit.Progress | None = None,
        *,
        photographs: bool = True,
        noted: audit.Anchor | None = None,
    ) -> Audit:
        """Walk the whole chain and say where it is not what was written; `photographs` reads each of these too.

        `noted` is the row and hash of a head that was written down elsewhere: the chain must still go through it.
        """
        with self._database.reading() as connection:
            return audit.audit(connection, self._photographs if photographs else None, progress, noted)

    def _store(self, data: bytes | None, sha256: str | None) -> None:
        if data is not None and sha256 is not None and self._photographs is not None:
            self._photographs.store(data, sha256)
