"""Evaluates a model on a labelled test folder: judges every plate as on the line and compares with labels and masks."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from platewatch.arrays import Array, Floats, Mask
from platewatch.errors import InputError
from platewatch.evaluation import metrics
from platewatch.evaluation.alpha_table import AlphaRow, alpha_table
from platewatch.evaluation.metrics import PixelFigures
from platewatch.evaluation.results import Evaluation, Failure, Phase, Pixel, PlateScore
from platewatch.inspection import Verdict
from platewatch.photographs import data_sets, masks, preparation
from platewatch.photographs.data_sets import ANOMALOUS, Sample
from platewatch.photographs.region import InspectedFrame
from platewatch.progress import Progress, silent
from platewatch.surface import detector, fusion

if TYPE_CHECKING:  # the caller passes the inspector
    from platewatch.model.inspector import Examination, Inspector


MAPS = ("anomaly_map", "surface_map", "network_map")
_NEAREST = cv2.INTER_NEAREST
MAX_PIXEL_SIZE = 512
"""Default upper limit of the side at which maps are compared, px: the maps of the whole test set are in memory."""


@dataclass
class MaskedMaps:
    """Maps and masks of the test plates, without padding, for the pixel metrics."""

    wanted: int | None
    """Requested longer side, px; None for the prepared size, at most MAX_PIXEL_SIZE."""
    size: int = 0
    """Longer side used, px."""
    maps: dict[str, list[Floats]] = field(default_factory=lambda: {name: [] for name in (*MAPS, *detector.KINDS)})
    """Float32 for MAPS; float16 for the maps of single banks, of which the AUROC alone is wanted."""
    masks: list[Mask] = field(default_factory=list)
    without_mask: int = 0
    failures: list[Failure] = field(default_factory=list)

    def add(self, sample: Sample, examination: "Examination") -> None:
        """Add one plate's maps and mask; an unusable mask goes into `failures`, and the plate is left out."""
        try:
            mask = self._mask(sample, examination)
        except InputError as error:
            self.failures.append(Failure(str(sample.mask), str(error)))
            mask = None
        if mask is None:
            self.without_mask += 1
            return
        self.masks.append(mask)
        found = {name: getattr(examination, name) for name in MAPS}
        for name, seen in found.items():
            if seen is not None:  # None in a model without phase two
                self.maps[name].append(_compared(examination.frame.cut(seen), mask.shape))
        for kind, seen in zip(detector.KINDS, examination.bank_maps, strict=False):
            self.maps[kind].append(_compared(examination.frame.cut(seen), mask.shape).astype(np.float16))

    def _mask(self, sample: Sample, examination: "Examination") -> Mask | None:
        frame = examination.frame
        self.size = self.wanted or min(len(examination.prepared), MAX_PIXEL_SIZE)
        shape = _shape(frame, self.size)
        if sample.mask is None:
            return None if sample.label == ANOMALOUS else np.zeros(shape, np.bool_)
        mask = masks.read(sample.mask)
        if preparation.frame(mask.shape[1], mask.shape[0], len(examination.prepared)) != _whole(frame):
            size = f"mask of {mask.shape[1]}×{mask.shape[0]} px"
            raise InputError(
                sample.mask, size, expected=f"the size of {sample.path}", remedy="draw it on the photograph"
            )
        if mask.any() != (sample.label == ANOMALOUS):
            marked = "marks a defect" if mask.any() else "marks nothing"
            what = f"{marked}, but {sample.path} lies in {sample.path.parent.name}/"
            raise InputError(sample.mask, what, expected="a mask that fits the label", remedy="correct one of them")
        small = _resized(mask.astype(np.uint8), shape, _NEAREST) > 0
        if mask.any() and not small.any():  # a thin scratch falls between the pixels
            small = _resized(mask.astype(np.float32), shape, cv2.INTER_AREA) > 0
        if isinstance(frame, InspectedFrame):  # a defect that nobody looks for is not missed
            small &= _resized(frame.cut(frame.inside(len(examination.prepared))).view(np.uint8), shape, _NEAREST) > 0
            return small if small.any() or sample.label != ANOMALOUS else None
        return small

    def figures(self, name: str) -> PixelFigures:
        """The pixel metrics of the maps of a name, of MAPS or KINDS; None where the model has no such maps."""
        if len(self.maps[name]) < len(self.masks):
            return PixelFigures(None, None, None)
        return metrics.pixel_figures(self.maps[name], self.masks)

    def summary(self) -> Pixel | None:
        """The pixel metrics of the fused map; None without any masked defect."""
        found = self.figures("anomaly_map")
        if found.auroc is None:
            return None
        return Pixel(found.auroc, found.average_precision, found.aupro, self.size, len(self.masks), self.without_mask)


