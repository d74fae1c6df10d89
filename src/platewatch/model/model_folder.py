"""The model folder: manifest.json, and files whose SHA-256 it lists. Read, check, write.

model/
├── manifest.json     every setting, scale and limit, and the SHA-256 of every other file
├── surface.npz       phase one: memory banks and scales
├── backbone.onnx     phase one's texture features; not with --backbone none
├── shape.npz         what the good parts are like in their frame; where they have a common pose
├── region.npz        which places are inspected; where a region was given
├── network.onnx      phase two: the exported network; not with the preset `surface`
├── replay/           a few prepared calibration photographs, whose scores `verify` computes again
├── good/             good photographs as small pictures, to show beside a plate; not with `examples = 0`
├── training/         plots: loss curves, reconstructions, sensitivity, illumination; not with the preset `surface`
├── model-card.md     training data, limits, sensitivity and blind spots, for people
├── blind-spots.png   artificial defects that were missed and found, for the card; not where no good plate passes
└── signature.json    who vouches for the folder, once somebody signed it; in no manifest
"""

import hashlib
import json
import os
import stat
from contextlib import suppress
from dataclasses import asdict, replace
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from platewatch import config
from platewatch.config import STRICT, Config
from platewatch.decision.sensitivity_summary import Illumination, Sensitivity
from platewatch.decision.verdict import Decision, FalseAlarmBound
from platewatch.decision.weighing import Weighing
from platewatch.errors import InputError, ModelError
from platewatch.model import region_file, shape_file, surface_file
from platewatch.model.region_file import RegionSettings
from platewatch.model.runtime import FeatureNetwork, Runtime
from platewatch.model.scoring import Checks
from platewatch.model.texture import TextureFeatures
from platewatch.photographs.completeness import CompletenessLimits
from platewatch.photographs.part_shape import ShapeCheck, ShapeLimits
from platewatch.photographs.quality import QualityLimits
from platewatch.photographs.region import Region
from platewatch.surface.detector import Surface
from platewatch.surface.fusion import Fusion

FORMAT = 11
_OLDEST = 5  # oldest format that is read
MANIFEST, SURFACE, BACKBONE, NETWORK = "manifest.json", "surface.npz", "backbone.onnx", "network.onnx"
SHAPE, REGION = "shape.npz", "region.npz"
REPLAY, TRAINING, CARD, SIGNATURE = "replay", "training", "model-card.md", "signature.json"
BLIND_SPOTS, EXAMPLES = "blind-spots.png", "good"

_MOST_MANIFEST_BYTES, _MOST_BYTES = 2**26, 2**29  # of the manifest, of each other file

Name = Annotated[str, Field(max_length=1000)]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Version = Annotated[str, Field(pattern=r"^[\w.+!-]{1,100}$")]


@dataclass(frozen=True, config=STRICT)
class CalibrationPlate:
    """A good plate with its out-of-fold score and raw numbers; both errors are None in a model without phase two."""

    name: Name
    sha256: Annotated[str, Field(pattern="^[0-9a-f]*$", max_length=64)]
    score: float
    surface: float
    reconstruction_error: float | None
    latent_error: float | None
    group: Name = ""
    """The name of its group of plates that are alike; empty for a plate that is alone."""


@dataclass(frozen=True, config=STRICT)
class ReplayPlate:
    """A good plate whose prepared photograph is stored in the model folder, with the final model's raw numbers."""

    file: Name
    frame: tuple[float, int, int, int, int]
    """The fields of a `preparation.Frame`."""
    surface: float
    reconstruction_error: float | None
    latent_error: float | None


