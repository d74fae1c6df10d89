"""The station under load: many clients post photographs for minutes; what became of them, how long it took, memory.

    python benchmarks/load.py MODEL PHOTOS... --clients 8 --minutes 10 --out runs/load

The load, then more clients than the station has places, each coming again when it is told to; `platewatch bench` before
and after both, for the ratio. Every photograph is its own file to the record. A table in Markdown and one JSON.
"""

import argparse
import http.client
import json
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from prometheus_client.parser import text_string_to_metric_families

import runs
from platewatch.photographs import reading
from served import Served

PHOTOS = 24
"""As many as `platewatch bench` takes of a folder."""
SAMPLE_S = 5.0
WARM_S = 60.0
"""Before this, memory still grows to what the station needs; the slope is taken from then on, or from half-time."""


class Client(threading.Thread):
    """A gateway on one connection: plate after plate, each under its own key and again until it is acknowledged."""

    def __init__(self, served: Served, name: str, photographs: list[bytes], until: float) -> None:
        super().__init__(name=name, daemon=True)
        self.numbers: list[int] = []
        self.seconds: list[float] = []
        self.answers: Counter[str] = Counter()
        self._connection, self._photographs, self._until = served.connect(), photographs, until

    def stop(self) -> None:
        """Let the plate on its way be the last one, and wait for it."""
        self._until = 0.0
        self.join()

    def run(self) -> None:
        """Post until the time is up; the last plate is seen through."""
        plate = 0
        while time.monotonic() < self._until:
            plate += 1
            key = f"{self.name}-{plate}"
            photograph = self._photographs[plate % len(self._photographs)] + key.encode()  # after its end: another file
            while not self._post(key, photograph):
                pass
        self._connection.close()

    def _post(self, key: str, photograph: bytes) -> bool:
        """Whether the plate was acknowledged; otherwise waits as long as it is told to."""
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


def figures(served: Served) -> dict[str, float]:
    """GET /metrics: each sample by its name, sums over its labels by the name alone too."""
    connection = served.connect()
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    found: defaultdict[str, float] = defaultdict(float)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name.removeprefix("platewatch_")] += sample.value
            if "code" in sample.labels:
                found[f"{sample.name.removeprefix('platewatch_')}:{sample.labels['code']}"] += sample.value
    return dict(found)


def load(served: Served, photographs: list[bytes], clients: int, minutes: float, name: str) -> dict[str, Any]:
    """Have so many clients post for so long; what they saw and what the station counted of it."""
    before, began = figures(served), time.monotonic()
    until = began + 60 * minutes
    threads = [Client(served, f"{name}-{number}", photographs, until) for number in range(clients)]
    memory: list[tuple[float, float]] = []
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        memory.append((time.monotonic() - began, figures(served)["process_resident_memory_bytes"] / 2**20))
        threads[0].join(min(SAMPLE_S, 6 * minutes))
        if time.monotonic() > until:
            for thread in threads:
                thread.join()
    took, after = time.monotonic() - began, figures(served)
    answers = sum((thread.answers for thread in threads), Counter[str]())
    seconds = np.array([each for thread in threads for each in thread.seconds])
    counted = {key: int(after[key] - before.get(key, 0)) for key in COUNTED if key in after}
    return {
        "clients": clients,
        "seconds": took,
        "acknowledged": sum(len(thread.numbers) for thread in threads),
        "numbers": sorted(number for thread in threads for number in thread.numbers),
        "answers": dict(answers),
        "station": counted,
        "plates_per_s": len(seconds) / took,
        "median_ms": 1e3 * float(np.median(seconds)),
        "p99_ms": 1e3 * float(np.quantile(seconds, 0.99)),
        "slowest_ms": 1e3 * float(seconds.max()),
        "memory_mb": memory,
        **_memory(memory),
    }


COUNTED = (
    "plates_received_total",
    "plates_judged_total",
    "plates_failed_total",
    "plates_again_total",
    "uploads_refused_total",
    "uploads_refused_total:overloaded",
)


