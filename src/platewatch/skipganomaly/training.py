"""Phase two's training: one loop over the good plates, read straight down.

Generator and Discriminator against each other on whatever there is, CPU or CUDA. All chance comes from
`(seed, epoch)`: an epoch that is resumed from a checkpoint draws what it would have drawn, so the weights are those of
the uninterrupted run, bit for bit.
"""

import hashlib
import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from platewatch.config import Config, TrainingConfig
from platewatch.errors import InputError
from platewatch.skipganomaly.augmentation import augment
from platewatch.skipganomaly.checkpoint import State
from platewatch.skipganomaly.network import Discriminator, Generator, recalibrate_batch_norm, shrink
from platewatch.synthetic.compositing import find_object

Photos = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

LOSSES = ("loss_adv", "loss_con", "loss_lat", "loss_discriminator")

CHECKPOINT_SECONDS = 5.0
"""A checkpoint is written at the end of an epoch when the last one is at least this old, and after the last epoch."""

_VERSION = 2  # of the checkpoint and of the recipe: what another version began is not continued


@dataclass(frozen=True)
class Trained:
    """What training gives: both networks on the CPU in evaluation mode (averaged weights where `ema` > 0)."""

    generator: Generator
    discriminator: Discriminator
    mean: float
    """The scalar mean of the training photographs, scaled to [0, 1], that is subtracted from every input."""
    history: tuple[dict[str, float], ...]
    """For each epoch the mean over its steps of each of LOSSES."""


def fit_network(
    photos: Photos,
    config: Config,
    *,
    seed: int,
    checkpoint: Path | None = None,
    on_epoch: Callable[[int, dict[str, float]], None] | None = None,
    on_step: Callable[[], None] | None = None,
    threads: int = 1,
) -> Trained:
    """Train on good plates: photos (N, S, S, 3) uint8 RGB as `preparation.prepare` gives them, N at least 2.

    `checkpoint` is a file that is written as training goes on and continued where it exists; deleting it is the
    caller's. `on_epoch(epoch, losses)` is called after each epoch, counted from 1, and `on_step()` after each step;
    what they raise ends the training. `threads` bounds torch's threads in the whole process, also for calls that run
    beside this one; another number of threads may round otherwise. Raises InputError for unusable photographs, another
    training's checkpoint and losses that are no numbers any more, ModelError for a damaged checkpoint, OutputError when
    one cannot be written.
    """
    _check_photos(photos)
    device = _prepare_torch(threads)
    settings = config.training
    plates = _shrink_photos(photos, config.network.resolution)  # (N, R, R, 3) uint8
    insides = np.stack([find_object(plate) for plate in plates])
    mean = float(photos.mean(dtype=np.float64) / 255)
    state = State.start(config.network, settings, seed, device)
    fingerprint, saved_at = _fingerprint(photos, config, seed), time.monotonic()
    if checkpoint is not None and checkpoint.exists():
        state.restore(checkpoint, fingerprint)

    for epoch in range(len(state.history) + 1, settings.epochs + 1):
        rng = np.random.default_rng((seed, epoch))
        state.set_rate(_rate(settings, epoch))
        state.generator.train(not _norms_are_frozen(settings, epoch))
        batches = _batches(len(plates), settings.batch_size, rng)
        sums = torch.zeros(len(LOSSES), device=device)
        for step, batch in enumerate(batches, start=(epoch - 1) * len(batches)):
            augmented = augment(plates[batch], insides[batch], settings, rng)
            x_input, x = (_scaled(part, mean, device) for part in augmented)
            sums += _step(state, x_input, x, settings)
            state.average(settings.ema, step)
            if on_step is not None:
                on_step()

        losses = dict(zip(LOSSES, (sums / len(batches)).tolist(), strict=True))
        if not all(math.isfinite(value) for value in losses.values()):
            raise InputError(
                "training", f"epoch {epoch} gave losses that are no numbers", remedy="lower training.learning_rate"
            )
        state.history.append(losses)
        is_due = epoch == settings.epochs or time.monotonic() - saved_at >= CHECKPOINT_SECONDS
        if checkpoint is not None and is_due:
            state.save(checkpoint, fingerprint)
            saved_at = time.monotonic()
        if on_epoch is not None:
            on_epoch(epoch, losses)
    return _trained(state, plates, mean, settings, device)


def _step(state: State, x_input: Tensor, x: Tensor, settings: TrainingConfig) -> Tensor:
    """One step of the Discriminator, then one of the Generator: (4,) the losses in the order of LOSSES."""
    with _precision(settings, x.device):
        x_hat = state.generator(x_input)  # (B, 3, R, R)
        _, logit_real = state.discriminator(x)
        _, logit_fake = state.discriminator(x_hat.detach())
    loss_discriminator = (_entropy(logit_real, is_real=True) + _entropy(logit_fake, is_real=False)) / 2
    state.discriminator_adam.zero_grad()
    torch.autograd.backward(loss_discriminator)
    state.discriminator_adam.step()

    state.discriminator.requires_grad_(False)  # the Generator's step goes through it without moving it
    with _precision(settings, x.device):
        feature, _ = state.discriminator(x)
        feature_hat, logit_hat = state.discriminator(x_hat)
    state.discriminator.requires_grad_(True)
    loss_adv = _entropy(logit_hat, is_real=True)
    loss_con = _contextual(x_hat.float(), x_input, x, settings)
    loss_lat = F.mse_loss(feature_hat.float(), feature.float())
    loss = settings.w_adv * loss_adv + settings.w_con * loss_con + settings.w_lat * loss_lat
    state.generator_adam.zero_grad()
    torch.autograd.backward(loss)
    state.generator_adam.step()
    return torch.stack([loss_adv, loss_con, loss_lat, loss_discriminator]).detach()


