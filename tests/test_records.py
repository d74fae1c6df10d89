"""The record on both databases: plates, reviews, events, search, counts, failures."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

from plate_rows import plate
from platewatch.errors import InputError, NotFound, RecordError, RecordUnavailable
from platewatch.inspection import Verdict
from platewatch.records import Added, Counts, Entry, Judgement, Keep, Outcome, Page, Policy, Query, Records
from platewatch.records.database import Database

PASS, REVIEW, REJECT = Verdict


@pytest.fixture
def records(record_url: str, tmp_path: Path) -> Iterator[Records]:
    with Records.open(record_url, tmp_path / "photographs", Policy(review_share=0)) as opened:
        yield opened


def numbers(page: Page) -> list[int]:
    return [entry.number for entry in page.entries]


def fill(records: Records) -> None:
    """Nine plates: 1 to 8 with every verdict twice, the last of another model and with a note."""
    for number, verdict in enumerate([PASS, REVIEW, REJECT, None] * 2, start=1):
        records.add(plate(verdict, image=f"cam{number % 2}_{number:04}.png"), plate_id=f"P-{number % 3}")
    records.add(plate(PASS, model_id="other", image="C:\\fotos\\Blech_Grün.PNG"))
    records.review(3, Judgement.DEFECTIVE, "anna", note="deep scratch")
    records.review(2, Judgement.GOOD, "bob", boxes=[(1, 2, 3, 4)])


def test_a_plate_is_read_back_as_it_was_added(records: Records, tmp_path: Path) -> None:
    before = datetime.now(UTC)
    given = plate(REJECT, image="Blech № 7\n.png", reason="worse than all")
    entry = records.add(given, b"photograph", plate_id="A 1", key="k", source="watch").entry
    assert entry == records.get(1) == records.with_key("k")
    assert entry.inspection == given
    assert (entry.number, entry.plate_id, entry.source, entry.outcome) == (1, "A 1", "watch", Outcome.REJECT)
    assert before <= entry.received <= datetime.now(UTC)
    assert records.photograph(1) == b"photograph"
    assert entry.photograph_kept
    assert not entry.sampled
    assert records.with_key("another") is None


def test_an_entry_s_json_is_typed_and_reads_back(records: Records) -> None:
    records.add(plate(REJECT), plate_id="A 1")
    records.review(1, Judgement.UNSURE, "anna", boxes=[(1, 2, 3, 4)])
    values = records.get(1).as_dict()
    assert values["outcome"] == "REJECT"
    assert values["review"]["boxes"] == [[1, 2, 3, 4]]
    del values["outcome"]  # computed, for readers
    assert TypeAdapter(Entry).validate_python(values) == records.get(1)


def test_a_photograph_that_could_not_be_read_is_a_row_too(records: Records) -> None:
    entry = records.add(plate(None, image_sha256=None), b"no photograph at all").entry
    assert (entry.outcome, entry.inspection.error) == (Outcome.FAILED, "damaged")
    assert records.photograph(1) == b"no photograph at all"
    counts = records.counts()
    assert (counts.received, counts.judged, counts.failed) == (1, 0, 1)


def test_infinite_and_nan_numbers_are_kept(records: Records) -> None:
    assert records.add(plate(REJECT, score=float("inf"))).entry.inspection.score == float("inf")
    assert records.audit().intact


def test_the_same_key_gives_the_first_entry_also_for_many_at_once(records: Records) -> None:
    barrier = threading.Barrier(4)

    def hand_in(number: int) -> Added:
        barrier.wait()
        return records.add(plate(duration_ms=number), key="one")

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(hand_in, range(4)))
    assert [each.entry.number for each in found] == [1] * 4
    assert len({each.entry.inspection.duration_ms for each in found}) == 1
    assert sorted(each.is_new for each in found) == [False, False, False, True]
    assert records.counts().received == 1


def test_several_writers_make_one_intact_chain(record_url: str, tmp_path: Path) -> None:
    """Three stations with a connection each, as three processes would have."""
    stations = [Records.open(record_url, tmp_path / "photographs") for _ in range(3)]

    def work(station: Records) -> None:
        for number in range(10):
            entry = station.add(plate([PASS, REJECT][number % 2]), str(number).encode()).entry
            station.review(entry.number, Judgement.GOOD, "anna")

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(work, stations))
    audit = stations[0].audit()
    assert (audit.rows, audit.breaks) == (60, ())
    page = stations[1].find(Query(limit=200))
    assert sorted(numbers(page)) == list(range(1, 31))
    for station in stations:
        station.close()


QUERIES: list[tuple[dict[str, Any], list[int]]] = [
    ({}, [9, 8, 7, 6, 5, 4, 3, 2, 1]),
    ({"outcome": Outcome.FAILED}, [8, 4]),
    ({"outcome": Outcome.PASS, "model_id": "0123456789ab"}, [5, 1]),
    ({"plate_id": "P-2"}, [8, 5, 2]),
    ({"model_id": "other"}, [9]),
    ({"reviewer": "anna"}, [3]),
    ({"reviewer": "ann"}, []),
    ({"judgement": Judgement.GOOD}, [2]),
    ({"reviewed": True}, [3, 2]),
    ({"reviewed": False}, [9, 8, 7, 6, 5, 4, 1]),
    ({"text": "cam1"}, [7, 5, 3, 1]),
    ({"text": "000"}, [8, 7, 6, 5, 4, 3, 2, 1]),
    ({"text": "p 1"}, [7, 4, 1]),
    ({"text": "GRÜN"}, [9]),
    ({"text": "foto"}, []),
    ({"text": "scra"}, [3]),
    ({"text": "scra cam1"}, [3]),
    ({"text": "cam1", "reviewer": "anna"}, [3]),
    ({"text": "cam0", "reviewer": "anna"}, []),
    ({"text": "cam", "outcome": Outcome.FAILED}, [8, 4]),
    ({"text": "scra cam0"}, []),
    ({"text": "%"}, []),
]


@pytest.mark.parametrize(("conditions", "expected"), QUERIES, ids=[str(conditions) for conditions, _ in QUERIES])
@pytest.mark.parametrize("common", [False, True], ids=["rare words", "common words"])
def test_find(
    filled: Records, conditions: dict[str, Any], expected: list[int], common: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Words are searched in two ways, depending on how common they are."""
    monkeypatch.setattr("platewatch.records.search._RARE", 0 if common else 1000)
    monkeypatch.setattr("platewatch.records.schema._CHUNK", 2)
    assert numbers(filled.find(Query(**conditions))) == expected
    paged, before = list[int](), None
    while True:
        page = filled.find(Query(**conditions, limit=2, before=before))
        assert len(page.entries) <= 2
        paged += numbers(page)
        before = page.next
        if before is None:
            break
    assert paged == expected


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def filled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Records]:
    """A record that is only read."""
    import servers

    url = f"sqlite:///{tmp_path_factory.mktemp('filled') / 'records.db'}"
    if request.param == "postgresql":
        url = servers.new_database(request.getfixturevalue("postgresql"), "filled")
    with Records.open(url, policy=Policy(review_share=0)) as records:
        fill(records)
        yield records


