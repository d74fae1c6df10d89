"""Every query of the record uses an index in its order: no table scan, no sort."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Engine, event

import empty_records
from plate_rows import plate
from platewatch.inspection import Verdict
from platewatch.records import Judgement, Outcome, Query, Records

THEN, LATER = datetime(2026, 1, 1, 6, 30, tzinfo=UTC), datetime(2026, 1, 2, 14, 10, tzinfo=UTC)
ASKED: dict[str, Callable[[Records], object]] = {
    "newest": lambda records: records.find(Query()),
    "further page": lambda records: records.find(Query(before="1795547707979147-39")),
    "time": lambda records: records.find(Query(since=THEN, until=LATER)),
    "outcome": lambda records: records.find(Query(outcome=Outcome.REJECT, since=THEN)),
    "plate id": lambda records: records.find(Query(plate_id="P-1")),
    "model": lambda records: records.find(Query(model_id="0123456789ab", before="1795547707979147-39")),
    "reviewer": lambda records: records.find(Query(reviewer="anna")),
    "judgement": lambda records: records.find(Query(judgement=Judgement.GOOD)),
    "reviewed": lambda records: records.find(Query(reviewed=True)),
    "not reviewed": lambda records: records.find(Query(reviewed=False)),
    "word": lambda records: records.find(Query(text="cam7 dust", reviewer="anna")),
    "word of none": lambda records: records.find(Query(text="cam7 nothing")),
    "model and outcome": lambda records: records.find(Query(model_id="0123456789ab", outcome=Outcome.REVIEW)),
    "part type": lambda records: records.find(Query(part_type="hinge", before="7.1_1000000000007.1000000000001")),
    "part type and outcome": lambda records: records.find(Query(part_type="hinge", outcome=Outcome.PASS, station="")),
    "part type and time": lambda records: records.find(Query(part_type="hinge", since=THEN)),
    "queue of a part type": lambda records: records.queue(50, part_type="hinge"),
    "part types": lambda records: records.part_types(),
    "events of a station": lambda records: records.events(station=""),
    "queue": lambda records: records.queue(50),
    "get": lambda records: records.get(1),
    "key": lambda records: records.with_key("key"),
    "known keys": lambda records: records.known(["key", "other"]),
    "reviews": lambda records: records.reviews(1),
    "counts": lambda records: records.counts(THEN, LATER),
    "all counts": lambda records: records.counts(),
    "counts within an hour": lambda records: records.counts(THEN, THEN.replace(minute=40)),
    "statistics": lambda records: records.statistics(Query(since=THEN, until=LATER), [(490894, 490900)]),
    "statistics of a part type": lambda records: records.statistics(
        Query(since=THEN, part_type="hinge"), [(490894, 490900)]
    ),
    "events": lambda records: records.events(),
    "events of a kind": lambda records: records.events("login"),
    "models": lambda records: records.model_ids(),
    "reviewers": lambda records: records.reviewers(),
    "head": lambda records: records.head(),
    "appended": lambda records: records.appended({}, 10),
    "appended events": lambda records: records.appended({}, 10, only_events=True),
    "add": lambda records: records.add(plate(), b"photograph", key="another", deliver=["a"]),
    "review": lambda records: records.review(1, Judgement.GOOD, "anna"),
    "claim": lambda records: records.claim("a", 5, 1),
}
SMALL = ("heads", "destinations", "outbox")
"""Tables of a few rows; the outbox is emptied all the time."""


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Records]:
    with Records.open(str(tmp_path_factory.mktemp("plans") / "records.db")) as opened:
        opened.add(plate(Verdict.REVIEW), b"photograph", plate_id="P-1", key="key", deliver=["a"])
        opened.review(1, Judgement.GOOD, "anna", note="dust")
        opened.event("login", "anna")
        yield opened


def executed(records: Records, ask: Callable[[Records], object]) -> list[tuple[str, Any]]:
    """The statements that `ask` executes, with their parameters."""
    found = list[tuple[str, Any]]()

    def hear(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        found.append((statement, parameters))

    event.listen(Engine, "before_cursor_execute", hear)
    ask(records)
    event.remove(Engine, "before_cursor_execute", hear)
    return found


def plans(records: Records, ask: Callable[[Records], object]) -> list[str]:
    """SQLite's query plans of all statements that `ask` executes."""
    with closing(sqlite3.connect(records.places[0])) as raw:
        found = list[str]()
        for statement, parameters in executed(records, ask):
            if statement.split()[0] in ("SELECT", "UPDATE", "DELETE"):
                found += [row[3] for row in raw.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)]
        return found


@pytest.mark.parametrize("question", ASKED)
def test_every_query_uses_an_index(records: Records, question: str) -> None:
    steps = plans(records, ASKED[question])
    assert steps
    for step in steps:
        assert "TEMP B-TREE FOR ORDER BY" not in step, steps
        words = step.split()
        walks_an_index = "USING INDEX" in step or "USING COVERING INDEX" in step
        assert words[0] != "SCAN" or words[1] in SMALL or walks_an_index or "hourly_counts" in step, steps


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Records]:
    with Records.open(str(tmp_path_factory.mktemp("many") / "records.db")) as opened:
        for number in range(33):
            opened.add(plate(), key=str(number), deliver=["a", "b"])
            opened.event("login", "anna")
        yield opened


BATCHES: dict[str, Callable[[int, Records], object]] = {
    "known keys": lambda count, records: records.known([str(number) for number in range(count)]),
    "appended": lambda count, records: records.appended({}, count),
    "claimed and put back": lambda count, records: records.delivered("a", (), records.claim("a", count, 0.0)),
    "postponed": lambda count, records: records.postpone("b", 1, list(range(2, 2 + count)), wait_s=0.0, why="away"),
    "pages": lambda count, records: records.find(Query(limit=count)),
}


@pytest.mark.parametrize("question", BATCHES)
def test_batches_of_any_length_are_few_statements(many: Records, question: str) -> None:
    """A connection keeps 128 prepared statements, and one with a hundred values takes 40 kB."""
    statements = set[str]()
    for count in range(1, 33):
        statements |= {each for each, _ in executed(many, partial(BATCHES[question], count))}
    assert len(statements) < 32


def test_no_statement_has_more_than_128_values(many: Records) -> None:
    found = executed(many, lambda records: records.known([str(number) for number in range(300)]))
    assert max(statement.count("?") for statement, _ in found) == 128


def test_a_connection_keeps_few_pages_in_memory(many: Records) -> None:
    """Also when nobody writes for long: a disk is full, and pages show the record again and again."""
    with many._database.reading() as connection:
        assert connection.exec_driver_sql("PRAGMA cache_size").scalar() == -512  # KiB


def test_postgresql_plans_each_query_for_its_values(postgresql: str) -> None:
    """The plan of a prepared statement for any values walks all numbers of a million plates instead of one hour's."""
    with Records.open(empty_records.postgresql(postgresql)) as opened, opened._database.reading() as connection:
        assert connection.exec_driver_sql("SHOW plan_cache_mode").scalar() == "force_custom_plan"
