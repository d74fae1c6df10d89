"""One run of an archive: plan, what is there already, shards to judge, what became of them."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from platewatch.archive import places, processes, rows, shards
from platewatch.archive.judging import AGAINST, MAPS, ROWS, SUFFIX, ShardWorker, Work
from platewatch.archive.places import Place
from platewatch.archive.processes import WorkerError
from platewatch.archive.shards import Shard
from platewatch.archive.sources import Listing
from platewatch.errors import InputError
from platewatch.model import model_folder, thread_limits

RUN = "run.json"
"""What the result was made of, in its folder."""
SUPERSEDED = "superseded"
"""Folder of rows that no photograph of the sources has any more: it was changed or removed, or its shard was."""
_PATIENCE_S = 3600.0
_MOST_FAILURES = 3  # shards that fail in a row before the run ends


@dataclass(frozen=True)
class Settings:
    """What the user asked for."""

    sources: tuple[str, ...]
    model: Path
    out: str
    against: Path | None = None
    workers: int = 0
    """0: one for each core."""
    ray: str | None = None
    """Address of a Ray cluster; `local` starts one on this machine. None: no Ray."""
    maps: bool = False
    all_phases: bool = False
    label_by_folder: bool = False
    columns: Mapping[str, str] = field(default_factory=dict)
    patience_s: float = _PATIENCE_S
    """Seconds that a full disk or a store that does not answer is waited for."""

    @property
    def listing(self) -> Listing:
        return Listing(self.sources, self.columns, self.label_by_folder)


@dataclass
class Plan:
    """The photographs of the sources, and which of their shards are judged."""

    listing: Listing
    mark: str
    photographs: int = 0
    bytes: int = 0
    unsized: int = 0
    """Photographs whose size is not known before they are read."""
    shards: set[str] = field(default_factory=set)
    done: int = 0
    """Photographs of shards that are judged already."""
    missing: int = 0
    """Shards that are not."""

    def to_do(self, done: set[str]) -> Iterator[Shard]:
        """List anew and yield the shards that are not in `done`."""
        return (each for each in shards.cut(self.listing, self.mark) if each.name not in done)


@dataclass
class Status:
    """How far a run is."""

    total: int
    finished: int = 0
    """Photographs whose rows are written."""
    failed: int = 0
    """Photographs that are not readable or could not be judged, of this run."""
    begun: dict[str, int] = field(default_factory=dict)
    """Photographs begun in each shard that is worked on."""

    @property
    def done(self) -> int:
        """Photographs judged, also those whose rows are not written yet."""
        return self.finished + sum(self.begun.values())


@dataclass(frozen=True)
class Events:
    """What a run calls while it works."""

    listed: Callable[[int], None] = lambda _photographs: None
    status: Callable[[Status], None] = lambda _status: None
    counted: Callable[[int], None] = lambda _photographs: None
    """Called with the rows that the report has counted."""
    line: Callable[[str], None] = lambda _line: None
    """Gets a sentence: a wait, a worker that ended."""


@dataclass(frozen=True)
class Ended:
    """A run that has ended."""

    plan: Plan
    judged: int
    """Photographs judged in this run."""
    unfinished: tuple[str, ...]
    """Why shards were not judged."""
    superseded: int
    """Files that were moved aside."""
    problems: tuple[str, ...]

    @property
    def is_complete(self) -> bool:
        return not self.unfinished and not self.problems


def model_id(folder: Path) -> str:
    """The model's id, from its manifest; raises ModelError."""
    return model_folder.load_manifest(folder).model_id


def marks(settings: Settings) -> tuple[str, str]:
    """The second halves of the shards' names, of both models; the other's is empty without one."""
    asked = rows.VERSION, settings.all_phases, settings.maps
    other = "" if settings.against is None else shards.model_mark(model_id(settings.against), *asked)
    return shards.model_mark(model_id(settings.model), *asked), other


def judged(out: Place, mark: str) -> set[str]:
    """Names of the shards whose rows are there."""
    return {name for name in places.names(out.child(ROWS), SUFFIX) if name.endswith(mark)}


def plan(
    settings: Settings,
    done: set[str],
    listed: Callable[[int], None],
    each: Callable[[Shard], None] = lambda _shard: None,
) -> Plan:
    """List all sources once; `each` gets every shard. Raises InputError for a source that cannot be used."""
    mark = marks(settings)[0]
    found = Plan(settings.listing, mark)
    for shard in shards.cut(found.listing, mark):
        each(shard)
        found.photographs += len(shard.photographs)
        sizes = [photograph.size for photograph in shard.photographs]
        found.bytes += sum(size or 0 for size in sizes)
        found.unsized += sizes.count(None)
        found.shards.add(shard.name)
        if shard.name in done:
            found.done += len(shard.photographs)
        else:
            found.missing += 1
        listed(found.photographs)
    if not found.photographs:
        raise InputError(" ".join(settings.sources), "no photographs", remedy="check the sources")
    return found


