"""Seconds per training step of both presets, in turn within one run; medians, and their ratio.

python benchmarks/steps.py --steps 5
"""

import argparse
import json
import statistics
import sys
import time
from dataclasses import replace
from itertools import pairwise

import numpy as np

from platewatch import config
from platewatch.config import Config
from platewatch.skipganomaly.training import fit_network
from platewatch.synthetic import rendered_plates


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=5, help="steps of each preset after one to warm up")
    parser.add_argument("--threads", type=int, default=1)
    asked = parser.parse_args()
    medians = {
        name: statistics.median(cpu_seconds(config.preset(name), asked.steps, threads=asked.threads))
        for name in ("reference", "fast")
    }
    found = {"threads": asked.threads, "seconds_per_step": medians, "ratio": medians["reference"] / medians["fast"]}
    sys.stdout.write(json.dumps(found, indent=1) + "\n")


def cpu_seconds(settings: Config, count: int, *, threads: int = 1) -> list[float]:
    """Of `count` training steps of one network after one to warm up, on rendered plates."""
    settings = replace(settings, training=replace(settings.training, epochs=1))
    seeds = range(settings.training.batch_size * (count + 1))
    photos = np.stack([rendered_plates.render("good", seed, settings.image_size)[0] for seed in seeds])
    ended: list[float] = []
    fit_network(photos, settings, seed=0, threads=threads, on_step=lambda: ended.append(time.process_time()))
    return [later - earlier for earlier, later in pairwise(ended)]


if __name__ == "__main__":
    main()
