"""The benchmarks of speed: what they count, how they compare; never how long it took."""

import argparse
from pathlib import Path

import numpy as np
import pytest

import growth
import peers
import startup
import throughput
from conftest import Tiny
from platewatch.model.inspector import Inspector
from platewatch.photographs import reading


def test_each_detector_is_compared_by_its_fastest_runtime() -> None:
    core_ms = {
        "Platewatch, onnxruntime": 10.0,
        "Platewatch, openvino": 12.0,
        "PaDiM, ResNet-18, torch": 60.0,
        "PaDiM, ResNet-18, ONNX Runtime": 30.0,
    }
    rows = [[cell.strip() for cell in line.split("|")[1:5]] for line in peers.table({"core_ms": core_ms}).splitlines()]
    assert rows[2:] == [
        ["Platewatch", "onnxruntime", "10.0", "1.0"],
        ["PaDiM, ResNet-18", "ONNX Runtime", "30.0", "3.0"],
    ]


@pytest.mark.parametrize("power", [0.5, 1, 2])
def test_growth_is_the_power_of_the_size(power: float) -> None:
    sizes = [10, 100, 1000]
    found = {"plates judged": growth.curve(sizes, [3 * size**power for size in sizes], "core-s", memory_mb=[1, 2, 3])}
    assert found["plates judged"]["exponent"] == pytest.approx(power)
    assert "1 → 3 MB" in growth.table(found)
    assert len(growth.draw(found).axes) == 2, "a panel for the curve, one for its memory"


def test_judging_is_measured_at_every_count(inspector: Inspector) -> None:
    found = growth.judging(inspector, (2, 4))
    assert found["sizes"] == [2, 4]
    assert 0 < found["cost"][0] < found["cost"][1]
    assert len(found["memory_mb"]) == 2


def test_files_of_both_formats_are_judged_and_decoded(inspector: Inspector, tmp_path: Path) -> None:
    pictures = [np.full((60, 80, 3), shade, np.uint8) for shade in (50, 200)]
    files = throughput.write(map(throughput.enlarge, pictures), tmp_path)
    assert [reading.read(path).shape for path in files["jpg"]] == [(1024, 1024, 3)] * 2
    asked = argparse.Namespace(rounds=1, plates=3)
    found = {kind: throughput.measure(inspector, inspector, paths, asked) for kind, paths in files.items()}
    assert all(value > 0 for one in found.values() for value in one.values())
    assert len(throughput.table(found).splitlines()) == 4


def test_starting_is_measured_in_processes_that_end_well(tiny_model: Tiny) -> None:
    assert startup.measure(tiny_model.model, 1).keys() >= {"import platewatch", "load a model and judge a plate"}
