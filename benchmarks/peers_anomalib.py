"""The part of `peers` that runs anomalib, in its own environment without Platewatch.

It writes one JSON value per line to stdout: first the names of what it built. Then, for each such name on stdin, the
CPU seconds of one plate. Everything runs in one thread, so that no core time is spent on waiting.
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from typing import Any

import numpy as np
import onnxruntime
import torch
from anomalib.models import EfficientAd, Padim, Patchcore

SIDE = 256  # px
PLATES = 54  # good ones, in the memory bank
Judge = Callable[[Any], Any]  # takes a photograph (256, 256, 3) uint8


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # keep the libraries' output out of the answers
    torch.manual_seed(0)
    torch.set_num_threads(1)
    photos = np.random.default_rng(0).integers(0, 256, (PLATES, SIDE, SIDE, 3), np.uint8)
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        models = _models(photos).items()
        judges = {f"{name}, {how}": judge for name, model in models for how, judge in _runtimes(model, folder)}
        versions = {name: version(name) for name in ("anomalib", "torch", "onnxruntime", "openvino")}
        print(json.dumps({"judges": list(judges), "versions": versions}), file=answers, flush=True)
        for line in sys.stdin:
            started = time.process_time()
            judges[line.strip()](photos[0])
            print(time.process_time() - started, file=answers, flush=True)


def _models(photos: Any) -> dict[str, Any]:
    """The three models with random weights, each as anomalib builds it, with its pre- and post-processing."""
    bare: dict[str, Any] = {"evaluator": False, "visualizer": False}
    patchcore = Patchcore(backbone="resnet18", pre_trained=False, **bare)
    padim = Padim(backbone="resnet18", pre_trained=False, **bare)
    for model in (patchcore.model, padim.model):
        model.train()
        model.feature_extractor.eval()
        for photo in photos:
            model(_tensor(photo))
    padim.model.fit()
    patches = torch.vstack(patchcore.model.embedding_store)
    patchcore.model.embedding_store.clear()
    kept = torch.randperm(len(patches))[: len(patches) // 10]  # as many as anomalib would choose
    patchcore.model.memory_bank = patches[kept].clone()
    efficient = EfficientAd(model_size="small", **bare)
    found = {"PatchCore, ResNet-18": patchcore, "PaDiM, ResNet-18": padim, "EfficientAD-S": efficient}
    return {name: model.eval() for name, model in found.items()}


def _runtimes(model: Any, folder: str) -> Iterator[tuple[str, Judge]]:
    """The model in each runtime: by anomalib's own export, one plate at a time."""
    yield "torch", lambda photo: model(_tensor(photo))
    fixed: dict[str, Any] = {"dynamic_axes": {}, "dynamic_shapes": None}
    exported = str(model.to_onnx(folder, input_size=(SIDE, SIDE), opset_version=18, **fixed))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(exported, options, providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    yield "ONNX Runtime", lambda photo: session.run(None, {given.name: _tensor(photo).numpy()})
    yield "OpenVINO float32", _openvino(exported, {"INFERENCE_PRECISION_HINT": "f32"})
    yield "OpenVINO default precision", _openvino(exported, {})


def _openvino(exported: str, settings: dict[str, Any]) -> Judge:
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # importing openvino reports it else
    import openvino  # noqa: PLC0415 - as above

    core = openvino.Core()
    limits = {"INFERENCE_NUM_THREADS": 1, "PERFORMANCE_HINT": "LATENCY"}
    request = core.compile_model(core.read_model(exported), "CPU", limits | settings).create_infer_request()
    return lambda photo: request.infer({0: _tensor(photo).numpy()})


def _tensor(photo: Any) -> Any:
    """(256, 256, 3) uint8 as anomalib takes it: (1, 3, 256, 256) float32, 0 to 1."""
    return (torch.from_numpy(photo).permute(2, 0, 1)[None].float() / 255).contiguous()


if __name__ == "__main__":
    main()
