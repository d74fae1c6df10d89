"""Judges the parts in front of one camera: takes the frame, has it judged and recorded, and stores its photograph."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from platewatch.arrays import Photo
from platewatch.errors import InputError
from platewatch.line.assembly import Line
from platewatch.line.cameras.frames import Frame, FrameSource, NoFrame
from platewatch.line.judging import JudgedPhotograph, Plate, RecordedPlate
from platewatch.model.inspector import failed

FORMATS = {"png": (cv2.IMWRITE_PNG_COMPRESSION, 1), "jpeg": (cv2.IMWRITE_JPEG_QUALITY, 95), "bmp": ()}
"""In which a camera's photographs are stored, with OpenCV's options; only those of PNG and BMP can be judged again
to the same score."""


class CameraParts:
    """The parts of one camera, one at a time; thread-safe."""

    def __init__(
        self, line: Line, source: FrameSource, stored_as: str = "png", *, kind: str = "", trigger: str = ""
    ) -> None:
        """`stored_as` is one of FORMATS; `kind` and `trigger` are how the camera was named, for people."""
        self._line, self.source, self._stored_as = line, source, stored_as
        self.kind, self.trigger = kind, trigger
        self._one = threading.Lock()
        self._encoder = ThreadPoolExecutor(1, thread_name_prefix="encode")

    def judge(self, part_id: str, wait_s: float) -> RecordedPlate:
        """Judge the part that lies there now, with a frame that comes within `wait_s`, and record it.

        Raises NoFrame, after a row without a verdict, and what `Judging.run` raises.
        """
        started = time.perf_counter()
        with self._one:
            try:
                frame = self.source.take(part_id, wait_s)
            except NoFrame as error:
                self._record_missing(part_id, error, started)
                raise
            return self.judge_frame(frame, part_id)

    def judge_frame(self, frame: Frame, part_id: str = "", retry: Callable[[], bool] | None = None) -> RecordedPlate:
        """Judge a frame that was taken and record it; raises as `Judging.run`, `retry` is that of `Judging.record`."""
        judging, photograph = self._line.judging, frame.photograph
        plate = Plate(b"", frame.name, part_id or None, frame.key, self.place)
        if isinstance(photograph, bytes):
            return judging.run(replace(plate, photograph=photograph))
        file: Future[bytes] = self._encoder.submit(encode, photograph, self._stored_as)  # while it is judged
        judged = judging.judge(replace(plate, photograph=photograph))
        return judging.record(replace(plate, photograph=file.result()), judged, retry)

    def record_fault(self, error: NoFrame) -> None:
        """Record a part whose frame is no whole picture."""
        self._record_missing("", error, time.perf_counter())

    @property
    def place(self) -> str:
        """The source of its plates in the record."""
        return f"camera {self.source.name}"

    def stop(self) -> None:
        """Stop the camera; a part that is being judged is finished."""
        self.source.stop()
        with self._one:
            self._encoder.shutdown()

    def _record_missing(self, part_id: str, error: NoFrame, started: float) -> None:
        name = self.source.name
        missing = InputError(f"camera {name}", str(error), remedy="check the camera and its trigger")
        inspection = failed(self._line.models.loaded().manifest, b"", name, missing, started)
        plate = Plate(Path(name), name, part_id or None, source=self.place)
        self._line.judging.record(plate, JudgedPhotograph(inspection, None, missing))


def encode(photo: Photo, kind: str) -> bytes:
    """An (H, W, 3) uint8 RGB photograph as a file of one of FORMATS."""
    suffix = {"jpeg": ".jpg"}.get(kind, f".{kind}")
    done, data = cv2.imencode(suffix, np.ascontiguousarray(photo[..., ::-1]), list(FORMATS[kind]))
    if not done:
        raise InputError("photograph", f"cannot be written as {kind}")
    return bytes(data)
