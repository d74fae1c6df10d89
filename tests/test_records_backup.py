"""A copy of the record has all rows; `backup` makes one with photographs; damage of the file itself is found."""

import random
import shutil
import sqlite3
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from plate_rows import plate
from platewatch import cli
from platewatch.errors import OutputError, RecordError
from platewatch.inspection import Verdict
from platewatch.records import Judgement, Policy, Query, Records, RetentionJob
from waiting import eventually

PLATES = 24


def fill(records: Records, plates: int = PLATES) -> None:
    for number in range(plates):
        verdict = [Verdict.PASS, Verdict.REVIEW, Verdict.REJECT, None][number % 4]
        records.add(
            plate(verdict, image=f"cam7_{number:06}.png"), number.to_bytes(4), plate_id=f"P-{number}", key=str(number)
        )
    records.review(2, Judgement.GOOD, "anna", boxes=[(1, 2, 3, 4)], note="dust")
    records.undo(records.review(3, Judgement.DEFECTIVE, "bob").id, "bob")
    records.event("login", "anna")
    records.add(plate(), deliver=["http://there/"])


@pytest.fixture
def records(record_url: str, tmp_path: Path) -> Iterator[Records]:
    with Records.open(record_url, tmp_path / "photographs", Policy(review_share=0)) as opened:
        yield opened


@pytest.mark.parametrize("how", ["stopped", "in use"])
def test_a_copied_file_has_every_row(tmp_path: Path, how: str) -> None:
    original, copied = tmp_path / "records.db", tmp_path / "copy" / "records.db"
    copied.parent.mkdir()
    records = Records.open(str(original), tmp_path / "photographs")
    fill(records)
    reader = sqlite3.connect(original) if how == "stopped" else None  # whose file is open keeps SQLite's log alive
    if reader is not None:
        reader.execute("SELECT count(*) FROM chain").fetchone()
        records.close()
    else:
        job = RetentionJob(records, every_s=0.01)
        job.start()
        eventually(lambda: _copied_rows(original, tmp_path) == PLATES + 5)
        job.stop()
    shutil.copy(original, copied)
    with Records.open(str(copied), tmp_path / "photographs") as found:
        assert found.head().entries == PLATES + 1
        assert found.audit().intact
    records.close()
    if reader is not None:
        reader.close()


def _copied_rows(original: Path, folder: Path) -> int:
    """Rows that a copy of the file alone has."""
    copied = folder / "tried.db"
    shutil.copy(original, copied)
    connection = sqlite3.connect(copied)
    try:
        return int(connection.execute("SELECT count(*) FROM chain").fetchone()[0])
    except sqlite3.DatabaseError:
        return 0  # copied in the middle of a write
    finally:
        connection.close()


def test_a_backup_is_the_record(records: Records, record_url: str, tmp_path: Path) -> None:
    fill(records, 12)
    records.policy = Policy(gigabytes=40e-9)
    assert records.prune().photographs > 0
    made = records.backup(tmp_path / "backup")
    assert (made.intact, made.rows, made.head) == (True, records.head().rows, records.head())
    assert sorted(path.name for path in (tmp_path / "backup").iterdir()) == ["records.db", "records.db.photographs"]
    with Records.open(str(tmp_path / "backup" / "records.db")) as copied:
        assert copied.audit().photographs == records.audit().photographs > 0
        everything = Query(limit=200)
        assert copied.find(everything) == records.find(everything)
        assert copied.appended({}, 1000) == records.appended({}, 1000)
        assert [copied.photograph(n) for n in range(1, 14)] == [records.photograph(n) for n in range(1, 14)]
        assert copied.reviews(3) == records.reviews(3)
        assert copied.counts() == records.counts()
        assert copied.deliveries() == records.deliveries()
        assert copied.add(plate()).entry.number == 14, "it can be used in place of the record"
        assert copied.audit().intact


def test_a_backup_while_plates_come_and_go_is_consistent(records: Records, tmp_path: Path) -> None:
    fill(records, 8)
    stop = threading.Event()

    def work() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            records.add(plate(), b"more" + number.to_bytes(4))
            records.policy = Policy(gigabytes=60e-9)
            records.prune()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        made = records.backup(tmp_path / "backup")
    finally:
        stop.set()
        thread.join()
    assert (made.breaks, made.unlisted) == ((), 0)


def test_a_backup_of_a_damaged_record_says_so(tmp_path: Path) -> None:
    url = str(tmp_path / "records.db")
    with Records.open(url) as records:
        fill(records, 4)
        sha256 = records.get(1).photograph_sha256
    next((tmp_path / "records.db.photographs").rglob(str(sha256))).unlink()
    result = CliRunner().invoke(cli.main, ["backup", str(tmp_path / "out"), "--records", url])
    assert (result.exit_code, "plate 1: photograph missing" in result.stdout) == (1, True), result.output
    with pytest.raises(OutputError), Records.open(url) as records:
        records.backup(tmp_path / "out")
    assert CliRunner().invoke(cli.main, ["backup", str(tmp_path / "out"), "--records", url]).exit_code == 1
    result = CliRunner().invoke(cli.main, ["audit", "--records", str(tmp_path / "out" / "records.db")])
    assert "plate 1: photograph missing" in result.stdout


