"""A station while it runs: what its parts share."""

import logging
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from platewatch.line.model_registry import ModelRegistry
from platewatch.model.thread_limits import cores
from platewatch.records import Entry, Records, Review
from platewatch.station.health import Health
from platewatch.station.live import Live, Message
from platewatch.station.metrics import Metrics
from platewatch.station.pictures import Pictures
from platewatch.station.settings import Settings
from platewatch.station.work import Done, Work

log = logging.getLogger("platewatch.station")


@dataclass(frozen=True)
class Station:
    """What every address reaches as request.app.state.station."""

    models: ModelRegistry
    records: Records
    settings: Settings
    figures: Metrics
    live: Live
    pictures: Pictures
    health: Health
    work: Work


def assemble(models: ModelRegistry, records: Records, settings: Settings) -> Station:
    """A station of its parts; its threads start with the first plate."""
    figures, live, pictures = Metrics(), Live(), Pictures(records, models)
    health = Health(models, records, settings, figures, lambda kind, values: live.publish(Message(kind, values)))

    def told(done: Done) -> None:
        try:
            if done.anomaly_map is not None:
                pictures.keep(done.entry.number, done.anomaly_map)
            if not done.again:
                health.recorded(done.entry, done.brightness)
                live.publish(Message("inspection", shown(done.entry), done.entry.number))
        except Exception:  # the plate is in the record: whoever handed it in is answered
            log.exception("plate %s: could not be told", done.entry.number)

    work = Work(
        health.inspector,
        records,
        figures,
        told,
        health.not_recorded,
        workers=settings.workers or cores(),
        waiting=settings.waiting,
        retry_after_s=settings.retry_after_s,
    )
    figures.places.set(work.places)
    figures.taken.set_function(lambda: work.taken)
    figures.drift.set_function(lambda: health.drift.evidence().value)
    figures.drift_limit.set(settings.drift_limit)
    figures.watchers.set_function(lambda: len(live))
    return Station(models, records, settings, figures, live, pictures, health, work)


def shown(entry: Entry) -> dict[str, Any]:
    """An entry as every program sees it: the Inspection of the command line, and what the record adds."""
    values = entry.as_dict()
    del values["key"]  # it belongs to whoever sent it
    inspection: dict[str, Any] = values.pop("inspection")
    return {**inspection, **values}


def review_as_dict(review: Review) -> dict[str, Any]:
    """A review as plain JSON values."""
    values: dict[str, Any] = _REVIEW.dump_python(review, mode="json")
    return values


_REVIEW = TypeAdapter(Review)