def _precision(settings: TrainingConfig, device: torch.device) -> torch.autocast:
    """bfloat16 within, where it is asked for and the machine computes it; losses and weights stay float32."""
    # what a machine emulates would be slower than float32
    native = torch.cuda.is_bf16_supported() if device.type == "cuda" else torch.ops.mkldnn._is_mkldnn_bf16_supported()
    is_asked = settings.precision == "bfloat16"
    # one cache serves the whole process: trainings side by side would empty each other's, and round otherwise
    return torch.autocast(device.type, torch.bfloat16, enabled=is_asked and native, cache_enabled=False)


def _contextual(x_hat: Tensor, x_input: Tensor, x: Tensor, settings: TrainingConfig) -> Tensor:
    """Mean of |x̂ − x|, in which places with a forged defect weigh `w_forged`."""
    if settings.w_defect == 1:
        return F.l1_loss(x_hat, x)
    weights = 1 + (settings.w_defect - 1) * (x_input != x).any(dim=1, keepdim=True)  # (B, 1, R, R)
    return (weights * (x_hat - x).abs()).mean()


def _trained(state: State, plates: Photos, mean: float, settings: TrainingConfig, device: torch.device) -> Trained:
    """The networks to use: averaged ones with batch-norm statistics of their own, or the last ones as they are."""
    generator, discriminator = state.generator, state.discriminator
    if state.averaged is not None:
        generator, discriminator = state.averaged
        chunks = np.array_split(plates, math.ceil(len(plates) / 16))
        recalibrate_batch_norm(generator, discriminator, (_scaled(chunk, mean, device) for chunk in chunks))
        if _norms_are_frozen(settings, settings.epochs):  # these are the statistics that the weights were trained with
            for mine, theirs in zip(generator.buffers(), state.generator.buffers(), strict=True):
                mine.copy_(theirs)
    for module in (generator, discriminator):
        module.to(device="cpu", memory_format=torch.contiguous_format)  # type: ignore[call-overload] # stub is behind
        module.eval()
    return Trained(generator, discriminator, mean, tuple(state.history))


def _norms_are_frozen(settings: TrainingConfig, epoch: int) -> bool:
    """Whether the Generator's batch-norm statistics stay as they are in an epoch, counted from 1; not in the first."""
    return epoch > max(1, settings.freeze_norms * settings.epochs)


def _rate(settings: TrainingConfig, epoch: int) -> float:
    """The learning rate of an epoch, counted from 1."""
    left = (1 + math.cos(math.pi * (epoch - 1) / settings.epochs)) / 2
    return settings.learning_rate * (settings.final_rate + (1 - settings.final_rate) * left)


def _entropy(logit: Tensor, *, is_real: bool) -> Tensor:
    return F.binary_cross_entropy_with_logits(
        logit.float(), torch.full_like(logit, float(is_real), dtype=torch.float32)
    )


def _batches(count: int, size: int, rng: np.random.Generator) -> list[npt.NDArray[np.intp]]:
    """All of `count` plates in a drawn order, the last batch as small as it comes, but never one plate alone."""
    order = rng.permutation(count)
    cuts = np.arange(size, count, size)
    if count % size == 1:
        cuts = cuts[:-1]  # batch norm needs a second plate: the last joins the batch before it
    return np.split(order, cuts)


def _scaled(plates: Photos | Floats, mean: float, device: torch.device) -> Tensor:
    """(B, R, R, 3) in 0..255 → (B, 3, R, R) float32 in [0, 1] less the mean, as the Scorer does it."""
    return torch.from_numpy(plates).to(device).permute(0, 3, 1, 2).float() / 255 - mean


def _check_photos(photos: Photos) -> None:
    if photos.dtype != np.uint8 or photos.ndim != 4 or photos.shape[1] != photos.shape[2] or photos.shape[3] != 3:
        raise InputError("training photographs", expected=f"(N, S, S, 3) uint8, got {photos.shape} {photos.dtype}")
    if len(photos) < 2:
        raise InputError(
            "training photographs", f"found {len(photos)}, batch norm needs at least 2", remedy="add photographs"
        )


def _prepare_torch(threads: int) -> torch.device:
    """Bound torch's threads and pick the device; both settings hold for the process and stay."""
    torch.set_num_threads(threads)
    if not torch.cuda.is_available():
        return torch.device("cpu")
    torch.backends.cudnn.deterministic = True
    return torch.device("cuda")


def _shrink_photos(photos: Photos, side: int) -> Photos:
    """Average down once and for all: (N, side, side, 3) uint8; a photograph at a time, to spare memory."""
    shrunk = np.empty((len(photos), side, side, 3), dtype=np.uint8)
    for place, photo in zip(shrunk, photos, strict=True):
        x = shrink(torch.tensor(photo, dtype=torch.float32).permute(2, 0, 1)[None], side)
        place[:] = x.round()[0].permute(1, 2, 0).to(torch.uint8).numpy()
    return shrunk


def _fingerprint(photos: Photos, config: Config, seed: int) -> str:
    """SHA-256 of all that decides the weights; a checkpoint with another one is not continued."""
    settings = {"network": asdict(config.network), "training": asdict(config.training), "shape": photos.shape}
    digest = hashlib.sha256(json.dumps([_VERSION, seed, settings], sort_keys=True).encode())
    digest.update(np.ascontiguousarray(photos).data)
    return digest.hexdigest()
