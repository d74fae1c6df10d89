"""Retraining from the models page: one candidate at a time, trained by a child process of low priority.

The child is `platewatch retrain`. Its stderr gives the progress, its stdout the candidate. The child exits when its
stdin closes, so it never outlives the station.
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
from platewatch.line import candidates, comparison, part_types
from platewatch.line.candidates import Material
from platewatch.line.comparison import Comparison
from platewatch.line.model_registry import ModelRegistry
from platewatch.line.part_type_models import PartTypeModels
from platewatch.records import Records
from platewatch.station.problem_details import RequestError
from platewatch.station.settings import Settings

log = logging.getLogger("platewatch.station")

_NICE = 10  # priority of the child: judging plates comes first
_GRACE_S = 5.0  # from terminating the child to killing it
_LOG_LINES = 20  # last lines of stderr, kept as the reason of a failure


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
    """A retraining: running, finished with a candidate, or failed with a reason."""

    actor: str
    began: float
    part_type: str = ""
    stages: tuple[Stage, ...] = ()
    findings: tuple[str, ...] = ()
    """What preflight found in the training photographs, a sentence each."""
    ended: float | None = None
    challenger: str | None = None
    """Id of the candidate; its comparison is a file in the models folder."""
    failed: str | None = None

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self.ended is None

    @property
    def outcome(self) -> dict[str, str | None]:
        """How it ended, as the live event `model`."""
        return {"challenger": self.challenger, "failed": self.failed}


class RetrainingRuns:
    """Starts retrainings one at a time and keeps the last one's state; thread-safe."""

    def __init__(
        self, models: ModelRegistry | PartTypeModels, settings: Settings, notify: Callable[[Run], None]
    ) -> None:
        """`notify` is called with each run that has ended."""
        self._models, self._settings, self._notify = PartTypeModels.of(models), settings, notify
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._material: dict[str, tuple[tuple[int, str], Material]] = {}
        self.run: Run | None = None
        self.program: tuple[str, ...] = (sys.executable, "-m", "platewatch")

    def run_of(self, part_type: str) -> Run | None:
        """The running or last retraining if it is of this part type."""
        return self.run if self.run is not None and self.run.part_type == part_type else None

    def data_of(self, part_type: str) -> Path | None:
        """The training photographs of the part type's model; None when the station was not given them."""
        if self._settings.record_url is None:
            return None
        if not part_type:
            return self._settings.data
        folder = self._models.folder
        return None if folder is None else folder.data_of(folder.get(part_type))

    def material(self, records: Records, part_type: str = "") -> Material:
        """The reviewed plates by use; computed again after a new review or a change of the model in service."""
        manifest = self._models.registry(part_type).serving()
        key = records.last_review(), manifest.model_id
        known = self._material.get(part_type)
        if known is None or known[0] != key:
            known = self._material[part_type] = key, candidates.gather(records, manifest, part_type)
        return known[1]

    def start(self, actor: str, part_type: str = "") -> Run:
        """Start training a candidate; raises RequestError 409 without training photographs or while one is trained."""
        models, data, record_url = self._models.registry(part_type), self.data_of(part_type), self._settings.record_url
        if data is None or record_url is None:
            what, expected = "no training photographs", "the photographs that the model was trained on"
            how = f"name them as data in {part_types.FILE}" if part_type else "serve with --data DATA"
            raise RequestError(409, "no_data", what, expected=expected, next=how)
        with self._lock:
            if self.run is not None and self.run.running:
                what = "a candidate is being trained"
                raise RequestError(409, "training", what, expected="one at a time", next="wait until it ends")
            self._process = self._spawn(actor, models, data, record_url)
            self.run = Run(actor, time.time(), part_type)
        threading.Thread(target=self._follow, args=(self._process,), name="retraining", daemon=True).start()
        return self.run

    def stop(self) -> None:
        """End a running training; the child removes what it has written."""
        process = self._process
        if process is None or process.poll() is not None:
            return
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE_S)
            return
        process.kill()

    def _spawn(self, actor: str, models: ModelRegistry, data: Path, record_url: str) -> "subprocess.Popen[str]":
        photographs = self._settings.photographs
        command = [*self.program, "retrain", str(models.folder), str(data), "--models", str(models.models_folder)]
        command += ["--actor", actor, "--json", "--progress-lines", "--until-stdin-ends"]
        command += ["--part-type", models.part_type] if models.part_type else []
        command += [] if photographs is None else ["--photographs", str(photographs)]
        process = subprocess.Popen(  # noqa: S603 - our own command; the record's URL may hold a password, so it is not an argument
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PLATEWATCH_RECORDS": record_url},
        )
        with suppress(OSError, AttributeError):  # not available on every system
            os.setpriority(os.PRIO_PROCESS, process.pid, _NICE)
        return process

    def _follow(self, process: "subprocess.Popen[str]") -> None:
        """Read the child's output until it ends."""
        assert process.stderr is not None and process.stdout is not None  # noqa: S101, PT018 - both are pipes
        messages: list[str] = []
        output: list[str] = []
        reader = threading.Thread(target=lambda: output.append(process.stdout.read()))  # type: ignore[union-attr]
        reader.start()
        with process:  # closes its pipes
            for line in process.stderr:
                if not self._advance(line):
                    messages = [*messages[-_LOG_LINES:], line.strip()]
            reader.join()
        self._end(process.returncode, "".join(output), messages)

    def _advance(self, line: str) -> bool:
        """Store a line of progress or a finding of preflight; False for any other line."""
        try:
            values = json.loads(line)
            if "finding" in values:
                return self._note(str(values["finding"]))
            name, done, total = str(values["stage"]), int(values["done"]), int(values["total"])
        except (ValueError, KeyError, TypeError):
            return False
        with self._lock:
            assert self.run is not None  # noqa: S101 - a run was started
            stages = {stage.name: stage for stage in self.run.stages}
            began = stages[name].began if name in stages else time.time()
            stages[name] = Stage(name, done, total, began)
            self.run = replace(self.run, stages=tuple(stages.values()))
        return True

    def _note(self, finding: str) -> bool:
        with self._lock:
            assert self.run is not None  # noqa: S101 - a run was started
            self.run = replace(self.run, findings=(*self.run.findings, finding))
        return True

    def _end(self, code: int, output: str, messages: list[str]) -> None:
        """Store how the run ended and notify."""
        candidate, failed = None, None
        try:
            candidate = str(json.loads(output)["challenger"]["model_id"])
        except (ValueError, KeyError, TypeError):
            failed = next((line for line in reversed(messages) if line), f"the training ended with code {code}")
            failed = failed.removeprefix("error: ")
            log.warning("retraining failed: %s", failed)
        with self._lock:
            assert self.run is not None  # noqa: S101 - a run was started
            self.run = replace(self.run, ended=time.time(), challenger=candidate, failed=failed)
        self._notify(self.run)


def comparison_of(models_folder: Path, model_id: str) -> Comparison | None:
    """The comparison of an available model; None when it was never a candidate or the file is damaged."""
    try:
        return comparison.read(comparison.file_of(models_folder, model_id))
    except ModelError as error:
        log.warning("%s", error)
        return None


def require_accepted(models_folder: Path, model_id: str) -> None:
    """Raise RequestError 409 for a candidate that its comparison refused."""
    found = comparison_of(models_folder, model_id)
    if found is not None and not found.accepted:
        what = f"model {model_id} {found.refused[0]}"
        raise RequestError(
            409, "worse", what, expected="a model that is not worse", next="retrain with more reviewed plates"
        )
