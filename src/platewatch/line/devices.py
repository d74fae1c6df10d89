"""Devices at the line: its cameras and its PLC, started and stopped with it."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from platewatch.errors import InputError
from platewatch.line.assembly import Line
from platewatch.line.cameras import sources
from platewatch.line.cameras.sources import CameraAddress
from platewatch.line.health import Finding
from platewatch.line.plc.exchange import Exchange, Times
from platewatch.line.plc.listening import Listen
from platewatch.line.plc.parts import Parts


@dataclass(frozen=True, kw_only=True)
class DevicePlan:
    """Which devices there are."""

    cameras: tuple[CameraAddress, ...] = ()
    modbus: Listen | None = None
    times: Times = field(default_factory=Times)


def check(plan: DevicePlan) -> None:
    """Raise InputError for devices that do not go together, ModuleNotFoundError without pymodbus."""
    if plan.modbus is None:
        if plan.cameras:
            raise InputError("--camera", "nothing triggers it", expected="--modbus HOST:PORT", remedy="add it")
        return
    if len(plan.cameras) != 1:
        given = f"{len(plan.cameras)} cameras" if plan.cameras else "no camera"
        raise InputError("--modbus", given, expected="one --camera, whose frames the PLC triggers", remedy="name it")
    from platewatch.line.plc import modbus  # noqa: F401, PLC0415 - only a station with a PLC needs pymodbus


class Devices:
    """The devices of one line."""

    def __init__(self, line: Line, plan: DevicePlan) -> None:
        self._cameras = [sources.source(each, line.records.known) for each in plan.cameras]
        self._plan, self._parts = plan, list[Parts]()
        if plan.modbus is not None:
            from platewatch.line.plc.modbus import ModbusServer  # noqa: PLC0415 - as in `check`

            parts = Parts(line, self._cameras[0], Exchange(plan.times))
            self._parts, self._server = [parts], ModbusServer(plan.modbus, parts.exchange)

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
        for each in self._parts:
            each.start()

    def stop(self) -> None:
        """Zero what the PLC reads, finish the part that is being judged, and close all connections."""
        for each in self._parts:
            each.stop()
            self._server.stop()

    def problems(self) -> Iterator[Finding]:
        """What is wrong with them now."""
        for camera in self._cameras:
            yield from camera.problems()
        for each in self._parts:
            yield from each.problems()
