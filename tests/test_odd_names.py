"""Odd strings (lone surrogates, NUL, control characters, direction marks, very long) go in anywhere and poison nothing.

Each goes in the ways that strings come in, and through every reader: exports, pages, REST, events, deliveries, --json.
"""

import csv
import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import stations
from plate_rows import plate
from platewatch import cli, printable
from platewatch.errors import InputError
from platewatch.inspection import Verdict
from platewatch.line import assembly, shift_report, watch_folder
from platewatch.line.deliveries import Deliveries, DeliveryWorker
from platewatch.line.destinations import destination
from platewatch.line.watch_folder import WatchFolder
from platewatch.records import Entry, Judgement, Policy, Query, Records, chain
from platewatch.records.exports import csv_lines
from platewatch.records.schema import entries as entries_table
from waiting import GIVE_UP_S, eventually

ODD = {
    "CP1252 byte": "pr\udcfcf.png",
    "several bytes": "\udce4\udcf6\udcff.png",
    "lone high surrogate": "a\ud800b.png",
    "lone low surrogate": "\udfff",
    "pair in the wrong order": "\ude00\ud83d.png",
    "NUL": "a\0b.png",
    "control characters": "\x1b[2Ja\x07\x7f\x85\r\n.png",
    "direction marks": "a\u202egnp.\u2066exe\u200f.png",
    "line separators": "a\u2028b\u2029.png",
    "not a character": "\uffff\ufffe\U0010ffff",
    "private and unassigned": "\ue000\U000e0001.png",
    "byte order mark": "\ufeffname.png",
    "very long": "x" * 100_000 + "\udcfc.png",
    "markup and formula": "=<script>\"'`{{1}}%s%n\\.png",
    "only what cannot be shown": "\u200b\u2060",
    "spaces of all kinds": "\u00a0\u2003\u3000.png",
}


def is_clean(text: str) -> bool:
    return text.replace("\n", "").replace("\t", "").isprintable()


def strings(values: Any) -> Iterator[str]:
    if isinstance(values, str):
        yield values
    elif isinstance(values, dict):
        for key, value in values.items():
            yield key
            yield from strings(value)
    elif isinstance(values, list):
        for value in values:
            yield from strings(value)


def written_raw(records: Records, odd: str) -> None:
    """A plate, a review and an event as an earlier version wrote them: with the odd string in the chain."""
    old = plate(Verdict.REVIEW)
    for name in ("image", "reason", "error"):
        object.__setattr__(old, name, odd)
    number = records.add(old, stations.photograph(), deliver=["http://there/"]).entry.number
    with records._database.writing() as connection:
        body = {"number": number, "judgement": "good", "reviewer": "anna", "note": odd, "boxes": [], "undoes": None}
        link = chain.append(connection, 1, chain.REVIEW, body | {"time": datetime.now(UTC).isoformat()})
        connection.exec_driver_sql(f"INSERT INTO reviews VALUES ({link.position}, {number}, NULL)")
        standing = {"review": link.position, "judgement": "good", "waiting": False}
        connection.execute(entries_table.update().where(entries_table.c.number == number).values(**standing))
        body = {"event": "camera folder vanished", "actor": "watch", "details": {odd: [odd, {"folder": odd}]}}
        link = chain.append(connection, 1, chain.EVENT, body | {"time": datetime.now(UTC).isoformat()})
        connection.exec_driver_sql(f"INSERT INTO events VALUES ({link.position}, 'camera folder vanished', 0)")


@pytest.mark.parametrize("odd", ODD.values(), ids=list(ODD))
def test_what_cannot_be_shown_is_replaced_where_it_enters(odd: str) -> None:
    for shown in (printable.printable(odd), printable.name(odd), printable.line(odd)):
        assert shown.isprintable()
        assert printable.name(shown) == shown or len(shown) > printable.LONGEST_NAME
        shown.encode()
    found = plate(image=odd, reason=odd, error=odd, model_id=odd)
    assert all(each.isprintable() for each in strings(json.loads(found.as_json())))
    assert len(found.image or "") <= printable.LONGEST_NAME
    error = InputError(odd, odd, expected=odd, remedy=odd)
    assert all(is_clean(each) for each in strings(list(vars(error).values())))
    assert str(error).isprintable()


