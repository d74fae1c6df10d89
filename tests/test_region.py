"""A region: nothing outside it changes a score, files that are none are refused, the model folder keeps it."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import drawn_parts
import tiny
from conftest import Tiny
from platewatch.arrays import Array
from platewatch.errors import InputError, ModelError
from platewatch.evaluation import evaluator
from platewatch.inspection import Verdict
from platewatch.learning import fitting, preflight, regions
from platewatch.learning.regions import Kept
from platewatch.model import model_folder, region_file, scoring, verification
from platewatch.model.inspector import Inspector
from platewatch.model.region_file import RegionSettings
from platewatch.photographs import data_sets, part_shape, pose, preparation, reading, region, shape_limits
from platewatch.photographs.region import Drawn, Region
from platewatch.progress import silent

SQUARE = [[20, 20], [100, 20], [100, 100], [20, 100]]
SIZE = 96


def written(folder: Path, values: Any) -> Path:
    path = folder / "regions.json"
    path.write_text(values if isinstance(values, str) else json.dumps(values), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ("no json", "is no JSON"),
        ([], "has other keys"),
        ({"inspect": [], "other": 1}, "has other keys"),
        ({"photograph": "a.png"}, "has other keys"),
        ({"inspect": [SQUARE[:2]]}, "inspect is no list of polygons"),
        ({"ignore": [[[0, 0], [1, 1], [1, "a"]]]}, "ignore is no list of polygons"),
        ({"inspect": [SQUARE], "photograph": 3}, "photograph is no name"),
    ],
)
def test_a_file_that_is_no_region_is_one_line(tmp_path: Path, values: Any, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        region.read_polygons(written(tmp_path, values))
    assert "\n" not in str(caught.value)


def test_regions_that_do_not_fit_the_photographs_are_one_line() -> None:
    outside = Drawn("r.json", inspect=(((0, 0), (130, 0), (0, 50)),))
    with pytest.raises(InputError, match="polygon 1 reaches out of the picture of 128×128 px"):
        outside.on_picture((128, 128))
    with pytest.raises(InputError, match=r"64×64 px, expected the photographs' 128×128 px"):
        Drawn("m.png", mask=np.ones((64, 64), bool)).on_picture((128, 128))
    for empty in (
        Drawn("m.png", mask=np.zeros((9, 9), bool)),
        Drawn("r.json", ignore=(((0, 0), (9, 0), (9, 9), (0, 9)),)),
    ):
        with pytest.raises(InputError, match=r"of the picture, expected at least 0\.2%"):
            empty.on_picture((9, 9))


def test_polygons_to_ignore_are_taken_out_of_those_to_inspect() -> None:
    inner = tuple((20 + x / 2, 20 + y / 2) for x, y in SQUARE)
    outer = tuple((float(x), float(y)) for x, y in SQUARE)
    found = Drawn("r", inspect=(outer,), ignore=(inner,)).on_picture((128, 128))
    assert found[25, 25]
    assert not found[50, 50]
    assert not found[10, 10]


@pytest.fixture(scope="module")
def trained(tiny_model: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of phase one that inspects the left half of the picture."""
    out = tmp_path_factory.mktemp("region") / "model"
    mask = np.zeros((128, 128), bool)
    mask[:, :64] = True
    few = {"widths": (8.0,), "diameters": (24.0,), "contrasts": (0.6,), "plates": 1, "brightnesses": (0.8,)}
    few |= {"structural_diameters": (12.0,), "strengths": (1.0,), "structural_plates": 1}
    config = tiny.settings(preset="surface", sensitivity=few)
    found = preflight.look(preflight.read(data_sets.training(tiny_model.data), config, silent), config)
    fitting.fit(found, config, out, wanted=Drawn("half.png", mask=mask), progress=silent)
    return out