def _memory(samples: list[tuple[float, float]]) -> dict[str, float]:
    """Memory once warm and at the end, medians of a tenth of the samples each, and the slope between in MB an hour."""
    warm = [each for each in samples if each[0] >= min(WARM_S, samples[-1][0] / 2)]
    tenth = max(1, len(warm) // 10)
    times, sizes = np.array(warm).T
    slope = float(np.polyfit(times, sizes, 1)[0]) * 3600 if len(warm) > 2 else float("nan")
    return {
        "memory_first_mb": samples[0][1],
        "memory_warm_mb": statistics.median(value for _, value in warm[:tenth]),
        "memory_end_mb": statistics.median(value for _, value in warm[-tenth:]),
        "memory_mb_per_h": slope,
    }


def check(found: dict[str, Any]) -> list[str]:
    """What does not agree between clients, station and record; nothing when all is well."""
    wrong, counts = [], found["counts"]
    numbers = [number for part in ("load", "overload") for number in found[part]["numbers"]]
    if sorted(numbers) != list(range(1, len(numbers) + 1)):
        wrong.append("the acknowledged plates' numbers are not 1, 2, 3 …")
    if counts["received"] != len(numbers) or counts["received"] != counts["judged"] + counts["failed"]:
        wrong.append(f"record: {counts}, clients: {len(numbers)}")
    for part in ("load", "overload"):
        station, answers = found[part]["station"], found[part]["answers"]
        judged = station["plates_judged_total"] + station["plates_failed_total"]
        if not station["plates_received_total"] == judged == found[part]["acknowledged"]:
            wrong.append(f"{part}: station {station}, clients {found[part]['acknowledged']}")
        if answers.get("503", 0) != station["uploads_refused_total"] or answers.get("without Retry-After", 0):
            wrong.append(f"{part}: station {station}, clients {answers}")
    if not found["audit"]["whole"]:
        wrong.append(f"audit: {found['audit']}")
    return wrong


def gather(folders: list[Path], folder: Path) -> list[bytes]:
    """Copy PHOTOS photographs, evenly of all, into `folder`; their bytes."""
    paths = [path for each in folders for path in reading.find(each)]
    for number, path in enumerate(paths[:: max(1, len(paths) // PHOTOS)][:PHOTOS]):
        shutil.copyfile(path, folder / f"{number:02}{path.suffix}")
    return [path.read_bytes() for path in reading.find(folder)]


def measure(asked: argparse.Namespace, folder: Path) -> dict[str, Any]:
    (folder / "photos").mkdir()
    photographs = gather(asked.photos, folder / "photos")
    benches = [bench(asked.model, folder / "photos")]
    with Served(asked.model, folder, "--keep", "not-passed") as served:
        runs.say(f"{asked.clients} clients for {asked.minutes:g} minutes")
        found: dict[str, Any] = {"load": load(served, photographs, asked.clients, asked.minutes, "load")}
        crowd = asked.crowd or 3 * int(figures(served)["places"])
        runs.say(f"{crowd} clients for {asked.crowd_minutes:g} minutes")
        found["overload"] = load(served, photographs, crowd, asked.crowd_minutes, "crowd")
        counts = served.ask("GET", "/counts")[1]
    benches.append(bench(asked.model, folder / "photos"))
    audit = json.loads(runs.command("audit", "--records", served.records, "--json"))
    ratio = statistics.mean(each["plates_per_s"] for each in benches) / found["load"]["plates_per_s"]
    return found | {"bench": benches, "ratio": ratio, "audit": audit, "counts": counts}


def bench(model: Path, photos: Path) -> dict[str, Any]:
    runs.say("platewatch bench")
    return dict(json.loads(runs.command("bench", str(model), "--photos", str(photos), "--json")))


def table(found: dict[str, Any]) -> str:
    """A row for each of both parts, and a sentence."""
    head = ["clients", "s", "acknowledged", "503", "received = judged + failed", "plates/s", "median, p99, slowest ms"]
    head += ["p99 ÷ median", "memory warm → end, MB", "MB an hour"]
    rows = []
    for part in (found["load"], found["overload"]):
        station = part["station"]
        rows.append(
            [
                *(str(part["clients"]), f"{part['seconds']:.0f}", str(part["acknowledged"])),
                str(part["answers"].get("503", 0)),
                f"{station['plates_received_total']} = {station['plates_judged_total']} + "
                f"{station['plates_failed_total']}",
                f"{part['plates_per_s']:.1f}",
                f"{part['median_ms']:.0f}, {part['p99_ms']:.0f}, {part['slowest_ms']:.0f}",
                f"{part['p99_ms'] / part['median_ms']:.2f}",
                f"{part['memory_warm_mb']:.0f} → {part['memory_end_mb']:.0f}",
                f"{part['memory_mb_per_h']:+.1f}",
            ]
        )
    said = (
        f"`platewatch bench` before and after: {found['bench'][0]['plates_per_s']:.1f} and "
        f"{found['bench'][1]['plates_per_s']:.1f} plates/s, {found['ratio']:.2f} times the station's. "
        f"Record: {found['counts']}; audit: {found['audit']['rows']} rows, "
        f"{'whole' if found['audit']['whole'] else 'NOT whole'}."
    )
    return f"{runs.markdown(head, rows)}\n\n{said}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("photos", type=Path, nargs="+", help="folders of photographs")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--crowd", type=int, help="clients that are too many; three for each place unless told")
    parser.add_argument("--crowd-minutes", type=float, default=0.5)
    parser.add_argument("--out", type=Path, default=Path("runs/load"))
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(asked, Path(folder))
    wrong = check(found)
    for part in ("load", "overload"):
        del found[part]["numbers"]
    runs.write_json(asked.out / "load.json", found | {"wrong": wrong})
    sys.stdout.write("\n".join([table(found), *(f"WRONG: {each}" for each in wrong)]) + "\n")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
