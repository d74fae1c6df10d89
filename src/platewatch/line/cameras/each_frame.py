"""Judges the parts of a camera by itself, where no PLC asks: each triggered frame, or each part that lies still."""

import logging
import threading

from platewatch.errors import ModelError, RecordError
from platewatch.line.cameras.frames import Frame, NoFrame
from platewatch.line.cameras.parts import CameraParts
from platewatch.line.cameras.stillness import Stillness
from platewatch.line.cameras.stream import Stream, Trigger

log = logging.getLogger("platewatch.line")

_WAIT_S = 0.2
_RETRY_S = 1.0


class EachFrame:
    """The thread that judges them, each once and in order; one waits while there is no model or record.

    A camera with a line of its own sends one frame a part. Of a free-running one the frame is taken in which a part
    lies still (stillness.py).
    """

    def __init__(self, parts: CameraParts, stream: Stream) -> None:
        self._parts, self._stream = parts, stream
        self.stillness, self._number = Stillness(), 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"parts of {stream.name}", daemon=True)

    def start(self) -> None:
        """Judge from now on."""
        self._thread.start()

    def stop(self) -> None:
        """End after the part that is being judged."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        each = self._still_part if self._stream.trigger is Trigger.STILL else self._triggered
        while not self._stopping.is_set():
            what = each()
            if what is not None:
                self._until_done(what)

    def _triggered(self) -> Frame | NoFrame | None:
        try:
            return self._stream.next(_WAIT_S)
        except NoFrame as error:
            return error

    def _still_part(self) -> Frame | None:
        try:
            found = self._stream.after(self._number, _WAIT_S)
        except NoFrame as error:
            log.warning("%s", error)
            self._stopping.wait(_RETRY_S)
            return None
        if found is None:
            return None
        self._number, frame = found
        is_part = not isinstance(frame.photograph, bytes) and self.stillness.add(frame.photograph)
        return frame if is_part else None

    def _until_done(self, what: Frame | NoFrame) -> None:
        while not self._stopping.is_set():
            try:
                if isinstance(what, NoFrame):
                    self._parts.record_fault(what)
                else:
                    self._parts.judge_frame(what, retry=self._waits)
                return
            except (ModelError, RecordError):  # the health check reports it
                self._waits()
            except Exception:
                log.exception("a frame of camera %s is lost", self._stream.name)
                return

    def _waits(self) -> bool:
        """Wait a little; whether to try again."""
        return not self._stopping.wait(_RETRY_S)
