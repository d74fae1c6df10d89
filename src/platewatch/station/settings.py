"""What can be set about a station, with its bounds."""

from pathlib import Path
from typing import Annotated

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

Count = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0)]


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class Settings:
    """Everything about a station that is no plate and no model."""

    login: bool = False
    """Nobody does anything without a token or a login; else, without users, everything is open to whoever is near."""
    users: Path | None = None
    """The file of users, tokens and sessions; it may come to be while the station runs."""
    hosts: tuple[str, ...] = ("127.0.0.1", "localhost", "[::1]")
    """Names that the station answers to; empty: any. A page elsewhere cannot pose as the station under another name."""
    tls: bool = False
    """Reached by https: cookies are then sent in no other way."""
    workers: Annotated[int, Field(ge=0, le=64)] = 0
    """Plates judged at the same time; 0: one for each core."""
    waiting: Count = 32
    """Plates taken in that may wait or be on their way besides those being judged; one more is told to come again."""
    retry_after_s: Count = 2
    """When it is told to."""
    max_bytes: Count = 64 * 2**20
    """Largest photograph as a file."""
    max_pixels: Count = 64_000_000
    """Largest photograph, width × height; counted before it is decoded."""
    upload_s: Seconds = 30.0
    """A photograph has to arrive within."""
    session_h: Seconds = 12.0
    """A login lasts a shift."""
    watchers: Count = 64
    """Live pages that may be open at the same time."""
    places: tuple[Path, ...] = ()
    """The record's file and its photographs' folder: that they are there, and the space left, is watched."""
    low_bytes: Annotated[int, Field(ge=0)] = 10**9
    """Less space left than this is said."""
    drift_limit: Annotated[float, Field(ge=100)] = 100_000.0
    """The drift watch's chance of a false alarm within m plates is at most m / this."""
    drift_file: Path | None = None
    """Where the watch is kept over a restart."""
    data: Path | None = None
    """The photographs that the model in service learned from; without them no challenger is trained."""
    record_url: Annotated[str | None, Field(repr=False)] = None
    """The record as a process beside the station opens it; it may hold a password."""
    photographs: Path | None = None
    """Where its photographs lie, when that is not beside the record."""
