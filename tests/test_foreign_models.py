"""A model folder from elsewhere, its hashes made to fit: a ModelError, or a verification that says what is wrong."""

import json
import os
import shutil
import tracemalloc
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx import helper as made

import mutated_models
from conftest import Tiny
from platewatch import cli
from platewatch.errors import ModelError
from platewatch.inspection import Verdict
from platewatch.model import model_folder, network_file, surface_file, verification
from platewatch.model.inspector import Inspector
from platewatch.model.network_file import check
from platewatch.photographs import reading


@pytest.fixture
def folder(tiny_model: Tiny, tmp_path: Path) -> Path:
    return shutil.copytree(tiny_model.model, tmp_path / "model", ignore=shutil.ignore_patterns("training"))


@pytest.fixture(autouse=True)
def one_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification, "installed", lambda: ("onnxruntime",))


def rewritten(folder: Path, change: Callable[[dict[str, Any]], object] = dict.copy) -> None:
    """Change the manifest's values, and make all hashes fit."""
    values = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    values["files"] = {name: "" for name in values["files"] if not name.startswith("training/")}
    change(values)
    mutated_models.write(folder, values)


def refused(folder: Path) -> str:
    with pytest.raises(ModelError) as caught:
        model_folder.load(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_mutated_folders_give_a_model_error_or_a_verification(tiny_model: Tiny, tmp_path: Path) -> None:
    passed, refusals = 0, list[str]()
    for what in mutated_models.mutated_model_folders(tiny_model.model, tmp_path / "model", seed=20, count=25):
        try:
            model_folder.load(tmp_path / "model")
            found = verification.verify(tmp_path / "model", threads=1)
        except ModelError as error:
            refusals.append(f"{what}: {error}")
        else:
            passed += found.passed
            json.dumps(found.as_dict(), allow_nan=False)
    assert len(refusals) > 12
    assert [each for each in refusals if "\n" in each] == []
    assert passed < 20


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda values: values["decision"].update(threshold=float("nan")), "damaged"),
        (lambda values: values["decision"].update(threshold=float("inf")), "damaged"),
        (lambda values: values["decision"].update(threshold=0.5, review=0.6), "expected 0 < review ≤ threshold"),
        (lambda values: values["decision"].update(review=-1.0), "expected 0 < review ≤ threshold"),
        (lambda values: values["decision"].update(alpha="0.5"), "decision.alpha"),
        (lambda values: values["decision"].update(weight=True), "decision.weight"),
        (lambda values: values["decision"].update(network_map_scale=1e300), "decision.network_map_scale"),
        (lambda values: values["replay"][0].update(frame=[1.0, 0, 0, 97, 96]), "reaches out of 96 px"),
        (lambda values: values["replay"][0].update(frame=[1.0, -1, 0, 9, 9]), "no place in the photograph"),
        (lambda values: values["versions"].update(numpy="\x1b[2J2.0"), "versions.numpy"),
        (lambda values: values["config"]["network"].update(encoder=[8] * 1000), "config.network.encoder"),
        (lambda values: values["config"]["surface"].update(bank=10**12), "config.surface.bank"),
        (lambda values: values.update(former_digest="0" * 64), "former_digest"),
        (lambda values: values.update(calibration=[]), "calibration"),
        (lambda values: values["files"].update({"a\0b": "0" * 64}), "names 'a\\x00b'"),
        (lambda values: values["files"].update({"\ud800": "0" * 64}), "manifest.json"),
    ],
    ids=range(16),
)
def test_the_manifest_s_values_have_types_and_bounds(
    folder: Path, change: Callable[[dict[str, Any]], object], words: str
) -> None:
    rewritten(folder, change)
    assert words in refused(folder)


def test_a_number_too_large_for_a_float_is_refused(folder: Path) -> None:
    path = folder / "manifest.json"
    text = path.read_text(encoding="utf-8")
    values = json.loads(text)
    path.write_text(text.replace(repr(values["decision"]["threshold"]), "1e999"))
    assert "Input should be a finite number" in refused(folder)


