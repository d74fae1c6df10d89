"""The report of an archive: report.html and summary.json, from the rows alone; pictures are read again."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import takewhile
from typing import Any

from platewatch.archive import places, rows, sources
from platewatch.archive.places import Place, Reader
from platewatch.archive.runs import Ended, Settings
from platewatch.archive.tally import OTHERS, Group, Shown, Tally
from platewatch.errors import InputError, StorageUnavailable
from platewatch.evaluation import tables
from platewatch.evaluation.metrics import Proportion
from platewatch.inspection import Verdict
from platewatch.model.inspector import Inspector
from platewatch.photographs.data_sets import ANOMALOUS, NORMAL
from platewatch.photographs.overlay import overlay
from platewatch.photographs.thumbnails import jpeg_uri
from platewatch.templates import environment

REPORT, SUMMARY = "report.html", "summary.json"
OUTCOMES = (*Verdict, rows.FAILED)

_TEMPLATES = environment()
_SIDE = 240  # px of a thumbnail
_PICTURED = 24  # mistakes and disagreements with pictures, at most
_MOST_ROWS = 40  # of the table by folder
_PERIODS = ((48, "%Y-%m-%d %H:00"), (60 * 24, "%Y-%m-%d"), (800 * 24, "%G week %V"))
"""Hours that a table by time may span for each form of its periods; beyond them it has months."""


@dataclass(frozen=True)
class Card:
    """A photograph on the page; without pictures when it cannot be read any more."""

    row: Mapping[str, Any]
    other: Mapping[str, Any] | None
    photograph: str | None = None
    """Data URI."""
    anomaly_map: str | None = None


def summary(tally: Tally, ended: Ended, settings: Settings, model_id: str) -> dict[str, Any]:
    """Plain JSON values, as docs/archive.md says."""
    labelled = bool(tally.labelled)
    agreeing = sum(count for (one, other), count in tally.pairs.items() if one == other)
    compared = sum(tally.pairs.values())
    return {
        "schema": rows.VERSION,
        "out": Place.of(settings.out).name,
        "model_id": model_id,
        "photographs": tally.photographs,
        "judged": ended.judged,
        "outcomes": {each: tally.outcomes[each] for each in OUTCOMES},
        "missed": missed(tally).as_dict() if labelled else None,
        "false_alarms": false_alarms(tally).as_dict() if labelled else None,
        "agreement": Proportion(agreeing, compared).as_dict() if compared else None,
        "not_listed": list(ended.plan.listing.not_listed),
        "left_alone": dict(ended.plan.listing.left_alone),
        "superseded": ended.superseded,
        "unfinished": list(ended.unfinished),
        "problems": [*ended.problems, *_lost(tally, ended)],
    }


def missed(tally: Tally) -> Proportion:
    """Photographs labelled defective that are PASS."""
    return Proportion(tally.missed(), tally.of_label(ANOMALOUS))


def false_alarms(tally: Tally) -> Proportion:
    """Photographs labelled good that are REJECT."""
    return Proportion(tally.false_alarms(), tally.of_label(NORMAL))


def write(tally: Tally, found: Mapping[str, Any], settings: Settings) -> Place:
    """Write report.html and summary.json into the results and return the report's place."""
    out = Place.of(settings.out)
    inspector = Inspector(settings.model, threads=1)
    pictures = _Pictures(inspector, settings)
    review = inspector.manifest.review / inspector.manifest.threshold
    beginning, folders = without_beginning(by_folder(tally.folders))
    page = _TEMPLATES.get_template("archive.html").render(
        found=found,
        names=[Place.of(text).name for text in settings.sources],
        tally=tally,
        sheets=tables,
        missed=missed(tally),
        false_alarms=false_alarms(tally),
        outcomes=OUTCOMES,
        review=review,
        bars=bars(tally.all.scores),
        periods=grouped_rows(by_period(tally.hours)),
        beginning=beginning,
        folders=grouped_rows(folders),
        worst=pictures.cards(tally.worst),
        mistakes=pictures.cards(tally.mistakes[:_PICTURED]),
        disagreements=pictures.cards(tally.disagreements[:_PICTURED]),
    )
    places.write(out.child(SUMMARY), json.dumps(found, indent=1, ensure_ascii=False).encode())
    place = out.child(REPORT)
    places.write(place, page.encode())
    return place


