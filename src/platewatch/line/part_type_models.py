"""The models of a line by part type: one without a name that stays in memory, and those that are loaded on demand."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from platewatch.errors import NotFound, PlatewatchError
from platewatch.line import part_types
from platewatch.line.loaded_models import Leases, LoadedModels
from platewatch.line.model_registry import ModelRegistry
from platewatch.line.part_types import PartType, PartTypeFolder
from platewatch.model import model_folder
from platewatch.model.inspector import Inspector
from platewatch.records import Records

ACTOR = "part-type.json"
"""The actor of a model that somebody wrote into a part type's file."""

Stamp = tuple[int, int, int]


@dataclass
class _Known:
    """A part type whose file was read, as it was then."""

    stamp: Stamp
    models: ModelRegistry


class PartTypeModels:
    """The model registry of each part type; follows the files of the part types. Thread-safe."""

    def __init__(
        self,
        unnamed: ModelRegistry | None,
        folder: PartTypeFolder | None = None,
        loaded: LoadedModels | None = None,
        records: Records | None = None,
    ) -> None:
        """`unnamed` judges photographs without a part type; None: they are refused.

        `records` gets an event when a file names another model than before.
        """
        self._unnamed, self.folder, self.loaded, self._records = unnamed, folder, loaded, records
        self._known: dict[str, _Known] = {}
        self._lock = threading.RLock()

    @classmethod
    def of(cls, models: "ModelRegistry | PartTypeModels") -> "PartTypeModels":
        """A line with this model alone, unless it has part types already."""
        return models if isinstance(models, PartTypeModels) else cls(models)

    def names(self) -> tuple[str, ...]:
        """The names of all part types, `""` first where there is one without a name."""
        return (*(() if self._unnamed is None else ("",)), *(() if self.folder is None else self.folder.names()))

    def registry(self, name: str) -> ModelRegistry:
        """The registry of a part type; raises UnknownPartType, InputError for a damaged file, and ModelError."""
        if not name and self._unnamed is not None:
            return self._unnamed
        if self.folder is None or not name:
            raise part_types.unknown(name, self.names())
        with self._lock:
            return self._followed(self.folder, name)

    def all(self) -> Iterator[tuple[str, ModelRegistry]]:
        """Every part type with its registry; those that cannot be judged are left out."""
        for name in self.names():
            try:
                yield name, self.registry(name)
            except PlatewatchError:
                continue

    def lend(self, name: str) -> Leases:
        """The part type's model in service once it is loaded; every lease must be ended. Raises as `registry`."""
        return self.registry(name).lend()

    @contextmanager
    def with_id(self, model_id: str) -> Iterator[Inspector]:
        """The model with that id, whichever part type it is of, to explain a plate that it judged; raises NotFound."""
        with self._holder(model_id).with_id(model_id) as inspector:
            yield inspector

    def manifest(self, model_id: str) -> model_folder.Manifest:
        """The manifest of the model with that id; raises NotFound, ModelError."""
        return self._holder(model_id).manifest(model_id)

    def problems(self) -> Iterator[tuple[str, str]]:
        """Each part type that cannot be judged now, with the reason."""
        for name in self.names():
            try:
                self.registry(name).check()
            except PlatewatchError as error:
                yield name, str(error)

    def as_dict(self) -> list[dict[str, Any]]:
        """Each part type's model, and whether it is in memory, as plain JSON values."""
        return [
            {"part_type": name, "model_id": models.model_id, "loaded": models.is_loaded}
            for name, models in self.all()
        ]

    def stop(self) -> None:
        """Load no further models."""
        if self.loaded is not None:
            self.loaded.stop()

    def _holder(self, model_id: str) -> ModelRegistry:
        """The registry that has a model: one in service first."""
        every = [models for _, models in self.all()]
        serving = [models for models in every if models.model_id == model_id]
        if serving:
            return serving[0]
        for models in every:
            if any(each.model_id == model_id for each in models.available()):
                return models
        raise NotFound(f"model {model_id}", "not available", expected="one that is here", remedy="put its folder there")

    def _followed(self, folder: PartTypeFolder, name: str) -> ModelRegistry:
        """The registry of a part type as its file is now; with the lock."""
        stamp = _stamp(folder.folder / name / part_types.FILE)
        known = self._known.get(name)
        if known is not None and known.stamp == stamp:
            return known.models
        found = folder.get(name)
        if known is None:
            known = self._known[name] = _Known(stamp, self._opened(folder, found))
        elif self._records is not None:
            known.models.take(folder.model_of(found), ACTOR, self._records)
        known.stamp = stamp
        return known.models

    def _opened(self, folder: PartTypeFolder, found: PartType) -> ModelRegistry:
        assert self.loaded is not None  # noqa: S101 - a folder of part types comes with it
        models = ModelRegistry(
            folder.model_of(found),
            part_type=found.name,
            on_demand=self.loaded,
            keep=lambda model: folder.use(found.name, model),
        )
        if self._records is not None:
            models.note(ACTOR, self._records)
        return models


def _stamp(path: Path) -> Stamp:
    """Number, size and time of change of a file; zeros when it is not there."""
    try:
        found = path.stat()
    except OSError:
        return 0, 0, 0
    return found.st_ino, found.st_size, found.st_mtime_ns