def test_nothing_outside_the_region_changes_a_score_or_is_shown(trained: Path, tiny_model: Tiny) -> None:
    inspector = Inspector(trained)
    photo = reading.read(next((tiny_model.data / "test" / "total_rust").iterdir()))
    seen = inspector.examine(photo)
    assert seen.inspection.region == inspector.manifest.files[model_folder.REGION]
    assert seen.inspection.verdict is Verdict.REJECT
    assert all(defect.box[0] + defect.box[2] <= 66 for defect in seen.inspection.defects)
    assert not seen.anomaly_map[:, 48:].any()
    other, before = seen.prepared.copy(), inspector.measure(seen.prepared, seen.frame)
    frame = preparation.frame(128, 128, SIZE)
    other[:, 48:] = np.random.default_rng(0).integers(0, 255, other[:, 48:].shape)
    changed, same = inspector.measure(other, frame), inspector.measure(seen.prepared, frame)
    assert changed.numbers == same.numbers == before.numbers
    assert changed.first is not None
    assert same.first is not None
    np.testing.assert_array_equal(changed.first.anomaly_map, same.first.anomaly_map)


def test_the_folder_states_the_region_and_verifies(trained: Path) -> None:
    manifest = model_folder.load_manifest(trained)
    assert manifest.region is not None
    assert (manifest.region.in_part, manifest.region.source) == (False, "half.png")
    assert manifest.region.fraction == pytest.approx(0.5, abs=0.01)
    assert verification.verify(trained, threads=1).equal
    assert "50 % of the picture is inspected, from `half.png`" in (trained / "model-card.md").read_text()


def test_no_artificial_defect_is_painted_outside_the_region(tiny_model: Tiny) -> None:
    config = tiny.settings(preset="surface")
    plates = preflight.read(data_sets.training(tiny_model.data), config, silent)
    mask = np.zeros((128, 128), bool)
    mask[:, :64] = True
    seen = regions.within(plates, Drawn("half.png", mask=mask), None).plates
    assert not seen.parts[:, :, 48:].any()
    assert not seen.insides()[:, :, 48:].any()
    assert seen.parts[:, :, :48].any()
    assert plates.insides().all()


def test_a_region_needs_phase_one_alone(tiny_model: Tiny) -> None:
    with pytest.raises(InputError, match="phase two takes whole photographs; train with --preset surface"):
        fitting.check_region(Drawn("m.png", mask=np.ones((2, 2), bool)), tiny.settings())


PHOTOS = np.stack([preparation.prepare(drawn_parts.photo(seed), SIZE) for seed in range(24)])


def hole(photo: Array) -> Array:
    """Middle x, y of the hole of a drawn part, px: background inside the part's outline."""
    found = pose.find(photo)
    assert found is not None
    inner = cv2.fillPoly(np.zeros((SIZE, SIZE), np.uint8), [found.polygon.astype(np.int32)], 1)
    inner = cv2.erode(inner, np.ones((15, 15), np.uint8))
    return np.asarray(np.argwhere((inner > 0) & (found.presence < 60))[:, ::-1].mean(axis=0))


def plates_of_parts(tiny_plates: preflight.GoodPlates) -> preflight.GoodPlates:
    count = len(PHOTOS)
    paths = tuple(Path(f"{number}.png") for number in range(count))
    frames = (preparation.frame(160, 160, SIZE),) * count
    return replace(tiny_plates, paths=paths, photos=PHOTOS, frames=frames, sizes=((160, 160),) * count)


def test_a_region_drawn_on_a_photograph_moves_with_the_part(tiny_model: Tiny) -> None:
    """A square around the hole of one plate is around the hole of every plate, wherever it is turned."""
    config = tiny.settings(preset="surface")
    plates = plates_of_parts(preflight.read(data_sets.training(tiny_model.data), config, silent))
    shape = shape_limits.learn(list(PHOTOS), range(24))
    assert shape is not None
    x, y = hole(PHOTOS[3]) * 160 / SIZE
    square = ((x - 20, y - 20), (x + 20, y - 20), (x + 20, y + 20), (x - 20, y + 20))
    drawn = Drawn("r.json", inspect=(square,), photograph="3.png")
    seen, found = regions.within(plates, drawn, shape)
    assert found is not None
    assert found.in_part
    for photo, inside in zip(PHOTOS, seen.insides(), strict=True):
        place = np.argwhere(inside)[:, ::-1].mean(axis=0)
        assert np.hypot(*(place - hole(photo))) < 4
    without_pose = regions.within(plates, drawn, None).region
    assert without_pose is not None
    assert not without_pose.in_part
    with pytest.raises(InputError, match=r"photograph 'x\.png' is none of the good ones"):
        regions.within(plates, replace(drawn, photograph="x.png"), shape)
    kept = regions.within(plates, Kept(found, "r.json", shape), shape).region
    assert kept is found
    with pytest.raises(InputError, match="no common pose any more"):
        regions.within(plates, Kept(found, "r.json", shape), None)