def test_find_between_two_times(filled: Records) -> None:
    times = [filled.get(number).received for number in range(1, 10)]
    page = filled.find(Query(since=times[2], until=times[5]))
    assert numbers(page) == [5, 4, 3]
    elsewhere = timedelta(hours=-3)
    assert numbers(filled.find(Query(since=times[7].astimezone() + elsewhere))) == numbers(filled.find(Query()))


def test_counts_add_up_over_any_time(filled: Records) -> None:
    assert filled.counts() == Counts(passed=3, review=2, reject=2, failed=2)
    times = [filled.get(number).received for number in range(1, 10)]
    for start in range(9):
        for end in range(start, 9):
            counts = filled.counts(times[start], times[end])
            assert counts.received == counts.judged + counts.failed == end - start
    day = timedelta(days=1)
    assert filled.counts(times[0] - day, times[8] + day) == filled.counts() == filled.counts(since=times[0] - day)
    assert filled.counts(until=times[4]).received == 4
    assert filled.counts(since=times[8] + day).received == 0


def test_reviewers_and_model_ids_are_listed(filled: Records) -> None:
    assert filled.model_ids() == ("0123456789ab", "other")
    assert filled.reviewers() == ("anna", "bob")
    assert (filled.head().rows, filled.head().entries) == (11, 9)


