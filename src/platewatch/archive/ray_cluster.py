"""Runs shards on a Ray cluster: actors of one core, each with one process of its own that judges.

An actor that dies is started again by Ray, and its shards are judged again; a photograph that ends the judging process
costs what it costs on one machine (processes.py).
"""

import os
import secrets
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import ray

from platewatch import printable
from platewatch.archive import processes
from platewatch.archive.judging import ShardWorker, Work
from platewatch.archive.processes import WorkerError
from platewatch.archive.shards import Shard
from platewatch.model import model_folder

LOCAL = "local"
"""The address of a cluster that is started on this machine, for this run alone."""
_AHEAD = 2  # shards of an actor: one that is judged, one that waits
_LOOK_S = 5.0
_OVERDUE = 60.0, 5  # a shard is given to another actor after 60 s and 5 times the longest so far, once others are idle
_STORE_BYTES = 100 * 2**20  # for the models; photographs are handed over by their paths


class _Judge:
    """An actor: writes the models into a folder of its own machine, and keeps one judging process."""

    def __init__(self) -> None:
        self._given = deque[Shard]()
        self._results: Iterator[dict[str, Any] | WorkerError] | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="platewatch-", ignore_cleanup_errors=True)

    def run(self, work: Work, models: dict[str, dict[str, bytes]], shard: Shard) -> dict[str, Any]:
        """The models are no arguments of the constructor: an actor that is started again may not find those again."""
        if self._results is None:
            self._results = self._begin(work, models)
        self._given.append(shard)
        found = next(self._results)
        if isinstance(found, WorkerError):
            return {"error": (found.where, found.what, found.expected, found.remedy)}
        return found

    def _begin(self, work: Work, models: dict[str, dict[str, bytes]]) -> Iterator[dict[str, Any] | WorkerError]:
        paths = {path: self._written(str(number), files) for number, (path, files) in enumerate(models.items())}
        against = None if work.against is None else paths[work.against]
        own = replace(work, model=paths[work.model], against=against)
        given = iter(self._given.popleft, None)
        return processes.run(partial(ShardWorker, own), given, 1, _say, lambda _name, _position: None)

    def _written(self, name: str, files: dict[str, bytes]) -> str:
        for path, data in files.items():
            place = Path(self._folder.name, name, path)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
        return str(Path(self._folder.name, name))


def run(
    work: Work, shards: Iterable[Shard], workers: int, address: str, notify: Callable[[str], None]
) -> Iterator[dict[str, Any] | WorkerError]:
    """What the worker returned for each shard, or a WorkerError; in the order in which they end.

    `workers` 0: one for each core of the cluster. The sources and the results must be at the same place for all nodes.
    """
    with _connected(address, workers):
        found = int(ray.cluster_resources().get("CPU", 1))
        if workers > found:
            notify(f"the cluster has {found} cores for {workers} workers")
        models = {path: _files(Path(path)) for path in {work.model, work.against} - {None} if path}
        actor = ray.remote(num_cpus=1, max_restarts=-1, max_task_retries=-1)(_Judge)
        pool = _Pool([actor.remote() for _ in range(workers or found)], (work, ray.put(models)))
        yield from pool.run(iter(shards))


@dataclass
class _Task:
    shard: Shard
    actor: int
    began: float = field(default_factory=time.monotonic)


class _Pool:
    """Gives shards to actors, and those of an actor that does not come back to another one."""

    def __init__(self, actors: list[Any], given: tuple[Any, ...]) -> None:
        """`given` are the arguments of each call before the shard."""
        self._actors, self._given, self._tasks = actors, given, dict[Any, _Task]()
        self._done, self._copied, self._longest = set[str](), set[str](), 0.0

    def run(self, source: Iterator[Shard]) -> Iterator[dict[str, Any] | WorkerError]:
        while True:
            for number in self._idle(_AHEAD):
                if (shard := next(source, None)) is not None:
                    self._give(shard, number)
            if not self._open():
                return
            ready, _ = ray.wait(list(self._tasks), num_returns=1, timeout=_LOOK_S)
            for reference in ready:
                task = self._tasks.pop(reference)
                found = _result(reference)
                if task.shard.name not in self._done:
                    self._longest = max(self._longest, time.monotonic() - task.began)
                    self._done.add(task.shard.name)
                    yield found
            self._copy_overdue()

    def _open(self) -> bool:
        """Whether a shard is not done that is given to somebody."""
        return any(task.shard.name not in self._done for task in self._tasks.values())

    def _idle(self, most: int) -> Iterator[int]:
        """Actors with fewer than `most` shards, the same one as often as it lacks some; one shard each in turn."""
        for place in range(most):
            for number in range(len(self._actors)):
                if sum(task.actor == number for task in self._tasks.values()) <= place:
                    yield number

    def _give(self, shard: Shard, number: int) -> None:
        self._tasks[self._actors[number].run.remote(*self._given, shard)] = _Task(shard, number)

    def _copy_overdue(self) -> None:
        least, times = _OVERDUE
        limit = least + times * self._longest
        late = [each for each in self._tasks.values() if time.monotonic() - each.began > limit]
        for task in late:
            number = next(self._idle(1), None)
            if number is not None and task.shard.name not in self._copied | self._done:
                self._copied.add(task.shard.name)
                self._give(task.shard, number)


def _result(reference: Any) -> dict[str, Any] | WorkerError:
    try:
        found: dict[str, Any] = ray.get(reference)
    except ray.exceptions.RayError as error:
        return WorkerError("ray", f"a shard was not judged ({error})", remedy="see the cluster's logs")
    if "error" in found:
        where, what, expected, remedy = found["error"]
        return WorkerError(where, what, expected=expected, remedy=remedy)
    return found


@contextmanager
def _connected(address: str, workers: int) -> Iterator[None]:
    """A connection to the cluster, or one started for this run alone; never one that happens to be there."""
    if address == LOCAL:
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))  # else Ray writes one into the home folder
    own = {"num_cpus": workers or None, "object_store_memory": _STORE_BYTES, "include_dashboard": False}
    try:
        ray.init(address=address, logging_level="warning", **(own if address == LOCAL else {}))
    except Exception as error:  # plain ones too, such as when a node does not start in time
        what = f"no cluster at {address} ({printable.line(str(error))})"
        raise WorkerError("ray", what, remedy="check address, token and load, or run without --ray") from error
    try:
        with redirect_stdout(sys.stderr):  # where Ray prints what its processes say
            yield
    finally:
        ray.shutdown()


def _files(model: Path) -> dict[str, bytes]:
    """The files of a model folder, by their relative paths."""
    names = [model_folder.MANIFEST, *model_folder.load_manifest(model).files]
    names += [model_folder.SIGNATURE] if (model / model_folder.SIGNATURE).exists() else []
    return {name: model_folder.read_file(model, name) for name in names}


def _say(line: str) -> None:
    """Ray passes on what an actor prints."""
    sys.stderr.write(f"{line}\n")
