"""Are both phases together ever worse than the better one, and how far from the best are alpha and the weight?

    python benchmarks/combination.py MODEL... DATA --out runs/combination

Two tables in Markdown and one JSON. Each phase alone is judged at limits of its own, from the good plates'
out-of-fold scores. The labels of DATA/test are read only to say what the best alpha and weight would have been.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

import runs
from platewatch.arrays import Array
from platewatch.decision.verdict import Decision
from platewatch.model import model_folder
from platewatch.model.thread_limits import cores

PHASES = ("surface", "skipganomaly", "both")
MAPS = dict(zip(PHASES, ("surface_map", "network_map", "anomaly_map"), strict=True))
FIGURES = {
    "auroc": ("image AUROC", "{:.4f}", False),
    "separation": ("lowest defective ÷ highest good score", "{:.2f}", False),
    "missed": ("defective plates that PASS", "{:.3g}", True),
    "false_alarms": ("good plates REJECTed", "{:.3g}", True),
    "not_passed_normal": ("good plates to REVIEW or REJECT", "{:.3g}", True),
    "pixel_auroc": ("pixel AUROC", "{:.4f}", False),
    "pixel_average_precision": ("pixel AP", "{:.3f}", False),
    "pixel_aupro": ("AUPRO to 30 %", "{:.3f}", False),
}
"""Title, form, and whether high is bad."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, nargs="+")
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, default=Path("runs/combination"))
    parser.add_argument("--threads", type=int, default=cores())
    asked = parser.parse_args()
    found = [_run(folder, asked.data, asked.threads) for folder in asked.model]
    runs.write_json(asked.out / "combination.json", found)
    sys.stdout.write(f"{phases(found)}\n\n{shares(found)}\n")


def _run(folder: Path, data: Path, threads: int) -> dict[str, Any]:
    manifest, seen = model_folder.load_manifest(folder), runs.look(folder, data, threads=threads)
    decision, held_out = manifest.decision, runs.out_of_fold(manifest)
    figures: dict[str, dict[str, Any]] = {}
    for phase in PHASES:
        test, good = (_scores(numbers, decision, phase) for numbers in (seen.numbers, held_out))
        pixel = {f"pixel_{name}": value for name, value in asdict(seen.pixel(MAPS[phase])).items()}
        figures[phase] = {**runs.judge(seen.labels, test, good, manifest.config.calibration), **pixel}
    pairs = np.stack([_scores(seen.numbers, decision, phase) for phase in PHASES[:2]], axis=1)
    return {
        "model": str(folder),
        "plates": {"normal": int((seen.labels == 0).sum()), "anomalous": int((seen.labels == 1).sum())},
        "unjudged": seen.unjudged,
        "phases": figures,
        "alpha": _choice(seen.labels, seen.numbers[:, 1:], decision.alpha),
        "weight": _choice(seen.labels, pairs, decision.weight, alone=True),
    }


def _scores(numbers: Array, decision: Decision, phase: str) -> Array:
    """The plates' scores (N,) by one phase or both, from their numbers (N, 3)."""
    weight = {"surface": 1.0, "skipganomaly": 0.0, "both": decision.weight}[phase]
    weighed = replace(decision, weight=weight)
    return np.array([weighed.score(*each) for each in numbers])


def _choice(labels: Array, pairs: Array, chosen: float, *, alone: bool = False) -> dict[str, Any]:
    """The chosen share of the first of two numbers (N, 2) beside the one that the labels would have chosen."""
    scores = runs.network_score(pairs, chosen)
    found = {"share": chosen, "auroc": runs.auroc(labels, scores), "separation": runs.separation(labels, scores)}
    return {"chosen": found, "best": runs.best_share(labels, pairs, alone=alone)}


def phases(found: Sequence[dict[str, Any]]) -> str:
    """Each phase alone and both, mean and worst over the models; then how both stand to the better one."""
    plural = "s" * (len(found) > 1)
    head = [f"mean (worst) of {len(found)} model{plural}", "surface", "Skip-GANomaly", "both", "both less the better"]
    rows = []
    for name, (title, form, highest) in FIGURES.items():
        values = {phase: [each["phases"][phase][name] for each in found] for phase in PHASES}
        if None in values["both"]:
            continue
        better = min if highest else max
        least = [better(pair) for pair in zip(values["surface"], values["skipganomaly"], strict=True)]
        differences = [both - best for both, best in zip(values["both"], least, strict=True)]
        cells = [runs.mean_and_worst(values[phase], form, highest=highest) for phase in PHASES]
        signed = form.replace(":", ":+")
        rows.append([title, *cells, runs.mean_and_worst(differences, signed, highest=highest)])
    return runs.markdown(head, rows)


def shares(found: Sequence[dict[str, Any]]) -> str:
    """Alpha and the phases' weight, as chosen and as the labels would have them, a row for each model."""
    head = ["model", "share", "chosen", "best", "AUROC: chosen", "best", "lowest ÷ highest: chosen", "best"]
    rows = []
    for each in found:
        for name, title in (("alpha", "alpha"), ("weight", "weight of the surface")):
            chosen, best = each[name]["chosen"], each[name]["best"]
            cells = [f"{one['share']:.1f}" for one in (chosen, best)]
            cells += [f"{one['auroc']:.4f}" for one in (chosen, best)]
            cells += [f"{one['separation']:.2f}" for one in (chosen, best)]
            rows.append([Path(each["model"]).name, title, *cells])
    return runs.markdown(head, rows)


if __name__ == "__main__":
    main()
