"""Devices at the line: its cameras and its PLC, started and stopped with it."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from platewatch.errors import InputError
from platewatch.line.alarms import AlarmPlan, Alarms
from platewatch.line.assembly import Line
from platewatch.line.cameras import sources
from platewatch.line.cameras.each_frame import EachFrame
from platewatch.line.cameras.parts import CameraParts
from platewatch.line.cameras.sources import CameraAddress
from platewatch.line.cameras.stream import Stream, Trigger
from platewatch.line.health import Check, Finding
from platewatch.line.judging import RecordedPlate
from platewatch.line.plc.exchange import Exchange, Times
from platewatch.line.plc.listening import Listen
from platewatch.line.plc.parts import Parts
from platewatch.line.plc.stack_light import StackLight

_BY_ITSELF = {Trigger.LINE, Trigger.STILL}


@dataclass(frozen=True, kw_only=True)
class DevicePlan:
    """Which devices there are."""

    cameras: tuple[CameraAddress, ...] = ()
    modbus: Listen | None = None
    times: Times = field(default_factory=Times)
    alarms: AlarmPlan = field(default_factory=AlarmPlan)
    coils: tuple[str, int] | None = None
    """Host and port of the module with the stack light."""


def check(plan: DevicePlan) -> None:
    """Raise InputError for devices that do not go together, ModuleNotFoundError for a package that is missing."""
    for camera in plan.cameras:
        sources.source(camera, lambda _keys: set())
    if plan.coils is not None:
        from platewatch.line.plc import modbus  # noqa: PLC0415 - only a station with a PLC needs pymodbus
    if plan.modbus is None:
        return
    if len(plan.cameras) != 1:
        given = f"{len(plan.cameras)} cameras" if plan.cameras else "no camera"
        raise InputError("--modbus", given, expected="one --camera, whose frames the PLC triggers", remedy="name it")
    from platewatch.line.plc import modbus  # noqa: F401, PLC0415 - as above


class Devices:
    """The devices of one line."""

    def __init__(self, line: Line, plan: DevicePlan, alarms: Alarms) -> None:
        self.cameras, self._each = dict[str, CameraParts](), list[EachFrame]()
        for address in plan.cameras:
            source = sources.source(address, line.records.known)
            options = {
                "part_type": address.part_type,
                "kind": address.kind,
                "trigger": "file" if address.kind == "folder" else str(address.trigger),
            }
            parts = CameraParts(line, source, address.store, **options)
            self.cameras[address.name] = parts
            if plan.modbus is None and isinstance(source, Stream) and address.trigger in _BY_ITSELF:
                self._each.append(EachFrame(parts, source))
        self._parts, self._light = list[Parts](), None
        if plan.coils is not None:
            from platewatch.line.plc.modbus import CoilModule  # noqa: PLC0415 - as in `check`

            self._light = StackLight(CoilModule(*plan.coils), lambda: alarms.is_active or line.health.stops)
        if plan.modbus is not None:
            from platewatch.line.plc.modbus import ModbusServer  # noqa: PLC0415 - as in `check`

            plc = Parts(line, next(iter(self.cameras.values())), Exchange(plan.times), alarms)
            self._parts, self._server = [plc], ModbusServer(plan.modbus, plc.exchange)

    @property
    def port(self) -> int | None:
        """The port of the Modbus server; None without one."""
        return self._server.port if self._parts else None

    def listen(self) -> None:
        """Listen for the PLC; no part is taken before `start`. Raises InputError when the address cannot be used."""
        if self._parts and not self._server.listens:
            self._server.start()

    def start(self) -> None:
        """Judge what they trigger; raises as `listen`."""
        self.listen()
        for camera in self.cameras.values():
            camera.source.start()
        if self._light is not None:
            self._light.start()
        for every in self._each:
            every.start()
        for each in self._parts:
            each.start()

    def stop(self) -> None:
        """Zero what the PLC reads, finish the part that is being judged, and close all connections."""
        for parts in self._parts:
            parts.exchange.reset()
        for every in self._each:
            every.stop()
        for camera in self.cameras.values():
            camera.stop()
        for each in self._parts:
            each.stop()
            self._server.stop()
        if self._light is not None:
            self._light.stop()

    def recorded(self, plate: RecordedPlate) -> None:
        """Show a plate that was recorded on the stack light."""
        if self._light is not None:
            self._light.add(plate)

    def problems(self) -> Iterator[Finding]:
        """What is wrong with them now; one finding for each code, which names all cameras that have it."""
        found = dict[str, Finding]()
        checks: list[Check] = [camera.source.problems for camera in self.cameras.values()]
        checks += [each.problems for each in self._parts]
        checks += [] if self._light is None else [self._light.problems]
        for code, message, stops in (finding for check in checks for finding in check()):
            before = found.get(code)
            found[code] = (code, message, stops) if before is None else (code, f"{before[1]}; {message}", stops)
        yield from found.values()
