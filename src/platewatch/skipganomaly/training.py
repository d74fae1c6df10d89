"""Training loop of phase two: losses, optimiser steps, learning rate, checkpoints; on CPU or CUDA.

Random numbers come from `(seed, epoch)` alone. A training that is resumed from a checkpoint therefore gives the weights
of an uninterrupted one, bit for bit.
"""

import hashlib
import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from platewatch.arrays import Floats, Indices, Photos
from platewatch.config import Config, TrainingConfig
from platewatch.errors import InputError
from platewatch.photographs import preparation
from platewatch.photographs.foreground import find_framed_object
from platewatch.photographs.preparation import Frame
from platewatch.skipganomaly.augmentation import augment
from platewatch.skipganomaly.checkpoint import State
from platewatch.skipganomaly.network import Discriminator, Generator, recalibrate_batch_norm, shrink

LOSSES = ("loss_adv", "loss_con", "loss_lat", "loss_discriminator")

CHECKPOINT_SECONDS = 5.0
"""A checkpoint is written after an epoch if the last one is at least this old, and after the last epoch."""

_VERSION = 3  # of the checkpoint and of the training; a checkpoint of another version is refused


@dataclass(frozen=True)
class Trained:
    """The trained networks, on the CPU in evaluation mode, with averaged weights if `ema` > 0."""

    generator: Generator
    discriminator: Discriminator
    mean: float
    """Mean of all training photographs, a scalar in [0, 1], which is subtracted from every input."""
    history: tuple[dict[str, float], ...]
    """For each epoch the mean of each of LOSSES over its steps."""