def test_the_review_queue_holds_review_reject_and_sampled_plates_until_reviewed(record_url: str) -> None:
    with Records.open(record_url, policy=Policy(review_share=0.5)) as records:
        for number in range(40):
            records.add(plate([PASS, PASS, PASS, REVIEW, None][number % 5], duration_ms=number))
        drawn = [entry.number for entry in records.find(Query(limit=200)).entries if entry.sampled]
        assert 1 <= len(drawn) <= 20
        waiting = numbers(records.queue(200))
        assert waiting == sorted({*drawn, *range(4, 41, 5)}, reverse=True)
        assert numbers(records.queue(3, records.queue(2).next)) == waiting[2:5]
        review = records.review(waiting[0], Judgement.UNSURE, "anna")
        assert numbers(records.queue(200)) == waiting[1:]
        records.undo(review.id, "anna")
        assert numbers(records.queue(200)) == waiting
        assert records.audit().intact


def test_returned_values_equal_those_read_back(record_url: str, tmp_path: Path) -> None:
    """Equal in every value and in their JSON: destinations get what was returned, a page what is read."""
    with Records.open(record_url, tmp_path / "photographs", Policy(keep=Keep.NOT_PASSED, review_share=0)) as records:
        given = [(PASS, b"one"), (REJECT, b"one"), (PASS, b"one"), (None, b"two"), (REVIEW, None)]
        added = [records.add(plate(verdict), photograph).entry for verdict, photograph in given]
        assert [entry.photograph_kept for entry in added] == [False, True, True, True, False]
        assert records.get(2).as_json() == added[1].as_json()
        assert [entry.as_json() for entry in added[2:]] == [records.get(number).as_json() for number in (3, 4, 5)]
        review = records.review(2, Judgement.DEFECTIVE, "anna", boxes=[(1, 2, 3, 4)], note="deep")
        undo = records.undo(review.id, "bob")
        assert (review, undo) == records.reviews(2)
        assert [each.time.utcoffset() for each in records.reviews(2)] == [review.time.utcoffset()] * 2
        assert (records.event("light changed", "anna", {"watt": [1, 2.5], "old": None}),) == records.events()


def test_reviews_are_added_and_undone_and_the_last_valid_one_counts(records: Records) -> None:
    records.add(plate(REJECT))
    first = records.review(1, Judgement.GOOD, "anna", note="dust")
    second = records.review(1, Judgement.DEFECTIVE, "bob", boxes=[(5, 6, 7, 8)])
    assert records.get(1).review == second
    assert second.boxes == ((5, 6, 7, 8),)
    undo = records.undo(second.id, "carl")
    assert (undo.judgement, undo.undoes, undo.reviewer) == (None, second.id, "carl")
    assert records.get(1).review == first
    records.undo(first.id, "anna")
    assert records.get(1).review is None
    assert [review.id for review in records.reviews(1)] == [first.id, second.id, undo.id, undo.id + 1]
    assert records.get(1).inspection.verdict is REJECT
    assert numbers(records.find(Query(reviewer="bob"))) == [1]
    assert records.audit().intact


def test_invalid_reviews_and_undos_are_refused(records: Records) -> None:
    records.add(plate(REJECT))
    review = records.review(1, Judgement.GOOD, "anna")
    undo = records.undo(review.id, "anna")
    for wrong in (review.id, undo.id):
        with pytest.raises(InputError):
            records.undo(wrong, "anna")
    missing: list[Callable[[], object]] = [
        lambda: records.get(2),
        lambda: records.review(2, Judgement.GOOD, "anna"),
        lambda: records.undo(1, "anna"),
        lambda: records.reviews(0),
        lambda: records.photograph(-1),
    ]
    for ask in missing:
        with pytest.raises(NotFound):
            ask()
    for wrong_text in ("", " ", "a\x00b", "x" * 500, "line\nbreak"):
        with pytest.raises(InputError):
            records.add(plate(), plate_id=wrong_text)
        with pytest.raises(InputError):
            records.review(1, Judgement.GOOD, wrong_text)
    with pytest.raises(InputError):
        records.review(1, Judgement.GOOD, "anna", boxes=[(0, 0, 0, 5)])
    with pytest.raises(InputError):
        records.event("odd", "anna", {"what": object()})
    assert records.head().rows == 3


