"""Forty part types on one station, photographs mixed at 20 a second: time to the answer, memory, models loaded.

Each part type has a copy of MODEL with limits of its own; PHOTOS are good parts. `first_s`: a photograph whose model is
not in memory, one at a time. `process_mb` is what the process grew by, `counted_mb` what the station counted.
"""

import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

import kinds
import stations
from benchmarks.harness import Found, Table
from platewatch.line.loaded_models import LoadedModels
from platewatch.line.model_registry import loader
from platewatch.line.part_type_models import PartTypeModels
from platewatch.photographs import reading
from platewatch.records import Query, Records


def measure(
    model: Path, photos: Path, *, types: int = 40, per_s: float = 20.0, seconds: float = 60.0, limit_mb: int = 1000
) -> Found:
    files = [path.read_bytes() for path in reading.find(photos)]
    loaded = LoadedModels(loader(), limit_mb * 10**6)
    with tempfile.TemporaryDirectory() as name:

        def models(records: Records) -> PartTypeModels:
            return kinds.copies(model, Path(name), types, loaded, records)

        with stations.running(Path(name), part_types=models, waiting=1000, workers=0) as line:

            def judge(number: int) -> float:
                began, where = time.perf_counter(), f"/inspections?part_type=kind-{number % types}"
                line.client.post(where, content=files[number % len(files)]).raise_for_status()
                return time.perf_counter() - began

            before = _memory()
            first, asked = [judge(number) for number in range(types)], list(range(round(per_s * seconds)))
            with ThreadPoolExecutor(64) as pool:
                began = time.perf_counter()
                sent = []
                for each in asked:
                    time.sleep(max(0.0, began + each / per_s - time.perf_counter()))
                    sent.append(pool.submit(judge, 7 * each))
                taken = [each.result() for each in sent]
            grown, lost = _memory() - before, types + len(asked) - line.records.counts().received
            plates = line.records.find(Query(limit=100)).entries
            unscored = sum(each.inspection.score is None for each in plates)  # which no detector saw
    median, p99 = np.percentile(taken, (50, 99))
    found = {"median_ms": 1e3 * median, "p99_ms": 1e3 * p99, "p99.over_median": p99 / median, "lost": lost}
    found |= {"first_s.median": np.median(first), "first_s.max": max(first), "loads": loaded.loads}
    found |= {"counted_mb": loaded.bytes / 1e6, "process_mb": grown / 1e6}
    rows = [[each, f"{value:.3g}"] for each, value in found.items()]
    wrong = [f"{unscored} of the last {len(plates)} plates were judged by no detector"] if unscored else []
    return Found(figures=dict(rows), tables={"": Table(["what", "value"], rows)}, wrong=wrong)


def _memory() -> int:
    return 4096 * int(Path("/proc/self/statm").read_text().split()[1])
