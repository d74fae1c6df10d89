"""Retraining beside a running station: progress, one at a time, ended with the station."""

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
from platewatch.station.problem_details import RequestError
from platewatch.station.retraining_runs import RetrainingRuns
from platewatch.station.settings import Settings
from platewatch.station.training_child import Run, Stage
from waiting import GIVE_UP_S, eventually

WELL = """
import sys
print('{"stage": "training networks", "done": 1, "total": 2}', file=sys.stderr)
print("a warning", file=sys.stderr)
print('{"finding": "look at 003.png: blurred"}', file=sys.stderr)
print('{"stage": "training networks", "done": 2, "total": 2}', file=sys.stderr)
print('{"challenger": {"model_id": "ba9876543210"}}')
"""
BADLY = "import sys; sys.exit('error: reviewed plates: none new was called good')"
SLOWLY = """
import sys, time
print('{"stage": "reading photographs", "done": 1, "total": 2}', file=sys.stderr, flush=True)
time.sleep(1000)
"""


CHILD = """
import pathlib, signal, time
from platewatch.cli import shell
signal.signal(signal.SIGTERM, signal.default_int_handler)
shell.end_with_stdin()
try:
    pathlib.Path("began").touch()
    time.sleep(1000)
except KeyboardInterrupt:
    pathlib.Path("removed").touch()
"""
STATION = """
import pathlib, sys, time
import test_retraining_runs as tests
tests.runs_of(pathlib.Path(), tests.CHILD).start("anna")
time.sleep(1000)
"""


def runs_of(folder: Path, program: str, notify: Callable[[Run], None] = print, **changes: Any) -> RetrainingRuns:
    given: dict[str, Any] = {"data": folder, "record_url": "sqlite:///secret.db"} | changes
    serving = {"folder": folder / "model", "models_folder": folder, "model_id": "", "has_model": True, "part_type": ""}
    models = cast(ModelRegistry, SimpleNamespace(**serving))
    made = RetrainingRuns(models, Settings(**given), notify)
    made.child.program = (sys.executable, "-c", program)
    return made


def finished(folder: Path, program: str) -> Run:
    """How the program's run ended."""
    ended, runs = threading.Event(), list[Run]()

    def notify(run: Run) -> None:
        runs.append(run)
        ended.set()

    runs_of(folder, program, notify).start("anna")
    assert ended.wait(GIVE_UP_S)
    return runs[0]


def test_a_run_has_its_stages_and_at_the_end_the_candidate(tmp_path: Path) -> None:
    run = finished(tmp_path, WELL)
    assert (run.actor, run.running, run.challenger, run.failed) == ("anna", False, "ba9876543210", None)
    assert [(stage.name, stage.done, stage.total) for stage in run.stages] == [("training networks", 2, 2)]
    assert run.findings == ("look at 003.png: blurred",)


def test_a_failed_run_has_the_error_of_the_child(tmp_path: Path) -> None:
    run = finished(tmp_path, BADLY)
    assert (run.challenger, run.failed) == (None, "reviewed plates: none new was called good")


def test_the_record_s_url_is_not_in_the_child_s_arguments(tmp_path: Path) -> None:
    run = finished(tmp_path, "import os, sys; sys.exit(f'{os.environ[\"PLATEWATCH_RECORDS\"]} {sys.argv}')")
    assert run.failed is not None
    assert run.failed.startswith("sqlite:///secret.db [")
    assert run.failed.count("secret") == 1


def test_one_run_at_a_time_and_stop_ends_it(tmp_path: Path) -> None:
    training = runs_of(tmp_path, SLOWLY)
    training.start("anna")
    with pytest.raises(RequestError, match="is being trained"):
        training.start("bert")
    eventually(lambda: training.run and training.run.stages)
    training.stop()
    eventually(lambda: training.run and not training.run.running)
    assert training.run
    assert training.run.failed
    training.stop()  # has no effect


def test_a_killed_station_leaves_no_training_running(tmp_path: Path) -> None:
    paths = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    station = subprocess.Popen([sys.executable, "-c", STATION], cwd=tmp_path, env={**os.environ, "PYTHONPATH": paths})
    eventually((tmp_path / "began").exists)
    station.kill()
    station.wait()
    eventually((tmp_path / "removed").exists)


def test_the_child_gets_the_option_to_end_with_the_station(tmp_path: Path) -> None:
    run = finished(tmp_path, "import sys; sys.exit(' '.join(sys.argv))")
    assert run.failed is not None
    assert run.failed.endswith("--until-stdin-ends")


def test_without_training_photographs_the_error_names_the_option(tmp_path: Path) -> None:
    training = runs_of(tmp_path, WELL, data=None)
    assert training.data_of("") is None
    with pytest.raises(RequestError) as refused:
        training.start("anna")
    assert refused.value.next == "serve with --data DATA"


def test_the_time_left_goes_by_what_the_stages_take() -> None:
    began = time.time() - 100
    first = Stage("reading photographs", 50, 50, began)
    fitting = Stage("fitting the surface detector", 0, 1, began + 20)
    runs = [Run("anna", began), Run("anna", began, (first,)), Run("anna", began, (first, fitting))]
    ended = Run("anna", began, (first, fitting, Stage("comparing both models", 9, 9, time.time())))
    fractions = [run.fraction for run in (*runs, ended)]
    assert fractions == sorted(fractions)
    assert (fractions[0], fractions[-1]) == (0, 1)
    assert runs[0].left_s is None
    assert 0 < (runs[2].left_s or 0) < 1000, "without networks, whose part does not count"
