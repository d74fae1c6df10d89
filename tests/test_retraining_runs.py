"""Retraining beside a running station: told as it goes, one at a time, and gone when the station stops."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from platewatch.line.model_registry import ModelRegistry
from platewatch.station.problem_details import Refusal
from platewatch.station.retraining_runs import RetrainingRuns, Run
from platewatch.station.settings import Settings

WELL = """
import sys
print('{"stage": "training networks", "done": 1, "total": 2}', file=sys.stderr)
print("odd words", file=sys.stderr)
print('{"stage": "training networks", "done": 2, "total": 2}', file=sys.stderr)
print('{"challenger": {"model_id": "ba9876543210"}}')
"""
BADLY = "import sys; sys.exit('error: reviewed plates: none new was called good')"
SLOWLY = """
import sys, time
print('{"stage": "reading photographs", "done": 1, "total": 2}', file=sys.stderr, flush=True)
time.sleep(60)
"""


WATCHING = """
import pathlib, signal, time
from platewatch.cli import shell
signal.signal(signal.SIGTERM, signal.default_int_handler)
shell.end_with_stdin()
try:
    pathlib.Path("began").touch()
    time.sleep(60)
except KeyboardInterrupt:
    pathlib.Path("cleared away").touch()
"""
STATION = """
import pathlib, sys, time
import test_retraining_runs
test_retraining_runs.challengers(pathlib.Path(), test_retraining_runs.WATCHING).start("anna")
time.sleep(60)
"""


def challengers(folder: Path, program: str, told: Callable[[Run], None] = print, **changes: Any) -> RetrainingRuns:
    given: dict[str, Any] = {"data": folder, "record_url": "sqlite:///secret.db"} | changes
    models = cast(ModelRegistry, SimpleNamespace(folder=folder / "model", models_folder=folder))
    made = RetrainingRuns(models, Settings(**given), told)
    made.program = (sys.executable, "-c", program)
    return made


def finished(folder: Path, program: str) -> Run:
    """How the program's run ended."""
    ended, runs = threading.Event(), list[Run]()

    def told(run: Run) -> None:
        runs.append(run)
        ended.set()

    challengers(folder, program, told).start("anna")
    assert ended.wait(30)
    return runs[0]


def test_progress_is_told_stage_by_stage_and_the_challenger_at_the_end(tmp_path: Path) -> None:
    run = finished(tmp_path, WELL)
    assert (run.actor, run.running, run.challenger, run.failed) == ("anna", False, "ba9876543210", None)
    assert [(stage.name, stage.done, stage.total) for stage in run.stages] == [("training networks", 2, 2)]


def test_what_went_wrong_is_told_in_its_own_words(tmp_path: Path) -> None:
    run = finished(tmp_path, BADLY)
    assert (run.challenger, run.failed) == (None, "reviewed plates: none new was called good")


def test_the_record_s_address_is_no_argument_that_others_see(tmp_path: Path) -> None:
    run = finished(tmp_path, "import os, sys; sys.exit(f'{os.environ[\"PLATEWATCH_RECORDS\"]} {sys.argv}')")
    assert run.failed is not None
    assert run.failed.startswith("sqlite:///secret.db [")
    assert run.failed.count("secret") == 1


def test_one_at_a_time_and_a_station_that_stops_ends_it(tmp_path: Path) -> None:
    training = challengers(tmp_path, SLOWLY)
    training.start("anna")
    with pytest.raises(Refusal, match="is being trained"):
        training.start("bert")
    deadline = time.monotonic() + 20
    while not (training.run and training.run.stages) and time.monotonic() < deadline:
        time.sleep(0.02)
    training.stop()
    while training.run and training.run.running and time.monotonic() < deadline:
        time.sleep(0.02)
    assert training.run
    assert not training.run.running
    assert training.run.failed
    training.stop()  # nothing is there to be stopped any more


def test_a_station_that_is_killed_leaves_no_training_behind(tmp_path: Path) -> None:
    paths = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    station = subprocess.Popen([sys.executable, "-c", STATION], cwd=tmp_path, env={**os.environ, "PYTHONPATH": paths})
    wait_for(tmp_path / "began")
    station.kill()
    station.wait()
    wait_for(tmp_path / "cleared away")


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline, path
        time.sleep(0.02)


def test_the_training_is_told_to_end_with_the_station(tmp_path: Path) -> None:
    run = finished(tmp_path, "import sys; sys.exit(' '.join(sys.argv))")
    assert run.failed is not None
    assert run.failed.endswith("--until-stdin-ends")


def test_without_photographs_to_learn_from_it_says_what_to_do(tmp_path: Path) -> None:
    training = challengers(tmp_path, WELL, data=None)
    assert not training.possible
    with pytest.raises(Refusal) as refused:
        training.start("anna")
    assert refused.value.next == "serve with --data DATA"
