"""A model with a shape check: its folder, how it judges and verifies, and folders without one."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import drawn_parts
from conftest import Tiny
from drawn_parts import HOLE
from platewatch.arrays import Array
from platewatch.errors import ModelError
from platewatch.inspection import Verdict
from platewatch.model import model_folder, shape_file, verification
from platewatch.model.inspector import Inspector
from platewatch.photographs import preparation, shape_limits

SIZE = 96  # of the tiny model
SHAPE = shape_limits.learn([preparation.prepare(drawn_parts.photo(seed), SIZE) for seed in range(24)], range(24))
NOT_AT_ALL = 1e6


@pytest.fixture
def folder(tiny_model: Tiny, tmp_path: Path) -> Path:
    """The tiny model with the shape check of drawn parts; by its score everything is PASS."""
    assert SHAPE is not None
    found = shutil.copytree(tiny_model.model, tmp_path / "model")
    manifest = model_folder.load_manifest(found)
    quality = replace(manifest.quality_limits, darkest=0, least_sharp=0, least_contrast=0)
    decision = replace(manifest.decision, review=NOT_AT_ALL, threshold=2 * NOT_AT_ALL)
    shape_file.write(found / model_folder.SHAPE, SHAPE.good)
    manifest = replace(manifest, shape=SHAPE.limits, decision=decision, quality_limits=quality, completeness=None)
    model_folder.write_manifest(found, replace(manifest, files=model_folder.files(found)))
    return found


def larger(photo: Array) -> Array:
    return photo.repeat(2, axis=0).repeat(2, axis=1)


def test_findings_take_a_pass_back_and_say_what_and_where(folder: Path) -> None:
    inspector = Inspector(folder)
    good = inspector.inspect(larger(drawn_parts.photo(50)))
    assert (good.verdict, good.findings) == (Verdict.PASS, ())
    assert good.pose is not None
    assert len(good.pose.outline) == 4
    bad = inspector.inspect(larger(drawn_parts.photo(50, holes=[HOLE, (15, 12, 3)])))
    assert bad.verdict is Verdict.REVIEW
    assert bad.findings[0].check == "hole"
    assert bad.reason.startswith("additional hole (")
    assert bad.score is not None
    left, top, width, height = bad.findings[0].box or (0, 0, 0, 0)
    y, x = np.nonzero(
        np.abs(
            larger(drawn_parts.photo(50, holes=[HOLE, (15, 12, 3)])).astype(int) - larger(drawn_parts.photo(50))
        ).max(axis=2)
        > 40
    )
    assert left - 8 <= x.min() <= x.max() <= left + width + 8
    assert top - 8 <= y.min() <= y.max() <= top + height + 8
    none = inspector.inspect(np.full((320, 320, 3), (190, 150, 130), np.uint8))
    assert (none.verdict, none.pose) == (Verdict.REVIEW, None)
    assert "the part's pose is not sure" in none.reason


def test_a_reject_by_score_stays_one(folder: Path) -> None:
    manifest = model_folder.load_manifest(folder)
    decision = replace(manifest.decision, review=1e-9, threshold=2e-9)
    model_folder.write_manifest(folder, replace(manifest, decision=decision))
    found = Inspector(folder).inspect(larger(drawn_parts.photo(50, holes=())))
    assert found.verdict is Verdict.REJECT
    assert found.reason.endswith("expected)")
    assert "covered" in {each.check for each in found.findings}


def test_the_detectors_see_the_same_with_and_without_a_shape_check(folder: Path, tiny_model: Tiny) -> None:
    photo = larger(drawn_parts.photo(51))
    assert SHAPE is not None
    with_check, without = Inspector(folder), Inspector(tiny_model.model)
    one, other = (each.examine(photo, all_phases=True) for each in (with_check, without))
    assert one.inspection.pose is not None
    assert other.inspection.pose is None
    np.testing.assert_array_equal(one.prepared, other.prepared)
    assert without.manifest.shape is None
    raw = [each.measure(one.prepared, one.frame).numbers for each in (with_check, without)]
    assert raw[0] == raw[1]


def rewritten(path: Path, change: Callable[[dict[str, Array]], None]) -> None:
    with np.load(path / model_folder.SHAPE, allow_pickle=False) as found:
        arrays = {name: found[name] for name in found.files}
    change(arrays)
    np.savez_compressed(path / model_folder.SHAPE, allow_pickle=False, **arrays)
    manifest = model_folder.load_manifest(path)
    model_folder.write_manifest(path, replace(manifest, files=model_folder.files(path)))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda arrays: arrays.pop("open"), "holds ["),
        (lambda arrays: arrays.update(mean=arrays["mean"].astype(float)), "mean is no plain array of uint8"),
        (lambda arrays: arrays.update(least=arrays["least"][1:]), "least has the shape"),
        (lambda arrays: arrays.update(holes=np.zeros_like(arrays["holes"])), "0 holes, the manifest has 1"),
        (lambda arrays: arrays.update(profile=np.full(128, np.nan)), "profile is out of bounds"),
    ],
)
def test_a_shape_file_of_another_kind_is_refused(
    folder: Path, change: Callable[[dict[str, Array]], None], words: str
) -> None:
    rewritten(folder, change)
    with pytest.raises(ModelError, match=r"shape\.npz: cannot be read") as caught:
        model_folder.load(folder)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_model_of_format_10_loads_under_its_name_and_has_no_shape_check(tiny_model: Tiny, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_model.model, tmp_path / "model")
    values = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    del values["digest"], values["shape"]
    values["format"] = 10
    digest = model_folder._digest(values)
    (folder / "manifest.json").write_text(json.dumps({"digest": digest, **values}), encoding="utf-8")
    found = Inspector(folder)
    assert found.manifest.shape is None
    assert found.manifest.model_id == digest[:12]


def test_a_shape_check_that_no_stored_plate_passes_is_a_fault(folder: Path) -> None:
    manifest = model_folder.load_manifest(folder)
    assert manifest.shape is not None
    model_folder.write_manifest(folder, replace(manifest, shape=replace(manifest.shape, unlike=0.0)))
    faults = verification.verify(folder, threads=1).faults
    assert any("the shape check finds something on" in fault for fault in faults)
