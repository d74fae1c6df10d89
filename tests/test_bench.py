"""The results of `bench` are complete and add up; no test depends on the machine's speed."""

import json
import sys
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner
from PIL import Image

from conftest import Tiny
from platewatch import cli
from platewatch.arrays import Array
from platewatch.cli import summary
from platewatch.errors import InputError, ModelError
from platewatch.evaluation import bench
from platewatch.progress import silent


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "_ROUNDS", 1)
    monkeypatch.setattr(bench, "_PLATES", 4)


@pytest.fixture
def no_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "platewatch.skipganomaly.reference_network", raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setattr(bench, "_reference", lambda: None)


@pytest.mark.usefixtures("no_torch")
def test_the_stages_add_up_to_the_verdict(tiny_model: Tiny) -> None:
    found = bench.bench(tiny_model.model, tiny_model.data / "test" / "good", progress=silent)
    assert tuple(found.stages) == bench.STAGES
    assert all(spent >= 0 for spent in found.stages.values())
    assert sum(found.stages[name] for name in bench.STAGES[1:]) >= found.verdict_core_ms - 1e-6
    assert found.latency_ms.p99 >= found.latency_ms.median > 0
    assert (found.reference_core_ms, found.reference_ratio) == (None, None)


def test_the_json_is_as_its_schema_says(tiny_model: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow:
        image_size = 32

        def score(self, photos: Array) -> float:
            return float(sum(number**0.5 for number in range(200_000 + len(photos))))

    monkeypatch.setattr(bench, "_reference", Slow)
    result = CliRunner().invoke(cli.main, ["bench", str(tiny_model.model), "--json"])
    assert result.exit_code == 0, result.stderr
    values = json.loads(result.stdout)
    schema = json.loads((resources.files("platewatch") / "schemas" / "bench.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(values)
    assert values["reference_ratio"] == pytest.approx(values["reference_core_ms"] / values["verdict_core_ms"])


@pytest.mark.usefixtures("no_torch")
def test_the_table_has_a_bar_for_each_stage_and_says_that_torch_is_missing(tiny_model: Tiny) -> None:
    result = CliRunner().invoke(cli.main, ["bench", str(tiny_model.model)])
    assert result.exit_code == 0, result.stderr
    assert result.stdout.count("█") >= len(bench.STAGES)
    assert "torch is not installed here" in result.stdout


def test_the_reference_network_is_the_published_one() -> None:
    reference = bench._reference()
    assert reference is not None
    assert reference.image_size == 256


def test_photographs_that_cannot_be_read_are_an_error(tiny_model: Tiny, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"no photograph")
    with pytest.raises(InputError):
        bench.bench(tiny_model.model, tmp_path, progress=silent)
    with pytest.raises(ModelError):
        bench.bench(tmp_path, progress=silent)


def test_photographs_that_no_detector_gets_to_see_are_no_measure(tiny_model: Tiny, tmp_path: Path) -> None:
    Image.new("RGB", (64, 64)).save(tmp_path / "black.png")
    with pytest.raises(InputError, match="quality check"):
        bench.bench(tiny_model.model, tmp_path, progress=silent)


def made(**changes: Any) -> bench.Bench:
    values: dict[str, Any] = {
        "machine": {"processor": "a", "cores": 2},
        "photos": "p",
        "stages": dict.fromkeys(bench.STAGES, 1.0) | {"surface": 5.0},
        "verdict_core_ms": 5.0,
        "reference_core_ms": 100.0,
        "texture_core_ms": 2.0,
        "plates_per_s": 26.0,
        "cores_used": 1.9,
        "latency_ms": bench.Latency(90, 120),
        "resident_mb": 99,
    }
    return bench.Bench(**(values | changes))


def test_the_ratio_is_the_reference_over_the_verdict() -> None:
    assert made().reference_ratio == 20
    assert len(summary.bench(made())) == 2


def test_it_says_how_many_cameras_of_which_pace_it_keeps_up_with() -> None:
    """80 % of 26 plates/s; a plate takes up to 120 ms, too long for one every 100 ms."""
    assert made().cameras == {0.5: 41, 1.0: 20, 2.0: 10, 5.0: 4, 10.0: 0, 20.0: 0}
    assert made(latency_ms=bench.Latency(9, 12)).cameras[20.0] == 1
    assert made().plates_per_h == 93_600


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "computing: stage surface, 50% of a plate's core time, of which the texture network 20%"),
        ({"texture_core_ms": None}, "computing: stage surface, 50% of a plate's core time; more"),
        ({"stages": dict.fromkeys(bench.STAGES, 1.0) | {"read": 5.0}}, "decoding: 50% of a plate's core time"),
        ({"cores_used": 1.4}, "waiting: 1.4 of 2 cores were used"),
    ],
)
def test_it_says_what_limits_the_throughput(changes: dict[str, Any], words: str) -> None:
    assert made(**changes).limit.startswith(words)
