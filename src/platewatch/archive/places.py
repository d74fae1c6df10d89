"""Files and folders on this machine and in stores that pyarrow reaches: read, list, write whole, wait.

A store is named by a URI (`s3://bucket/folder`, `gs://`, `hdfs://`, …); its options may follow `?`. Names that people
see have neither credentials nor options.
"""

import errno
import os
import re
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import NamedTuple, TypeVar

import pyarrow as pa
from pyarrow import fs

from platewatch import files
from platewatch.errors import InputError, OutputError, PlatewatchError, StorageUnavailable
from platewatch.photographs import reading

T = TypeVar("T")

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+)://(?:[^/@?]*@)?(.*)", re.DOTALL)
_FULL = {errno.ENOSPC, errno.EDQUOT}
_PASSING = {errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENOTCONN, errno.EHOSTDOWN, errno.EREMOTEIO}
_TRIES = 4
"""Of a file that a store does not give, though it gives others."""
_LONGEST_WAIT_S = 60.0
_REMEMBERED = 3  # photographs read last, of which one must still be readable when another is not


class Entry(NamedTuple):
    """One name in a folder."""

    name: str
    is_folder: bool
    size: int | None
    """Bytes; None when the system does not say."""
    modified: float | None
    """Seconds since 1970."""


@dataclass(frozen=True)
class Place:
    """A file or folder."""

    name: str
    """As people see it."""
    path: str
    """Within the file system."""
    system: fs.FileSystem | None = None
    """None on this machine."""

    @classmethod
    def of(cls, text: str) -> "Place":
        """The place of a path or URI; raises InputError when pyarrow knows no such store."""
        found = _SCHEME.fullmatch(text)
        if found is None:
            return cls(text, text)
        name = f"{found[1]}://{found[2].partition('?')[0]}"
        try:
            system, path = fs.FileSystem.from_uri(text)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise InputError(name, f"no store that can be opened ({error})", expected="a folder or a URI") from error
        return cls(name, path) if isinstance(system, fs.LocalFileSystem) else cls(name, path, system)

    def child(self, name: str) -> "Place":
        """The place of this name within the folder."""
        return replace(self, name=f"{self.name.rstrip('/')}/{name}", path=f"{self.path.rstrip('/')}/{name}")

    def at(self, text: str) -> "Place":
        """The place that an image's name means: a URI, a path of its own, or one relative to this folder."""
        found = _SCHEME.fullmatch(text)
        if found is not None:
            same = self.system is not None and self.name.startswith(f"{found[1]}://")
            return replace(self, name=text, path=found[2]) if same else Place.of(text)
        return Place(text, os.path.join(self.path, text)) if self.system is None else self.child(text)  # noqa: PTH118


def entries(folder: Place) -> list[Entry]:
    """What lies directly in a folder, sorted by name; raises InputError when it cannot be listed."""
    try:
        if folder.system is None:
            with os.scandir(folder.path) as found:
                return [_local_entry(each) for each in sorted(found, key=lambda each: each.name)]
        infos = folder.system.get_file_info(fs.FileSelector(folder.path))
    except OSError as error:
        why = error.strerror or str(error)
        raise InputError(folder.name, f"cannot be listed ({why})", remedy="check it and its permissions") from error
    kinds = fs.FileType
    return [
        Entry(info.base_name, info.type == kinds.Directory, info.size, info.mtime_ns and info.mtime_ns / 1e9)
        for info in sorted(infos, key=lambda info: info.base_name)
    ]


def _local_entry(entry: "os.DirEntry[str]") -> Entry:
    try:
        if entry.is_dir(follow_symlinks=False):
            return Entry(entry.name, True, None, None)
        found = entry.stat()
    except OSError:  # a link that leads nowhere: reading says so
        return Entry(entry.name, False, None, None)
    return Entry(entry.name, False, found.st_size, found.st_mtime)


def is_folder(place: Place) -> bool:
    """Whether the place is a folder; a store's folder may be empty or missing."""
    if place.system is None:
        return Path(place.path).is_dir()
    try:
        return bool(place.system.get_file_info(place.path).type != fs.FileType.File)
    except OSError as error:
        raise InputError(place.name, f"cannot be reached ({error})", remedy="check address and credentials") from error


def size(place: Place) -> int | None:
    """Bytes of a file on this machine; None for all else."""
    try:
        return Path(place.path).stat().st_size if place.system is None else None
    except (OSError, ValueError):
        return None


