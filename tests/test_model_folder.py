"""A model folder that is incomplete, altered, foreign or too new is refused in one line that names the place."""

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tiny
from conftest import Tiny
from platewatch.errors import ModelError
from platewatch.model import model_folder
from platewatch.model.inspector import Inspector
from platewatch.model.model_folder import Manifest


@pytest.fixture
def folder(tiny_model: Tiny, tmp_path: Path) -> Path:
    return shutil.copytree(tiny_model.model, tmp_path / "model")


def refused(folder: Path, *words: str) -> None:
    with pytest.raises(ModelError) as caught:
        model_folder.load(folder)
    assert "\n" not in str(caught.value)
    assert [word for word in words if word not in str(caught.value)] == []


def edited(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the manifest's JSON as somebody with an editor would."""
    path = folder / "manifest.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    change(values)
    path.write_text(json.dumps(values), encoding="utf-8")


def rewritten(folder: Path, **changes: Any) -> None:
    """Change the manifest and its digest with it, as somebody with this source code would."""
    manifest = model_folder.load_manifest(folder)
    model_folder.write_manifest(folder, replace(manifest, **changes))


NAMES_OF_0_1_0 = {
    "surface": {
        "patch": "cell",
        "noise_floor": "faintest",
        "illumination_copies": "relit",
        "peak_fraction": "peak_share",
        "score_fractions": "score_shares",
        "brightness_range": "light",
        "warmth_range": "tint",
    },
    "network": {"fused_upsampling": "summed_taps"},
    "training": {"w_defect": "w_forged", "defect_probability": "forge", "brightness_range": "light"},
    "score": {"pool_fraction": "pool_share"},
    "sensitivity": {"brightnesses": "lights", "warmth": "tint"},
}


def as_0_1_0_wrote_it(folder: Path) -> str:
    """Give the manifest the keys of format 5, and the digest that 0.1.0 computed over them; returns that digest."""
    values = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    del values["digest"], values["completeness"]
    values["format"] = 5
    for part, names in NAMES_OF_0_1_0.items():
        values["config"][part] = {names.get(name, name): value for name, value in values["config"][part].items()}
    decision, quality = values["decision"], values.pop("quality_limits")
    decision["network_unit"], decision["network_map_unit"] = (
        decision.pop("network_scale"),
        decision.pop("network_map_scale"),
    )
    quality["most_burnt"] = quality.pop("most_clipped")
    values["gates"] = quality
    for level in values["light"]:
        level["light"], level["tint"] = level.pop("brightness"), level.pop("warmth")
    canonical = json.dumps(values, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps({"digest": digest, **values}), encoding="utf-8")
    return digest


def test_a_model_of_0_1_0_loads_and_judges_as_before(folder: Path, tiny_model: Tiny) -> None:
    digest = as_0_1_0_wrote_it(folder)
    before, after = Inspector(tiny_model.model), Inspector(folder)
    assert after.manifest.model_id == digest[:12]
    assert after.manifest.decision == before.manifest.decision
    assert after.manifest.config == before.manifest.config
    assert after.manifest.quality_limits == before.manifest.quality_limits
    for path in sorted((tiny_model.data / "test").rglob("*.png"))[:4]:
        old, new = before.inspect(path), after.inspect(path)
        assert (new.verdict, new.score, new.threshold, new.defects) == (
            old.verdict,
            old.score,
            old.threshold,
            old.defects,
        )


def test_a_model_of_format_6_loads_under_its_name_and_lacks_the_completeness_check(folder: Path) -> None:
    values = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    del values["digest"], values["completeness"]
    values["format"] = 6
    canonical = json.dumps(values, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps({"digest": digest, **values}), encoding="utf-8")
    manifest = model_folder.load_manifest(folder)
    assert (manifest.model_id, manifest.completeness) == (digest[:12], None)
    edited(folder, lambda values: values["quality_limits"].update(darkest=0))
    refused(folder, "edited since training wrote it")


def test_a_model_of_format_7_loads_under_its_name_and_has_a_phase_two(folder: Path) -> None:
    values = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    del values["digest"], values["config"]["skipganomaly"]
    values["format"] = 7
    canonical = json.dumps(values, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps({"digest": digest, **values}), encoding="utf-8")
    loaded = model_folder.load(folder)
    assert (loaded.manifest.model_id, loaded.manifest.config.skipganomaly) == (digest[:12], True)
    assert loaded.network is not None
    assert loaded.manifest.completeness is not None


def test_a_model_without_structural_trials_loads_under_its_name(folder: Path) -> None:
    values = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    del values["digest"], values["sensitivity"]["structural"], values["files"]["blind-spots.png"]
    for name in ("structural_diameters", "strengths", "structural_plates"):
        del values["config"]["sensitivity"][name]
    digest = hashlib.sha256(
        json.dumps(values, sort_keys=True, ensure_ascii=True, separators=(",", ":")).encode()
    ).hexdigest()
    (folder / "manifest.json").write_text(json.dumps({"digest": digest, **values}), encoding="utf-8")
    manifest = model_folder.load(folder).manifest
    assert (manifest.model_id, manifest.sensitivity.structural) == (digest[:12], ())
    assert manifest.config.sensitivity.structural_plates == 5


def test_a_model_of_0_1_0_that_was_edited_is_refused(folder: Path) -> None:
    as_0_1_0_wrote_it(folder)
    edited(folder, lambda values: values["decision"].update(threshold=9.0))
    refused(folder, "edited since training wrote it")
    edited(folder, lambda values: values.pop("gates"))
    refused(folder, "manifest.json: quality_limits")


def test_every_file_has_a_hash_in_the_manifest(folder: Path) -> None:
    manifest = model_folder.load(folder).manifest
    assert set(manifest.files) == set(tiny.files(folder)) - {"manifest.json"}
    drawn = {f"training/{name}.png" for name in ("losses", "reconstructions", "sensitivity", "light")}
    assert {"surface.npz", "network.onnx", "model-card.md", "blind-spots.png"} | drawn <= set(manifest.files)
    assert all((folder / plate.file).is_file() for plate in manifest.replay)


def test_scales_and_limits_are_in_the_manifest(folder: Path) -> None:
    """Invariants 3 and 7: preprocessing, alpha, thresholds, good scores, hashes and versions, as numbers."""
    values = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert values["format"] == model_folder.FORMAT
    assert values["config"]["image_size"] == 96
    assert values["decision"].keys() == {
        "alpha",
        "network_scale",
        "network_map_scale",
        "weight",
        "review",
        "threshold",
    }
    assert len(values["calibration"]) == tiny.GOOD
    assert {"platewatch", "numpy", "onnxruntime", "opencv-python-headless", "pillow"} <= values["versions"].keys()


def test_thresholds_change_without_the_weights(folder: Path) -> None:
    """Invariant 3."""
    before = (folder / "network.onnx").read_bytes()
    manifest = model_folder.load_manifest(folder)
    rewritten(folder, decision=replace(manifest.decision, alpha=0.3, threshold=9.0))
    again = model_folder.load(folder).manifest
    assert (again.alpha, again.threshold) == (0.3, 9.0)
    assert again.model_id != manifest.model_id
    assert (folder / "network.onnx").read_bytes() == before


def test_a_manifest_survives_being_written(folder: Path) -> None:
    manifest = model_folder.load_manifest(folder)
    model_folder.write_manifest(folder, manifest)
    assert model_folder.load_manifest(folder) == manifest
    assert len(manifest.model_id) == 12


@pytest.mark.parametrize("name", ["network.onnx", "surface.npz", "replay", "training/losses.png", "model-card.md"])
def test_a_changed_byte_is_found(folder: Path, name: str) -> None:
    path = next((folder / name).iterdir()) if name == "replay" else folder / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    refused(folder, str(path), "altered", "SHA-256 differs", "restore or train again")


@pytest.mark.parametrize("name", ["network.onnx", "surface.npz"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    refused(folder, str(folder / name), "missing from the model folder", "restore it or train again")


def test_folders_that_hold_no_model(folder: Path, tmp_path: Path) -> None:
    refused(tmp_path / "no", "no such model folder", "platewatch train")
    refused(folder / "network.onnx", "no such model folder")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "no manifest.json in it", "platewatch train")


def test_another_format_asks_for_an_upgrade_or_a_training(folder: Path) -> None:
    edited(folder, lambda values: values.update(format=model_folder.FORMAT + 1, novelty={"of": "that format"}))
    refused(
        folder,
        f"format {model_folder.FORMAT + 1}, this Platewatch reads 5 to {model_folder.FORMAT}; upgrade Platewatch",
    )
    edited(folder, lambda values: values.update(format=1))
    refused(folder, f"manifest.json: format 1, this Platewatch reads 5 to {model_folder.FORMAT}; train again")


@pytest.mark.parametrize(
    "change",
    [
        lambda values: values["decision"].update(threshold=1e6),
        lambda values: values["decision"].update(alpha=0.123),
        lambda values: values["files"].update({"network.onnx": "0" * 64}),
        lambda values: values["calibration"].pop(),
        lambda values: values["quality_limits"].update(darkest=0),
        lambda values: values.update(digest="0" * 64),
    ],
    ids=["threshold", "alpha", "hash", "good plate", "gate", "digest"],
)
def test_a_manifest_edited_by_hand_is_found(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    edited(folder, change)
    refused(folder, "manifest.json: edited since training wrote it", "restore it or train again")


def test_a_manifest_with_other_whitespace_is_read(folder: Path) -> None:
    edited(folder, dict.copy)
    model_folder.load(folder)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda values: values["decision"].update(alpha="much"), "decision.alpha"),
        (lambda values: values["decision"].update(alpha=2), "decision.alpha"),
        (lambda values: values["decision"].update(beta=2), "decision.beta"),
        (lambda values: values["config"].update(image_size=100), "config.image_size"),
        (lambda values: values.pop("quality_limits"), "quality_limits"),
        (lambda values: values.update(extra=1), "extra"),
        (lambda values: values.pop("digest"), "damaged"),
    ],
    ids=["type", "bound", "unknown part", "configuration", "missing", "unknown", "no digest"],
)
def test_a_manifest_with_other_values_names_the_place(
    folder: Path, change: Callable[[dict[str, Any]], object], words: str
) -> None:
    edited(folder, change)
    refused(folder, "manifest.json", words)


