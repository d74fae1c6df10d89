"""Whether a line's PC is ready: one finding for each thing that goes wrong over the years, and what to do about it.

Nothing is changed: a record of an earlier version is not upgraded, nothing is sent to a receiver.
"""

import os
import platform
import shutil
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit

from platewatch.errors import InputError, PlatewatchError
from platewatch.inspection import now
from platewatch.line.destinations import Address, destination
from platewatch.line.health import LOW_BYTES
from platewatch.line.state_files import beside
from platewatch.model import model_folder, telemetry
from platewatch.model.inspector import Inspector
from platewatch.model.thread_limits import cores
from platewatch.records import Query, Records
from platewatch.records.database import Database, schema_at
from platewatch.records.schema_versions import REVISION

_PATIENCE_S = 3.0  # for a receiver
_PORTS = {"http": 80, "https": 443, "mqtt": 1883, "mqtts": 8883}
_USABLE = 0.8  # fraction of the throughput that a line may take, as in evaluation.bench
_PLATES = 200  # the newest plates of the record, by which the line's pace is told
_BEHIND_S = 5.0  # clock behind the record's newest row


class State(StrEnum):
    """How a thing is."""

    OK = "ok"
    LOOK = "look"
    """Works, and a person should look at it."""
    WRONG = "wrong"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    name: str
    state: State
    what: str
    remedy: str = ""
    """What to do; empty where nothing is to be done."""

    def as_dict(self) -> dict[str, str]:
        """As plain JSON values."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a line is started with."""

    records: str
    model: Path | None = None
    photographs: Path | None = None
    users: Path | None = None
    receivers: Sequence[Address] = ()
    pace: float | None = None
    """Plates per second; None: as the record's newest plates came."""


def look(plan: Plan) -> Iterator[Finding]:
    """Each finding as soon as it is known; a check that fails is a finding too."""
    checks: tuple[tuple[str, Callable[[Plan], Iterator[Finding]]], ...] = (
        ("versions", _versions),
        ("telemetry", _telemetry),
        ("disk", _disk),
        ("permissions", _permissions),
        ("database", _database),
        ("clock", _clock),
        ("receivers", _receivers),
        ("model", _model),
    )
    for name, check in checks:
        try:
            yield from check(plan)
        except (PlatewatchError, OSError) as error:
            remedy = error.remedy if isinstance(error, PlatewatchError) else "check that path"
            yield Finding(name, State.WRONG, str(error), remedy)


def _versions(_: Plan) -> Iterator[Finding]:
    versions = ", ".join(f"{name} {version}" for name, version in model_folder.versions().items())
    what = f"Python {platform.python_version()}, {versions}"
    old = sys.version_info < (3, 11)
    yield Finding("versions", State.WRONG if old else State.OK, what, "install Python 3.11 or later" if old else "")


def _telemetry(_: Plan) -> Iterator[Finding]:
    on = telemetry.switched_on()
    if on:
        yield Finding("telemetry", State.WRONG, f"not off: {', '.join(on)}", "unset them, or set them to 'off'")
    else:
        yield Finding("telemetry", State.OK, "off in every library")


def _disk(plan: Plan) -> Iterator[Finding]:
    for place in dict.fromkeys(_there(path) for path in (_record_file(plan), plan.photographs) if path is not None):
        usage = shutil.disk_usage(place)
        what = f"{usage.free / 1e9:.1f} of {usage.total / 1e9:.1f} GB free at {place}"
        low = usage.free < LOW_BYTES
        remedy = "free some space, or keep fewer photographs (serve --days, --gigabytes)" if low else ""
        yield Finding("disk", State.WRONG if low else State.OK, what, remedy)


def _permissions(plan: Plan) -> Iterator[Finding]:
    file, wrong = _record_file(plan), list[tuple[str, str]]()
    places = [path for path in (file and file.parent, plan.photographs) if path is not None]
    for place in places:
        if not os.access(_there(place), os.W_OK | os.X_OK):
            wrong.append((f"{place} cannot be written", "give it to the user that runs the station"))
    users = plan.users or beside(plan.records, "users.json")
    for private in (users, beside(plan.records, "training"), file):
        if private is not None and private.exists() and private.stat().st_mode & 0o077:
            wrong.append((f"others may read {private}", f"chmod {'700' if private.is_dir() else '600'} {private}"))
    for what, remedy in wrong:
        yield Finding("permissions", State.WRONG, what, remedy)
    if not wrong:
        has = "users are there" if users.is_file() else "no users: everybody on this machine may do everything"
        yield Finding("permissions", State.OK, f"record and photographs can be written; {has}")


