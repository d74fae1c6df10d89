"""Stations of one record: each has its own chain, numbers and counts; lists, counts and the audit know all of them."""

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError

import empty_records
from plate_rows import plate
from platewatch.errors import InputError, NotFound, RecordError
from platewatch.inspection import Verdict
from platewatch.records import Judgement, Keep, Outcome, Policy, Query, Records, anchors, chain, station_hold
from test_records_audit import alter, found
from waiting import GIVE_UP_S

NONE = Policy(review_share=0)
A, B = 10**12, 2 * 10**12
"""Numbers of the two named stations begin after these."""


@pytest.fixture
def line(record_url: str, tmp_path: Path) -> Iterator[list[Records]]:
    """The unnamed station and two named ones, with plates and reviews in turn; `cam` is a word of all of them."""
    with ExitStack() as stack:
        opened = [
            stack.enter_context(Records.open(record_url, tmp_path / "photographs", NONE, station=name))
            for name in ("", "line A", "line-B")
        ]
        for number in range(4):
            for records in opened:
                verdict = [Verdict.PASS, Verdict.REVIEW, Verdict.REJECT, None][number]
                kind = "" if records is opened[0] else ["hinge", "plate"][number % 2]
                name = f"cam {records.station} {number}.png"
                photograph = f"{name} {number}".encode()
                records.add(plate(verdict, image=name), photograph, part_type=kind, deliver=["http://there/"])
        yield opened


def numbers(records: Records, **conditions: Any) -> list[int]:
    """All numbers that the query finds, by pages of two."""
    found, before = list[int](), None
    while True:
        page = records.find(Query(**conditions, limit=2, before=before))
        assert len(page.entries) <= 2
        found += [entry.number for entry in page.entries]
        before = page.next
        if before is None:
            return found


def test_each_station_has_its_own_numbers_and_chain(line: list[Records]) -> None:
    unnamed, a, b = line
    assert [numbers(unnamed, station=each.station) for each in line] == [
        [4, 3, 2, 1],
        [A + 4, A + 3, A + 2, A + 1],
        [B + 4, B + 3, B + 2, B + 1],
    ]
    entry = unnamed.get(A + 2)
    assert (entry.station, entry.place, entry.part_type, entry.outcome) == ("line A", 2, "plate", Outcome.REVIEW)
    assert unnamed.stations() == ("", "line A", "line-B")
    assert [end.length for end in a.heads().values()] == [4, 4, 4]
    assert (b.head().station, b.head().rows, b.head().entries) == ("line-B", B + 4, 4)
    audit = b.audit()
    assert audit.breaks == ()
    assert [(each.station, each.rows) for each in audit.chains] == [("", 4), ("line A", 4), ("line-B", 4)]


def test_the_unnamed_station_writes_what_it_wrote_before(line: list[Records], record_url: str) -> None:
    engine = create_engine(record_url)
    with engine.connect() as connection:
        bodies = connection.execute(text("SELECT body FROM chain WHERE position < 100")).scalars().all()
        named = connection.execute(text("SELECT body FROM chain WHERE position > 100")).scalars().all()
    engine.dispose()
    assert not [body for body in bodies if "station" in body or "part_type" in body]
    assert all('"station":"line' in body and '"part_type":"' in body for body in named)


MERGED = [number for place in (4, 3, 2, 1) for number in (B + place, A + place, place)]
FOUND: list[tuple[dict[str, Any], list[int]]] = [
    ({}, MERGED),
    ({"outcome": Outcome.REJECT}, [B + 3, A + 3, 3]),
    ({"part_type": "hinge"}, [B + 3, A + 3, B + 1, A + 1]),
    ({"part_type": "hinge", "outcome": Outcome.PASS, "station": "line A"}, [A + 1]),
    ({"part_type": "none"}, []),
    ({"station": "line-B", "part_type": ""}, []),
    ({"text": "cam"}, MERGED),
    ({"text": "line", "station": ""}, []),
    ({"reviewed": False}, MERGED),
]


