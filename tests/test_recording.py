"""The commands audit, replay and export on a record of judged plates: output, JSON, exit codes."""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner, Result
from pydantic import TypeAdapter
from sqlalchemy import create_engine, text

from conftest import Tiny
from plate_rows import plate
from platewatch import cli
from platewatch.errors import ModelError, RecordError
from platewatch.inspection import Verdict
from platewatch.line import replay
from platewatch.model import model_folder
from platewatch.model.inspector import Inspector
from platewatch.photographs import data_sets, reading
from platewatch.records import Entry, Judgement, Policy, Query, Records, Review
from platewatch.records.exports import csv_lines


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli.main, [str(each) for each in arguments])


@pytest.fixture
def url(tmp_path: Path, tiny_model: Tiny, inspector: Inspector) -> str:
    """A record of a good plate, a rusty one and a file that is no photograph, the rusty one reviewed."""
    url = str(tmp_path / "records.db")
    rust = tiny_model.data / "test/total_rust/000.png"
    (tmp_path / "notes.png").write_text("no photograph")
    with Records.open(url) as records:
        for path in (tiny_model.data / "train/good/000.png", rust, tmp_path / "notes.png"):
            records.add(inspector.inspect(path), path.read_bytes(), plate_id=f"=plate {path.stem}")
        records.review(2, Judgement.DEFECTIVE, "anna", boxes=[(10, 20, 30, 40)], note="rust; all over")
        records.event("login", "anna")
    return url


@pytest.fixture
def records(url: str) -> Iterator[Records]:
    with Records.open(url) as opened:
        yield opened


def alter(url: str) -> None:
    engine = create_engine(f"sqlite:///{url}")
    with engine.begin() as connection:
        connection.execute(text("DROP TRIGGER chain_kept"))
        connection.execute(text("UPDATE chain SET body = replace(body, 'REJECT', 'PASS') WHERE position = 2"))
    engine.dispose()


def test_audit_says_intact_or_where_not(url: str) -> None:
    result = run("audit", "--records", url)
    assert result.exit_code == 0, result.output
    assert "intact: 5 rows, 3 plates, 3 photographs checked" in result.stdout
    noted = result.stdout.split()[-1]
    assert run("audit", "--records", url, "--noted", noted, "--rows-only").exit_code == 0
    alter(url)
    result = run("audit", "--records", url)
    assert result.exit_code == 1
    assert "row 2: inspection altered" in result.stdout
    found = json.loads(run("audit", "--records", url, "--json").stdout)
    assert (found["schema"], found["whole"], found["breaks"][0]["row"], found["rows"]) == (1, False, 2, 5)


def test_audit_creates_no_record_and_refuses_an_invalid_anchor(url: str, tmp_path: Path) -> None:
    result = run("audit", "--records", tmp_path / "other.db")
    assert result.exit_code == 1
    assert "no record there" in result.stderr
    assert not (tmp_path / "other.db").exists()
    assert run("audit", "--records", url, "--noted", "5:abc").exit_code == 2


def test_replay_says_equal_for_every_plate_also_for_unreadable_ones(
    url: str, records: Records, tiny_model: Tiny
) -> None:
    for number in (1, 2, 3):
        result = run("replay", str(number), tiny_model.model, "--records", url)
        assert (result.exit_code, result.stdout.split()[-1]) == (0, "equal"), result.output
    result = run("replay", "2", "--models", tiny_model.model.parent, "--records", url, "--json")
    values = json.loads(result.stdout)
    assert (values["equal"], values["differences"], values["again"]["verdict"]) == (True, [], "REJECT")
    assert values["recorded"] == records.get(2).as_dict()["inspection"]


def test_replay_says_what_differs(records: Records, tiny_model: Tiny) -> None:
    recorded = records.get(2)
    same = replay.replay(records, 2, tiny_model.model).replayed
    assert list(replay.differences(recorded, same)) == []
    other = replace(
        same, model_id="other", verdict=Verdict.PASS, score=1.5 * (same.score or 0), defects=(), image_sha256="1" * 64
    )
    words = list(replay.differences(recorded, other))
    assert [each.split()[0] for each in words] == ["model", "another", "PASS,", "score", "places"]
    near = replace(same, score=(same.score or 0) * (1 + 5e-5))
    assert list(replay.differences(recorded, near)) == []


