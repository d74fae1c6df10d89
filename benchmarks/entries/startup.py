"""Wall time in seconds until a fresh process of Platewatch answers, measured in turn.

The time of the interpreter alone is shown too; it is part of every other figure.
"""

import subprocess
import sys
import time
from pathlib import Path

from benchmarks.harness import Found, Table
from benchmarks.timing import Measure, in_turn, medians, timed
from platewatch.model.model_folder import REPLAY
from platewatch.photographs import reading

FIRST_VERDICT = "import sys, platewatch; print(platewatch.load(sys.argv[1]).inspect(sys.argv[2]).verdict)"


def measure(model: Path, *, rounds: int = 15) -> Found:
    photo = reading.find(model / REPLAY)[0]
    measures = {
        "Python alone": _process("-c", "pass"),
        "import platewatch": _process("-c", "import platewatch"),
        "platewatch --help": _process("-m", "platewatch", "--help"),
        "load a model and judge a plate": _process("-c", FIRST_VERDICT, str(model), str(photo)),
    }
    seconds = medians(in_turn(measures, rounds, what="starting"))  # the first run reads the files from disk
    rows = [[name, f"{each:.3f}"] for name, each in seconds.items()]
    return Found(tables={"": Table(["from a fresh process", "s"], rows)})


def _process(*words: str) -> Measure:
    line = [sys.executable, *words]
    return timed(lambda: subprocess.run(line, check=True, stdout=subprocess.DEVNULL), time.perf_counter)
