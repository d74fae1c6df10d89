"""Two writers at a time that add plates until they are killed, over and over; a script of its own, for it forks.

python killed_writers.py URL FOLDER ROUNDS: in FOLDER/acknowledged a line for each plate whose `add` returned.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path

from plate_rows import plate
from platewatch.inspection import Verdict
from platewatch.records import Judgement, Policy, Records
from waiting import eventually


def write(url: str, folder: Path, writer: str) -> None:
    """Add plates from the first that was not acknowledged on, as a client does that tries again after a crash."""
    log = os.open(folder / "acknowledged", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    mine = [line for line in (folder / "acknowledged").read_text().splitlines() if line.startswith(f"{writer}-")]
    verdicts: list[Verdict | None] = [*Verdict, None]
    with Records.open(url, folder / "photographs", Policy(review_share=0.5)) as records:
        for number in range(len(mine), 100_000):
            key = f"{writer}-{number}"
            entry = records.add(plate(verdicts[number % 4]), key.encode(), key=key, deliver=["http://127.0.0.1/"]).entry
            os.write(log, f"{key} {entry.number} {entry.chain}\n".encode())
            if number % 3 == 0:
                records.review(entry.number, Judgement.GOOD, "anna")
            if number % 5 == 0:
                records.event("login", "anna")


def main(url: str, folder: Path, rounds: int) -> None:
    """In every second round a writer is killed after a plate of that round was acknowledged, else at any moment."""
    chance = random.Random(0)  # noqa: S311 - moments, not secrets
    acknowledged = folder / "acknowledged"
    acknowledged.touch()
    for number in range(rounds):
        before = acknowledged.stat().st_size
        children = list[int]()
        for writer in "ab":
            child = os.fork()
            if child == 0:
                write(url, folder, writer)
                os._exit(1)  # never comes so far
            children.append(child)
        try:
            if number % 2 == 0:
                eventually(lambda: acknowledged.stat().st_size > before)  # noqa: B023 - called here
            for child in children:
                time.sleep(chance.uniform(0, 0.1))
                os.kill(child, signal.SIGKILL)
        finally:
            for child in children:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
