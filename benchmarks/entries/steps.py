"""Core seconds of a training step of both presets, in turn within one run, and their ratio."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from itertools import pairwise
from statistics import median

import numpy as np

from benchmarks.harness import Found
from benchmarks.timing import in_turn, medians, ratio
from platewatch import config
from platewatch.config import Config
from platewatch.skipganomaly.training import fit_network
from platewatch.synthetic import rendered_plates


def measure(*, steps: int = 5, threads: int = 1) -> Found:
    presets = {name: config.preset(name) for name in ("reference", "fast")}
    taken = in_turn(of_each(presets, 1, threads), steps, warm_up=0, what="a training step")
    core_s = {f"core_s.{name}": each for name, each in medians(taken).items()}
    return Found(core_s | {"ratio": ratio(taken["reference"], taken["fast"])})


def of_each(configs: Mapping[str, Config], count: int, threads: int = 1) -> dict[str, Callable[[], float]]:
    """For each configuration a function that measures the CPU seconds of a training step: the median of `count`."""
    return {name: partial(step_s, settings, count, threads) for name, settings in configs.items()}


def step_s(settings: Config, count: int, threads: int, clock: Callable[[], float] = time.process_time) -> float:
    """Seconds of a training step, the median of `count` after one to warm up, on rendered plates."""
    settings = replace(settings, training=replace(settings.training, epochs=1))
    photos = np.stack([rendered_plates.render("good", seed, settings.image_size)[0] for seed in range(8)])
    every = photos[np.arange(settings.training.batch_size * (count + 1)) % len(photos)]
    ended: list[float] = []
    fit_network(every, settings, seed=0, threads=threads, on_step=lambda: ended.append(clock()))
    return median(later - earlier for earlier, later in pairwise(ended))
