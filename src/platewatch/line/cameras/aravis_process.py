"""Runs one GigE Vision or USB3 Vision camera by Aravis, under the system's Python, for the module aravis.

Imports nothing of Platewatch: Debian packages Aravis's bindings (`gi`) for its own Python alone. Commands come as JSON
lines on stdin: `open`, `fire`. On stdout come JSON lines; one with `bytes` is followed by so many bytes of a frame.
Ends with stdin.

Aravis counts a buffer that was too small as success, hands out frames of another size after a change of the region,
and answers reads of a camera that was switched off and on, which sends no frame any more: each is looked for here.
"""

import importlib
import json
import os
import select
import sys
import time
from typing import Any

POP_US = 10_000
CHECK_S = 0.5  # between two looks at the settings and at who controls the camera
BUFFERS = 16
LAST_ID = 65_535  # frame ids of GigE Vision 1 follow it with 1
SETTINGS = (
    ("Width", "int"),
    ("Height", "int"),
    ("OffsetX", "int"),
    ("OffsetY", "int"),
    ("PixelFormat", "str"),
    ("ExposureTime", "float"),
    ("ExposureTimeAbs", "float"),
    ("Gain", "float"),
    ("GainRaw", "int"),
    ("BalanceRatio", "float"),
    ("Gamma", "float"),
)


def main(name: str) -> None:
    """Speak for the camera with that id, serial number or address until stdin ends; without one list all."""
    try:
        gi = importlib.import_module("gi")
        gi.require_version("Aravis", "0.8")
        aravis = importlib.import_module("gi.repository.Aravis")
    except (ImportError, ValueError):
        send({"missing": "Aravis is not installed for the system's Python"})
        return
    if not name:
        send({"devices": devices(aravis)})
        return
    try:
        Camera(aravis, name).run()
    except Exception as error:  # of GLib, with the text of Aravis
        send({"lost": getattr(error, "message", "") or str(error)})


def send(values: dict[str, Any], data: bytes = b"") -> None:
    """One line, and a frame's bytes after it."""
    if data:
        values["bytes"] = len(data)
    out = sys.stdout.buffer
    out.write(json.dumps(values).encode() + b"\n")
    out.write(data)
    out.flush()


def devices(aravis: Any) -> list[dict[str, str]]:
    """Every camera that answers within a second."""
    aravis.update_device_list()
    return [
        {
            "id": aravis.get_device_id(at),
            "description": " ".join(
                filter(None, (aravis.get_device_vendor(at), aravis.get_device_model(at), aravis.get_device_address(at)))
            ),
        }
        for at in range(aravis.get_n_devices())
    ]


class Camera:
    """The camera and its stream of frames."""

    def __init__(self, aravis: Any, name: str) -> None:
        self.aravis = aravis
        aravis.update_device_list()  # otherwise the frames may go to another network interface, and none arrives
        self.camera = aravis.Camera.new(name)
        self.device = self.camera.get_device()
        self.stream: Any = None
        self.format, self.region = (0, ""), (0, 0)
        self.last, self.cut = 0, 0
        self.input = b""

    def run(self) -> None:
        """Answer commands, hand over frames, look at the camera now and then."""
        looked = 0.0
        while True:
            for command in self.commands():
                if command is None:
                    self.camera.stop_acquisition()
                    return
                self.obey(command)
            if self.stream is None:
                continue
            buffer = self.stream.timeout_pop_buffer(POP_US)
            if buffer is not None:
                self.hand_over(buffer)
                self.stream.push_buffer(buffer)
            if time.monotonic() - looked > CHECK_S:
                self.look()
                looked = time.monotonic()

    def commands(self) -> "list[dict[str, Any] | None]":
        """What came on stdin; None at its end."""
        if not select.select([0], [], [], 0 if self.stream is not None else 0.1)[0]:
            return []
        data = os.read(0, 65_536)
        if not data:
            return [None]
        *lines, self.input = (self.input + data).split(b"\n")
        return [json.loads(line) for line in lines]

    def obey(self, command: "dict[str, Any]") -> None:
        """Open the camera, or trigger a frame."""
        if command["do"] == "fire":
            self.camera.software_trigger()
            return
        self.camera.stop_acquisition()  # a program that was killed may have left it sending
        for name, kind in SETTINGS:
            if name in command["settings"] and self.camera.is_feature_available(name):
                self.put(name, kind, command["settings"][name])
        if command["trigger"] == "free":
            self.camera.clear_triggers()
        else:
            self.camera.set_trigger("Software" if command["trigger"] == "software" else "Line0")
        self.camera.set_acquisition_mode(self.aravis.AcquisitionMode.CONTINUOUS)
        self.format = self.camera.get_pixel_format(), self.camera.get_pixel_format_as_string()
        _, _, width, height = self.camera.get_region()
        self.region = width, height
        self.stream = self.camera.create_stream(None, None)
        payload = self.camera.get_payload()
        for _ in range(BUFFERS):
            self.stream.push_buffer(self.aravis.Buffer.new_allocate(payload))
        self.camera.start_acquisition()
        send({"opened": self.settings()})

    def put(self, name: str, kind: str, value: str) -> None:
        """Set a feature from its text, unless it has that value: some can only be read while frames come."""
        if self.value(name, kind) == value:
            return
        if kind == "str":
            self.device.set_string_feature_value(name, value)
        elif kind == "int":
            self.device.set_integer_feature_value(name, int(value))
        else:
            self.device.set_float_feature_value(name, float(value))

    def value(self, name: str, kind: str) -> str:
        """A feature as text."""
        if kind == "str":
            return str(self.device.get_string_feature_value(name))
        if kind == "int":
            return str(self.device.get_integer_feature_value(name))
        return str(self.device.get_float_feature_value(name))

    def settings(self) -> "dict[str, str]":
        """Every setting that the camera has."""
        return {name: self.value(name, kind) for name, kind in SETTINGS if self.camera.is_feature_available(name)}

    def look(self) -> None:
        """Tell the settings; raise when another program controls the camera."""
        if self.camera.is_gv_device() and not self.device.is_controller():
            raise RuntimeError("another program controls it, or it was switched off and on")
        send({"settings": self.settings()})

    def hand_over(self, buffer: Any) -> None:
        """Send a frame, with a fault when it is not whole; frames that were left out are told before it."""
        number, fault = buffer.get_frame_id(), self.fault(buffer)
        if self.last and number and self.camera.is_gv_device():
            missing = (number - self.last - 1) % LAST_ID
            if 0 < missing < LAST_ID // 2:
                send({"missing_frames": missing})
        self.last = number
        width, height = self.region
        send(
            {"width": width, "height": height, "format": self.format[1], "fault": fault},
            bytes(buffer.get_data() or b""),
        )

    def fault(self, buffer: Any) -> str:
        """Why a frame is no whole picture; empty for a good one."""
        status = buffer.get_status()
        if status != self.aravis.BufferStatus.SUCCESS:
            return str(status.value_nick).replace("-", " ")
        cut = self.stream.get_info_uint64_by_name("n_size_mismatch_errors")
        if cut != self.cut:
            self.cut = cut
            return "its buffer was cut"
        size = (buffer.get_image_width(), buffer.get_image_height())
        if size != self.region or buffer.get_image_pixel_format() != self.format[0]:
            return "its size or pixel format was changed"
        return ""


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "")
