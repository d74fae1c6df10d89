"""Folders of the station's machine from which an engineer may take photographs: those that its operator allowed alone.

A folder is named by the number of the allowed one and the path below it, as in `1/2026-11/good`. No name leads out of
it, links included.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from platewatch.errors import InputError, NotFound
from platewatch.line.drafts import MOST
from platewatch.photographs import formats, reading
from platewatch.printable import printable
from platewatch.station.settings import Settings

_SHOWN = 500  # folders of a listing, at most


def listing(allowed: Sequence[Path], folder: str) -> dict[str, Any]:
    """The folders in a folder and the number of photographs in it; of '' the allowed folders."""
    if not folder:
        roots = [
            {"folder": str(number), "name": printable(path.name or str(path))} for number, path in _numbered(allowed)
        ]
        return {"folder": "", "above": None, "photographs": 0, "folders": roots}
    place = _resolved(allowed, folder)
    below = sorted(path.name for path in _entries(place) if path.is_dir() and _is_inside(path, place))[:_SHOWN]
    return {
        "folder": folder,
        "above": folder.rpartition("/")[0],
        "photographs": len(photographs(allowed, folder)),
        "folders": [{"folder": f"{folder}/{name}", "name": printable(name)} for name in below],
    }


def photographs(allowed: Sequence[Path], folder: str) -> list[Path]:
    """The photographs directly in such a folder, sorted by name; raises NotFound."""
    place = _resolved(allowed, folder)
    found = (path for path in _entries(place) if path.suffix.lower() in formats.SUFFIXES)
    return sorted(path for path in found if path.is_file() and _is_inside(path, place))[: MOST + 1]


def read(path: Path, settings: Settings) -> bytes:
    """A photograph's bytes within the limits of an upload; raises InputError."""
    data = reading.load(path)
    if len(data) > settings.max_bytes:
        raise InputError(path.name, "too large", expected=f"at most {settings.max_bytes} bytes", remedy="leave it out")
    size = reading.dimensions(data)
    if size is not None and size[0] * size[1] > settings.max_pixels:
        raise InputError(path.name, "too many pixels", expected=f"at most {settings.max_pixels}", remedy="leave it out")
    return data


def _numbered(allowed: Sequence[Path]) -> list[tuple[int, Path]]:
    return list(enumerate(allowed, start=1))


def _resolved(allowed: Sequence[Path], folder: str) -> Path:
    """The folder; raises NotFound for one that is not allowed or not there."""
    number, _, rest = folder.partition("/")
    root = {str(index): path for index, path in _numbered(allowed)}.get(number)
    if root is None or "\0" in folder:
        raise _unknown(folder)
    inside = root.resolve()
    place = (inside / rest).resolve()
    if not place.is_relative_to(inside) or not place.is_dir():
        raise _unknown(folder)
    return place


def _is_inside(path: Path, folder: Path) -> bool:
    """Whether it is no hidden file and no link that leads out of the folder."""
    return not path.name.startswith(".") and path.resolve().is_relative_to(folder)


def _entries(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as found:
            return [Path(each.path) for each in found]
    except OSError as error:
        raise InputError(folder.name, f"cannot be opened ({error.strerror})", remedy="check its permissions") from error


def _unknown(folder: str) -> NotFound:
    what = "no folder that the station may read"
    return NotFound(f"folder {folder[:60]!r}", what, remedy="start the station with --import-from FOLDER")