def test_readable_names_stay_as_they_are() -> None:
    for name in ("Blech № 7.png", "プレート.bmp", "naïve – ü.tif", "C:\\fotos\\1.jpg", "😀.webp"):
        assert printable.name(name) == name
    assert printable.name("pr\udcfcf.png") == "pr\N{REPLACEMENT CHARACTER}f.png"
    assert printable.name("f\udcc3\udcbcr.png") == "für.png", "bytes that are UTF-8 are read as such"
    assert printable.name("部品\u30001.png") == "部品 1.png"


@pytest.mark.parametrize("raw", [False, True], ids=["as it enters now", "as it stands in an older record"])
def test_every_reader_of_the_record_reads_them(record_url: str, tmp_path: Path, raw: bool) -> None:
    with Records.open(record_url, tmp_path / "photographs", Policy(review_share=0)) as records:
        for odd in ODD.values():
            if raw:
                written_raw(records, odd)
            else:
                number = records.add(plate(None, image=odd, error=odd), b"x", deliver=["http://there/"]).entry.number
                records.review(number, Judgement.GOOD, "anna", note=odd[:2000])
                records.event("camera folder vanished", "watch", {odd: [odd, {"folder": odd}]})
        rows, _ = records.appended({}, 1000)
        assert len(rows) == 3 * len(ODD) == records.head().rows
        due = records.claim("http://there/", 100, 60)
        found = [*records.every(), *(row for row in rows if isinstance(row, Entry)), *(each.entry for each in due)]
        assert len(found) == 3 * len(ODD)
        for entry in found:
            entry.as_json().encode()
            assert all(is_clean(each) for each in strings(entry.as_dict()))
            assert entry.review is not None
        for each in records.events(limit=200):
            assert all(is_clean(text) for text in strings(dict(each.details)))
        for number in range(1, len(ODD) + 1):
            assert len(records.reviews(number)) == 1
        for odd in ODD.values():
            Query(text=odd, plate_id=odd, reviewer=odd, model_id=odd)
            assert records.find(Query(plate_id=odd)).entries == records.find(Query(reviewer=odd)).entries == ()
            records.find(Query(text=odd))
            assert (records.with_key(odd), records.known([odd]), records.events(odd)) == (None, set(), ())
            records.postpone("http://there/", due[0].id, wait_s=0, why=odd)
            assert is_clean(records.deliveries()[0].error or "")
        assert len(list(csv.reader(io.StringIO("".join(csv_lines(records.every())))))) == len(ODD) + 1
        span = (datetime.now(UTC) - timedelta(hours=1), datetime.now(UTC) + timedelta(hours=1))
        shift_report.write(records, *span, tmp_path / "report.html")
        made = records.export_dataset(tmp_path / "set")
        assert made.good + made.without_photograph + made.contradictory >= 1
        if not raw:
            assert records.audit().intact


def test_every_command_prints_them(tmp_path: Path) -> None:
    url = str(tmp_path / "records.db")
    with Records.open(url, policy=Policy(review_share=0)) as records:
        for odd in ODD.values():
            written_raw(records, odd)
    for kind in ("csv", "jsonl"):
        for out in ("-", str(tmp_path / "\udcfc" / f"out.{kind}")):
            result = CliRunner().invoke(cli.main, ["export", kind, out, "--records", url])
            assert (result.exit_code, result.stderr) == (0, ""), result.output
    for line in (tmp_path / "\udcfc" / "out.jsonl").read_text(encoding="utf-8").splitlines():
        assert all(is_clean(each) for each in strings(json.loads(line)))
    assert json.loads(CliRunner().invoke(cli.main, ["audit", "--records", url, "--json"]).stdout)["rows"] == 3 * len(
        ODD
    )
    missing = CliRunner().invoke(cli.main, ["audit", "--records", str(tmp_path / "\udcfc.db")])
    assert (missing.exit_code, missing.stderr.count("\n")) == (1, 1), missing


