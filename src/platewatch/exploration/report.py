"""Writes explore.html, one file with everything embedded, and the plots as PNG beside it."""

from pathlib import Path

import cv2
import numpy as np

from platewatch.arrays import Photo
from platewatch.evaluation import report
from platewatch.evaluation.figures import Figure
from platewatch.exploration import interpretation, plots
from platewatch.exploration.findings import BANK, Area, Exploration, Outlier, Row
from platewatch.photographs import thumbnails


def write(exploration: Exploration, out: Path) -> Path:
    """Write explore.html and its plots into the folder `out` and return the page's path.

    Raises OutputError when the folder or a file cannot be written.
    """
    pngs = {name: report.figure_png(figure) for name, figure in _figures(exploration).items()}
    for name, png in pngs.items():
        report.write(out / f"{name}.png", png)
    page = report.render(
        "explore.html",
        exploration=exploration,
        paragraphs=interpretation.read(exploration),
        plots={name: thumbnails.data_uri(png) for name, png in pngs.items()},
        measures=_measure_sheet(exploration),
        separation=_area_sheet(exploration.rows),
        detectors=_area_sheet(exploration.detectors),
        outliers=[
            (thumbnails.jpeg_uri(_marked(each)), _short(each.path, exploration.data), each.reasons, each.place)
            for each in exploration.outliers
        ],
        examples=[(group.name, _short(group.example.path, exploration.data)) for group in exploration.groups],
        failed=[(_short(path, exploration.data), error) for path, error in exploration.failed],
        bank=BANK,
    )
    return report.write(out / "explore.html", page)


def _short(path: str, data: str) -> str:
    return Path(path).relative_to(data).as_posix()


def _figures(found: Exploration) -> dict[str, Figure]:
    figures = {
        "examples": plots.examples(found),
        "histograms": plots.histograms(found),
        "edges": plots.measure(found, "edge strength", "grey levels per px"),
    }
    if found.detectors:
        figures["detectors"] = plots.areas(found.detectors)
    return figures


def _measure_sheet(found: Exploration) -> tuple[list[str], list[list[str]]]:
    """Head and rows of a table: for each measure mean ± standard deviation of each group."""
    names = [name for name in found.groups[0].measures if all(name in group.measures for group in found.groups)]
    rows = [[name, *(interpretation.spread_text(group.measures[name]) for group in found.groups)] for name in names]
    return ["", *(group.name for group in found.groups)], rows


def _area_sheet(rows: tuple[Row, ...]) -> tuple[list[str], list[list[str | tuple[str, str]]]]:
    """Head and rows of a table: AUROC of each detector or measure on each kind of defect and on all together."""
    kinds = list(dict.fromkeys(kind for row in rows for kind in row.areas))
    body: list[list[str | tuple[str, str]]] = [
        [(row.name, row.looks_at) if row.looks_at else row.name]
        + [_entry(row.areas.get(kind)) for kind in kinds]
        + [_entry(row.overall)]
        for row in rows
    ]
    return ["", *kinds, "all defects"], body


def _entry(area: Area | None) -> str | tuple[str, str]:
    if area is None:
        return "–"
    value, _, interval = interpretation.area_text(area).partition(" ")
    return value, interval


def _marked(outlier: Outlier) -> Photo:
    """The photograph with a ring around the place with the highest anomaly."""
    picture = np.ascontiguousarray(outlier.photo.copy())
    if outlier.place:
        radius = max(6, len(picture) // 16)
        for colour, width in (((0, 0, 0), 5), ((255, 176, 0), 2)):
            cv2.circle(picture, outlier.place, radius, colour, width, cv2.LINE_AA)
    return picture
