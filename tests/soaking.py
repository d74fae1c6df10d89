"""A station at full load while its clock steps, it is killed, its disk is full and its broker goes away.

    run.py soak MODEL PHOTOS... --minutes 30 --faketime /usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1

Needs mosquitto, libfaketime and the right to mount a file system of 4 GB. Exits 1 unless received = judged + failed,
every plate was acknowledged, recorded and delivered once, the chain is intact, and memory grows by less than 5 MB an
hour after the last kill, which is at a third of the run; memory is judged from 30 minutes on.
"""

import json
import os
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from itertools import cycle, pairwise
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from benchmarks import models
from benchmarks.entries import load
from benchmarks.harness import Found, Table, say
from platewatch.photographs import reading
from served import Served
from servers import Mosquitto, mosquitto

TURNS = (
    *(("clock", "+1h"), ("kill", ""), ("disk", "full"), ("disk", "free"), ("clock", "-3h"), ("broker", "away")),
    *(("kill", ""), ("broker", "back"), ("clock", "+3650d"), ("disk", "full"), ("disk", "free"), ("kill", "")),
    *(("clock", "+0"), ("broker", "away"), ("clock", "-20000d"), ("broker", "back"), ("clock", "+0"), ("kill", "")),
)
STEPS = 40  # disturbances in a run; the last one frees the disk
KILLED = 1 / 3  # of the run; after it the process stays the same, and its memory is compared with itself
SLOPE_MB_PER_H = 5.0
LONG = 20 * 60.0  # seconds without a kill from which the slope is judged
PATIENCE_S = 180.0
DISK_MB = 4096


def plan(seconds: float) -> list[tuple[float, str, str]]:
    """Second, what and how of every disturbance; in the last tenth of the run the disk is free and the broker there."""
    step, found = 0.9 * seconds / STEPS, []
    for number, (what, how) in zip(range(1, STEPS + 1), cycle(TURNS), strict=False):
        if what != "kill" or number * step < KILLED * seconds:
            found.append((number * step, what, how))
    return found


@dataclass
class Seen:
    """What was sampled while the station ran."""

    acknowledged: list[tuple[float, int]] = field(default_factory=list)
    """Second and number of plates acknowledged until then, whenever it grew."""
    megabytes: list[tuple[float, float]] = field(default_factory=list)

    def stall(self, start: float, end: float) -> float:
        """The longest time in seconds without an acknowledged plate that touches this period."""
        times = [0.0, *(second for second, _ in self.acknowledged)]
        return max(
            (later - earlier for earlier, later in pairwise(times) if later > start and earlier < end), default=0.0
        )

    def slope(self, start: float) -> float:
        """Memory from second `start` on: MB an hour by least squares."""
        late = np.array([each for each in self.megabytes if each[0] >= start]).reshape(-1, 2)
        return float(np.polyfit(late[:, 0], late[:, 1], 1)[0]) * 3600 if len(late) > 2 else float("nan")


