"""A station at full load while its clock steps, it is killed, its disk is full and its broker goes away.

    run.py soak MODEL PHOTOS... --minutes 30 --faketime libfaketime.so.1

Needs mosquitto, libfaketime and the right to mount a file system of 4 GB. Exits 1 unless received = judged + failed,
every plate was acknowledged, judged and delivered once, the chain is intact and memory grows by less than 5 MB an hour
after the last kill (a third of the run; judged from 30 minutes on).
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.harness import Found, Table
from platewatch.photographs import reading


def measure(
    model: Path, photos: Sequence[Path], *, out: Path, minutes: float = 30.0, clients: int = 6, faketime: Path = Path()
) -> Found:
    sys.path.append(str(Path(__file__).parents[2] / "tests"))  # servers and stations are those of the tests
    import soaking  # noqa: PLC0415

    photographs = [path.read_bytes() for folder in photos for path in reading.find(folder)]
    library = faketime.resolve() if faketime.is_file() else None
    found = soaking.run(model, photographs, out / "run", minutes=minutes, clients=clients, faketime=library)
    rows = [[name, str(times), f"{stall:.1f}"] for name, times, stall in found["stalls"]]
    figures = {"plates": len(found["numbers"]), "MB an hour": round(found["slope"], 2), **found["counts"]}
    table = Table(["disturbance", "times", "longest time without a plate, s"], rows)
    return Found({key: str(value) for key, value in figures.items()}, {"": table}, found, wrong=soaking.wrong(found))
