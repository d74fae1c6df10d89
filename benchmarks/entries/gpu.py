"""Speed of a GPU: seconds for the 1,400 training steps of `reference`, and photographs scored per second in batches.

    run.py gpu
    run.py gpu --device cpu --steps 2 --plates 8 --batch 4

The median of --steps training steps is scaled to 1,400: 100 epochs of 54 plates in batches of 4. Scores are computed in
bfloat16, of photographs that are on the device already (`there`) and of photographs that are copied from the computer's
memory (`travelling`); medians of 5 passes.
"""

import time
from functools import partial

import torch

from benchmarks.entries.steps import step_s
from benchmarks.harness import Found, Table, say
from benchmarks.timing import in_turn, medians, timed
from platewatch import config
from platewatch.config import Config
from platewatch.skipganomaly.network import Discriminator, Generator, Scorer

_STEPS = 1400


def measure(*, device: str = "cuda", steps: int = 200, plates: int = 4096, batch: int = 64) -> Found:
    if device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("torch sees no CUDA device; `--device cpu --steps 2 --plates 8` tries this without one")
    training, scoring, threads = {}, {}, torch.get_num_threads()
    for precision in ("float32", "bfloat16"):
        say(f"training {steps} steps in {precision}")
        settings = config.preset("reference", training={"precision": precision})
        training[precision] = _STEPS * step_s(settings, steps, threads, _device_clock)
    for preset in ("reference", "fast"):
        scoring[preset] = score(config.preset(preset), device, plates, batch)
    rows = [[f"{_STEPS} steps of `reference`, {each}", f"{seconds:.1f} s"] for each, seconds in training.items()]
    for each, rates in scoring.items():
        rows += [[f"scores of `{each}`, photographs {where}", f"{rate:.0f} plates/s"] for where, rate in rates.items()]
    name = torch.cuda.get_device_name() if device == "cuda" else device
    return Found({"device": name}, {"": Table(["on the GPU", "measured"], rows)})


def _device_clock() -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def score(settings: Config, device: str, plates: int, batch: int) -> dict[str, float]:
    """Photographs per second: on the device already (`there`), copied from the computer's memory (`travelling`)."""
    parts = Generator(settings.network), Discriminator(settings.network)
    scorer = Scorer(*parts, 0.5, settings).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload] # stub is behind
    side, count = settings.image_size, max(1, plates // batch)
    photos = torch.randint(0, 256, (batch, side, side, 3), dtype=torch.uint8)

    def batches(shown: torch.Tensor) -> None:
        with torch.no_grad(), torch.autocast(device, torch.bfloat16):
            for _ in range(count):
                scores = scorer(shown.to(device, non_blocking=True))
            scores.reconstruction_error.cpu()  # waits until the device has finished

    where = {"there": photos.to(device), "travelling": photos}
    passes = {name: timed(partial(batches, shown), time.perf_counter) for name, shown in where.items()}
    return {name: count * batch / seconds for name, seconds in medians(in_turn(passes, 5, what="scoring")).items()}