@pytest.mark.parametrize("common", [False, True], ids=["rare words", "common words"])
def test_pages_merge_the_stations_newest_first(
    line: list[Records], common: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platewatch.records.search._RARE", 0 if common else 1000)
    for conditions, expected in FOUND:
        assert numbers(line[0], **conditions) == expected, conditions
    with pytest.raises(NotFound, match=r"one of \(unnamed\), line A, line-B"):
        numbers(line[0], station="line C")
    times = [line[0].get(number).received for number in (2, B + 3)]
    assert numbers(line[0], since=times[0], until=times[1]) == [A + 3, 3, B + 2, A + 2, 2]
    assert numbers(line[0], since=times[0], until=times[1], station="line-B") == [B + 2]
    queue = line[0].queue(3)
    assert [entry.number for entry in queue.entries] == [B + 3, A + 3, 3]
    assert [entry.number for entry in line[0].queue(3, queue.next).entries] == [B + 2, A + 2, 2]
    assert [entry.number for entry in line[0].queue(part_type="plate", station="line A").entries] == [A + 2]


def test_counts_are_kept_by_station_and_part_type(line: list[Records]) -> None:
    records = line[0]
    assert records.counts().received == 12
    assert (records.counts(station="line A").reject, records.counts(part_type="hinge").received) == (1, 4)
    received = records.get(A + 1).received
    assert records.counts(received, station="line A", part_type="hinge").received == 2
    rows = records.hourly(part_type="plate")
    assert sum(each.count for each in rows) == 4
    assert sum(each.duration_ms for each in rows) == 4 * 12.5
    assert records.part_types() == ("hinge", "plate")


def test_a_review_is_in_the_chain_of_its_plate(line: list[Records]) -> None:
    unnamed, a, b = line
    first = b.review(A + 2, Judgement.GOOD, "anna")
    second = unnamed.review(A + 2, Judgement.DEFECTIVE, "bob")
    assert (first.id, second.id) == (A + 5, A + 6)
    b.undo(second.id, "carl")
    assert a.get(A + 2).review == first
    assert (a.head().rows, b.head().rows, a.last_review()) == (A + 7, B + 4, 7)
    assert a.audit().breaks == ()


def test_new_rows_of_all_stations_are_followed(line: list[Records]) -> None:
    rows, reached = line[0].appended({}, 5)
    assert len(rows) == 5
    more, reached = line[0].appended(reached, 100)
    assert len(more) == 7
    assert reached == {"": 4, "line A": A + 4, "line-B": B + 4}
    line[1].event("login", "anna")
    ((login,), reached) = line[0].appended(reached, 5)
    assert (login.station, reached["line A"]) == ("line A", A + 5)  # type: ignore[union-attr] # an event
    line[2].event("login", "bob")
    assert [each.actor for each in line[0].events()] == ["bob", "anna"]
    assert [each.actor for each in line[0].events(before=line[0].events()[0].id)] == ["anna"]
    assert [each.actor for each in line[0].events(station="line A")] == ["anna"]


def test_a_key_is_one_plate_at_all_stations(line: list[Records]) -> None:
    with ThreadPoolExecutor(3) as pool:
        added = list(pool.map(lambda records: records.add(plate(), key="one", part_type="hinge"), line))
    assert len({each.entry.number for each in added}) == 1
    assert sorted(each.is_new for each in added) == [False, False, True]
    assert line[0].audit().breaks == ()


def test_deliveries_are_shared_and_counted_by_station(line: list[Records]) -> None:
    due = line[2].claim("http://there/", 5, 60)
    assert len(due) == 5
    assert len(line[1].claim("http://there/", 100, 60)) == 7
    line[1].postpone("http://there/", due[0].id, wait_s=0, why="away")
    line[2].delivered("http://there/", due[1:])
    (state,) = line[0].deliveries()
    assert (state.delivered, state.failures, state.error, state.waiting) == (4, 1, "away", 8)
    line[2].delivered("http://there/", due[:1])
    assert line[0].deliveries()[0].error is None


def test_one_station_prunes_the_photographs_of_all(line: list[Records]) -> None:
    line[1].policy = Policy(keep=Keep.NOT_PASSED)
    assert line[1].prune().photographs == 3
    assert line[2].audit().breaks == ()


ALTERED: dict[str, dict[str, int]] = {
    "values": {
        f"UPDATE chain SET body = replace(body, 'REJECT', 'PASS') WHERE position = {A + 3}": A + 3,
        f"UPDATE entries SET station = 'line-B' WHERE number = {A + 2}": A + 2,
        f"UPDATE entries SET part_type = 'plate' WHERE number = {B + 3}": B + 3,
        "UPDATE hourly_counts SET duration = duration + 1 WHERE station = 'line-B'": 0,
    },
    "a removed end": {f"DELETE FROM chain WHERE position = {A + 4}": 0},
    "a removed station": {"DELETE FROM heads WHERE id = 2": A + 1},
    "a renamed station": {"UPDATE heads SET station = 'line C' WHERE id = 2": A + 1},
    "a count": {"UPDATE hourly_counts SET count = count + 1 WHERE station = 'line A'": 0},
}


@pytest.mark.parametrize("what", ALTERED)
def test_every_alteration_of_a_named_station_is_found(line: list[Records], record_url: str, what: str) -> None:
    foreign = "PRAGMA foreign_keys = OFF" if record_url.startswith("sqlite") else "SELECT 1"
    alter(record_url, foreign, *ALTERED[what])
    rows = {row for row, _ in found(line[0].audit())}
    assert rows.issuperset(ALTERED[what].values())


def test_an_anchor_of_each_station_is_checked(line: list[Records]) -> None:
    kept = [anchors.make(each.head()) for each in line[:2]]
    line[1].event("login", "anna")
    audit = line[0].audit(anchors=kept)
    assert audit.intact
    assert [each.anchored for each in audit.chains] == [4, 4, 0]
    assert not line[0].audit(anchor=(B + 9, "0" * 64)).intact


def test_a_head_named_in_another_chain_has_to_be_there(line: list[Records], record_url: str) -> None:
    """A station whose whole chain is taken away with its head is missed by the others."""
    heads = {name: {"row": end.rows, "chain": end.chain} for name, end in line[0].heads().items() if name != "line-B"}
    line[2].event(chain.HEADS, "line-B", {"heads": heads})
    assert line[0].audit().intact
    foreign = "PRAGMA foreign_keys = OFF" if record_url.startswith("sqlite") else "SELECT 1"
    tables = (("entries", "number"), ("terms", "number"), ("outbox", "number"), ("chain", "position"))
    gone = [f"DELETE FROM {table} WHERE {column} BETWEEN {A} AND {B}" for table, column in tables]
    counted = "DELETE FROM hourly_counts WHERE station = 'line A'"
    alter(record_url, foreign, *gone, counted, "DELETE FROM heads WHERE id = 2")
    assert (B + 5, f"names row {A + 4} of another station as its end then; that row is missing") in found(
        line[0].audit(photographs=False)
    )


@pytest.mark.parametrize("name", ["/", " a", "a" * 41, "a\nb", "../x"])
def test_a_name_that_is_none_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="station"):
        Records.open(str(tmp_path / "records.db"), station=name)
    assert not (tmp_path / "records.db").exists()


