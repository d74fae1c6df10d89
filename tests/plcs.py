"""A PLC's program, with disturbances, and the station's side that it speaks to: a camera of known photographs."""

import random
import time
from dataclasses import dataclass, field
from typing import Any

import stations
from platewatch.line.alarms import AlarmPlan, Alarms
from platewatch.line.cameras.frames import Frame, NoFrame
from platewatch.line.cameras.parts import CameraParts
from platewatch.line.health import Finding
from platewatch.line.plc.exchange import Exchange, Times
from platewatch.line.plc.handshake import Code, Command, Result, StatusBit
from platewatch.line.plc.listening import listen
from platewatch.line.plc.modbus import ModbusServer, PlcClient
from platewatch.line.plc.parts import Parts
from platewatch.records import Records
from waiting import GIVE_UP_S

LOOPBACK = "127.0.0.1:0"

DISTURBANCES = ("", "", "", "trigger", "repeated", "gone", "restart")
WHAT = (0, 0, 0, 80, 125, "damaged", "none", "late")
EXPECTED = {0: Code.PASS, 80: Code.REVIEW, 125: Code.REJECT}


@dataclass
class Camera:
    """Gives each part the photograph that the test chose, or what happens instead."""

    name: str = "cam"
    redness: dict[str, int | str] = field(default_factory=dict)
    late: Any = None

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def take(self, part_id: str, _wait_s: float) -> Frame:
        chosen = self.redness[part_id]
        if chosen == "none":
            raise NoFrame("no frame")
        if chosen == "late":
            self.late()
            chosen = 0
        data = b"no photograph" if chosen == "damaged" else stations.photograph(int(chosen))
        return Frame(data, f"{part_id}.png")

    def problems(self) -> tuple[Finding, ...]:
        return ()


class Clock:
    """Stands still, but for what the test does."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def pass_deadline(self) -> None:
        self.now += 5


class Station:
    """The judging thread and the Modbus server on a line whose record stays; can be started again."""

    def __init__(self, line: Any, camera: Camera, alarms: Alarms | None = None) -> None:
        self._line, self._camera, self.clock = line, camera, Clock()
        self._alarms = alarms or Alarms(line.records, AlarmPlan(), actor="test")
        camera.late = self.clock.pass_deadline
        self.start()

    def start(self) -> None:
        exchange = Exchange(Times(deadline_s=1.0, beat_s=0.02), self.clock)
        self.parts = Parts(self._line, CameraParts(self._line, self._camera), exchange, self._alarms)
        self._server = ModbusServer(listen(LOOPBACK), exchange)
        self._server.start()
        self.parts.start()
        self.client = PlcClient("127.0.0.1", self._server.port)
        self.client.connect()

    def stop(self) -> None:
        self.client.close()
        self.parts.stop()
        self._server.stop()

    def reconnect(self) -> None:
        self.client.close()
        self.client = PlcClient("127.0.0.1", self._server.port)
        self.client.connect()


class Plc:
    """A PLC's program; whatever it reads as PASS must be that part's PASS in the record."""

    def __init__(self, station: Station, records: Records, seed: int) -> None:
        self.station, self.records, self.chance = station, records, random.Random(seed)  # noqa: S311 - a test's order
        self.parts, self.seq, self.codes = dict[int, str](), 0, list[Code]()
        self.over_ms = list[float]()
        """From the trigger to DONE, less what the station says that the part took; without disturbances."""

    def read(self) -> tuple[StatusBit, Result]:
        status, _, result = self.station.client.read()
        self._read_at = time.perf_counter()
        if result.code is Code.PASS:
            entry = self.records.get(result.number)
            assert (entry.outcome, entry.plate_id) == ("PASS", self.parts[result.seq])
            assert status & StatusBit.DONE
        return status, result

    def until(self, wanted: StatusBit) -> tuple[StatusBit, Result]:
        until = time.monotonic() + GIVE_UP_S
        while not (found := self.read())[0] & (wanted | StatusBit.FAULT):
            assert time.monotonic() < until, "did not come"
            time.sleep(0.001)
        return found

    def part(self, chosen: int | str, disturbance: str) -> None:
        client = self.station.client
        client.write(Command())
        self.until(StatusBit.READY)
        if disturbance != "repeated":
            self.seq += 1
        part_id = f"part {len(self.codes)}"
        self.station._camera.redness[part_id] = chosen
        self.parts[self.seq], started = part_id, time.perf_counter()
        client.write(Command(1, self.seq, part_id))
        if disturbance == "trigger":
            self.seq += 1
            self.parts[self.seq] = part_id
            client.write(Command(1, self.seq, part_id))
        elif disturbance == "gone":
            self.station.reconnect()
        elif disturbance == "restart":
            self.station.stop()
            self.station.start()
            self.station.client.write(Command(1, self.seq, part_id))  # it still holds its trigger
            self.codes.append(self.read()[1].code)
            return
        status, result = self.until(StatusBit.DONE)
        if not disturbance and result.duration_ms:
            self.over_ms.append(1e3 * (self._read_at - started) - result.duration_ms)
        self.codes.append(result.code if status & StatusBit.DONE and result.seq == self.seq else Code.NONE)
        self.station.client.write(Command(3, self.seq, part_id))

    def parts_with_disturbances(self, count: int) -> None:
        """Raise AssertionError where a code is not what the disturbance leaves."""
        disturbance = ""
        for _ in range(count):
            before, chosen, disturbance = disturbance, self.chance.choice(WHAT), self.chance.choice(DISTURBANCES)
            if before in {"restart", "trigger"} and disturbance == "repeated":
                disturbance = ""  # the station has not accepted the last number
            self.part(chosen, disturbance)
            code = self.codes[-1]
            if not disturbance:
                assert code is EXPECTED.get(chosen if isinstance(chosen, int) else -1, Code.NOT_JUDGED), chosen
            elif disturbance != "gone":
                assert code is Code.NONE, disturbance
