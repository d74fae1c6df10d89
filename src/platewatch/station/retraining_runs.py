"""Retraining from the page: one challenger at a time, trained by a process of its own, so that plates come first.

The process is `platewatch retrain`; what it says on stderr is shown as progress, and what it ends with is kept. Its
stdin is a pipe that ends with the station, however that ends, and the training with it.
"""

import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from platewatch.errors import ModelError
from platewatch.line import candidates, comparison
from platewatch.line.candidates import Material
from platewatch.line.comparison import Comparison
from platewatch.line.model_registry import ModelRegistry
from platewatch.records import Records
from platewatch.station.problem_details import Refusal
from platewatch.station.settings import Settings

log = logging.getLogger("platewatch.station")

_NICE = 10  # plates are judged before networks are trained
_GRACE_S = 5.0
_KEPT = 20  # lines of stderr that are kept to say why it failed


@dataclass(frozen=True)
class Stage:
    """One stage of a retraining."""

    name: str
    done: int
    total: int
    began: float
    """Seconds since 1970."""


@dataclass(frozen=True)
class Run:
    """A retraining: running, ended well, or failed with a reason."""

    actor: str
    began: float
    stages: tuple[Stage, ...] = ()
    ended: float | None = None
    challenger: str | None = None
    """The model's id; its comparison lies on the shelf."""
    failed: str | None = None

    @property
    def running(self) -> bool:
        """Whether it is still going on."""
        return self.ended is None

    @property
    def outcome(self) -> dict[str, str | None]:
        """How it ended, for the pages."""
        return {"challenger": self.challenger, "failed": self.failed}


class RetrainingRuns:
    """Starts retrainings and knows how the last one went; safe to share by threads."""

    def __init__(self, models: ModelRegistry, settings: Settings, told: Callable[[Run], None]) -> None:
        """`told` hears when a retraining has ended."""
        self._models, self._settings, self._told = models, settings, told
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._material: tuple[tuple[int, str], Material] | None = None
        self.run: Run | None = None
        self.program: tuple[str, ...] = (sys.executable, "-m", "platewatch")

    @property
    def possible(self) -> bool:
        """Whether the station knows the photographs that its model learned from."""
        return self._settings.data is not None and self._settings.record_url is not None

    def material(self, records: Records) -> Material:
        """The reviewed plates, sorted anew when anything was said, or another model serves, since the last time."""
        manifest = self._models.loaded().manifest
        key = records.last_review(), manifest.model_id
        if self._material is None or self._material[0] != key:
            self._material = key, candidates.gather(records, manifest)
        return self._material[1]

    def start(self, actor: str) -> Run:
        """Begin to train a challenger to the model in service; raises Refusal while one is being trained."""
        if self._settings.data is None or self._settings.record_url is None:
            expected = "the photographs that the model learned from"
            raise Refusal(409, "no_data", "no training photographs", expected=expected, next="serve with --data DATA")
        with self._lock:
            if self.run is not None and self.run.running:
                done = "one at a time"
                raise Refusal(
                    409, "training", "a challenger is being trained", expected=done, next="wait until it ends"
                )
            self._process = self._spawn(actor, self._settings.data, self._settings.record_url)
            self.run = Run(actor, time.time())
        threading.Thread(target=self._watch, args=(self._process,), name="challenger", daemon=True).start()
        return self.run

    def stop(self) -> None:
        """End a training that is going on; what it began is cleared away by itself."""
        process = self._process
        if process is None or process.poll() is not None:
            return
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE_S)
            return
        process.kill()

    def _spawn(self, actor: str, data: Path, record_url: str) -> "subprocess.Popen[str]":
        models, photographs = self._models, self._settings.photographs
        command = [*self.program, "retrain", str(models.folder), str(data), "--models", str(models.models_folder)]
        command += ["--actor", actor, "--json", "--progress-lines", "--until-stdin-ends"]
        command += [] if photographs is None else ["--photographs", str(photographs)]
        process = subprocess.Popen(  # noqa: S603 - our own command; the record's URL may hold a password: no argument
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PLATEWATCH_RECORDS": record_url},
        )
        with suppress(OSError, AttributeError):  # no such thing on every system
            os.setpriority(os.PRIO_PROCESS, process.pid, _NICE)
        return process

    def _watch(self, process: "subprocess.Popen[str]") -> None:
        assert process.stderr is not None and process.stdout is not None  # noqa: S101, PT018 - both are pipes
        said: list[str] = []
        answer: list[str] = []
        reader = threading.Thread(target=lambda: answer.append(process.stdout.read()))  # type: ignore[union-attr]
        reader.start()
        with process:  # its pipes are closed
            for line in process.stderr:
                if not self._advance(line):
                    said = [*said[-_KEPT:], line.strip()]
            reader.join()
        self._end(process.returncode, "".join(answer), said)

    def _advance(self, line: str) -> bool:
        """Take a line of progress; False for any other line."""
        try:
            values = json.loads(line)
            name, done, total = str(values["stage"]), int(values["done"]), int(values["total"])
        except (ValueError, KeyError, TypeError):
            return False
        with self._lock:
            assert self.run is not None  # noqa: S101 - it was begun
            stages = {stage.name: stage for stage in self.run.stages}
            began = stages[name].began if name in stages else time.time()
            stages[name] = Stage(name, done, total, began)
            self.run = replace(self.run, stages=tuple(stages.values()))
        return True

    def _end(self, code: int, answer: str, said: list[str]) -> None:
        challenger, failed = None, None
        try:
            challenger = str(json.loads(answer)["challenger"]["model_id"])
        except (ValueError, KeyError, TypeError):
            failed = next((line for line in reversed(said) if line), f"the training ended with code {code}")
            failed = failed.removeprefix("error: ")
            log.warning("retraining failed: %s", failed)
        with self._lock:
            assert self.run is not None  # noqa: S101 - it was begun
            self.run = replace(self.run, ended=time.time(), challenger=challenger, failed=failed)
        self._told(self.run)


def comparison_of(models_folder: Path, model_id: str) -> Comparison | None:
    """How a model on the shelf fared as a challenger; None when it was none, or its file is damaged."""
    try:
        return comparison.read(comparison.file_of(models_folder, model_id))
    except ModelError as error:
        log.warning("%s", error)
        return None


def check(models_folder: Path, model_id: str) -> None:
    """Raise Refusal for a challenger that the gate refused."""
    found = comparison_of(models_folder, model_id)
    if found is not None and not found.accepted:
        what = f"model {model_id} {found.refused[0]}"
        raise Refusal(409, "worse", what, expected="a model that is no worse", next="retrain with more reviewed plates")
