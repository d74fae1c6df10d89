"""The record: one row for every plate, review and event, chained by SHA-256 in SQLite or PostgreSQL.

    records = Records.open("sqlite:///records.db")
    entry = records.add(inspection, photograph).entry
    records.review(entry.number, Judgement.GOOD, "anna")

Rows are never changed or removed; a correction is a further row. SQLite is the default, PostgreSQL serves several
stations.
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
