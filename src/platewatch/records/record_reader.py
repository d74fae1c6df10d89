"""The reading half of a record: plates by number, key and search, reviews, events, counts, exports, new rows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from sqlalchemy import func, select

from platewatch.errors import NotFound
from platewatch.printable import printable
from platewatch.records import (
    appending,
    events,
    exports,
    following,
    hourly_counts,
    outbox,
    reviewing,
    schema,
    search,
    search_index,
    stations,
    statistics,
)
from platewatch.records.database import Database
from platewatch.records.hourly_counts import Hourly, Period
from platewatch.records.outbox import Destination
from platewatch.records.photographs import Photographs
from platewatch.records.schema import entries
from platewatch.records.stations import Station
from platewatch.records.statistics import Most, Numbers
from platewatch.records.values import (
    MOST,
    RANGE,
    Appended,
    Counts,
    Dataset,
    Entry,
    Event,
    Head,
    Page,
    Query,
    Review,
    Reviewed,
)


class RecordReader:
    """What only reads; all stations unless it is told one. Every method may raise RecordUnavailable."""

    def __init__(self, database: Database, photographs: Photographs | None, station: Station) -> None:
        """Of an open database."""
        self._database, self._photographs, self._station = database, photographs, station

    @property
    def name(self) -> str:
        """Its URL without passwords and parameters."""
        return self._database.name

    @property
    def station(self) -> str:
        """The name of the station to whose chain it adds; empty: the unnamed one."""
        return self._station.name

    @property
    def places(self) -> tuple[Path, ...]:
        """The SQLite file, if any, and the folder of photographs, which must exist while the record is open."""
        file = self._database.file
        folder = None if self._photographs is None else self._photographs.folder
        return tuple(path for path in (file, folder) if path is not None)

    def is_own(self, row: Appended) -> bool:
        """Whether a plate, review or event is in the chain of this station."""
        number = row.number if isinstance(row, Entry) else row.id
        return stations.of_number(number) == self._station.id

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

    def queue(
        self, limit: int = 50, before: str | None = None, *, station: str | None = None, part_type: str | None = None
    ) -> Page:
        """One page of the plates waiting for review, newest first: REVIEW, REJECT and sampled ones without a review."""
        query = Query(limit=limit, before=before, station=station, part_type=part_type)
        with self._database.reading() as connection:
            return search.queue(connection, query)

    def reviews(self, number: int) -> tuple[Review, ...]:
        """All reviews and undos of a plate, oldest first; raises NotFound."""
        with self._database.reading() as connection:
            return reviewing.of_entry(connection, number)

    def reviewed(
        self,
        since: datetime | None = None,
        until: datetime | None = None,
        *,
        station: str | None = None,
        part_type: str | None = None,
    ) -> tuple[Reviewed, ...]:
        """Every plate received from `since` on and before `until` with a valid review, in the order of arrival.

        Thousands take a fraction of a second.
        """
        query = Query(since=since, until=until, reviewed=True, station=station, part_type=part_type)
        with self._database.reading() as connection:
            return search.reviewed(connection, query)

    def last_review(self) -> int:
        """Number that grows with every review or undo, 0 before the first; a cheap test for new reviews."""
        position = schema.reviews.c.position
        with self._database.reading() as connection:
            within = [
                position.between(each.base + 1, each.base + RANGE) for each in stations.known(connection).values()
            ]
            newest = (connection.execute(select(func.max(position)).where(each)).scalar() for each in within)
            return sum((each - 1) % RANGE + 1 for each in newest if each is not None)

    def counts(
        self,
        since: datetime | None = None,
        until: datetime | None = None,
        *,
        station: str | None = None,
        part_type: str | None = None,
    ) -> Counts:
        """Counts by outcome of the plates received at `since` or later and before `until`."""
        period = _period(since, until)
        with self._database.reading() as connection:
            return hourly_counts.counts(connection, period, station, part_type)

    def hourly(
        self,
        since: datetime | None = None,
        until: datetime | None = None,
        *,
        station: str | None = None,
        part_type: str | None = None,
    ) -> tuple[Hourly, ...]:
        """Counts and times of the plates by hour, part type and outcome, of whole hours; the oldest hour first."""
        period = _period(since, until)
        with self._database.reading() as connection:
            return hourly_counts.hourly(connection, period, station, part_type)

    def statistics(self, query: Query, periods: Sequence[tuple[int, int]], most: Most = Most()) -> Numbers:  # noqa: B008
        """Numbers for charts of the query's time, station and part type.

        `periods`: for each the first hour since 1970, UTC, and the one after its last; their counts are exact, of all
        plates. All else is of at most so many plates as `most` says.
        """
        with self._database.reading() as connection:
            return statistics.gather(connection, query, periods, most)

    def events(
        self,
        kind: str | None = None,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 50,
        before: int | None = None,
        station: str | None = None,
    ) -> tuple[Event, ...]:
        """Events, newest first, of one station or of all; `before` is the id of the last one seen."""
        with self._database.reading() as connection:
            kind = None if kind is None else printable(kind)
            at = None if station is None else stations.named(connection, station)
            return events.find(connection, kind, since=since, until=until, limit=limit, before=before, station=at)

    def photograph(self, number: int) -> bytes | None:
        """The photograph's original bytes, None when they are not kept; raises NotFound, RecordError when altered."""
        sha256 = self.get(number).photograph_sha256
        return None if sha256 is None or self._photographs is None else self._photographs.read(sha256)

    def model_ids(self) -> tuple[str, ...]:
        """The ids of all models that judged a plate of this record."""
        with self._database.reading() as connection:
            found = search.distinct(connection, entries.c.model_id)
        return tuple(filter(None, found))  # a plate of an unknown part type was judged by none

    def stations(self) -> tuple[str, ...]:
        """The names of all stations, in the order in which they came; the unnamed one only where it has rows."""
        return tuple(name for name, end in self.heads().items() if name or end.length)

    def part_types(self) -> tuple[str, ...]:
        """All part types that plates of this record have."""
        with self._database.reading() as connection:
            return search.distinct(connection, entries.c.part_type, schema.has_part_type)

    def reviewers(self) -> tuple[str, ...]:
        """The names of all reviewers."""
        with self._database.reading() as connection:
            return search.distinct(connection, schema.terms.c.word, schema.terms.c.kind == search_index.REVIEWER)

    def head(self, station: str | None = None) -> Head:
        """The end of this station's chain, or of another one's; raises NotFound."""
        with self._database.reading() as connection:
            here = stations.named(connection, self.station if station is None else station)
            return stations.ends(connection)[here.name]

    def heads(self) -> dict[str, Head]:
        """The ends of all chains by station, the unnamed one first; a cheap test for new rows."""
        with self._database.reading() as connection:
            return stations.ends(connection)

    def appended(
        self, after: Mapping[str, int], limit: int, *, only_events: bool = False
    ) -> tuple[list[Appended], dict[str, int]]:
        """Plates, reviews and events (or events only) after a row of each station's chain, in order, at most `limit`.

        The second value are the last rows that were read; pass them to the next call.
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

    def deliveries(self) -> tuple[Destination, ...]:
        """The state of the deliveries to each destination."""
        with self._database.reading() as connection:
            return outbox.state(connection)


def _period(since: datetime | None, until: datetime | None) -> Period:
    Query(since=since, until=until)  # checks them
    return Period(*(None if time is None else schema.microseconds(time) for time in (since, until)))
