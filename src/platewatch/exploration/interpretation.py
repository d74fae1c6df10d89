"""An exploration's figures in sentences: which measures separate good from defective plates, with intervals."""

from pathlib import Path

import numpy as np

from platewatch.arrays import Doubles
from platewatch.evaluation import metrics
from platewatch.exploration.findings import TEST, TRAIN, Area, Exploration, Group, Row

SEPARATES = 0.9
"""From this AUROC on, a measure “separates”. Below it, if its interval excludes 0.5, it “tends”."""

Paragraph = tuple[str, str]
"""Heading and text."""


def read(found: Exploration) -> tuple[Paragraph, ...]:
    """The paragraphs of the report."""
    groups = {group.name: group for group in found.groups}
    paragraphs = [("What was looked at", _looked_at(found))]
    for defect in found.defects:
        if found.rows and TEST in groups:
            paragraphs.append((defect, _defect(found, groups[TEST], groups[defect])))
    if found.detectors:
        paragraphs.append(("Detectors fitted to good plates alone", _detectors(found)))
    if found.drift:
        paragraphs.append(("Good plates of the training and of the test folder", _drift(found, groups)))
    if not found.defects:
        paragraphs.append(("The good plates", _good(found, groups[TRAIN])))
    paragraphs.append(("Outliers among the good plates", _outliers(found, groups[TRAIN])))
    return tuple(paragraphs)


def area_text(area: Area) -> str:
    """An AUROC with its interval, e.g. .62 [.50, .74]."""
    return f"{_decimal(area.value)} [{_decimal(area.low)}, {_decimal(area.high)}]"


def spread_text(values: Doubles) -> str:
    """Mean ± standard deviation of (N,) values, with the decimals of a standard deviation of two digits."""
    mean, deviation = float(values.mean()), float(values.std())
    digits = int(np.clip(1 - np.floor(np.log10(deviation)), 0, 2)) if deviation > 0 else 1
    return f"{mean:.{digits}f} ± {deviation:.{digits}f}"


def verb(area: Area) -> str:
    """How well an AUROC separates, in words: separates, tends, or does not separate."""
    if not area.significant:
        return "does not separate"
    return "separates" if max(area.value, 1 - area.value) >= SEPARATES else "tends"


def overlap(first: Group, second: Group, channel: int) -> float:
    """The overlap of two mean histograms, 0 to 1."""
    return float(np.minimum(first.histogram[channel], second.histogram[channel]).sum())


def _decimal(value: float) -> str:
    return f"{value:.2f}" if value >= 0.995 else f"{value:.2f}".lstrip("0")


def _plates(count: int, kind: str = "") -> str:
    return f"{count} {kind}{' ' if kind else ''}{'plate' if count == 1 else 'plates'}"


def _looked_at(found: Exploration) -> str:
    parts = ", ".join(f"{group.count} {group.name}" for group in found.groups)
    text = f"{found.count} photographs, prepared to {found.size} px: {parts}. "
    if found.masked == 0:
        text += "The part fills the frame (its border looks like its middle), so the whole picture is measured. "
    else:
        where = "all of them" if found.masked == found.count else f"{found.masked} of them; the others are used whole"
        text += f"The background (the colour of the picture's border) is masked out on {where}; "
        text += f"the plate covers {100 * found.covered:.0f} % of the picture (median). "
    if found.grey == found.count:
        text += "All of them are grey (R = G = B), so colour measures are brightness. "
    elif found.grey:
        text += f"{found.grey} of them are grey (R = G = B), so single channels are not compared. "
    if found.failed:
        text += f"{len(found.failed)} are not readable; they are listed below. "
    if not found.defects:
        text += "There is no labelled test folder, so only the good plates are described."
    return text.strip()


def _defect(found: Exploration, good: Group, bad: Group) -> str:
    rows = [row for row in found.rows if bad.name in row.areas]
    best = max(rows, key=lambda row: _clearness(row, good, bad))
    text = _measure(best, good, bad)
    edges = next((row for row in rows if row.name == "edge strength"), None)
    if edges and edges is not best:
        text += " " + _measure(edges, good, bad)
    others = [row for row in rows if row.areas[bad.name].significant and row not in (best, edges)]
    if others:
        listed = _list([f"{row.name} ({area_text(row.areas[bad.name])})" for row in others])
        text += f" Also different: {listed}."
    unclear = [row.name for row in rows if not row.areas[bad.name].significant and row not in (best, edges)]
    if unclear:
        text += f" {_capital(_list(unclear))} {'does' if len(unclear) == 1 else 'do'} not separate it."
    channels = ("brightness",) if found.grey == found.count else ("red", "green", "blue")
    overlaps = [f"{100 * overlap(good, bad, k):.0f} % in {name}" for k, name in enumerate(channels)]
    return f"{text} Its mean histogram overlaps with that of good plates by {_list(overlaps)}."


