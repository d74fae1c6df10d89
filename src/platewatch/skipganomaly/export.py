"""Export of trained weights to ONNX, with the parity check: no file if ONNX Runtime and torch disagree."""

import copy
import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import nn
from torch.nn.utils import fuse_conv_bn_eval

from platewatch import files
from platewatch.arrays import Floats, Photos
from platewatch.backbone.tracing import trace
from platewatch.config import Config
from platewatch.errors import ModelError
from platewatch.model.network_file import INPUT, OUTPUTS
from platewatch.model.runtime import Network, NetworkResult
from platewatch.skipganomaly.network import Discriminator, Generator, Scorer
from platewatch.skipganomaly.training import Trained
from platewatch.skipganomaly.upsampling import UpsamplingConvolution

TOLERANCE = 1e-4
"""Largest allowed relative difference between torch and the runtime, of an error or anywhere on a map."""

_FLOOR = 1e-5  # smallest denominator of a relative difference: latent errors below it are rounding errors
_CHUNK = 8  # photographs at a time in torch, to bound memory


@dataclass(frozen=True)
class ExportReport:
    """The result of the parity check: differences between ONNX Runtime and torch."""

    sha256: str
    """SHA-256 of the file written."""
    plates: int
    """Number of plates compared."""
    reconstruction_difference: float
    """Largest relative difference of a reconstruction error."""
    latent_difference: float
    """Largest relative difference of a latent error."""
    map_difference: float
    """Largest difference anywhere on an anomaly map, relative to the largest value of torch's map of that plate."""


def export(trained: Trained, config: Config, path: Path, parity_photos: Photos) -> ExportReport:
    """Write the Scorer with its weights as one ONNX file; on failure `path` is left as it was.

    parity_photos (N, S, S, 3) uint8 are scored by torch and by ONNX Runtime, as one batch and one by one. The same
    weights give the same bytes. Raises ModelError when the two differ by more than TOLERANCE, OutputError when `path`
    cannot be written, InputError for photographs of another shape.
    """
    scorer = Scorer(trained.generator, trained.discriminator, trained.mean, config)
    graph = _graph(scorer, config)
    report = _compare(scorer, graph, parity_photos)
    files.write(path, graph, what="the network cannot be written")
    return report


def run_torch(scorer: Scorer, photos: Photos) -> NetworkResult:
    """Errors and maps of photos (N, S, S, 3) uint8 by torch, with which the runtime is compared."""
    with torch.no_grad():
        scores = [scorer(chunk) for chunk in torch.split(torch.tensor(photos), _CHUNK)]
    return NetworkResult(*(torch.cat(parts).numpy() for parts in list(zip(*scores, strict=True))[:3]))


def _graph(scorer: Scorer, config: Config) -> bytes:
    """The bytes of the ONNX file: dynamic batch size, no paths or names of this machine."""
    weights = _fused_scorer(scorer).state_dict()
    traced = _traced(config)
    model = onnx.ModelProto()
    model.CopyFrom(traced)
    for tensor in model.graph.initializer:
        if tensor.name in weights:
            tensor.CopyFrom(onnx.numpy_helper.from_array(weights[tensor.name].numpy(), tensor.name))
    onnx.checker.check_model(model)
    graph: bytes = model.SerializeToString(deterministic=True)
    return graph


@lru_cache(maxsize=4)
def _traced(config: Config) -> onnx.ModelProto:
    """The traced graph of this configuration without its weights; tracing takes seconds and is done once.

    It is traced with random weights. If a tracing weight leaked into the graph, the parity check would fail.
    """
    with torch.device("meta"):
        networks = Generator(config.network), Discriminator(config.network)
    scorer, rng = _fused_scorer(Scorer(*networks, 0.5, config)), torch.Generator().manual_seed(0)
    tracing = {name: torch.randn(each.shape, generator=rng) for name, each in scorer.named_parameters()}
    scorer.load_state_dict(tracing, strict=False, assign=True)  # buffers keep their values
    example = torch.zeros(2, config.image_size, config.image_size, 3, dtype=torch.uint8)
    model = trace(scorer, example, INPUT, OUTPUTS)
    for tensor in model.graph.initializer:
        if tensor.name in tracing:
            tensor.ClearField("raw_data")
    return model


def _fused_scorer(scorer: Scorer) -> Scorer:
    """A copy of the Scorer with batch norm fused into the convolutions and fused upsampling convolutions."""
    scorer = copy.deepcopy(scorer)
    generator, discriminator = scorer.generator, scorer.discriminator
    generator.encoder = nn.ModuleList(map(_fused, generator.encoder))
    generator.decoder = nn.ModuleList(map(_fused, generator.decoder))
    generator.last, discriminator.blocks = _fused(generator.last), _fused(discriminator.blocks)
    return scorer


def _fused(block: nn.Module) -> nn.Sequential:
    layers = list[Any]()  # convolutions, transposed ones too, and activations
    for layer in block.children():
        match layer:
            case nn.BatchNorm2d():
                layers[-1] = fuse_conv_bn_eval(layers[-1], layer, transpose=isinstance(layers[-1], nn.ConvTranspose2d))
            case UpsamplingConvolution():
                layers.append(layer.fused())
            case _:
                layers.append(layer)
    return nn.Sequential(*layers)


def _compare(scorer: Scorer, graph: bytes, photos: Photos) -> ExportReport:
    network = Network(graph, threads=torch.get_num_threads())
    expected = run_torch(scorer, photos)
    together = network.run(photos)
    alone = [network.run(photo[None]) for photo in photos]
    report = ExportReport(
        sha256=hashlib.sha256(graph).hexdigest(),
        plates=len(photos),
        reconstruction_difference=_difference(
            expected.reconstruction_error, together.reconstruction_error, [one.reconstruction_error for one in alone]
        ),
        latent_difference=_difference(
            expected.latent_error, together.latent_error, [one.latent_error for one in alone]
        ),
        map_difference=_map_difference(expected.anomaly_map, together.anomaly_map, [one.anomaly_map for one in alone]),
    )
    worst = float(np.max([report.reconstruction_difference, report.latent_difference, report.map_difference]))
    if not worst <= TOLERANCE:  # NaN fails as well
        raise ModelError(
            "export",
            f"ONNX Runtime and torch differ by {worst:.1e} relative, at most {TOLERANCE:.0e} is allowed",
            remedy="nothing was written: train again, and report it if it stays",
        )
    return report


def _difference(expected: Floats, together: Floats, alone: list[Floats]) -> float:
    """The largest relative difference from `expected` (N,), over the plates in one batch and one by one."""
    both = np.stack([together, np.concatenate(alone)])
    return float(np.max(np.abs(both - expected) / np.maximum(np.abs(expected), _FLOOR)))


def _map_difference(expected: Floats, together: Floats, alone: list[Floats]) -> float:
    """The largest difference from maps `expected` (N, S, S), each relative to the largest value of its own map."""
    largest = np.maximum(np.abs(expected).max(axis=(1, 2), keepdims=True), _FLOOR)
    both = np.stack([together, np.concatenate(alone)])
    return float(np.max(np.abs(both - expected) / largest))
