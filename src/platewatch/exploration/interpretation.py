"""The figures of an exploration in plain words: what separates, what does not, and how sure that is."""

from pathlib import Path

import numpy as np

from platewatch.arrays import Array
from platewatch.evaluation import metrics
from platewatch.exploration.findings import TEST, TRAIN, Area, Exploration, Group, Row

SEPARATES = 0.9
"""An area from here on is called separating; one whose interval leaves out the coin is called leaning."""

Paragraph = tuple[str, str]
"""Heading and text."""


def read(found: Exploration) -> tuple[Paragraph, ...]:
    """The paragraphs, every sentence drawn from the figures."""
    groups = {group.name: group for group in found.groups}
    paragraphs = [("What was looked at", _looked_at(found))]
    for defect in found.defects:
        if found.rows and TEST in groups:
            paragraphs.append((defect, _defect(found, groups[TEST], groups[defect])))
    if found.detectors:
        paragraphs.append(("Detectors that learn from good plates alone", _detectors(found)))
    if found.drift:
        paragraphs.append(("Good plates: those to learn from and those of the test", _drift(found, groups)))
    if not found.defects:
        paragraphs.append(("The good plates", _good(found, groups[TRAIN])))
    paragraphs.append(("Odd ones among the good plates", _outliers(found, groups[TRAIN])))
    return tuple(paragraphs)


def area_text(area: Area) -> str:
    """An area with its interval, as in .62 [.50, .74]."""
    return f"{_share(area.value)} [{_share(area.low)}, {_share(area.high)}]"


def spread_text(values: Array) -> str:
    """Mean ± standard deviation of (N,) values, the latter to two digits and the former no finer."""
    mean, deviation = float(values.mean()), float(values.std())
    digits = int(np.clip(1 - np.floor(np.log10(deviation)), 0, 2)) if deviation > 0 else 1
    return f"{mean:.{digits}f} ± {deviation:.{digits}f}"


def verb(area: Area) -> str:
    """What the area allows to say: separates, leans, or does not tell."""
    if not area.tells:
        return "does not tell"
    return "separates" if max(area.value, 1 - area.value) >= SEPARATES else "leans"


def overlap(first: Group, second: Group, channel: int) -> float:
    """The share that two mean histograms have in common, 0 to 1."""
    return float(np.minimum(first.histogram[channel], second.histogram[channel]).sum())


def _share(value: float) -> str:
    return f"{value:.2f}" if value >= 0.995 else f"{value:.2f}".lstrip("0")


def _plates(count: int, kind: str = "") -> str:
    return f"{count} {kind}{' ' if kind else ''}{'plate' if count == 1 else 'plates'}"


def _looked_at(found: Exploration) -> str:
    parts = ", ".join(f"{group.count} {group.name}" for group in found.groups)
    text = f"{found.count} photographs, prepared to {found.size} px: {parts}. "
    if found.masked == 0:
        text += "The part fills the frame (its border looks like its middle), so everything in the picture counts. "
    else:
        where = "all of them" if found.masked == found.count else f"{found.masked} of them; the rest counts whole"
        text += f"The background, what looks like the picture's border, is masked out on {where}; "
        text += f"the plate covers {100 * found.covered:.0f} % of the picture (median). "
    if found.grey == found.count:
        text += "None of them holds any colour (R = G = B), so whatever is said of colour here is brightness. "
    elif found.grey:
        text += f"{found.grey} of them hold no colour (R = G = B): single channels are not compared. "
    if found.failed:
        text += f"{len(found.failed)} could not be read: listed below. "
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
    others = [row for row in rows if row.areas[bad.name].tells and row not in (best, edges)]
    if others:
        listed = _list([f"{row.name} ({area_text(row.areas[bad.name])})" for row in others])
        text += f" Also telling, more or less: {listed}."
    silent = [row.name for row in rows if not row.areas[bad.name].tells and row not in (best, edges)]
    if silent:
        text += f" {_capital(_list(silent))} {'does' if len(silent) == 1 else 'do'} not tell."
    channels = ("brightness",) if found.grey == found.count else ("red", "green", "blue")
    shares = [f"{100 * overlap(good, bad, k):.0f} % in {name}" for k, name in enumerate(channels)]
    return f"{text} Its mean histogram has {_list(shares)} in common with that of good plates."


