"""The drift monitor over plates, restarts and other processes on the same record."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import stations
from plate_rows import plate
from platewatch.inspection import Verdict
from platewatch.line.drift_monitor import ALARM, SEEN, DriftMonitor
from platewatch.records import Entry, Event, Records

STRANGE = 1.9
"""A score above all calibration plates of the fake model, below its threshold."""


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    with Records.open(str(tmp_path / "records.db")) as opened:
        yield opened


@pytest.fixture
def monitor(records: Records, tmp_path: Path) -> Callable[..., DriftMonitor]:
    """Monitors on one record, as processes of their own would have them."""

    def make(actor: str) -> DriftMonitor:
        return DriftMonitor(
            stations.models(tmp_path),
            records,
            actor=actor,
            limit=1000,
            file=tmp_path / f"{actor}.json",
            owns=lambda entry: entry.source == actor,
        )

    return make


def add(records: Records, monitor: DriftMonitor, source: str, count: int, score: float = STRANGE) -> Entry:
    for _ in range(count):
        entry = records.add(plate(Verdict.PASS, score=score), source=source).entry
        monitor.add(entry, None)
    return entry


def codes(monitor: DriftMonitor) -> set[str]:
    return {code for code, _, _ in monitor.problems()}


def events(records: Records) -> list[Event]:
    return list(reversed(records.events()))


def test_an_alarm_of_one_process_is_shown_by_another_until_a_person_acknowledges_it(
    records: Records, monitor: Callable[..., DriftMonitor]
) -> None:
    watch, station = monitor("watch"), monitor("station")
    assert codes(station) == set()
    add(records, watch, "watch", 20)
    alarm, *others = events(records)
    assert (alarm.kind, alarm.actor, others) == (ALARM, "watch", []), "once, however many plates follow"
    assert codes(watch) == {"drift"}
    station.follow(alarm)
    assert station.problems() == watch.problems()
    station.acknowledge("erika")
    seen = events(records)[-1]
    assert (seen.kind, seen.actor) == (SEEN, "erika")
    watch.follow(seen)
    station.follow(seen)
    assert codes(watch) == codes(station) == set()
    assert watch.evidence().plates == 0
    watch.follow(alarm)
    assert codes(watch) == set(), "an old alarm is not raised again"


def test_a_restart_goes_on_with_its_own_plates_alone(records: Records, monitor: Callable[..., DriftMonitor]) -> None:
    watch, station = monitor("watch"), monitor("station")
    add(records, watch, "watch", 3)
    watch.save()
    add(records, watch, "watch", 4)
    add(records, station, "station", 50, score=0.5)
    before, without_file = watch.evidence(), monitor("other")
    assert monitor("watch").evidence() == before
    assert without_file.evidence().plates == 0


def test_what_was_acknowledged_while_it_did_not_run_does_not_count_any_more(
    records: Records, monitor: Callable[..., DriftMonitor]
) -> None:
    watch = monitor("watch")
    add(records, watch, "watch", 20)
    watch.save()
    monitor("station").acknowledge("erika")
    again = monitor("watch")
    assert codes(again) == set()
    assert again.evidence().plates == 0
    add(records, again, "watch", 20)
    assert codes(again) == {"drift"}
