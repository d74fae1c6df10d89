"""Train and evaluate with several seeds; one table in Markdown and one JSON.

    python benchmarks/seeds.py DATA --seeds 0 1 2 --out runs/seeds

Every run is what a user types: `platewatch train DATA`, then `platewatch evaluate MODEL DATA --json`. Models that are
there already are evaluated, not trained again.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=Path("runs/seeds"))
    parser.add_argument("--options", default="", help="further options of `platewatch train`, in one string")
    parser.add_argument("--pixel-size", type=int, default=256)
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    rows = [_run(asked, seed) for seed in asked.seeds]
    (asked.out / "seeds.json").write_text(json.dumps(rows, indent=1) + "\n")
    sys.stdout.write(table(rows) + "\n")


def _run(asked: argparse.Namespace, seed: int) -> dict[str, Any]:
    model = asked.out / f"model-{seed}"
    started = time.monotonic()
    if not model.exists():
        command = ["train", str(asked.data), "--out", str(model), "--seed", str(seed), "--resume"]
        _platewatch(*command, *asked.options.split())
        (asked.out / f"model-{seed}.seconds").write_text(f"{time.monotonic() - started:.1f}")
    size = ["--pixel-size", str(asked.pixel_size)]
    result = json.loads(_platewatch("evaluate", str(model), str(asked.data), "--json", *size))
    return {"seed": seed, "train_s": float((asked.out / f"model-{seed}.seconds").read_text()), **result}


def _platewatch(*arguments: str) -> str:
    command = [sys.executable, "-m", "platewatch", *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def table(rows: list[dict[str, Any]]) -> str:
    """The runs side by side, a column a seed, as Markdown."""
    lines: dict[str, list[str]] = {
        "defective plates that PASS": [f"{r['verdicts']['missed']} of {r['images']['anomalous']}" for r in rows],
        "good plates REJECTed": [f"{r['verdicts']['false_alarms']} of {r['images']['normal']}" for r in rows],
        "good plates to REVIEW": [f"{r['verdicts']['reviewed_normal']} of {r['images']['normal']}" for r in rows],
        "image AUROC, both phases": [f"{r['auroc']:.4f}" for r in rows],
        "lowest defective ÷ highest good score": [f"{separation(r):.2f}" for r in rows],
        "image AUROC, surface": [f"{r['phases']['surface']['auroc']:.4f}" for r in rows],
        "image AUROC, Skip-GANomaly": [f"{r['phases']['skipganomaly']['auroc']:.4f}" for r in rows],
        "pixel AUROC": [f"{r['pixel']['auroc']:.4f}" if r["pixel"] else "–" for r in rows],
        "pixel AP": [f"{r['pixel']['average_precision']:.3f}" if r["pixel"] else "–" for r in rows],
        "AUPRO to 30 %": [f"{r['pixel']['aupro']:.3f}" if r["pixel"] else "–" for r in rows],
        "alpha, chosen on forged defects": [f"{r['alpha']:.1f}" for r in rows],
        "expected false alarms (95 % limit)": [
            f"{r['promise']['false_alarm_rate']:.1%} ({r['promise']['upper_95']:.1%})" for r in rows
        ],
        "training with calibration, s": [f"{r['train_s']:.0f}" for r in rows],
    }
    head = "| seed | " + " | ".join(str(r["seed"]) for r in rows) + " |\n|---|" + "---|" * len(rows)
    return "\n".join([head, *(f"| {name} | " + " | ".join(values) + " |" for name, values in lines.items())])


def separation(row: dict[str, Any]) -> float:
    """The lowest score of a defective plate over the highest of a good one."""
    good = [each["score"] for each in row["scores"] if each["label"] == 0 and each["score"] is not None]
    defective = [each["score"] for each in row["scores"] if each["label"] == 1 and each["score"] is not None]
    return float(min(defective) / max(good))


if __name__ == "__main__":
    main()
