"""Runs shards in processes of this machine; one that dies is replaced, and costs at most the photograph it died of."""

import json
import signal
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import Any, Protocol

from platewatch.archive.shards import Photograph, Shard
from platewatch.errors import PlatewatchError

MOST_DEATHS = 3
"""Deaths of processes at one photograph, after which it is not tried again; and deaths in a row before any photograph
is begun, after which the run ends."""


class Worker(Protocol):
    """What a process runs; `judging.ShardWorker` is one."""

    def run(self, shard: Shard, begun: Callable[[int], None], refused: dict[int, str]) -> Any:
        """Returns a dataclass of plain values."""


Make = Callable[[Callable[[str], None]], Worker]
"""Makes the worker in its process; gets a function that passes a line on to the parent process."""


class WorkerError(PlatewatchError):
    """A shard could not be judged or written."""


@dataclass
class _Task:
    shard: Shard
    deaths: Counter[int] = field(default_factory=Counter)
    refused: dict[int, str] = field(default_factory=dict)


class _Child:
    """One process and what it works on."""

    def __init__(self, make: Make) -> None:
        context = get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(make, theirs), daemon=True)
        self.process.start()
        theirs.close()
        self.task: _Task | None = None
        self.position: int | None = None

    def give(self, task: _Task) -> None:
        self.task, self.position = task, None
        shard = task.shard
        message = {"name": shard.name, "source": shard.source, "photographs": shard.photographs}
        with suppress(OSError):  # it has died, which is seen at once
            self.pipe.send_bytes(json.dumps({**message, "refused": list(task.refused.items())}).encode())

    def messages(self) -> Iterator[dict[str, Any]]:
        """What it has said so far; raises EOFError once it is dead and all is heard."""
        while self.pipe.poll():
            yield json.loads(self.pipe.recv_bytes())

    def end(self) -> None:
        self.process.kill()
        self.process.join()
        self.pipe.close()


def run(
    make: Make, shards: Iterable[Shard], workers: int, notify: Callable[[str], None], begun: Callable[[str, int], None]
) -> Iterator[dict[str, Any] | WorkerError]:
    """What the worker returned for each shard, as a dictionary, or a WorkerError; in the order in which they end.

    `begun` is called with the shard's name and the position of each photograph, `notify` with each line that a worker
    passes on. Raises WorkerError when processes cannot be kept running.
    """
    source, again, failures = iter(shards), deque[_Task](), 0
    children: list[_Child] = []
    try:
        while True:
            for child in children:
                if child.task is None and (task := _next(again, source)):
                    child.give(task)
            while len(children) < workers and (task := _next(again, source)):
                children.append(_Child(make))
                children[-1].give(task)
            busy = [child for child in children if child.task is not None]
            if not busy:
                return
            wait([child.pipe for child in busy])
            for child in busy:
                try:
                    for message in child.messages():
                        failures = 0 if "begun" in message else failures
                        yield from _heard(child, message, notify, begun)
                except (EOFError, OSError):
                    failures += child.position is None
                    again.append(_after_death(child, notify))
                    children.remove(child)
                    child.end()
                    if failures >= MOST_DEATHS:
                        what = f"{failures} processes ended before they judged anything"
                        raise WorkerError("workers", what, remedy="check memory and the model folder") from None
    finally:
        for child in children:
            child.end()


def _next(again: deque[_Task], source: Iterator[Shard]) -> _Task | None:
    if again:
        return again.popleft()
    shard = next(source, None)
    return None if shard is None else _Task(shard)


def _heard(
    child: _Child, message: dict[str, Any], notify: Callable[[str], None], begun: Callable[[str, int], None]
) -> Iterator[dict[str, Any] | WorkerError]:
    if "begun" in message:
        assert child.task is not None  # noqa: S101 - only busy ones are listened to
        child.position = message["begun"]
        begun(child.task.shard.name, child.position)
    elif "line" in message:
        notify(message["line"])
    else:
        child.task = None
        if "error" in message:
            yield WorkerError(*message["error"][:2], expected=message["error"][2], remedy=message["error"][3])
        else:
            yield message["done"]


def _after_death(child: _Child, notify: Callable[[str], None]) -> _Task:
    """The task to be done again, without the photograph that has cost too many processes."""
    child.process.join()
    task, position = child.task, child.position
    assert task is not None  # noqa: S101 - only busy ones are listened to
    how = _how_ended(child.process.exitcode)
    notify(f"a worker ended ({how}); its shard is judged again")
    if position is not None:
        task.deaths[position] += 1
        if task.deaths[position] >= MOST_DEATHS:
            task.refused[position] = f"the process that judged it ended {MOST_DEATHS} times ({how})"
    return task


def _how_ended(code: int | None) -> str:
    if code is not None and code < 0:
        return f"signal {signal.Signals(-code).name}"
    return f"exit code {code}"


def _serve(make: Make, pipe: Connection) -> None:
    """Judge shards until the parent process ends or wants no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends this process

    lock = threading.Lock()  # threads that read ahead from a store pass on lines too

    def say(**message: Any) -> None:
        with lock:
            pipe.send_bytes(json.dumps(message).encode())

    worker: Worker | None = None
    while True:
        try:
            task = json.loads(pipe.recv_bytes())
        except EOFError:
            return
        photographs = tuple(Photograph(*each) for each in task["photographs"])
        shard = Shard(task["name"], task["source"], photographs)
        try:
            worker = worker or make(lambda line: say(line=line))
            refused = {int(position): why for position, why in task["refused"]}
            say(done=asdict(worker.run(shard, lambda position: say(begun=position), refused)))
        except PlatewatchError as error:
            say(error=(error.where, error.what, error.expected, error.remedy))
        except BrokenPipeError:  # the parent process has ended
            return
