"""anomalib's side of `peers.py`: runs in an environment of its own, knows nothing of Platewatch.

It answers on stdout, one JSON object a line: first what it built, then for each line on stdin, a key of what it built,
the core-ms of every plate that it judged. One thread everywhere, so that core time is not spent on waiting.
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np
import onnxruntime
import torch
from anomalib.models import EfficientAd, Padim, Patchcore

SIDE = 256  # px
PLATES = 54  # good ones, in the memory bank
CORESET = 10  # one in so many of their patches is kept: anomalib's default of 10 %
JUDGED = 4  # plates a request

Judge = Callable[[Any], Any]
"""Takes a photograph (256, 256, 3) uint8."""


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the libraries print is none of the answers
    torch.manual_seed(0)
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    photos = rng.integers(0, 256, (PLATES, SIDE, SIDE, 3), np.uint8)
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        judges = {
            f"{name}, {how}": judge for name, each in _models(photos).items() for how, judge in _runtimes(each, folder)
        }
        for judge in judges.values():
            judge(photos[0])  # the first time a runtime prepares
        versions = {name: version(name) for name in ("anomalib", "torch", "onnxruntime", "openvino")}
        _say(answers, {"judges": list(judges), "versions": versions})
        for line in sys.stdin:
            _say(answers, [_core_ms(judges[line.strip()], photo) for photo in photos[:JUDGED]])


def _say(answers: Any, what: Any) -> None:
    answers.write(json.dumps(what) + "\n")
    answers.flush()


def _core_ms(judge: Judge, photo: Any) -> float:
    started = time.process_time()
    judge(photo)
    return 1e3 * (time.process_time() - started)


def _models(photos: Any) -> dict[str, Any]:
    """The three, with random weights; each as anomalib makes it, its pre- and post-processing included."""
    bare: dict[str, Any] = {"evaluator": False, "visualizer": False}
    found = {
        "PatchCore, ResNet-18": Patchcore(backbone="resnet18", pre_trained=False, **bare),
        "PaDiM, ResNet-18": Padim(backbone="resnet18", pre_trained=False, **bare),
        "EfficientAD-S": EfficientAd(model_size="small", **bare),
    }
    patchcore, padim = found["PatchCore, ResNet-18"].model, found["PaDiM, ResNet-18"].model
    for model in (patchcore, padim):
        model.train()
        model.feature_extractor.eval()
        for photo in photos:
            model(_tensor(photo))
    padim.fit()
    patches = torch.vstack(patchcore.embedding_store)
    patchcore.embedding_store.clear()
    patchcore.memory_bank = patches[
        torch.randperm(len(patches))[: len(patches) // CORESET]
    ].clone()  # as large as chosen
    return {name: model.eval() for name, model in found.items()}


def _runtimes(model: Any, folder: str) -> list[tuple[str, Judge]]:
    """The model in each runtime: by anomalib's own export, one plate at a time."""
    exported = str(
        model.to_onnx(folder, input_size=(SIDE, SIDE), opset_version=18, dynamic_axes={}, dynamic_shapes=None)
    )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(exported, options, providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    return [
        ("torch", lambda photo: model(_tensor(photo))),
        ("ONNX Runtime", lambda photo: session.run(None, {given.name: _tensor(photo).numpy()})),
        ("OpenVINO float32", _openvino(exported, {"INFERENCE_PRECISION_HINT": "f32"})),
        ("OpenVINO as it likes", _openvino(exported, {})),
    ]


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
