"""A station while it runs: the parts that every route reaches."""

import logging
from collections.abc import Iterable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass

from platewatch import signing
from platewatch.line import anchoring, assembly
from platewatch.line.alarms import Alarms
from platewatch.line.assembly import Line
from platewatch.line.destinations import destinations
from platewatch.line.devices import Devices
from platewatch.line.health import Finding, Health, Problem
from platewatch.line.judging import RecordedPlate
from platewatch.line.metrics import Metrics
from platewatch.line.model_registry import ModelRegistry
from platewatch.line.part_type_models import PartTypeModels
from platewatch.model.thread_limits import cores
from platewatch.records import Appended, Entry, Event, Records
from platewatch.station.health import check_users
from platewatch.station.intake import Intake
from platewatch.station.live import Live, Message
from platewatch.station.pictures import Pictures
from platewatch.station.representation import message
from platewatch.station.settings import Settings
from platewatch.station.uploads import Arrivals

log = logging.getLogger("platewatch.station")


@dataclass(frozen=True)
class Station:
    """What every route reaches as request.app.state.station."""

    line: Line
    devices: Devices
    alarms: Alarms
    models: ModelRegistry
    """Of photographs without a part type; it may be without a model."""
    part_types: PartTypeModels
    records: Records
    settings: Settings
    metrics: Metrics
    live: Live
    pictures: Pictures
    health: Health
    intake: Intake
    arrivals: Arrivals
    health_thread: Executor
    """Answers /healthz, whatever the other threads wait for."""
    drawing_thread: Executor
    """Draws pictures, one at a time: plates come before pictures."""


def assemble(part_types: PartTypeModels, records: Records, settings: Settings) -> Station:
    """A station of its parts, none of which runs yet; raises InputError for a destination's URL."""
    live, pictures = Live(), Pictures(records, part_types)

    def keep_map(recorded: RecordedPlate) -> None:
        if recorded.anomaly_map is not None:
            pictures.keep(recorded.entry.number, recorded.anomaly_map)

    def publish(row: Appended) -> None:
        if records.station and not records.is_own(row):  # a station without a name shows all of them
            return
        if isinstance(row, Event):
            alarms.follow(row)
        found = message(row)
        if found is not None:
            live.publish(found)

    def publish_problems(problems: list[Problem]) -> None:
        live.publish(Message("health", {"problems": [problem.as_dict() for problem in problems]}))

    alarms = Alarms(records, settings.devices.alarms, actor="station")

    def show(recorded: RecordedPlate) -> None:
        devices.recorded(recorded)

    def device_problems() -> Iterable[Finding]:
        return devices.problems()  # they need the line first

    line = assembly.assemble(
        part_types,
        records,
        actor="station",
        warn=log.warning,
        owns=_is_own,
        destinations=destinations(settings.destinations),
        anchor_places=anchoring.places(settings.anchors),
        anchor_key=None if settings.anchor_key is None else signing.private_key(settings.anchor_key),
        drift_file=settings.drift_file,
        drift_limit=settings.drift_limit,
        places=settings.places,
        low_bytes=settings.low_bytes,
        checks=[lambda: check_users(settings), device_problems, alarms.problems],
        problems_changed=publish_problems,
        listeners=[keep_map, alarms.add, show],
        publish=publish,
        only_events=lambda: not len(live),
    )
    devices = Devices(line, settings.devices, alarms)
    intake = Intake(
        line.judging,
        line.metrics,
        workers=settings.workers or cores(),
        waiting=settings.waiting,
        retry_after_s=settings.retry_after_s,
    )
    threads = ThreadPoolExecutor(1, "health"), ThreadPoolExecutor(1, "pictures")
    line.metrics.places.set(intake.places)
    line.metrics.taken.set_function(lambda: intake.taken)
    line.metrics.live_pages.set_function(lambda: len(live))
    return Station(
        *(line, devices, alarms, part_types.unnamed, part_types, records, settings, line.metrics, live, pictures),
        *(line.health, intake),
        Arrivals(settings),
        *threads,
    )


def _is_own(entry: Entry) -> bool:
    """Whether a station judged it, not the watch of a folder."""
    return entry.source != "watch"
