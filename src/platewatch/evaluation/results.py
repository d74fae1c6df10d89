"""Results of an evaluation as values: the plates' scores, counts of verdicts, metrics, and their JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from platewatch.arrays import Doubles, Labels
from platewatch.decision.intervals import Interval
from platewatch.decision.verdict import HOLDS, FalseAlarmBound
from platewatch.evaluation import metrics
from platewatch.evaluation.alpha_table import AlphaRow
from platewatch.evaluation.later import Later
from platewatch.evaluation.metrics import Proportion
from platewatch.inspection import SCHEMA, Verdict
from platewatch.photographs.data_sets import ANOMALOUS, NORMAL


@dataclass(frozen=True)
class PlateScore:
    """One labelled plate with a readable photograph: its score and verdict."""

    path: str
    label: int
    defect: str
    score: float | None
    """None when the quality check refused the photograph: the verdict is REVIEW, and AUROC leaves it out."""
    p_value: float | None
    verdict: Verdict
    surface: float | None
    reconstruction_error: float | None
    latent_error: float | None
    reason: str
    duration_ms: float
    mask: str | None
    """Path of the mask file, if there is one."""
    banks: Mapping[str, float] = field(default_factory=dict, hash=False)
    """Score of each bank's map alone, by the bank's name; empty when the quality check refused the photograph."""

    @property
    def mistake(self) -> str | None:
        """`missed`, `false_alarm`, or None."""
        if self.label == ANOMALOUS and self.verdict is Verdict.PASS:
            return "missed"
        return "false_alarm" if self.label == NORMAL and self.verdict is Verdict.REJECT else None

    def network_score(self, alpha: float | None) -> float | None:
        """Phase two's raw score: alpha · reconstruction error + (1 − alpha) · latent error."""
        if alpha is None or self.reconstruction_error is None or self.latent_error is None:
            return None
        return alpha * self.reconstruction_error + (1 - alpha) * self.latent_error


@dataclass(frozen=True)
class Failure:
    """A photograph or mask that could not be used, and why."""

    path: str
    error: str


@dataclass(frozen=True)
class DefectCounts:
    """Verdicts on the plates of one folder."""

    defect: str
    label: int
    passed: int
    review: int
    reject: int

    @property
    def images(self) -> int:
        return self.passed + self.review + self.reject

    @property
    def mistakes(self) -> Proportion:
        """Missed plates of a defect folder, false alarms of the good folder."""
        return Proportion(self.passed if self.label == ANOMALOUS else self.reject, self.images)


@dataclass(frozen=True)
class Pixel:
    """Pixel metrics of the fused map, at `size` px on the photograph's longer side."""

    auroc: float | None
    average_precision: float | None
    aupro: float | None
    size: int
    images: int
    without_mask: int
    """Number of anomalous plates without a usable mask; they are left out."""


@dataclass(frozen=True)
class Phase:
    """AUROCs of one phase, or of one bank of phase one, alone."""

    auroc: float | None
    pixel_auroc: float | None


