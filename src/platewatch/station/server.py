"""Runs a station: opens the record, loads the model, and serves with uvicorn on a listening socket."""

import functools
import ipaddress
import logging
import os
import shlex
import signal
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType

import uvicorn
from fastapi import FastAPI

from platewatch import signing
from platewatch.errors import InputError
from platewatch.line import anchoring, devices
from platewatch.line.destinations import destinations
from platewatch.line.loaded_models import LoadedModels
from platewatch.line.model_registry import ModelRegistry, loader
from platewatch.line.part_type_models import PartTypeModels
from platewatch.line.part_types import PartTypeFolder
from platewatch.line.state_files import beside
from platewatch.photographs import limits, memory, structure
from platewatch.records import Policy, Records
from platewatch.station.app import create_app
from platewatch.station.connections import Connections, Protocol, most_open
from platewatch.station.log_limits import LogLimit
from platewatch.station.settings import Settings
from platewatch.station.users import Users

log = logging.getLogger("platewatch.station")

_LEAST = 30 * 10**6  # bytes for decoding: a photograph of 3 megapixels as PNG
_END_S = 45  # the process ends then, whatever it is doing
_STOP_S = 20  # plates that are being judged may take this long before the station stops


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The options of `platewatch serve`: those of the station itself as `chosen`, and where it runs."""

    model: Path | None
    """None: no model until one is made and taken into service in the browser."""
    models: Path | None = None
    part_types: Path | None = None
    signed_by: tuple[Path, ...] = ()
    all_phases: bool = False
    host: str = "127.0.0.1"
    port: int = 8000
    records: str = field(repr=False)
    policy: Policy
    station: str = ""
    """Its name in the record; empty: the unnamed one."""
    names: tuple[str, ...] = ()
    certificate: Path | None = None
    key: Path | None = None
    chosen: Settings = field(default_factory=Settings)

    @property
    def users_file(self) -> Path:
        """The file of users."""
        return self.chosen.users or beside(self.records, "users.json")

    @property
    def models_folder(self) -> Path | None:
        """The folder of models; None: the one that the model is in."""
        return self.models if self.models or self.model else beside(self.records, "models")

    @property
    def address(self) -> str:
        """Where a browser on this machine finds the station."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.certificate else 'http'}://{host}:{self.port}"


def check(plan: Plan) -> None:
    """Raise InputError for a station that other machines can reach without users, and for unusable receivers."""
    destinations(plan.chosen.destinations)
    anchoring.places(plan.chosen.anchors)
    devices.check(plan.chosen.devices)
    if plan.chosen.anchor_key is not None:
        signing.private_key(plan.chosen.anchor_key)
    if (plan.certificate is None) != (plan.key is None):
        raise InputError(
            "--tls-certificate and --tls-key", "one of the two is missing", expected="both", remedy="name the other too"
        )
    if not is_loopback(plan.host) and not Users(plan.users_file).all():
        add = f"platewatch users add NAME --role engineer --users {shlex.quote(str(plan.users_file))}"
        raise InputError(
            plan.host,
            f"reachable from elsewhere, and {plan.users_file} has no users",
            expected="logins or tokens",
            remedy=f"add one with: {add}",
        )
    memory_line(plan)
    _ = plan.chosen.public  # raises when it is none


def settings(plan: Plan, records: Records) -> Settings:
    """The chosen settings, and those that follow from the plan."""
    here = is_loopback(plan.host)
    public = plan.chosen.public.host
    local = ("127.0.0.1", "localhost", "[::1]", *([public] if public else []))
    return replace(
        plan.chosen,
        login=not here,
        users=plan.users_file,
        hosts=(*local, *(name.lower() for name in plan.names)) if here or plan.names else (),
        tls=plan.certificate is not None,
        places=records.places,
        drift_file=beside(plan.records, f"{plan.station}.drift.json" if plan.station else "drift.json"),
        record_url=plan.records,
        training=beside(plan.records, "training"),
    )


