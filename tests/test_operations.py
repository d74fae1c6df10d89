"""What a verdict takes in operations, which do not depend on the machine's mood: arithmetic of the graph, decoding."""

import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from conftest import Tiny
from platewatch import cli, config
from platewatch.line import judging
from platewatch.model.inspector import Inspector
from platewatch.photographs import preparation
from platewatch.skipganomaly import export
from platewatch.skipganomaly.network import Discriminator, Generator, initialise
from platewatch.skipganomaly.training import Trained

MULTIPLY_ADDS = 197_000_000
"""A plate through the network of `fast`; it is 194.3 million when this is written."""


def multiply_adds(graph: bytes) -> int:
    """Of convolutions and matrix products, for one photograph."""
    model = onnx.load_model_from_string(graph)
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    model = onnx.shape_inference.infer_shapes(model, data_prop=True)
    sizes: dict[str, list[int]] = {each.name: list(each.dims) for each in model.graph.initializer}
    for each in model.graph.value_info:
        sizes[each.name] = [side.dim_value for side in each.type.tensor_type.shape.dim]

    def count(node: onnx.NodeProto) -> int:
        first, second, result = (sizes[name] for name in (*node.input[:2], node.output[0]))
        match node.op_type:
            case "Conv" | "Gemm":  # each place of the result gathers
                return math.prod(result) * math.prod(second[1:])
            case "ConvTranspose":  # each place of the picture scatters
                return math.prod(first) * math.prod(second[1:])
            case _:
                return math.prod(result) * first[-1]

    products = {"Conv", "Gemm", "ConvTranspose", "MatMul"}
    return sum(map(count, (node for node in model.graph.node if node.op_type in products)))


def test_the_exported_network_multiplies_no_more_than_it_did(tmp_path: Path) -> None:
    settings = config.preset("fast")
    generator, discriminator = Generator(settings.network), Discriminator(settings.network)
    for network in (generator, discriminator):
        initialise(network, torch.Generator().manual_seed(0))
    trained = Trained(generator.eval(), discriminator.eval(), 0.5, ())
    export.export(trained, settings, tmp_path / "network.onnx", np.zeros((1, *(settings.image_size,) * 2, 3), np.uint8))
    assert 0.9 * MULTIPLY_ADDS < multiply_adds((tmp_path / "network.onnx").read_bytes()) <= MULTIPLY_ADDS


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often photographs were decoded and prepared."""
    counts = Counter[str]()

    def counted(name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **options: Any) -> Any:
            counts[name] += 1
            return work(*given, **options)

        return call

    monkeypatch.setattr(Image, "open", counted("decoded", Image.open))
    monkeypatch.setattr(preparation, "prepare", counted("prepared", preparation.prepare))
    return counts


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_a_plate_is_decoded_and_prepared_once(
    suffix: str, inspector: Inspector, tmp_path: Path, calls: Counter[str]
) -> None:
    path = tmp_path / f"plate.{suffix}"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)).save(path)
    for source in (path, path.read_bytes()):
        calls.clear()
        assert inspector.inspect(source).error is None
        assert calls == {"decoded": 1, "prepared": 1}


def test_a_broken_photograph_is_decoded_once(inspector: Inspector, tiny_model: Tiny, calls: Counter[str]) -> None:
    broken = (tiny_model.data / "test/good/000.png").read_bytes()[:-200]
    judged = judging.judge(inspector, broken, "plate")
    assert (judged.inspection.reason, judged.examination) == ("the photograph is not readable", None)
    assert calls == {"decoded": 1}


def test_inspect_with_overlays_decodes_each_photograph_once(
    tiny_model: Tiny, tmp_path: Path, calls: Counter[str]
) -> None:
    folder = tiny_model.data / "test" / "good"
    words = ["inspect", str(tiny_model.model), str(folder), "--out", str(tmp_path)]
    assert CliRunner().invoke(cli.main, words).exit_code in {0, 3}
    stored = len(list((tiny_model.model / "replay").iterdir()))  # read once, when the model is loaded
    assert calls["decoded"] - stored == len(list(tmp_path.iterdir())) == len(list(folder.iterdir()))
