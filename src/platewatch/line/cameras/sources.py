"""Cameras from the command line's words: [NAME=]KIND:ADDRESS."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from platewatch.errors import InputError
from platewatch.line.cameras.folder import FolderCamera
from platewatch.line.cameras.frames import FrameSource

Known = Callable[[Sequence[str]], set[str]]
KINDS = ("folder",)

_NAME = re.compile(r"[A-Za-z0-9_-]{1,24}")


@dataclass(frozen=True)
class CameraAddress:
    """A camera as it was named: its own name, its kind, and where it is."""

    name: str
    kind: str
    address: str


def camera_addresses(given: Sequence[str]) -> tuple[CameraAddress, ...]:
    """Read [NAME=]KIND:ADDRESS; without a name a camera is called after its kind. Raises InputError."""
    found = list[CameraAddress]()
    for text in given:
        name, is_named, rest = text.partition("=")
        if not is_named or not _NAME.fullmatch(name):
            name, rest = "", text
        kind, _, address = rest.partition(":")
        if kind not in KINDS or not address:
            kinds = ", ".join(f"{each}:…" for each in KINDS)
            raise InputError("--camera", f"{text!r}", expected=f"[NAME=]KIND:ADDRESS, one of {kinds}")
        found.append(CameraAddress(name or kind, kind, address))
    names = [each.name for each in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError("--camera", f"two are called {twice[0]}", remedy="give each a name: NAME=KIND:ADDRESS")
    return tuple(found)


def source(camera: CameraAddress, known: Known) -> FrameSource:
    """The camera; `known` gives those of the keys that the record has."""
    return FolderCamera(camera.name, Path(camera.address), known)
