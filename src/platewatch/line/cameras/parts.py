"""Judges the parts in front of one camera: takes the frame, has it judged and recorded, and stores its photograph."""

import threading
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
from platewatch.line.judging import Plate, RecordedPlate, not_judged
from platewatch.line.loaded_models import Lease, Leases

FORMATS = {"png": (cv2.IMWRITE_PNG_COMPRESSION, 1), "jpeg": (cv2.IMWRITE_JPEG_QUALITY, 95), "bmp": ()}
"""In which a camera's photographs are stored, with OpenCV's options; only those of PNG and BMP can be judged again
to the same score."""


class CameraParts:
    """The parts of one camera, one at a time; thread-safe."""

    def __init__(
        self,
        line: Line,
        source: FrameSource,
        stored_as: str = "png",
        *,
        part_type: str = "",
        kind: str = "",
        trigger: str = "",
    ) -> None:
        """`stored_as` is one of FORMATS; parts are of `part_type` where nobody says another one.

        `kind` and `trigger` are how the camera was named, for people.
        """
        self._line, self.source, self._stored_as, self.part_type = line, source, stored_as, part_type
        self.kind, self.trigger = kind, trigger
        self._one = threading.Lock()
        self._encoder = ThreadPoolExecutor(1, thread_name_prefix="encode")

    def judge(self, part_id: str, wait_s: float, part_type: str = "") -> RecordedPlate:
        """Judge the part that lies there now, with a frame that comes within `wait_s`, and record it.

        Raises NoFrame, after a row without a verdict; UnknownPartType, and what `Judging.run` raises.
        """
        plate = Plate(b"", None, part_id or None, source=self.place, part_type=part_type or self.part_type)
        with self._one:
            leases = self._line.judging.lend(plate.part_type)  # a model that is not loaded is, while the frame comes
            try:
                frame = self.source.take(part_id, wait_s)
            except NoFrame as error:
                leases.add_done_callback(_end)
                self._record_missing(plate, error)
                raise
            lease = leases.result()
            try:
                return self._judge(frame, plate, lease)
            finally:
                lease.end()

    def judge_frame(self, frame: Frame, retry: Callable[[], bool] | None = None) -> RecordedPlate:
        """Judge a frame that was taken and record it; raises as `Judging.run`, `retry` is that of `Judging.record`."""
        return self._judge(frame, Plate(b"", source=self.place, part_type=self.part_type), retry=retry)

    def record_fault(self, error: NoFrame) -> None:
        """Record a part whose frame is no whole picture."""
        self._record_missing(Plate(b"", source=self.place, part_type=self.part_type), error)

    @property
    def place(self) -> str:
        """The source of its plates in the record."""
        return f"camera {self.source.name}"

    def stop(self) -> None:
        """Stop the camera; a part that is being judged is finished."""
        self.source.stop()
        with self._one:
            self._encoder.shutdown()

    def _judge(
        self, frame: Frame, plate: Plate, lease: Lease | None = None, retry: Callable[[], bool] | None = None
    ) -> RecordedPlate:
        judging, photograph = self._line.judging, frame.photograph
        plate = replace(plate, photograph=photograph, name=frame.name, key=frame.key)
        if isinstance(photograph, bytes):
            return judging.run(plate, lease)
        file: Future[bytes] = self._encoder.submit(encode, photograph, self._stored_as)  # while it is judged
        judged = judging.judge(plate, lease)
        return judging.record(replace(plate, photograph=file.result()), judged, retry)

    def _record_missing(self, plate: Plate, error: NoFrame) -> None:
        """Record that the part has no frame."""
        name = self.source.name
        missing = InputError(f"camera {name}", str(error), remedy="check the camera and its trigger")
        plate = replace(plate, photograph=Path(name), name=name)
        self._line.judging.record(plate, not_judged(plate, missing))


def _end(leases: Leases) -> None:
    if leases.exception() is None:
        leases.result().end()


def encode(photo: Photo, kind: str) -> bytes:
    """An (H, W, 3) uint8 RGB photograph as a file of one of FORMATS."""
    suffix = {"jpeg": ".jpg"}.get(kind, f".{kind}")
    done, data = cv2.imencode(suffix, np.ascontiguousarray(photo[..., ::-1]), list(FORMATS[kind]))
    if not done:
        raise InputError("photograph", f"cannot be written as {kind}")
    return bytes(data)
