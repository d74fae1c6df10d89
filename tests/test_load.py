"""The station under more clients than it has places for, by the benchmark that counts what becomes of their plates."""

import json
from pathlib import Path

import pytest

import load
import runs
from conftest import Tiny
from platewatch.photographs import reading
from served import Served


def test_too_many_clients_are_told_to_come_again_and_nothing_is_lost(tiny_model: Tiny, tmp_path: Path) -> None:
    photographs = [path.read_bytes() for path in reading.find(tiny_model.data / "test" / "good")]
    with Served(tiny_model.model, tmp_path, "--workers", "1", "--waiting", "1") as served:
        found = {part: load.load(served, photographs, 6, 0.02, part) for part in ("load", "overload")}
        found["counts"] = served.ask("GET", "/counts")[1]
    found["audit"] = json.loads(runs.command("audit", "--records", served.records, "--json"))
    assert load.check(found) == []
    assert found["load"]["answers"]["503"] > 0
    assert f"| {found['load']['acknowledged']} |" in load.table(
        found | {"bench": [{"plates_per_s": 1.0}] * 2, "ratio": 1.0}
    )
    found["overload"]["numbers"][0] += 1000
    found["counts"]["received"] += 1
    found["load"]["station"]["uploads_refused_total"] += 1
    assert [each.split(":")[0] for each in load.check(found)] == [
        "the acknowledged plates' numbers are not 1, 2, 3 …",
        "record",
        "load",
    ]


def test_memory_that_grows_shows_as_a_slope() -> None:
    grows = load._memory([(second, 200 + 0.01 * second) for second in range(0, 600, 5)])
    assert grows["memory_mb_per_h"] == pytest.approx(36)
    assert grows["memory_end_mb"] > grows["memory_warm_mb"]
    assert load._memory([(second, 200.0) for second in range(0, 600, 5)])["memory_mb_per_h"] == pytest.approx(0)
