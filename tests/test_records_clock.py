"""A clock that is wrong deletes nothing, hides nothing and holds nothing up; on both databases."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from plate_rows import plate
from platewatch.inspection import Verdict
from platewatch.records import Judgement, Policy, Query, Records, record_time
from platewatch.records.migrations.versions import v0004_order_by_number

DAY = timedelta(days=1)
TODAY = datetime(2026, 11, 30, 2, tzinfo=UTC)


class Clock:
    """The machine's clock, which the test sets; the monotonic one goes on with `passes`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self._monotonic = TODAY, 10**9
        clock = self

        class Now(datetime):
            @classmethod
            def now(cls, tz: object = None) -> datetime:  # type: ignore[override]  # noqa: ARG003
                return clock.now

        for module in ("appending", "events", "reviewing"):
            monkeypatch.setattr(f"platewatch.records.{module}.datetime", Now)
        monkeypatch.setattr(time, "time_ns", lambda: round(self.now.timestamp() * 1e9))
        monkeypatch.setattr(time, "monotonic_ns", lambda: self._monotonic)

    def passes(self, by: timedelta) -> None:
        self.now += by
        self._monotonic += round(by.total_seconds() * 1e9)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def opened(record_url: str, tmp_path: Path) -> Callable[[float | None], Records]:
    """Opens the record anew, as a process that starts does."""
    return lambda days: Records.open(record_url, tmp_path / "photographs", Policy(days=days, review_share=0))


def kept(records: Records) -> list[int]:
    return [entry.number for entry in records.every() if entry.photograph_kept][::-1]


def numbers(records: Records, **conditions: Any) -> list[int]:
    """Page by page, two at a time."""
    found, before = list[int](), None
    while True:
        page = records.find(Query(**conditions, limit=2, before=before))
        found += [entry.number for entry in page.entries]
        before = page.next
        if before is None:
            return found


@pytest.mark.parametrize("year", [1970, 1999, 2036, 2099])
@pytest.mark.parametrize("days", [365, 20, 0.01])
def test_one_start_with_a_wrong_clock_removes_nothing(
    opened: Callable[[float], Records], clock: Clock, year: int, days: float
) -> None:
    with opened(days) as records:
        for number in range(3):
            records.add(plate(), bytes([number]))
    clock.now = clock.now.replace(year=year)
    with opened(days) as records:
        assert records.prune().photographs == 0
        records.add(plate(), b"wrong time")
        assert records.prune().photographs == 0
    clock.now = TODAY + timedelta(minutes=1)
    with opened(days) as records:
        assert records.prune().photographs == 0
        records.add(plate(), b"right again")
        assert records.prune().photographs == 0
        assert kept(records) == [1, 2, 3, 4, 5]
        assert records.audit().intact


def test_a_step_while_it_runs_removes_nothing(opened: Callable[[float], Records], clock: Clock) -> None:
    with opened(1) as records:
        records.add(plate(), b"1")
        for year in (2036, 1970, 2026, 2099):
            clock.now = clock.now.replace(year=year)
            assert records.prune().photographs == 0
            records.add(plate(), str(year).encode())
        assert len(kept(records)) == 5


def test_many_starts_with_a_wrong_clock_remove_nothing(opened: Callable[[float], Records], clock: Clock) -> None:
    with opened(30) as records:
        records.add(plate(), b"1")
    clock.now = clock.now.replace(year=2036)
    for _ in range(5):
        with opened(30) as records:
            assert records.prune().photographs == 0


def test_age_counts_while_it_runs_and_over_usual_pauses(opened: Callable[[float], Records], clock: Clock) -> None:
    with opened(20) as records:
        records.add(plate(), b"old")
        clock.passes(21 * DAY)
        records.add(plate(), b"new")
        assert records.prune().photographs == 1
        assert kept(records) == [2]
    for number in range(11):  # two days off, each time
        clock.passes(2 * DAY)
        with opened(20) as records:
            records.add(plate(), bytes([number]))
            records.prune()
    with opened(20) as records:
        assert kept(records) == list(range(3, 14))


