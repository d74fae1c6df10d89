"""Heads of the chain are sent outside by themselves, signed; the audit compares all of them."""

import json
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import create_engine, text

import stations
from plate_rows import plate
from platewatch import cli, signing
from platewatch.errors import InputError
from platewatch.line import anchoring
from platewatch.line.anchoring import Anchoring, Folder
from platewatch.line.receivers import DeliveryFailed
from platewatch.records import Policy, Records, anchors, chain, guards
from platewatch.records.anchors import Anchor
from platewatch.records.stations import START
from waiting import eventually


@pytest.fixture
def records(record_url: str, tmp_path: Path) -> Iterator[Records]:
    (tmp_path / "outside").mkdir()
    with Records.open(record_url, tmp_path / "photographs", Policy(review_share=0)) as opened:
        yield opened


@pytest.fixture
def key(tmp_path: Path) -> signing.PrivateKey:
    return signing.create(tmp_path / "anchor.pem")


def anchored(records: Records, folder: Path, key: signing.PrivateKey | None = None) -> None:
    """What a line does that judges two plates: one anchor at its start, one at its stop."""
    sending = Anchoring(records, [Folder(folder)], actor="watch", key=key, every_s=0)
    sending.start()
    for _ in range(2):
        records.add(plate(reason="as it was"))
    sending.stop()


def rechain(url: str, old: str, new: str) -> None:
    """Write the chain anew with full access to the database: hashes and head fit again."""
    engine = create_engine(url)
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            for name in guards.triggers():
                connection.execute(text(f"DROP TRIGGER {name}"))
        else:
            connection.execute(text("SET session_replication_role = replica"))
        previous = START
        for position, body in connection.execute(text("SELECT position, body FROM chain ORDER BY position")).all():
            changed = body.replace(old, new)
            digest = chain.digest(previous, changed)
            values = {"body": changed, "previous": previous, "hash": digest, "position": position}
            columns = "body = :body, previous = :previous, hash = :hash"
            connection.execute(text(f"UPDATE chain SET {columns} WHERE position = :position"), values)
            previous = digest
        connection.execute(text("UPDATE heads SET hash = :hash"), {"hash": previous})
        for sql in guards.triggers().values() if engine.dialect.name == "sqlite" else ():
            connection.execute(text(sql))
    engine.dispose()


def test_a_chain_written_anew_is_found_by_the_anchors_that_were_sent(
    records: Records, record_url: str, tmp_path: Path, key: signing.PrivateKey
) -> None:
    anchored(records, tmp_path / "outside", key)
    kept = anchors.read(tmp_path / "outside")
    found = records.audit(anchors=kept, key=key.public)
    assert (found.intact, found.anchors, found.anchored) == (True, len(kept), records.head().rows)
    assert found.anchored_since == kept[-1].time
    records.event("later", "anna")
    later = records.audit(anchors=kept, key=key.public)
    assert (later.intact, later.head.rows - later.anchored) == (True, 1)
    rechain(record_url, "as it was", "as he likes")
    assert records.audit().intact, "not found without an anchor"
    assert "written again" in records.audit(anchors=kept).breaks[0].what


def test_rows_that_were_cut_off_are_found_by_an_anchor(records: Records, tmp_path: Path) -> None:
    anchored(records, tmp_path / "outside")
    missing = Anchor(99, 9, "0" * 64)
    found = records.audit(anchors=[*anchors.read(tmp_path / "outside"), missing])
    assert [each.what for each in found.breaks] == [
        "row 99 of the anchor is missing: rows were cut off, or this copy is older"
    ]


def test_anchors_that_the_key_did_not_sign_are_no_proof(
    records: Records, tmp_path: Path, key: signing.PrivateKey
) -> None:
    anchored(records, tmp_path / "outside", key)
    (good, *_) = kept = anchors.read(tmp_path / "outside")
    another = signing.create(tmp_path / "another.pem")
    head = records.head()
    others = [
        anchors.make(head),
        anchors.make(head, another),
        Anchor(**{**vars(good), "rows": head.rows, "chain": head.chain}),
        Anchor(**{**vars(good), "signature": "no"}),
    ]
    for each in others:
        found = records.audit(anchors=[each], key=key.public)
        assert (found.intact, found.anchored) == (False, 0), each
        assert "signature" in found.breaks[0].what
    assert records.audit(anchors=kept, key=key.public).intact
    assert not records.audit(anchors=kept, key=another.public).intact


