"""Judges one photograph: read → prepare → checks → both phases → verdict → Inspection."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from platewatch.arrays import Array, Floats, Photo
from platewatch.decision import verdict
from platewatch.errors import InputError, ModelError, PlatewatchError, UnknownPartType
from platewatch.inspection import Inspection, Verdict, now
from platewatch.model import millimetres, model_folder, pose_words, scoring, thread_limits
from platewatch.model.model_folder import Manifest, ReplayPlate
from platewatch.model.runtime import Network, Runtime
from platewatch.model.scoring import Checks, Phase, RawNumbers, ScoredPhoto, Stage
from platewatch.photographs import colour, part_shape, preparation, quality, reading
from platewatch.photographs.part_shape import Examined, Finding
from platewatch.photographs.preparation import Frame
from platewatch.photographs.reading import Decoded
from platewatch.photographs.region import InspectedFrame
from platewatch.surface.detector import Surface, SurfaceResult
from platewatch.surface.fusion import Maps

if TYPE_CHECKING:  # as in __init__
    from platewatch.signing import PublicKey

Source = Path | str | bytes | Array

_ALWAYS = frozenset[Phase](("surface",))
"""Phase one is run even where it has no weight: it says where a defect lies, and whether it is colour or line."""


@dataclass(frozen=True)
class Examination:
    """An Inspection with its pictures; maps are (S, S) float32, 1 is the robust 3σ limit of good plates."""

    inspection: Inspection
    photo: Photo
    """(H, W, 3) uint8 RGB, as it was read."""
    prepared: Photo
    """(S, S, 3) uint8 RGB: the detectors' input."""
    frame: Frame
    """Where the photograph lies in the square."""
    conditions: quality.Conditions
    """Brightness, clipping, sharpness and contrast of the photograph."""
    anomaly_map: Floats
    surface_map: Floats
    network_map: Floats | None
    """None where phase two was not run."""
    bank_maps: Maps = ()
    """Each bank's own map, where all were asked for; empty where the checks refuse the photograph."""
    damage: str = ""
    """Why the file is taken to be damaged though it could be decoded; empty for most."""


