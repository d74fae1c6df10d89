"""Exports a model folder as one ONNX file, and compares it with the product before it is written."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from platewatch import files
from platewatch.arrays import Floats, Photo
from platewatch.decision.verdict import p_value
from platewatch.errors import ModelError
from platewatch.inspection import Verdict
from platewatch.model import model_folder, scoring, verification
from platewatch.model.inspector import Inspector
from platewatch.model.inspector_graph import geometry, judgement
from platewatch.model.inspector_graph.geometry import Geometry
from platewatch.model.inspector_graph.graph import Graph
from platewatch.model.inspector_graph.judgement import SurfaceGraph
from platewatch.model.model_folder import BACKBONE, Loaded, Manifest
from platewatch.model.runtime import InspectorFile
from platewatch.photographs import preparation, reading
from platewatch.photographs.preparation import Frame
from platewatch.progress import Progress, silent

PICTURE = "picture"
"""Name of the input."""
OUTPUTS = ("score", "p_value", "verdict", "anomaly_map")
VERDICTS = (Verdict.PASS, Verdict.REVIEW, Verdict.REJECT)
"""By the number that `verdict` gives."""

SCORE_TOLERANCE, MAP_TOLERANCE = 1e-3, 1e-3
"""Largest allowed difference of the score between graph and product, and mean one of the map; relative above 1.

A single patch may differ more: rounding decides whether a list at the limit is searched.
"""


@dataclass(frozen=True)
class Judgement:
    """What one of both says of a prepared photograph."""

    score: float
    p_value: float
    verdict: Verdict
    anomaly_map: Floats
    """(S, S) float32."""


@dataclass(frozen=True)
class Exported:
    """What was written, and how far it differs from the product."""

    model_id: str
    file: str
    bytes: int
    image_size: int
    phases: tuple[str, ...]
    """The detectors in the file: those with weight."""
    frames: int
    """Number of positions of the photograph in the prepared square that the graph tells apart."""
    compared: int
    """Pictures whose judgement was compared."""
    score_difference: float
    """The largest; relative where the score is above 1."""
    map_difference: float
    """The largest of a picture's mean ones; relative where the map's maximum is above 1."""
    left_out: tuple[str, ...]
    """The product's checks that are not in the file."""

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {**asdict(self), "phases": list(self.phases), "left_out": list(self.left_out)}


def export(folder: Path, path: Path, photos: Path | None = None, progress: Progress = silent) -> Exported:
    """Write the inspector of a model folder to `path`, if it judges as the product does.

    They are compared on the folder's stored plates, on the same with a mark, and on the photographs of `photos`.
    Raises ModelError when they differ, and as loading does; InputError for a photograph that is not readable.
    """
    inspector = Inspector(folder, threads=1)
    if inspector.manifest.region is not None:
        what = "inspects a region alone, which the single file cannot do"
        raise ModelError(folder, what, remedy="use the model folder, or train without the region")
    data = build(folder)
    own = InspectorFile(data, OUTPUTS, name=str(path))
    pictures = [*_stored(inspector), *_photographs(inspector, photos)]
    worst = np.zeros(2)
    for done, (name, picture, frame) in enumerate(pictures, start=1):
        expected, found = judge(inspector, picture, frame), Judgement(*_read(own.run(picture)))
        worst = np.maximum(worst, differences(expected, found, name))
        progress("comparing with the product", done, len(pictures))
    files.write(path, data)
    manifest = inspector.manifest
    possible = geometry.frames(manifest)
    phases = tuple(sorted(scoring.weighted(manifest.decision), reverse=True))
    shape = manifest.config.image_size, phases, len(possible), len(pictures)
    differing = float(worst[0]), float(worst[1])
    return Exported(manifest.model_id, str(path), len(data), *shape, *differing, left_out(manifest))


def left_out(manifest: Manifest) -> tuple[str, ...]:
    """The product's checks, none of which is in the file."""
    present = {"completeness": manifest.completeness, "shape": manifest.shape}
    return ("quality", *(name for name, limits in present.items() if limits is not None))


