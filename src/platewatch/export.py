"""Trained weights → one ONNX file, written only when ONNX Runtime gives torch's numbers (invariants 2, 3, 6)."""

import contextlib
import copy
import hashlib
import itertools
import logging
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import torch
from torch import nn

from platewatch.config import Config
from platewatch.errors import ModelError, OutputError
from platewatch.network import Scorer
from platewatch.runtime import INPUT, OUTPUTS, Network, NetworkResult
from platewatch.train import Trained

Photos = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

OPSET = 20
TOLERANCE = 1e-4
"""Largest difference between torch and the runtime on an error of a plate, relative to torch's."""

_FLOOR = 1e-5  # smaller latent errors are rounding of the features they come from: differences are relative to this
_CHUNK = 8  # photographs at a time in torch, to bound memory
_TALKATIVE = ("torch.onnx", "torch.export", "torch.__trace", "onnxscript", "onnx_ir")  # loggers
_ONE_AT_A_TIME = threading.Lock()  # torch's exporter patches torch while it traces


@dataclass(frozen=True)
class ExportReport:
    """How far the runtime's numbers lie from torch's on the plates compared."""

    sha256: str
    """Of the file written."""
    plates: int
    reconstruction_difference: float
    """Largest relative difference of a reconstruction error."""
    latent_difference: float
    """Largest relative difference of a latent error."""
    map_difference: float
    """Largest absolute difference anywhere on an anomaly map."""


def export(trained: Trained, config: Config, path: Path, parity_photos: Photos) -> ExportReport:
    """Write the Scorer as one ONNX file, weights within; `path` is written whole or left as it was.

    parity_photos (N, S, S, 3) uint8 are judged by torch and by ONNX Runtime, together and one by one. The same weights
    give the same bytes. Raises ModelError when the two disagree by more than TOLERANCE, OutputError when `path` cannot
    be written, InputError for photographs of another shape.
    """
    scorer = Scorer(trained.generator, trained.discriminator, trained.mean, config)
    graph = _graph(scorer, config.image_size)
    report = _compare(scorer, graph, parity_photos)
    partial = path.with_name(path.name + ".partial")
    try:
        partial.write_bytes(graph)
        partial.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise OutputError(f"{path}: the network cannot be written ({error.strerror}); free some space there") from error
    return report


def run_torch(scorer: Scorer, photos: Photos) -> NetworkResult:
    """What torch itself makes of photos (N, S, S, 3) uint8; the runtime has to give the same."""
    with torch.no_grad():
        scores = [scorer(chunk) for chunk in torch.split(torch.tensor(photos), _CHUNK)]
    return NetworkResult(*(torch.cat(parts).numpy() for parts in list(zip(*scores, strict=True))[:3]))


def _graph(scorer: Scorer, image_size: int) -> bytes:
    """The ONNX file's bytes: any batch size, nothing of this machine within."""
    scorer = copy.deepcopy(scorer)
    scorer.generator.last = _before_doubling(scorer.generator.last)
    example = torch.zeros(2, image_size, image_size, 3, dtype=torch.uint8)
    with _ONE_AT_A_TIME, _silence():
        program = torch.onnx.export(
            scorer,
            (example,),
            dynamo=True,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=list(OUTPUTS),
            dynamic_shapes=({0: torch.export.Dim("N", min=1)},),
            verbose=False,
        )
    if program is None:
        raise ModelError("export: torch gave no ONNX program; this torch is not supported, see constraints/")
    model = program.model_proto
    _strip(model)
    onnx.checker.check_model(model)
    graph: bytes = model.SerializeToString(deterministic=True)
    return graph


def _before_doubling(last: nn.Sequential) -> nn.Sequential:
    """The generator's last layers with the convolution at half the side: the same numbers for a quarter of the time.

    A 3×3 convolution over doubled places sees each of them once, twice or thrice: for each of the four new places that
    one place becomes, its taps are added up to weights on the places as they were.
    """
    _, convolution, tanh = last
    state = convolution.state_dict()
    weight, bias = state["weight"], state["bias"]
    summed = torch.zeros(weight.shape[0], 2, 2, *weight.shape[1:])
    for down, across, row, column in itertools.product((0, 1), (0, 1), (0, 1, 2), (0, 1, 2)):
        place = 1 + (down + row - 1) // 2, 1 + (across + column - 1) // 2
        summed[:, down, across, :, place[0], place[1]] += weight[..., row, column]
    quick = nn.Conv2d(weight.shape[1], 4 * weight.shape[0], 3, padding=1, device="meta")  # draws no random numbers
    quick.load_state_dict({"weight": summed.flatten(0, 2), "bias": bias.repeat_interleave(4)}, assign=True)
    return nn.Sequential(quick, nn.PixelShuffle(2), tanh).eval()


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
        map_difference=float(np.abs(together.anomaly_map - expected.anomaly_map).max()),
    )
    worst = float(np.max([report.reconstruction_difference, report.latent_difference]))
    if not worst <= TOLERANCE:  # a difference that is no number fails as well; max() would have lost it
        raise ModelError(
            f"export: ONNX Runtime and torch differ by {worst:.1e} relative, at most {TOLERANCE:.0e} is allowed; "
            "nothing was written: train anew, and report it if it stays"
        )
    return report


def _difference(expected: Floats, together: Floats, alone: list[Floats]) -> float:
    """The largest relative difference from `expected` (N,), of the plates in one batch and of each plate alone."""
    both = np.stack([together, np.concatenate(alone)])
    return float(np.max(np.abs(both - expected) / np.maximum(np.abs(expected), _FLOOR)))


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Keep the exporter's remarks on itself (missing torchvision, deprecations) out of the caller's logs."""
    loggers = [logging.getLogger(name) for name in _TALKATIVE]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


def _strip(model: onnx.ModelProto) -> None:
    """Remove what the exporter notes about where the code lies and what it was called there."""
    del model.metadata_props[:]
    model.doc_string = ""
    for part in (model.graph, *model.graph.node, *model.graph.value_info, *model.graph.input, *model.graph.output):
        del part.metadata_props[:]
        part.doc_string = ""
    for tensor in model.graph.initializer:
        del tensor.metadata_props[:]
        tensor.doc_string = ""
