"""How long Platewatch takes to start: fresh processes in turn, medians of what a clock on the wall shows.

    python benchmarks/startup.py MODEL --out runs/startup

The interpreter alone is measured beside, and is part of every other figure.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import runs
from platewatch.model import model_folder
from platewatch.photographs import reading

FIRST_VERDICT = "import sys, platewatch; print(platewatch.load(sys.argv[1]).inspect(sys.argv[2]).verdict)"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--out", type=Path, default=Path("runs/startup"))
    asked = parser.parse_args()
    found = measure(asked.model, asked.rounds)
    runs.write_json(asked.out / "startup.json", found)
    rows = ((name, f"{seconds:.3f}") for name, seconds in found.items())
    sys.stdout.write(runs.markdown(("from a fresh process", "s"), rows) + "\n")


def measure(folder: Path, rounds: int) -> dict[str, float]:
    """Seconds of each, the median; the first round, whose files may not be in memory yet, does not count."""
    photo = reading.find(folder / model_folder.REPLAY)[0]
    commands = {
        "Python alone": ("-c", "pass"),
        "import platewatch": ("-c", "import platewatch"),
        "platewatch --help": ("-m", "platewatch", "--help"),
        "load a model and judge a plate": ("-c", FIRST_VERDICT, str(folder), str(photo)),
    }
    taken: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(rounds + 1):
        for name, arguments in commands.items():
            started = time.perf_counter()
            subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
            taken[name].append(time.perf_counter() - started)
        runs.say(f"round {number} of {rounds}")
    return {name: median(each[1:]) for name, each in taken.items()}


if __name__ == "__main__":
    main()