def test_a_folder_gets_each_anchor_once_as_a_file_that_nobody_writes(records: Records, tmp_path: Path) -> None:
    anchored(records, tmp_path / "outside")
    before = {path.name: path.read_bytes() for path in (tmp_path / "outside").iterdir()}
    assert 1 <= len(before) <= 3
    assert {stat.S_IMODE(path.stat().st_mode) & 0o222 for path in (tmp_path / "outside").iterdir()} == {0}
    last = anchors.read(tmp_path / "outside")[-1]
    assert anchors.write_once(last, tmp_path / "outside").name in before
    sending = Anchoring(records, [Folder(tmp_path / "outside")], actor="watch", every_s=0)
    sending.start()
    sending.stop()
    after = {path.name: path.read_bytes() for path in (tmp_path / "outside").iterdir()}
    assert before == after, "nothing was added to the chain: no event either, as it says already where anchors go"
    (event,) = records.events(anchors.STARTED)
    assert event.details["folders"] == [str(tmp_path / "outside")]


class Receiver:
    """A webhook or a topic, which may be away."""

    name = "http://there/"

    def __init__(self) -> None:
        self.got, self.is_away, self.tried = list[dict[str, Any]](), True, threading.Event()

    def deliver(self, anchor: Any) -> None:
        self.tried.set()
        if self.is_away:
            raise DeliveryFailed(f"{self.name}: out of reach")
        self.got.append(json.loads(anchor.as_json()))

    def close(self) -> None:
        pass


def test_a_receiver_that_is_away_is_a_problem_and_gets_the_anchor_later(
    records: Records, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platewatch.line.anchoring._LOOK_S", 0.01)
    monkeypatch.setattr("platewatch.line.anchoring._RETRY_S", 0.01)
    to, told = Receiver(), list[str]()
    sending = Anchoring(records, [to, Folder(tmp_path / "outside")], actor="watch", warn=told.append)
    assert list(sending.problems()) == []
    sending.start()
    eventually(lambda: list(sending.problems()))
    assert next(iter(sending.problems()))[0] == "not_anchored"
    eventually(lambda: anchors.read(tmp_path / "outside"))
    to.is_away = False
    eventually(lambda: not list(sending.problems()))
    sending.stop()
    assert [values["rows"] for values in to.got] == [records.head().rows]
    assert len(told) == 2
    file = tmp_path / "received.jsonl"
    file.write_text('{"number": 1, "a plate": true}\n' + "".join(json.dumps(values) + "\n" for values in to.got))
    assert records.audit(anchors=anchors.read(file)).anchored == records.head().rows


def audit(url: str, *more: str) -> Result:
    return CliRunner().invoke(cli.main, ["audit", "--records", url, *more])


def test_the_command_reads_the_folders_that_the_record_names(tmp_path: Path) -> None:
    url, outside = str(tmp_path / "records.db"), tmp_path / "outside"
    outside.mkdir()
    key = signing.create(tmp_path / "anchor.pem")
    with Records.open(url) as records:
        records.add(plate())
    assert "not anchored since the first row: 1 rows" in audit(url).stdout
    with Records.open(url) as records:
        anchored(records, outside, key)
        records.event("later", "anna")
    result = audit(url, "--anchor-key", str(tmp_path / "anchor.pem.pub"))
    assert result.exit_code == 0, result.output
    assert "anchored up to row 4 (" in result.stdout
    assert "not anchored since: 1 rows" in result.stdout
    values = json.loads(audit(url, "--json").stdout)
    assert (values["anchored"], values["anchors"] >= 1) == (4, True)
    rechain(f"sqlite:///{url}", "as it was", "as he likes")
    result = audit(url)
    assert (result.exit_code, "written again" in result.stdout) == (1, True)
    assert audit(url, "--anchors", str(tmp_path / "nowhere")).exit_code == 1
    (outside / "x.json").write_text('{"kind": "platewatch anchor", "rows": "many"}')
    result = audit(url)
    assert (result.exit_code, result.stderr.count("was it altered?")) == (1, 1)
    outside.rename(tmp_path / "away")
    result = audit(url)
    assert "cannot be reached; not checked" in result.stderr


def test_the_station_sends_anchors(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    signing.create(tmp_path / "anchor.pem")
    with stations.running(tmp_path, anchors=(outside,), anchor_key=tmp_path / "anchor.pem") as here:
        here.post()
        head = here.records.head()
    (*_, last) = anchors.read(outside)
    assert (last.rows, last.chain) == (head.rows, head.chain)
    assert last.is_signed_by(signing.public_key(tmp_path / "anchor.pem.pub"))


def test_a_folder_that_is_missing_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        anchoring.places([tmp_path / "nowhere"])
