"""What an archive will take: photographs, bytes, hours and cost, by a short measurement on some of it."""

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from platewatch.archive import rows, runs, sources
from platewatch.archive.places import Place, Reader
from platewatch.archive.runs import Settings
from platewatch.archive.shards import Photograph, Shard
from platewatch.errors import InputError
from platewatch.line import judging
from platewatch.model import thread_limits
from platewatch.model.inspector import Inspector
from platewatch.progress import Progress

_SAMPLE = 24
_WARM_UP = 2


@dataclass(frozen=True)
class Estimate:
    """The plan of an archive in figures."""

    photographs: int
    bytes: int
    unsized: int
    """Photographs whose size is not known before they are read; `bytes` is without them."""
    done: int
    """Photographs that have rows already."""
    core_ms: float
    """Core time of a photograph from its file to its row, by both models where there are two; median of the sample."""
    read_ms: float
    """Wall time of reading a file; median of the sample."""
    sample: int
    """Photographs measured."""
    cores: int
    price: float | None
    """Of a core-hour."""

    @property
    def hours(self) -> float:
        """Hours that the cores work on the photographs that have no row yet."""
        return (self.photographs - self.done) * self.core_ms / self.cores / 3.6e6

    @property
    def core_hours_per_million(self) -> float:
        return self.core_ms / 3.6

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values, as docs/archive.md says."""
        cost = None if self.price is None else self.core_hours_per_million * self.price
        further = {"core_hours_per_million": self.core_hours_per_million, "cost_per_million": cost}
        return {"schema": rows.VERSION, **asdict(self), "hours": self.hours, **further}


def estimate(settings: Settings, price: float | None, progress: Progress) -> Estimate:
    """List all sources and measure some photographs; raises InputError and ModelError as a run does."""
    done = runs.judged(Place.of(settings.out), runs.marks(settings)[0]) if settings.out else set[str]()
    sample = list[Shard]()

    def keep(shard: Shard) -> None:
        """Shards of the smallest names: their names are hashes, so they lie anywhere in the archive."""
        sample.append(shard)
        if len(sample) > 2 * _SAMPLE:
            sample[:] = sorted(sample, key=lambda each: each.name)[:_SAMPLE]

    plan = runs.plan(settings, done, lambda count: progress("listing", count, count), keep)
    chosen = sorted(sample, key=lambda each: each.name)[:_SAMPLE]
    core_ms, read_ms = _measured(settings, list(_photographs(chosen)), progress)
    return Estimate(
        plan.photographs,
        plan.bytes,
        plan.unsized,
        plan.done,
        sorted(core_ms)[len(core_ms) // 2],
        sorted(read_ms)[len(read_ms) // 2],
        len(core_ms),
        settings.workers or thread_limits.cores(),
        price,
    )


def _photographs(chosen: list[Shard]) -> Iterator[tuple[int, Photograph]]:
    """About as many of each shard, evenly; `_SAMPLE` in all where there are so many."""
    each = max(1, -(-_SAMPLE // len(chosen)))
    for shard in chosen:
        step = max(1, len(shard.photographs) // each)
        for photograph in shard.photographs[::step][:each]:
            yield shard.source, photograph


def _measured(
    settings: Settings, sample: list[tuple[int, Photograph]], progress: Progress
) -> tuple[list[float], list[float]]:
    """Core-ms and ms of reading of each photograph; of the first ones again, when they are warm."""
    models = [settings.model, *([settings.against] if settings.against else [])]
    inspectors = [Inspector(model, threads=1, all_phases=settings.all_phases) for model in models]
    core_ms, read_ms = list[float](), list[float]()
    taken = sample[:_WARM_UP] + sample
    for position, (source, photograph) in enumerate(taken):
        place = sources.base(Place.of(settings.sources[source]))
        started, spent = time.perf_counter(), time.process_time()
        try:
            data = Reader(place).read(photograph.image)
        except InputError:  # its row will say so
            data = b""
        read_ms.append(1e3 * (time.perf_counter() - started))
        judged = [judging.judge(inspector, data, photograph.image).inspection for inspector in inspectors]
        rows.encoded([rows.row(each, photograph, place.name) for each in judged])
        core_ms.append(1e3 * (time.process_time() - spent))
        progress("measuring", position + 1, len(taken))
    measured = slice(min(_WARM_UP, len(taken) - 1), None)
    return core_ms[measured], read_ms[measured]