def read(place: Place) -> bytes:
    """The bytes of a photograph's file; raises InputError, with the OSError as its cause when the system failed."""
    if place.system is None:
        return reading.load(Path(place.path))
    try:
        with place.system.open_input_stream(place.path) as stream:
            data: bytes = stream.read(reading.MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise InputError(place.name, "no such file", remedy="check the path") from error
    except OSError as error:
        raise InputError(place.name, f"cannot be read ({error})", remedy="check the store") from error
    if len(data) > reading.MAX_BYTES:
        raise InputError(place.name, f"larger than {reading.MAX_BYTES // 2**20} MiB", expected="a photograph")
    return data


def write(place: Place, data: bytes) -> None:
    """Write a file whole: by another name, synced and renamed; in a store by one put of what is in memory.

    Raises StorageUnavailable when the disk is full or the store does not answer, OutputError for all else.
    """
    if place.system is None:
        try:
            files.write(Path(place.path), data)
        except OutputError as error:
            cause = error.__cause__
            if isinstance(cause, OSError) and cause.errno in _FULL:
                raise StorageUnavailable(place.name, error.what, remedy=error.remedy) from error
            raise
        return
    try:
        with place.system.open_output_stream(place.path) as stream:  # nothing in this block can fail but the put
            stream.write(data)
    except OSError as error:
        raise StorageUnavailable(place.name, f"cannot be written ({error})", remedy="check the store") from error


def move(place: Place, target: Place) -> None:
    """Move a file within its file system; raises OutputError."""
    try:
        if place.system is None:
            Path(target.path).parent.mkdir(parents=True, exist_ok=True)
            files.rename(Path(place.path), Path(target.path))
        else:
            place.system.move(place.path, target.path)
    except OSError as error:
        why = error.strerror or str(error)
        raise OutputError(place.name, f"cannot be moved ({why})", remedy=f"move it to {target.name}") from error


def names(folder: Place, suffix: str) -> set[str]:
    """The names with this suffix, without it, of a folder's files; none for a folder that is not there."""
    if folder.system is None and not Path(folder.path).exists():
        return set()
    try:
        found = entries(folder)
    except InputError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return set()
        raise
    visible = (each.name for each in found if not each.is_folder and not each.name.startswith("."))
    return {name.removesuffix(suffix) for name in visible if name.endswith(suffix)}


class Reader:
    """Reads the photographs of one source, and tells a photograph that is not readable from a store that is away."""

    def __init__(self, base: Place) -> None:
        self._base = base
        self._read = deque[Place](maxlen=_REMEMBERED)

    def read(self, image: str) -> bytes:
        """The bytes of a photograph.

        Raises InputError when it alone cannot be read, StorageUnavailable when those read before cannot be read either.
        """
        place, waits = self._base.at(image), islice(_waits(), _TRIES - 1)
        while True:
            try:
                data = read(place)
            except InputError as error:
                cause = error.__cause__
                if isinstance(cause, OSError) and self._is_away(place, cause):
                    what = f"{error.what}; what was read before cannot be read either" if self._read else error.what
                    raise StorageUnavailable(place.name, what, remedy="check disk, network or store") from error
                wait = next(waits, None)
                if wait is None or not isinstance(cause, OSError) or not _may_pass(place, cause):
                    raise
                time.sleep(wait)  # the store may have come back since
                continue
            if place not in self._read:
                self._read.append(place)
            return data

    def _is_away(self, place: Place, cause: OSError) -> bool:
        if not self._read:
            return place.system is not None and not isinstance(cause, FileNotFoundError)
        return not any(map(_is_readable, list(self._read)))


def _may_pass(place: Place, cause: OSError) -> bool:
    """Whether the same file may be readable later, though its store answers."""
    if place.system is None:
        return cause.errno in _PASSING
    return not isinstance(cause, FileNotFoundError)


def _is_readable(place: Place) -> bool:
    try:
        read(place)
    except InputError:
        return False
    return True


def patiently(work: Callable[[], T], patience_s: float, notify: Callable[[str], None]) -> T:
    """The result of `work`, tried again while it raises StorageUnavailable, for up to `patience_s` seconds.

    Each wait is notified in one line. Waits are 1, 2, 4 … 60 s.
    """
    began, durations = time.monotonic(), _waits()
    while True:
        try:
            return work()
        except StorageUnavailable as error:
            left = patience_s - (time.monotonic() - began)
            if left <= 0:
                raise
            notify(f"waiting: {PlatewatchError(error.where, error.what)}")
            time.sleep(min(next(durations), left))


def _waits() -> Iterator[float]:
    seconds = 1.0
    while True:
        yield seconds
        seconds = min(2 * seconds, _LONGEST_WAIT_S)
