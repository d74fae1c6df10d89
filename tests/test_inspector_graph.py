"""One file for other runtimes: it judges as the product does, or it is not written."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
from click.testing import CliRunner

import tiled
from conftest import Tiny
from platewatch import cli
from platewatch.arrays import Photo
from platewatch.decision.verdict import Decision
from platewatch.errors import ModelError
from platewatch.inspection import Verdict
from platewatch.model import model_folder
from platewatch.model.inspector import Inspector
from platewatch.model.inspector_graph import export, geometry, judgement, search
from platewatch.model.inspector_graph.graph import Graph
from platewatch.model.inspector_graph.levelling import levelled
from platewatch.model.runtime import InspectorFile
from platewatch.photographs import illumination, preparation, reading

Judge = Callable[[Photo], tuple[float, float, int, Photo]]


def plain(path: Path) -> Judge:
    """The file in ONNX Runtime alone."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    def judge(picture: Photo) -> tuple[float, float, int, Photo]:
        score, p, verdict, anomaly_map = session.run(None, {session.get_inputs()[0].name: picture})
        return float(score[0]), float(p[0]), int(verdict[0]), anomaly_map

    return judge


def openvino(path: Path) -> Judge:
    """The file in OpenVINO."""
    own = InspectorFile(path.read_bytes(), export.OUTPUTS, runtime="openvino", name=path.name)

    def judge(picture: Photo) -> tuple[float, float, int, Photo]:
        score, p, verdict, anomaly_map = own.run(picture)
        return float(score[0]), float(p[0]), int(verdict[0]), anomaly_map

    return judge


def check(inspector: Inspector, judge: Judge, photos: list[Photo]) -> list[Verdict]:
    """The verdicts on photographs, after a comparison of all outputs with the product's."""
    verdicts = list[Verdict]()
    for photo in photos:
        seen = inspector.examine(photo)
        score, p, verdict, anomaly_map = judge(seen.prepared)
        inspection = seen.inspection
        assert inspection.score is not None, inspection.reason
        assert export.VERDICTS[verdict] is inspection.verdict
        assert p == pytest.approx(inspection.p_value, abs=1e-6)
        assert score == pytest.approx(inspection.score, rel=1e-3, abs=1e-3)
        assert np.abs(anomaly_map - seen.anomaly_map).mean() < 1e-3 * max(1.0, float(seen.anomaly_map.max()))
        assert not anomaly_map[~seen.frame.inside(len(seen.prepared))].any()
        verdicts.append(export.VERDICTS[verdict])
    return verdicts


def spotted(photo: Photo) -> Photo:
    marked = photo.copy()
    cv2.circle(marked, (170, 110), 12, (200, 90, 40), -1, cv2.LINE_AA)
    return marked


