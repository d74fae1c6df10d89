"""An inspector that sees redness alone, and the folder of tiny plates that it judges: no training, known answers."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
from PIL import Image

from platewatch.arrays import Array
from platewatch.decision.sensitivity_summary import Illumination, Sensitivity, Trial
from platewatch.decision.verdict import FalseAlarmBound
from platewatch.inspection import SCHEMA, Defect, Evidence, Inspection, Verdict, now
from platewatch.model.inspector import Examination, Inspector
from platewatch.model.model_folder import CalibrationPlate
from platewatch.photographs import preparation, quality, reading

SIZE = 32
REVIEW, THRESHOLD = 1.0, 2.0
PROMISE = FalseAlarmBound(
    asked=0.02,
    false_alarm_rate=1 / 31,
    upper_95=0.095,
    floor=1 / 31,
    good_plates=30,
    promised=False,
    plates_needed=49,
    plates_needed_95=149,
)

SENSITIVITY = Sensitivity(
    photo_side=64,
    scale=0.5,
    mm_per_px=0.25,
    length_px=8,
    good_plates=30,
    passing=25,
    scratch=(
        Trial(1, 0.1, 20, 1, 0, (0.001, 0.249)),
        Trial(1, 0.3, 20, 12, 3, (0.361, 0.809)),
        Trial(2, 0.1, 20, 9, 2, (0.231, 0.685)),
        Trial(2, 0.3, 20, 20, 11, (0.832, 1)),
    ),
    rust=(Trial(3, 0.1, 20, 0, 0, (0, 0.168)), Trial(3, 0.3, 20, 18, 7, (0.683, 0.988))),
)
LIGHT = (
    Illumination(0.75, 0, 20, 6, 4, (0.038, 0.307)),
    Illumination(1, 0, 25, 5, 0, (0, 0.116)),
    Illumination(1, 0.04, 25, 4, 1, (0.001, 0.172)),
)


class FakeInspector:
    """Score = the reddest place, in hundreds of grey levels above 50; black photographs cannot be judged."""

    def __init__(self, training_errors: tuple[tuple[float, float], ...] = ((0.4, 0.2), (0.6, 0.3), (0.5, 0.1))) -> None:
        calibration = tuple(
            CalibrationPlate(f"{number}.png", "", 0.2 + number / 50, 0.2, 0.3, 0.1) for number in range(30)
        )
        self.manifest = SimpleNamespace(
            model_id="0123456789ab",
            files={},
            config=SimpleNamespace(image_size=SIZE),
            checks=SimpleNamespace(quality=quality.QualityLimits(20.0, 0.5, 0.5, 1.0)),
            replay=(),
            region_sha256=None,
            alpha=0.8,
            threshold=THRESHOLD,
            review=REVIEW,
            training_errors=training_errors,
            calibration=calibration,
            promise=PROMISE,
            grouping="",
            sensitivity=SENSITIVITY,
            light=LIGHT,
        )

    def examine(self, image: Any, **_options: Any) -> Examination:
        photo = image if isinstance(image, np.ndarray) else reading.read(image)
        prepared = preparation.prepare(photo, SIZE)
        frame = preparation.frame(photo.shape[1], photo.shape[0], SIZE)
        redness = np.maximum(prepared[..., 0].astype(np.float32) - prepared[..., 2] - 10, 0) / 50
        inspection = _inspection(image, None if photo.max() == 0 else float(redness.max()) + 0.1, _boxes(photo))
        return Examination(
            inspection, photo, prepared, frame, quality.measure(frame.cut(prepared)), redness, redness, np.sqrt(redness)
        )

    def reconstruct(self, prepared: Array) -> Array:
        half: Array = prepared[::2, ::2]
        return half


def fake(training_errors: tuple[tuple[float, float], ...] | None = None) -> Inspector:
    """A fake where an Inspector is expected."""
    made = FakeInspector() if training_errors is None else FakeInspector(training_errors)
    return cast(Inspector, made)


def photograph(redness: int, width: int = 64, height: int = 48) -> tuple[Array, Array]:
    """A blue-grey plate whose patch is red by so many levels: (H, W, 3) uint8, and the patch's mask (H, W) bool."""
    noise = np.random.default_rng(redness).integers(0, 6, (height, width, 1), dtype=np.uint8)
    photo = np.full((height, width, 3), (90, 95, 120), np.uint8) + noise
    mask = np.zeros((height, width), bool)
    mask[8:24, 16:40] = True
    photo[mask, 0] = photo[mask, 2] + redness
    return photo, mask


def folder(root: Path, good: tuple[int, ...], defects: dict[str, tuple[int, ...]], *, masks: bool = True) -> Path:
    """A labelled folder under `root` with one plate for each redness."""
    for defect, levels in {"good": good, **defects}.items():
        (root / "test" / defect).mkdir(parents=True)
        (root / "ground_truth" / defect).mkdir(parents=True)
        for number, redness in enumerate(levels):
            photo, mask = photograph(redness)
            Image.fromarray(photo).save(root / "test" / defect / f"{number:03}.png")
            if masks and defect != "good":
                Image.fromarray(mask).save(root / "ground_truth" / defect / f"{number:03}_mask.png")
    return root


def _boxes(photo: Array) -> tuple[Defect, ...]:
    red = np.argwhere(photo[..., 0].astype(int) - photo[..., 2] > 60)
    if not len(red):
        return ()
    (top, left), (bottom, right) = red.min(axis=0).tolist(), red.max(axis=0).tolist()
    box = (left, top, right - left + 1, bottom - top + 1)
    return (Defect(box, len(red), float(max(box[2:])), 2.0, Evidence(colour=0.9, line=0.1)),)


def _inspection(path: Path, score: float | None, defects: tuple[Defect, ...]) -> Inspection:
    judged = score is not None
    level = score or 0.0
    verdict = Verdict.REJECT if level > THRESHOLD else Verdict.REVIEW if level > REVIEW or not judged else Verdict.PASS
    return Inspection(
        schema=SCHEMA,
        image=str(path),
        image_sha256="0" * 64,
        verdict=verdict,
        reason="looks like the good plates" if verdict is Verdict.PASS else "red <places>" if judged else "too dark",
        score=score,
        threshold=THRESHOLD,
        p_value=max(1 / 31, 1 - level) if judged else None,
        surface=score,
        reconstruction_error=level / 4 if judged else None,
        latent_error=level / 8 if judged else None,
        evidence=Evidence(colour=0.9, line=0.1) if judged else None,
        defects=defects,
        error=None,
        model_id="0123456789ab",
        time=now(),
        duration_ms=12.5,
    )
