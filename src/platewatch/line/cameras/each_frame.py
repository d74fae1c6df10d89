"""Judges each frame of a camera whose own line triggers it, where no PLC asks for the parts."""

import logging
import threading

from platewatch.errors import ModelError, RecordError
from platewatch.line.cameras.frames import Frame, NoFrame
from platewatch.line.cameras.parts import CameraParts
from platewatch.line.cameras.stream import Stream

log = logging.getLogger("platewatch.line")

_WAIT_S = 0.2
_RETRY_S = 1.0


class EachFrame:
    """The thread that judges them, each once and in order; one waits while there is no model or record."""

    def __init__(self, parts: CameraParts, stream: Stream) -> None:
        self._parts, self._stream = parts, stream
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
        while not self._stopping.is_set():
            try:
                frame = self._stream.next(_WAIT_S)
            except NoFrame as error:
                self._until_done(error)
            else:
                if frame is not None:
                    self._until_done(frame)

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