@pytest.mark.parametrize(
    "text", [b"", b"no JSON", b"[]", b"null", b"7", b"\xff\xfe", b"[" * 100_000, None], ids=range(8)
)
def test_a_damaged_manifest_is_a_model_error(folder: Path, text: bytes | None) -> None:
    whole = (folder / "manifest.json").read_bytes()
    (folder / "manifest.json").write_bytes(whole[: len(whole) // 2] if text is None else text)
    refused(folder, "manifest.json: damaged, expected the JSON that training wrote")


@pytest.mark.parametrize("name", ["../secret", "/etc/hostname", "replay/../../secret"])
def test_files_outside_the_folder_are_not_read(folder: Path, name: str) -> None:
    (folder.parent / "secret").write_text("secret")
    manifest = model_folder.load_manifest(folder)
    rewritten(folder, files=manifest.files | {name: "0" * 64})
    refused(folder, f"names {name!r} outside the model folder")


def test_a_link_out_of_the_folder_is_not_followed(folder: Path) -> None:
    (folder / "network.onnx").rename(folder.parent / "elsewhere.onnx")
    (folder / "network.onnx").symlink_to(folder.parent / "elsewhere.onnx")
    refused(folder, "'network.onnx' outside the model folder")


@pytest.mark.parametrize("name", ["network.onnx", "surface.npz", "replay"])
def test_what_is_used_has_a_hash(folder: Path, name: str) -> None:
    files = model_folder.load_manifest(folder).files
    rewritten(folder, files={path: digest for path, digest in files.items() if not path.startswith(name)})
    refused(folder, "manifest.json: has no SHA-256 of", name)


@pytest.mark.parametrize("content", [b"no npz", "pickle"], ids=["no archive", "pickle"])
def test_banks_that_are_no_plain_arrays_are_refused(folder: Path, content: bytes | str) -> None:
    """Invariant 9: an object array is a pickle, and is not loaded."""
    path = folder / "surface.npz"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        np.savez(path, colour_cells=np.array([Trap()], dtype=object))
    rewritten(folder, files=model_folder.files(folder))
    refused(folder, str(path), "cannot be read")
    assert Trap.sprung == 0


class Trap:
    """Tells when it is unpickled."""

    sprung = 0

    def __reduce__(self) -> tuple[Any, ...]:
        return (_spring, ())


def _spring() -> None:
    Trap.sprung += 1


def test_a_manifest_with_another_number_has_another_id(folder: Path) -> None:
    manifest = model_folder.load_manifest(folder)
    other = replace(manifest, decision=replace(manifest.decision, review=manifest.review - 1e-9))
    assert other.model_id != manifest.model_id
    assert Manifest(**{**asdict(manifest)}).model_id == manifest.model_id
