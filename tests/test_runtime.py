"""The runtimes score uint8 photographs independently of their batch, without torch, and refuse other input."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import untrained
from platewatch.arrays import Photos
from platewatch.errors import InputError, ModelError, RuntimeUnavailable
from platewatch.model.runtime import RUNTIMES, Network, NetworkResult, installed
from platewatch.skipganomaly.export import run_torch
from platewatch.skipganomaly.network import Scorer


def photos(count: int) -> Photos:
    return np.random.default_rng(0).integers(0, 256, (count, 64, 64, 3), dtype=np.uint8)


@pytest.fixture
def path(untrained_graph: Path) -> Path:
    return untrained_graph


def joined(results: list[NetworkResult]) -> NetworkResult:
    names = NetworkResult.__dataclass_fields__
    return NetworkResult(*(np.concatenate([getattr(result, name) for result in results]) for name in names))


def assert_close(one: NetworkResult, two: NetworkResult) -> None:
    for name in ("reconstruction_error", "latent_error", "anomaly_map"):
        np.testing.assert_allclose(getattr(one, name), getattr(two, name), rtol=1e-6, atol=1e-6, err_msg=name)


def test_what_the_runtime_gives(path: Path) -> None:
    network = Network(path, threads=1)
    result = network.run(photos(3))
    assert network.image_size == 64
    parts = (
        result.reconstruction_error,
        result.latent_error,
        result.anomaly_map,
        network.reconstruct(photos(3)),
    )
    assert [(np.shape(part), str(np.asarray(part).dtype)) for part in parts] == [
        ((3,), "float32"),
        ((3,), "float32"),
        ((3, 64, 64), "float32"),
        ((3, 32, 32, 3), "uint8"),
    ]


@pytest.mark.parametrize("count", [1, 7, 8, 9, 17])
def test_a_plate_is_judged_alike_in_any_batch(path: Path, count: int) -> None:
    """Invariant 4, also across the chunks in which a large batch runs."""
    network, batch = Network(path, threads=1), photos(count)
    alone = [network.run(photo[None]) for photo in batch]
    assert_close(network.run(batch), joined(alone))
    assert_close(network.run(batch[::-1]), joined(alone[::-1]))


@pytest.mark.parametrize("level", [0, 1, 255])
def test_content_never_changes_the_scaling(path: Path, level: int) -> None:
    """Invariant 2: what decides is the dtype, never how bright the photograph is."""
    photo = np.full((1, 64, 64, 3), level, dtype=np.uint8)
    trained = untrained.networks()
    scorer = Scorer(trained.generator, trained.discriminator, trained.mean, untrained.CONFIG)
    assert_close(Network(path, threads=1).run(photo), run_torch(scorer, photo))


def test_threads_change_nothing(path: Path) -> None:
    assert_close(Network(path, threads=1).run(photos(4)), Network(path).run(photos(4)))


def test_one_network_serves_several_threads(path: Path) -> None:
    network, batches = Network(path, threads=1), [photos(9)[start:] for start in range(8)]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(network.run, batches))
    for result, batch in zip(results, batches, strict=True):
        assert_close(result, network.run(batch))


@pytest.mark.skipif("openvino" not in installed(), reason="openvino is not installed")
def test_openvino_gives_the_same_numbers_also_to_several_threads(path: Path) -> None:
    """Their first inferences at once: in OpenVINO 2026.4.1 two could wait for each other for ever (see runtime)."""
    expected, network = Network(path, threads=1).run(photos(9)), Network(path, threads=1, runtime="openvino")
    with ThreadPoolExecutor(3) as pool:
        results = list(pool.map(network.run, [photos(9)] * 6))
    for name in ("reconstruction_error", "latent_error", "anomaly_map"):
        for result in results:
            np.testing.assert_allclose(getattr(result, name), getattr(expected, name), rtol=1e-4, atol=1e-6)
    assert network.reconstruct(photos(2)).shape == (2, 32, 32, 3)
    with pytest.raises(ModelError, match="not a readable ONNX file"):
        Network(b"damaged", runtime="openvino")


def test_views_are_judged_like_copies(path: Path) -> None:
    network, flipped = Network(path, threads=1), photos(2)[:, :, ::-1]
    assert_close(network.run(flipped), network.run(flipped.copy()))


@pytest.mark.parametrize(
    "batch",
    [
        np.zeros((1, 64, 64, 3), np.float32),
        np.zeros((64, 64, 3), np.uint8),
        np.zeros((1, 32, 32, 3), np.uint8),
        np.zeros((1, 64, 64, 4), np.uint8),
        np.zeros((0, 64, 64, 3), np.uint8),
    ],
    ids=["float", "no batch", "other size", "four channels", "empty"],
)
def test_other_arrays_are_refused(path: Path, batch: Photos) -> None:
    network = Network(path, threads=1)
    for ask in (network.run, network.reconstruct):
        with pytest.raises(InputError, match=r"expected \(N, 64, 64, 3\) uint8"):
            ask(batch)


def test_a_network_is_loaded_from_bytes(path: Path) -> None:
    assert_close(Network(path.read_bytes(), threads=1).run(photos(2)), Network(path, threads=1).run(photos(2)))


def test_files_that_are_no_network_are_refused(path: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.onnx"
    for data in (b"", b"no network", path.read_bytes()[:-1000], bytes(1000)):
        damaged.write_bytes(data)
        with pytest.raises(ModelError, match=r"damaged\.onnx") as caught:
            Network(damaged)
        assert "\n" not in str(caught.value)
    with pytest.raises(ModelError, match="No such file"):
        Network(tmp_path / "missing.onnx")


@pytest.mark.parametrize("names", [("pictures", "score"), ("photos", "score")])
def test_foreign_networks_are_refused(names: tuple[str, str]) -> None:
    made = onnx.helper
    tensor_in = made.make_tensor_value_info(names[0], onnx.TensorProto.UINT8, ["N", 64, 64, 3])
    tensor_out = made.make_tensor_value_info(names[1], onnx.TensorProto.UINT8, ["N", 64, 64, 3])
    graph = made.make_graph([made.make_node("Identity", names[:1], names[1:])], "g", [tensor_in], [tensor_out])
    model = made.make_model(graph, opset_imports=[made.make_opsetid("", 20)], ir_version=10)
    with pytest.raises(ModelError, match="not a network of Platewatch"):
        Network(model.SerializeToString())


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e16])
def test_a_network_that_gives_no_numbers_is_an_error_not_a_score(
    path: Path, value: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = Network(path, threads=1)
    session = network._open()
    right = session.run

    def wrong(outputs: Any, given: Any) -> list[Any]:
        found = right(outputs, given)
        found[1][-1] = value
        return found

    monkeypatch.setattr(session, "run", wrong)
    with pytest.raises(ModelError, match="latent_error is not finite"):
        network.run(photos(2))


def test_a_missing_runtime_is_named_with_its_install_command(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for runtime in RUNTIMES:
        monkeypatch.setitem(sys.modules, runtime, None)
        with pytest.raises(RuntimeUnavailable, match=f"pip install {runtime}"):
            Network(path, runtime=runtime)


def test_judging_needs_no_torch(path: Path) -> None:
    """Invariant 10; nor does the runtime write a word, even about a damaged file."""
    code = (
        "import sys, numpy as np\n"
        "from pathlib import Path\n"
        "from platewatch.errors import ModelError\n"
        "from platewatch.model.runtime import Network\n"
        "Network(Path(sys.argv[1])).run(np.zeros((1, 64, 64, 3), np.uint8))\n"
        "try:\n    Network(b'damaged')\nexcept ModelError:\n    pass\n"
        "sys.exit(any(name.split('.')[0] in ('torch', 'onnx', 'onnxscript') for name in sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
