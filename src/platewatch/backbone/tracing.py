"""Traces a torch module to an ONNX graph without paths or names of this machine."""

import contextlib
import logging
import threading
import warnings
from collections.abc import Iterator, Sequence

import onnx
import torch
from torch import Tensor, nn

from platewatch.errors import ModelError

OPSET = 20

_NOISY_LOGGERS = ("torch.onnx", "torch.export", "torch.__trace", "onnxscript", "onnx_ir")
_ONE_AT_A_TIME = threading.Lock()  # torch's exporter patches torch while it traces


def trace(module: nn.Module, example: Tensor, takes: str, gives: Sequence[str]) -> onnx.ModelProto:
    """The graph of a module with one input `takes` and the outputs `gives`; the batch size stays free.

    `example` has at least two photographs. Raises ModelError when torch gives no graph.
    """
    with _ONE_AT_A_TIME, _silence():
        program = torch.onnx.export(
            module,
            (example,),
            dynamo=True,
            opset_version=OPSET,
            input_names=[takes],
            output_names=list(gives),
            dynamic_shapes=({0: torch.export.Dim("N", min=1)},),
            verbose=False,
        )
    if program is None:
        raise ModelError("export", "torch gave no ONNX program", remedy="this torch is not supported, see constraints/")
    model: onnx.ModelProto = program.model_proto
    _strip(model)
    return model


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Suppress the exporter's own warnings, such as missing torchvision and deprecations."""
    loggers = [logging.getLogger(name) for name in _NOISY_LOGGERS]
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
    """Remove the exporter's metadata: paths and names of the source code."""
    del model.metadata_props[:]
    model.doc_string = ""
    for part in (model.graph, *model.graph.node, *model.graph.value_info, *model.graph.input, *model.graph.output):
        del part.metadata_props[:]
        part.doc_string = ""
    for tensor in model.graph.initializer:
        del tensor.metadata_props[:]
        tensor.doc_string = ""