def _clearness(row: Row, good: Group, bad: Group) -> tuple[float, float]:
    """Distance of the AUROC from .5; for equal ones, the distance of the means in standard deviations."""
    normal, anomalous = good.measures[row.name], bad.measures[row.name]
    area = row.areas[bad.name].value
    distance = abs(normal.mean() - anomalous.mean())
    return max(area, 1 - area), distance / (normal.std() + anomalous.std() + 1e-9)


def _measure(row: Row, good: Group, bad: Group) -> str:
    area = row.areas[bad.name]
    name = f"mean {row.name} over the plate" if row.name in ("red", "green", "blue", "brightness") else row.name
    normal, anomalous = spread_text(good.measures[row.name]), spread_text(bad.measures[row.name])
    figures = f"{anomalous}, on good plates {normal} (AUROC {area_text(area)})"
    if verb(area) == "separates":
        return f"It shows in {name}: {figures}."
    if verb(area) == "tends":
        return f"It tends to {'more' if area.value > 0.5 else 'less'} {name}, with overlap: {figures}."
    return f"{_capital(name)} does not separate it: {figures}."


def _detectors(found: Exploration) -> str:
    ranked = sorted((row for row in found.detectors if row.overall), key=lambda row: -(row.overall or _CHANCE).value)
    best, last = ranked[0], ranked[-1]
    text = f"Highest AUROC over all defects: “{best.name}”, {area_text(best.overall or _CHANCE)}; "
    text += f"lowest: “{last.name}”, {area_text(last.overall or _CHANCE)}."
    for defect in found.defects:
        able = [row for row in ranked if defect in row.areas and verb(row.areas[defect]) == "separates"]
        chance = [row for row in ranked if defect in row.areas and not row.areas[defect].low > 0.5]
        below = [row for row in ranked if defect in row.areas and row.areas[defect].high < 0.5]
        able = [row for row in able if row not in below]
        which = f"{len(able)} of {len(ranked)} detectors separate it" if able else "no detector separates it"
        text += f" {defect}: {which}"
        if chance:
            listed = _list([f"“{row.name}” ({area_text(row.areas[defect])})" for row in chance])
            text += f"; no better than chance: {listed}"
        text += "."
        verb_form = "scores" if len(below) == 1 else "score"
        if below:
            text += f" {_list([f'“{row.name}”' for row in below])} {verb_form} it lower than good plates."
    counts = {group.name: group.count for group in found.groups}
    fewest = min(found.defects, key=lambda defect: counts[defect])
    low = metrics.auroc_interval(1.0, counts[TEST], counts[fewest])[0]
    few = f"{counts[TEST]} good and {counts[fewest]} {fewest}"
    return f"{text} With {few} plates even an AUROC of 1.00 has a 95 % interval that begins at {_decimal(low)}."


def _drift(found: Exploration, groups: dict[str, Group]) -> str:
    rows = [row for row in found.drift if row.areas.get(TEST) and row.areas[TEST].significant]
    if not rows:
        return f"None of {len(found.drift)} measures differs between the two folders."
    worst = max(rows, key=lambda row: abs(row.areas[TEST].value - 0.5))
    test, train = (spread_text(groups[name].measures[worst.name]) for name in (TEST, TRAIN))
    figures = f"{test} in the test folder, {train} in the training folder"
    return (
        f"They differ in {_list([row.name for row in rows])} (of {len(found.drift)} measures; by chance one in twenty "
        f"would differ): {worst.name} is {figures} (AUROC {area_text(worst.areas[TEST])}). Defects are compared with "
        "the good plates of the test folder."
    )


def _good(found: Exploration, good: Group) -> str:
    figures = [f"{name} {spread_text(good.measures[name])}" for name in good.measures]
    return f"Mean and standard deviation over {_plates(found.count)}: {_list(figures)}, in grey levels of 0 to 255."


def _outliers(found: Exploration, good: Group) -> str:
    if not found.outliers:
        return f"None of {_plates(good.count, 'good')} stands out from the others."
    first = found.outliers[0]
    verb_form = "stands" if found.outlier_count == 1 else "stand"
    shown = "" if len(found.outliers) == found.outlier_count else f", of which {len(found.outliers)} are shown"
    return (
        f"{found.outlier_count} of {_plates(good.count, 'good')} {verb_form} out from the others{shown}. The strongest "
        f"is {Path(first.path).name}: {'; '.join(first.reasons)}. Look at each: remove damaged plates; keep plates "
        "that are only rare (illumination, distance), and add more like them."
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _list(words: list[str]) -> str:
    """The words as an enumeration: a, b and c."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


_CHANCE = Area(0.5, 0.0, 1.0)