@pytest.fixture(scope="module")
def tiled_file(tiled_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("file") / "inspector.onnx"
    export.export(tiled_model, path)
    return path


@pytest.mark.parametrize("runtime", [plain, openvino])
def test_photographs_with_padding_in_tiles_are_judged_as_by_the_product(
    tiled_model: Path, tiled_file: Path, runtime: Callable[[Path], Judge]
) -> None:
    inspector = Inspector(tiled_model, threads=1)
    good = [tiled.plate(seed) for seed in (1, 101)]
    photos = [*good, good[0][2:], good[1][:, 2:], spotted(good[0])]
    verdicts = check(inspector, runtime(tiled_file), photos)
    assert {verdicts[0], verdicts[-1]} == {"PASS", "REJECT"}


def weighted(model: Path, out: Path, weight: float) -> Path:
    """A copy of a model folder with this weight of phase one, and limits between the stored plates' scores."""
    shutil.copytree(model, out)
    manifest = model_folder.load_manifest(out)
    model_folder.write_manifest(out, replace(manifest, decision=replace(manifest.decision, weight=weight)))
    return out


@pytest.mark.parametrize("weight", [0.0, 0.4])
def test_phase_two_is_in_the_file_where_it_has_weight(tiny_model: Tiny, tmp_path: Path, weight: float) -> None:
    model, path = weighted(tiny_model.model, tmp_path / "model", weight), tmp_path / "inspector.onnx"
    found = export.export(model, path)
    assert found.phases == (("surface", "skipganomaly") if weight else ("skipganomaly",))
    photos = [reading.read(each) for each in sorted((tiny_model.data / "test").glob("*/*.png"))]
    assert len(check(Inspector(model, threads=1), plain(path), photos)) == len(photos)


def test_detectors_without_weight_are_left_out(tiny_model: Tiny, tiled_file: Path, tmp_path: Path) -> None:
    def prefixes(data: bytes) -> set[str]:
        nodes = onnx.load_from_string(data).graph.node
        return {output.partition("/")[0] for node in nodes for output in node.output if "/" in output}

    model = weighted(tiny_model.model, tmp_path / "model", 1.0)
    assert prefixes(export.build(model)) == set()
    assert prefixes(tiled_file.read_bytes()) == {"texture"}
    only_network = export.build(weighted(tiny_model.model, tmp_path / "other", 0.0))
    assert prefixes(only_network) == {"network"}
    assert len(only_network) < (model / "network.onnx").stat().st_size + 100_000, "no memory bank is in it"


def test_the_file_has_standard_operators_and_the_names_that_the_page_says(tiled_file: Path) -> None:
    model = onnx.load(tiled_file)
    assert [each.domain for each in model.opset_import] == [""]
    assert {node.domain for node in model.graph.node} == {""}
    assert [each.name for each in model.graph.input] == ["picture"]
    assert [each.name for each in model.graph.output] == ["score", "p_value", "verdict", "anomaly_map"]
    session = onnxruntime.InferenceSession(tiled_file, providers=["CPUExecutionProvider"])
    shapes = [(each.type, each.shape) for each in (*session.get_inputs(), *session.get_outputs())]
    side = tiled.SIDE
    numbers = [("tensor(float)", [1]), ("tensor(float)", [1]), ("tensor(int64)", [1])]
    assert shapes == [("tensor(uint8)", [side, side, 3]), *numbers, ("tensor(float)", [side, side])]


def test_every_frame_that_the_completeness_check_allows_is_found_from_the_picture(tiled_model: Path) -> None:
    manifest = model_folder.load_manifest(tiled_model)
    assert manifest.completeness is not None
    low, high = manifest.completeness.ranges["aspect"]
    possible, size = geometry.frames(manifest), manifest.config.image_size
    graph = Graph()
    places = geometry.Geometry(graph, graph.takes("picture", np.uint8, (size, size, 3)), possible, size)
    each = [np.array([one.left, one.top, one.width, one.height], np.int64) for one in possible]
    graph.gives("found", places.choose(each), np.int64, (4,))
    session = onnxruntime.InferenceSession(graph.model("frames", {}), providers=["CPUExecutionProvider"])
    rng, seen = np.random.default_rng(0), set()
    for width in range(390, 411):
        photo = rng.integers(0, 256, (300, width, 3), dtype=np.uint8)
        frame = preparation.frame(width, 300, size)
        if low <= np.log(width / 300) <= high:
            (found,) = session.run(None, {"picture": preparation.prepare(photo, size)})
            assert tuple(found) == (frame.left, frame.top, frame.width, frame.height)
            seen.add(frame.height)
    assert seen == {each.height for each in possible}
    assert len(seen) > 1


@pytest.mark.parametrize("brightness", [0.5, 0.8, 1.0, 1.3])
def test_a_graph_levels_the_brightness_as_the_product_does(brightness: float) -> None:
    graph, size = Graph(), 96
    frame = preparation.frame(400, 300, size)
    places = geometry.Geometry(graph, graph.takes("picture", np.uint8, (size, size, 3)), (frame,), size)
    graph.gives("found", levelled(graph, places, "picture", 100.0, 1.4), np.float32, (size, size, 3))
    session = onnxruntime.InferenceSession(graph.model("levelling", {}), providers=["CPUExecutionProvider"])
    photo = np.random.default_rng(0).integers(0, 200, (300, 400, 3), dtype=np.uint8)
    prepared = preparation.prepare((photo * brightness).astype(np.uint8), size)
    (found,) = session.run(None, {"picture": prepared})
    expected = illumination.level(prepared, frame.inside(size), 100.0, 1.4)
    apart = np.abs(found - expected)
    assert apart.max() <= 1
    assert (apart > 0).mean() < 0.001  # halves that are rounded otherwise


def test_a_graph_that_judges_otherwise_is_not_written(
    tiled_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, limits = tmp_path / "inspector.onnx", judgement.verdict
    with monkeypatch.context() as patch:
        patch.setattr(search, "PROBE_RATIO", 1.0)
        with pytest.raises(ModelError, match="the scores differ by"):
            export.export(tiled_model, path)

    def strict(graph: Graph, score: str, how: Decision) -> str:
        return limits(graph, score, replace(how, review=1e-9, threshold=1e-9))

    monkeypatch.setattr(judgement, "verdict", strict)
    with pytest.raises(ModelError, match="the graph says REJECT"):
        export.export(tiled_model, path)
    assert not path.exists()


def test_the_command_writes_the_file_and_says_how_far_it_differs(tiled_model: Path, tmp_path: Path) -> None:
    photos, path = tmp_path / "photos", tmp_path / "inspector.onnx"
    photos.mkdir()
    reading.write_png(photos / "1.png", tiled.plate(7))
    arguments = ["onnx", str(tiled_model), str(path), "--photos", str(photos)]
    result = CliRunner().invoke(cli.main, [*arguments, "--json"])
    assert result.exit_code == 0, result.stderr
    found, manifest = json.loads(result.stdout), model_folder.load_manifest(tiled_model)
    assert found["model_id"] == manifest.model_id
    assert found["bytes"] == path.stat().st_size
    assert found["compared"] == 2 * len(manifest.replay) + 1
    assert found["score_difference"] <= 1e-3
    assert "judges" in CliRunner().invoke(cli.main, arguments).stdout
