"""A complete verdict against anomalib's PatchCore, PaDiM and EfficientAD-S: core-ms a plate, in turn within one run.

    python benchmarks/peers.py MODEL --make-env ENV
    python benchmarks/peers.py MODEL --python ENV/bin/python --out runs/peers

anomalib lives in an environment of its own, which --make-env makes (about 7 GB). Each of its models is measured in
torch, ONNX Runtime and OpenVINO, the last also in the precision that it likes best, and its fastest counts. Weights are
random, of the same shape as trained ones: they take the same time, and nothing is downloaded. PatchCore's memory bank
holds a tenth of the patches of 54 pictures, PaDiM's Gaussians are fitted to them. All judge photographs of 256×256 px
that are decoded already, with one thread each.
"""

import argparse
import json
import subprocess
import sys
import time
import venv
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any, TextIO, cast

import runs
from platewatch.arrays import Array
from platewatch.model.inspector import Inspector
from platewatch.model.runtime import installed
from platewatch.model.thread_limits import cores
from platewatch.synthetic import rendered_plates

PACKAGES = ("torch==2.14.1", "torchvision==0.29.1", "anomalib==2.7.0", "onnx", "onnxscript", "onnxruntime", "openvino")
SIDE = 256  # px
OURS = "Platewatch"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--python", type=Path, help="the interpreter that has anomalib")
    parser.add_argument("--make-env", type=Path, help="make it, in this folder")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--out", type=Path, default=Path("runs/peers"))
    asked = parser.parse_args()
    python = _make(asked.make_env) if asked.make_env else asked.python
    if python is None:
        parser.error("say --python or --make-env")
    found = measure(asked.model, python, asked.rounds)
    runs.write_json(asked.out / "peers.json", found)
    sys.stdout.write(table(found) + "\n")


def _make(folder: Path) -> Path:
    """A virtual environment with anomalib; returns its interpreter."""
    runs.say(f"installing anomalib into {folder}")
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", *PACKAGES], check=True, stdout=sys.stderr)
    return python


def measure(model: Path, python: Path, rounds: int) -> dict[str, Any]:
    """Core-ms a plate of every model in every runtime, a few plates of each in turn."""
    ours = {f"{OURS}, {name}": Inspector(model, threads=1, runtime=name) for name in installed()}
    photos = [rendered_plates.render(kind, 0, SIDE)[0] for kind in rendered_plates.KINDS]
    spent: dict[str, list[float]] = defaultdict(list)
    line = [python, Path(__file__).with_name("peers_anomalib.py")]
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as peer:
        asking, answers = cast(TextIO, peer.stdin), cast(TextIO, peer.stdout)
        built = _hear(answers)
        for inspector in ours.values():
            _core_ms(inspector, photos[0])
        for done in range(1, rounds + 1):
            for name, inspector in ours.items():
                spent[name] += [_core_ms(inspector, photo) for photo in photos]
            for name in built["judges"]:
                asking.write(name + "\n")
                asking.flush()
                spent[name] += _hear(answers)
            runs.say(f"round {done} of {rounds}")
    core_ms = {name: median(each) for name, each in spent.items()}
    return {"cores": cores(), "rounds": rounds, "versions": built["versions"], "core_ms": core_ms}


def _hear(answers: TextIO) -> Any:
    line = answers.readline()
    if not line:
        raise SystemExit("anomalib's side ended; what it said stands above")
    return json.loads(line)


def _core_ms(inspector: Inspector, photo: Array) -> float:
    started = time.process_time()
    inspector.inspect(photo)
    return 1e3 * (time.process_time() - started)


def table(found: Mapping[str, Any]) -> str:
    """A row for each detector at its fastest runtime, and what all its runtimes took."""
    taken: dict[str, dict[str, float]] = defaultdict(dict)
    for name, core_ms in found["core_ms"].items():
        detector, _, runtime = name.rpartition(", ")
        taken[detector][runtime] = core_ms
    ours = min(taken[OURS].values())
    rows = []
    for detector, runtimes in taken.items():
        fastest = min(runtimes, key=lambda name: runtimes[name])
        every = ", ".join(f"{name} {core_ms:.1f}" for name, core_ms in runtimes.items())
        rows.append((detector, fastest, f"{runtimes[fastest]:.1f}", f"{runtimes[fastest] / ours:.1f}", every))
    return runs.markdown(("detector", "fastest runtime", "core-ms", "÷ Platewatch", "all runtimes"), rows)


if __name__ == "__main__":
    main()