def test_without_a_sure_pose_nothing_is_judged(tiny_model: Tiny) -> None:
    shape = shape_limits.learn(list(PHOTOS), range(24))
    assert shape is not None
    whole = Region(np.ones_like(shape.good.open), in_part=True, fill=(0, 0, 0))
    wall = np.full((SIZE, SIZE, 3), 170, np.uint8)
    frame = preparation.frame(SIZE, SIZE, SIZE)
    assert scoring.inspected(wall, frame, whole, part_shape.examine(wall, shape)) is None
    assert scoring.inspected(PHOTOS[0], frame, whole, part_shape.examine(PHOTOS[0], shape)) is not None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda folder: np.savez(folder / "region.npz", mask=np.ones((4, 4))), "mask is no plain array of uint8"),
        (lambda folder: np.savez(folder / "region.npz", mask=np.zeros((4, 4), np.uint8)), "mask is empty"),
        (lambda folder: (folder / "region.npz").write_bytes(b"no archive"), "cannot be read"),
    ],
)
def test_a_region_file_of_another_kind_is_refused(
    trained: Path, tmp_path: Path, change: Callable[[Path], object], words: str
) -> None:
    folder = shutil.copytree(trained, tmp_path / "model")
    change(folder)
    manifest = model_folder.load_manifest(folder)
    model_folder.write_manifest(folder, replace(manifest, files=model_folder.files(folder)))
    with pytest.raises(ModelError, match=r"region\.npz: cannot be read") as caught:
        model_folder.load(folder)
    assert words in str(caught.value)


def test_a_region_that_moves_with_the_part_needs_a_shape_check(trained: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(trained, tmp_path / "model")
    with pytest.raises(ValueError, match="expected a shape check"):
        replace(
            model_folder.load_manifest(folder),
            region=RegionSettings(in_part=True, fraction=0.5, fill=(0, 0, 0), source="r.json"),
        )
    assert region_file.digest((folder / "region.npz").read_bytes()) == Inspector(folder).manifest.region_sha256


def test_the_single_file_is_refused(trained: Path, tmp_path: Path) -> None:
    export = pytest.importorskip("platewatch.model.inspector_graph.export")
    with pytest.raises(ModelError, match="inspects a region alone"):
        export.export(trained, tmp_path / "inspector.onnx")
    assert not (tmp_path / "inspector.onnx").exists()


def test_a_defect_outside_the_region_is_not_counted_as_missed(trained: Path, tiny_model: Tiny, tmp_path: Path) -> None:
    """Masks are compared within the region; a photograph whose defect lies outside has none."""
    kind = tmp_path / "test" / "rust"
    truth = tmp_path / "ground_truth" / "rust"
    for folder in (kind, truth):
        folder.mkdir(parents=True)
    good = next((tiny_model.data / "test" / "good").iterdir())
    (tmp_path / "test" / "good").mkdir()
    shutil.copyfile(good, tmp_path / "test" / "good" / "0.png")
    for name, columns in (("left", slice(44, 58)), ("right", slice(70, 84))):
        photo = reading.read(good).copy()
        photo[52:72, columns] = (150, 70, 20)
        reading.write_png(kind / f"{name}.png", photo)
        mask = np.zeros_like(photo)
        mask[52:72, columns] = 255
        reading.write_png(truth / f"{name}_mask.png", mask)
    found = evaluator.evaluate(Inspector(trained), tmp_path)
    assert found.mask_failures == ()
    assert found.pixel is not None
    assert (found.pixel.images, found.pixel.without_mask) == (2, 1)
    scores = {Path(each.path).stem: each.score for each in found.scores}
    assert scores["right"] == scores["0"] != scores["left"]