def test_a_pipe_in_the_folder_does_not_block(folder: Path) -> None:
    (folder / "network.onnx").unlink()
    os.mkfifo(folder / "network.onnx")
    assert "network.onnx: no file of a model" in refused(folder)
    (folder / "manifest.json").unlink()
    os.mkfifo(folder / "manifest.json")
    assert "manifest.json: no file of a model" in refused(folder)


def test_an_unknown_array_is_refused_before_it_is_read(folder: Path) -> None:
    """NumPy itself would unpack it: 64 MB here, and as many GB as somebody likes."""
    with (
        zipfile.ZipFile(folder / "surface.npz", "a", zipfile.ZIP_DEFLATED) as archive,
        archive.open("x.npy", "w") as file,
    ):
        np.lib.format.write_array(file, np.zeros((16, 2**20), np.float32))
    rewritten(folder)
    tracemalloc.start()
    try:
        assert "surface.npz: cannot be read (holds ['colour_cells'" in refused(folder)
        assert tracemalloc.get_traced_memory()[1] < 16e6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("name", "array", "words"),
    [
        ("line_cells", np.zeros((2**16 + 1, 30), np.float32), "line_cells has the shape (65537, 30)"),
        ("line_cells", np.zeros((20, 29), np.float32), "line_cells has the shape (20, 29)"),
        ("line_cells", np.zeros((0, 30), np.float32), "line_cells has the shape (0, 30)"),
        ("line_cells", np.full((20, 30), np.nan, np.float32), "line_cells has values that no photograph gives"),
        ("line_cells", np.full((20, 30), 1e30, np.float32), "line_cells has values that no photograph gives"),
        ("line_cells", np.zeros((20, 30)), "line_cells is no plain array of float32"),
        ("score_units", np.ones(4, np.float32), "score_units has the shape (4,)"),
        ("map_unit", np.float32(0), "map_unit is below 9e-07"),
        ("colour_unit", np.float32(-1), "colour_unit is below 9e-07"),
    ],
)
def test_arrays_have_types_shapes_and_bounds(
    folder: Path, name: str, array: Any, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(surface_file, "MOST_AREAS", 1)  # a smaller array is too large then
    path = folder / "surface.npz"
    with np.load(path, allow_pickle=False) as stored:
        arrays = dict(stored)
    line = arrays["line_cells"].shape[1]
    if name == "line_cells" and array.shape[1] == 30:
        array, words = np.resize(array, (len(array), line)), words.replace("30)", f"{line})")
    np.savez(path, allow_pickle=False, **(arrays | {name: array}))
    rewritten(folder)
    assert words in refused(folder)


def _loop(graph: onnx.GraphProto) -> None:
    """One round of nothing; ONNX Runtime would also run a loop without an end."""
    one = made.make_tensor_value_info("round", onnx.TensorProto.INT64, [])
    on = made.make_tensor_value_info("on", onnx.TensorProto.BOOL, [])
    same = made.make_node("Identity", ["on"], ["still"])
    still = made.make_tensor_value_info("still", onnx.TensorProto.BOOL, [])
    body = made.make_graph([same], "body", [one, on], [still])
    graph.initializer.append(onnx.numpy_helper.from_array(np.array(1), "rounds"))
    graph.node.append(made.make_node("Loop", ["rounds", ""], [], body=body))


def _elsewhere(graph: onnx.GraphProto) -> None:
    graph.initializer[0].data_location = onnx.TensorProto.EXTERNAL
    graph.initializer[0].external_data.add(key="location", value="surface.npz")


def _large(graph: onnx.GraphProto) -> None:
    next(node for node in graph.node if node.op_type == "AveragePool").attribute[0].ints[:] = [5000, 5000]


def _constant(graph: onnx.GraphProto) -> None:
    graph.node.append(made.make_node("Relu", [graph.initializer[0].name], ["unused"]))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_loop, "operator 'Loop'"),
        (lambda graph: graph.node.append(made.make_node("Relu", ["photos"], ["x"], domain="own")), "'own.Relu'"),
        (lambda graph: graph.node.append(made.make_node("Tile", ["photos", "photos"], ["x"])), "operator 'Tile'"),
        (_elsewhere, "lies in another file"),
        (_large, "with a number above 4096"),
        (_constant, "operator Relu does not depend on the photographs"),
        (lambda graph: graph.output[0].type.tensor_type.shape.dim.add(dim_value=2), "gives [('reconstruction_error'"),
        (lambda graph: graph.initializer[0].dims.append(2), "is not as long as its shape"),
        (lambda graph: graph.input.append(graph.output[0]), "takes [('photos'"),
    ],
    ids=["loop", "domain", "Tile", "file", "large", "constant", "output", "shape", "input"],
)
def test_only_graphs_as_training_exports_them_are_loaded(
    tiny_model: Tiny, change: Callable[[onnx.GraphProto], object], words: str
) -> None:
    model = onnx.load(tiny_model.model / "network.onnx")
    assert check(model.SerializeToString(), "network") == 96
    change(model.graph)
    with pytest.raises(ModelError, match=r"^network: not a network of Platewatch") as caught:
        check(model.SerializeToString(), "network")
    assert words in str(caught.value)


