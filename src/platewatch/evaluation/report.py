"""Evaluation report: report.html with tables, plots (scores, ROC) and plates embedded, and the plots as PNG."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from platewatch import files
from platewatch.arrays import Doubles
from platewatch.decision import blind_spots, sensitivity_summary
from platewatch.errors import InputError
from platewatch.evaluation import metrics, plots, sensitivity_plots, tables
from platewatch.evaluation.figures import Figure
from platewatch.evaluation.results import Evaluation, PlateScore, labelled
from platewatch.inspection import Verdict
from platewatch.model import model_folder
from platewatch.photographs import masks, preparation, thumbnails
from platewatch.photographs.data_sets import NORMAL
from platewatch.photographs.overlay import FAINT, FULL, colours, overlay
from platewatch.photographs.thumbnails import jpeg_uri
from platewatch.printable import table_lines
from platewatch.progress import Progress, silent
from platewatch.templates import environment

if TYPE_CHECKING:  # the caller passes the inspector
    from platewatch.model.inspector import Examination, Inspector


_TEMPLATES = environment(filters={"filename": lambda path: Path(path).name})

_MOST_CARDS = 150  # plates with pictures; more would make the page larger than ten megabytes
_SIDES = ((48, 320), (90, 240), (_MOST_CARDS, 190))  # up to that number of plates, thumbnails of that number of px
_RIGHT_ONES = 2  # correctly judged plates shown of each folder


@dataclass(frozen=True)
class Card:
    """One plate on the page with its pictures."""

    plate: PlateScore
    pictures: tuple[tuple[str | None, str], ...]
    """(data URI, caption) each; None where there is no picture."""


@dataclass(frozen=True)
class Group:
    """Plates shown under one title."""

    title: str
    note: str
    plates: tuple[PlateScore, ...]


def write_evaluation(evaluation: Evaluation, inspector: "Inspector", out: Path, *, progress: Progress = silent) -> Path:
    """Write OUT/report.html, its plots as PNG, and plates.csv, a row for each photograph; returns the page's path.

    Plates that are shown are examined once more for their pictures. Raises OutputError when a file cannot be written.
    """
    pngs = {name: figure_png(figure) for name, figure in figures(evaluation, inspector).items()}
    for name, png in pngs.items():
        write(out / f"{name}.png", png)
    chosen = groups(evaluation)
    shown = [plate for group in chosen for plate in group.plates][:_MOST_CARDS]
    side = next(side for most, side in _SIDES if len(shown) <= most)
    cards = {}
    for done, plate in enumerate(shown, start=1):
        cards[plate.path] = card(plate, inspector, side)
        progress("drawing the report", done, len(shown))
    scale = np.linspace(FAINT, FULL, 160, dtype=np.float32)[None].repeat(14, axis=0)
    manifest = inspector.manifest
    page = render(
        "evaluation.html",
        evaluation=evaluation,
        plots={name: thumbnails.data_uri(png) for name, png in pngs.items()},
        groups=chosen,
        every=sorted(evaluation.scores, key=lambda plate: -1.0 if plate.score is None else -plate.score),
        cards=cards,
        sheets=tables,
        found=manifest.sensitivity,
        summary=sensitivity_summary,
        blind_spots=blind_spots,
        examples=_examples(inspector),
        scale={"uri": jpeg_uri(colours(scale)), "faint": FAINT, "full": FULL},
    )
    write(out / "plates.csv", "".join(table_lines(_COLUMNS, _rows(evaluation))))
    return write(out / "report.html", page)


_COLUMNS = (
    *("photograph", "folder", "label", "verdict", "mistake", "score", "threshold", "p_value", "surface"),
    *("reconstruction_error", "latent_error", "duration_ms", "reason"),
)


def _rows(evaluation: Evaluation) -> Iterator[Sequence[object]]:
    """One row for each photograph, in the order in which they were judged; at the end those not readable."""
    for plate in evaluation.scores:
        label = "good" if plate.label == NORMAL else "defective"
        yield (
            *(plate.path, plate.defect, label, str(plate.verdict), plate.mistake, plate.score, evaluation.threshold),
            *(plate.p_value, plate.surface, plate.reconstruction_error, plate.latent_error, plate.duration_ms),
            plate.reason,
        )
    for failure in evaluation.failed:
        yield (failure.path, *[None] * (len(_COLUMNS) - 2), failure.error)


def figures(evaluation: Evaluation, inspector: "Inspector") -> dict[str, Figure]:
    """The page's plots by file name: `scores`, `sensitivity`, `light`, and where possible `roc` and `alpha_table`."""
    manifest = inspector.manifest
    classes = {"good, training": np.array([plate.score for plate in manifest.calibration])}
    for counts in evaluation.defects:
        plates = [plate for plate in evaluation.scores if plate.defect == counts.defect]
        classes[counts.defect] = labelled(plates)[1]
    found = {
        "scores": plots.score_distributions(classes, evaluation.threshold, evaluation.review),
        "sensitivity": sensitivity_plots.sensitivity(manifest.sensitivity),
        "light": sensitivity_plots.illumination(manifest.light),
    }
    if evaluation.auroc is not None:
        found["roc"] = plots.roc_curves(_curves(evaluation))
    if evaluation.alpha_table:
        points = [
            plots.AlphaPoint(row.alpha, row.precision_good, row.recall_good, row.missed.count, row.false_alarms.count)
            for row in evaluation.alpha_table
        ]
        found["alpha_table"] = plots.alpha_table(points, evaluation.alpha)
    return found


