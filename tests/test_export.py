"""Export writes a complete, reproducible file without output on the terminal, and no file if parity fails."""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, replace
from hashlib import sha256
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import onnx
import pytest
import torch

import untrained
from platewatch.arrays import Floats, Photos
from platewatch.errors import InputError, ModelError, OutputError
from platewatch.model.network_file import INPUT, OUTPUTS
from platewatch.model.runtime import Network, NetworkResult
from platewatch.skipganomaly import export as export_module
from platewatch.skipganomaly.export import TOLERANCE, ExportReport, export, run_torch
from platewatch.skipganomaly.network import Scorer
from platewatch.skipganomaly.upsampling import UpsamplingConvolution
from untrained import CONFIG, PHOTOS, networks


@pytest.fixture
def traced(folder: Path, report: ExportReport, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reuse one traced graph in tests that do not test tracing, which takes most of the time."""
    monkeypatch.setattr(export_module, "_graph", lambda *_: (folder / "network.onnx").read_bytes())


@pytest.fixture
def folder(untrained_graph: Path) -> Path:
    return untrained_graph.parent


@pytest.fixture
def report(folder: Path) -> ExportReport:
    return untrained.report(folder.parent)


def test_the_file_gives_torchs_numbers(folder: Path, report: ExportReport) -> None:
    assert report.plates == 3
    assert report.reconstruction_difference < TOLERANCE / 10
    assert report.latent_difference < TOLERANCE / 10
    assert report.map_difference < TOLERANCE / 10
    assert report.sha256 == sha256((folder / "network.onnx").read_bytes()).hexdigest()
    assert [file.name for file in folder.iterdir()] == ["network.onnx"]


@pytest.mark.usefixtures("report")
def test_the_graph_takes_and_gives_what_the_runtime_expects(folder: Path) -> None:
    """Invariants 2 and 3: uint8 in, raw errors out; nothing of the machine that trained is inside."""
    data = (folder / "network.onnx").read_bytes()
    graph = onnx.load_from_string(data).graph
    assert [each.name for each in graph.input] == [INPUT]
    assert [each.name for each in graph.output] == list(OUTPUTS)
    assert graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert graph.input[0].type.tensor_type.shape.dim[0].dim_param == "N"
    here = Path(__file__).parent.parent
    for trace in (str(here), str(Path.home()), "site-packages", ".py", "stack_trace", "platewatch"):
        assert trace.encode() not in data


def test_fused_layers_give_the_same_numbers() -> None:
    trained, state = networks(), torch.get_rng_state()
    for module in (trained.generator, trained.discriminator):
        for layer in module.modules():
            if isinstance(layer, torch.nn.BatchNorm2d):
                layer.running_mean, layer.running_var = torch.randn(layer.num_features), torch.rand(layer.num_features)
    torch.set_rng_state(state)
    scorer = Scorer(trained.generator, trained.discriminator, trained.mean, CONFIG)
    quick, expected = export_module._fused_scorer(scorer), run_torch(scorer, PHOTOS)
    for mine, theirs in zip(astuple(run_torch(quick, PHOTOS)), astuple(expected), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-6)
    kinds = {type(layer) for layer in quick.modules()}
    assert torch.nn.ConvTranspose2d in kinds
    assert not {torch.nn.BatchNorm2d, UpsamplingConvolution} & kinds
    assert torch.equal(torch.get_rng_state(), state)  # training draws from it elsewhere


def test_tracing_is_done_once_and_leaves_nothing_of_the_first_network(
    tmp_path: Path, report: ExportReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    several, trace = [networks(seed) for seed in (1, 0, 2)], Mock(wraps=torch.onnx.export)
    monkeypatch.setattr(torch.onnx, "export", trace)
    export_module._traced.cache_clear()
    state = torch.get_rng_state()
    shas = [export(each, CONFIG, tmp_path / "network.onnx", PHOTOS).sha256 for each in several]
    assert trace.call_count == 1
    assert shas[1] == report.sha256
    assert len(set(shas)) == 3
    assert torch.equal(torch.get_rng_state(), state)  # training draws from it elsewhere


def test_the_same_weights_give_the_same_bytes_also_side_by_side(tmp_path: Path, report: ExportReport) -> None:
    with ThreadPoolExecutor(2) as pool:
        again = list(pool.map(lambda seed: export(networks(seed), CONFIG, tmp_path / str(seed), PHOTOS), (0, 1)))
    assert again[0].sha256 == report.sha256
    assert again[1].sha256 != report.sha256


def test_export_is_silent(
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    recwarn: pytest.WarningsRecorder,
) -> None:
    level = logging.getLogger("torch.onnx").level
    export(networks(), CONFIG, tmp_path / "network.onnx", PHOTOS)
    assert (*capfd.readouterr(), caplog.records, list(recwarn)) == ("", "", [], [])
    assert logging.getLogger("torch.onnx").level == level


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("name", ["reconstruction_error", "latent_error", "anomaly_map"])
@pytest.mark.parametrize(
    "spoil", [lambda error: error * 1.0005 + 1e-6, lambda error: error * np.nan], ids=["off", "no number"]
)
@pytest.mark.parametrize("only_alone", [False, True])
def test_numbers_that_differ_leave_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, spoil: Callable[[Floats], Floats], only_alone: bool
) -> None:
    """Invariant 6, whether the difference shows in a batch or only on single plates."""
    run = Network.run

    def spoilt(self: Network, photos: Photos) -> NetworkResult:
        result = run(self, photos)
        if only_alone and len(photos) > 1:
            return result
        return replace(result, **{name: spoil(getattr(result, name))})

    monkeypatch.setattr(Network, "run", spoilt)
    kept = tmp_path / "network.onnx"
    kept.write_bytes(b"the model before")
    with pytest.raises(ModelError, match="differ by"):
        export(networks(), CONFIG, kept, PHOTOS)
    assert kept.read_bytes() == b"the model before"
    assert [file.name for file in tmp_path.iterdir()] == ["network.onnx"]


@pytest.mark.usefixtures("traced")
def test_weights_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    spoilt = networks()
    torch.nn.init.constant_(next(spoilt.generator.parameters()), torch.nan)
    with pytest.raises(ModelError, match="differ by nan"):
        export(spoilt, CONFIG, tmp_path / "network.onnx", PHOTOS)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("traced")
def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"the network cannot be written \(File exists\)"):
        export(networks(), CONFIG, tmp_path / "file" / "network.onnx", PHOTOS)


@pytest.mark.usefixtures("traced")
def test_parity_photographs_of_another_size_are_refused(tmp_path: Path) -> None:
    for photos in (PHOTOS[:, :32, :32], PHOTOS[:0]):
        with pytest.raises(InputError, match="expected"):
            export(networks(), CONFIG, tmp_path / "network.onnx", photos)
