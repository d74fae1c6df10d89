"""How fast a GPU trains and scores: the reference recipe's 1,400 steps, and photographs a second in batches.

    python benchmarks/gpu.py
    python benchmarks/gpu.py --device cpu --steps 2 --plates 8 --batch 4

Both presets' scorers are run with photographs already on the device and with photographs that travel there. One
training, warmed up by its first 10 steps, which are not counted but scaled in; medians of 5 passes for scoring.
"""

import argparse
import json
import statistics
import sys
import time
from contextlib import suppress
from typing import Any

import numpy as np
import torch

import runs
from platewatch import config
from platewatch.config import Config
from platewatch.skipganomaly.network import Discriminator, Generator, Scorer
from platewatch.skipganomaly.training import fit_network
from platewatch.synthetic import rendered_plates

_STEPS = 1400  # 100 epochs of 54 plates in batches of 4, the last of 2
_WARM = 10
_PASSES = 5


class _EnoughError(Exception):
    """So many steps were asked for."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--steps", type=int, default=_STEPS, help="training steps of `reference` to run")
    parser.add_argument("--plates", type=int, default=4096)
    parser.add_argument("--batch", type=int, default=64)
    asked = parser.parse_args()
    if asked.device == "cuda" and not torch.cuda.is_available():
        parser.error("torch sees no CUDA device; `--device cpu --steps 2 --plates 8` tries this script without one")
    found = {
        "device": torch.cuda.get_device_name() if asked.device == "cuda" else asked.device,
        "torch": torch.__version__,
        "training_s": {precision: train(asked.steps, precision) for precision in ("float32", "bfloat16")},
        "plates_per_s": {name: score(config.preset(name), asked) for name in ("reference", "fast")},
    }
    sys.stdout.write(table(found, asked.steps) + "\n" + json.dumps(found) + "\n")


def train(steps: int, precision: str) -> float:
    """Seconds that `_STEPS` steps of `reference` take, from so many that are run."""
    settings = config.preset("reference", training={"precision": precision})
    photos = np.stack([rendered_plates.render("good", seed, settings.image_size)[0] for seed in range(54)])
    ended: list[float] = []

    def on_step() -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        ended.append(time.perf_counter())
        if len(ended) == steps:
            raise _EnoughError

    runs.say(f"training {steps} steps in {precision}")
    with suppress(_EnoughError):
        fit_network(photos, settings, seed=0, threads=torch.get_num_threads(), on_step=on_step)
    first = min(_WARM, steps - 1) - 1 if steps > 1 else 0
    return _STEPS * (ended[-1] - ended[first]) / max(1, len(ended) - 1 - first)


def score(settings: Config, asked: argparse.Namespace) -> dict[str, float]:
    """Photographs a second, `there` already and `travelling` from the computer's memory; bfloat16 within."""
    parts = Generator(settings.network), Discriminator(settings.network)
    scorer = Scorer(*parts, 0.5, settings).to(asked.device, memory_format=torch.channels_last)  # type: ignore[call-overload] # stub is behind
    side = settings.image_size
    photos = torch.randint(0, 256, (asked.batch, side, side, 3), dtype=torch.uint8)
    count = max(1, asked.plates // asked.batch)
    there = photos.to(asked.device)

    def rate(shown: torch.Tensor) -> float:
        seconds = []
        with torch.no_grad(), torch.autocast(asked.device, torch.bfloat16):
            for _ in range(1 + _PASSES):  # the first warms up
                started = time.perf_counter()
                for _ in range(count):
                    scores = scorer(shown.to(asked.device, non_blocking=True))
                scores.reconstruction_error.cpu()  # waits for all that was asked for
                seconds.append(time.perf_counter() - started)
        return float(count * asked.batch / statistics.median(seconds[1:]))

    runs.say(f"scoring {count} batches of {asked.batch}")
    return {"there": rate(there), "travelling": rate(photos)}


def table(found: dict[str, Any], steps: int) -> str:
    """What was measured, as Markdown."""
    rows = [
        [f"{_STEPS} steps of `reference`, {precision}, from {steps}", f"{seconds:.1f} s"]
        for precision, seconds in found["training_s"].items()
    ]
    rows += [
        [f"scores of `{name}`, photographs {where}", f"{rate:.0f} plates/s"]
        for name, rates in found["plates_per_s"].items()
        for where, rate in rates.items()
    ]
    return runs.markdown([found["device"], "measured"], rows)


if __name__ == "__main__":
    main()