@pytest.mark.parametrize(
    "conditions",
    [{"limit": 0}, {"limit": 201}, {"since": datetime(2026, 1, 1)}, {"before": "1"}, {"before": "1-x"}],
    ids=str,
)
def test_an_invalid_query_is_refused(filled: Records, conditions: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        filled.find(Query(**conditions))


def test_events_are_in_the_same_chain(records: Records) -> None:
    records.add(plate())
    login = records.event("login", "anna")
    records.event("model activated", "bob", {"model_id": "x", "before": None})
    assert [event.kind for event in records.events()] == ["model activated", "login"]
    assert records.events("login") == (login,)
    assert records.events(before=login.id + 1) == (login,)
    assert records.events(since=login.time + timedelta(days=1)) == ()
    assert records.events(limit=1)[0].details == {"model_id": "x", "before": None}
    assert (records.head().rows, records.audit().breaks) == (3, ())


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE chain SET body = '{}' WHERE position = 1",
        "DELETE FROM chain",
        "UPDATE entries SET outcome = 'PASS'",
        "UPDATE entries SET number = 7",
        "DELETE FROM entries",
        "DELETE FROM reviews",
        "UPDATE reviews SET number = 1",
        "DELETE FROM terms",
        "DELETE FROM photographs",
        "DELETE FROM heads",
        "UPDATE heads SET position = 0",
    ],
)
def test_the_database_itself_refuses_to_change_what_was_written(
    records: Records, record_url: str, statement: str
) -> None:
    records.add(plate(REJECT), b"photograph")
    records.review(1, Judgement.GOOD, "anna")
    engine = create_engine(record_url)
    with pytest.raises(DBAPIError, match="append-only"), engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()
    assert records.audit().intact


@contextmanager
def writing(url: str) -> Iterator[None]:
    """Another process's transaction of the only writer there is."""
    database = Database(url)
    try:
        with database.writing():
            yield
    finally:
        database.close()


def test_a_reader_sees_the_record_while_another_writes(records: Records, record_url: str) -> None:
    records.add(plate())
    with writing(record_url), Records.open(record_url) as other:
        assert numbers(other.find(Query())) == [1]


def test_a_locked_record_is_unavailable_and_works_again_afterwards(
    record_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platewatch.records.database._BUSY_MS", 1000)
    monkeypatch.setitem(
        __import__("platewatch.records.database", fromlist=["_"])._POSTGRESQL["connect_args"],
        "options",
        "-c lock_timeout=1000",
    )
    with Records.open(record_url) as records:
        with writing(record_url), pytest.raises(RecordUnavailable, match="try again"):
            records.add(plate())
        assert records.add(plate()).entry.number == 1


def test_a_server_that_dropped_every_connection_is_used_again(postgresql: str) -> None:
    import servers

    with Records.open(servers.new_database(postgresql, "dropped")) as records:
        records.add(plate())
        engine = create_engine(f"{postgresql}/postgres")
        with engine.connect() as connection:
            killed = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'dropped'"
            assert connection.execute(text(killed)).all()
        engine.dispose()
        assert records.add(plate()).entry.number == 2


def test_a_full_disk_is_unavailable_and_loses_nothing(
    record_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Records.open(record_url, tmp_path / "photographs") as records:
        records.add(plate(), b"first")
        with monkeypatch.context() as patch:
            patch.setattr("os.fsync", _full)
            with pytest.raises(RecordUnavailable, match="No space left"):
                records.add(plate(), b"second", key="k")
        assert records.counts().received == 1
        assert records.add(plate(), b"second", key="k").entry.number == 2
        assert len([path for path in (tmp_path / "photographs").rglob("*") if path.is_file()]) == 2


def _full(_handle: int) -> None:
    raise OSError(28, "No space left on device")


def test_a_full_disk_for_sqlite_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connect = sqlite3.connect

    def confined(*given: Any, **options: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*given, **options)
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages}")
        return connection

    with Records.open(str(tmp_path / "records.db")) as records:
        records.add(plate())
    monkeypatch.setattr("sqlite3.dbapi2.connect", confined)
    with Records.open(str(tmp_path / "records.db")) as records:
        deliver = [f"http://{number:0300}/" for number in range(300)]  # more than the free pages take
        with pytest.raises(RecordUnavailable, match="full"):
            records.add(plate(), deliver=deliver)
        assert records.audit().intact


@pytest.mark.parametrize(
    "url", ["mysql://host/db", "sqlite:///{tmp}/text.db", "://", "postgresql://127.0.0.1:1/none", "sqlite:///{tmp}/f/x"]
)
def test_an_unusable_url_gives_one_line(url: str, tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("no database " * 100)
    (tmp_path / "f").write_text("a file")
    with pytest.raises(RecordError) as caught:
        Records.open(url.format(tmp=tmp_path))
    assert "\n" not in str(caught.value)


def test_no_message_holds_the_password() -> None:
    with pytest.raises(RecordUnavailable) as caught:
        Records.open("postgresql://anna:secret@127.0.0.1:1/none")
    assert "secret" not in str(caught.value)