def build(folder: Path) -> bytes:
    """The ONNX file of a model folder's inspector; raises ModelError as `model_folder.load` does."""
    loaded, graph = model_folder.load(folder), Graph()
    manifest, size = loaded.manifest, loaded.manifest.config.image_size
    picture = graph.takes(PICTURE, np.uint8, (size, size, 3))
    possible = geometry.frames(manifest)
    places, phases = Geometry(graph, picture, possible, size), list[tuple[str, str]]()
    used, decision = scoring.weighted(manifest.decision), manifest.decision
    if "surface" in used:
        backbone = model_folder.read_file(folder, BACKBONE) if manifest.config.has_texture else None
        phases.append(SurfaceGraph(graph, places, loaded.surface).judge(picture, backbone))
    if "skipganomaly" in used:
        phases.append(judgement.second(graph, places, picture, _network(loaded), decision))
    score, anomaly_map = judgement.fused(graph, phases, decision.weight)
    score = graph.reshape(score, 1)
    graph.gives("score", score, np.float32, (1,))
    graph.gives("p_value", judgement.p_value(graph, score, manifest.group_scores), np.float32, (1,))
    graph.gives("verdict", judgement.verdict(graph, score, decision), np.int64, (1,))
    graph.gives("anomaly_map", anomaly_map, np.float32, (size, size))
    limits = {"review": repr(decision.review), "threshold": repr(decision.threshold)}
    frames = [(each.width, each.height) for each in possible]
    described = {"model_id": manifest.model_id, **limits, "frames": json.dumps(frames)}
    described["left_out"] = " ".join(left_out(manifest))
    return graph.model("platewatch", described)


def judge(inspector: Inspector, picture: Photo, frame: Frame) -> Judgement:
    """What the product says of a prepared (S, S, 3) uint8 picture, without its checks."""
    decision, raw = inspector.manifest.decision, inspector.measure(picture, frame)
    score = decision.score(*raw.numbers)
    second = None if raw.second is None else raw.second.anomaly_map / np.float32(decision.network_map_scale or 1)
    assert raw.first is not None  # noqa: S101 - all phases were run
    anomaly_map = decision.fuse_maps(raw.first.anomaly_map, second)
    p = p_value(score, inspector.manifest.group_scores)
    return Judgement(score, p, decision.verdict(score), anomaly_map)


def differences(expected: Judgement, found: Judgement, name: str) -> tuple[float, float]:
    """How far score and map differ; raises ModelError when that is too much, or p-value or verdict differ."""
    score = abs(found.score - expected.score) / max(1.0, abs(expected.score))
    largest = max(1.0, float(expected.anomaly_map.max()))
    anomaly_map = float(np.abs(found.anomaly_map - expected.anomaly_map).mean()) / largest
    what = ""
    if found.verdict is not expected.verdict or abs(found.p_value - expected.p_value) > 1e-6:
        both = [f"{each.verdict} (score {each.score:.5f}, p {each.p_value:.4f})" for each in (found, expected)]
        what = f"the graph says {both[0]}, the product {both[1]}"
    elif not score <= SCORE_TOLERANCE:  # NaN fails as well
        what = f"the scores differ by {score:.1e}, at most {SCORE_TOLERANCE:.0e} is allowed"
    elif not anomaly_map <= MAP_TOLERANCE:
        what = f"the maps differ by {anomaly_map:.1e}, at most {MAP_TOLERANCE:.0e} is allowed"
    if what:
        raise ModelError(name, what, remedy="nothing was written: please report it")
    return score, anomaly_map


def _read(values: Sequence[Any]) -> tuple[float, float, Verdict, Floats]:
    score, p, verdict, anomaly_map = values
    return float(score[0]), float(p[0]), VERDICTS[int(verdict[0])], anomaly_map


def _network(loaded: Loaded) -> bytes:
    assert loaded.network is not None  # noqa: S101 - it has weight
    return loaded.network


def _stored(inspector: Inspector) -> Iterator[tuple[str, Photo, Frame]]:
    """The stored plates, as they are and with a mark."""
    for plate in inspector.manifest.replay:
        picture, frame = inspector.stored(plate), Frame(*plate.frame)
        yield plate.file, picture, frame
        yield f"{plate.file} with a mark", verification.with_mark(picture, frame), frame


def _photographs(inspector: Inspector, folder: Path | None) -> Iterator[tuple[str, Photo, Frame]]:
    """The prepared photographs of a folder."""
    config = inspector.manifest.config
    for path in () if folder is None else reading.find(folder):
        photo = reading.decode(reading.load(path), str(path), config.bits).photo
        height, width = photo.shape[:2]
        frame = preparation.frame(width, height, config.image_size)
        yield str(path), preparation.prepare(photo, config.image_size), frame
