"""Mutated photographs and model files in a child process: each has to end in an Inspection or a named error."""

import json
import subprocess
import sys
from pathlib import Path

from benchmarks.harness import Found, Table

PROGRAM = Path(__file__).parents[2] / "tests" / "mutated_inputs.py"


def measure(model: Path, *, count: int = 20_000, seed: int = 0) -> Found:
    words = [sys.executable, str(PROGRAM), str(model), str(count), str(seed)]
    found = json.loads(subprocess.run(words, stdout=subprocess.PIPE, check=True).stdout)
    rows = [[name, str(number)] for name, number in found["counts"].items()]
    return Found({"inputs": found["inputs"]}, {"": Table(["outcome", "inputs"], rows)}, found, wrong=found["wrong"])