MOST = {"sqlite": 8, "postgresql": 2}
"""Statements of a plate with photograph, key and a destination, besides BEGIN and COMMIT; 0.1.0 took 15."""


def test_a_plate_takes_few_statements(line: list[Records], record_url: str) -> None:
    statements = list[str]()

    def hear(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    event.listen(Engine, "before_cursor_execute", hear)
    line[1].add(plate(Verdict.REJECT), b"photograph", plate_id="P 1", key="k", deliver=["http://there/"])
    event.remove(Engine, "before_cursor_execute", hear)
    statements = [each for each in statements if not each.startswith("BEGIN")]
    assert len(statements) <= MOST[record_url.partition(":")[0].partition("+")[0]], statements


def test_two_processes_with_one_name_are_refused(
    line: list[Records], record_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(station_hold, "PATIENCE_S", 0)
    line[0].hold_station()
    line[1].hold_station()
    with Records.open(record_url, station="line A") as second:
        with pytest.raises(RecordError, match="station line A: another process records under this name") as caught:
            second.hold_station()
        assert "\n" not in str(caught.value)
        line[1].close()
        second.hold_station()
    with Records.open(record_url, station="") as unnamed:
        unnamed.hold_station()  # may be shared


def test_a_killed_process_frees_its_name(line: list[Records], record_url: str) -> None:
    there, done = os.pipe()
    child = os.fork()
    if child == 0:
        Records.open(record_url, station="line A").hold_station()
        os.write(done, b"held")
        time.sleep(GIVE_UP_S)
        os._exit(1)
    try:
        assert os.read(there, 4) == b"held"
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(there)
        os.close(done)
    line[1].hold_station()


def test_a_server_that_was_away_gives_the_name_back(postgresql: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(station_hold, "PATIENCE_S", 0)
    url = empty_records.postgresql(postgresql)
    with Records.open(url, station="line A") as first, Records.open(url, station="line A") as second:
        first.hold_station()
        end_connections(url)
        assert list(first.station_problems()) == []  # taken again
        with pytest.raises(RecordError, match="another process"):
            second.hold_station()
        end_connections(url)
        second.hold_station()
        ((code, message, stops),) = first.station_problems()
        assert (code, stops) == (station_hold.TAKEN, True)
        assert message == "another process records under this name, at 127.0.0.1; stop one of the two"


def end_connections(url: str) -> None:
    """As a server that is restarted does."""
    engine = create_engine(url)
    with suppress(DBAPIError), engine.connect() as connection:
        others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
        connection.execute(text(f"{others} AND pid <> pg_backend_pid()")).all()
    engine.dispose()


def test_stations_name_each_others_heads_now_and_then(line: list[Records]) -> None:
    unnamed, a, b = line
    assert a.name_heads("line A") is not None
    assert b.name_heads("line B") is not None
    assert a.name_heads("line A") is None, "the other chain has grown by its own event alone"
    unnamed.add(plate())
    unnamed.add(plate())
    named = a.name_heads("line A")
    assert named is not None
    assert named.details["heads"]["line-B"]["row"] == B + 5
    assert unnamed.audit().breaks == ()
