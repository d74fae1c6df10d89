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
from PIL import Image

from platewatch import config, export, images
from platewatch.inspector import Inspector
from platewatch.network import Discriminator, Generator, Scorer, initialise

MULTIPLY_ADDS = 193_000_000
"""A plate through the network of `fast`; it is 190.7 million when this is written."""


def multiply_adds(graph: bytes) -> int:
    """Of convolutions and matrix products, for one photograph."""
    model = onnx.load_model_from_string(graph)
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    model = onnx.shape_inference.infer_shapes(model, data_prop=True)
    weights = {each.name: each.dims for each in model.graph.initializer}
    shapes = {each.name: each.type.tensor_type.shape.dim for each in model.graph.value_info}
    products = [node for node in model.graph.node if node.op_type in {"Conv", "Gemm", "MatMul", "ConvTranspose"}]
    assert all(node.op_type != "MatMul" for node in products), "count the others too"
    # each place of the output gathers, but a transposed convolution scatters each place of its input
    counted = (node.input[0] if node.op_type == "ConvTranspose" else node.output[0] for node in products)
    places = (math.prod(side.dim_value for side in shapes[name]) for name in counted)
    return sum(count * math.prod(weights[node.input[1]][1:]) for count, node in zip(places, products, strict=True))


def test_the_exported_network_multiplies_no_more_than_it_did() -> None:
    settings = config.preset("fast")
    generator, discriminator = Generator(settings.network), Discriminator(settings.network)
    for network in (generator, discriminator):
        initialise(network, torch.Generator().manual_seed(0))
    graph = export._graph(Scorer(generator.eval(), discriminator.eval(), 0.5, settings), settings)
    assert 0.9 * MULTIPLY_ADDS < multiply_adds(graph) <= MULTIPLY_ADDS


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_a_plate_is_decoded_and_prepared_once(
    suffix: str, inspector: Inspector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"plate.{suffix}"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)).save(path)
    calls = Counter[str]()

    def counted(name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **options: Any) -> Any:
            calls[name] += 1
            return work(*given, **options)

        return call

    monkeypatch.setattr(Image, "open", counted("decoded", Image.open))
    monkeypatch.setattr(images, "prepare", counted("prepared", images.prepare))
    for source in (path, path.read_bytes()):
        calls.clear()
        assert inspector.inspect(source).error is None
        assert calls == {"decoded": 1, "prepared": 1}
