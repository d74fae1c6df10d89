"""Model registry: the model in service, the available models, and changing from one to another."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import platewatch
from platewatch.errors import InputError, ModelError, NotFound, RecordError
from platewatch.line import protections
from platewatch.line.loaded_models import Lease, Leases, Load, LoadedModels
from platewatch.model import model_folder
from platewatch.model.inspector import Inspector
from platewatch.records import Event, Records

ACTIVATED = "model_activated"
"""The event in the record: `model_id` goes into service instead of `before`; `command` is the command line's model.

`loosened` has a sentence for each limit that is looser from then on. `part_type` is there where it has a name."""



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
    """The model in service of one part type and the folder of available models; thread-safe."""

    def __init__(
        self,
        folder: Path,
        models_folder: Path | None = None,
        load: Load | None = None,
        *,
        signed_by: Sequence[Path] = (),
        all_phases: bool = False,
        part_type: str = "",
        on_demand: LoadedModels | None = None,
        keep: Callable[[Path], object] = str,
    ) -> None:
        """Load `folder` into service. `models_folder` defaults to its parent. Raises as platewatch.load.

        With `all_phases` phase two is run also where it has no weight. Without a `load` of its own, models that none of
        the public keys in the files `signed_by` signed are refused. A part type with a name has its model `on_demand`:
        only the manifest is read here. `keep` writes down the folder of a model that is taken into service.
        """
        self.folder, self.part_type = folder.resolve(), part_type
        self.models_folder = self.folder.parent if models_folder is None else models_folder.resolve()
        self._load: Load = load or loader(signed_by, all_phases=all_phases)
        self._on_demand, self._keep = on_demand, keep
        self._inspector, self._manifest = self._opened(self.folder)
        self._command = self.model_id
        self._other: Inspector | None = None  # the last other model that was loaded, for old plates
        self._changing, self._lending = threading.Lock(), threading.Lock()

    @property
    def model_id(self) -> str:
        """Id of the model in service."""
        return self._manifest.model_id

    @property
    def manifest_in_service(self) -> model_folder.Manifest:
        """The manifest of the model in service as it was taken into service, also when its folder is missing."""
        return self._manifest

    def inspector(self) -> Inspector:
        """The model in service; raises ModelError while its folder is missing: its verdicts could not be replayed.

        A model that is loaded on demand may be waited for.
        """
        lease = self.lend().result()
        lease.end()
        return lease.inspector

    def check(self) -> None:
        """Raise ModelError while the folder of the model in service is missing."""
        if not (self.folder / model_folder.MANIFEST).is_file():
            raise ModelError(
                f"model {self.folder.name}",
                "its folder is missing",
                expected=f"{model_folder.MANIFEST} in it",
                remedy="restore it, or take another model into service",
            )

    def lend(self) -> Leases:
        """The model in service once it is loaded; every lease must be ended. Raises ModelError while it is missing."""
        self.check()
        if self._on_demand is None:
            lent = Leases()
            lent.set_result(Lease(self.loaded()))
            return lent
        return self._checked(self._on_demand.lend(self.folder), self.model_id)

    def loaded(self) -> Inspector:
        """The model in service as it is in memory, also when its folder is missing; only of one that stays there."""
        assert self._inspector is not None  # noqa: S101 - the model of a part type with a name is lent
        return self._inspector

    @property
    def is_loaded(self) -> bool:
        """Whether the model in service is in memory."""
        return self._on_demand is None or self._on_demand.is_loaded(self.folder)

    def available(self) -> tuple[AvailableModel, ...]:
        """The available models and the one in service, by folder name; damaged ones are left out."""
        folders = {self.folder} | {
            path.parent.resolve() for path in self.models_folder.glob(f"*/{model_folder.MANIFEST}")
        }
        found = []
        for folder in sorted(folders):
            try:
                manifest = _manifest(folder)
            except ModelError:
                continue
            here = folder == self.folder
            good = len(manifest.calibration)
            found.append(AvailableModel(manifest.model_id, folder, here, good, manifest.threshold))
        return tuple(found)

    @contextmanager
    def with_id(self, model_id: str) -> Iterator[Inspector]:
        """The model with that id, to explain a plate that it judged; raises NotFound, ModelError."""
        if self._on_demand is not None:
            with self._on_demand.lent(self._find(model_id)) as inspector:
                yield inspector
            return
        if model_id == self.model_id:
            yield self.loaded()
            return
        with self._lending:
            if self._other is None or self._other.manifest.model_id != model_id:
                self._other = self._load(self._find(model_id))
            other = self._other
        yield other

    def manifest(self, model_id: str) -> model_folder.Manifest:
        """The manifest of the model with that id, without loading its detectors; raises NotFound, ModelError."""
        return self._manifest if model_id == self.model_id else model_folder.load_manifest(self._find(model_id))

    def activate(self, model_id: str, actor: str, records: Records, *, reason: str = "") -> str:
        """Take the model into service from the next plate on, and write the event; returns the id of the one before.

        Raises NotFound, ModelError when it is damaged, RecordError when the event cannot be written: nothing changes.
        For a part type with a name, a model that loosens a limit is refused without a reason: InputError.
        """
        with self._changing:
            before = self.model_id
            if model_id == before:
                return before
            folder = self._find(model_id)
            inspector, manifest = self._opened(folder)
            loosened = "; ".join(self._looser(folder))
            if self.part_type and loosened and not reason.strip():
                what = f"loosens limits that protect, and no reason is given: {loosened}"
                raise InputError(f"model {model_id}", what, expected="a reason", remedy="give one, or keep the model")
            details = {"model_id": model_id, "before": before, "command": self._command, "folder": folder.name}
            details |= {"loosened": loosened, "reason": reason} | self.named()
            records.event(ACTIVATED, actor, details)
            self._keep(folder)
            self.folder, self._inspector, self._manifest = folder, inspector, manifest
            return before

    def resume(self, records: Records) -> str | None:
        """Take the last activated model into service; returns the reason if that failed.

        An activation holds until the command line names another model.
        """
        try:
            last = last_activation(records)
            if last is None or last.details.get("command") != self._command:
                return None
            folder = self._find(str(last.details["model_id"]))
            self._inspector, self._manifest = self._opened(folder)
            self.folder = folder
        except (NotFound, ModelError, RecordError) as error:
            return str(error)
        return None

    def take(self, folder: Path, actor: str, records: Records) -> None:
        """Take the model into service that somebody wrote into the part type's file, and write the event."""
        with self._changing:
            folder = folder.resolve()
            if folder != self.folder:
                inspector, manifest = self._opened(folder)
                self._write(folder, manifest.model_id, actor, records)
                self.folder, self._inspector, self._manifest = folder, inspector, manifest

    def note(self, actor: str, records: Records) -> None:
        """Write the event of a model that came into service by its file, unless the record has it."""
        self._write(self.folder, self.model_id, actor, records)

    def _write(self, folder: Path, model_id: str, actor: str, records: Records) -> None:
        last = last_activation(records, self.part_type)
        before = "" if last is None else str(last.details.get("model_id", ""))
        if before == model_id:
            return
        try:
            loosened = protections.looser(model_folder.load_manifest(self._find(before)), _manifest(folder))
        except (NotFound, ModelError):
            loosened = ()
        details = {"model_id": model_id, "before": before, "command": self._command, "folder": folder.name}
        records.event(ACTIVATED, actor, details | {"loosened": "; ".join(loosened), "reason": ""} | self.named())

    def named(self) -> dict[str, str]:
        """The part type as a detail of an event; nothing for the one without a name."""
        return {"part_type": self.part_type} if self.part_type else {}

    def _opened(self, folder: Path) -> tuple[Inspector | None, model_folder.Manifest]:
        """The model of a folder; of one that is loaded on demand the manifest alone."""
        if self._on_demand is not None:
            return None, model_folder.load_manifest(folder)
        inspector = self._load(folder)
        return inspector, inspector.manifest

    def _checked(self, lent: Leases, model_id: str) -> Leases:
        """The lease, unless the folder holds another model by now than the one that was taken into service."""
        checked = Leases()

        def check(done: Leases) -> None:
            error = done.exception()
            if error is not None:
                checked.set_exception(error)
            elif done.result().inspector.manifest.model_id == model_id:
                checked.set_result(done.result())
            else:
                done.result().end()
                what = f"holds another model than {model_id}, which was taken into service"
                remedy = "restore it, or take another model into service"
                checked.set_exception(ModelError(f"model {self.folder.name}", what, remedy=remedy))

        lent.add_done_callback(check)
        return checked

    def _looser(self, folder: Path) -> tuple[str, ...]:
        """The limits that are looser in a model folder than in service; none when a manifest cannot be read."""
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


def loader(signed_by: Sequence[Path] = (), *, all_phases: bool = False) -> Load:
    """Loads a folder for the line: one thread a plate."""
    return lambda path: platewatch.load(path, threads=1, signed_by=signed_by, all_phases=all_phases)


def _manifest(folder: Path) -> model_folder.Manifest:
    """The manifest of a folder, read again when its file changed: many part types have many models."""
    try:
        found = (folder / model_folder.MANIFEST).stat()
    except OSError:
        return model_folder.load_manifest(folder)
    return _known_manifest(folder, (found.st_ino, found.st_size, found.st_mtime_ns))


@lru_cache(maxsize=256)
def _known_manifest(folder: Path, _stamp: tuple[int, int, int]) -> model_folder.Manifest:
    return model_folder.load_manifest(folder)


def last_activation(records: Records, part_type: str = "") -> Event | None:
    """The newest event that took a model of this part type into service; None when there was none."""
    found = records.events(ACTIVATED)
    while found:
        for event in found:
            if event.details.get("part_type", "") == part_type:
                return event
        found = records.events(ACTIVATED, before=found[-1].id)
    return None
