"""Tables and pictures → one HTML file that needs nothing beside it."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from platewatch import files
from platewatch.arrays import Array
from platewatch.decision import sensitivity_summary
from platewatch.errors import InputError
from platewatch.evaluation import metrics, plots, sensitivity_plots, tables
from platewatch.evaluation.results import Evaluation, PlateScore, labelled
from platewatch.inspection import Verdict
from platewatch.photographs import preparation, reading, thumbnails
from platewatch.photographs.data_sets import NORMAL
from platewatch.photographs.overlay import FAINT, FULL, colours, overlay
from platewatch.photographs.thumbnails import jpeg_uri
from platewatch.templates import environment

if TYPE_CHECKING:  # a caller brings the inspector
    from platewatch.model.inspector import Examination, Inspector


_TEMPLATES = environment(filters={"filename": lambda path: Path(path).name})

_MOST_CARDS = 150  # plates shown with pictures; beyond them the page would pass ten megabytes
_SIDES = ((48, 320), (90, 240), (_MOST_CARDS, 190))  # up to so many plates, thumbnails of so many px
_RIGHT_ONES = 2  # shown of each folder


@dataclass(frozen=True)
class Card:
    """One plate on the page: its pictures as data URIs, None where there is none, and what was said of it."""

    plate: PlateScore
    pictures: tuple[tuple[str | None, str], ...]
    """(data URI, caption) each."""


@dataclass(frozen=True)
class Group:
    """Plates shown under one title."""

    title: str
    note: str
    plates: tuple[PlateScore, ...]


def write_evaluation(
    evaluation: Evaluation, inspector: "Inspector", out: Path, *, progress: Callable[[int, int], None] | None = None
) -> Path:
    """Write OUT/report.html and its plots as PNG beside it; returns the page's path.

    The plates shown are examined once more for their pictures. Raises OutputError when something cannot be written.
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
        if progress:
            progress(done, len(shown))
    scale = np.linspace(FAINT, FULL, 160, dtype=np.float32)[None].repeat(14, axis=0)
    manifest = inspector.manifest
    page = render(
        "evaluation.html",
        evaluation=evaluation,
        plots={name: thumbnails.data_uri(png) for name, png in pngs.items()},
        groups=chosen,
        cards=cards,
        sheets=tables,
        found=manifest.sensitivity,
        statement=sensitivity_summary,
        scale={"uri": jpeg_uri(colours(scale)), "faint": FAINT, "full": FULL},
    )
    return write(out / "report.html", page)


def figures(evaluation: Evaluation, inspector: "Inspector") -> dict[str, Figure]:
    """The page's plots by file name: `scores`, what is found, and where they can be drawn `roc` and `alpha_table`."""
    manifest = inspector.manifest
    classes = {"good, training": np.array([plate.score for plate in manifest.calibration])}
    for counts in evaluation.defects:
        plates = [plate for plate in evaluation.scores if plate.defect == counts.defect]
        classes[counts.defect] = labelled(plates)[1]
    drawn = {
        "scores": plots.score_distributions(classes, evaluation.threshold, evaluation.review),
        "sensitivity": sensitivity_plots.sensitivity(manifest.sensitivity),
        "light": sensitivity_plots.light(manifest.light),
    }
    if evaluation.auroc is not None:
        drawn["roc"] = plots.roc_curves(_curves(evaluation))
    if evaluation.alpha_table:
        points = [
            plots.AlphaPoint(row.alpha, row.precision_good, row.recall_good, row.missed.count, row.false_alarms.count)
            for row in evaluation.alpha_table
        ]
        drawn["alpha_table"] = plots.alpha_table(points, evaluation.alpha)
    return drawn


def groups(evaluation: Evaluation) -> tuple[Group, ...]:
    """Every mistake, every plate in REVIEW, then of each folder the closest call and the middle one that were right."""
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
        Group("In review", "Plates left to a person: between the two limits, or not to be judged.", review),
        Group("Right ones", "Of each folder the closest call and a typical one.", tuple(sample)),
    )


def card(plate: PlateScore, inspector: "Inspector", side: int) -> Card:
    """The plate's photograph, reconstruction, map and mask as thumbnails of at most `side` px."""
    try:
        photo = reading.read(Path(plate.path))
        seen = inspector.examine(Path(plate.path))
    except InputError:
        return Card(plate, ((None, "the photograph has gone since it was judged"),))
    return Card(
        plate,
        (
            (jpeg_uri(photo, side), "photograph"),
            (jpeg_uri(_redrawn(inspector, photo, seen), side), "redrawn by the network"),
            (jpeg_uri(overlay(photo, seen.frame.cut(seen.anomaly_map), seen.inspection.defects), side), "anomaly map"),
            _mask(plate, side),
        ),
    )


def figure_png(figure: Figure) -> bytes:
    """The figure as a PNG file's bytes, the same bytes for the same figure."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=144, metadata={"Software": None})
    return buffer.getvalue()


def render(template: str, **context: object) -> str:
    """The named template of the package filled in; every text is escaped, a name that is missing is an error."""
    return _TEMPLATES.get_template(template).render(**context)


def write(path: Path, content: str | bytes) -> Path:
    """Write a page or a picture and return `path`; raises OutputError."""
    return files.write(path, content, remedy="free some space or name another --out folder")


def _curves(evaluation: Evaluation) -> dict[str, tuple[Array, Array, float | None]]:
    judged = [plate for plate in evaluation.scores if plate.score is not None]
    numbers = {
        "both phases": ([plate.score for plate in judged], evaluation.auroc),
        "surface": ([plate.surface for plate in judged], evaluation.surface.auroc),
        "Skip-GANomaly": ([plate.mixed(evaluation.alpha) for plate in judged], evaluation.skipganomaly.auroc),
    }
    labels = labelled(judged)[0]
    return {
        name: (*metrics.roc(labels, np.array(scores, float)), area)
        for name, (scores, area) in numbers.items()
        if None not in scores
    }


def _redrawn(inspector: "Inspector", photo: Array, seen: "Examination") -> Array:
    """What the network makes of the photograph, in the network's own px, without the border that `prepare` added."""
    picture = inspector.reconstruct(seen.prepared)
    return preparation.frame(photo.shape[1], photo.shape[0], len(picture)).cut(picture)


def _mask(plate: PlateScore, side: int) -> tuple[str | None, str]:
    if plate.label == NORMAL:
        return None, "a good plate: nothing to mark"
    try:
        return (jpeg_uri(reading.read(Path(plate.mask)), side), "mask") if plate.mask else (None, "no mask beside it")
    except InputError:
        return None, "the mask cannot be read"