def run(settings: Settings, events: Events) -> Ended:
    """Judge every photograph that has no row yet.

    Raises InputError for a source or a folder of results that cannot be used, ModelError, OutputError, and WorkerError
    when processes cannot be kept running.
    """
    out = Place.of(settings.out)
    _claim(settings, out)
    mark, other = marks(settings)
    done = judged(out, mark)
    if other:
        twins = {shards.content(name) for name in places.names(out.child(AGAINST), SUFFIX) if name.endswith(other)}
        done = {name for name in done if shards.content(name) in twins}
    found = plan(settings, done, events.listed)
    status, unfinished = Status(found.photographs, found.done), list[str]()
    events.status(status)
    if found.missing:
        for each in _counted(_engine(settings, found.to_do(done), status, events), status, events):
            unfinished.append(str(each))
    superseded, problems = 0, list[str]()
    if not unfinished:
        superseded = _set_aside(out, found)
        problems = _faults(out, found, mark)
    return Ended(found, status.finished - found.done, tuple(unfinished), superseded, tuple(problems))


def work(settings: Settings) -> Work:
    """What the workers get."""
    return Work(
        settings.sources,
        settings.out,
        str(settings.model),
        None if settings.against is None else str(settings.against),
        marks(settings)[1],
        str(Path.cwd()),
        settings.maps,
        settings.all_phases,
        settings.patience_s,
    )


def _engine(
    settings: Settings, to_do: Iterable[Shard], status: Status, events: Events
) -> Iterator[Mapping[str, Any] | WorkerError]:
    if settings.ray is not None:
        from platewatch.archive import ray_cluster  # noqa: PLC0415 - an extra

        return ray_cluster.run(work(settings), to_do, settings.workers, settings.ray, events.line)

    def begun(shard: str, position: int) -> None:
        status.begun[shard] = position
        events.status(status)

    workers = settings.workers or thread_limits.cores()
    return processes.run(partial(ShardWorker, work(settings)), to_do, workers, events.line, begun)


def _counted(
    results: Iterable[Mapping[str, Any] | WorkerError], status: Status, events: Events
) -> Iterator[WorkerError]:
    """Count what is done, yield what is not; end after some failures in a row."""
    failures = 0
    for each in results:
        if isinstance(each, WorkerError):
            failures += 1
            yield each
            if failures >= _MOST_FAILURES:
                return
            continue
        failures = 0
        status.begun.pop(each["name"], None)
        status.finished += each["photographs"]
        status.failed += each["outcomes"].get(rows.FAILED, 0)
        events.status(status)


def _claim(settings: Settings, out: Place) -> None:
    """Write what this result is made of, or raise InputError when the folder holds another one's."""
    asked = {
        "schema": rows.VERSION,
        "sources": [Place.of(text).name for text in settings.sources],
        "model_id": model_id(settings.model),
        "against": None if settings.against is None else model_id(settings.against),
        "maps": settings.maps,
        "all_phases": settings.all_phases,
        "label_by_folder": settings.label_by_folder,
        "columns": dict(settings.columns),
    }
    place = out.child(RUN)
    try:
        there = json.loads(places.read(place))
    except (InputError, ValueError):
        if places.names(out.child(ROWS), SUFFIX):
            raise InputError(out.name, f"has rows but no readable {RUN}", remedy="choose another folder") from None
        places.write(place, json.dumps(asked, indent=1, ensure_ascii=False).encode("utf-8", "surrogateescape"))
        return
    other = [name for name, value in asked.items() if there.get(name) != value]
    if other:
        what = "; ".join(f"{name} {there.get(name)}" for name in other)
        raise InputError(out.name, f"holds another run's results ({what})", remedy="choose another folder for --out")


def _set_aside(out: Place, found: Plan) -> int:
    """Move files of shards that the sources have no more out of the results; their number."""
    moved = 0
    for folder in (ROWS, AGAINST, MAPS):
        contents = {shards.content(name) for name in found.shards}
        for name in places.names(out.child(folder), SUFFIX):
            if shards.content(name) not in contents:
                target = out.child(SUPERSEDED).child(f"{folder}-{name}{SUFFIX}")
                places.move(out.child(folder).child(name + SUFFIX), target)
                moved += 1
    return moved


def _faults(out: Place, found: Plan, mark: str) -> list[str]:
    """What is not as it must be: each photograph has one row."""
    lost = found.shards - judged(out, mark)
    return [f"{out.name}: {len(lost)} files of rows are missing; run the same command again"] if lost else []
