"""GenICam cameras through a vendor's GenTL producer, by harvesters; it is imported only here."""

import os
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from genicam.genapi import GenericException as NodeError
from genicam.gentl import GenericException, TimeoutException
from harvesters.core import Harvester

from platewatch.errors import InputError
from platewatch.line.cameras.stream import CameraLost, RawFrame, Trigger

PRODUCERS_VARIABLE = "GENICAM_GENTL64_PATH"
"""Environment variable in which vendors' installers name the folders of their producers."""

SETTINGS = ("Width", "Height", "OffsetX", "OffsetY", "PixelFormat", "ExposureTime", "Gain", "BalanceRatio", "Gamma")
"""Features that decide how a part looks; those that the camera lacks are left out."""


class GenicamDriver:
    """One camera of one producer; a Driver."""

    def __init__(self, producer: Path, device: str) -> None:
        """`device` is the id, serial number, own name or model of the camera; empty: the only one."""
        self._producer, self._device = producer, device
        self._acquirer: Any = None
        self._is_open = False

    def open(self, trigger: Trigger, settings: Mapping[str, str]) -> None:
        """Connect and begin; raises InputError for a producer or device that does not exist."""
        harvester = _taken(self._producer)
        self._is_open = True
        index = _index(_devices(harvester), self._device, self._producer)
        try:
            self._acquirer = harvester.create(index)
            nodes = self._acquirer.remote_device.node_map
            for name, value in settings.items():
                _set(nodes, name, value)
            if trigger is not Trigger.FREE:
                _set(nodes, "TriggerMode", "On", needed=True)
                _set(nodes, "TriggerSource", "Software" if trigger is Trigger.SOFTWARE else "Line0", needed=True)
            self._acquirer.start()
        except (GenericException, NodeError) as error:
            raise CameraLost(f"cannot be opened ({type(error).__name__})") from error

    def settings(self) -> dict[str, str]:
        """The present values of SETTINGS."""
        nodes, found = self._acquirer.remote_device.node_map, dict[str, str]()
        for name in SETTINGS:
            with suppress(AttributeError):
                node = getattr(nodes, name)
                try:
                    found[name] = str(node.value)
                except (GenericException, NodeError) as error:
                    raise CameraLost(f"{name} cannot be read ({type(error).__name__})") from error
        return found

    def fire(self) -> None:
        """Trigger one frame."""
        try:
            self._acquirer.remote_device.node_map.TriggerSoftware.execute()
        except (GenericException, NodeError) as error:
            raise CameraLost(f"cannot be triggered ({type(error).__name__})") from error

    def read(self, wait_s: float) -> RawFrame | None:
        """The next frame in memory of its own: the producer writes the next ones over the buffer's."""
        try:
            with self._acquirer.fetch(timeout=wait_s) as buffer:
                part = buffer.payload.components[0]
                data = np.array(part.data, copy=True).view(np.uint8).ravel()
                fault = "" if buffer.is_complete() else "lost packets"
                return RawFrame(data, part.width, part.height, str(part.data_format), fault)
        except TimeoutException:
            return None
        except (GenericException, NodeError) as error:
            raise CameraLost(f"sends no more ({type(error).__name__})") from error

    def close(self) -> None:
        """Disconnect."""
        acquirer, self._acquirer = self._acquirer, None
        if acquirer is not None:
            with suppress(GenericException, NodeError):
                acquirer.destroy()
        if self._is_open:
            self._is_open = False
            _returned(self._producer)


def producers() -> list[Path]:
    """The GenTL producers that are installed on this machine."""
    folders = [Path(each) for each in os.environ.get(PRODUCERS_VARIABLE, "").split(os.pathsep) if each]
    return sorted(path for folder in folders for path in folder.glob("*.cti"))


def listed(producer: Path) -> list[dict[str, str]]:
    """The cameras that a producer finds: id, vendor, model, serial number; raises InputError."""
    harvester = _taken(producer)
    try:
        return _devices(harvester)
    finally:
        _returned(producer)


_open_producers: dict[Path, tuple[Any, int]] = {}
_lock = threading.Lock()


def _taken(producer: Path) -> Any:
    """The harvester of a producer, one for the whole process: a second one of the same file finds no camera."""
    with _lock:
        harvester, users = _open_producers.get(producer, (None, 0))
        if harvester is None:
            harvester = _opened(producer)
        _open_producers[producer] = harvester, users + 1
        return harvester


def _returned(producer: Path) -> None:
    """Close the producer when nobody uses it any more."""
    with _lock:
        harvester, users = _open_producers.pop(producer)
        if users > 1:
            _open_producers[producer] = harvester, users - 1
            return
        with suppress(GenericException):
            harvester.reset()


def _opened(producer: Path) -> Any:
    """Load the producer: harvesters takes a file that does not exist without a word."""
    if not producer.is_file():
        raise InputError(producer, "no such GenTL producer", expected="a vendor's .cti file", remedy="check the path")
    harvester = Harvester()
    try:
        harvester.add_file(str(producer))
        harvester.update()
    except (GenericException, OSError) as error:
        harvester.reset()
        raise InputError(producer, f"cannot be loaded ({type(error).__name__})", expected="a GenTL producer") from error
    return harvester


def _devices(harvester: Any) -> list[dict[str, str]]:
    found = list[dict[str, str]]()
    for device in harvester.device_info_list:
        values = dict[str, str]()
        for name, attribute in (
            ("id", "id_"),
            ("vendor", "vendor"),
            ("model", "model"),
            ("serial", "serial_number"),
            ("name", "user_defined_name"),
        ):
            with suppress(GenericException):  # each may be missing in a producer
                values[name] = str(getattr(device, attribute))
        found.append(values)
    return found


def _index(found: list[dict[str, str]], wanted: str, producer: Path) -> int:
    at = [number for number, each in enumerate(found) if not wanted or wanted in each.values()]
    if len(at) == 1:
        return at[0]
    there = ", ".join(each.get("id", "?") for each in found) or "no camera"
    if not at:
        raise CameraLost(f"{wanted or 'a camera'} is not there, {producer.name} finds {there}")
    raise InputError(
        f"genicam:{producer.name}", f"finds {there}", expected="one of them", remedy="name it behind the file"
    )


def _set(nodes: Any, name: str, value: str, *, needed: bool = False) -> None:
    """Set a feature from its text; without `needed` one that does not exist or cannot be written now is left."""
    try:
        node = getattr(nodes, name)
    except AttributeError:
        if needed:
            what = f"has no {name}"
            raise InputError(
                "camera", what, expected="a camera that can be triggered", remedy="let it run free"
            ) from None
        return
    try:
        if str(node.value) != value:
            node.from_string(value)
    except (GenericException, NodeError) as error:
        if needed:
            raise CameraLost(f"{name} cannot be set ({type(error).__name__})") from error
