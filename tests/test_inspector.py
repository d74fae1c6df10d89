"""One Inspection for every plate handed in, the same one wherever the model folder lies."""

import io
import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import tiny
from conftest import Tiny
from platewatch.arrays import Array
from platewatch.errors import InputError, ModelError
from platewatch.inspection import Inspection, Verdict
from platewatch.model import model_folder, scoring
from platewatch.model.inspector import Inspector
from platewatch.model.runtime import Network, NetworkResult
from platewatch.photographs import colour, preparation, reading
from platewatch.photographs.raster import Raster
from platewatch.synthetic import rendered_plates

UNLIKE = ("time", "duration_ms", "image")


def numbers(found: Inspection) -> dict[str, Any]:
    """All of an Inspection that has to be the same twice."""
    return {name: value for name, value in found.as_dict().items() if name not in UNLIKE}


@pytest.fixture(scope="module")
def photos(tiny_model: Tiny) -> list[Path]:
    return sorted((tiny_model.data / "test").rglob("*.png"))


def test_a_good_plate_passes_and_a_rusty_one_does_not(inspector: Inspector, tiny_model: Tiny) -> None:
    good = [inspector.inspect(path) for path in sorted((tiny_model.data / "test" / "good").iterdir())]
    rusty = inspector.inspect(tiny_model.data / "test" / "total_rust" / "000.png")
    learnt = inspector.inspect(tiny_model.data / "train" / "good" / "000.png")  # ten plates let hardly any other pass
    assert learnt.verdict is Verdict.PASS
    assert rusty.verdict is Verdict.REJECT
    assert rusty.defects
    assert rusty.score is not None
    assert rusty.score > max(found.score or 0 for found in good)
    assert rusty.score > inspector.manifest.threshold == rusty.threshold
    assert rusty.p_value == 1 / (tiny.GOOD + 1)
    assert "worse than all 10 good plates" in rusty.reason


def test_a_good_plate_that_was_not_learnt_passes(surface_model: Path, tiny_model: Tiny) -> None:
    judge = Inspector(surface_model, threads=1)
    good = [judge.inspect(path) for path in sorted((tiny_model.data / "test" / "good").iterdir())]
    assert Verdict.PASS in {found.verdict for found in good}  # ten plates are not enough for more


def test_a_path_its_bytes_and_its_array_get_the_same_verdict(inspector: Inspector, photos: list[Path]) -> None:
    path = photos[-1]
    by_path, by_text, by_bytes = (inspector.inspect(each) for each in (path, str(path), path.read_bytes()))
    by_array = inspector.inspect(reading.read(path))
    assert numbers(by_path) == numbers(by_text) == numbers(by_bytes)
    assert by_array.image_sha256 == reading.sha256(reading.read(path))
    assert numbers(replace(by_array, image_sha256=by_path.image_sha256)) == numbers(by_path)
    assert (by_path.image, by_bytes.image, by_array.image) == (str(path), None, None)
    assert inspector.inspect(path.read_bytes(), name="camera 3").image == "camera 3"


def test_an_inspection_is_complete(inspector: Inspector, photos: list[Path]) -> None:
    found = inspector.inspect(photos[-1])
    assert found.image_sha256 == reading.sha256(photos[-1].read_bytes())
    assert found.model_id == inspector.manifest.model_id
    assert found.time.utcoffset() is not None
    assert found.duration_ms > 0
    assert found.surface is not None
    assert found.reconstruction_error is not None
    assert found.latent_error is not None
    decision = inspector.manifest.decision
    assert found.score == decision.score(found.surface, found.reconstruction_error, found.latent_error)
    assert found.verdict is decision.verdict(found.score)
    for defect in found.defects:
        x, y, width, height = defect.box
        assert 0 <= x < x + width <= 128
        assert 0 <= y < y + height <= 128