def test_reviewed_photographs_are_never_removed_by_age(opened: Callable[[float], Records], clock: Clock) -> None:
    with opened(1) as records:
        for verdict in (Verdict.PASS, Verdict.REVIEW, Verdict.REJECT, None, Verdict.PASS):
            records.add(plate(verdict), str(verdict).encode() if verdict is not Verdict.PASS else b"same")
        for number, judgement in ((1, Judgement.GOOD), (2, Judgement.DEFECTIVE), (3, Judgement.UNSURE)):
            records.review(number, judgement, "anna")
        clock.passes(400 * DAY)
        assert records.prune().photographs == 1
        assert kept(records) == [1, 2, 3, 5], "5 has the photograph of 1"
        records.policy = Policy(gigabytes=1e-9)
        assert records.prune().photographs == 3, "for lack of space they go"


def test_lists_are_in_the_order_of_numbers(opened: Callable[[None], Records], clock: Clock) -> None:
    """Each kind of list, page by page; times of plates 1 to 8 go up, down and up again."""
    minutes = [10, 20, 30, 5_000_000, 5, 15, -10_000, 40]
    with opened(None) as records:
        for minute in minutes:
            clock.now = TODAY + timedelta(minutes=minute)
            records.add(plate(Verdict.REVIEW, image="cam7.png"), plate_id="P")
        for number in (3, 8, 1, 4):
            records.review(number, Judgement.GOOD, "anna", note="dust")
        everything = [8, 7, 6, 5, 4, 3, 2, 1]
        all_of_them: tuple[dict[str, Any], ...] = (
            {},
            {"plate_id": "P"},
            {"text": "cam7"},
            {"model_id": "0123456789ab"},
        )
        for conditions in all_of_them:
            assert numbers(records, **conditions) == everything
        reviewed: tuple[dict[str, Any], ...] = (
            {"reviewer": "anna"},
            {"judgement": Judgement.GOOD},
            {"reviewed": True},
            {"text": "dust"},
        )
        for conditions in reviewed:
            assert numbers(records, **conditions) == [8, 4, 3, 1]
        assert numbers(records, reviewed=False) == [7, 6, 5, 2]
        assert [each.number for each in records.reviewed()] == [1, 3, 4, 8]
        assert [entry.number for entry in records.queue(2).entries] == [7, 6]
        assert [entry.number for entry in records.queue(2, records.queue(2).next).entries] == [5, 2]
        hour: Any = {"since": TODAY + timedelta(minutes=5), "until": TODAY + timedelta(minutes=40)}
        assert numbers(records, **hour) == [6, 5, 3, 2, 1]
        assert numbers(records, **hour, text="cam7") == [6, 5, 3, 2, 1]
        assert numbers(records, **hour, reviewer="anna") == [3, 1]
        assert numbers(records, since=TODAY) == [8, 6, 5, 4, 3, 2, 1]
        assert numbers(records, until=TODAY) == [7]
        assert numbers(records, until=TODAY - 30 * DAY) == []
        assert [each.number for each in records.reviewed(hour["since"], hour["until"])] == [1, 3]


def test_the_cursor_of_an_earlier_version_still_leads_on(opened: Callable[[None], Records]) -> None:
    with opened(None) as records:
        for _ in range(3):
            records.add(plate())
        assert [entry.number for entry in records.find(Query(before="1795547707979147-3")).entries] == [2, 1]


@pytest.mark.parametrize("ahead", [timedelta(minutes=4), timedelta(minutes=59), 3650 * DAY])
def test_a_delivery_is_not_held_up_by_a_clock_set_back(
    opened: Callable[[None], Records], clock: Clock, ahead: timedelta
) -> None:
    with opened(None) as records:
        clock.now += ahead
        records.add(plate(), deliver=["http://there/"])
        (leased,) = records.claim("http://there/", 5, 60)
        clock.now -= ahead
        (due,) = records.claim("http://there/", 5, 60)
        assert due.id == leased.id
        assert records.claim("http://there/", 5, 60) == (), "leased"
        clock.now += ahead
        records.postpone("http://there/", due.id, wait_s=300, why="away")
        clock.now -= ahead
        (due,) = records.claim("http://there/", 5, 60)
        records.postpone("http://there/", due.id, wait_s=300, why="away")
        assert records.claim("http://there/", 5, 60) == ()
        clock.passes(timedelta(seconds=301))
        assert len(records.claim("http://there/", 5, 60)) == 1


