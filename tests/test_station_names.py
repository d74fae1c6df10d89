"""A named station on a record that others share: its own plates live, all of them in the history, named everywhere."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

import stations
from plate_rows import plate
from platewatch import cli
from platewatch.inspection import Verdict
from platewatch.line.anchoring import Anchoring, Folder
from platewatch.records import Records, station_hold
from platewatch.records.anchors import read
from stations import Running

A, B = 10**12, 2 * 10**12


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Line A with one plate, beside an older record without a name and line B, each with one that waits."""
    folder = tmp_path_factory.mktemp("names")
    url = str(folder / "records.db")
    with stations.running(folder, station="line A") as made:
        for name in ("", "line B"):
            with Records.open(url, station=name) as other:
                other.add(plate(Verdict.REVIEW), part_type="hinge" if name else "")
        made.post(80)
        yield made


def test_rest_answers_with_number_station_and_part_type(here: Running) -> None:
    found = here.client.get("/inspections").json()["inspections"]
    assert [(each["number"], each["station"], each["part_type"]) for each in found] == [
        (A + 1, "line A", ""),
        (B + 1, "line B", "hinge"),
        (1, "", ""),
    ]
    assert here.client.get(f"/inspections/{B + 1}").json() == found[1]
    assert here.client.get("/inspections/1").json() == found[2]
    for query, expected in {"station=line B": B + 1, "station=": 1, "part_type=hinge": B + 1}.items():
        assert [each["number"] for each in here.client.get(f"/inspections?{query}").json()["inspections"]] == [expected]
        assert [each["number"] for each in here.client.get(f"/queue?{query}").json()["inspections"]] == [expected]
        assert here.client.get(f"/counts?{query}").json()["review"] == 1
    answer = here.client.get("/inspections?station=line C")
    assert answer.status_code == 404
    assert "line A, line B" in answer.text


def test_the_history_shows_all_stations_and_filters(here: Running) -> None:
    page = here.client.get("/history").text
    assert page.count("data-row") == 3
    assert all(f"/plates/{number}" in page for number in (1, A + 1, B + 1))
    assert "line B · hinge" in page
    for query, number in {"station=line+B": B + 1, "station=-": 1, "part_type=hinge": B + 1}.items():
        page = here.client.get(f"/history?{query}").text
        assert page.count("data-row") == 1
        assert f"/plates/{number}" in page
        assert " selected>" in page
        csv = here.client.get(f"/history.csv?{query}").text
        assert csv.splitlines()[1].startswith(f"{number},")
    report = here.client.get("/history/report?station=line+B").text
    assert f"--noted {B + 1}:" in report
    assert "of station line B" in report


def test_a_plate_s_page_names_the_station_and_stays_in_it(here: Running) -> None:
    page = here.client.get(f"/plates/{A + 1}").text
    assert "<title>No. 1 · Platewatch</title>" in page
    assert "station line A" in page
    assert "data-newer" not in page
    assert "data-older" not in page


def test_its_pages_show_its_own_plates(here: Running) -> None:
    assert 'data-station="line A"' in here.client.get("/").text
    assert here.client.get("/pages/waiting").json() == {"waiting": 1}
    assert here.records.is_own(here.records.get(A + 1))
    assert not here.records.is_own(here.records.get(1))


def test_audit_and_export_name_each_station(here: Running, tmp_path: Path) -> None:
    url = str(here.records.places[0])
    found = CliRunner().invoke(cli.main, ["audit", "--records", url])
    assert found.exit_code == 0, found.output
    for line in ("station line A: 1 rows, 1 plates", "station line B: 1 rows, 1 plates", "intact: 3 rows, 3 plates"):
        assert line in found.output
    assert f"station line B: anchor for --noted, to be kept elsewhere: {B + 1}:" in found.output
    chains = json.loads(CliRunner().invoke(cli.main, ["audit", "--records", url, "--json"]).stdout)["chains"]
    assert [each["station"] for each in chains] == ["", "line A", "line B"]
    out = tmp_path / "b.csv"
    CliRunner().invoke(cli.main, ["export", "csv", str(out), "--records", url, "--station", "line B"])
    assert [line.split(",")[0] for line in out.read_text().splitlines()[1:]] == [str(B + 1)]


def test_each_station_anchors_its_own_chain(tmp_path: Path) -> None:
    url, anchors = str(tmp_path / "records.db"), tmp_path / "anchors"
    anchors.mkdir()
    for name in ("", "line A", "line B"):
        with Records.open(url, station=name) as other:
            other.add(plate())
    with Records.open(url, station="line C") as records:
        records.add(plate())
        sending = Anchoring(records, [Folder(anchors)], actor="watch")
        sending.start()
        sending.stop()
        kept = read(anchors)
        assert {each.station for each in kept} == {"line C"}
        assert kept[-1].chain == records.head().chain
        named = records.events("heads of stations", station="line C")[0].details["heads"]
        assert set(named) == {"", "line A", "line B"}
        assert records.audit(anchors=kept).intact


def test_a_watch_with_a_name_that_is_taken_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(station_hold, "PATIENCE_S", 0)
    url = str(tmp_path / "records.db")
    words = ["watch", str(tmp_path), "--model", "none", "--records", url, "--once", "--station", "line D"]
    with Records.open(url, station="line D") as first:
        first.hold_station()
        done = CliRunner().invoke(cli.main, words)
    assert (done.exit_code, done.stderr.count("\n")) == (1, 1)
    assert "station line D: another process records under this name" in done.stderr