@dataclass(frozen=True, config=STRICT)
class Manifest:
    """The content of manifest.json: with the two detectors' files it determines every verdict."""

    format: int
    config: Config
    decision: Decision
    quality_limits: QualityLimits
    completeness: CompletenessLimits | None
    """None in a model folder of format 6 or older: completeness is not checked."""
    promise: FalseAlarmBound
    sensitivity: Sensitivity
    light: tuple[Illumination, ...]
    """Out-of-fold verdicts on the good plates, as photographed and under other illumination."""
    calibration: Annotated[tuple[CalibrationPlate, ...], Field(min_length=1)]
    training_errors: tuple[tuple[float, float], ...]
    """Reconstruction and latent error of each training plate by the final network. Only the table in the method
    author's form uses them, no verdict does: the network was fitted to these plates. Empty without phase two."""
    replay: tuple[ReplayPlate, ...]
    versions: Annotated[dict[Version, Version], Field(max_length=100)]
    files: Annotated[dict[Name, Sha256], Field(max_length=1000)]
    """SHA-256 of every other file of the folder, by its relative path."""
    weighing: Weighing | None = None
    """The weights of phase one's maps; None: those of the settings."""
    former_digest: str = ""
    """The digest of a manifest that an earlier version wrote under other keys; empty otherwise."""
    shape: ShapeLimits | None = None
    """The limits of the shape check; None where the good parts have no common pose, and in format 10 or older."""
    region: RegionSettings | None = None
    """What is inspected; None: the whole photograph."""
    grouping: Name = ""
    """How the groups of good plates were told: a regular expression on the file name, `runs:8`, or a CSV file's name.
    Empty when they were not; then only near duplicates are in one group."""

    def __post_init__(self) -> None:
        size, decision = self.config.image_size, self.decision
        if not 0 < decision.review <= decision.threshold:
            raise ValueError(f"limits {decision.review} and {decision.threshold}: expected 0 < review ≤ threshold")
        present = {self.config.skipganomaly, decision.has_network}
        plates: list[CalibrationPlate | ReplayPlate] = [*self.calibration, *self.replay]
        present |= {error is not None for plate in plates for error in (plate.reconstruction_error, plate.latent_error)}
        if len(present) > 1:
            raise ValueError("numbers of phase two: expected all of them, or none where config.skipganomaly is false")
        maps = 3 if self.config.has_texture else 2
        if self.weighing is not None and len(self.weighing.weights) != maps:
            raise ValueError(f"weighing.weights {self.weighing.weights}: expected one for each of {maps} maps")
        if self.region is not None and ((self.region.in_part and self.shape is None) or self.config.skipganomaly):
            raise ValueError("region: expected a shape check for one in the part's frame, and no phase two")
        for plate in self.replay:
            scale, left, top, width, height = plate.frame
            if not (scale > 0 and min(left, top) >= 0 and min(width, height) >= 1):
                raise ValueError(f"replay.frame {plate.frame}: no place in the photograph")
            if max(left + width, top + height) > size:
                raise ValueError(f"replay.frame {plate.frame}: reaches out of {size} px")

    @cached_property
    def model_id(self) -> str:
        """The first twelve hexadecimal digits of the manifest's digest, which covers every file of the folder."""
        return written_digest(self)[:12]

    @cached_property
    def group_scores(self) -> tuple[float, ...]:
        """The largest score of each group of good plates, ascending; one group is one independent draw."""
        worst: dict[str | int, float] = {}
        for number, plate in enumerate(self.calibration):
            group = plate.group or number
            worst[group] = max(plate.score, worst.get(group, plate.score))
        return tuple(sorted(worst.values()))

    @property
    def checks(self) -> Checks:
        """The limits of quality and completeness within which a photograph is judged."""
        return Checks(self.quality_limits, self.completeness)

    @property
    def region_sha256(self) -> str | None:
        """The hash of the region's file; None where the whole photograph is inspected."""
        return None if self.region is None else self.files[REGION]

    @property
    def alpha(self) -> float | None:
        """Weight of the reconstruction error in phase two's score; None in a model without phase two."""
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


def written_digest(manifest: Manifest) -> str:
    """The digest that stands in manifest.json."""
    return manifest.former_digest or digest(manifest)


def _content(manifest: Manifest) -> dict[str, Any]:
    content = asdict(manifest)
    del content["former_digest"]
    return content