@pytest.mark.parametrize("behind", [timedelta(seconds=40), timedelta(minutes=5), timedelta(hours=3), 20000 * DAY])
def test_a_delivery_is_not_held_up_by_a_clock_set_back_and_forward(
    opened: Callable[[None], Records], clock: Clock, behind: timedelta
) -> None:
    with opened(None) as records:
        records.add(plate(), deliver=["http://there/"])
        (due,) = records.claim("http://there/", 5, 60)
        records.postpone("http://there/", due.id, wait_s=300, why="away")
        clock.now -= behind
        records.add(plate(), deliver=["http://there/"])
        assert len(records.claim("http://there/", 5, 60)) == 2
        clock.now += behind
        clock.passes(timedelta(seconds=61))
        assert len(records.claim("http://there/", 5, 60)) == 2


@pytest.mark.parametrize("ahead", [timedelta(minutes=5), timedelta(minutes=59), 3650 * DAY])
def test_what_a_process_left_while_the_clock_was_ahead_is_delivered_by_the_next_one(
    opened: Callable[[None], Records], clock: Clock, ahead: timedelta
) -> None:
    clock.now += ahead
    with opened(None) as records:
        records.add(plate(), deliver=["http://there/"])
        (due,) = records.claim("http://there/", 5, 60)
        records.postpone("http://there/", due.id, wait_s=10**9, why="away")
        records.add(plate(), deliver=["http://there/"])
    clock.now -= ahead
    with opened(None) as records:
        found = records.claim("http://there/", 5, 10**9)
        assert 2 in [each.entry.number for each in found], "never tried, so due whatever the clock says"
        assert len(found) == 2 or ahead < timedelta(seconds=360)
        clock.passes(timedelta(seconds=721))  # the longest wait, and the step that nobody saw
        assert len(records.claim("http://there/", 5, 60)) == 2


def test_a_clock_that_is_only_corrected_slowly_ends_no_lease(opened: Callable[[None], Records], clock: Clock) -> None:
    with opened(None) as records:
        records.add(plate(), deliver=["http://there/"])
        assert len(records.claim("http://there/", 5, 60)) == 1
        for _ in range(50):
            clock.passes(timedelta(seconds=1))
            clock.now -= timedelta(milliseconds=1)
            assert records.claim("http://there/", 5, 60) == ()


@pytest.fixture
def migrated(record_url: str) -> Callable[[], None]:
    """Sets the times of photographs as an earlier version wrote them, by the clock, and migrates them."""

    def distort() -> None:
        engine = create_engine(record_url)
        with engine.begin() as connection:
            connection.execute(
                text("UPDATE photographs SET stored = (SELECT max(received) FROM entries WHERE photograph = sha256)")
            )
            v0004_order_by_number.undistort(connection)
        engine.dispose()

    return distort


def test_what_a_wrong_clock_left_in_an_older_record_removes_nothing(
    opened: Callable[[float], Records], clock: Clock, migrated: Callable[[], None]
) -> None:
    with opened(365) as records:
        for year in (2026, 1970, 2036, 2026, 2026):
            clock.passes(timedelta(minutes=1))
            clock.now = clock.now.replace(year=year)
            records.add(plate(), clock.now.isoformat().encode())
    migrated()
    with opened(20) as records:
        assert records.prune().photographs == 0
        assert kept(records) == [1, 2, 3, 4, 5]


def test_what_is_believed_of_a_difference() -> None:
    assert [record_time.passed(each, 100) for each in (-5, 0, 50, 10**15)] == [0, 0, 50, 100]