def test_every_plate_gives_exactly_one_inspection_in_order(
    inspector: Inspector, photos: list[Path], tmp_path: Path
) -> None:
    """Invariant 8: judged + failed = received, whatever was handed in."""
    (tmp_path / "text.png").write_text("no photograph")
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "half.png").write_bytes(photos[0].read_bytes()[:999])
    (tmp_path / "folder.png").mkdir()
    reading.write_png(tmp_path / "dot.png", np.zeros((1, 1), np.uint8))
    reading.write_png(tmp_path / "black.png", np.zeros((64, 64), np.uint8))
    bad = sorted(tmp_path.glob("[!b]*"))
    outliers = [
        tmp_path / "missing.png",
        Path("nul\0.png"),
        Path(os.fsdecode(b"\xff\xfe.png")),
        tmp_path / ("long" * 99),
    ]
    received = [photos[0], *bad, tmp_path / "black.png", *outliers, photos[1]]
    found = [inspector.inspect(path) for path in received]
    assert len(found) == len(received)
    assert [each.image for each in found if each.error is None] == [
        str(photos[0]),
        str(tmp_path / "black.png"),
        str(photos[1]),
    ]
    failed = [each for each in found if each.error is not None]
    assert len(failed) == len(bad) + len(outliers) == 9
    for each in failed:
        assert (each.verdict, each.score, each.p_value, each.defects) == (None, None, None, ())
        assert each.reason == "the photograph is not readable"
        assert "\n" not in str(each.error)
    hashes = {Path(str(each.image)).name: each.image_sha256 for each in failed}
    assert hashes["half.png"] == reading.sha256((tmp_path / "half.png").read_bytes())
    assert hashes["missing.png"] is None
    assert all(json.loads(each.as_json())["model_id"] == inspector.manifest.model_id for each in found)


@pytest.mark.parametrize("image", [None, 7, [1], bytearray(9), np.zeros((9, 9, 3)), np.zeros((50, 50), np.uint8), b""])
def test_anything_that_is_not_a_photograph_gives_an_inspection(inspector: Inspector, image: Any) -> None:
    found = inspector.inspect(image)
    assert found.verdict is None
    assert found.error is not None
    with pytest.raises(InputError):
        inspector.examine(image)


def test_a_name_that_is_no_utf8_is_inspected_and_written_as_json(
    inspector: Inspector, photos: list[Path], tmp_path: Path
) -> None:
    path = tmp_path / os.fsdecode(b"plate \xff.png")
    shutil.copy(photos[0], path)
    found = inspector.inspect(path)
    assert found.error is None
    assert "plate �.png" in json.loads(found.as_json())["image"]


@pytest.mark.parametrize(("level", "reason"), [(0, "too dark to judge"), (255, "clipped ("), (128, "no plate in view")])
def test_photographs_refused_by_the_quality_check_are_review(inspector: Inspector, level: int, reason: str) -> None:
    seen = inspector.examine(np.full((100, 80, 3), level, np.uint8))
    assert seen.inspection.verdict is Verdict.REVIEW
    assert seen.inspection.reason.startswith(reason)
    assert (seen.inspection.score, seen.inspection.p_value, seen.inspection.error) == (None, None, None)
    assert not seen.anomaly_map.any()


