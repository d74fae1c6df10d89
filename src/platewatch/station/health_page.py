"""The health page: problems, drift, counts, speed, queue, free disk space."""

import math
import shutil
from datetime import datetime, time

from fastapi import Request
from fastapi.responses import Response

from platewatch.inspection import now
from platewatch.line import metrics
from platewatch.line.drift_monitor import DriftMonitor
from platewatch.records import Query
from platewatch.records.values import MOST
from platewatch.station import charts, commands
from platewatch.station.pages import chosen, render
from platewatch.station.rest import Viewer, query_names, routes, station
from platewatch.station.settings import Settings
from platewatch.station.users import Right

router = routes(include_in_schema=False)


@router.get("/health", openapi_extra=query_names("part_type"))
def health(request: Request, account: Viewer) -> Response:
    """The station's state, for an engineer before a shift; drift of one part type."""
    here = station(request)
    part_type = chosen(request).part_type
    drift = here.health.drift.of(part_type)
    today = datetime.combine(now().date(), time()).astimezone()
    durations = [entry.inspection.duration_ms for entry in here.records.find(Query(limit=MOST)).entries]
    return render(
        request,
        "health.html",
        of=part_type,
        loaded=here.part_types.loaded,
        models=here.part_types.as_dict(),
        problems=here.health.problems(),
        cameras=here.devices.cameras,
        drift=drift.evidence(),
        chart=_drift_chart(drift),
        counts=here.records.counts(today),
        total=here.records.counts(),
        refused=metrics.total(here.metrics.refused),
        median_ms=_quantile(durations, 0.5),
        p99_ms=_quantile(durations, 0.99),
        measured=len(durations),
        in_progress=here.intake.taken,
        places=here.intake.places,
        live_pages=len(here.live),
        disks=_disks(here.settings),
        deliveries=here.records.deliveries(),
        notes=here.line.deliveries.notes(),
        head=here.records.head(),
        add_user=commands.add_user(here.settings) if account.may(Right.MODEL) else None,
        heads=[end for end in here.records.heads().values() if end.length],
    )


def _drift_chart(drift: DriftMonitor) -> charts.CurveChart | None:
    """log10(1 + evidence) after each of the newest plates; None before the second plate."""
    curve, limit = drift.curve(), drift.evidence().limit
    if len(curve) < 2:
        return None
    description = f"Evidence of drift after each of {len(curve)} plates: now {curve[-1][1]:.3g}, alarm at {limit:.3g}."
    values = [math.log10(1 + max(0.0, value)) for _, value in curve]
    return charts.curve(values, math.log10(1 + limit), description)


def _quantile(values: list[float], fraction: float) -> float | None:
    """The smallest value that at least `fraction` of the values do not exceed; None without values."""
    return sorted(values)[max(0, math.ceil(fraction * len(values)) - 1)] if values else None


def _disks(settings: Settings) -> list[tuple[str, int, int]]:
    """Name, free bytes and total bytes of each of the settings' places that exists."""
    usages = [(place.name, shutil.disk_usage(place)) for place in settings.places if place.exists()]
    return [(name, usage.free, usage.total) for name, usage in usages]
