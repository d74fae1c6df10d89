"""A station under load: many clients post photographs. Measures the answers, their times and memory.

    platewatch bench MODEL --photos PHOTOS
    platewatch serve MODEL --records records.db --keep not-passed &
    run.py load http://127.0.0.1:8000 PHOTOS... --clients 8 --minutes 10
    platewatch audit --records records.db

First comes the load, then half a minute with --crowd clients (default: three for each place of the station), which is
more than the station has places for; each client waits and posts again when the station says so. Every photograph has
its own bytes, so that the record stores each. Nobody else should post meanwhile. Exits 1 when clients, station and
record do not agree. `run.py soak` does worse to a station, for longer.
"""

import http.client
import json
import threading
import time
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.harness import Found, Table, say
from platewatch.photographs import reading

WARM_S = 60.0  # before this (or half of the time), memory still grows to its usual level
COUNTED = ("plates_received_total", "plates_judged_total", "plates_failed_total", "uploads_refused_total")
COLUMNS = {
    "clients": "{clients}",
    "s": "{seconds:.0f}",
    "acknowledged": "{acknowledged}",
    "503": "{busy}",
    "received = judged + failed": "{plates_received_total} = {plates_judged_total} + {plates_failed_total}",
    "plates/s": "{plates_per_s:.1f}",
    "median, p99, slowest ms": "{median_ms:.0f}, {p99_ms:.0f}, {slowest_ms:.0f}",
    "memory warm → end, MB": "{warm_mb:.0f} → {end_mb:.0f}",
    "MB an hour": "{mb_per_h:+.1f}",
}


def measure(url: str, photos: Sequence[Path], *, clients: int = 8, minutes: float = 10.0, crowd: int = 0) -> Found:
    photographs = [path.read_bytes() for folder in photos for path in reading.find(folder)]
    before, many = ask(url, "/counts"), crowd or 3 * int(metrics(url)["places"])
    parts = [load(url, photographs, clients, minutes, "load"), load(url, photographs, many, min(0.5, minutes), "crowd")]
    after = ask(url, "/counts")
    wrong = check(parts, {name: after[name] - before[name] for name in ("received", "judged", "failed")})
    return Found(tables={"": Table.of(COLUMNS, parts)}, details=parts, wrong=wrong)


class Client(threading.Thread):
    """A gateway with one connection: posts plate after plate, each with its own key, until it is acknowledged."""

    def __init__(self, url: str, name: str, photographs: Sequence[bytes], until: float) -> None:
        super().__init__(name=f"{name}-{time.time_ns()}", daemon=True)
        self.numbers: list[int] = []
        self.seconds: list[float] = []
        self.answers: Counter[str] = Counter()
        self.until = until
        self._connection, self._photographs = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60), photographs

    def run(self) -> None:
        """Post until the time is up; the last plate is posted until it is acknowledged."""
        plate = 0
        while time.monotonic() < self.until:
            plate += 1
            key = f"{self.name}-{plate}"
            photograph = self._photographs[plate % len(self._photographs)] + key.encode()  # after its end: another file
            while not self._post(key, photograph):
                pass
        self._connection.close()

    def _post(self, key: str, photograph: bytes) -> bool:
        """Whether the plate was acknowledged; if not, waits as long as the station says."""
        started = time.perf_counter()
        try:
            self._connection.request("POST", "/inspections", photograph, {"Idempotency-Key": key})
            answer = self._connection.getresponse()
            found = json.loads(answer.read())
        except (OSError, ValueError, http.client.HTTPException) as error:
            self.answers[f"broken: {type(error).__name__}"] += 1
            self._connection.close()
            time.sleep(0.01)
            return False
        self.answers[str(answer.status)] += 1
        if answer.status in {200, 201}:
            self.seconds.append(time.perf_counter() - started)
            self.numbers.append(found["number"])
            return True
        wait = answer.headers.get("Retry-After")
        self.answers["without Retry-After"] += wait is None
        time.sleep(float(wait or 1))
        return False


