"""Training state of phase two and its checkpoint: one safetensors file, with the loss history in its header."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from platewatch import files
from platewatch.config import NetworkConfig, TrainingConfig
from platewatch.errors import InputError, ModelError, OutputError
from platewatch.skipganomaly.network import Discriminator, Generator, initialise


@dataclass
class State:
    """Everything that changes during training, which is what a checkpoint holds."""

    generator: Generator
    discriminator: Discriminator
    generator_adam: torch.optim.Adam
    discriminator_adam: torch.optim.Adam
    averaged: tuple[AveragedModel, AveragedModel] | None
    history: list[dict[str, float]] = field(default_factory=list)

    @classmethod
    def start(cls, network: NetworkConfig, settings: TrainingConfig, seed: int, device: torch.device) -> "State":
        """The state before the first step: random weights from `seed`, Adam's moments at 0, on `device`."""
        rng = torch.Generator().manual_seed(seed)
        generator, discriminator = Generator(network), Discriminator(network)
        for module in (generator, discriminator):
            initialise(module, rng)
            # channels last in memory: nearly twice as fast on a CPU
            module.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload] # stub is behind
        averaged = (
            (_averaged(generator, settings.ema), _averaged(discriminator, settings.ema)) if settings.ema else None
        )
        rate = settings.learning_rate
        return cls(generator, discriminator, _adam(generator, rate), _adam(discriminator, rate), averaged)

    def average(self) -> None:
        """Update the exponential moving average of the weights; it begins as the weights after the first step."""
        if self.averaged is not None:
            for averaged, latest in zip(self.averaged, (self.generator, self.discriminator), strict=True):
                averaged.update_parameters(latest)

    def averaged_networks(self) -> tuple[Generator, Discriminator]:
        """The averaged networks themselves; raises ValueError where no average is kept."""
        if self.averaged is None:
            raise ValueError("no average of the weights is kept")
        generator, discriminator = (averaged.module for averaged in self.averaged)
        return cast(Generator, generator), cast(Discriminator, discriminator)

    def set_rate(self, rate: float) -> None:
        """Set the learning rate of both optimisers."""
        for adam in (self.generator_adam, self.discriminator_adam):
            for group in adam.param_groups:
                group["lr"] = rate

    def save(self, path: Path, fingerprint: str) -> None:
        """Write the checkpoint whole or not at all; raises OutputError."""
        tensors = {name: tensor.cpu().contiguous() for name, tensor in self._tensors().items()}
        what = "the checkpoint cannot be written"
        with files.whole_file(path, what=what) as part:
            try:
                save_file(tensors, part, {"fingerprint": fingerprint, "history": json.dumps(self.history)})
            except SafetensorError as error:  # what writing fails with
                raise OutputError(path, f"{what} ({error})", remedy="free some space there") from error

    def restore(self, path: Path, fingerprint: str) -> None:
        """Load the checkpoint into this state.

        Raises InputError for the checkpoint of another training, ModelError for a damaged one.
        """
        try:
            with safe_open(path, framework="pt") as file:
                notes = file.metadata()
                if notes["fingerprint"] != fingerprint:
                    raise InputError(
                        path, "belongs to other photographs, settings or seed", remedy="delete it to start over"
                    )
                for name, tensor in self._tensors().items():
                    tensor.copy_(file.get_tensor(name))
                self.history = json.loads(notes["history"])
        except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
            raise ModelError(path, f"damaged checkpoint ({error})", remedy="delete it to start over") from error

    def _tensors(self) -> dict[str, Tensor]:
        """Every tensor that training changes (not copies), by its name in the checkpoint."""
        modules = {"generator": self.generator, "discriminator": self.discriminator}
        if self.averaged is not None:
            modules |= {"averaged.generator": self.averaged[0], "averaged.discriminator": self.averaged[1]}
        tensors = {f"{name}.{key}": value for name, part in modules.items() for key, value in part.state_dict().items()}
        for name, adam in {
            "generator_adam": self.generator_adam,
            "discriminator_adam": self.discriminator_adam,
        }.items():
            for index, values in adam.state_dict()["state"].items():
                tensors |= {f"{name}.{index}.{key}": value for key, value in values.items()}
        return tensors


def _averaged(module: nn.Module, decay: float) -> AveragedModel:
    """The exponential moving average of the module's weights, which begins as the weights after the first step."""
    return AveragedModel(module, multi_avg_fn=get_ema_multi_avg_fn(decay))  # type: ignore[no-untyped-call] # untyped


def _adam(module: nn.Module, learning_rate: float) -> torch.optim.Adam:
    """Adam with its moments initialised to 0, so that checkpoints before and after the first step have the same names.

    The published recipe names no betas, so these are Adam's defaults, not the (0.5, 0.999) usual for GANs.
    """
    adam = torch.optim.Adam(module.parameters(), lr=learning_rate, fused=True)  # one kernel, half the time
    for weight in module.parameters():
        moments = {"exp_avg": torch.zeros_like(weight), "exp_avg_sq": torch.zeros_like(weight)}
        adam.state[weight] = {"step": torch.tensor(0.0), **moments}
    return adam
