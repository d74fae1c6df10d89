"""The benchmarks of speed: what they count, how they compare; never how long it took."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.entries import growth, peers, startup, throughput
from benchmarks.timing import in_turn, medians, ratio, timed
from conftest import Tiny
from platewatch.model.inspector import Inspector
from platewatch.photographs import reading


def test_measures_take_turns_and_the_first_round_only_warms_up() -> None:
    done: list[str] = []

    def measure(name: str) -> float:
        done.append(name)
        return float(len(done))

    taken = in_turn({name: lambda name=name: measure(name) for name in "ab"}, 2)  # type: ignore[misc]
    assert "".join(done) == "ababab"
    assert taken == {"a": [3, 5], "b": [4, 6]}
    assert medians(taken) == {"a": 4, "b": 5}


def test_a_ratio_is_that_of_pairs_of_one_round() -> None:
    """The second round was on a machine ten times slower: the ratio of the medians would say 5.5."""
    assert ratio([2, 20, 2], [1, 10, 1]) == 2
    assert ratio([1, 20], [1, 2]) == 5.5


def test_a_task_is_timed_by_the_clock_that_is_given() -> None:
    ticks = iter([3.0, 10.0])
    assert timed(lambda: None, lambda: next(ticks))() == 7


def test_each_detector_is_compared_by_its_fastest_runtime() -> None:
    core_ms = {
        "Platewatch, onnxruntime": 10.0,
        "Platewatch, openvino": 12.0,
        "PaDiM, ResNet-18, torch": 60.0,
        "PaDiM, ResNet-18, ONNX Runtime": 30.0,
    }
    assert [row[:4] for row in peers.table(core_ms).rows] == [
        ["Platewatch", "onnxruntime", "10.0", "1.0"],
        ["PaDiM, ResNet-18", "ONNX Runtime", "30.0", "3.0"],
    ]


def test_without_anomalib_peers_say_what_is_missing(tiny_model: Tiny, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no interpreter that imports anomalib"):
        peers.measure(tiny_model.model, tmp_path / "python")


@pytest.mark.parametrize("power", [0.5, 1, 2])
def test_growth_is_the_power_of_the_size(power: float) -> None:
    sizes = [10, 100, 1000]
    cost = [3 * size**power for size in sizes]
    assert growth.exponent(sizes, cost) == pytest.approx(power)
    found: dict[str, growth.Curve] = {"plates judged": (sizes, cost, "core-s", "1 → 3 MB")}
    (row,) = growth.table(found).rows
    assert row[1:] == ["10 → 1,000", f"{cost[0]:.4g} → {cost[-1]:.4g} core-s", f"{power:.2f}", "1 → 3 MB"]
    assert len(growth.draw(found).axes) == 1


def test_judging_is_measured_at_every_count(inspector: Inspector) -> None:
    sizes, cost, _, memory = growth.judging(inspector, (2, 4))
    assert sizes == (2, 4)
    assert 0 < cost[0] < cost[1]
    assert memory.endswith(" MB")


def test_files_of_both_formats_are_judged_and_decoded(inspector: Inspector, tmp_path: Path) -> None:
    pictures = [np.full((60, 80, 3), shade, np.uint8) for shade in (50, 200)]
    for number, picture in enumerate(pictures):
        reading.write_png(tmp_path / f"{number}.png", picture)
    files = throughput.write(throughput.pictures([tmp_path]), tmp_path)
    assert [reading.read(path).shape for path in files["jpg"]] == [(1024, 1024, 3)] * 2
    for paths in files.values():
        cells = throughput.speed(inspector, inspector, paths, 3, 1)
        assert len(cells) == len(throughput.HEAD)
        assert all(float(cell) > 0 for cell in cells)


def test_starting_is_measured_in_processes_that_end_well(tiny_model: Tiny) -> None:
    rows = startup.measure(tiny_model.model, rounds=1).tables[""].rows
    assert {name for name, _ in rows} >= {"import platewatch", "load a model and judge a plate"}
    assert all(float(seconds) > 0 for _, seconds in rows)
