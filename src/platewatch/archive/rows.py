"""The rows of a result: the whole Inspection under its JSON keys, and what the archive says of the photograph."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from platewatch import printable
from platewatch.archive.shards import Photograph
from platewatch.inspection import Inspection

VERSION = 1
"""Version of the columns; in each file's metadata as `platewatch.archive`. A new column is no new version."""
FAILED = "FAILED"
"""The outcome of a photograph without a verdict."""

_TIME = pa.timestamp("us", "UTC")
_EVIDENCE = pa.struct([("colour", pa.float64()), ("line", pa.float64()), ("texture", pa.float64())])
_MILLIMETRES = pa.struct(
    [(name, pa.float64()) for name in ("length_mm", "length_uncertainty_mm", "area_mm2", "area_uncertainty_mm2")]
)
_SCALE = pa.struct([("mm_per_px", pa.float64()), ("uncertainty", pa.float64()), ("by_part", pa.bool_())])
_DEFECT = pa.struct(
    [
        ("box", pa.list_(pa.int32())),
        ("area_px", pa.int64()),
        ("length_px", pa.float64()),
        ("peak", pa.float64()),
        ("evidence", _EVIDENCE),
        ("size_mm", _MILLIMETRES),
    ]
)
_FINDING = pa.struct([("check", pa.string()), ("reason", pa.string()), ("box", pa.list_(pa.int32()))])
_POSE = pa.struct(
    [("outline", pa.list_(pa.list_(pa.float64()))), ("turned_deg", pa.float64()), ("mirrored", pa.bool_())]
)
INSPECTION = pa.schema(
    [
        ("schema", pa.int32()),
        ("image", pa.string()),
        ("image_sha256", pa.string()),
        ("verdict", pa.string()),
        ("reason", pa.string()),
        ("score", pa.float64()),
        ("threshold", pa.float64()),
        ("p_value", pa.float64()),
        ("surface", pa.float64()),
        ("reconstruction_error", pa.float64()),
        ("latent_error", pa.float64()),
        ("evidence", _EVIDENCE),
        ("defects", pa.list_(_DEFECT)),
        ("findings", pa.list_(_FINDING)),
        ("pose", _POSE),
        ("scale", _SCALE),
        ("region", pa.string()),
        ("error", pa.string()),
        ("decoder_messages", pa.list_(pa.string())),
        ("model_id", pa.string()),
        ("time", _TIME),
        ("duration_ms", pa.float64()),
    ]
)
"""The Inspection's fields, in its order."""
_ARCHIVE = [
    ("source", pa.string()),
    ("outcome", pa.string()),
    ("plate_id", pa.string()),
    ("part_type", pa.string()),
    ("label", pa.int8()),
    ("taken", _TIME),
]
SCHEMA = pa.schema([*INSPECTION, *(pa.field(*each) for each in _ARCHIVE)], {"platewatch.archive": str(VERSION)})
MAPS = pa.schema([("image", pa.string()), ("image_sha256", pa.string()), ("map", pa.binary())])
"""Anomaly maps, in files of their own: 16-bit PNG, 4096 is the robust 3σ limit of good plates."""


def row(inspection: Inspection, photograph: Photograph, source: str) -> dict[str, Any]:
    """One row, by column; `source` is the name of the photograph's source."""
    return {
        **asdict(inspection),
        "source": printable.name(source),
        "outcome": inspection.verdict or FAILED,
        "plate_id": photograph.plate_id,
        "part_type": photograph.part_type,
        "label": photograph.label,
        "taken": _time(photograph.taken),
    }


def _time(seconds: float | None) -> datetime | None:
    """A time of the years 1 to 9999; None for any other, which a file system may hold."""
    try:
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def encoded(rows: Sequence[dict[str, Any]], schema: pa.Schema = SCHEMA) -> bytes:
    """A whole Parquet file, in memory."""
    sink = pa.BufferOutputStream()
    parquet.write_table(pa.Table.from_pylist(rows, schema=schema), sink, compression="zstd")
    written: bytes = sink.getvalue().to_pybytes()
    return written