def test_what_judges_are_the_bytes_whose_hash_was_compared(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = model_folder.read_file

    def read_once(where: Path, name: str, *rest: Any) -> bytes:
        data = read(where, name, *rest)
        if name != "manifest.json":
            (where / name).unlink()
        return data

    rewritten(folder)
    monkeypatch.setattr(model_folder, "read_file", read_once)
    assert Inspector(folder, threads=1).manifest.model_id


def faults(folder: Path) -> str:
    found = verification.verify(folder, threads=1)
    assert found.passed is not bool(found.faults)
    return "; ".join(found.faults)


def test_a_network_that_always_answers_zero_does_not_pass(folder: Path) -> None:
    """Its hashes fit, and the numbers stored with it are those that it gives."""
    mutated_models.silence(folder / "network.onnx", network_file.OUTPUTS[:3])

    def with_its_numbers(values: dict[str, Any]) -> None:
        values["decision"]["weight"] = 0.0
        for plate in values["replay"]:
            plate.update(reconstruction_error=0.0, latent_error=0.0)

    rewritten(folder, with_its_numbers)
    found = faults(folder)
    assert "reconstruction error is the same on different plates" in found
    assert "the score is the same on different plates" in found
    assert "8 of 8 plates PASS with a large mark painted on them" in found
    result = CliRunner().invoke(cli.main, ["verify", str(folder)])
    assert (result.exit_code, "NO MODEL: onnxruntime: the score" in result.stdout) == (1, True)


def test_a_model_that_lets_everything_pass_does_not_pass(folder: Path) -> None:
    rewritten(folder, lambda values: values["decision"].update(review=1e6, threshold=1e6))
    assert faults(folder) == "onnxruntime: 8 of 8 plates PASS with a large mark painted on them"


def test_a_model_that_lets_empty_photographs_pass_does_not_pass(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one without any check of photographs would."""
    rewritten(folder)
    monkeypatch.setattr(Inspector, "inspect", lambda *_: SimpleNamespace(verdict=Verdict.PASS))
    assert faults(folder) == "onnxruntime: a black photograph is PASS; onnxruntime: a white photograph is PASS"


def test_a_model_without_plates_to_verify_it_by_does_not_pass(folder: Path) -> None:
    rewritten(folder, lambda values: values.update(replay=[]))
    assert "0 different stored plates" in faults(folder)


def test_numbers_that_are_none_are_not_equal(inspector: Inspector) -> None:
    plate = inspector.manifest.replay[0]
    raw = inspector.replay(plate)
    assert raw.second is not None
    again = replace(raw, second=replace(raw.second, latent_error=float("nan")))
    found = verification._replay(inspector, plate, again, "onnxruntime")
    assert not found.equal
    assert np.isnan(found.difference)


def test_a_stored_plate_that_is_none_is_a_model_error(folder: Path) -> None:
    name = model_folder.load_manifest(folder).replay[0].file
    reading.write_png(folder / name, np.zeros((48, 96, 3), np.uint8))
    rewritten(folder)
    with pytest.raises(ModelError, match=r"has the shape \(48, 96, 3\), expected \(96, 96, 3\)"):
        verification.verify(folder, threads=1)
    (folder / name).write_bytes(b"no picture")
    rewritten(folder)
    with pytest.raises(ModelError, match=name):
        verification.verify(folder, threads=1)