def _digest(content: dict[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


class Loaded(NamedTuple):
    """A model folder as read: the detectors come from the bytes whose SHA-256 was checked."""

    manifest: Manifest
    surface: Surface
    network: bytes | None
    """The file NETWORK; not parsed yet. None in a model without phase two."""
    replay: dict[str, bytes]
    """The stored plates' files by name; not decoded yet."""
    shape: ShapeCheck | None = None
    """None in a model without a shape check."""
    region: Region | None = None
    """None where the whole photograph is inspected."""


def load(folder: Path, *, threads: int = 1, runtime: Runtime = "onnxruntime") -> Loaded:
    """Read a model folder and check every SHA-256, each file once.

    The texture features' network is opened with this runtime and number of threads.
    Raises ModelError when the folder or a file is missing, altered, not readable or of another format.
    """
    manifest = load_manifest(folder)
    networks = (BACKBONE,) * manifest.config.has_texture + (NETWORK,) * manifest.config.skipganomaly
    shape_files = (SHAPE,) * (manifest.shape is not None) + (REGION,) * (manifest.region is not None)
    used = (SURFACE, *networks, *shape_files, *(plate.file for plate in manifest.replay))
    for name in used:
        if name not in manifest.files:
            raise ModelError(folder / MANIFEST, f"has no SHA-256 of {name!r}", remedy="restore it or train again")
    judging = {}
    for name, expected in manifest.files.items():
        data = read_file(folder, name)
        if hashlib.sha256(data).hexdigest() != expected:
            raise ModelError(
                folder / name, "altered since it was written (SHA-256 differs)", remedy="restore or train again"
            )
        if name in used:
            judging[name] = data
    texture, length = None, 0
    if BACKBONE in judging and manifest.config.has_texture:
        network = FeatureNetwork(judging[BACKBONE], threads=threads, runtime=runtime, name=str(folder / BACKBONE))
        if network.image_size > manifest.config.image_size:
            what, most = f"takes {network.image_size} px", f"at most {manifest.config.image_size} px"
            raise ModelError(folder / BACKBONE, what, expected=most, remedy="restore the file or train again")
        texture, length = TextureFeatures(network), network.length
    chosen = manifest.weighing
    fusion = Fusion(chosen.weights, chosen.power) if chosen else None
    given: dict[str, Any] = {"fusion": fusion, "texture": texture, "texture_length": length}
    surface = surface_file.read(judging[SURFACE], manifest.config.surface, str(folder / SURFACE), **given)
    replay = {plate.file: judging[plate.file] for plate in manifest.replay}
    limits = manifest.shape
    shape = None if limits is None else shape_file.read(judging[SHAPE], limits, str(folder / SHAPE))
    stated = manifest.region
    region = None if stated is None else region_file.read(judging[REGION], stated, str(folder / REGION))
    return Loaded(manifest, surface, judging.get(NETWORK), replay, shape, region)


def load_manifest(folder: Path) -> Manifest:
    """Read and check the manifest alone; raises ModelError as `load` does."""
    path = folder / MANIFEST
    if not folder.is_dir():
        raise ModelError(folder, "no such model folder", remedy=f"make one with 'platewatch train DATA --out {folder}'")
    if not path.exists():
        raise ModelError(folder, f"no {MANIFEST} in it", expected="a model folder that 'platewatch train' made")
    data = read_file(folder, MANIFEST, _MOST_MANIFEST_BYTES)
    try:
        values = json.loads(data.decode("utf-8"), parse_constant=_no_number)
        written, content = values["digest"], {name: value for name, value in values.items() if name != "digest"}
        found = _digest(content)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ModelError(
            path, "damaged", expected="the JSON that training wrote", remedy="restore it or train again"
        ) from error
    written_as = content.get("format")
    if isinstance(written_as, int) and not _OLDEST <= written_as <= FORMAT:
        remedy = "upgrade Platewatch" if written_as > FORMAT else "train again"
        raise ModelError(path, f"format {written_as}, this Platewatch reads {_OLDEST} to {FORMAT}", remedy=remedy)
    manifest = _validated(path, content, found)
    if found != written:
        raise ModelError(
            path, "edited since training wrote it (its digest differs)", remedy="restore it or train again"
        )
    if not manifest.former_digest and digest(manifest) != written:  # settings that came later have their defaults
        return replace(manifest, former_digest=written)
    return manifest


def _validated(path: Path, content: dict[str, Any], found: str) -> Manifest:
    """The manifest with this content, whose digest is `found`; raises ModelError for a type or value out of bounds."""
    remedy = "restore the file or train again"
    if "former_digest" in content:
        raise ModelError(path, "former_digest: unknown", remedy=remedy)
    try:
        return _ADAPTER.validate_json(
            json.dumps(_upgraded(content, found)), strict=True
        )  # strict: no text, no true in place of a number
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ModelError(path, f"{where[:200]}: {first['msg'][:500]}", remedy=remedy) from error
    except InputError as error:  # a setting under both its names
        raise ModelError(path, error.reason, remedy=remedy) from error


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number")


def _upgraded(content: dict[str, Any], written: str) -> dict[str, Any]:
    """The content of a manifest of an older format under the current keys; the values are the same."""
    if content.get("format") == _OLDEST:
        content = _renamed(content)
    if content.get("format") in range(_OLDEST, FORMAT):
        content = {"completeness": None} | content | {"format": FORMAT, "former_digest": written}
    return content


def _renamed(content: dict[str, Any]) -> dict[str, Any]:
    """The content of a manifest of format 5 (Platewatch 0.1.0) under the keys of format 6."""
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
    return kept


def sha256(folder: Path, name: str, *, cached: bool = True) -> str:
    """SHA-256 of one file of the folder; raises ModelError when it is missing, not readable or outside the folder.

    With `cached` false the file comes from the disk, where the system can do that, and not from its memory.
    """
    return hashlib.sha256(read_file(folder, name, cached=cached)).hexdigest()


def read_file(folder: Path, name: str, most_bytes: int = _MOST_BYTES, *, cached: bool = True) -> bytes:
    """The bytes of a file of the folder; raises ModelError, also for a pipe and for a file that is too large."""
    try:
        path = folder / name
        is_inside = path.resolve().is_relative_to(folder.resolve())
    except (OSError, ValueError, RuntimeError) as error:  # a name with a null byte, links in a circle
        raise ModelError(folder / MANIFEST, f"names {name!r}, no file", remedy="restore it or train again") from error
    if not is_inside:
        raise ModelError(
            folder / MANIFEST, f"names {name!r} outside the model folder", remedy="restore it or train again"
        )
    try:
        with os.fdopen(
            os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb"
        ) as file:  # a pipe must not block
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode) or found.st_size > most_bytes:
                raise ModelError(
                    path, "no file of a model", expected=f"at most {most_bytes} bytes", remedy="restore or train again"
                )
            if not cached and hasattr(os, "posix_fadvise"):
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            return file.read(found.st_size + 1)
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
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in (MANIFEST, SIGNATURE))
    return {path.relative_to(folder).as_posix(): sha256(folder, path.relative_to(folder).as_posix()) for path in paths}


def versions() -> dict[str, str]:
    """The installed version of every package that a score depends on; packages that are not installed are left out."""
    names = ("platewatch", "numpy", "opencv-python-headless", "pillow", "onnxruntime", "openvino", "torch")
    found = {}
    for name in names:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found
