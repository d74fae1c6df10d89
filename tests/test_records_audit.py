"""The audit finds every kind of tampering and names the place, on both databases."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from plate_rows import plate
from platewatch.inspection import Verdict
from platewatch.records import Audit, Judgement, Keep, Policy, Records, chain, guards
from platewatch.records.stations import START


@pytest.fixture
def records(record_url: str, tmp_path: Path) -> Iterator[Records]:
    """Rows 1 to 4 are plates, 5 to 7 reviews of plate 2, 8 an event, 9 a plate."""
    with Records.open(record_url, tmp_path / "photographs", Policy(review_share=0)) as opened:
        for verdict in (Verdict.PASS, Verdict.REVIEW, Verdict.REJECT, None):
            opened.add(plate(verdict), str(verdict).encode(), plate_id=f"plate {verdict}", key=str(verdict))
        opened.review(2, Judgement.GOOD, "anna", note="dust only")
        opened.undo(opened.review(2, Judgement.DEFECTIVE, "bob").id, "bob")
        opened.event("login", "anna", {"from": "here"})
        opened.add(plate(Verdict.PASS), b"PASS")
        yield opened


def alter(url: str, *statements: str) -> None:
    """Alter the database with full access: the triggers are removed first, and made again."""
    engine = create_engine(url)
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            removed = (f"DROP TRIGGER {name}" for name in guards.triggers())
            statements = (*removed, *statements, *guards.triggers().values())
        else:
            statements = ("SET session_replication_role = replica", *statements)
        for statement in statements:
            connection.execute(text(statement.replace(":", r"\:")))
    engine.dispose()


def found(audit: Audit) -> list[tuple[int, str]]:
    return [(each.row, each.what) for each in audit.breaks]


def test_an_unaltered_record_is_intact(records: Records) -> None:
    reported = list[tuple[str, int, int]]()
    audit = records.audit(lambda *done: reported.append(done))
    assert audit.intact
    assert (audit.rows, audit.photographs, audit.head.entries) == (9, 4, 5)
    assert reported[0] == ("rows", 9, 9)


ALTERED = {
    "a verdict": ("UPDATE chain SET body = replace(body, 'REJECT', 'PASS') WHERE position = 3", 3, "altered"),
    "a verdict in the table": ("UPDATE entries SET outcome = 'PASS' WHERE number = 3", 3, "outcome"),
    "a plate id in the table": ("UPDATE entries SET plate_id = 'other' WHERE number = 2", 2, "plate id"),
    "a time in the table": ("UPDATE entries SET received = received - 1 WHERE number = 2", 2, "received"),
    "a photograph's hash": ("UPDATE entries SET photograph = NULL WHERE number = 2", 2, "photograph"),
    "who reviewed": ("UPDATE chain SET body = replace(body, 'bob', 'eve') WHERE position = 6", 6, "altered"),
    "which review stands": ("UPDATE entries SET judgement = 'defective' WHERE number = 2", 2, "another review"),
    "a review hidden": ("UPDATE entries SET review = NULL, judgement = NULL WHERE number = 2", 2, "another review"),
    "a plate hidden from the queue": ("UPDATE entries SET waiting = false WHERE number = 3", 3, "another review"),
    "whose review it is": ("UPDATE reviews SET number = 3 WHERE position = 5", 5, "number"),
    "an event's time": ("UPDATE events SET time = time + 1", 8, "time"),
    "what an event says": ("UPDATE chain SET body = replace(body, 'here', 'nowhere') WHERE position = 8", 8, "altered"),
    "a body that is no JSON": ("UPDATE chain SET body = '{' WHERE position = 4", 4, "cannot be read"),
    "a kind": ("UPDATE chain SET kind = 'event' WHERE position = 1", 1, "another row"),
    "a removed row": ("DELETE FROM chain WHERE position = 3", 4, "rows 3 to 3 before it were removed"),
    "a removed first row": ("DELETE FROM chain WHERE position = 1", 2, "rows 1 to 1"),
    "a removed end": ("DELETE FROM chain WHERE position >= 8", 0, "rows were cut off"),
    "a removed entry": ("DELETE FROM entries WHERE number = 3", 3, "number"),
    "a removed review": ("DELETE FROM reviews WHERE position = 5", 5, "number"),
    "a count": ("UPDATE hourly_counts SET count = count - 1 WHERE outcome = 'REJECT'", 0, "counts"),
    "a word": ("DELETE FROM terms WHERE word = 'dust'", 0, "words"),
    "a moved word": ("UPDATE terms SET number = 1 WHERE word = 'dust'", 0, "words"),
    "the head": ("UPDATE heads SET entries = 4", 0, "expected row 9 with 4"),
    "a removed photograph's row": ("DELETE FROM photographs", 2, "not listed"),
    "a photograph called pruned": ("UPDATE photographs SET pruned = 1", 3, "no event says"),
}


@pytest.mark.parametrize("what", ALTERED)
def test_every_alteration_is_found_with_its_row(records: Records, record_url: str, what: str) -> None:
    statement, row, words = ALTERED[what]
    foreign = "PRAGMA foreign_keys = OFF" if record_url.startswith("sqlite") else "SELECT 1"
    alter(record_url, foreign, statement)
    audit = records.audit()
    assert not audit.intact
    assert [each for each in found(audit) if each[0] == row and words in each[1]], found(audit)


UNGUARDED = {
    "removed": ("DROP TRIGGER chain_kept{on}",),
    "altered": (
        "DROP TRIGGER heads_stay{on}",
        "CREATE TRIGGER heads_stay BEFORE DELETE ON heads WHEN OLD.position > 9 BEGIN SELECT RAISE(IGNORE); END",
    ),
    "added": ("CREATE TRIGGER more AFTER INSERT ON chain BEGIN DELETE FROM terms; END",),
    "columns": ("ALTER TABLE terms ADD COLUMN more TEXT",),
}


@pytest.mark.parametrize("what", UNGUARDED)
def test_a_record_whose_guards_were_altered_is_not_intact(records: Records, record_url: str, what: str) -> None:
    """Its rows could be changed from then on without refusal."""
    is_sqlite = record_url.startswith("sqlite")
    if not is_sqlite and what != "removed":
        pytest.skip("written for SQLite")
    engine = create_engine(record_url)
    with engine.begin() as connection:
        for statement in UNGUARDED[what]:
            connection.execute(text(statement.format(on="" if is_sqlite else " ON chain")))
    engine.dispose()
    says = {
        "removed": "the trigger chain_kept is missing or altered: rows could be changed",
        "altered": "the trigger heads_stay is missing or altered: rows could be changed",
        "added": "the trigger more is none of a record's",
        "columns": "the columns of the table terms were altered",
    }
    assert found(records.audit()) == [(0, says[what])]


def test_a_row_altered_with_its_hash_is_found_by_the_next_row(records: Records, record_url: str) -> None:
    engine = create_engine(record_url)
    with engine.begin() as connection:
        row = connection.execute(text("SELECT previous, body FROM chain WHERE position = 3")).one()
    engine.dispose()
    rewritten = row.body.replace("REJECT", "PASS")
    digest = chain.digest(row.previous, rewritten)
    alter(record_url, f"UPDATE chain SET body = '{rewritten}', hash = '{digest}' WHERE position = 3")
    assert (4, "does not follow the row before: one of the two was altered") in found(records.audit())


def test_a_chain_written_again_from_some_row_on_is_found_by_an_anchor(records: Records, record_url: str) -> None:
    anchor = records.head()
    records.event("logout", "anna")
    assert records.audit(anchor=(anchor.rows, anchor.chain)).intact
    engine = create_engine(record_url)
    with engine.begin() as connection:
        rows = connection.execute(text("SELECT position, body FROM chain ORDER BY position")).all()
    engine.dispose()
    previous, statements = START, list[str]()
    for position, body in rows:
        rewritten = body.replace("here", "nowhere")
        digest = chain.digest(previous, rewritten)
        columns = f"body = '{rewritten}', previous = '{previous}', hash = '{digest}'"
        statements.append(f"UPDATE chain SET {columns} WHERE position = {position}")
        previous = digest
    alter(record_url, *statements, f"UPDATE heads SET hash = '{previous}'")
    assert records.audit().intact  # not found without the anchor
    assert found(records.audit(anchor=(anchor.rows, anchor.chain))) == [
        (9, "its hash differs from the anchor: this row or earlier ones were written again")
    ]
    assert not records.audit(anchor=(99, anchor.chain)).intact


def test_a_photograph_that_is_missing_or_altered_is_found(records: Records, tmp_path: Path) -> None:
    missing, changed = (records.get(number).photograph_sha256 for number in (1, 3))
    files = {path.name: path for path in (tmp_path / "photographs").rglob("*") if path.is_file()}
    files[str(missing)].unlink()
    files[str(changed)].write_bytes(b"another")
    audit = records.audit()
    assert sorted(row for row, _ in found(audit)) == [1, 3]
    assert records.audit(photographs=False).intact


def test_pruned_photographs_are_no_tampering_because_an_event_lists_them(records: Records, record_url: str) -> None:
    records.policy = Policy(keep=Keep.NOT_PASSED)
    assert records.prune().photographs == 1
    audit = records.audit()
    assert (audit.breaks, audit.photographs) == ((), 3)
    alter(record_url, "UPDATE photographs SET pruned = 1")
    assert sorted(row for row, _ in found(records.audit())) == [2, 3, 4]


def test_the_list_of_tampering_is_bounded(records: Records, record_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platewatch.records.audit._MOST", 3)
    alter(record_url, "UPDATE chain SET body = '{'")
    assert len(records.audit().breaks) == 3
