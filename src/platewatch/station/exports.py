"""The plates that a search finds, all of them, as CSV and as JSON lines; written while they are read."""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import replace

from platewatch.records import Entry, Query, Records
from platewatch.records.values import MOST

COLUMNS = (
    "number", "received", "plate_id", "verdict", "score", "threshold", "p_value", "reason", "defects", "model_id",
    "duration_ms", "source", "image", "photograph_sha256", "judgement", "reviewer", "reviewed", "note", "chain",
)  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def entries(records: Records, query: Query) -> Iterator[Entry]:
    """Every entry that the query finds, newest first, a page at a time."""
    query = replace(query, limit=MOST)
    while True:
        page = records.find(query)
        yield from page.entries
        if page.next is None:
            return
        query = replace(query, before=page.next)


def as_csv(found: Iterator[Entry]) -> Iterator[str]:
    """A header and a line for each plate; UTF-8 with a mark, so that spreadsheets read it as such."""
    yield "\ufeff" + _line(COLUMNS)
    for entry in found:
        yield _line([_cell(value) for value in _values(entry)])


def as_json_lines(found: Iterator[Entry]) -> Iterator[str]:
    """A line of JSON for each plate: the Inspection, and what the record adds."""
    for entry in found:
        values = entry.as_dict()
        inspection = values.pop("inspection")
        yield json.dumps({**inspection, **values}, ensure_ascii=False) + "\n"


def _values(entry: Entry) -> list[object]:
    found, review = entry.inspection, entry.review
    return [
        entry.number, entry.received.isoformat(), entry.plate_id, entry.outcome.value, found.score, found.threshold,
        found.p_value, found.reason, len(found.defects), found.model_id, found.duration_ms, entry.source, found.image,
        entry.photograph_sha256, review and review.judgement and review.judgement.value, review and review.reviewer,
        review and review.time.isoformat(), review and review.note, entry.chain,
    ]  # fmt: skip


def _cell(value: object) -> str:
    """A value as a spreadsheet may show it: text that would be taken for a formula is made text again."""
    text = "" if value is None else str(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(_FORMULA) else text


def _line(values: object) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(values)  # type: ignore[arg-type]  # any row of cells
    return line.getvalue()
