"""GigE Vision and USB3 Vision cameras by Aravis, in a process of the system's Python."""

import json
import os
import queue
import subprocess
import threading
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import numpy as np

from platewatch.errors import InputError
from platewatch.line.cameras.stream import CameraLost, RawFrame, Trigger

PYTHON_VARIABLE = "PLATEWATCH_SYSTEM_PYTHON"
"""Environment variable with the Python that has Aravis's bindings."""

_SCRIPT = Path(__file__).with_name("aravis_process.py")
_OPEN_S = 10.0
_CLOSE_S = 1.0
_SILENT_S = 1.2  # the process tells the settings every half second; it hangs while the camera does not answer
_MOST_MISSING = 32  # frames that were left out and are told one by one


class AravisDriver:
    """One camera by its id, serial number or IP address; a Driver."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._process: subprocess.Popen[bytes] | None = None
        self._messages = queue.Queue[tuple[dict[str, Any], bytes] | None]()
        self._settings, self._waiting, self._silent_s = dict[str, str](), deque[RawFrame](), 0.0

    def open(self, trigger: Trigger, settings: Mapping[str, str]) -> None:
        """Start the process and let it open the camera; raises InputError where Aravis is not installed."""
        self._waiting.clear()
        self._messages, self._silent_s = queue.Queue(), 0.0
        self._process = _started(self._device)
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe
        threading.Thread(target=_listen, args=(self._process.stdout, self._messages), daemon=True).start()
        self._tell({"do": "open", "trigger": str(trigger), "settings": dict(settings)})
        values, _ = self._message(_OPEN_S)
        if "opened" not in values:
            raise CameraLost("cannot be opened")
        self._settings = values["opened"]

    def settings(self) -> dict[str, str]:
        """As the process told them last."""
        return dict(self._settings)

    def fire(self) -> None:
        """Trigger one frame."""
        self._tell({"do": "fire"})

    def read(self, wait_s: float) -> RawFrame | None:
        """The next frame."""
        if self._waiting:
            return self._waiting.popleft()
        try:
            values, data = self._message(wait_s)
        except queue.Empty:
            self._silent_s += wait_s
            if self._silent_s > _SILENT_S:
                raise CameraLost("does not answer") from None
            return None
        self._silent_s = 0.0
        if "settings" in values:
            self._settings = values["settings"]
        elif "missing_frames" in values:
            lost = RawFrame(np.zeros(0, np.uint8), 0, 0, "", "the frame did not arrive")
            self._waiting.extend([lost] * min(values["missing_frames"], _MOST_MISSING))
        elif "width" in values:
            pixels = np.frombuffer(data, np.uint8)
            return RawFrame(pixels, values["width"], values["height"], values["format"], values["fault"])
        return None

    def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is None:
            return
        with suppress(OSError):
            if process.stdin is not None:
                process.stdin.close()  # it stops the camera and ends
        try:
            process.wait(_CLOSE_S)
        except subprocess.TimeoutExpired:  # it waits for a camera that does not answer
            process.kill()
            process.wait()

    def _tell(self, command: dict[str, Any]) -> None:
        try:
            assert self._process is not None and self._process.stdin is not None  # noqa: S101, PT018 - it is open
            self._process.stdin.write(json.dumps(command).encode() + b"\n")
            self._process.stdin.flush()
        except OSError as error:
            raise CameraLost("its process has ended") from error

    def _message(self, wait_s: float) -> tuple[dict[str, Any], bytes]:
        """The next message; raises queue.Empty, CameraLost or InputError."""
        found = self._messages.get(timeout=wait_s)
        if found is None:
            raise CameraLost("its process has ended")
        values = found[0]
        if "missing" in values:
            raise _not_installed(values["missing"])
        if "lost" in values:
            raise CameraLost(str(values["lost"]))
        return found


def listed() -> list[dict[str, str]]:
    """The cameras that answer: id and description; raises InputError where Aravis is not installed."""
    process = _started("")
    try:
        out, _ = process.communicate(timeout=_OPEN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return []
    values: dict[str, Any] = json.loads(out.splitlines()[0]) if out else {"missing": "Aravis does not start"}
    if "missing" in values:
        raise _not_installed(values["missing"])
    found: list[dict[str, str]] = values.get("devices", [])
    return found


def _started(device: str) -> "subprocess.Popen[bytes]":
    python = os.environ.get(PYTHON_VARIABLE, "/usr/bin/python3")
    own = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    try:
        return subprocess.Popen(  # noqa: S603 - our own script
            [python, "-s", str(_SCRIPT), device], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=own
        )
    except OSError as error:
        raise _not_installed(f"{python} does not start") from error


def _listen(pipe: IO[bytes], messages: "queue.Queue[tuple[dict[str, Any], bytes] | None]") -> None:
    """Put every message of the process into the queue, None at the end."""
    with pipe:
        while line := pipe.readline():
            values = json.loads(line)
            size = values.get("bytes", 0)
            data = pipe.read(size) if size else b""
            if len(data) < size:
                break
            messages.put((values, data))
    messages.put(None)


def _not_installed(what: str) -> InputError:
    remedy = f"apt-get install gir1.2-aravis-0.8 python3-gi, or name its Python in {PYTHON_VARIABLE}"
    return InputError("gige", what, remedy=remedy)