def evaluate(
    inspector: "Inspector",
    data: Path,
    *,
    pixel_size: int | None = None,
    progress: Progress = silent,
) -> Evaluation:
    """Inspect every plate of DATA/test by all phases and compute the metrics; `failed` gets what is not readable.

    Pixel metrics compare each map, without its padding, with the mask at `pixel_size` px on the longer side; good
    plates have an empty mask. Raises InputError when the folder has another layout or no readable photograph.
    """
    samples = data_sets.test(data)
    plates, failed, pixels = [], [], MaskedMaps(pixel_size)
    for done, sample in enumerate(samples, start=1):
        try:
            examination = inspector.examine(sample.path, all_phases=True)
        except InputError as error:
            failed.append(Failure(str(sample.path), str(error)))
        else:
            plates.append(_plate(sample, examination, _alone(inspector, examination)))
            if plates[-1].score is not None:
                pixels.add(sample, examination)
        progress("inspecting", done, len(samples))
    if not plates:
        raise InputError(
            data / "test", f"none of {len(samples)} photographs is readable", remedy=f"first: {failed[0].error}"
        )
    unused = [
        Failure(str(path), f"{path}: not used, no photograph has it as its mask")
        for path in data_sets.unused_masks(data, samples)
    ]
    return _evaluation(inspector, data, plates, pixels, failed=failed, unused=unused)


def _evaluation(
    inspector: "Inspector",
    data: Path,
    plates: list[PlateScore],
    pixels: MaskedMaps,
    *,
    failed: list[Failure],
    unused: list[Failure],
) -> Evaluation:
    manifest = inspector.manifest
    surface = _auroc(plates, [plate.surface for plate in plates])
    network = _auroc(plates, [plate.network_score(manifest.alpha) for plate in plates])
    return Evaluation(
        model_id=manifest.model_id,
        data=str(data),
        alpha=manifest.alpha,
        threshold=manifest.threshold,
        review=manifest.review,
        scores=tuple(plates),
        failed=tuple(failed),
        mask_failures=tuple(pixels.failures),
        unused_masks=tuple(unused),
        alpha_table=_alpha_table(manifest.training_errors, plates),
        pixel=pixels.summary(),
        surface=Phase(surface, pixels.figures("surface_map").auroc),
        skipganomaly=Phase(network, pixels.figures("network_map").auroc),
        banks={
            kind: Phase(_auroc(plates, [plate.banks.get(kind) for plate in plates]), pixels.figures(kind).auroc)
            for kind in detector.KINDS
        },
        promise=manifest.promise,
    )


def _alone(inspector: "Inspector", examination: "Examination") -> dict[str, float]:
    """The score of each bank's map alone, by the bank's name; the map is pooled as its scale was set."""
    if not examination.bank_maps:
        return {}
    inside, settings = examination.frame.inside(len(examination.prepared)), inspector.manifest.config.surface
    return {
        kind: fusion.pool(each, settings.peak_fraction, inside, settings.pool_area)
        for kind, each in zip(detector.KINDS, examination.bank_maps, strict=False)
    }


def _plate(sample: Sample, examination: "Examination", banks: dict[str, float]) -> PlateScore:
    inspection = examination.inspection
    return PlateScore(
        path=str(sample.path),
        label=sample.label,
        defect=sample.defect,
        score=inspection.score,
        p_value=inspection.p_value,
        verdict=inspection.verdict or Verdict.REVIEW,  # never None: examine() raises when it is not readable
        surface=inspection.surface,
        reconstruction_error=inspection.reconstruction_error,
        latent_error=inspection.latent_error,
        reason=inspection.reason,
        duration_ms=inspection.duration_ms,
        mask=str(sample.mask) if sample.mask else None,
        banks=banks,
    )


def _alpha_table(training_errors: Sequence[tuple[float, float]], plates: Sequence[PlateScore]) -> tuple[AlphaRow, ...]:
    judged = [
        (plate.label, (plate.reconstruction_error, plate.latent_error))
        for plate in plates
        if plate.reconstruction_error is not None and plate.latent_error is not None
    ]
    labels = np.array([label for label, _ in judged], int)
    return alpha_table(training_errors, labels, [errors for _, errors in judged])


def _auroc(plates: Sequence[PlateScore], scores: Sequence[float | None]) -> float | None:
    scored = [(plate.label, score) for plate, score in zip(plates, scores, strict=True) if score is not None]
    labels, values = np.array(scored, float).reshape(-1, 2).T
    return metrics.auroc(labels, values)


def _whole(frame: preparation.Frame) -> preparation.Frame:
    return frame.whole if isinstance(frame, InspectedFrame) else frame


def _shape(frame: preparation.Frame, size: int) -> tuple[int, int]:
    scale = size / max(frame.height, frame.width)
    return max(1, round(frame.height * scale)), max(1, round(frame.width * scale))


def _compared(part: Floats, shape: tuple[int, ...]) -> Floats:
    """A map without its padding, in the size of its mask."""
    smooth = cv2.INTER_AREA if shape[0] * shape[1] < part.size else cv2.INTER_LINEAR
    resized: Floats = _resized(part.astype(np.float32, copy=False), (shape[0], shape[1]), smooth)
    return resized


def _resized(picture: Array, shape: tuple[int, int], interpolation: int) -> Array:
    return cv2.resize(picture, shape[::-1], interpolation=interpolation) if picture.shape != shape else picture
