"""The station under more clients than it has places for, by the benchmark that counts what becomes of their plates."""

from pathlib import Path

import pytest

from benchmarks.entries import load
from benchmarks.harness import Table
from conftest import Tiny
from platewatch.photographs import reading
from platewatch.records import Records
from served import Served


def test_too_many_clients_are_told_to_come_again_and_nothing_is_lost(tiny_model: Tiny, tmp_path: Path) -> None:
    photographs = [path.read_bytes() for path in reading.find(tiny_model.data / "test" / "good")]
    with Served(tiny_model.model, tmp_path, "--workers", "1", "--waiting", "1") as served:
        found = [load.load(served.address, photographs, 4, 0.01, part) for part in ("load", "crowd")]
        counts = load.ask(served.address, "/counts")
    with Records.open(served.records) as records:
        assert records.audit().intact
    assert load.check(found, counts) == []
    assert found[0]["busy"] > 0
    assert [row[2] for row in Table.of(load.COLUMNS, found).rows] == [str(part["acknowledged"]) for part in found]
    found[1]["numbers"][0] += 1000
    counts["received"] += 1
    found[0]["uploads_refused_total"] += 1
    found[1]["plates_failed_total"] += 1
    assert [each.split()[0] for each in load.check(found, counts)] == ["the", "record:", "refused", "received"]


def test_memory_that_grows_shows_as_a_slope() -> None:
    grows = load.memory([(second, 200 + 0.01 * second) for second in range(0, 600, 5)])
    assert grows["mb_per_h"] == pytest.approx(36)
    assert grows["end_mb"] > grows["warm_mb"]
    assert load.memory([(second, 200.0) for second in range(0, 600, 5)])["mb_per_h"] == pytest.approx(0)