def test_photographs_of_rows_that_a_copy_lacks_are_counted(tmp_path: Path) -> None:
    url = str(tmp_path / "records.db")
    with Records.open(url) as records:
        fill(records, 4)
        records.checkpoint()
        shutil.copy(url, tmp_path / "old.db")
        records.add(plate(), b"after the copy")
    result = CliRunner().invoke(
        cli.main, ["audit", "--records", str(tmp_path / "old.db"), "--photographs", f"{url}.photographs"]
    )
    assert result.exit_code == 0, "a crash may have left it"
    assert "1 photographs belong to no row" in result.stdout


def test_every_altered_byte_that_matters_is_found(tmp_path: Path) -> None:
    """One byte of each copy is altered: never an uncaught error, and intact only if everything reads as it was."""
    original = tmp_path / "records.db"
    with Records.open(str(original), tmp_path / "photographs") as records:
        fill(records, 25)
        expected = records.appended({}, 1000)
    data, chosen = original.read_bytes(), random.Random(14)  # noqa: S311 - places of a test
    for place in chosen.sample(range(len(data)), 24):
        altered = bytearray(data)
        altered[place] ^= chosen.randrange(1, 256)
        copied = tmp_path / "altered.db"
        copied.write_bytes(altered)
        for log in ("-wal", "-shm"):
            Path(f"{copied}{log}").unlink(missing_ok=True)
        try:
            with Records.open(str(copied), tmp_path / "photographs", create=False) as found:
                if found.audit().intact:
                    assert found.appended({}, 1000) == expected, place
                    assert len(found.find(Query(text="cam7", limit=200)).entries) == 26, place
        except RecordError:
            continue


def test_an_index_that_lacks_an_entry_is_found(tmp_path: Path) -> None:
    """The chain and the tables are as they were; only the database's own check sees it."""
    url = str(tmp_path / "records.db")
    with Records.open(url) as records:
        fill(records, 4)
    raw = sqlite3.connect(url)
    raw.execute("PRAGMA writable_schema = ON")
    root = dict(raw.execute("SELECT name, rootpage FROM sqlite_master").fetchall())
    for name, other in (("entries_plate", "entries_outcome"), ("entries_outcome", "entries_plate")):
        raw.execute("UPDATE sqlite_master SET rootpage = ? WHERE name = ?", (root[other], name))
    raw.commit()
    raw.close()
    with Records.open(url) as records:
        audit = records.audit()
    assert any("the database is damaged" in each.what and "entries_plate" in each.what for each in audit.breaks), audit


def test_an_index_of_postgresql_is_checked_where_amcheck_is(postgresql: str, tmp_path: Path) -> None:
    import psycopg

    import empty_records

    url = empty_records.postgresql(postgresql)
    try:
        with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute("CREATE EXTENSION amcheck")
    except psycopg.Error:
        pytest.skip("amcheck is not installed")
    with Records.open(url, tmp_path / "photographs") as records:
        fill(records, 4)
        assert records.audit().intact
        for is_ready in ("false", "true"):  # what is added between the two is not in the index
            with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
                here = f"indisready = {is_ready} WHERE indexrelid = 'entries_photograph'::regclass"
                connection.execute(f"UPDATE pg_index SET {here}".encode())
            records.add(plate(), b"not in the index")
        audit = records.audit()
    assert any("the database is damaged" in each.what for each in audit.breaks), audit


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_nobody_else_can_read_record_photographs_and_backups(tmp_path: Path) -> None:
    url = tmp_path / "line" / "records.db"
    with Records.open(str(url)) as records:
        fill(records, 4)
        records.backup(tmp_path / "backup")
        found = [*url.parent.rglob("*"), *(tmp_path / "backup").rglob("*"), tmp_path / "backup"]
        assert len(found) > 20
        assert {path.name: oct(mode(path)) for path in found if mode(path) & 0o077} == {}
        assert Path(f"{url}-wal") in found


@pytest.mark.parametrize(("before", "after"), [(0o644, 0o600), (0o666, 0o600), (0o640, 0o640), (0o600, 0o600)])
def test_an_older_record_is_closed_to_others_when_it_is_opened(tmp_path: Path, before: int, after: int) -> None:
    url, folder = tmp_path / "records.db", tmp_path / "records.db.photographs"
    with Records.open(str(url)) as records:
        records.add(plate(), b"photograph")
    url.chmod(before)
    folder.chmod(before | 0o111)
    Records.open(str(url)).close()
    assert mode(url) == after
    assert mode(folder) & 0o007 == 0