def fit_network(
    photos: Photos,
    config: Config,
    *,
    seed: int,
    frames: Sequence[Frame] | None = None,
    checkpoint: Path | None = None,
    on_epoch: Callable[[int, dict[str, float]], None] | None = None,
    on_step: Callable[[], None] | None = None,
    threads: int = 1,
) -> Trained:
    """Train on good plates: photos (N, S, S, 3) uint8 RGB as `preparation.prepare` gives them, N ≥ 2.

    `frames` are where the photographs lie in squares of the network's resolution: artificial defects go there, not on
    the padding. `checkpoint` is a file that is written during training and resumed from if it exists; the caller
    deletes it.
    `on_epoch(epoch, losses)` is called after each epoch, counted from 1, and `on_step()` after each step; an exception
    in them ends the training. `threads` limits torch's threads in the whole process; another number of threads may
    round differently. Raises InputError for unusable photographs, for the checkpoint of another training and for losses
    that are not finite, ModelError for a damaged checkpoint, OutputError when a checkpoint cannot be written.
    """
    _check_photos(photos)
    device = _prepare_torch(threads)
    settings = config.training
    plates = _shrink_photos(photos, config.network.resolution)  # (N, R, R, 3) uint8
    whole = preparation.frame(plates.shape[2], plates.shape[1], plates.shape[1])
    pairs = zip(plates, frames or [whole] * len(plates), strict=True)
    insides = np.stack([find_framed_object(plate, frame) for plate, frame in pairs])
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
        for batch in batches:
            augmented = augment(plates[batch], insides[batch], settings, rng)
            x_input, x = (_scaled(part, mean, device) for part in augmented)
            sums += _step(state, x_input, x, settings)
            state.average()
            if on_step is not None:
                on_step()

        losses = dict(zip(LOSSES, (sums / len(batches)).tolist(), strict=True))
        if not all(math.isfinite(value) for value in losses.values()):
            raise InputError(
                "training", f"losses of epoch {epoch} are not finite", remedy="lower training.learning_rate"
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
    """One step of the Discriminator, then one of the Generator: the losses (4,) in the order of LOSSES.

    Generator: w_adv · adversarial + w_con · contextual + w_lat · latent loss (arXiv 1901.08954, section 3.2).
    """
    with _precision(settings, x.device):
        x_hat = state.generator(x_input)  # (B, 3, R, R)
        _, logit_real = state.discriminator(x)
        _, logit_fake = state.discriminator(x_hat.detach())
    loss_discriminator = (_entropy(logit_real, is_real=True) + _entropy(logit_fake, is_real=False)) / 2
    state.discriminator_adam.zero_grad()
    torch.autograd.backward(loss_discriminator)
    state.discriminator_adam.step()

    state.discriminator.requires_grad_(False)  # the Generator's step does not change it
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
    """Autocast to bfloat16 if the settings say so and the machine supports it; losses and weights stay float32."""
    # emulated bfloat16 would be slower than float32
    native = torch.cuda.is_bf16_supported() if device.type == "cuda" else torch.ops.mkldnn._is_mkldnn_bf16_supported()
    wanted = settings.precision == "bfloat16"
    # the cache is shared by the whole process: parallel trainings would clear each other's, with other rounding
    return torch.autocast(device.type, torch.bfloat16, enabled=wanted and native, cache_enabled=False)


def _contextual(x_hat: Tensor, x_input: Tensor, x: Tensor, settings: TrainingConfig) -> Tensor:
    """The contextual loss: mean of |x̂ − x|, with weight `w_defect` where the input has an artificial defect."""
    if settings.w_defect == 1:
        return F.l1_loss(x_hat, x)
    weights = 1 + (settings.w_defect - 1) * (x_input != x).any(dim=1, keepdim=True)  # (B, 1, R, R)
    return (weights * (x_hat - x).abs()).mean()


def _trained(state: State, plates: Photos, mean: float, settings: TrainingConfig, device: torch.device) -> Trained:
    """The result of the training: averaged weights with recalibrated batch norm, or the last weights if `ema` is 0."""
    generator, discriminator = state.generator, state.discriminator
    if state.averaged is not None:
        generator, discriminator = state.averaged_networks()
        chunks = np.array_split(plates, math.ceil(len(plates) / 16))
        batches = [_scaled(chunk, mean, device) for chunk in chunks]
        recalibrate_batch_norm(generator, discriminator, batches)
        if _norms_are_frozen(settings, settings.epochs):  # these are the statistics that the weights were trained with
            for mine, theirs in zip(generator.buffers(), state.generator.buffers(), strict=True):
                mine.copy_(theirs)
    for module in (generator, discriminator):
        module.to(device="cpu", memory_format=torch.contiguous_format)  # type: ignore[call-overload] # stub is behind
        module.eval()
    return Trained(generator, discriminator, mean, tuple(state.history))


def _norms_are_frozen(settings: TrainingConfig, epoch: int) -> bool:
    """Whether the generator's batch-norm statistics are frozen in an epoch, counted from 1; never in the first."""
    return epoch > max(1, settings.freeze_norms * settings.epochs)


def _rate(settings: TrainingConfig, epoch: int) -> float:
    """The learning rate of an epoch, counted from 1."""
    left = (1 + math.cos(math.pi * (epoch - 1) / settings.epochs)) / 2
    return settings.learning_rate * (settings.final_rate + (1 - settings.final_rate) * left)


def _entropy(logit: Tensor, *, is_real: bool) -> Tensor:
    return F.binary_cross_entropy_with_logits(
        logit.float(), torch.full_like(logit, float(is_real), dtype=torch.float32)
    )


def _batches(count: int, size: int, rng: np.random.Generator) -> list[Indices]:
    """The numbers of `count` plates in random order, in batches of `size`; the last may be smaller, but not 1."""
    order = rng.permutation(count)
    cuts = np.arange(size, count, size)
    if count % size == 1:
        cuts = cuts[:-1]  # batch norm needs two plates: the last one goes into the batch before it
    return np.split(order, cuts)


def _scaled(plates: Photos | Floats, mean: float, device: torch.device) -> Tensor:
    """(B, R, R, 3) in 0..255 → (B, 3, R, R) float32 in [0, 1] less the mean, as in the Scorer."""
    return torch.from_numpy(plates).to(device).permute(0, 3, 1, 2).float() / 255 - mean


def _check_photos(photos: Photos) -> None:
    if photos.dtype != np.uint8 or photos.ndim != 4 or photos.shape[1] != photos.shape[2] or photos.shape[3] != 3:
        raise InputError("training photographs", expected=f"(N, S, S, 3) uint8, got {photos.shape} {photos.dtype}")
    if len(photos) < 2:
        raise InputError(
            "training photographs", f"found {len(photos)}, batch norm needs at least 2", remedy="add photographs"
        )


def _prepare_torch(threads: int) -> torch.device:
    """Limit torch's threads in this process and choose the device: CUDA if there is one."""
    torch.set_num_threads(threads)
    if not torch.cuda.is_available():
        return torch.device("cpu")
    torch.backends.cudnn.deterministic = True
    return torch.device("cuda")


def _shrink_photos(photos: Photos, side: int) -> Photos:
    """The photographs downsampled to (N, side, side, 3) uint8, one at a time to save memory."""
    shrunk = np.empty((len(photos), side, side, 3), dtype=np.uint8)
    for place, photo in zip(shrunk, photos, strict=True):
        x = shrink(torch.tensor(photo, dtype=torch.float32).permute(2, 0, 1)[None], side)
        place[:] = x.round()[0].permute(1, 2, 0).to(torch.uint8).numpy()
    return shrunk


def _fingerprint(photos: Photos, config: Config, seed: int) -> str:
    """SHA-256 of photographs, settings and seed; a checkpoint with another fingerprint is refused."""
    settings = {"network": asdict(config.network), "training": asdict(config.training), "shape": photos.shape}
    digest = hashlib.sha256(json.dumps([_VERSION, seed, settings], sort_keys=True).encode())
    digest.update(np.ascontiguousarray(photos).data)
    return digest.hexdigest()
