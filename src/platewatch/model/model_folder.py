"""The model folder: manifest.json, and files whose SHA-256 it lists. Read, check, write.

model/
├── manifest.json     every setting, scale and limit, and the SHA-256 of every other file
├── surface.npz       phase one: memory banks and scales
├── network.onnx      phase two: the exported network
├── replay/           a few prepared calibration photographs, whose scores `verify` computes again
├── training/         plots: loss curves, reconstructions, sensitivity, illumination
└── model-card.md     training data, limits, sensitivity and blind spots, for people
"""

import hashlib
import json
import zipfile
from contextlib import suppress
from dataclasses import asdict, replace
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from platewatch import config
from platewatch.config import STRICT, Config
from platewatch.decision.sensitivity_summary import Illumination, Sensitivity
from platewatch.decision.verdict import Decision, FalseAlarmBound
from platewatch.errors import ModelError
from platewatch.photographs.quality import QualityLimits
from platewatch.surface.detector import Surface

FORMAT = 6
_OLDEST = 5  # oldest format that is read
MANIFEST, SURFACE, NETWORK, REPLAY, TRAINING = "manifest.json", "surface.npz", "network.onnx", "replay", "training"
CARD = "model-card.md"


@dataclass(frozen=True, config=STRICT)
class CalibrationPlate:
    """A good plate with its out-of-fold score and raw numbers."""

    name: str
    sha256: str
    score: float
    surface: float
    reconstruction_error: float
    latent_error: float


@dataclass(frozen=True, config=STRICT)
class ReplayPlate:
    """A good plate whose prepared photograph is stored in the model folder, with the final model's raw numbers."""

    file: str
    frame: tuple[float, int, int, int, int]
    """The fields of a `preparation.Frame`."""
    surface: float
    reconstruction_error: float
    latent_error: float


@dataclass(frozen=True, config=STRICT)
class Manifest:
    """The content of manifest.json: with the two detectors' files it determines every verdict."""

    format: int
    config: Config
    decision: Decision
    quality_limits: QualityLimits
    promise: FalseAlarmBound
    sensitivity: Sensitivity
    light: tuple[Illumination, ...]
    """Out-of-fold verdicts on the good plates, as photographed and under other illumination."""
    calibration: tuple[CalibrationPlate, ...]
    training_errors: tuple[tuple[float, float], ...]
    """Reconstruction and latent error of each training plate by the final network. Only the table in the method
    author's form uses them, no verdict does: the network was fitted to these plates."""
    replay: tuple[ReplayPlate, ...]
    versions: dict[str, str]
    files: dict[str, str]
    """SHA-256 of every other file of the folder, by its relative path."""
    former_digest: str = ""
    """The digest of a manifest that an earlier version wrote under other keys; empty otherwise."""

    @cached_property
    def model_id(self) -> str:
        """The first twelve hexadecimal digits of the manifest's digest, which covers every file of the folder."""
        return (self.former_digest or digest(self))[:12]

    @property
    def alpha(self) -> float:
        """Weight of the reconstruction error in phase two's score."""
        return self.decision.alpha

    @property
    def threshold(self) -> float:
        """Scores above this are REJECT."""
        return self.decision.threshold

    @property
    def review(self) -> float:
        """Scores above this are not PASS."""
        return self.decision.review


_ADAPTER = TypeAdapter(Manifest)


def digest(manifest: Manifest) -> str:
    """SHA-256 of the manifest's content as JSON with sorted keys."""
    return _digest(_content(manifest))


def _content(manifest: Manifest) -> dict[str, Any]:
    content = asdict(manifest)
    del content["former_digest"]
    return content


