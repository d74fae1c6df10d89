"""A frame and where it comes from; each kind of camera is a FrameSource."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from platewatch.arrays import Photo
from platewatch.line.health import Finding


class NoFrame(Exception):  # noqa: N818 - says what happened
    """No frame of this part came in time; the text says why, for a person."""


@dataclass(frozen=True)
class Frame:
    """The photograph of one part."""

    photograph: bytes | Photo = field(repr=False)
    """A file's bytes, or (H, W, 3) uint8 RGB pixels of a camera."""
    name: str
    key: str | None = None
    """Its key in the record; None for a frame that cannot come again."""


class FrameSource(Protocol):
    """Gives one frame for each part; `take` is for one thread at a time."""

    name: str

    def start(self) -> None:
        """Begin; a camera that is not there yet is waited for."""

    def stop(self) -> None:
        """End, also a `take` that waits."""

    def take(self, part_id: str, wait_s: float) -> Frame:
        """The frame of the part that lies there now; raises NoFrame when none came within `wait_s`.

        Never a frame that was taken before this call, unless it has the part's id, or the camera's own line fired.
        """

    def problems(self) -> Iterable[Finding]:
        """What is wrong with the camera now."""