def test_every_address_answers(tmp_path: Path) -> None:
    with stations.running(tmp_path) as here:
        for odd in ODD.values():
            written_raw(here.records, odd)
            given = here.client.post(
                "/inspections",
                content=stations.photograph(),
                params={"name": odd.encode("utf-8", "surrogatepass")[:900], "plate_id": "P\ufffd"},
            )
            assert given.status_code == 201, given.text
        here.records.event("drift_alarm", "watch", {"message": ODD["lone high surrogate"]})
        addresses = ["/inspections?limit=200", "/queue", "/counts", "/history", "/history.csv", "/history.jsonl"]
        addresses += ["/history/report", "/healthz", "/metrics", "/health", "/review", "/pages/waiting"]
        addresses += [f"/{kind}/{number}" for number in range(1, 33, 2) for kind in ("inspections", "plates")]
        addresses += [f"/history?{name}=%00%EE%80%80%E2%80%AE" for name in ("plate_id", "reviewer", "text", "model_id")]
        for address in addresses:
            answer = here.client.get(address)
            assert answer.status_code == 200, f"{address}: {answer.text[:300]}"
            if answer.headers["content-type"] == "application/json":
                assert all(is_clean(each) for each in strings(answer.json()))


class Breaking:
    """A destination whose library raises, for chosen plates, what nobody expected."""

    name = "http://there/"

    def __init__(self, breaks: Callable[[Entry], bool]) -> None:
        self.got, self.done, self._breaks = list[int](), threading.Event(), breaks

    def deliver(self, entry: Any) -> None:
        entry.as_json().encode()
        if self._breaks(entry):
            raise UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed")
        self.got.append(entry.number)
        if len(self.got) == 3:
            self.done.set()

    def close(self) -> None:
        pass


def stopped(deliveries: Deliveries) -> list[str]:
    return [message for code, message, _ in deliveries.problems() if code == "deliveries_stopped"]


def test_a_delivery_that_breaks_costs_itself_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DeliveryWorker, "_wait", lambda *_: 300.0)  # it is not offered again before the end
    with Records.open(str(tmp_path / "records.db")) as records:
        for _ in range(4):
            records.add(plate(), deliver=["http://there/"])
        to, told = Breaking(lambda entry: entry.number == 2), list[str]()
        deliveries = Deliveries(records, [to], told.append)
        deliveries.start()
        assert to.done.wait(GIVE_UP_S)
        assert stopped(deliveries) == []
        deliveries.stop()
        assert to.got == [1, 3, 4]
        (state,) = records.deliveries()
        assert (state.delivered, state.waiting, state.failures) == (3, 1, 1)
        assert told[0] == "http://there/: plate 2 failed with UnicodeEncodeError; it will be offered again"


def test_a_worker_that_does_not_run_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Records.open(str(tmp_path / "records.db")) as records:
        records.add(plate(), deliver=["http://there/"])
        to = Breaking(lambda _: False)
        failed, allowed = threading.Event(), threading.Event()
        claim = records.claim

        def broken(*details: Any) -> Any:
            if allowed.is_set():
                return claim(*details)
            failed.set()
            raise ZeroDivisionError

        monkeypatch.setattr(records, "claim", broken)
        deliveries = Deliveries(records, [to], lambda _: None)
        assert stopped(deliveries) == [], "not started yet"
        deliveries.start()
        assert failed.wait(GIVE_UP_S)
        deliveries.wake()
        (message,) = eventually(lambda: stopped(deliveries))
        assert "ZeroDivisionError" in message
        allowed.set()
        deliveries.wake()
        eventually(lambda: stopped(deliveries) == [])
        deliveries.stop()
        assert to.got == [1]