class Inspector:
    """A loaded model that judges photographs; may be shared by threads."""

    def __init__(
        self,
        folder: Path,
        *,
        threads: int = 0,
        runtime: Runtime = "onnxruntime",
        signed_by: "Sequence[PublicKey]" = (),
        all_phases: bool = False,
    ) -> None:
        """Load and check a model folder; `threads` 0 uses every core. Raises ModelError and RuntimeUnavailable.

        Phase two and the banks of phase one are run only where they have weight in the score, or with `all_phases`.
        With more than one thread the two phases of a plate run in parallel. With keys in `signed_by`, a folder that
        none of them signed is refused.
        """
        thread_limits.limit_threads()
        threads = threads or thread_limits.cores()
        loaded = model_folder.load(folder, threads=threads, runtime=runtime)
        if signed_by or (folder / model_folder.SIGNATURE).exists():
            from platewatch.model import signature  # noqa: PLC0415 - most folders have none, and judging needs none

            signature.require(folder, loaded.manifest, tuple(signed_by))
        self.manifest: Manifest = loaded.manifest
        self.folder, self._surface = folder, loaded.surface
        self._all_phases = all_phases
        self._phases = scoring.PHASES if all_phases else scoring.weighted(self.manifest.decision) | _ALWAYS
        self._network = self._opened(loaded.network, max(1, threads - 1), runtime)
        self._beside = ThreadPoolExecutor(threads) if threads > 1 else None
        self._model_id = self.manifest.model_id
        self._stored = {name: self._decoded(folder / name, data) for name, data in loaded.replay.items()}
        good = list(self._stored.values())
        self._knows_colour = 2 * sum(map(colour.has_much, good)) > len(good)
        self._checks = replace(self.manifest.checks, shape=loaded.shape, region=loaded.region)
        self._good_scores = self.manifest.group_scores
        self._good = "groups of good plates" if self.manifest.grouping else "good plates"

    def inspect(self, image: Source, name: str | None = None) -> Inspection:
        """Judge one photograph: a path, a file's bytes or an (H, W, 3) uint8 RGB array.

        Raises no InputError: a photograph that is not readable gives an Inspection with verdict None and the reason in
        `error`. `name` replaces the path as the Inspection's `image`.
        """
        started = time.perf_counter()
        try:
            return self.examine(image, name).inspection
        except InputError as error:
            return failed(self.manifest, image, name, error, started)

    def examine(
        self, image: Source, name: str | None = None, *, all_phases: bool = False, stage: Stage = scoring.run_stage
    ) -> Examination:
        """Judge one photograph as `inspect` does and keep the pictures; raises InputError when it is not readable.

        With `all_phases` phase two and all banks are run also where they have no weight.
        """
        started = time.perf_counter()
        name = _name(image, name)
        found, sha256 = _read(image, name, self.manifest.config.bits)
        photo = found.photo
        size, decision = self.manifest.config.image_size, self.manifest.decision
        prepared = stage("prepare", lambda: preparation.prepare(photo, size))
        frame = preparation.frame(photo.shape[1], photo.shape[0], size)

        phases, every_bank = scoring.PHASES if all_phases else self._phases, all_phases or self._all_phases

        def detect(prepared: Photo, frame: Frame) -> RawNumbers:
            detectors, beside = (self._surface, self._network), self._beside
            return scoring.measure(
                *detectors, prepared, frame, phases, every_bank=every_bank, beside=beside, stage=stage
            )

        record = partial(self._record, started, name, sha256, decoder_messages=found.messages)
        blank = np.zeros((size, size), np.float32)
        if found.damage:
            inspection = record(verdict=Verdict.REVIEW, reason=f"the file is damaged ({found.damage})")
            conditions = quality.measure(frame.cut(prepared))
            return Examination(inspection, photo, prepared, frame, conditions, *(blank,) * 3, damage=found.damage)
        taken, checks = (photo.shape[1], photo.shape[0]), self._checks
        judged = scoring.judge_prepared(prepared, frame, decision, checks, detect, size=taken, stage=stage)
        unusable = judged.unusable
        if unusable is None and self._knows_colour and colour.has_none(photo):
            unusable = "the photograph has no colour, the good ones have"
        if judged.raw is None or unusable is not None:
            inspection = record(verdict=Verdict.REVIEW, reason=unusable)
            return Examination(inspection, photo, prepared, frame, judged.conditions, blank, blank, blank)
        frame = judged.frame or frame
        first, second, scale = judged.raw.first, judged.raw.second, decision.network_map_scale
        assert first is not None  # noqa: S101 - phase one is always run
        network_map = None if second is None or scale is None else second.anomaly_map / np.float32(scale)
        anomaly_map = decision.fuse_maps(first.anomaly_map, network_map)
        inspection = record(**self._describe(judged, first, anomaly_map, frame, photo.shape))
        maps = anomaly_map, first.anomaly_map, network_map, first.maps if every_bank else ()
        return Examination(inspection, photo, prepared, frame, judged.conditions, *maps)

    @property
    def checks(self) -> Checks:
        """All checks, the shape check and the region among them."""
        return self._checks

    @property
    def surface(self) -> Surface:
        """Phase one."""
        return self._surface

    def reconstruct(self, prepared: Photo) -> Photo | None:
        """The generator's reconstruction of a prepared (S, S, 3) uint8 photograph: (R, R, 3) uint8.

        None in a model without phase two.
        """
        return None if self._network is None else self._network.reconstruct(prepared[None])[0]

    def replay(self, plate: ReplayPlate) -> RawNumbers:
        """Compute the raw numbers of a stored calibration plate again with this inspector's runtime, by all phases."""
        return self.measure(self.stored(plate), Frame(*plate.frame))

    def findings(self, plate: ReplayPlate) -> tuple[Finding, ...]:
        """What the shape check finds on a stored calibration plate; empty in a model without it."""
        found = self._shape(self.stored(plate), Frame(*plate.frame))
        return () if found is None else found.findings

    def seen(self, prepared: Photo, frame: Frame) -> tuple[Photo, Frame]:
        """A prepared (S, S, 3) uint8 photograph as the detectors see it, and its frame with the region.

        Where the region's place is not known, the whole photograph.
        """
        region = self._checks.region
        if region is None:
            return prepared, frame
        if isinstance(frame, InspectedFrame):
            return region.blanked(prepared, frame, frame.inspected)
        return scoring.inspected(prepared, frame, region, self._shape(prepared, frame)) or (prepared, frame)

    def _shape(self, prepared: Photo, frame: Frame) -> Examined | None:
        check = self._checks.shape
        return None if check is None else part_shape.examine(frame.cut(prepared), check)

    def measure(self, prepared: Photo, frame: Frame) -> RawNumbers:
        """The raw numbers of a prepared (S, S, 3) uint8 photograph, by all phases and banks, within the region."""
        return scoring.measure(self._surface, self._network, *self.seen(prepared, frame), every_bank=True)

    def stored(self, plate: ReplayPlate) -> Photo:
        """The prepared photograph (S, S, 3) uint8 of a stored calibration plate, as it was loaded."""
        return self._stored[plate.file]

    def _opened(self, network: bytes | None, threads: int, runtime: Runtime) -> Network | None:
        if network is None:
            return None
        name, size = str(self.folder / model_folder.NETWORK), self.manifest.config.image_size
        at_once = "skipganomaly" in self._phases  # otherwise its memory is for a question that may never come
        opened = Network(network, threads=threads, runtime=runtime, name=name, at_once=at_once)
        if opened.image_size != size:
            what, expected = f"takes photographs of {opened.image_size} px", f"{size} px, as the manifest says"
            raise ModelError(name, what, expected=expected, remedy="restore the file or train again")
        return opened

    def _decoded(self, path: Path, data: bytes) -> Photo:
        size = self.manifest.config.image_size
        try:
            photo = reading.read(data)
        except InputError as error:
            raise ModelError(path, error.reason, remedy="restore the file or train again") from error
        if photo.shape != (size, size, 3):
            raise ModelError(path, f"has the shape {photo.shape}", expected=f"({size}, {size}, 3)")
        return photo

    def _describe(
        self, judged: ScoredPhoto, first: SurfaceResult, anomaly_map: Floats, frame: Frame, shape: tuple[int, ...]
    ) -> dict[str, Any]:
        """The fields of an Inspection that the judgement gives."""
        raw, score, decided = judged.raw, judged.score, judged.verdict
        assert raw is not None and score is not None  # noqa: S101, PT018 - it passed the checks
        p = verdict.p_value(score, self._good_scores)
        by_score = self.manifest.decision.verdict(score)
        size, weights = (shape[1], shape[0]), self._surface.fusion.weights
        maps = [each if weight else np.zeros_like(each) for weight, each in zip(weights, first.maps, strict=True)]
        plane = millimetres.plane(self.manifest.config, judged.shape, frame, size)
        found = () if by_score is Verdict.PASS else verdict.defects(anomaly_map, maps, frame, size)
        reason = verdict.reason(by_score, p, len(self._good_scores), found, size, what=self._good)
        described = pose_words.described(judged.shape, frame, size)
        return {
            **described,
            "scale": millimetres.stated(plane, size),
            "verdict": decided,
            "reason": pose_words.reason(reason, described["findings"], passed=by_score is Verdict.PASS),
            "score": score,
            "p_value": p,
            "surface": raw.surface,
            "reconstruction_error": raw.reconstruction_error,
            "latent_error": raw.latent_error,
            "evidence": verdict.evidence(maps),
            "defects": tuple(millimetres.measured(each, plane, 1 / frame.scale) for each in found),
        }

    def _record(self, started: float, name: str | None, sha256: str | None, **found: Any) -> Inspection:
        return _inspection(self.manifest, started, name, sha256, **found)


