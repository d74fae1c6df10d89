"""Retraining from the models page: one candidate at a time, trained by `platewatch retrain` as a child process."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from platewatch.errors import ModelError
from platewatch.line import candidates, comparison, drafts, part_types
from platewatch.line.candidates import Material
from platewatch.line.comparison import Comparison
from platewatch.line.model_registry import ModelRegistry
from platewatch.line.part_type_models import PartTypeModels
from platewatch.records import Records
from platewatch.station.problem_details import RequestError
from platewatch.station.settings import Settings
from platewatch.station.training_child import Run, TrainingChild

log = logging.getLogger("platewatch.station")


class RetrainingRuns:
    """Starts retrainings one at a time and keeps the last one's state; thread-safe."""

    def __init__(
        self,
        models: ModelRegistry | PartTypeModels,
        settings: Settings,
        notify: Callable[[Run], None],
        place: threading.Semaphore | None = None,
    ) -> None:
        """`notify` is called with each run that has ended; `place` is the one of TrainingChild."""
        self._models, self._settings = PartTypeModels.of(models), settings
        self._material: dict[str, tuple[tuple[int, str], Material]] = {}
        self._part_type = ""
        self.child = TrainingChild(notify, place)

    @property
    def run(self) -> Run | None:
        """The running or last retraining."""
        return self.child.run

    def run_of(self, part_type: str) -> Run | None:
        """The running or last retraining if it is of this part type."""
        return self.run if self._part_type == part_type else None

    def data_of(self, part_type: str) -> Path | None:
        """Photographs that the part type's model, or the one that it replaced, was trained on; None without them."""
        if self._settings.record_url is None:
            return None
        folder, models = self._models.folder, self._models.registry(part_type)
        told = self._settings.data
        if part_type:
            told = None if folder is None else folder.data_of(folder.get(part_type))
        return drafts.training_data(self._settings.training, models.models_folder, models.model_id) or told

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
        photographs = self._settings.photographs
        command = ["retrain", str(models.folder), str(data), "--models", str(models.models_folder), "--actor", actor]
        command += ["--part-type", part_type] if part_type else []
        command += [] if photographs is None else ["--photographs", str(photographs)]
        secret = {"PLATEWATCH_RECORDS": record_url}  # it may hold a password, so it is not an argument
        run = self.child.start(actor, command, lambda found: str(found["challenger"]["model_id"]), secret)
        self._part_type = part_type
        return run

    def cancel(self, actor: str) -> None:
        """End a running retraining."""
        self.child.cancel(actor)

    def stop(self) -> None:
        """End a running retraining because the station stops."""
        self.child.stop()


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