def test_replay_needs_the_photograph_and_the_model(
    url: str, records: Records, tiny_model: Tiny, tmp_path: Path
) -> None:
    records.add(plate())
    with pytest.raises(RecordError, match="not kept"):
        replay.replay(records, 4, tiny_model.model)
    with pytest.raises(ModelError, match="no model 0123456789ab"):
        replay.find_model(tiny_model.model.parent, "0123456789ab")
    assert (
        replay.find_model(tiny_model.model, model_folder.load_manifest(tiny_model.model).model_id) == tiny_model.model
    )
    assert "not kept" in run("replay", "4", tiny_model.model, "--records", url).stderr
    assert "there is none" in run("replay", "99", tiny_model.model, "--records", url).stderr
    assert run("replay", "1", "--records", url).exit_code == 2
    assert run("replay", "1", tiny_model.model, "--models", tmp_path, "--records", url).exit_code == 2


def test_csv_has_a_line_for_each_plate_and_no_formulas(url: str, tmp_path: Path) -> None:
    assert run("export", "csv", tmp_path / "plates.csv", "--records", url).exit_code == 0
    with (tmp_path / "plates.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["number"] for row in rows] == ["3", "2", "1"]
    assert (rows[1]["outcome"], rows[1]["judgement"], rows[1]["note"]) == ("REJECT", "defective", "rust; all over")
    assert rows[0]["plate_id"] == "'=plate notes"
    assert rows[0]["outcome"] == "FAILED"
    printed = run("export", "csv", "-", "--records", url).stdout
    assert len(list(csv.reader(io.StringIO(printed)))) == 4


FORMULAS = (
    *("=1+1", "=plate", "＝1+1", " =1+1", "\u3000＝1+1", "+SUM(A1)", "-2+3", "@SUM(A1)", "＠SUM(A1)", "－1＋1"),
    *("-cmd|' /C calc'!A0", "\t=1+1", "\n=1+1", "%0A=1+1", '"=1+1', "'=1+1", "+A1*2", "-Sheet2!A1", "\ufeff=1"),
)
IDS = ("-0012", "+49-7", "@line", "-A7", "P-1", "12-34", "+1,5", "-3.25", "-", "a=b", "No. 7", "プレート", "#12", "1e5")
CELLS = ("+A1", "-A1", "@A1")
"""Ids that a spreadsheet shows as the value of a cell; docs/record.md says why they stay."""


def test_a_formula_is_guarded_and_an_id_stays() -> None:
    def note(text: str) -> str:
        review = Review(1, 1, Judgement.GOOD, "anna", datetime.now(UTC), note=text)
        entry = Entry(1, plate(), None, "rest", datetime.now(UTC), None, False, False, review, "")
        (row,) = csv.DictReader(io.StringIO("".join(csv_lines([entry])), newline=""))
        return str(row["note"])

    assert [note(text) for text in FORMULAS] == [f"'{text}" for text in FORMULAS]
    assert [note(text) for text in IDS + CELLS] == [*IDS, *CELLS]


def test_csv_for_a_spreadsheet_with_a_decimal_comma(url: str, tmp_path: Path) -> None:
    usual = list(csv.DictReader(io.StringIO(run("export", "csv", "-", "--records", url).stdout)))
    run("export", "csv", tmp_path / "europe.csv", "--records", url, "--decimal", ",")
    text = (tmp_path / "europe.csv").read_bytes().decode("utf-8")
    assert text.startswith("\ufeffnumber;received;")
    rows = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff")), delimiter=";"))
    for row, before in zip(rows, usual, strict=True):
        for name in ("score", "threshold", "p_value", "duration_ms"):
            assert row[name].replace(",", ".") == before[name]
            assert "." not in row[name]
        assert row["received"] == before["received"]
    assert run("export", "csv", "-", "--records", url, "--bom").stdout.startswith("\ufeffnumber,")
    assert run("export", "csv", "-", "--records", url, "--decimal", ",", "--no-bom").stdout.startswith("number;")


def test_json_lines_follow_the_schema(url: str, records: Records, tmp_path: Path) -> None:
    stored = json.loads((resources.files("platewatch") / "schemas" / "entry.json").read_text(encoding="utf-8"))
    assert stored == TypeAdapter(Entry).json_schema(mode="serialization")
    lines = [json.loads(line) for line in run("export", "jsonl", "-", "--records", url).stdout.splitlines()]
    for line in lines:
        jsonschema.Draft202012Validator(stored).validate(line)
    assert lines == [entry.as_dict() for entry in records.find(Query()).entries]
    later = (records.get(2).received + timedelta(microseconds=1)).isoformat()
    run("export", "jsonl", tmp_path / "few.jsonl", "--records", url, "--since", later)
    assert len((tmp_path / "few.jsonl").read_text().splitlines()) == 1
    assert run("export", "jsonl", "-", "--records", url, "--since", "yesterday").exit_code == 2


def test_a_file_that_cannot_be_written_is_one_line(url: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = run("export", "csv", tmp_path / "file" / "plates.csv", "--records", url)
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert run("export", "csv", tmp_path / "new" / "plates.csv", "--records", url).exit_code == 0


def test_reviewed_plates_become_a_data_set_that_evaluate_reads(tmp_path: Path, tiny_model: Tiny) -> None:
    photographs = sorted((tiny_model.data / "train/good").iterdir()) + sorted(
        (tiny_model.data / "test/total_rust").iterdir()
    )
    with Records.open(str(tmp_path / "r.db"), policy=Policy(review_share=0)) as records:
        for path in photographs:
            number = records.add(plate(Verdict.REVIEW), path.read_bytes()).entry.number
            good = path.parent.name == "good"
            records.review(number, Judgement.GOOD if good else Judgement.DEFECTIVE, "anna", boxes=[(4, 6, 20, 10)])
        twice = records.add(plate(), photographs[0].read_bytes()).entry.number
        records.review(twice, Judgement.DEFECTIVE, "bob")
        for judgement, data in ((Judgement.UNSURE, b"x"), (Judgement.GOOD, None)):
            records.review(records.add(plate(), data).entry.number, judgement, "anna")
        records.review(records.add(plate(None), b"broken").entry.number, Judgement.GOOD, "anna")
        for judgement in (Judgement.GOOD, Judgement.UNUSABLE):  # a photograph that no check let through teaches nothing
            dark = replace(plate(Verdict.REVIEW), score=None)
            records.review(records.add(dark, f"dark {judgement}".encode()).entry.number, judgement, "anna")
        records.add(plate(), b"never reviewed")
        made = records.export_dataset(tmp_path / "set")
        again = run("export", "dataset", tmp_path / "set", "--records", tmp_path / "r.db")
    assert (made.good, made.defective) == (len(photographs) - 2, 1)
    assert (made.unsure, made.without_photograph, made.contradictory) == (3, 2, 1)
    assert (again.exit_code, "not empty" in again.stderr) == (1, True)
    training, test = data_sets.training(tmp_path / "set"), data_sets.test(tmp_path / "set")
    assert len(training) + len(test) == len(photographs) - 1
    (rusty,) = (sample for sample in test if sample.defect == "defective")
    assert rusty.path.read_bytes() == photographs[-1].read_bytes()
    assert rusty.mask is not None
    mask = reading.read(rusty.mask)[..., 0]
    assert (int((mask > 0).sum()), int(mask[6, 4]), int(mask[5, 4])) == (200, 255, 0)
    assert len((tmp_path / "set/reviewed.csv").read_text().splitlines()) == len(photographs)
    assert [path for path in tmp_path.iterdir() if path.name.endswith(".part")] == []


def test_a_shift_s_report_is_one_page_with_every_plate_that_did_not_pass(
    url: str, records: Records, tmp_path: Path
) -> None:
    records.add(plate(Verdict.REVIEW, reason="<b>odd</b>"), b"no photograph")
    start = (records.get(1).received - timedelta(seconds=1)).isoformat()
    page = tmp_path / "out" / "shift.html"
    result = run("export", "report", page, "--records", url, "--since", start)
    assert result.exit_code == 0, result.output
    html = page.read_text(encoding="utf-8")
    assert html.count("data:image/jpeg;base64,") == 1
    assert html.count('">not readable<') == 2
    assert "&lt;b&gt;odd&lt;/b&gt;" in html
    assert "rust; all over" in html
    assert f"{records.head().rows}:{records.head().chain}" in html
    assert "http" not in html.replace("http-equiv", "")
    assert run("export", "report", page, "--records", url).exit_code == 2
    assert (
        "swap them" in run("export", "report", page, "--records", url, "--since", start, "--until", "2020-01-01").stderr
    )