class _Pictures:
    """Reads photographs again and judges them for their maps."""

    def __init__(self, inspector: Inspector, settings: Settings) -> None:
        self._inspector = inspector
        self._bases = {Place.of(text).name: sources.base(Place.of(text)) for text in settings.sources}

    def cards(self, shown: Iterable[Shown]) -> list[Card]:
        return [self._card(each) for each in shown]

    def _card(self, shown: Shown) -> Card:
        image = shown.row["image"]
        try:
            seen = self._inspector.examine(Reader(self._bases[shown.row["source"]]).read(image), image)
        except (InputError, StorageUnavailable, KeyError):  # moved or removed, or its name is not printable
            return Card(shown.row, shown.other)
        drawn = overlay(seen.photo, seen.frame.cut(seen.anomaly_map), seen.inspection.defects)
        return Card(shown.row, shown.other, jpeg_uri(seen.photo, _SIDE), jpeg_uri(drawn, _SIDE))


def bars(scores: Sequence[int]) -> list[float]:
    """Heights of a histogram's bars, 0 to 1: square roots, so that few among many show."""
    most = max(scores) or 1
    return [(count / most) ** 0.5 for count in scores]


def by_period(hours: Mapping[int, Group]) -> dict[str, Group]:
    """Hours joined to days, weeks or months, so that the table stays short; UTC, in order."""
    if not hours:
        return {}
    span = max(hours) - min(hours)
    form = next((form for most, form in _PERIODS if span <= most), "%Y-%m")
    return _merged((datetime.fromtimestamp(hour * 3600, UTC).strftime(form), hours[hour]) for hour in sorted(hours))


def without_beginning(groups: Mapping[str, Group]) -> tuple[str, dict[str, Group]]:
    """The folders' common beginning, and the groups without it in their names."""
    parts = [name.split("/") for name in groups if name != OTHERS]
    common = [each[0] for each in takewhile(lambda each: len(set(each)) == 1, zip(*parts, strict=False))]
    beginning = "/".join([*common, ""]) if any(common) and len(parts) > 1 else ""
    return beginning, {name.removeprefix(beginning) or "./": group for name, group in groups.items()}


def by_folder(folders: Mapping[str, Group]) -> dict[str, Group]:
    """The folders with most photographs, by name; the rest as one."""
    largest = sorted(folders, key=lambda name: (name == OTHERS, -sum(folders[name].outcomes.values())))
    shown = set(largest[:_MOST_ROWS])
    found = _merged((name if name in shown else OTHERS, folders[name]) for name in sorted(folders))
    return {name: found[name] for name in sorted(found, key=lambda name: (name == OTHERS, name))}


def grouped_rows(groups: Mapping[str, Group]) -> list[dict[str, Any]]:
    """Rows of a table by time or folder; scores in thresholds."""
    found = []
    for name, group in groups.items():
        count = sum(group.outcomes.values())
        low, middle, high = (group.quantile(fraction) for fraction in (0.05, 0.5, 0.95))
        counts = {outcome: group.outcomes[outcome] for outcome in OUTCOMES}
        found.append({"name": name, "count": count, "low": low, "middle": middle, "high": high, "outcomes": counts})
    return found


def _merged(groups: Iterable[tuple[str, Group]]) -> dict[str, Group]:
    found: dict[str, Group] = {}
    for name, group in groups:
        found.setdefault(name, Group()).merge(group)
    return found


def _lost(tally: Tally, ended: Ended) -> list[str]:
    """Each photograph has exactly one row, once all are judged."""
    expected = ended.plan.photographs
    if ended.unfinished or tally.photographs == expected:
        return []
    return [f"{tally.photographs} rows for {expected} photographs: a source names one photograph twice, or changes"]
