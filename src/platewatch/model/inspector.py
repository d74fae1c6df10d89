"""Judges one photograph: read → prepare → quality check → both phases → verdict → Inspection."""

import os
import time
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from platewatch.arrays import Array
from platewatch.decision import verdict
from platewatch.decision.verdict import Decision
from platewatch.errors import InputError
from platewatch.inspection import Inspection, Verdict, now
from platewatch.model import model_folder, thread_limits
from platewatch.model.model_folder import Manifest, ReplayPlate
from platewatch.model.runtime import Network, Runtime
from platewatch.photographs import preparation, quality, reading
from platewatch.photographs.preparation import Frame
from platewatch.surface.detector import Surface

Source = Path | str | bytes | Array


@dataclass(frozen=True)
class Examination:
    """An Inspection with its pictures; maps are (S, S) float32, 1 is the robust 3σ limit of good plates."""

    inspection: Inspection
    prepared: Array
    """(S, S, 3) uint8 RGB: the detectors' input."""
    frame: Frame
    """Where the photograph lies in the square."""
    conditions: quality.Conditions
    """Brightness, clipping, sharpness and contrast of the photograph."""
    anomaly_map: Array
    surface_map: Array
    network_map: Array


@dataclass(frozen=True)
class RawNumbers:
    """The detectors' output for one prepared photograph, before the decision; maps are (S, S) float32."""

    surface: float
    reconstruction_error: float
    latent_error: float
    colour_map: Array
    line_map: Array
    surface_map: Array
    network_map: Array
    """Not yet divided by `Decision.network_map_scale`."""

    @property
    def numbers(self) -> tuple[float, float, float]:
        """Surface score, reconstruction error, latent error: the arguments of `Decision.score`."""
        return self.surface, self.reconstruction_error, self.latent_error


class Inspector:
    """A loaded model that judges photographs; may be shared by threads."""

    def __init__(self, folder: Path, *, threads: int = 0, runtime: Runtime = "onnxruntime") -> None:
        """Load and check a model folder; `threads` 0 uses every core. Raises ModelError and RuntimeUnavailable.

        With more than one thread the two phases of a plate run in parallel.
        """
        thread_limits.limit_threads()
        threads = threads or thread_limits.cores()
        self.manifest: Manifest
        self.manifest, self._surface = model_folder.load(folder)
        self._folder = folder
        self._network = Network(folder / model_folder.NETWORK, threads=max(1, threads - 1), runtime=runtime)
        self._beside = ThreadPoolExecutor(threads) if threads > 1 else None
        self._model_id = self.manifest.model_id
        self._good_scores = tuple(sorted(plate.score for plate in self.manifest.calibration))

    def inspect(self, image: Source, name: str | None = None) -> Inspection:
        """Judge one photograph: a path, a file's bytes or an (H, W, 3) uint8 RGB array.

        Raises no InputError: a photograph that cannot be read gives an Inspection with verdict None and the reason in
        `error`. `name` replaces the path as the Inspection's `image`.
        """
        started = time.perf_counter()
        try:
            return self.examine(image, name).inspection
        except InputError as error:
            found = {"verdict": None, "reason": "the photograph is not readable", "error": _text(str(error))}
            return self._record(started, _name(image, name), _sha256(image), **found)

    def examine(self, image: Source, name: str | None = None) -> Examination:
        """Judge one photograph as `inspect` does and keep the pictures; raises InputError when it cannot be read."""
        started = time.perf_counter()
        name = _name(image, name)
        photo, sha256 = _read(image, name)
        size = self.manifest.config.image_size
        prepared, frame = preparation.prepare(photo, size), preparation.frame(photo.shape[1], photo.shape[0], size)
        conditions = quality.measure(frame.cut(prepared))
        obstacle = quality.reason_unusable(conditions, self.manifest.quality_limits)
        if obstacle is not None:
            blank = np.zeros((size, size), np.float32)
            judged = self._record(started, name, sha256, verdict=Verdict.REVIEW, reason=obstacle)
            return Examination(judged, prepared, frame, conditions, blank, blank, blank)
        raw = measure(self._surface, self._network, prepared, frame, self._beside)
        decision = self.manifest.decision
        network_map = raw.network_map / np.float32(decision.network_map_scale)
        anomaly_map = decision.fuse_maps(raw.surface_map, network_map)
        judged = self._record(started, name, sha256, **self._decide(raw, anomaly_map, frame, photo.shape))
        return Examination(judged, prepared, frame, conditions, anomaly_map, raw.surface_map, network_map)

    def reconstruct(self, prepared: Array) -> Array:
        """The generator's reconstruction of a prepared (S, S, 3) uint8 photograph: (R, R, 3) uint8."""
        picture: Array = self._network.reconstruct(prepared[None])[0]
        return picture

    def replay(self, plate: ReplayPlate) -> RawNumbers:
        """Compute the raw numbers of a stored calibration plate again with this inspector's runtime."""
        prepared = reading.read(self._folder / plate.file)
        return measure(self._surface, self._network, prepared, Frame(*plate.frame))

    def _decide(self, raw: RawNumbers, anomaly_map: Array, frame: Frame, shape: tuple[int, ...]) -> dict[str, Any]:
        decision = self.manifest.decision
        score = decision.score(raw.surface, raw.reconstruction_error, raw.latent_error)
        decided, p = decision.verdict(score), verdict.p_value(score, self._good_scores)
        maps, size = (anomaly_map, raw.colour_map, raw.line_map), (shape[1], shape[0])
        found = () if decided is Verdict.PASS else verdict.defects(*maps, frame, size)
        return {
            "verdict": decided,
            "reason": verdict.reason(decided, p, len(self._good_scores), found, size),
            "score": score,
            "p_value": p,
            "surface": raw.surface,
            "reconstruction_error": raw.reconstruction_error,
            "latent_error": raw.latent_error,
            "evidence": verdict.evidence(raw.colour_map, raw.line_map),
            "defects": found,
        }

    def _record(self, started: float, name: str | None, sha256: str | None, **found: Any) -> Inspection:
        return Inspection(
            image=name,
            image_sha256=sha256,
            threshold=self.manifest.threshold,
            model_id=self._model_id,
            time=now(),
            duration_ms=round(1e3 * (time.perf_counter() - started), 3),
            **found,
        )


