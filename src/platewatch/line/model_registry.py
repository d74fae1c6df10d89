"""Model registry of one part type: the model in service, the available models, changing from one to another."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import platewatch
from platewatch.errors import InputError, ModelError, NoModel, NotFound, RecordError
from platewatch.line import available_models, protections
from platewatch.line.available_models import AvailableModel
from platewatch.line.loaded_models import Lease, Leases, Load, LoadedModels
from platewatch.model import good_examples, model_folder
from platewatch.model.good_examples import GoodExamples
from platewatch.model.inspector import Inspector
from platewatch.model.model_folder import Manifest
from platewatch.records import Event, Records

ACTIVATED = "model_activated"
"""The event in the record: `model_id` goes into service instead of `before`; `command` is the command line's model.

`loosened` has a sentence for each limit that is looser from then on. `part_type` is there where it has a name."""


class ModelRegistry:
    """The model in service of one part type and the folder of available models; thread-safe."""

    def __init__(
        self,
        folder: Path | None,
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

        Without `folder`, which `models_folder` must be given for, there is no model until one is activated.
        With `all_phases` phase two is run also where it has no weight. Without a `load` of its own, models that none of
        the public keys in the files `signed_by` signed are refused. A part type with a name has its model `on_demand`:
        only the manifest is read here. `keep` writes down the folder of a model that is taken into service.
        """
        if folder is None and models_folder is None:
            raise ValueError("neither a model nor a folder of models")
        self.part_type = part_type
        self.models_folder = (models_folder or Path(folder or ".").resolve().parent).resolve()
        self.folder = self.models_folder if folder is None else folder.resolve()
        """The folder of the model in service; without a model the folder of models."""
        self.why_none = ""
        """Why the model that was in service before is not; empty when there was none."""
        self._load: Load = load or loader(signed_by, all_phases=all_phases)
        self._on_demand, self._keep = on_demand, keep
        self._inspector: Inspector | None = None
        self._manifest: Manifest | None = None
        if folder is not None:
            self._inspector, self._manifest = self._opened(self.folder)
        self._command = self.model_id
        self._other: Inspector | None = None  # the last other model that was loaded, for old plates
        self._changing, self._lending = threading.Lock(), threading.Lock()

    @property
    def has_model(self) -> bool:
        """Whether a model is in service."""
        return self._manifest is not None

    @property
    def model_id(self) -> str:
        """Id of the model in service; empty without one."""
        return "" if self._manifest is None else self._manifest.model_id

    @property
    def is_loaded(self) -> bool:
        """Whether the model in service is in memory."""
        return self.has_model if self._on_demand is None else self._on_demand.is_loaded(self.folder)

    def serving(self) -> Manifest:
        """The manifest of the model in service, also when its folder is missing; raises NoModel without one."""
        if self._manifest is None:
            before = f": the one before is not taken into service: {self.why_none}" if self.why_none else ""
            raise NoModel("", f"no model yet{before}", remedy="an engineer makes the first one on the page First model")
        return self._manifest

    def loaded(self) -> Inspector:
        """The model in service as it is in memory, also when its folder is missing; raises NoModel without one.

        A model that is loaded on demand is lent instead.
        """
        self.serving()
        assert self._inspector is not None  # noqa: S101 - it is lent
        return self._inspector

    def check(self) -> None:
        """Raise ModelError while the model's folder is missing, as verdicts could not be replayed; NoModel without."""
        self.serving()
        if not (self.folder / model_folder.MANIFEST).is_file():
            raise ModelError(
                f"model {self.folder.name}",
                "its folder is missing",
                expected=f"{model_folder.MANIFEST} in it",
                remedy="restore it, or take another model into service",
            )

    def lend(self) -> Leases:
        """The model in service once it is loaded; every lease must be ended. Raises as `check`."""
        self.check()
        if self._on_demand is not None:
            return _checked(self._on_demand.lend(self.folder), self.folder, self.model_id)
        lent = Leases()
        lent.set_result(Lease(self.loaded()))
        return lent

    def inspector(self) -> Inspector:
        """The model in service, waited for where it is loaded on demand; raises as `check`."""
        lease = self.lend().result()
        lease.end()
        return lease.inspector

    def available(self) -> tuple[AvailableModel, ...]:
        """The available models and the one in service, by folder name; damaged ones are left out."""
        return available_models.among(self.models_folder, (self.folder,) if self.has_model else ())

    @contextmanager
    def with_id(self, model_id: str) -> Iterator[Inspector]:
        """The model with that id, to explain a plate that it judged; raises NotFound, ModelError."""
        if self._on_demand is not None:
            with self._on_demand.lent(self._find(model_id)) as inspector:
                yield inspector
            return
        if self._inspector is not None and model_id == self.model_id:
            yield self._inspector
            return
        with self._lending:
            if self._other is None or self._other.manifest.model_id != model_id:
                self._other = self._load(self._find(model_id))
            other = self._other
        yield other

    def manifest(self, model_id: str) -> Manifest:
        """The manifest of the model with that id, without loading its detectors; raises NotFound, ModelError."""
        in_service = self._manifest
        if in_service is not None and in_service.model_id == model_id:
            return in_service
        return model_folder.load_manifest(self._find(model_id))

    def good_examples(self, model_id: str) -> GoodExamples:
        """The good photographs that the folder of the model with that id keeps; raises NotFound, ModelError."""
        folder = self.folder if model_id == self.model_id else self._find(model_id)
        return good_examples.load(folder, self.manifest(model_id))

    def activate(
        self, model_id: str, actor: str, records: Records, *, reason: str = "", folder: Path | None = None
    ) -> str:
        """Take the model into service from the next plate on, and write the event; returns the id of the one before.

        It lies in `folder`, or is one of the available models.

        Raises NotFound, ModelError when it is damaged, RecordError when the event cannot be written: nothing changes.
        For a part type with a name, a model that loosens a limit is refused without a reason: InputError.
        """
        with self._changing:
            before = self.model_id
            if model_id == before:
                return before
            folder = self._find(model_id) if folder is None else folder.resolve()
            inspector, manifest = self._opened(folder)
            loosened = "; ".join(self._looser_than(before, manifest))
            if self.part_type and loosened and not reason.strip():
                what = f"loosens limits that protect, and no reason is given: {loosened}"
                raise InputError(f"model {model_id}", what, expected="a reason", remedy="give one, or keep the model")
            details = {"model_id": model_id, "before": before, "command": self._command, "folder": folder.name}
            records.event(ACTIVATED, actor, details | {"loosened": loosened, "reason": reason} | self.named())
            self._keep(folder)
            self.folder, self._inspector, self._manifest = folder, inspector, manifest
            return before

    def resume(self, records: Records) -> str | None:
        """Take the last activated model into service; returns the reason if that failed.

        An activation holds until the command line names another model, and for good where it names none.
        """
        try:
            last = last_activation(records)
            if last is None or (self._command and last.details.get("command") != self._command):
                return None
            folder = self._find(str(last.details["model_id"]))
            self._inspector, self._manifest = self._opened(folder)
            self.folder = folder
        except (NotFound, ModelError, RecordError) as error:
            self.why_none = str(error)
            return self.why_none
        return None

    def follow(self, folder: Path, actor: str, records: Records) -> None:
        """Take the model into service that a part type's file names, and write the event unless the record has it."""
        with self._changing:
            folder = folder.resolve()
            inspector, manifest = self._opened(folder)
            last = last_activation(records, self.part_type)
            before = "" if last is None else str(last.details.get("model_id", ""))
            if before != manifest.model_id:
                loosened = self._looser_than(before, manifest)
                details = {"model_id": manifest.model_id, "before": before, "command": self._command}
                details |= {"folder": folder.name, "loosened": "; ".join(loosened), "reason": ""}
                records.event(ACTIVATED, actor, details | self.named())
            self.folder, self._inspector, self._manifest = folder, inspector, manifest

    def named(self) -> dict[str, str]:
        """The part type as a detail of an event; nothing for the one without a name."""
        return {"part_type": self.part_type} if self.part_type else {}

    def _opened(self, folder: Path) -> tuple[Inspector | None, Manifest]:
        """The model of a folder; of one that is loaded on demand the manifest alone."""
        if self._on_demand is not None:
            return None, model_folder.load_manifest(folder)
        inspector = self._load(folder)
        return inspector, inspector.manifest

    def _looser_than(self, before: str, manifest: Manifest) -> tuple[str, ...]:
        """The limits that are looser than those of the model with the id `before`; none when it is not here."""
        try:
            return protections.looser(self.manifest(before), manifest)
        except (NotFound, ModelError):
            return ()

    def _find(self, model_id: str) -> Path:
        for each in self.available():
            if each.model_id == model_id:
                return each.folder
        raise NotFound(
            f"model {model_id}", "not available", expected="one that GET /model lists", remedy="put its folder there"
        )


def loader(signed_by: Sequence[Path] = (), *, all_phases: bool = False, threads: int = 1) -> Load:
    """What loads a model folder for a line: by default one thread a plate."""
    return lambda path: platewatch.load(path, threads=threads, signed_by=signed_by, all_phases=all_phases)


def last_activation(records: Records, part_type: str = "") -> Event | None:
    """The newest event that took a model of this part type into service; None when there was none."""
    return newest_event(records, ACTIVATED, part_type=part_type)


def newest_event(records: Records, kind: str, **details: str) -> Event | None:
    """The newest event of this station with these details, one that is missing counting as empty; None without one."""
    found = records.events(kind, station=records.station)
    while found:
        for event in found:
            if all(event.details.get(name, "") == value for name, value in details.items()):
                return event
        found = records.events(kind, before=found[-1].id, station=records.station)
    return None


def _checked(lent: Leases, folder: Path, model_id: str) -> Leases:
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
            what = f"its folder holds another model than {model_id}, which was taken into service"
            remedy = "restore it, or take another model into service"
            checked.set_exception(ModelError(f"model {folder.name}", what, remedy=remedy))

    lent.add_done_callback(check)
    return checked
