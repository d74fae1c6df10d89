"""The models of a line by part type: one without a name that stays in memory, and those that are loaded on demand."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from platewatch.errors import InputError, ModelError, NoModel, NotFound, PlatewatchError, RecordError, UnknownPartType
from platewatch.line import part_types
from platewatch.line.available_models import manifest_of
from platewatch.line.loaded_models import Leases, LoadedModels
from platewatch.line.model_registry import ACTIVATED, ModelRegistry
from platewatch.line.part_types import PartType, PartTypeFolder
from platewatch.line.protections import looser
from platewatch.model import model_folder
from platewatch.model.good_examples import GoodExamples
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
        unnamed: ModelRegistry,
        folder: PartTypeFolder | None = None,
        loaded: LoadedModels | None = None,
        records: Records | None = None,
    ) -> None:
        """`unnamed` judges photographs without a part type; without a model, and where others are, they are refused.

        `records` gets an event when a file names another model than before.
        """
        self.unnamed, self.folder, self.loaded, self._records = unnamed, folder, loaded, records
        self._known: dict[str, _Known] = {}
        self._lock = threading.RLock()

    @classmethod
    def of(cls, models: "ModelRegistry | PartTypeModels") -> "PartTypeModels":
        """A line with this model alone, unless it has part types already."""
        return models if isinstance(models, PartTypeModels) else cls(models)

    def names(self) -> tuple[str, ...]:
        """The names of all part types; `""` first where there is one without a name, and where there is no other."""
        named = () if self.folder is None else self.folder.names()
        return ("", *named) if self.unnamed.has_model or not named else named

    @property
    def is_empty(self) -> bool:
        """Whether there is no model yet, neither of a part type nor without one."""
        return not self.unnamed.has_model and not any(self.names())

    def registry(self, name: str) -> ModelRegistry:
        """The registry of a part type; raises UnknownPartType, and ModelError also for a damaged file of it."""
        if not name and (self.unnamed.has_model or not self.names()[0]):
            return self.unnamed
        if self.folder is None or not name:
            raise part_types.unknown(name, self.names())
        try:
            with self._lock:
                return self._followed(self.folder, name)
        except (UnknownPartType, RecordError):
            raise
        except ModelError as error:  # without the path: GET /healthz is open to all
            where = f"part type {name}: model {Path(error.where).name}"
            raise ModelError(where, error.what, expected=error.expected, remedy=error.remedy) from error
        except InputError as error:
            where = f"part type {name}: {Path(error.where).name}"
            raise ModelError(where, error.what, expected=error.expected, remedy=error.remedy) from error

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

    def good_examples(self, model_id: str) -> GoodExamples:
        """The good photographs that the folder of the model with that id keeps; raises NotFound, ModelError."""
        return self._holder(model_id).good_examples(model_id)

    def require_own(self, name: str, model_id: str, *, reason: str = "") -> None:
        """Raise InputError, unless there is a reason, when the model is in service for another part type."""
        others = [] if reason.strip() else [other for other, models in self.all() if models.model_id == model_id]
        if others and name not in others:
            whose = f"part type {others[0]}" if others[0] else "photographs without a part type"
            what = f"in service for {whose}"
            raise InputError(f"model {model_id}", what, expected="one of this part type", remedy="or give a reason")

    def add(self, name: str, model: Path, actor: str, *, reason: str = "", **settings: Any) -> PartType:
        """Add a part type with this model in service, with its events in the record; `settings` as `PartTypeFolder`.

        Raises InputError, ModelError, OutputError. One that was removed before comes back with looser limits only for a
        reason, and a model that is in service for another part type is taken only for a reason.
        """
        folder, records = self._writable()
        made, picture = folder.make(name, model, **settings)
        manifest = model_folder.load_manifest(model)
        self.require_own(name, manifest.model_id, reason=reason)
        loosened = self._looser_than_before(folder, name, manifest)
        if loosened and not reason.strip():
            what = f"loosens limits that the removed one had, and no reason is given: {loosened}"
            raise InputError(f"part type {name}", what, expected="a reason", remedy="give one, or use another model")
        details = {"part_type": name, "model_id": manifest.model_id, "folder": model.name, "reason": reason}
        records.event(part_types.ADDED, actor, details)
        records.event(ACTIVATED, actor, details | {"before": "", "command": manifest.model_id, "loosened": loosened})
        folder.add(made, picture)
        return made

    def use(self, name: str, model: str, actor: str, records: Records, *, reason: str = "") -> str:
        """Take a model, by its id or its folder, into service for a part type; returns the id of the one before.

        Raises as `ModelRegistry.activate`; InputError too when another part type's model is taken without a reason.
        """
        models = self.registry(name)
        folder = Path(model) if Path(model).is_dir() else None
        model_id = model if folder is None else model_folder.load_manifest(folder).model_id
        if name:
            self.require_own(name, model_id, reason=reason)
        return models.activate(model_id, actor, records, reason=reason, folder=folder)

    def remove(self, name: str, actor: str) -> None:
        """Take a part type out, with an event in the record; its plates stay. Raises UnknownPartType, OutputError."""
        folder, records = self._writable()
        records.event(part_types.TAKEN_OUT, actor, {"part_type": folder.get(name).name})
        folder.remove(name)
        with self._lock:
            self._known.pop(name, None)

    def problems(self) -> Iterator[tuple[str, tuple[str, PlatewatchError]]]:
        """Each part type that cannot be judged now, with a code and the reason."""
        for name in self.names():
            try:
                self.registry(name).check()
            except PlatewatchError as error:
                yield name, ("no_model" if isinstance(error, NoModel) else "model_gone", error)

    def model_id(self, name: str) -> str:
        """Id of a part type's model in service; empty without one, and for a name that is not known."""
        try:
            return self.registry(name).model_id
        except PlatewatchError:
            return ""

    def summary(self) -> str:
        """The model without a part type and the names of part types, for a line on a terminal."""
        unnamed = self.unnamed.model_id
        named = [] if self.folder is None else self.folder.names()
        said = [f"model {unnamed}"] if unnamed else []
        return "; ".join(said + ([f"part types {', '.join(named)}"] if named else [])) or "no model yet"

    def as_dict(self) -> list[dict[str, Any]]:
        """Each part type's model, and whether it is in memory, as plain JSON values."""
        return [
            {"part_type": name, "model_id": models.model_id, "loaded": models.is_loaded} for name, models in self.all()
        ]

    def describe(self, name: str) -> dict[str, Any]:
        """One part type as plain JSON values; `problem` says why it cannot be judged, None when it can."""
        found: dict[str, Any] = dict.fromkeys(("model_id", "folder", "mm_per_px", "problem"))
        try:
            models = self.registry(name)
            found |= {"model_id": models.model_id or None, "folder": models.folder.name, "loaded": models.is_loaded}
            found["mm_per_px"] = self.folder.get(name).mm_per_px if self.folder is not None and name else None
            models.check()
        except PlatewatchError as error:
            found["problem"] = str(error)
        return {"name": name, "loaded": False} | found

    def stop(self) -> None:
        """Load no further models."""
        if self.loaded is not None:
            self.loaded.stop()

    def _writable(self) -> tuple[PartTypeFolder, Records]:
        if self.folder is None or self._records is None:
            raise InputError("part types", "no folder for them", remedy="name one with --part-types")
        return self.folder, self._records

    def _looser_than_before(self, folder: PartTypeFolder, name: str, manifest: model_folder.Manifest) -> str:
        """The limits that are looser than those of the part type of this name that was removed."""
        before = folder.before(name)
        try:
            return "" if before is None else "; ".join(looser(manifest_of(folder.model_of(before)), manifest))
        except ModelError:
            return ""

    def folder_of(self, model_id: str) -> Path:
        """The folder of an available model; raises NotFound."""
        models = self._holder(model_id)
        return next(each.folder for each in models.available() if each.model_id == model_id)

    def _holder(self, model_id: str) -> ModelRegistry:
        """The registry that has a model: one in service first."""
        every = [models for _, models in self.all()]
        every += [] if self.unnamed in every else [self.unnamed]
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
        models = self._opened(folder, found) if known is None else known.models
        if self._records is not None:
            models.follow(folder.model_of(found), ACTOR, self._records)
        self._known[name] = _Known(stamp, models)
        return models

    def _opened(self, folder: PartTypeFolder, found: PartType) -> ModelRegistry:
        assert self.loaded is not None  # noqa: S101 - a folder of part types comes with it
        return ModelRegistry(
            folder.model_of(found),
            part_type=found.name,
            on_demand=self.loaded,
            keep=lambda model: folder.use(found.name, model),
        )


def _stamp(path: Path) -> Stamp:
    """Number, size and time of change of a file; zeros when it is not there."""
    try:
        found = path.stat()
    except OSError:
        return 0, 0, 0
    return found.st_ino, found.st_size, found.st_mtime_ns
