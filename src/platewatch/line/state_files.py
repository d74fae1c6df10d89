"""Path of a line's own small files: beside its record."""

from pathlib import Path


def beside(records: str, name: str) -> Path:
    """The path of a file beside SQLite's file, named after it; for a record elsewhere, in the present folder."""
    path = records.removeprefix("sqlite:///")
    return Path(f"platewatch.{name}" if "://" in path else f"{path.partition('?')[0]}.{name}")