def _clearness(row: Row, good: Group, bad: Group) -> tuple[float, float]:
    """How far from the coin; among equals, how many standard deviations apart the means are."""
    ours, theirs = good.measures[row.name], bad.measures[row.name]
    area = row.areas[bad.name].value
    return max(area, 1 - area), abs(ours.mean() - theirs.mean()) / (ours.std() + theirs.std() + 1e-9)


def _measure(row: Row, good: Group, bad: Group) -> str:
    area = row.areas[bad.name]
    name = f"mean {row.name} over the plate" if row.name in ("red", "green", "blue", "brightness") else row.name
    ours, theirs = spread_text(good.measures[row.name]), spread_text(bad.measures[row.name])
    figures = f"{theirs}, on good plates {ours} (AUROC {area_text(area)})"
    if verb(area) == "separates":
        return f"It shows in {name}: {figures}."
    if verb(area) == "leans":
        return f"It leans to {'more' if area.value > 0.5 else 'less'} {name}, not without overlap: {figures}."
    return f"{_capital(name)} does not tell it: {figures}."


def _detectors(found: Exploration) -> str:
    ranked = sorted((row for row in found.detectors if row.overall), key=lambda row: -(row.overall or _COIN).value)
    best, last = ranked[0], ranked[-1]
    text = f"Best over all defects: “{best.name}”, {area_text(best.overall or _COIN)}; "
    text += f"last: “{last.name}”, {area_text(last.overall or _COIN)}."
    for defect in found.defects:
        able = [row for row in ranked if defect in row.areas and verb(row.areas[defect]) == "separates"]
        blind = [row for row in ranked if defect in row.areas and not row.areas[defect].low > 0.5]
        upside = [row for row in ranked if defect in row.areas and row.areas[defect].high < 0.5]
        able = [row for row in able if row not in upside]
        who = f"{len(able)} of {len(ranked)} separate it" if able else "none separates it"
        text += f" {defect}: {who}"
        if blind:
            listed = _list([f"“{row.name}” ({area_text(row.areas[defect])})" for row in blind])
            text += f"; not to be told from a coin, or worse: {listed}"
        text += "."
        one = "even finds" if len(upside) == 1 else "even find"
        if upside:
            text += f" {_list([f'“{row.name}”' for row in upside])} {one} it more usual than good plates."
    counts = {group.name: group.count for group in found.groups}
    fewest = min(found.defects, key=lambda defect: counts[defect])
    low = metrics.auroc_interval(1.0, counts[TEST], counts[fewest])[0]
    few = f"{counts[TEST]} good and {counts[fewest]} {fewest}"
    return f"{text} Mind the numbers: with {few} even a perfect 1.00 proves no better than {_share(low)}."


def _drift(found: Exploration, groups: dict[str, Group]) -> str:
    rows = [row for row in found.drift if row.areas.get(TEST) and row.areas[TEST].tells]
    if not rows:
        return f"None of {len(found.drift)} measures tells the two apart: they look taken alike."
    worst = max(rows, key=lambda row: abs(row.areas[TEST].value - 0.5))
    there, here = (spread_text(groups[name].measures[worst.name]) for name in (TEST, TRAIN))
    figures = f"{there} in the test, {here} to learn from"
    return (
        f"They differ in {_list([row.name for row in rows])} (of {len(found.drift)} measures compared; by chance alone "
        f"one in twenty would): {worst.name} is {figures} (AUROC {area_text(worst.areas[TEST])}). The "
        "defects are compared with the good plates of the test."
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
        f"{found.outlier_count} of {_plates(good.count, 'good')} {verb_form} out from the others{shown}. The oddest is "
        f"{Path(first.path).name}: {'; '.join(first.reasons)}. Look at each: what is damaged does not belong "
        "among the good plates; what is only rare (light, distance) does, and more of it would help."
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _list(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


_COIN = Area(0.5, 0.0, 1.0)