def _digest(content: dict[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def load(folder: Path) -> tuple[Manifest, Surface]:
    """Read a model folder and check every SHA-256; the network's file is folder / NETWORK.

    Raises ModelError when the folder or a file is missing, altered, unreadable or of another format.
    """
    manifest = load_manifest(folder)
    for name in (SURFACE, NETWORK, *(plate.file for plate in manifest.replay)):
        if name not in manifest.files:
            raise ModelError(folder / MANIFEST, f"has no SHA-256 of {name}", remedy="restore it or train again")
    for name, expected in manifest.files.items():
        if sha256(folder, name) != expected:
            raise ModelError(
                folder / name, "altered since it was written (SHA-256 differs)", remedy="restore or train again"
            )
    try:
        with np.load(folder / SURFACE, allow_pickle=False) as arrays:
            return manifest, Surface.from_arrays(dict(arrays), manifest.config.surface)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise ModelError(
            folder / SURFACE, f"cannot be read ({error})", remedy="restore the file or train again"
        ) from error


def load_manifest(folder: Path) -> Manifest:
    """Read and check the manifest alone; raises ModelError as `load` does."""
    path = folder / MANIFEST
    if not folder.is_dir():
        raise ModelError(folder, "no such model folder", remedy=f"make one with 'platewatch train DATA --out {folder}'")
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        written, content = values["digest"], {name: value for name, value in values.items() if name != "digest"}
    except FileNotFoundError as error:
        raise ModelError(
            folder, f"no {MANIFEST} in it", expected="a model folder that 'platewatch train' made"
        ) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ModelError(
            path, "damaged", expected="the JSON that training wrote", remedy="restore it or train again"
        ) from error
    written_as = content.get("format")
    if isinstance(written_as, int) and not _OLDEST <= written_as <= FORMAT:
        remedy = "upgrade Platewatch" if written_as > FORMAT else "train again"
        raise ModelError(path, f"format {written_as}, this Platewatch reads {_OLDEST} to {FORMAT}", remedy=remedy)
    try:
        manifest = _ADAPTER.validate_python(_upgraded(content, written) if written_as == _OLDEST else content)
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise ModelError(
            path, f"{where}: {error.errors()[0]['msg']}", remedy="restore the file or train again"
        ) from error
    if _digest(content) != written:
        raise ModelError(
            path, "edited since training wrote it (its digest differs)", remedy="restore it or train again"
        )
    if not manifest.former_digest and digest(manifest) != written:  # settings that came later have their defaults
        return replace(manifest, former_digest=written)
    return manifest


def _upgraded(content: dict[str, Any], written: str) -> dict[str, Any]:
    """The content of a manifest of format 5 (Platewatch 0.1.0) under the current keys; the values are the same."""
    names = {
        "network_unit": "network_scale",
        "network_map_unit": "network_map_scale",
        "most_burnt": "most_clipped",
        "light": "brightness",
        "tint": "warmth",
    }

    def renamed(values: Any) -> Any:
        return {names.get(name, name): value for name, value in values.items()} if isinstance(values, dict) else values

    kept = {name: value for name, value in content.items() if name != "gates"}
    kept |= {"quality_limits": renamed(content["gates"])} if "gates" in content else {}
    if isinstance(content.get("light"), list):
        kept["light"] = [renamed(each) for each in content["light"]]
    kept |= {"decision": renamed(content.get("decision")), "config": config.renamed(content.get("config"))}
    return {**kept, "format": FORMAT, "former_digest": written}


def sha256(folder: Path, name: str) -> str:
    """SHA-256 of one file of the folder; raises ModelError when it is missing, unreadable or outside the folder."""
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ModelError(
            folder / MANIFEST, f"names {name!r} outside the model folder", remedy="restore it or train again"
        )
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError as error:
        raise ModelError(path, "missing from the model folder", remedy="restore it or train again") from error
    except OSError as error:
        raise ModelError(path, f"cannot be read ({error.strerror})", remedy="check its permissions") from error


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest with its digest; raises OSError as the file system does."""
    values: dict[str, Any] = {"digest": digest(manifest), **_content(manifest)}
    (folder / MANIFEST).write_text(json.dumps(values, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def files(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below `folder` except the manifest, by its relative path."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)
    return {path.relative_to(folder).as_posix(): sha256(folder, path.relative_to(folder).as_posix()) for path in paths}


def versions() -> dict[str, str]:
    """The installed version of every package that a score depends on; packages that are not installed are left out."""
    names = ("platewatch", "numpy", "opencv-python-headless", "pillow", "onnxruntime", "openvino", "torch")
    found = {}
    for name in names:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found
