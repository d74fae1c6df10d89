"""A record is copied into an empty database, with its photographs; until that is complete the target is none."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import servers
from plate_rows import plate
from platewatch import cli
from platewatch.errors import RecordError
from platewatch.inspection import Verdict
from platewatch.records import Judgement, Keep, Policy, Query, Records, copying

A = 10**12


@pytest.fixture
def target(postgresql: str) -> str:
    return servers.new_database(postgresql, f"copied_{uuid.uuid4().hex}")


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    """An SQLite record of the unnamed station and of a named one."""
    url, policy = str(tmp_path / "records.db"), Policy(review_share=0)
    with Records.open(url, policy=policy) as unnamed, Records.open(url, policy=policy, station="line A") as named:
        for number, verdict in enumerate((Verdict.PASS, Verdict.REJECT, None)):
            for each in (unnamed, named):
                photograph = f"{each.station}{number}".encode()
                each.add(plate(verdict), photograph, part_type=each.station and "hinge", deliver=["http://there/"])
        named.review(1, Judgement.GOOD, "anna", note="dust")
        unnamed.event("login", "anna")
        unnamed.policy = Policy(keep=Keep.NOT_PASSED)
        unnamed.prune()
        yield unnamed


def copy(records: Records, target: str, *options: str | Path) -> Result:
    given = ["copy", str(records.places[0]), target, *(str(each) for each in options)]
    return CliRunner().invoke(cli.main, given)


def test_from_sqlite_to_postgresql_and_back_the_audits_are_equal(records: Records, target: str, tmp_path: Path) -> None:
    done = copy(records, target, "--into", tmp_path / "moved")
    assert done.exit_code == 0, done.output
    assert "intact: 9 rows, 6 plates, 5 photographs checked" in done.stdout
    with Records.open(target, tmp_path / "moved", station="line A") as moved:
        assert moved.audit() == records.audit()
        everything = Query(limit=200)
        assert moved.find(everything) == records.find(everything)
        assert moved.photograph(A + 2) == records.photograph(A + 2) == b"line A1"
        assert moved.deliveries() == records.deliveries()
        entry = moved.add(plate(), b"more", deliver=["http://there/"]).entry
        assert entry.number == A + 4, "the station goes on"
        assert moved.backup(tmp_path / "backup").breaks == ()
    restored = tmp_path / "restored.db"
    back = CliRunner().invoke(cli.main, ["copy", str(tmp_path / "backup" / "records.db"), str(restored)])
    assert back.exit_code == 0, back.output
    with Records.open(str(restored)) as again:
        assert again.get(A + 4) == entry


def test_an_interrupted_copy_is_no_record_until_it_is_run_again(
    records: Records, target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = copying.rows

    def interrupted(*given: object) -> None:
        whole(*given)  # type: ignore[arg-type] # the same
        raise KeyboardInterrupt

    monkeypatch.setattr(copying, "rows", interrupted)
    with pytest.raises(KeyboardInterrupt):
        records.copy(target, tmp_path / "moved")
    monkeypatch.undo()
    for create in (True, False):
        with pytest.raises(RecordError, match="run the same 'platewatch copy' again"):
            Records.open(target, create=create)
    stored = {path: path.stat().st_mtime_ns for path in (tmp_path / "moved").rglob("*") if path.is_file()}
    assert len(stored) == 5
    done = copy(records, target, "--into", tmp_path / "moved")
    assert done.exit_code == 0, done.output
    assert {path: path.stat().st_mtime_ns for path in stored} == stored, "photographs that are there are not read again"
    with Records.open(target) as moved:
        assert moved.audit().chains == records.audit().chains


def test_a_target_that_is_not_empty_and_one_without_a_folder_are_refused(
    records: Records, target: str, tmp_path: Path
) -> None:
    assert "no folder for the 5 photographs" in copy(records, target).stderr
    other = tmp_path / "other.db"
    Records.open(str(other)).close()
    before = other.read_bytes()
    done = copy(records, str(other))
    assert (done.exit_code, "holds tables already" in done.stderr) == (1, True), done.stderr
    assert other.read_bytes() == before


def test_a_copy_whose_audit_differs_is_not_kept(
    records: Records, target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = copying.rows

    def altered(*given: object) -> None:
        whole(*given)  # type: ignore[arg-type] # the same
        given[1].exec_driver_sql("UPDATE hourly_counts SET count = count + 1")  # type: ignore[attr-defined]

    monkeypatch.setattr(copying, "rows", altered)
    with pytest.raises(RecordError, match="its audit differs"):
        records.copy(target, tmp_path / "moved")
    with pytest.raises(RecordError, match="interrupted"):
        Records.open(target)