def test_a_thread_that_ended_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Records.open(str(tmp_path / "records.db")) as records:
        monkeypatch.setattr(DeliveryWorker, "_run", lambda _: None)
        deliveries = Deliveries(records, [Breaking(lambda _: False)], lambda _: None)
        deliveries.start()
        (message,) = eventually(lambda: stopped(deliveries))
        deliveries.stop()
        assert "its thread ended" in message


def test_the_health_check_asks_the_deliveries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DeliveryWorker, "_run", lambda _: None)
    with stations.running(tmp_path, destinations=("http://127.0.0.1:9/",)) as here:
        found = eventually(lambda: here.client.get("/healthz").json()["problems"])
        assert [each["code"] for each in found] == ["deliveries_stopped"]


def test_an_odd_url_is_a_destination_with_a_readable_name() -> None:
    assert destination("http://there/\udcfc\x1b").name.isprintable()


def test_a_folder_and_files_with_odd_names_are_watched(tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/pr\xfcf"))
    folder.mkdir()
    for name in (b"a\xe4.png", b"b\xff\x1b.png", "c\u202e.png".encode(), b"d.png"):
        Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_bytes(stations.photograph())
    with Records.open(str(tmp_path / "records.db"), policy=Policy(review_share=0)) as records:
        line = assembly.assemble(
            stations.models(tmp_path / "models"),
            records,
            actor="watch",
            warn=lambda _: None,
            owns=watch_folder.plates_of(folder),
            low_bytes=0,
        )
        line.start()
        try:
            WatchFolder(folder, line, settle_s=0.01).run(once=True)
        finally:
            line.stop()
        entries = records.find(Query()).entries
        assert len(entries) == 4
        assert all(watch_folder.plates_of(folder)(entry) for entry in entries)
        assert all(each.isprintable() for entry in entries for each in strings(entry.as_dict()))


DAMAGED = [
    "{",
    '{"inspection": 7}',
    "[]",
    '"',
    '{"inspection": {"verdict": "PERHAPS"}, "source": "rest"}',
    "[" * 50_000,
]


@pytest.mark.parametrize("body", DAMAGED, ids=[body[:20] for body in DAMAGED])
def test_a_damaged_row_costs_itself_alone(tmp_path: Path, body: str) -> None:
    with Records.open(str(tmp_path / "records.db")) as records:
        for _ in range(3):
            records.add(plate(Verdict.REVIEW))
        records.review(1, Judgement.GOOD, "anna")
        records.event("login", "anna")
        with records._database.writing() as connection:
            connection.exec_driver_sql("DROP TRIGGER chain_kept")
            connection.exec_driver_sql("UPDATE chain SET body = ? WHERE position > 1", (body,))
        found = records.find(Query()).entries
        assert [entry.number for entry in found] == [3, 2, 1]
        assert [entry.inspection.verdict for entry in found] == [None, None, Verdict.REVIEW]
        assert "row 3" in (found[0].inspection.error or "")
        assert found[2].review is not None
        assert found[2].review.judgement is Judgement.GOOD
        assert records.reviews(1) == ()
        (event,) = records.events()
        assert "row 5" in event.details["damaged"]
        rows, last = records.appended({}, 10)
        assert (len(rows), last) == (5, {"": 5})
        assert not records.audit().intact


def test_an_inspection_of_a_later_version_is_read(tmp_path: Path) -> None:
    with Records.open(str(tmp_path / "records.db")) as records:
        records.add(plate())
        with records._database.writing() as connection:
            connection.exec_driver_sql("DROP TRIGGER chain_kept")
            changed = 'UPDATE chain SET body = replace(body, \'"inspection":{\', \'"inspection":{"later":1,\')'
            connection.exec_driver_sql(changed)
        assert records.get(1).inspection == plate()


def test_the_command_prints_what_its_terminal_cannot_show(tmp_path: Path) -> None:
    url = str(tmp_path / "records.db")
    with Records.open(url) as records:
        records.add(plate(image="プレート.png"))
    command = [sys.executable, "-m", "platewatch", "export", "jsonl", "-", "--records", url]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, capture_output=True, env=environment, check=True)
    assert json.loads(done.stdout)["inspection"]["image"] == "????.png"
