"""Settings of a station, with their bounds."""

from dataclasses import field
from functools import cached_property
from pathlib import Path
from typing import Annotated

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from platewatch.line.destinations import Address
from platewatch.line.devices import DevicePlan
from platewatch.line.drift_monitor import LIMIT
from platewatch.line.health import LOW_BYTES
from platewatch.line.loaded_models import LIMIT_MB
from platewatch.model.thread_limits import cores
from platewatch.station import public_url
from platewatch.station.public_url import LOCAL, PublicUrl

FORM_BYTES = 2**17
"""Bytes that a form takes beside its photograph."""

_BASE = 185 * 10**6  # bytes: the station with its model, measured (docs/log.md)
_PER_WORKER = 6 * 10**6

Count = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0)]


@dataclass(frozen=True)
class Shares:
    """Bytes of memory for photographs that arrive or wait, and for those that are decoded or in use."""

    bodies: int
    decoding: int


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class Settings:
    """Everything that can be set about a station; the command line's options have the same bounds and defaults."""

    login: bool = False
    """Whether every request needs a token or a login even without users. False: open to all until there are users."""
    users: Path | None = None
    """The file of users; it may be created while the station runs."""
    hosts: tuple[str, ...] = ("127.0.0.1", "localhost", "[::1]")
    """Accepted names in the Host header, without port; empty: any. Prevents DNS rebinding."""
    tls: bool = False
    """Whether the station itself speaks https; session cookies are then sent by https only."""
    public_url: str | None = None
    """The address under which a proxy makes the station reachable, such as https://plates.example/line3."""
    workers: Annotated[int, Field(ge=0, le=64)] = 0
    """Plates judged at the same time; 0: as many as cores."""
    waiting: Annotated[int, Field(ge=1, le=10_000)] = 32
    """Plates accepted beyond the workers, uploading or queued; more are answered 503."""
    retry_after_s: Count = 2
    """Seconds in the Retry-After header of that 503."""
    max_bytes: Count = 64 * 2**20
    """Largest photograph, as a file."""
    max_pixels: Count = 64_000_000
    """Largest photograph, width × height; checked before it is decoded."""
    memory_mb: Annotated[int, Field(ge=300)] = 600
    """Memory of the process, at most, in MB of 10^6 bytes; it bounds what is accepted and decoded at a time."""
    model_memory_mb: Annotated[int, Field(ge=10)] = LIMIT_MB
    """Memory of the models that part types load on demand, at most, in MB of 10^6 bytes; on top of `memory_mb`."""
    upload_s: Seconds = 30.0
    """Seconds within which a photograph has to arrive."""
    body_s: Seconds = 10.0
    """Seconds within which any other request body has to arrive."""
    header_s: Seconds = 10.0
    """Seconds within which a request's header has to arrive, and for a client that does not take its answer."""
    connections: Annotated[int, Field(ge=16, le=10_000)] = 256
    """Connections that may be open; fewer when the process may open fewer files."""
    session_h: Seconds = 12.0
    """Hours until a session ends."""
    live_pages: Count = 64
    """Live pages (/events) that may be open at the same time."""
    places: tuple[Path, ...] = ()
    """The record's file and photographs' folder: /healthz reports when one is missing or its disk is almost full."""
    low_bytes: Annotated[int, Field(ge=0)] = LOW_BYTES
    """Free bytes below which /healthz reports `disk_low`."""
    drift_limit: Annotated[float, Field(ge=100)] = LIMIT
    """The probability of a false drift alarm within m plates is at most m / `drift_limit`."""
    drift_file: Path | None = None
    """File that keeps the state of the drift check over a restart."""
    data: Path | None = None
    """The training photographs of the model in service; retraining needs them."""
    training: Path | None = None
    """Folder of the draft of a model that is made in the browser, and of what such models were trained on; mode 700."""
    training_config: Path | None = None
    """A TOML file with the settings of models that are made in the browser, as for `platewatch train --config`."""
    import_from: tuple[Path, ...] = ()
    """Folders of this machine below which an engineer may choose photographs in the browser; none by default."""
    record_url: str | None = field(default=None, repr=False)
    """The record's URL, passed to the retraining process; it may contain a password."""
    photographs: Path | None = None
    """Folder of the record's photographs, when it is not the default one."""
    anchors: tuple[Path | Address, ...] = field(default=(), repr=False)
    """Where the head of the chain is sent every hour: folders, webhooks, MQTT topics."""
    anchor_key: Path | None = None
    """The private key that signs anchors."""
    devices: DevicePlan = field(default_factory=DevicePlan)
    """The cameras and the PLC of the line."""
    destinations: tuple[str | Address, ...] = field(default=(), repr=False)
    """URLs of the webhooks and MQTT topics that get each plate; they may contain passwords."""

    @property
    def shares(self) -> Shares:
        """How the memory is shared: room for the largest photograph as a file, the rest for decoding."""
        free = self.memory_mb * 10**6 - _BASE - _PER_WORKER * (self.workers or cores())
        bodies = max(self.max_bytes + FORM_BYTES, free // 4)
        return Shares(bodies, max(0, free - bodies))

    @cached_property
    def public(self) -> PublicUrl:
        """The public address, taken apart; raises InputError when it is none."""
        return LOCAL if self.public_url is None else public_url.parse(self.public_url)

    @property
    def is_secure(self) -> bool:
        """Whether browsers come by https, to the station or to its proxy."""
        return self.tls or self.public.is_secure