def test_every_photograph_goes_through_prepare(
    inspector: Inspector, photos: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Invariant 1: the detectors see what `prepare` gives, and nothing else."""
    other = reading.read(photos[-1])
    monkeypatch.setattr(preparation, "prepare", lambda _photo, size: images_prepare(other, size))
    swapped = inspector.examine(photos[0])
    monkeypatch.undo()
    straight = inspector.examine(photos[-1])
    assert swapped.inspection.score == straight.inspection.score
    assert np.array_equal(swapped.anomaly_map, straight.anomaly_map)


images_prepare = preparation.prepare


def test_maps_cover_the_photograph_and_leave_out_the_padding(inspector: Inspector) -> None:
    photo = rendered_plates.render("total_rust", 5, 128)[0][20:100]
    seen = inspector.examine(photo)
    inside = seen.frame.inside(96)
    assert np.array_equal(seen.prepared, preparation.prepare(photo, 96))
    for picture in (seen.anomaly_map, seen.surface_map, seen.network_map):
        assert picture is not None
        assert picture.shape == (96, 96)
        assert picture.dtype == np.float32
        assert not picture[~inside].any()
    fused = inspector.manifest.decision.fuse_maps(seen.surface_map, seen.network_map)
    assert np.array_equal(seen.anomaly_map, fused)
    reconstruction = inspector.reconstruct(seen.prepared)
    assert reconstruction is not None
    assert reconstruction.shape == (32, 32, 3)


def test_scores_do_not_depend_on_the_order_of_plates_or_on_threads(inspector: Inspector, photos: list[Path]) -> None:
    """Invariant 4 from outside; test_runtime.py holds it for batches."""
    alone = {path: numbers(inspector.inspect(path)) for path in photos}
    assert {path: numbers(inspector.inspect(path)) for path in reversed(photos)} == alone
    with ThreadPoolExecutor(3) as pool:
        assert dict(zip(photos, map(numbers, pool.map(inspector.inspect, photos)), strict=True)) == alone


@pytest.mark.parametrize("size", [(32, 32), (33, 700), (700, 33), (400, 300)])
def test_any_size_is_judged(inspector: Inspector, size: tuple[int, int]) -> None:
    photo = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    found = inspector.inspect(photo)
    assert found.verdict in {Verdict.REJECT, Verdict.REVIEW}
    assert found.error is None


def test_a_plate_rejected_by_its_latent_error_alone_has_no_place(
    inspector: Inspector, photos: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large latent error gives no map: the verdict is the same, and its reason names the error."""
    run = Network.run

    def other_features(self: Network, photos: Array) -> NetworkResult:
        result = run(self, photos)
        blank = np.zeros_like(result.anomaly_map)
        return replace(result, latent_error=result.latent_error + 1e6, anomaly_map=blank)

    monkeypatch.setattr(Network, "run", other_features)
    monkeypatch.setattr("platewatch.decision.verdict._SMALLEST", 96 * 96)
    found = inspector.inspect(photos[0])
    assert (found.verdict, found.defects) == (Verdict.REJECT, ())
    assert "as a whole, in no single place" in found.reason


def test_replay_gives_the_stored_numbers(inspector: Inspector) -> None:
    for plate in inspector.manifest.replay:
        again = inspector.replay(plate)
        stored = plate.surface, plate.reconstruction_error, plate.latent_error
        assert (again.surface, again.reconstruction_error, again.latent_error) == pytest.approx(stored, rel=1e-6)


def test_the_model_folder_alone_gives_the_verdict_elsewhere(
    tiny_model: Tiny, inspector: Inspector, photos: list[Path], tmp_path: Path
) -> None:
    """Invariants 7 and 10: copied away, in a new process without torch, run from another folder."""
    shutil.copytree(tiny_model.model, tmp_path / "Kopie des Modells")
    for number, path in enumerate(photos):
        shutil.copy(path, tmp_path / f"{number}.png")
    code = (
        "import sys, pathlib, platewatch\n"
        "model = platewatch.load('Kopie des Modells', threads=1)\n"
        "for path in sorted(pathlib.Path().glob('*.png')):\n    print(model.inspect(path).as_json())\n"
        "heavy = ('torch', 'sklearn', 'scipy', 'matplotlib', 'jinja2', 'onnx', 'safetensors', 'rich', 'click')\n"
        "sys.exit(','.join(name for name in heavy if name in sys.modules) or 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, cwd=tmp_path, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    elsewhere = [json.loads(line) for line in done.stdout.splitlines()]
    here = [inspector.inspect(path).as_dict() for path in photos]
    assert len(here) == len(elsewhere)
    for one, other in zip(here, elsewhere, strict=True):
        assert {name: one[name] for name in one if name not in UNLIKE} == {
            name: other[name] for name in other if name not in UNLIKE
        }


def test_a_damaged_model_is_refused_before_the_first_plate(tiny_model: Tiny, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_model.model, tmp_path / "model")
    (folder / "network.onnx").write_bytes(b"other")
    with pytest.raises(ModelError, match=r"network\.onnx: altered"):
        Inspector(folder)


class Unasked:
    """A detector that must not be run."""


@pytest.mark.parametrize("weight", [0.0, 0.3, 0.9, 1.0])
def test_a_score_runs_only_detectors_with_weight(tiny_model: Tiny, photos: list[Path], weight: float) -> None:
    manifest, surface, *_ = model_folder.load(tiny_model.model)
    network = Network(tiny_model.model / model_folder.NETWORK)
    decision, size = replace(manifest.decision, weight=weight), manifest.config.image_size
    first: Any = surface if weight > 0 else Unasked()
    second: Any = network if weight < 1 else Unasked()
    for path in photos[:3]:
        photo = reading.read(path)
        prepared, frame = preparation.prepare(photo, size), preparation.frame(photo.shape[1], photo.shape[0], size)
        raw = scoring.measure(surface, network, prepared, frame)
        found = scoring.measure(first, second, prepared, frame, scoring.weighted(decision))
        assert decision.score(*found.numbers) == decision.score(*raw.numbers)


def test_a_damaged_file_is_for_a_person_whatever_is_left_of_it(inspector: Inspector, photos: list[Path]) -> None:
    whole = io.BytesIO()
    Image.fromarray(reading.read(photos[0])).save(whole, "BMP")
    data = whole.getvalue()
    assert inspector.inspect(data).score is not None
    seen = inspector.examine(data[: len(data) // 3] + bytes(len(data) - len(data) // 3))
    found = seen.inspection
    assert (found.verdict, found.score, found.p_value, found.defects) == (Verdict.REVIEW, None, None, ())
    assert found.reason.startswith("the file is damaged (")
    assert seen.photo.shape == reading.read(photos[0]).shape, "people see what is left"
    assert not seen.anomaly_map.any()


def test_several_pictures_in_one_file_are_no_plate(inspector: Inspector, photos: list[Path]) -> None:
    both = [Image.fromarray(reading.read(path)) for path in photos[:2]]
    file = io.BytesIO()
    both[0].save(file, "TIFF", save_all=True, append_images=both[1:])
    found = inspector.inspect(file.getvalue(), name="two.tif")
    assert found.verdict is None
    assert found.error == "two.tif: 2 pictures in one file, expected one; save one picture a file"


def test_what_decoders_say_stands_in_the_inspection(
    inspector: Inspector, photos: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    said, photo = ("libtiff: unknown tag",), reading.read(photos[0])
    monkeypatch.setattr(reading, "_raster", lambda _data, _where: Raster(photo, messages=said))
    found = inspector.inspect(photos[0].read_bytes())
    assert found.decoder_messages == said
    assert found.score is not None, "a remark alone is no damage"
    assert found.as_dict()["decoder_messages"] == list(said)


def test_a_grey_photograph_for_a_model_of_coloured_ones_says_so(
    inspector: Inspector, photos: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rust cannot be seen on it, so that it must not pass."""
    grey = io.BytesIO()
    Image.fromarray(reading.read(photos[0])).convert("L").save(grey, "WEBP", lossless=True)
    assert "no colour" not in inspector.inspect(grey.getvalue()).reason or inspector._knows_colour
    monkeypatch.setattr(inspector, "_knows_colour", True)
    found = inspector.inspect(grey.getvalue())
    assert (found.verdict, found.score) == (Verdict.REVIEW, None)
    assert found.reason == "the photograph has no colour, the good ones have"
    assert "dark" in inspector.inspect(np.zeros((128, 128, 3), np.uint8)).reason, "the nearer reason comes first"
    assert inspector.inspect(photos[0]).reason != found.reason


def test_a_model_knows_colour_by_the_plates_that_it_stores(tiny_model: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    for is_coloured in (True, False):
        monkeypatch.setattr(colour, "has_much", lambda _photo, answer=is_coloured: answer)
        assert Inspector(tiny_model.model)._knows_colour is is_coloured