def start(url: str, photographs: Sequence[bytes], count: int, name: str, minutes: float) -> list[Client]:
    """`count` clients that post for `minutes`."""
    say(f"{name}: {count} clients for {minutes:g} minutes")
    clients = [Client(url, f"{name}-{each}", photographs, time.monotonic() + 60 * minutes) for each in range(count)]
    for client in clients:
        client.start()
    return clients


def ask(url: str, path: str, body: bytes | None = None) -> Any:
    """GET, or POST with a body: JSON, or the text of /metrics; raises OSError, also for an error that is answered."""
    request = urllib.request.Request(url + path, body, {"Content-Type": "application/octet-stream"})  # noqa: S310 - ours
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - as above
        text = answer.read().decode()
    return text if path == "/metrics" else json.loads(text)


def metrics(url: str) -> Mapping[str, float]:
    """GET /metrics: the sum of each sample by its name."""
    found: defaultdict[str, float] = defaultdict(float)
    for family in text_string_to_metric_families(ask(url, "/metrics")):
        for sample in family.samples:
            found[sample.name.removeprefix("platewatch_")] += sample.value
    return found


def load(url: str, photographs: Sequence[bytes], count: int, minutes: float, name: str) -> dict[str, Any]:
    """Let `count` clients post for `minutes`; returns their results and the station's counts."""
    before, began, samples = metrics(url), time.monotonic(), []
    clients = start(url, photographs, count, name, minutes)
    while any(client.is_alive() for client in clients):
        samples.append((time.monotonic() - began, metrics(url)["process_resident_memory_bytes"] / 2**20))
        clients[0].join(min(5.0, 6 * minutes))
        for client in clients if time.monotonic() > clients[0].until else ():
            client.join()
    took, after, answers = time.monotonic() - began, metrics(url), Counter[str]()
    for client in clients:
        answers += client.answers
    ms = [1e3 * seconds for client in clients for seconds in client.seconds]
    return {
        "clients": count,
        "seconds": took,
        "acknowledged": len(ms),
        "numbers": [number for client in clients for number in client.numbers],
        "answers": answers,
        "busy": answers["503"],
        **{key: int(after[key] - before[key]) for key in COUNTED},
        "plates_per_s": len(ms) / took,
        **{"median_ms": median(ms), "p99_ms": float(np.quantile(ms, 0.99)), "slowest_ms": max(ms)},
        **memory(samples),
    }


def memory(samples: Sequence[tuple[float, float]]) -> dict[str, float]:
    """MB after warming up and at the end, medians of a tenth of the (second, MB) samples each; slope in MB per hour."""
    warm = [each for each in samples if each[0] >= min(WARM_S, samples[-1][0] / 2)]
    tenth, (times, sizes) = max(1, len(warm) // 10), np.array(warm).T
    slope = float(np.polyfit(times, sizes, 1)[0]) * 3600 if len(warm) > 2 else float("nan")
    return {"warm_mb": float(median(sizes[:tenth])), "end_mb": float(median(sizes[-tenth:])), "mb_per_h": slope}


def check(parts: Iterable[Mapping[str, Any]], counts: Mapping[str, int]) -> list[str]:
    """The disagreements between clients, station and record; empty when there are none."""
    wrong, numbers = [], sorted(number for part in parts for number in part["numbers"])
    if numbers != list(range(numbers[0], numbers[0] + len(numbers))):
        wrong.append("the acknowledged plates' numbers are not one after the other")
    if counts["received"] != len(numbers) or counts["received"] != counts["judged"] + counts["failed"]:
        wrong.append(f"record: {counts}, clients: {len(numbers)}")
    for part in parts:
        received, judged, failed, refused = (part[key] for key in COUNTED)
        if not received == judged + failed == part["acknowledged"]:
            wrong.append(f"received {received}, judged {judged}, failed {failed}, acknowledged {part['acknowledged']}")
        if part["busy"] != refused or part["answers"].get("without Retry-After", 0):
            wrong.append(f"refused {refused}, answers {part['answers']}")
    return wrong