@dataclass(frozen=True)
class Evaluation:
    """The results of one model on one labelled folder."""

    model_id: str
    data: str
    alpha: float | None
    """None in a model without phase two."""
    threshold: float
    """Scores above it are REJECT."""
    review: float
    """Scores above it, up to `threshold`, are REVIEW."""
    scores: tuple[PlateScore, ...]
    failed: tuple[Failure, ...]
    mask_failures: tuple[Failure, ...]
    unused_masks: tuple[Failure, ...]
    """Files in ground_truth that are the mask of no photograph."""
    alpha_table: tuple[AlphaRow, ...]
    """Empty when the manifest has no training errors."""
    pixel: Pixel | None
    surface: Phase
    skipganomaly: Phase
    promise: FalseAlarmBound
    banks: Mapping[str, Phase] = field(default_factory=dict)
    """The banks of phase one by name: colour, line, texture; None for what the model does not have."""
    later: Later | None = None
    """Verdicts on good plates photographed after training; None when no folder of them was given."""

    @property
    def defects(self) -> tuple[DefectCounts, ...]:
        """Counts of verdicts per folder, good plates first."""
        folders = dict.fromkeys((plate.defect, plate.label) for plate in self.scores)
        return tuple(
            DefectCounts(defect, label, *(self._count(verdict, defect=defect) for verdict in Verdict))
            for defect, label in folders
        )

    @property
    def normal(self) -> int:
        return sum(plate.label == NORMAL for plate in self.scores)

    @property
    def anomalous(self) -> int:
        return sum(plate.label == ANOMALOUS for plate in self.scores)

    @property
    def missed(self) -> Proportion:
        return Proportion(self._count(Verdict.PASS, label=ANOMALOUS), self.anomalous)

    @property
    def false_alarms(self) -> Proportion:
        return Proportion(self._count(Verdict.REJECT, label=NORMAL), self.normal)

    @property
    def reviewed_normal(self) -> Proportion:
        return Proportion(self._count(Verdict.REVIEW, label=NORMAL), self.normal)

    @property
    def reviewed_anomalous(self) -> Proportion:
        return Proportion(self._count(Verdict.REVIEW, label=ANOMALOUS), self.anomalous)

    @property
    def unjudged(self) -> tuple[PlateScore, ...]:
        """Plates that the checks refused: too dark, clipped, blurred, no plate in view, or the part cut off."""
        return tuple(plate for plate in self.scores if plate.score is None)

    @property
    def auroc(self) -> float | None:
        return metrics.auroc(*labelled(self.scores))

    @property
    def auroc_interval(self) -> Interval | None:
        area, (labels, _) = self.auroc, labelled(self.scores)
        anomalous = int(labels.sum())
        return None if area is None else metrics.auroc_interval(area, len(labels) - anomalous, anomalous)

    @property
    def average_precision(self) -> float | None:
        return metrics.average_precision(*labelled(self.scores))

    @property
    def duration_ms(self) -> tuple[float, float]:
        """Median and 95th percentile of the time per plate, ms."""
        median, p95 = np.percentile([plate.duration_ms for plate in self.scores], [50, 95])
        return float(median), float(p95)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values, as in schemas/evaluation.json; None for metrics that the data do not allow."""
        median, p95 = self.duration_ms
        return {
            "schema": SCHEMA,
            "model_id": self.model_id,
            "images": {"normal": self.normal, "anomalous": self.anomalous},
            "auroc": self.auroc,
            "auroc_interval": self.auroc_interval and list(self.auroc_interval),
            "average_precision": self.average_precision,
            "alpha": self.alpha,
            "threshold": self.threshold,
            "review": self.review,
            "verdicts": self._verdicts(),
            "alpha_table": [_alpha_row(row) for row in self.alpha_table],
            "pixel": self.pixel and asdict(self.pixel),
            "phases": {
                name: asdict(each)
                for name, each in {"surface": self.surface, "skipganomaly": self.skipganomaly, **self.banks}.items()
            },
            "scores": [_without(asdict(plate), "reason", "duration_ms", "mask", "banks") for plate in self.scores],
            "unjudged": [{"path": plate.path, "reason": plate.reason} for plate in self.unjudged],
            "failed": [asdict(failure) for failure in self.failed],
            "mask_failures": [asdict(failure) for failure in self.mask_failures],
            "unused_masks": [failure.path for failure in self.unused_masks],
            "promise": {**asdict(self.promise), "groups": self.promise.counted, "few_groups": self.promise.few}
            | {"holds": HOLDS},
            "later": self.later and self.later.as_dict(),
            "duration_ms": {"median": median, "p95": p95},
        }

    def _count(self, verdict: Verdict, *, defect: str | None = None, label: int | None = None) -> int:
        return sum(
            plate.verdict is verdict and defect in (None, plate.defect) and label in (None, plate.label)
            for plate in self.scores
        )

    def _verdicts(self) -> dict[str, Any]:
        names = ("missed", "false_alarms", "reviewed_normal", "reviewed_anomalous")
        proportions = {name: getattr(self, name) for name in names}
        return {
            **{name: each.count for name, each in proportions.items()},
            "intervals": {name: each.as_dict() for name, each in proportions.items()},
            "defects": {counts.defect: _defect(counts) for counts in self.defects},
        }


def labelled(scores: Sequence[PlateScore]) -> tuple[Labels, Doubles]:
    """Labels (N,) int and scores (N,) float of the plates that have a score."""
    judged = [(plate.label, plate.score) for plate in scores if plate.score is not None]
    labels = np.array([label for label, _ in judged], int)
    return labels, np.array([score for _, score in judged], float)


def _defect(counts: DefectCounts) -> dict[str, Any]:
    mistakes, anomalous = counts.mistakes, counts.label == ANOMALOUS
    return {
        "images": counts.images,
        "pass": counts.passed,
        "review": counts.review,
        "reject": counts.reject,
        "missed": mistakes.count if anomalous else 0,
        "false_alarms": 0 if anomalous else mistakes.count,
        "interval": list(mistakes.interval),
    }


def _alpha_row(row: AlphaRow) -> dict[str, Any]:
    return {
        "alpha": row.alpha,
        "threshold": row.threshold,
        "precision_good": row.precision_good,
        "recall_good": row.recall_good,
        "missed": row.missed.count,
        "false_alarms": row.false_alarms.count,
    }


def _without(values: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in names}
