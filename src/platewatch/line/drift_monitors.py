"""The drift monitors of a line: one for each part type, begun with its first plate or when it is asked for."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from platewatch.decision.drift import DriftEvidence, DriftTest
from platewatch.errors import PlatewatchError, RecordError
from platewatch.line.drift_monitor import LIMIT, DriftMonitor
from platewatch.line.part_type_models import PartTypeModels
from platewatch.records import Entry, Event, Records


class DriftMonitors:
    """A drift monitor for each part type; thread-safe."""

    def __init__(
        self,
        models: PartTypeModels,
        records: Records,
        *,
        actor: str,
        limit: float = LIMIT,
        file: Path | None = None,
        owns: Callable[[Entry], bool] = lambda _entry: True,
    ) -> None:
        """As `DriftMonitor`; the state of a part type with a name is in a file beside `file`."""
        self._models, self._records, self._actor = models, records, actor
        self._limit, self._file, self._owns = limit, file, owns
        self._monitors: dict[str, DriftMonitor] = {}
        self._lock = threading.Lock()

    def of(self, part_type: str) -> DriftMonitor:
        """The monitor of a part type; raises UnknownPartType, ModelError."""
        models = self._models.registry(part_type)
        with self._lock:
            found = self._monitors.get(part_type)
            if found is None:
                found = self._monitors[part_type] = DriftMonitor(
                    models,
                    self._records,
                    actor=self._actor,
                    limit=self._limit,
                    file=self._file_of(part_type),
                    owns=self._owns,
                )
            return found

    def add(self, entry: Entry, brightness: float | None) -> None:
        """Test a plate that this line judged and recorded; one of an unknown part type no model has judged."""
        if not entry.inspection.model_id:
            return
        self.of(entry.part_type).add(entry, brightness)

    def all(self) -> Iterator[tuple[str, DriftMonitor]]:
        """Every part type that can be judged, with its monitor."""
        for name in self._models.names():
            try:
                yield name, self.of(name)
            except RecordError:
                raise
            except PlatewatchError:
                continue

    def worst(self) -> DriftEvidence:
        """The evidence of the part type that has the most; none yet where there is no part type."""
        found = [monitor.evidence() for _, monitor in self.all()]
        return max(found, key=lambda each: each.value, default=DriftTest((), self._limit).evidence())

    def problems(self) -> list[tuple[str, str, bool]]:
        """Problems: code, message, whether plates stop; those of several part types in one message."""
        said: dict[str, list[str]] = {}
        for name, monitor in self.all():
            for code, message, _ in monitor.problems():
                said.setdefault(code, []).append(f"part type {name}: {message}" if name else message)
        return [(code, " · ".join(messages), False) for code, messages in said.items()]

    def follow(self, event: Event) -> None:
        """Take over an alarm or its acknowledgement that another process on this record wrote."""
        for monitor in list(self._monitors.values()):
            monitor.follow(event)

    def save(self) -> None:
        """Write every file."""
        for monitor in list(self._monitors.values()):
            monitor.save()

    def _file_of(self, part_type: str) -> Path | None:
        if self._file is None or not part_type:
            return self._file
        return self._file.with_name(f"{self._file.stem}.{part_type}{self._file.suffix}")
