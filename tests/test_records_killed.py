"""After SIGKILL at any moment the record is intact and has every acknowledged plate exactly once."""

import subprocess
import sys
from pathlib import Path

import servers
from platewatch.records import Query, Records
from waiting import eventually

ROUNDS = {"sqlite": 8, "postgresql": 4}  # a server that lives on is less in danger


def test_killed_at_any_moment_no_acknowledged_plate_is_lost_or_recorded_twice(record_url: str, tmp_path: Path) -> None:
    Records.open(record_url).close()
    rounds = ROUNDS["sqlite" if record_url.startswith("sqlite") else "postgresql"]
    script = Path(__file__).parent / "killed_writers.py"
    subprocess.run([sys.executable, script, record_url, tmp_path, str(rounds)], check=True)
    if rounds == ROUNDS["postgresql"]:
        eventually(lambda: servers.is_alone(record_url))
    acknowledged = [line.split() for line in (tmp_path / "acknowledged").read_text().splitlines()]
    assert len(acknowledged) >= rounds / 2
    with Records.open(record_url, tmp_path / "photographs") as records:
        entries = {entry.key: entry for entry in records.every(Query())}
        audit = records.audit()
        assert audit.breaks == ()
        assert len(entries) == records.head().entries == records.counts().received
        for key, number, chain in acknowledged:
            assert (entries[key].number, entries[key].chain) == (int(number), chain)
            assert records.photograph(int(number)) == key.encode()
        for writer in "ab":  # each kill leaves at most one plate that was written and not acknowledged: the next
            sure = sum(key.startswith(writer) for key, _, _ in acknowledged)
            written = {int(str(key)[2:]) for key in entries if str(key).startswith(writer)}
            assert written in (set(range(sure)), set(range(sure + 1)))
        (destination,) = records.deliveries()
        assert destination.waiting == len(entries)
        assert records.add(next(iter(entries.values())).inspection).entry.number == len(entries) + 1
