"""Cameras from the command line's words: [NAME[@PART_TYPE]=]KIND:ADDRESS[?trigger=…&store=…]."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl

from platewatch.errors import InputError
from platewatch.line.cameras.folder import FolderCamera
from platewatch.line.cameras.frames import FrameSource
from platewatch.line.cameras.parts import FORMATS
from platewatch.line.cameras.stream import Driver, Stream, Trigger

Known = Callable[[Sequence[str]], set[str]]
KINDS = ("folder", "genicam", "gige", "usb", "rtsp")

_NAME = re.compile(r"([A-Za-z0-9_-]{1,24})(?:@([A-Za-z0-9._-]{1,40}))?")
_OPTIONS = {"trigger": tuple(Trigger), "store": tuple(FORMATS)}


@dataclass(frozen=True)
class CameraAddress:
    """A camera as it was named: its own name, its kind, and where it is."""

    name: str
    kind: str
    address: str
    trigger: Trigger = Trigger.FREE
    store: str = "png"
    """The format of its stored photographs, where they are no files already."""
    part_type: str = ""
    """The type of its parts; empty: the only one, or the PLC says it."""


def camera_addresses(given: Sequence[str]) -> tuple[CameraAddress, ...]:
    """Read the words; without a name a camera is called after its kind. Raises InputError."""
    found = [_camera_address(text) for text in given]
    names = [each.name for each in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError("--camera", f"two are called {twice[0]}", remedy="give each a name: NAME=KIND:ADDRESS")
    return tuple(found)


def source(camera: CameraAddress, known: Known) -> FrameSource:
    """The camera; `known` gives those of the keys that the record has. Raises ModuleNotFoundError without its extra."""
    if camera.kind == "folder":
        return FolderCamera(camera.name, Path(camera.address), known)
    return Stream(camera.name, _driver(camera), camera.trigger)


def _camera_address(text: str) -> CameraAddress:
    before, is_named, rest = text.partition("=")
    named = _NAME.fullmatch(before) if is_named else None
    name, part_type = (named[1], named[2] or "") if named else ("", "")
    rest = rest if named else text
    kind, _, address = rest.partition(":")
    if kind not in KINDS or not address:
        kinds = ", ".join(f"{each}:…" for each in KINDS)
        raise InputError("--camera", f"{text!r}", expected=f"[NAME=]KIND:ADDRESS, one of {kinds}")
    options = dict[str, str]()
    if kind != "rtsp":  # its URL may have a query of its own
        address, _, query = address.partition("?")
        options = dict(parse_qsl(query, keep_blank_values=True))
    for option, value in options.items():
        allowed = _OPTIONS.get(option)
        if allowed is None or value not in allowed:
            expected = " or ".join(f"{each}={'|'.join(values)}" for each, values in _OPTIONS.items())
            raise InputError("--camera", f"{option}={value}", expected=expected)
    if kind == "usb" and not address.isdecimal():
        raise InputError("--camera", f"{text!r}", expected="usb:0, the camera's number")
    trigger = Trigger(options.get("trigger", "free"))
    return CameraAddress(name or kind, kind, address, trigger, options.get("store", "png"), part_type)


def _driver(camera: CameraAddress) -> Driver:
    """The driver; a foreign library is imported only where a camera needs it."""
    if camera.kind == "genicam":
        from platewatch.line.cameras.genicam import GenicamDriver  # noqa: PLC0415

        file, mark, device = camera.address.partition(".cti")
        return GenicamDriver(Path(file + mark), device.removeprefix(":"))
    if camera.kind == "gige":
        from platewatch.line.cameras.aravis import AravisDriver  # noqa: PLC0415

        return AravisDriver(camera.address)
    from platewatch.line.cameras.opencv import OpenCvDriver  # noqa: PLC0415

    return OpenCvDriver(int(camera.address) if camera.kind == "usb" else f"rtsp:{camera.address}")
