"""Workers of archives that need no model: the processes of the tests run them."""

import os
import signal
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from platewatch.archive.processes import Make
from platewatch.archive.shards import Photograph, Shard


@dataclass(frozen=True)
class Answer:
    name: str
    refused: dict[int, str]


class Deadly:
    """Its process ends at each photograph whose name begins with `deadly`, and once at one that begins with `once`."""

    def __init__(self, _notify: Callable[[str], None], folder: Path) -> None:
        self._folder = folder

    def run(self, shard: Shard, begun: Callable[[int], None], refused: dict[int, str]) -> Answer:
        for position, photograph in enumerate(shard.photographs):
            begun(position)
            if position not in refused and self._kills(photograph.image):
                os.kill(os.getpid(), signal.SIGKILL)
        return Answer(shard.name, refused)

    def _kills(self, image: str) -> bool:
        if image.startswith("once"):
            first = not (self._folder / image).exists()
            (self._folder / image).touch()
            return first
        return image.startswith("deadly")


def dies_at_once(_notify: Callable[[str], None]) -> Deadly:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def shard(name: str, *images: str) -> Shard:
    return Shard(name, 0, tuple(Photograph(image, "1", 1) for image in images))


def here(
    make: Make, shards: Any, _workers: int, notify: Callable[[str], None], begun: Callable[[str, int], None]
) -> Any:
    """As `processes.run`, in this process."""
    worker = None
    for each in shards:
        worker = worker or make(notify)
        yield asdict(worker.run(each, partial(begun, each.name), {}))
