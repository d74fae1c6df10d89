"""The statistics: bars of hours, shifts, days and weeks, marks that lead into the history, CSV, kinds of defect."""

import csv
import html
import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

import stations
from plate_rows import plate
from platewatch.errors import InputError
from platewatch.inspection import Verdict, now
from platewatch.line import statistics
from platewatch.line.statistics import By
from platewatch.records import Judgement, Outcome, Query
from platewatch.station.users import Role
from stations import Running

PLATES = (
    *[(Verdict.PASS, "hinge")] * 5,
    *[(Verdict.REJECT, "hinge")] * 3,
    *[(Verdict.REVIEW, "cover")] * 2,
    (None, "cover"),
    (Verdict.PASS, "cover"),
)


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with stations.running(tmp_path_factory.mktemp("statistics")) as made:
        for verdict, kind in PLATES:
            made.records.add(replace(plate(verdict), model_id="0123456789ab"), part_type=kind)
        made.records.review(6, Judgement.GOOD, "anna")
        made.records.review(1, Judgement.DEFECTIVE, "anna", kind="scratch")
        made.records.review(7, Judgement.DEFECTIVE, "anna", kind="=1+1")
        yield made


def local(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone()


def test_the_dashboard_asks_for_metrics_that_the_station_has(here: Running) -> None:
    board = (Path(__file__).parents[1] / "docs" / "grafana.json").read_text(encoding="utf-8")
    assert len(json.loads(board)["panels"]) == 10
    asked = set(re.findall(r"platewatch_[a-z_]+", board))
    given = set(re.findall(r"^platewatch_[a-z_]+", here.client.get("/metrics").text, re.MULTILINE))
    given |= set(re.findall(r"^# TYPE (platewatch_[a-z_]+)", here.client.get("/metrics").text, re.MULTILINE))
    assert asked - given == set()


@pytest.mark.parametrize(
    ("by", "time", "start", "end"),
    [
        (By.HOUR, "2026-11-30T19:33", "2026-11-30T19:00", "2026-11-30T20:00"),
        (By.SHIFT, "2026-11-30T05:59", "2026-11-29T22:00", "2026-11-30T06:00"),
        (By.SHIFT, "2026-11-30T06:00", "2026-11-30T06:00", "2026-11-30T14:00"),
        (By.SHIFT, "2026-11-30T23:30", "2026-11-30T22:00", "2026-12-01T06:00"),
        (By.DAY, "2026-11-30T23:59", "2026-11-30T00:00", "2026-12-01T00:00"),
        (By.WEEK, "2026-12-06T12:00", "2026-11-30T00:00", "2026-12-07T00:00"),
    ],
)
def test_a_bar_begins_and_ends_with_its_hour_shift_day_or_week(by: By, time: str, start: str, end: str) -> None:
    assert statistics.begin(local(time), by) == local(start)
    assert statistics.following(local(start), by) == local(end)


def test_the_bars_of_a_time_touch_each_other_and_cover_it() -> None:
    since, until = local("2026-11-02T03:30"), local("2026-11-30T19:33")
    for by in By:
        bars = statistics.periods(since, until, by)
        assert all(one.end == other.start for one, other in pairwise(bars)), by
        assert bars[-1].start <= until <= bars[-1].end
        assert len(bars) == 400 or bars[0].start <= since < bars[0].end


def test_shifts_are_full_hours_and_wrong_ones_are_named() -> None:
    assert statistics.shift_starts("22:00, 6 14:00") == (6, 14, 22)
    for text in ("", "25:00", "06:30", "early"):
        with pytest.raises(InputError, match="full hours"):
            statistics.shift_starts(text)


def test_the_counts_are_those_of_the_record_and_the_sample_is_spread(here: Running) -> None:
    bars = statistics.periods(now() - timedelta(hours=3), now() + timedelta(minutes=1), By.HOUR)
    for kind in (None, "hinge", "cover"):
        query = Query(since=bars[0].start, part_type=kind)
        numbers = here.records.statistics(query, [statistics.hours(bar) for bar in bars])
        statistics.fill(bars := statistics.periods(bars[0].start, bars[-1].end, By.HOUR), numbers)
        counts = here.records.counts(part_type=kind)
        assert sum(bar.received for bar in bars) == counts.received
        assert sum(bar.counts[Outcome.REJECT] for bar in bars) == counts.reject
        assert len(numbers.sample) == counts.received
        assert len(numbers.stopped) == counts.received - counts.passed
    assert sum(bar.duration_ms for bar in bars) == pytest.approx(4 * 12.5), "of the last part type"


def text_of(here: Running, path: str) -> str:
    answer = here.client.get(path, headers={"Accept": "text/html"})
    assert answer.status_code == 200, answer.text
    return str(answer.text)


def test_each_mark_leads_to_the_plates_that_it_counts(here: Running) -> None:
    page = text_of(here, "/statistics?by=hour&part_type=hinge")
    marks = re.findall(r'<a href="(/history[^"]*)" aria-label="[^"]*: (\d+) (PASS|REJECT)"', page)
    assert {(count, outcome) for _, count, outcome in marks} == {("5", "PASS"), ("3", "REJECT")}
    for address, count, _ in marks:
        assert text_of(here, html.unescape(address)).count("<tr data-row>") == int(count)
    for name, judged in (("False alarms", 1), ("Missed", 1)):
        found = re.search(rf'<dt>{name}</dt><dd><a href="([^"]*)">(\d+)</a>', page)
        assert found
        assert int(found[2]) == judged
        assert text_of(here, html.unescape(found[1])).count("<tr data-row>") == judged
    kind = re.search(r'href="([^"]*)" aria-label="scratch: 1"', page)
    assert kind
    assert text_of(here, html.unescape(kind[1])).count("<tr data-row>") == 1


def test_the_csv_of_every_chart_has_its_numbers_and_no_formula(here: Running) -> None:
    tables = {}
    for chart in ("counts", "reviews", "times", "scores", "causes", "kinds", "places"):
        answer = here.client.get(f"/statistics.csv?chart={chart}&by=day")
        assert answer.status_code == 200, answer.text
        tables[chart] = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert sum(int(row["REJECT"]) for row in tables["counts"]) == 3
    assert sum(int(row["false_alarms"]) for row in tables["reviews"]) == 1
    assert len(tables["scores"]) == len(PLATES)
    assert {row["kind"]: row["plates"] for row in tables["kinds"]} == {"scratch": "1", "'=1+1": "1"}
    assert sum(int(row["plates"]) for row in tables["causes"]) == 6
    assert max(int(row["plates"]) for row in tables["places"]) == 5
    assert here.client.get("/statistics.csv?chart=none").status_code == 422
    assert here.client.get("/statistics?by=year", headers={"Accept": "text/html"}).status_code == 422


def test_an_engineer_sets_shifts_and_kinds_of_a_part_type_and_a_review_names_one(tmp_path: Path) -> None:
    with stations.running(tmp_path) as line:
        line.post(125)
        tokens = stations.enrol(line.users)
        new = {"part_type": "", "shifts": "05:00 17:00", "kinds": "scratch, dent"}
        refused = line.client.post("/statistics/settings", json=new, headers=stations.bearer(tokens[Role.OPERATOR]))
        assert refused.status_code == 403
        engineer = stations.bearer(tokens[Role.ENGINEER])
        answer = line.client.post("/statistics/settings", json=new, headers=engineer)
        assert answer.json() == {"shifts": [5, 17], "kinds": ["scratch", "dent"]}
        line.client.post("/statistics/settings", json=new, headers=engineer)
        kinds = [event.kind for event in line.records.events()]
        assert (kinds.count("shifts_set"), kinds.count("defect_kinds_set")) == (1, 1), "the same again is no change"
        review = line.client.get("/review", headers=engineer).text
        assert "scratch" in review
        assert "Part type (K)" not in review, "kinds of defect are no part types"
        said = {"judgement": "good", "kind": "dent"}
        assert line.client.post("/inspections/1/reviews", json=said, headers=engineer).status_code == 422
        said = {"judgement": "defective", "kind": "dent"}
        answer = line.client.post("/inspections/1/reviews", json=said, headers=engineer)
        assert answer.json()["kind"] == "dent"
        assert line.records.find(Query(text="dent")).entries[0].number == 1
        assert line.records.audit().intact
        assert "defective</b>" in line.client.get("/plates/1", headers=engineer).text