@contextmanager
def small_disk(folder: Path) -> Iterator[Callable[[str], None] | None]:
    """A file system of its own at `folder` that can be made full and free again; None without the right to mount."""
    folder.mkdir(parents=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "none", folder], check=False)
    if mounted.returncode:
        yield None
        return

    def resized(kilobytes: int) -> bool:
        words = ["mount", "-o", f"remount,size={kilobytes}k", str(folder)]
        return subprocess.run(words, check=False, stderr=subprocess.DEVNULL).returncode == 0

    def make(how: str) -> None:
        if how != "full":
            assert resized(DISK_MB * 1024)
            return
        for slack in range(0, 4096, 64):  # the record grows meanwhile, and a disk is no smaller than what is on it
            used = os.statvfs(folder)
            if resized((used.f_blocks - used.f_bfree) * used.f_frsize // 1024 + slack):
                return
        say("the disk could not be made full")

    try:
        yield make
    finally:
        make("free")
        subprocess.run(["umount", "--lazy", folder], check=True)


def stepped_clock(library: Path | None, file: Path) -> Mapping[str, str]:
    """The environment of a process whose wall clock `file` sets, by libfaketime; empty without the library."""
    file.write_text("+0")
    options = {"FAKETIME_TIMESTAMP_FILE": str(file), "FAKETIME_NO_CACHE": "1", "NO_FAKE_STAT": "1"}
    options |= {"FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1"}
    return {} if library is None else {"LD_PRELOAD": str(library), **options}


def run(
    model: Path, photographs: Sequence[bytes], folder: Path, *, minutes: float, clients: int, faketime: Path | None
) -> dict[str, Any]:
    """What was seen and counted. The record lies on a disk of its own, below `folder`, that goes with the run."""
    clock, seconds = folder / "clock", 60 * minutes
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        disk = stack.enter_context(small_disk(folder / "disk"))
        broker = stack.enter_context(mosquitto())
        stack.enter_context(patch.dict(os.environ, stepped_clock(faketime, clock)))
        options = ("--mqtt", f"mqtt://127.0.0.1:{broker.port}/plates", "--keep", "not-passed", "--days", "30")
        served = stack.enter_context(Served(model, folder / "disk", *options))
        for name in ("LD_PRELOAD", *(name for name in os.environ if "FAKE" in name)):
            os.environ.pop(name, None)
        turn: dict[str, Callable[[str], Any]] = {
            "clock": clock.write_text,
            "kill": lambda _how: served.kill(),
            "disk": disk or (lambda _how: None),
            "broker": lambda how: broker.stop() if how == "away" else broker.start(),
        }
        posting = load.start(served.address, photographs, clients, "soak", minutes)
        seen = _disturb(served, posting, seconds, turn)
        _calm(turn, broker)
        for client in posting:
            client.join(PATIENCE_S)
        waiting = _delivered(Path(served.records))
        counts = _asked(served, "/counts") or {}
        stopped = served.stop()
        audit = json.loads(models.command("audit", "--records", served.records, "--json"))
        answers = sum((client.answers for client in posting), Counter[str]())
        found = {"numbers": [number for client in posting for number in client.numbers], "counts": counts}
        found |= {"audit": audit, "waiting": waiting, "answers": dict(answers), "stopped": stopped, "said": served.said}
        found |= {"unfinished": sum(client.is_alive() for client in posting), "seconds": seconds, "clients": clients}
        found |= {"tried": {"clock": faketime is not None, "disk": disk is not None}}
        found |= {"slope": seen.slope(KILLED * seconds), "megabytes": seen.megabytes, "stalls": _stalls(seen, seconds)}
        return found


def _disturb(
    served: Served, posting: Sequence[load.Client], seconds: float, turn: Mapping[str, Callable[[str], Any]]
) -> Seen:
    seen, began, due, sampled = Seen(), time.monotonic(), plan(seconds), 0.0
    while (now := time.monotonic() - began) < seconds:
        if due and now >= due[0][0]:
            _, what, how = due.pop(0)
            say(f"{now:.0f} s: {what} {how}")
            turn[what](how)
        plates = sum(len(client.numbers) for client in posting)
        if not seen.acknowledged or plates > seen.acknowledged[-1][1]:
            seen.acknowledged.append((now, plates))
        if now - sampled >= min(5.0, seconds / 100):
            sampled = now
            found = _asked(served, "/metrics")
            if found is not None:
                seen.megabytes.append((now, found["process_resident_memory_bytes"] / 2**20))
        time.sleep(0.1)
    return seen


def _asked(served: Served, path: str) -> Any:
    """The answer; None while the station is away."""
    try:
        return load.metrics(served.address) if path == "/metrics" else load.ask(served.address, path)
    except (OSError, ValueError):
        return None


def _calm(turn: Mapping[str, Callable[[str], Any]], broker: Mosquitto) -> None:
    """The right time, a free disk and a broker."""
    turn["clock"]("+0")
    turn["disk"]("free")
    broker.stop()
    broker.start()


def _delivered(record: Path) -> int:
    """Wait until every plate was delivered; how many are not."""
    until, waiting = time.monotonic() + PATIENCE_S, -1
    while waiting and time.monotonic() < until:
        with closing(sqlite3.connect(f"file:{record}?mode=ro", uri=True)) as connection:
            (waiting,) = connection.execute("SELECT count(*) FROM outbox").fetchone()
        time.sleep(0.2)
    return int(waiting)


def _stalls(seen: Seen, seconds: float) -> list[tuple[str, int, float]]:
    """Each disturbance, how often it came, and the longest time without an acknowledged plate after it."""
    turns = plan(seconds)
    ends = [*(second for second, _, _ in turns[1:]), seconds]
    longest: dict[str, list[float]] = {}
    for (second, what, how), end in zip(turns, ends, strict=True):
        longest.setdefault(f"{what} {how}".strip(), []).append(seen.stall(second, end))
    return [(name, len(each), max(each)) for name, each in longest.items()]


def measure(
    model: Path, photos: Sequence[Path], *, out: Path, minutes: float = 30.0, clients: int = 6, faketime: Path = Path()
) -> Found:
    photographs = [path.read_bytes() for folder in photos for path in reading.find(folder)]
    library = faketime.resolve() if faketime.is_file() else None
    found = run(model, photographs, out / "run", minutes=minutes, clients=clients, faketime=library)
    rows = [[name, str(times), f"{stall:.1f}"] for name, times, stall in found["stalls"]]
    figures = {"plates": len(found["numbers"]), "MB an hour": round(found["slope"], 2), **found["counts"]}
    table = Table(["disturbance", "times", "longest time without a plate, s"], rows)
    return Found(figures, {"": table}, found, wrong=wrong(found))


def wrong(found: Mapping[str, Any]) -> list[str]:
    """What is not as it must be; empty when all is well."""
    numbers, counts = found["numbers"], found["counts"]
    received, judged, failed = (counts.get(name) for name in ("received", "judged", "failed"))
    problems = [f"not tried: {name}" for name, tried in found["tried"].items() if not tried]
    if len(set(numbers)) != len(numbers):
        problems.append(f"{len(numbers) - len(set(numbers))} plates were acknowledged under the number of another one")
    if received != len(numbers):
        problems.append(f"the record has {received} plates, the clients {len(numbers)} acknowledged ones")
    if received is None or received != judged + failed:
        problems.append(f"received {received}, judged {judged}, failed {failed}")
    if not found["audit"]["whole"]:
        problems.append(f"the chain is not intact: {found['audit']}")
    if found["waiting"]:
        problems.append(f"{found['waiting']} plates were not delivered")
    if found["unfinished"]:
        problems.append(f"{found['unfinished']} clients still wait for an answer")
    if found["stopped"]:
        problems.append(f"the station ended with {found['stopped']}")
    if (1 - KILLED) * found["seconds"] >= LONG and not found["slope"] < SLOPE_MB_PER_H:
        problems.append(f"memory grows by {found['slope']:.1f} MB an hour")
    return problems
