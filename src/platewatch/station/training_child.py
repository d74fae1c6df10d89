"""Training beside the station: one command of platewatch at a time, as a child process of low priority.

The child's stderr gives the progress, its stdout the result as JSON. The child exits when its stdin closes, so it never
outlives the station.
"""

import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from platewatch.station.problem_details import RequestError

log = logging.getLogger("platewatch.station")

_NICE = 10  # priority of the child: judging plates comes first
_GRACE_S = 5.0  # from terminating the child to killing it
_LOG_LINES = 20  # last lines of stderr, kept as the reason of a failure
CHILD_OPTIONS = ("--json", "--progress-lines", "--until-stdin-ends")
"""Options of every command that runs as such a child."""
_PARTS = {
    "reading photographs": 0.02,
    "looking for duplicates and outliers": 0.03,
    "training networks": 0.48,
    "exporting the folds": 0.02,
    "fitting the surface detector": 0.11,
    "weighing the surface's maps": 0.13,
    "scoring out of fold": 0.05,
    "sensitivity trials": 0.09,
    "illumination trials": 0.04,
    "writing the model": 0.02,
    "comparing both models": 0.01,
}
"""Fraction of the time that each stage of a training takes, measured (docs/log.md, "First model")."""
_MOST = 0.9  # of a stage that does not say how far it is

Result = Callable[[Any], str | None]
"""Takes the child's JSON and returns the id of the model that it trained, if any."""


@dataclass(frozen=True)
class Stage:
    """One stage of a training."""

    name: str
    done: int
    total: int
    began: float
    """Seconds since 1970."""


@dataclass(frozen=True)
class Run:
    """A training: running, finished with a model, or failed with a reason."""

    actor: str
    began: float
    stages: tuple[Stage, ...] = ()
    findings: tuple[str, ...] = ()
    """What preflight found in the training photographs, a sentence each."""
    ended: float | None = None
    challenger: str | None = None
    """Id of the trained model."""
    failed: str | None = None

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self.ended is None

    @property
    def seconds(self) -> float:
        """How long it has run."""
        return (self.ended or time.time()) - self.began

    @property
    def fraction(self) -> float:
        """Fraction that is done, by what the stages take; stages that were left out do not count."""
        last = self.stages[-1] if self.stages else None
        if last is None or last.name not in _PARTS:
            return 0.0
        names, seen = list(_PARTS), {stage.name for stage in self.stages}
        before = names[: names.index(last.name)]
        all_of_it = 1 - sum(_PARTS[name] for name in before if name not in seen)
        done, own = sum(_PARTS[name] for name in before if name in seen), _PARTS[last.name]
        expected_s = own * (last.began - self.began) / done if done else 0.0  # at the pace of the stages before
        passed = (self.ended or time.time()) - last.began
        part = max(last.done / max(1, last.total), min(_MOST, passed / expected_s) if expected_s else 0.0)
        return min(1.0, (done + own * part) / all_of_it)

    @property
    def left_s(self) -> float | None:
        """Seconds that are probably left; None while too little is known."""
        return None if self.fraction < 0.05 else self.seconds * (1 - self.fraction) / self.fraction

    @property
    def outcome(self) -> dict[str, str | None]:
        """How it ended, as the live event `model`."""
        return {"challenger": self.challenger, "failed": self.failed}


class TrainingChild:
    """Runs one command at a time and keeps the last one's state; thread-safe."""

    def __init__(self, notify: Callable[[Run], None], place: threading.Semaphore | None = None) -> None:
        """`notify` is called with each run that has ended. Those that share `place`, of one, take turns."""
        self._notify, self._place = notify, place or threading.Semaphore(1)
        self._lock, self._cancelled = threading.Lock(), ""
        self._process: subprocess.Popen[str] | None = None
        self.program: tuple[str, ...] = (sys.executable, "-m", "platewatch")
        self.run: Run | None = None

    def start(
        self, actor: str, arguments: Sequence[str], result: Result, environment: Mapping[str, str] | None = None
    ) -> Run:
        """Start the command; raises RequestError 409 while another one runs."""
        if not self._place.acquire(blocking=False):
            what = "a model is being trained"
            raise RequestError(409, "training", what, expected="one at a time", next="wait until it ends")
        try:
            with self._lock:
                self._cancelled = ""
                process = self._process = self._spawn(arguments, environment or {})
                run = self.run = Run(actor, time.time())
            threading.Thread(target=self._follow, args=(process, result), name="training", daemon=True).start()
        except BaseException:
            self._place.release()
            raise
        return run

    def cancel(self, actor: str) -> None:
        """End a running command because a person wants it; has no effect when none runs."""
        self._cancelled = actor
        self.stop()

    def stop(self) -> None:
        """End a running command; the child removes what it has written."""
        process = self._process
        if process is None or process.poll() is not None:
            return
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE_S)
            return
        process.kill()

    def _spawn(self, arguments: Sequence[str], environment: Mapping[str, str]) -> "subprocess.Popen[str]":
        process = subprocess.Popen(  # noqa: S603 - our own command
            [*self.program, *arguments, *CHILD_OPTIONS],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )
        with suppress(OSError, AttributeError):  # not available on every system
            os.setpriority(os.PRIO_PROCESS, process.pid, _NICE)
        return process

    def _follow(self, process: "subprocess.Popen[str]", result: Result) -> None:
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
        self._end(process.returncode, "".join(output), messages, result)

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

    def _end(self, code: int, output: str, messages: list[str], result: Result) -> None:
        """Store how the run ended and notify."""
        trained, failed = None, None
        try:
            trained = result(json.loads(output))
        except (ValueError, KeyError, TypeError):
            failed = next((line for line in reversed(messages) if line), f"the training ended with code {code}")
            failed = f"cancelled by {self._cancelled}" if self._cancelled else failed.removeprefix("error: ")
            log.warning("training failed: %s", failed)
        except Exception as error:  # of what is done with the result
            log.exception("the training's result cannot be used")
            failed = str(error)
        with self._lock:
            assert self.run is not None  # noqa: S101 - a run was started
            run = self.run = replace(self.run, ended=time.time(), challenger=trained, failed=failed)
        self._place.release()
        self._notify(run)