def memory_line(plan: Plan) -> str:
    """What the memory allows, in words; raises InputError when it is too little."""
    chosen = plan.chosen
    decoding, most = chosen.shares.decoding, chosen.max_pixels
    if decoding < _LEAST:
        missing = -(-(_LEAST - decoding) // 10**6)
        raise InputError(
            f"--memory {chosen.memory_mb}",
            f"too little for {chosen.max_bytes / 1e6:.0f} MB of upload and the plates judged in parallel",
            expected=f"at least {chosen.memory_mb + 4 * -(-missing // 3)}",
            remedy="allow more",
        )
    of = {name: min(most, decoding // per_px) / 1e6 for name, per_px in structure.PER_PX.items()}
    largest = f"{of['PNG']:.0f} megapixels ({of['TIFF']:.0f} as TIFF, {of['WEBP']:.0f} as WebP)"
    side = f"{limits.max_side()} px a side"
    models = f"models of part types at most {chosen.model_memory_mb} MB more (--model-memory)"
    return f"memory: at most {chosen.memory_mb} MB (--memory); photographs of up to {largest}, {side}; {models}"


def run(plan: Plan, listening: socket.socket, report: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT, then finish what was taken in; raises ModelError, RecordError, InputError."""
    memory.bound(plan.chosen.shares.decoding)
    models = ModelRegistry(plan.model, plan.models_folder, signed_by=plan.signed_by, all_phases=plan.all_phases)
    with Records.open(plan.records, plan.chosen.photographs, plan.policy, station=plan.station) as records:
        records.hold_station()
        kept_back = models.resume(records)
        if kept_back is not None:
            report(f"the model that was in service before is not taken into service: {kept_back}")
        app = create_app(part_type_models(plan, models, records), records, settings(plan, records))
        app.state.station.devices.listen()

        def ready() -> None:
            report(memory_line(plan))
            report(f"{plan.address}: {app.state.station.part_types.summary()}")
            if plan.chosen.devices.modbus is not None:
                report(f"Modbus TCP: {plan.chosen.devices.modbus.host}:{app.state.station.devices.port}")

        most = most_open(plan.chosen.connections)
        with Connections(listening, most=most, wait_s=plan.chosen.header_s) as connections:
            _Server(_config(plan, app, connections), app, ready).run(sockets=[connections])


def part_type_models(plan: Plan, unnamed: ModelRegistry, records: Records) -> PartTypeModels:
    """The models of all part types of this station, the named ones on demand."""
    load = loader(plan.signed_by, all_phases=plan.all_phases)
    loaded = LoadedModels(load, plan.chosen.model_memory_mb * 10**6)
    folder = PartTypeFolder(plan.part_types or beside(plan.records, "part-types"))
    return PartTypeModels(unnamed, folder, loaded, records)


def _config(plan: Plan, app: FastAPI, connections: Connections) -> uvicorn.Config:
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for handler in logging.getLogger().handlers:
        handler.addFilter(LogLimit())
    return uvicorn.Config(
        app,
        http=functools.partial(Protocol, connections),  # type: ignore[arg-type] # it calls it as it would the class
        loop="asyncio",  # others accept connections themselves
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,  # X-Forwarded-For is not trusted
        server_header=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=_STOP_S,
        ssl_certfile=plan.certificate,
        ssl_keyfile=plan.key,
    )


class _Server(uvicorn.Server):
    """uvicorn's server; when it stops, it ends the live pages' streams instead of waiting for them."""

    def __init__(self, config: uvicorn.Config, app: FastAPI, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._application, self._ready, self._ending = app, ready, False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._application.state.station.live.close()
        if not self._ending:
            self._ending = True
            last = threading.Timer(_END_S, _end)
            last.daemon = True
            last.start()
        super().handle_exit(signal.SIGTERM if sig == signal.SIGINT else sig, frame)  # twice is no reason to drop plates


def _end() -> None:
    """Exit although plates are still being judged; their senders get no answer and send them again."""
    log.error("the station ends after %d s although plates are being judged", _END_S)
    os._exit(1)


def is_loopback(host: str) -> bool:
    """Whether the address is reached from this machine alone."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
