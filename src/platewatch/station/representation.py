"""Plates, reviews and events as the REST service and the live pages give them."""

from typing import Any

from pydantic import TypeAdapter

from platewatch.line.drift_monitor import ALARM
from platewatch.line.model_registry import ACTIVATED
from platewatch.records import Appended, Entry, Review
from platewatch.station.live import Message

_REVIEW = TypeAdapter(Review)


def entry_as_dict(entry: Entry) -> dict[str, Any]:
    """An entry as JSON values: the Inspection as the command line prints it, and what the record adds."""
    values = entry.as_dict()
    del values["key"]  # only the sender may see it
    inspection: dict[str, Any] = values.pop("inspection")
    return {**inspection, **values}


def review_as_dict(review: Review) -> dict[str, Any]:
    """A review as plain JSON values."""
    values: dict[str, Any] = _REVIEW.dump_python(review, mode="json")
    return values


def message(row: Appended) -> Message | None:
    """A row of the record as a message for the live pages; None for events that they do not show."""
    if isinstance(row, Entry):
        return Message("inspection", entry_as_dict(row), row.number)
    if isinstance(row, Review):
        return Message("review", review_as_dict(row))
    if row.kind == ACTIVATED:
        return Message("model", {name: row.details.get(name) for name in ("model_id", "before", "part_type")})
    return Message("alarm", dict(row.details)) if row.kind == ALARM else None
