"""What any process appends to the record is passed on once and in order."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from plate_rows import plate
from platewatch.errors import RecordUnavailable
from platewatch.inspection import Verdict
from platewatch.line.record_tail import RecordTail
from platewatch.records import Appended, Entry, Event, Head, Judgement, Records, Review
from waiting import eventually


@pytest.fixture
def records(record_url: str) -> Iterator[Records]:
    with Records.open(record_url) as opened:
        yield opened


class Followed:
    """A tail that keeps what it passed on."""

    def __init__(self, records: Records, **options: Any) -> None:
        self.rows = list[Appended]()
        self._tail = RecordTail(records, self.rows.append, **({"every_s": 0.02} | options))

    def __enter__(self) -> "Followed":
        self._tail.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._tail.stop()


def name(row: Appended) -> str:
    match row:
        case Entry():
            return f"plate {row.number}"
        case Review():
            return f"review of {row.number}"
        case Event():
            return row.kind


def test_plates_reviews_and_events_come_in_the_order_of_the_chain(records: Records, record_url: str) -> None:
    records.add(plate())
    with Followed(records) as followed, Records.open(record_url) as other:
        other.add(plate(Verdict.REJECT), key="k")
        other.add(plate(Verdict.REJECT), key="k")
        said = other.review(2, Judgement.GOOD, "anna", boxes=[(1, 2, 3, 4)])
        event = other.event("model_activated", "bob", {"model_id": "x", "before": "y"})
        undo = other.undo(said.id, "anna")
        eventually(lambda: len(followed.rows) == 4)
        time.sleep(0.1)
        assert list(map(name, followed.rows)) == ["plate 2", "review of 2", "model_activated", "review of 2"]
        assert followed.rows[1:] == [said, event, undo]


def test_many_writers_at_once_miss_and_repeat_nothing(
    records: Records, record_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platewatch.line.record_tail._BATCH", 7)

    def write(writer: int) -> None:
        with Records.open(record_url) as opened:
            for number in range(10):
                added = opened.add(plate(), key=f"{writer}-{number}")
                opened.review(added.entry.number, Judgement.GOOD, f"w{writer}")

    with Followed(records) as followed:
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(write, range(3)))
        eventually(lambda: len(followed.rows) == 60)
        time.sleep(0.1)
    numbers = [row.number for row in followed.rows if isinstance(row, Entry)]
    reviews = [row.id for row in followed.rows if isinstance(row, Review)]
    assert numbers == list(range(1, 31))
    assert reviews == sorted(reviews)
    assert len(set(map(name, followed.rows))) == len(followed.rows) == 60
    for row in followed.rows:
        if isinstance(row, Review):
            assert followed.rows.index(row) > [name(each) for each in followed.rows].index(f"plate {row.number}")


def test_without_anybody_who_looks_only_events_are_read(records: Records) -> None:
    looking = threading.Event()
    with Followed(records, only_events=lambda: not looking.is_set()) as followed:
        records.add(plate())
        records.event("login", "anna")
        records.review(1, Judgement.GOOD, "anna")
        records.event("logout", "anna")
        eventually(lambda: len(followed.rows) == 2)
        time.sleep(0.1)
        looking.set()
        records.add(plate())
        eventually(lambda: len(followed.rows) == 3)
        assert list(map(name, followed.rows)) == ["login", "logout", "plate 2"]


def test_a_record_that_was_out_of_reach_is_followed_from_where_it_stopped(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(*_: Any, **__: Any) -> Head:
        raise RecordUnavailable("record", "out of reach")

    with Followed(records) as followed:
        with monkeypatch.context() as patch:
            patch.setattr(records, "appended", locked)
            records.add(plate())
            time.sleep(0.1)
        records.add(plate())
        eventually(lambda: len(followed.rows) == 2)
        assert list(map(name, followed.rows)) == ["plate 1", "plate 2"]


def test_what_fails_with_one_row_does_not_end_the_following(records: Records) -> None:
    heard = list[str]()

    def listen(row: Appended) -> None:
        heard.append(name(row))
        if len(heard) == 1:
            raise ValueError("no page")

    tail = RecordTail(records, listen, every_s=0.02)
    tail.start()
    for _ in range(3):
        records.add(plate())
    eventually(lambda: len(heard) == 3)
    tail.stop()
    assert heard == ["plate 1", "plate 2", "plate 3"]
