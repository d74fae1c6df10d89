"""A complete verdict against anomalib's PatchCore, PaDiM and EfficientAD-S: core-ms a plate, in turn within one run.

    python -m venv ENV
    ENV/bin/pip install anomalib==2.7.0 torch==2.14.1 torchvision==0.29.1 onnx onnxscript onnxruntime openvino
    run.py peers MODEL ENV/bin/python

anomalib is installed in its own environment (about 7 GB); the second argument is that environment's interpreter. Each
of its models is measured in torch, ONNX Runtime, OpenVINO in float32, and OpenVINO in its default precision; the
fastest counts. Weights are random, with the shapes of trained ones: they take the same time, and nothing is downloaded.
PatchCore's memory bank holds a tenth of the patches of 54 pictures; PaDiM's Gaussians are fitted to these pictures. All
judge decoded photographs of 256×256 px with one thread.
"""

import json
import subprocess
from collections import defaultdict
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, TextIO, cast

from benchmarks.harness import Found, Table
from benchmarks.timing import in_turn, medians, timed
from platewatch.model.inspector import Inspector
from platewatch.model.runtime import installed
from platewatch.synthetic import rendered_plates

OTHERS = Path(__file__).parents[1] / "peers_anomalib.py"
OURS = "Platewatch"


def measure(model: Path, python: Path, *, rounds: int = 60) -> Found:
    asked = [str(python), "-c", "import anomalib"]
    if not python.exists() or subprocess.run(asked, capture_output=True, check=False).returncode:
        raise SystemExit(f"{python}: no interpreter that imports anomalib; how to make one: run.py peers --help")
    photo = rendered_plates.render("good", 0, 256)[0]
    inspectors = {f"{OURS}, {name}": Inspector(model, threads=1, runtime=name) for name in installed()}
    judges = {name: timed(partial(each.inspect, photo)) for name, each in inspectors.items()}
    with subprocess.Popen([python, OTHERS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as peer:
        built = _hear(peer)
        judges |= {name: partial(_ask, peer, name) for name in built["judges"]}
        core_s = medians(in_turn(judges, rounds, what="one plate each"))
        cast(TextIO, peer.stdin).close()
    core_ms = {name: 1e3 * each for name, each in core_s.items()}
    return Found(built["versions"], {"": table(core_ms)}, core_ms)


def _ask(peer: "subprocess.Popen[str]", name: str) -> float:
    """The CPU seconds that one plate took."""
    print(name, file=peer.stdin, flush=True)
    return float(_hear(peer))


def _hear(peer: "subprocess.Popen[str]") -> Any:
    line = cast(TextIO, peer.stdout).readline()
    if not line:
        raise SystemExit("the process with anomalib ended; its messages are above")
    return json.loads(line)


def table(core_ms: Mapping[str, float]) -> Table:
    """One row for each detector: its fastest runtime, and the times of all its runtimes."""
    taken: dict[str, dict[str, float]] = defaultdict(dict)
    for name, each in core_ms.items():
        detector, _, runtime = name.rpartition(", ")
        taken[detector][runtime] = each
    rows = []
    for detector, runtimes in taken.items():
        fastest = min(runtimes, key=lambda name: runtimes[name])
        times = [f"{runtimes[fastest]:.1f}", f"{runtimes[fastest] / min(taken[OURS].values()):.1f}"]
        rows.append([detector, fastest, *times, ", ".join(f"{name} {each:.1f}" for name, each in runtimes.items())])
    return Table(["detector", "fastest runtime", "core-ms", "÷ Platewatch", "all runtimes"], rows)