def groups(evaluation: Evaluation) -> tuple[Group, ...]:
    """The plates shown: every mistake, every plate in REVIEW, and of each folder two that were judged correctly.

    These two are the one closest to the threshold and one with the median distance from it.
    """
    ordered = sorted(evaluation.scores, key=lambda plate: -1.0 if plate.score is None else plate.score)
    missed = tuple(plate for plate in ordered if plate.mistake == "missed")
    alarms = tuple(plate for plate in reversed(ordered) if plate.mistake == "false_alarm")
    review = tuple(plate for plate in ordered if plate.verdict is Verdict.REVIEW)
    right = [plate for plate in ordered if plate.mistake is None and plate.verdict is not Verdict.REVIEW]
    sample: list[PlateScore] = []
    for counts in evaluation.defects:
        plates = [plate for plate in right if plate.defect == counts.defect]
        closest = sorted(plates, key=lambda plate: abs((plate.score or 0) - evaluation.threshold))
        sample += dict.fromkeys([*closest[:1], *closest[len(closest) // 2 :]][:_RIGHT_ONES])
    return (
        Group("Missed", "Defective plates that passed.", missed),
        Group("False alarms", "Good plates that were rejected.", alarms),
        Group("In review", "Plates for a person: between the two limits, or refused by the quality check.", review),
        Group("Correct", "Of each folder the plate closest to the limit and a typical one.", tuple(sample)),
    )


def card(plate: PlateScore, inspector: "Inspector", side: int) -> Card:
    """The plate's photograph, reconstruction, map and mask as thumbnails of at most `side` px."""
    try:
        seen = inspector.examine(Path(plate.path))
        photo = seen.photo
    except InputError:
        return Card(plate, ((None, "the photograph was removed after it was judged"),))
    return Card(
        plate,
        (
            (jpeg_uri(photo, side), "photograph"),
            _reconstruction(inspector, seen, side),
            (jpeg_uri(overlay(photo, seen.frame.cut(seen.anomaly_map), seen.inspection.defects), side), "anomaly map"),
            _mask(plate, side),
        ),
    )


def figure_png(figure: Figure) -> bytes:
    """The bytes of a PNG file; equal figures give equal bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=144, metadata={"Software": None})
    return buffer.getvalue()


def render(template: str, **context: object) -> str:
    """The named template of the package filled in; every text is escaped, a name that is missing is an error."""
    return _TEMPLATES.get_template(template).render(**context)


def write(path: Path, content: str | bytes) -> Path:
    """Write a page or a picture and return `path`; raises OutputError."""
    return files.write(path, content, remedy="free some space or name another --out folder")


def _examples(inspector: "Inspector") -> str | None:
    """The picture of blind spots of the model folder as data URI; None in models without it."""
    if model_folder.BLIND_SPOTS not in inspector.manifest.files:
        return None
    return thumbnails.data_uri(model_folder.read_file(inspector.folder, model_folder.BLIND_SPOTS))


def _curves(evaluation: Evaluation) -> dict[str, tuple[Doubles, Doubles, float | None]]:
    judged = [plate for plate in evaluation.scores if plate.score is not None]
    numbers = {
        "both phases": ([plate.score for plate in judged], evaluation.auroc),
        "surface": ([plate.surface for plate in judged], evaluation.surface.auroc),
        "Skip-GANomaly": ([plate.network_score(evaluation.alpha) for plate in judged], evaluation.skipganomaly.auroc),
    }
    labels = labelled(judged)[0]
    return {
        name: (*metrics.roc(labels, np.array(scores, float)), area)
        for name, (scores, area) in numbers.items()
        if None not in scores
    }


def _reconstruction(inspector: "Inspector", seen: "Examination", side: int) -> tuple[str | None, str]:
    """The network's reconstruction without padding, as a thumbnail."""
    picture = inspector.reconstruct(seen.prepared)
    if picture is None:
        return None, "no phase two: no reconstruction"
    height, width = seen.photo.shape[:2]
    return jpeg_uri(preparation.frame(width, height, len(picture)).cut(picture), side), "reconstruction"


def _mask(plate: PlateScore, side: int) -> tuple[str | None, str]:
    if plate.label == NORMAL:
        return None, "good plate: no mask"
    try:
        if plate.mask is None:
            return None, "no mask file"
        return jpeg_uri(np.repeat(np.uint8(255) * masks.read(Path(plate.mask))[..., None], 3, axis=2), side), "mask"
    except InputError:
        return None, "the mask cannot be read"