def failed(manifest: Manifest | None, image: Source, name: str | None, error: Exception, started: float) -> Inspection:
    """The Inspection of a photograph without a verdict: an InputError means that the photograph is not readable.

    UnknownPartType means that there is no model for it; then `manifest` is None, and the model's id is empty. Any other
    error is the detectors'. `started` is `time.perf_counter()` when judging began.
    """
    reason = "the photograph is not readable" if isinstance(error, InputError) else "could not be judged"
    reason = "the part type is unknown" if isinstance(error, UnknownPartType) else reason
    what = str(error) if isinstance(error, PlatewatchError) else f"{type(error).__name__}; see the log"
    found = {"verdict": None, "reason": reason, "error": what}
    return _inspection(manifest, started, _name(image, name), _sha256(image), **found)


def _inspection(
    manifest: Manifest | None, started: float, name: str | None, sha256: str | None, **found: Any
) -> Inspection:
    return Inspection(
        image=name,
        image_sha256=sha256,
        threshold=0.0 if manifest is None else manifest.threshold,
        region=None if manifest is None else manifest.region_sha256,
        model_id="" if manifest is None else manifest.model_id,
        time=now(),
        duration_ms=round(1e3 * (time.perf_counter() - started), 3),
        **found,
    )


def _name(image: Source, name: str | None) -> str | None:
    return name if name is not None or not isinstance(image, Path | str) else str(image)


def _sha256(image: Source) -> str | None:
    """The SHA-256 of a file that could not be judged; None when its bytes cannot be read."""
    if not isinstance(image, Path | str | bytes):
        return None
    try:
        return reading.sha256(image if isinstance(image, bytes) else reading.load(Path(image)))
    except InputError:
        return None


def _read(image: Source, name: str | None, bits: int | None) -> tuple[Decoded, str]:
    """The photograph, and the SHA-256 of its file or of the array."""
    if not isinstance(image, Path | str | bytes):
        return Decoded(reading.check(image, name or "array")), reading.sha256(image)
    data = image if isinstance(image, bytes) else reading.load(Path(image))
    return reading.decode(data, name or "photograph", bits), reading.sha256(data)