def _database(plan: Plan) -> Iterator[Finding]:
    at = schema_at(plan.records)
    if at is None:
        yield Finding("database", State.LOOK, "no record yet", "serve or watch makes it")
    elif at != REVISION:
        what = f"schema {at}, this version writes {REVISION}"
        yield Finding("database", State.LOOK, what, "make a backup (platewatch backup); the next start upgrades it")
    else:
        with Records.open(plan.records, plan.photographs, create=False) as records:
            yield Finding("database", State.OK, f"schema {at}, {records.head().rows} rows")


def _clock(plan: Plan) -> Iterator[Finding]:
    newest = next(iter(_newest(plan, 1)), None)
    what = f"{now().isoformat(timespec='seconds')}"
    behind = 0.0 if newest is None else (newest - now()).total_seconds()
    if behind > _BEHIND_S:
        what = f"{what} is {behind:.0f} s behind the record's newest plate"
        yield Finding("clock", State.WRONG, what, "set the clock, and synchronise it by NTP")
    else:
        yield Finding("clock", State.OK, f"{what}, not behind the record")


def _receivers(plan: Plan) -> Iterator[Finding]:
    for address in plan.receivers:
        name = destination(address).name  # raises for one that cannot be used
        parts = urlsplit(address.url)
        place = str(parts.hostname), parts.port or _PORTS[parts.scheme]
        began = time.perf_counter()
        try:
            with closing(socket.create_connection(place, timeout=_PATIENCE_S)):
                took = f"{1e3 * (time.perf_counter() - began):.0f} ms"
                yield Finding("receiver", State.OK, f"{name} takes connections after {took}; nothing was sent")
        except OSError as error:
            why = error.strerror or str(error)
            yield Finding("receiver", State.WRONG, f"{name} is out of reach ({why})", "check host, port and network")


def _model(plan: Plan) -> Iterator[Finding]:
    if plan.model is None:
        yield Finding("model", State.LOOK, "none is named", "name its folder: platewatch doctor MODEL")
        return
    inspector = Inspector(plan.model, threads=1)  # checks every file's hash
    what = f"{inspector.manifest.model_id}, {inspector.manifest.promise.good_plates} good photographs"
    yield Finding("model", State.OK, what)
    yield _speed(inspector, plan)


def _speed(inspector: Inspector, plan: Plan) -> Finding:
    paths = sorted((inspector.folder / model_folder.REPLAY).glob("*.png"))
    if not paths:
        raise InputError("model", "no plates for a replay in it", remedy="train it again")
    took = []
    for path in (paths[0], *paths):  # the first one warms up
        began = time.perf_counter()
        inspector.inspect(path)
        took.append(time.perf_counter() - began)
    each = median(took[1:])
    most = cores() / each
    pace, whose = (plan.pace, "--pace") if plan.pace else (_pace(plan), "the record's newest plates")
    what = f"{1e3 * each:.0f} ms a plate, {most:.1f} plates a second on {cores()} cores"
    if pace is None:
        return Finding("speed", State.LOOK, f"{what}; the line's pace is not known", "say it with --pace")
    what = f"{what}; the line's pace is {pace:.2f} ({whose})"
    slow = pace > _USABLE * most
    remedy = "use a faster PC, a smaller --image-size, or train with --backbone none" if slow else ""
    return Finding("speed", State.WRONG if slow else State.OK, what, remedy)


def _pace(plan: Plan) -> float | None:
    """Plates per second as the newest ones came: one by the median time between two; None with fewer than three."""
    times = [each.timestamp() for each in _newest(plan, _PLATES)]
    between = [later - earlier for later, earlier in pairwise(times)]
    return 1 / max(1e-3, median(between)) if len(between) > 1 else None


def _newest(plan: Plan, count: int) -> list[datetime]:
    """When the newest plates came, newest first; none from a record that is not there or of another version."""
    if schema_at(plan.records) != REVISION:
        return []
    with Records.open(plan.records, plan.photographs, create=False) as records:
        return [entry.received for entry in records.find(Query(limit=count)).entries]


def _record_file(plan: Plan) -> Path | None:
    """SQLite's file; None for a record elsewhere."""
    database = Database(plan.records)
    with closing(database):
        return database.file


def _there(path: Path) -> Path:
    """The path, or the nearest folder above it that exists."""
    found = path.resolve()
    while not found.exists():
        found = found.parent
    return found


def as_dict(findings: Sequence[Finding]) -> dict[str, Any]:
    """All findings as plain JSON values."""
    wrong = any(each.state is State.WRONG for each in findings)
    return {"ready": not wrong, "findings": [each.as_dict() for each in findings]}
