"""Triggered frames of a GigE Vision camera on loopback (Debian's aravis-tools): is each one judged, and once?

The camera is triggered by software at a fixed pace. `--lost` makes it drop so many of 1,000 packets: every frame that
is not whole must have a row without a verdict, and the others one with.
"""

import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

import stations
from benchmarks.harness import Found, say
from platewatch.line.cameras.aravis import AravisDriver
from platewatch.line.cameras.frames import NoFrame
from platewatch.line.cameras.parts import CameraParts
from platewatch.line.cameras.stream import Stream, Trigger


def measure(*, count: int = 10_000, per_s: float = 20.0, lost: int = 0) -> Found:
    camera = ["arv-fake-gv-camera-0.8", "-i", "127.0.0.1", "-s", "PWBENCH", "-r", str(lost)]
    with (
        tempfile.TemporaryDirectory() as folder,
        stations.running(Path(folder)) as here,
        subprocess.Popen(camera) as process,
    ):
        stream = Stream("gige", AravisDriver("Aravis-Fake-PWBENCH"), Trigger.SOFTWARE)
        parts, times, faults = CameraParts(here.station.line, stream, "bmp"), list[float](), list[str]()
        stream.start()
        while list(stream.problems()):
            time.sleep(0.1)
        started = time.monotonic()
        for number in range(count):
            time.sleep(max(0.0, started + number / per_s - time.monotonic()))
            began = time.perf_counter()
            try:
                parts.judge(f"part {number}", 1.0)
            except NoFrame as error:
                faults.append(str(error))
            times.append(1e3 * (time.perf_counter() - began))
            if number % 200 == 0:
                say(f"{number} of {count}, {len(faults)} without a whole frame")
        parts.stop()
        process.kill()
        counts = here.records.counts()
        whole = counts.received == count and counts.judged == count - len(faults) and here.records.audit().intact
        median, p99 = np.percentile(times, (50, 99))
        figures: dict[str, float | str] = {"frames": count, "judged": counts.judged, "not_whole": len(faults)}
        figures |= {
            "said": "; ".join(sorted(set(faults))) or "nothing",
            "ms.median": f"{median:.1f}",
            "ms.p99": f"{p99:.1f}",
        }
        return Found(figures=figures, wrong=[] if whole else [f"{counts.received} rows for {count} triggers"])
