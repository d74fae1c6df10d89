"""USB and network cameras through OpenCV: frames as they come, no trigger, no settings."""

from collections.abc import Mapping

import cv2
import numpy as np

from platewatch.errors import InputError
from platewatch.line.cameras.stream import CameraLost, RawFrame, Trigger

_OPEN_MS, _READ_MS = 3000, 2000


class OpenCvDriver:
    """A camera by its number (USB) or its URL (RTSP); a Driver."""

    def __init__(self, address: int | str) -> None:
        self._address = address
        self._capture: cv2.VideoCapture | None = None

    def open(self, trigger: Trigger, _settings: Mapping[str, str]) -> None:
        """Connect; raises InputError when a trigger is asked for, which OpenCV has none of."""
        if trigger is not Trigger.FREE:
            raise InputError("--camera", f"trigger={trigger}", expected="trigger=free for usb and rtsp")
        limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, _OPEN_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, _READ_MS]
        if isinstance(self._address, int):
            self._capture = cv2.VideoCapture(self._address)
        else:
            self._capture = cv2.VideoCapture(self._address, cv2.CAP_FFMPEG, limits)
        if not self._capture.isOpened():
            raise CameraLost("does not answer")

    def settings(self) -> dict[str, str]:
        """The size of its frames."""
        sizes = {"Width": cv2.CAP_PROP_FRAME_WIDTH, "Height": cv2.CAP_PROP_FRAME_HEIGHT}
        return {name: f"{self._opened.get(each):.0f}" for name, each in sizes.items()}

    def fire(self) -> None:
        """Never called: it runs free."""

    def read(self, _wait_s: float) -> RawFrame | None:
        """The next frame, as soon as it is there."""
        came, frame = self._opened.read()
        if not came:
            raise CameraLost("sends no more")
        data = np.asarray(frame, np.uint8)
        return RawFrame(data.ravel(), data.shape[1], data.shape[0], "BGR8")

    def close(self) -> None:
        """Disconnect."""
        if self._capture is not None:
            self._capture.release()
        self._capture = None

    @property
    def _opened(self) -> cv2.VideoCapture:
        if self._capture is None:
            raise CameraLost("is not open")
        return self._capture
