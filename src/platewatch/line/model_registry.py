"""Model registry: the model in service, the available models, and changing from one to another."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platewatch
from platewatch.errors import ModelError, NoModel, NotFound, RecordError
from platewatch.line import protections
from platewatch.model import good_examples, model_folder
from platewatch.model.good_examples import GoodExamples
from platewatch.model.inspector import Inspector
from platewatch.records import Records

ACTIVATED = "model_activated"
"""The event in the record: `model_id` goes into service instead of `before`; `command` is the command line's model.

`loosened` has a sentence for each limit that is looser from then on."""

Load = Callable[[Path], Inspector]


@dataclass(frozen=True)
class AvailableModel:
    """A model folder that could be taken into service."""

    model_id: str
    folder: Path
    in_service: bool
    good_plates: int
    threshold: float

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON values; of the folder only its name."""
        return {
            "model_id": self.model_id,
            "folder": self.folder.name,
            "in_service": self.in_service,
            "good_plates": self.good_plates,
            "threshold": self.threshold,
        }


class ModelRegistry:
    """The model in service and the folder of available models; thread-safe."""

    def __init__(
        self,
        folder: Path | None,
        models_folder: Path | None = None,
        load: Load | None = None,
        *,
        signed_by: Sequence[Path] = (),
        all_phases: bool = False,
    ) -> None:
        """Load `folder` into service. `models_folder` defaults to its parent. Raises as platewatch.load.

        Without `folder`, which `models_folder` must be given for, there is no model until one is activated.
        With `all_phases` phase two is run also where it has no weight. Without a `load` of its own, models that none of
        the public keys in the files `signed_by` signed are refused.
        """
        if folder is None and models_folder is None:
            raise ValueError("neither a model nor a folder of models")
        self.models_folder = (models_folder or Path(folder or ".").resolve().parent).resolve()
        self.folder = self.models_folder if folder is None else folder.resolve()
        """The folder of the model in service; without a model the folder of models."""
        self.why_none = ""
        """Why the model that was in service before is not; empty when there was none."""
        self._load: Load = load or (
            lambda path: platewatch.load(path, threads=1, signed_by=signed_by, all_phases=all_phases)
        )
        self._inspector = None if folder is None else self._load(self.folder)
        self._command = self.model_id
        self._other: Inspector | None = None  # the last other model that was loaded, for old plates
        self._changing, self._lending = threading.Lock(), threading.Lock()

    @property
    def has_model(self) -> bool:
        """Whether a model is in service."""
        return self._inspector is not None

    @property
    def model_id(self) -> str:
        """Id of the model in service; empty without one."""
        return "" if self._inspector is None else self._inspector.manifest.model_id

    def inspector(self) -> Inspector:
        """The model in service; raises NoModel without one.

        Raises ModelError while its folder is missing, because its verdicts could not be replayed.
        """
        inspector = self.loaded()
        if not (self.folder / model_folder.MANIFEST).is_file():
            raise ModelError(
                f"model {self.folder.name}",
                "its folder is missing",
                expected=f"{model_folder.MANIFEST} in it",
                remedy="restore it, or take another model into service",
            )
        return inspector

    def loaded(self) -> Inspector:
        """The model in service as it is in memory, also when its folder is missing; raises NoModel without one."""
        if self._inspector is None:
            before = f": the one before is not taken into service: {self.why_none}" if self.why_none else ""
            raise NoModel("", f"no model yet{before}", remedy="an engineer makes the first one on the page First model")
        return self._inspector

    def available(self) -> tuple[AvailableModel, ...]:
        """The available models and the one in service, by folder name; damaged ones are left out."""
        folders = {path.parent.resolve() for path in self.models_folder.glob(f"*/{model_folder.MANIFEST}")}
        folders |= {self.folder} if self.has_model else set()
        found = []
        for folder in sorted(folders):
            try:
                manifest = model_folder.load_manifest(folder)
            except ModelError:
                continue
            here = folder == self.folder
            good = len(manifest.calibration)
            found.append(AvailableModel(manifest.model_id, folder, here, good, manifest.threshold))
        return tuple(found)

    def with_id(self, model_id: str) -> Inspector:
        """The model with that id, to explain a plate that it judged; raises NotFound."""
        if self._inspector is not None and model_id == self.model_id:
            return self._inspector
        with self._lending:
            if self._other is None or self._other.manifest.model_id != model_id:
                self._other = self._load(self._find(model_id))
            return self._other

    def manifest(self, model_id: str) -> model_folder.Manifest:
        """The manifest of the model with that id, without loading its detectors; raises NotFound, ModelError."""
        return self.loaded().manifest if model_id == self.model_id else model_folder.load_manifest(self._find(model_id))

    def good_examples(self, model_id: str) -> GoodExamples:
        """The good photographs that the folder of the model with that id keeps; raises NotFound, ModelError."""
        folder = self.folder if model_id == self.model_id else self._find(model_id)
        return good_examples.load(folder, self.manifest(model_id))

    def activate(self, model_id: str, actor: str, records: Records, *, reason: str = "") -> str:
        """Take the model into service from the next plate on, and write the event; returns the id of the one before.

        Raises NotFound, ModelError when it is damaged, RecordError when the event cannot be written: nothing changes.
        """
        with self._changing:
            before = self.model_id
            if model_id == before:
                return before
            folder = self._find(model_id)
            inspector = self._load(folder)
            details = {"model_id": model_id, "before": before, "command": self._command, "folder": folder.name}
            details["loosened"] = "; ".join(self._looser(folder))
            records.event(ACTIVATED, actor, {**details, "reason": reason})
            self.folder, self._inspector = folder, inspector
            return before

    def resume(self, records: Records) -> str | None:
        """Take the last activated model into service; returns the reason if that failed.

        An activation holds until the command line names another model, and for good where it names none.
        """
        try:
            last = next(iter(records.events(ACTIVATED, limit=1, station=records.station)), None)
            if last is None or (self._command and last.details.get("command") != self._command):
                return None
            folder = self._find(str(last.details["model_id"]))
            self._inspector, self.folder = self._load(folder), folder
        except (NotFound, ModelError, RecordError) as error:
            self.why_none = str(error)
            return self.why_none
        return None

    def _looser(self, folder: Path) -> tuple[str, ...]:
        """The limits that are looser in a model folder than in service; none when a manifest cannot be read."""
        if not self.has_model:
            return ()
        try:
            manifests = [model_folder.load_manifest(each) for each in (self.folder, folder)]
        except ModelError:
            return ()
        return protections.looser(*manifests)

    def _find(self, model_id: str) -> Path:
        for each in self.available():
            if each.model_id == model_id:
                return each.folder
        raise NotFound(
            f"model {model_id}", "not available", expected="one that GET /model lists", remedy="put its folder there"
        )
