"""A camera that sends frames: a thread reads all of them, keeps the newest, and opens a lost camera again.

Drivers buffer frames: the next one that they hand over may be seconds old. Therefore every frame is read as it comes,
and a part gets one that was exposed after its trigger.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from platewatch.arrays import Bytes
from platewatch.errors import PlatewatchError
from platewatch.line.cameras import pixel_formats
from platewatch.line.cameras.frames import Frame, NoFrame
from platewatch.line.health import Finding

log = logging.getLogger("platewatch.line")

_READ_S = 0.01
_SETTINGS_S = 1.0  # between two looks at the camera's settings
_REOPEN_S = 1.0
_SHOWN_S = 3.0  # a problem is shown for at least so long
_KEPT, _KEPT_OF_LINE = 2, 32  # frames that wait; those of a camera with a line of its own are all judged
STALE_S = 2.0
"""A free-running camera that sends nothing for so long has a problem."""


class Trigger(StrEnum):
    """What makes the camera take a frame."""

    FREE = "free"
    SOFTWARE = "software"
    LINE = "line"
    STILL = "still"
    """Runs free; a part is judged once it lies still in view."""


class CameraLost(Exception):  # noqa: N818 - says what happened
    """The camera does not answer or was changed; the text says what, for a person."""


@dataclass(frozen=True)
class RawFrame:
    """A frame as the camera sent it."""

    data: Bytes = field(repr=False)
    """Flat uint8, in memory of its own."""
    width: int
    height: int
    pixel_format: str
    """Its PFNC name."""
    fault: str = ""
    """Why it is no whole picture, such as lost packets; empty for a good one."""


class Driver(Protocol):
    """Speaks to one camera; for one thread. Every method may raise CameraLost or InputError."""

    def open(self, trigger: Trigger, settings: Mapping[str, str]) -> None:
        """Connect, put back `settings` (empty at first) and begin to send frames."""

    def settings(self) -> dict[str, str]:
        """What decides how a part looks: region, pixel format, exposure, gain, white balance."""

    def fire(self) -> None:
        """Trigger one frame by software."""

    def read(self, wait_s: float) -> RawFrame | None:
        """The next frame; None when none came within `wait_s`."""

    def close(self) -> None:
        """Disconnect; raises nothing."""


class Stream:
    """A FrameSource of a camera that sends frames."""

    def __init__(self, name: str, driver: Driver, trigger: Trigger = Trigger.FREE) -> None:
        self.name, self.trigger = name, trigger
        self._driver, self._settings = driver, dict[str, str]()
        self._lost, self._lost_at, self._heard = f"camera {name} is not open yet", float("-inf"), 0.0
        self._message = self._lost
        self._newest: RawFrame | None = None
        self._frames = deque[RawFrame](maxlen=_KEPT_OF_LINE if trigger is Trigger.LINE else _KEPT)
        self._number, self._overrun, self._fire = 0, 0, False
        self._changed, self._stopping = threading.Condition(), threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"camera {name}", daemon=True)

    def start(self) -> None:
        """Open the camera and read it from now on, again and again when it is lost."""
        self._thread.start()

    def stop(self) -> None:
        """Close the camera."""
        self._stopping.set()
        with self._changed:
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join()

    def take(self, _part_id: str, wait_s: float) -> Frame:
        """The part's frame, as `FrameSource.take`.

        By software: the frame that the trigger made. Free-running: the second one from now on, as the first may have
        been exposed before. With a line of its own: the one frame that came since the last part, or comes now.
        """
        with self._changed:
            if self.trigger is Trigger.LINE and len(self._frames) > 1:
                many = len(self._frames)
                self._frames.clear()
                raise NoFrame(f"camera {self.name} took {many} frames for one part")
            if self.trigger is not Trigger.LINE:
                self._frames.clear()
            self._fire = self.trigger is Trigger.SOFTWARE
            needed = 2 if self._runs_free else 1
            self._changed.wait_for(lambda: len(self._frames) >= needed or self._is_down(), wait_s)
            if len(self._frames) < needed:
                self._fire = False
                raise NoFrame(self._lost or f"no frame from camera {self.name} within {1e3 * wait_s:.0f} ms")
            raw = self._frames.pop()
            self._frames.clear()
        return self._frame(raw)

    def next(self, wait_s: float) -> Frame | None:
        """The next frame of a camera with a line of its own, each once and in order; None when none came in time.

        Raises NoFrame for one that is no whole picture.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._frames or self._stopping.is_set(), wait_s) or not self._frames:
                return None
            raw = self._frames.popleft()
        return self._frame(raw)

    def after(self, number: int, wait_s: float) -> tuple[int, Frame] | None:
        """The newest frame and its number, once that is above `number`; it stays for others. None when none came.

        Raises NoFrame for one that is no whole picture.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._number > number or self._stopping.is_set(), wait_s):
                return None
            raw, number = self._newest, self._number
        return None if raw is None or self._stopping.is_set() else (number, self._frame(raw))

    def problems(self) -> Iterator[Finding]:
        """A camera that is lost or sends nothing, and frames that nobody judged in time."""
        now = time.monotonic()
        if self._lost or now - self._lost_at < _SHOWN_S:
            yield "camera_lost", self._message, True
        elif self._runs_free and now - self._heard > STALE_S:
            yield "camera_stale", f"camera {self.name} sends no frames; check its cable and its light", True
        if self._overrun:
            what = (
                f"{self._overrun} frames of camera {self.name} were not judged: they come faster than they are judged"
            )
            yield "camera_overrun", what, False

    @property
    def _runs_free(self) -> bool:
        return self.trigger in {Trigger.FREE, Trigger.STILL}

    def _is_down(self) -> bool:
        return bool(self._lost) or self._stopping.is_set()

    def _frame(self, raw: RawFrame) -> Frame:
        if raw.fault:
            raise NoFrame(f"the frame of camera {self.name} is not whole ({raw.fault})")
        try:
            pixels = pixel_formats.to_rgb(raw.data, raw.width, raw.height, raw.pixel_format)
        except PlatewatchError as error:
            raise NoFrame(f"camera {self.name}: {error.reason}") from error
        return Frame(pixels, self.name)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._driver.open(Trigger.FREE if self._runs_free else self.trigger, self._settings)
                self._settings = self._settings or self._driver.settings()
                self._set_lost("")
                self._read_all()
            except CameraLost as error:
                self._set_lost(f"camera {self.name}: {error}")
            except PlatewatchError as error:
                self._set_lost(f"camera {self.name}: {error.reason}")
            except Exception as error:
                log.exception("camera %s", self.name)
                self._set_lost(f"camera {self.name} fails ({type(error).__name__}); the log says more")
            with suppress(Exception):
                self._driver.close()
            self._stopping.wait(_REOPEN_S)

    def _read_all(self) -> None:
        self._heard = looked = time.monotonic()
        while not self._stopping.is_set():
            if self._fire:
                self._fire = False
                self._driver.fire()
            raw = self._driver.read(_READ_S)
            now = time.monotonic()
            if raw is not None:
                self._heard = now
                self._keep(raw)
            if now - looked >= _SETTINGS_S:
                looked = now
                self._compare(self._driver.settings())

    def _keep(self, raw: RawFrame) -> None:
        with self._changed:
            if raw.fault and self._runs_free:
                return  # the next one comes by itself
            if self.trigger is Trigger.LINE and len(self._frames) == self._frames.maxlen:
                self._overrun += 1
            self._frames.append(raw)
            self._newest, self._number = raw, self._number + 1
            self._changed.notify_all()

    def _compare(self, found: Mapping[str, str]) -> None:
        """Raise CameraLost when the settings are not those of the beginning; opening it again puts them back."""
        before = self._settings
        other = [
            f"{name} {before[name]} → {found.get(name, 'none')}" for name in before if found.get(name) != before[name]
        ]
        if other:
            raise CameraLost(f"its settings were changed from outside ({', '.join(other)}); they are put back")

    def _set_lost(self, message: str) -> None:
        with self._changed:
            if message:
                self._message, self._lost_at = f"{message}; parts wait until it is back", time.monotonic()
                self._frames.clear()
                if message != self._lost:
                    log.warning(message)
            self._lost = message
            self._changed.notify_all()
