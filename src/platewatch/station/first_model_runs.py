"""The draft of a model and the child that checks its photographs or trains it."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from platewatch.errors import InputError
from platewatch.line.drafts import FEWEST, Drafts
from platewatch.photographs import reading
from platewatch.station.problem_details import RequestError
from platewatch.station.settings import Settings
from platewatch.station.training_child import Run, TrainingChild

Step = Literal["name", "photographs", "check", "training", "card"]
_FEWEST_TO_CHECK = 3  # the page says how many training needs


class FirstModelRuns:
    """The draft, its step, and the running or last check or training of it; thread-safe."""

    def __init__(self, settings: Settings, notify: Callable[[Run], None], place: threading.Semaphore) -> None:
        """`notify` is called with each run that has ended; `place` is the one of TrainingChild."""
        self._config = settings.training_config
        self.drafts = Drafts(settings.training or Path("platewatch.training"))
        self.child = TrainingChild(notify, place)
        self._is_training = False

    @property
    def run(self) -> Run | None:
        """The running or last check or training of the draft; None after a restart."""
        return self.child.run

    @property
    def running(self) -> bool:
        """Whether a check or a training runs."""
        return self.run is not None and self.run.running

    def step(self) -> Step:
        """Where the draft is."""
        draft = self.drafts.current()
        if draft is None:
            return "name"
        if draft.training:
            return "training"
        if self.drafts.model is not None:
            return "card"
        return "photographs" if draft.report is None else "check"

    def require_idle(self) -> None:
        """Raise RequestError 409 while a check or a training runs."""
        if self.running:
            what = "the photographs are being checked or learned from"
            raise RequestError(409, "training", what, expected="a draft at rest", next="wait until it ends, or cancel")

    def add(self, name: str | None, data: bytes) -> str:
        """Store a photograph; raises InputError for a file that is none."""
        self.require_idle()
        if reading.dimensions(data) is None:
            reading.raster(data, name or "the file")  # raises with the reason
            raise InputError(name or "the file", "is no photograph", remedy="leave it out")
        return self.drafts.add(name, data)

    def check(self, actor: str, group: str) -> None:
        """Have preflight look at the photographs that were not left out; raises InputError, RequestError 409."""
        self.require_idle()
        if len(self.drafts.used()) < _FEWEST_TO_CHECK:
            expected = f"at least {FEWEST}"
            raise InputError("draft", "too few photographs", expected=expected, remedy="add photographs of good parts")
        command = ["preflight", str(self.drafts.lay_out()), "--min-images", str(_FEWEST_TO_CHECK)]
        self._is_training = False
        self.child.start(actor, [*command, *self._options(group)], lambda found: self._checked(found, group))

    def train(self, actor: str) -> None:
        """Train on the photographs that were not left out; raises NotFound, RequestError 409."""
        self.require_idle()
        data, out = self.drafts.lay_out(), self.drafts.model_out
        draft = self.drafts.change(training=True)
        self._is_training = True
        command = ["train", str(data), "--out", str(out), *self._options(draft.group)]
        try:
            self.child.start(actor, command, self._trained)
        except BaseException:
            self.drafts.change(training=False)
            raise

    def cancel(self, actor: str) -> None:
        """End the running check or training; the draft goes back to the step before."""
        self.child.cancel(actor)
        if self._is_training and self.drafts.current() is not None:
            self.drafts.change(training=False)

    def back(self) -> None:
        """Give up the trained model; without one, what preflight found."""
        self.require_idle()
        step = self.step()
        self.drafts.back()
        if step in ("card", "training"):
            self.drafts.change(training=False)
        elif step == "check":
            self.drafts.change(report=None)

    def discard(self, actor: str) -> None:
        """Remove the draft with its photographs, and end what runs."""
        self.child.cancel(actor)
        self.drafts.discard()

    def stop(self) -> None:
        """End what runs because the station stops; the draft stays."""
        self.child.stop()

    def _options(self, group: str) -> list[str]:
        config = [] if self._config is None else ["--config", str(self._config)]
        return [*config, *(["--group", group] if group else [])]

    def _checked(self, found: Any, group: str) -> None:
        self.drafts.change(report=found, group=group)

    def _trained(self, found: Any) -> str:
        self.drafts.change(training=False)
        return str(found["model_id"])
