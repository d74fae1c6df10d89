"""Assembles a line, for the station and for the watch: model, record, judging, and the threads beside it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from platewatch.line.anchoring import Anchoring, Folder
from platewatch.line.camera_problems import CameraProblems
from platewatch.line.deliveries import Deliveries
from platewatch.line.destinations import Destination
from platewatch.line.drift_monitor import LIMIT
from platewatch.line.drift_monitors import DriftMonitors
from platewatch.line.health import LOW_BYTES, Check, Health, Problem
from platewatch.line.judging import Judging, Listener, RecordedPlate
from platewatch.line.metrics import Metrics
from platewatch.line.model_files import ModelFiles
from platewatch.line.model_registry import ModelRegistry
from platewatch.line.part_type_models import PartTypeModels
from platewatch.line.record_tail import RecordTail
from platewatch.records import Appended, Entry, Event, Records, RetentionJob
from platewatch.signing import PrivateKey


@dataclass(frozen=True)
class Line:
    """The parts of a line in one process; `start` starts the threads beside the judging."""

    models: ModelRegistry
    """Of photographs without a part type; it may be without a model."""
    part_types: PartTypeModels
    records: Records
    metrics: Metrics
    health: Health
    judging: Judging
    deliveries: Deliveries
    retention: RetentionJob
    tail: RecordTail
    camera: CameraProblems
    model_files: ModelFiles
    anchoring: Anchoring

    def start(self) -> None:
        """Start deliveries, retention, health checks, and following the record; raises RecordError."""
        self.tail.start()
        self.camera.start()
        self.deliveries.start()
        self.retention.start()
        self.anchoring.start()
        self.model_files.start()
        self.health.start()

    def stop(self) -> None:
        """Stop them and save the drift monitor, once no plate is judged any more."""
        self.deliveries.stop()
        self.retention.stop()
        self.anchoring.stop()
        self.tail.stop()
        self.model_files.stop()
        self.health.stop()
        self.part_types.stop()
        self.health.drift.save()


def assemble(
    models: ModelRegistry | PartTypeModels,
    records: Records,
    *,
    actor: str,
    warn: Callable[[str], None],
    owns: Callable[[Entry], bool] = lambda _entry: True,
    destinations: Sequence[Destination] = (),
    anchor_places: Sequence[Folder | Destination] = (),
    anchor_key: PrivateKey | None = None,
    drift_file: Path | None = None,
    drift_limit: float = LIMIT,
    places: Sequence[Path] = (),
    low_bytes: int = LOW_BYTES,
    checks: Sequence[Check] = (),
    problems_changed: Callable[[list[Problem]], None] = lambda _problems: None,
    listeners: Sequence[Listener] = (),
    publish: Callable[[Appended], None] | None = None,
    only_events: Callable[[], bool] = lambda: True,
) -> Line:
    """A line for these models, of one part type or of several, and this record.

    `actor` names this process in the record's events, `owns` recognises its plates there (DriftMonitors), `warn` gets
    what deliveries and retention report. `places`, `low_bytes`, `checks` and `problems_changed` are Health's, `publish`
    and `only_events` RecordTail's.
    """
    metrics, part_types = Metrics(), PartTypeModels.of(models)
    anchoring = Anchoring(records, anchor_places, actor=actor, key=anchor_key, warn=warn)
    deliveries, camera = Deliveries(records, destinations, warn), CameraProblems(records)
    model_files = ModelFiles(part_types, records, actor=actor)
    drift = DriftMonitors(part_types, records, actor=actor, limit=drift_limit, file=drift_file, owns=owns)
    retention = RetentionJob(records, warn=warn)

    def pass_on(row: Appended) -> None:
        if isinstance(row, Event):
            drift.follow(row)
            camera.follow(row)
        if publish is not None:
            publish(row)

    tail = RecordTail(records, pass_on, only_events=only_events)
    health = Health(
        part_types,
        records,
        drift,
        metrics,
        actor=actor,
        places=places,
        low_bytes=low_bytes,
        checks=(
            *checks,
            records.station_problems,
            deliveries.problems,
            camera.problems,
            tail.problems,
            retention.problems,
            model_files.problems,
            anchoring.problems,
        ),
        changed=problems_changed,
    )

    def notify(recorded: RecordedPlate) -> None:
        tail.wake()
        deliveries.wake()
        drift.add(recorded.entry, recorded.brightness)

    judging = Judging(records, health, metrics, deliver=deliveries.names, listeners=(*listeners, notify))
    metrics.drift.set_function(lambda: drift.worst().value)
    metrics.drift_limit.set(drift_limit)
    beside = deliveries, retention, tail, camera, model_files, anchoring
    return Line(part_types.unnamed, part_types, records, metrics, health, judging, *beside)
