"""The record: one row for every plate handed in, what people said of it, and what happened, chained by hash.

    records = Records.open("sqlite:///records.db")
    entry = records.add(inspection, photograph).entry
    records.review(entry.number, Judgement.GOOD, "anna")

Nothing is ever changed or removed: a correction is a further row. SQLite by default, PostgreSQL for several stations.
"""

from platewatch.records.exports import write_csv, write_json_lines
from platewatch.records.outbox import Destination, Due
from platewatch.records.policy import Keep, Policy
from platewatch.records.records import Records
from platewatch.records.retention import RetentionJob
from platewatch.records.values import (
    Added,
    Appended,
    Audit,
    Box,
    Counts,
    Dataset,
    Entry,
    Event,
    Head,
    Judgement,
    Outcome,
    Page,
    Pruned,
    Query,
    Review,
    Reviewed,
    Tampering,
)

__all__ = [
    "Added",
    "Appended",
    "Audit",
    "Box",
    "Counts",
    "Dataset",
    "Destination",
    "Due",
    "Entry",
    "Event",
    "Head",
    "Judgement",
    "Keep",
    "Outcome",
    "Page",
    "Policy",
    "Pruned",
    "Query",
    "Records",
    "RetentionJob",
    "Review",
    "Reviewed",
    "Tampering",
    "write_csv",
    "write_json_lines",
]
