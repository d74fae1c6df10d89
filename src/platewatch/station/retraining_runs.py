"""Retraining from the models page: one candidate at a time, trained by `platewatch retrain` as a child process."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from platewatch.errors import ModelError
from platewatch.line import candidates, comparison, drafts
from platewatch.line.candidates import Material
from platewatch.line.comparison import Comparison
from platewatch.line.model_registry import ModelRegistry
from platewatch.records import Records
from platewatch.station.problem_details import RequestError
from platewatch.station.settings import Settings
from platewatch.station.training_child import Run, TrainingChild

log = logging.getLogger("platewatch.station")


class RetrainingRuns:
    """Starts retrainings one at a time and keeps the last one's state; thread-safe."""

    def __init__(
        self,
        models: ModelRegistry,
        settings: Settings,
        notify: Callable[[Run], None],
        place: threading.Semaphore | None = None,
    ) -> None:
        """`notify` is called with each run that has ended; `place` is the one of TrainingChild."""
        self._models, self._settings = models, settings
        self._material: tuple[tuple[int, str], Material] | None = None
        self.child = TrainingChild(notify, place)

    @property
    def run(self) -> Run | None:
        """The running or last retraining."""
        return self.child.run

    @property
    def possible(self) -> bool:
        """Whether the station has the training photographs of its model."""
        return self._data() is not None and self._settings.record_url is not None

    def material(self, records: Records) -> Material:
        """The reviewed plates by use; computed again after a new review or a change of the model in service."""
        manifest = self._models.loaded().manifest
        key = records.last_review(), manifest.model_id
        if self._material is None or self._material[0] != key:
            self._material = key, candidates.gather(records, manifest)
        return self._material[1]

    def start(self, actor: str) -> Run:
        """Start training a candidate; raises RequestError 409 without training photographs or while one is trained."""
        data, record_url = self._data(), self._settings.record_url
        if data is None or record_url is None:
            what, expected = "no training photographs", "the photographs that the model was trained on"
            raise RequestError(409, "no_data", what, expected=expected, next="serve with --data DATA")
        models, photographs = self._models, self._settings.photographs
        command = ["retrain", str(models.folder), str(data), "--models", str(models.models_folder), "--actor", actor]
        command += [] if photographs is None else ["--photographs", str(photographs)]
        secret = {"PLATEWATCH_RECORDS": record_url}  # it may hold a password, so it is not an argument
        return self.child.start(actor, command, lambda found: str(found["challenger"]["model_id"]), secret)

    def cancel(self, actor: str) -> None:
        """End a running retraining."""
        self.child.cancel(actor)

    def stop(self) -> None:
        """End a running retraining because the station stops."""
        self.child.stop()

    def _data(self) -> Path | None:
        """The photographs that the model in service, or the one that it replaced, was trained on."""
        kept = drafts.training_data(self._settings.training, self._models.models_folder, self._models.model_id)
        return kept or self._settings.data


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