def measure(
    surface: Surface, network: Network, prepared: Array, frame: Frame, beside: Executor | None = None
) -> RawNumbers:
    """Both phases' raw numbers of one prepared (S, S, 3) uint8 photograph; maps are 0 on the padding.

    With an executor `beside` phase two runs there, in parallel with phase one.
    """
    inside = frame.inside(prepared.shape[0])
    waiting = beside.submit(network.run, prepared[None]) if beside else None
    first = surface.inspect(prepared, inside)
    second = waiting.result() if waiting else network.run(prepared[None])
    return RawNumbers(
        surface=first.score,
        reconstruction_error=float(second.reconstruction_error[0]),
        latent_error=float(second.latent_error[0]),
        colour_map=first.colour_map,
        line_map=first.line_map,
        surface_map=first.anomaly_map,
        network_map=np.where(inside, second.anomaly_map[0], np.float32(0)),
    )


def score(surface: Surface, network: Network, prepared: Array, frame: Frame, decision: Decision) -> float:
    """Score only; a detector with weight 0 is not run."""
    first, second = 0.0, (0.0, 0.0)
    if decision.weight > 0:
        first = surface.inspect(prepared, frame.inside(prepared.shape[0])).score
    if decision.weight < 1:
        seen = network.run(prepared[None])
        second = float(seen.reconstruction_error[0]), float(seen.latent_error[0])
    return decision.score(first, *second)


def _name(image: Source, name: str | None) -> str | None:
    if name is not None or not isinstance(image, Path | str):
        return name
    return _text(str(image))


def _text(name: str) -> str:
    """A file name or message that JSON can hold: bytes that are not UTF-8 are replaced."""
    return os.fsencode(name).decode(errors="replace")


def _sha256(image: Source) -> str | None:
    """The SHA-256 of a file that could not be judged; None when its bytes cannot be read."""
    if not isinstance(image, Path | str | bytes):
        return None
    try:
        return reading.sha256(image if isinstance(image, bytes) else reading.load(Path(image)))
    except InputError:
        return None


def _read(image: Source, name: str | None) -> tuple[Array, str]:
    """The photograph (H, W, 3) uint8 RGB and the SHA-256 of its file or of the array."""
    if not isinstance(image, Path | str | bytes):
        return reading.check(image, name or "array"), reading.sha256(image)
    data = image if isinstance(image, bytes) else reading.load(Path(image))
    return reading.read(data, name), reading.sha256(data)
