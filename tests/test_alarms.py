"""Alarms of many rejected plates: raised once, kept over a restart, ended by a person, and READY drops if asked for."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

import stations
from platewatch.errors import InputError
from platewatch.line.alarms import RAISED, SEEN, AlarmPlan, Rule, rule
from platewatch.line.devices import DevicePlan
from platewatch.line.judging import RecordedPlate
from platewatch.line.plc.handshake import Code, Command, StatusBit
from platewatch.line.plc.modbus import CoilModule
from platewatch.line.plc.stack_light import OFF, Coils, StackLight
from platewatch.station.users import Role
from plcs import Camera, Plc, Station
from waiting import eventually

PASS, REJECT = 0, 125


def plan(*rules: str, stops: bool = False) -> DevicePlan:
    return DevicePlan(alarms=AlarmPlan(rules=tuple(map(rule, rules)), stops=stops))


def alarm(here: stations.Running) -> str:
    return next((each.message for each in here.station.health.problems() if each.code == RAISED), "")


@pytest.mark.parametrize(
    ("given", "plates", "raised_at"),
    [
        ("3", [PASS, REJECT, REJECT, PASS, REJECT, REJECT, REJECT], 7),
        ("3/5", [REJECT, PASS, PASS, REJECT, PASS, REJECT, REJECT], 7),
        ("2/3", [REJECT, 80, REJECT], 3),  # REVIEW is no REJECT, and counts as a plate
        ("2", [REJECT, PASS, REJECT, PASS], 0),
    ],
)
def test_a_rule_raises_the_alarm_at_its_plate(
    tmp_path: Path, given: str, plates: Sequence[int], raised_at: int
) -> None:
    with stations.running(tmp_path, devices=plan(given)) as here:
        for number, redness in enumerate(plates, 1):
            here.post(redness)
            assert bool(alarm(here)) == (raised_at != 0 and number >= raised_at)
        events = here.records.events(RAISED)
        assert [(each.actor, each.details["plate"]) for each in events] == (
            [("station", raised_at)] if raised_at else []
        )


def test_each_rule_counts_its_own_last_plates(tmp_path: Path) -> None:
    with stations.running(tmp_path, devices=plan("3", "9/10")) as here:
        for redness in (REJECT, PASS, REJECT, PASS, REJECT):
            here.post(redness)
        assert alarm(here) == ""


def test_a_person_ends_it_in_the_record_and_the_count_begins_again(tmp_path: Path) -> None:
    with stations.running(tmp_path, devices=plan("2", stops=True)) as here:
        here.post(REJECT)
        here.post(REJECT)
        words = "2 rejected plates in a row, the last one plate 2: look at the line, then acknowledge the alarm"
        assert alarm(here) == f"{words}; the PLC gets no part until then"
    with stations.running(tmp_path, devices=plan("2")) as here:  # a restart keeps it
        assert alarm(here) == words
        tokens = stations.enrol(here.users)
        refused = here.client.post("/alarms/seen", headers=stations.bearer(tokens[Role.AUDITOR]))
        assert (refused.status_code, bool(alarm(here))) == (403, True)
        operator = stations.bearer(tokens[Role.OPERATOR])
        assert here.client.post("/alarms/seen", headers=operator).status_code == 204
        assert alarm(here) == ""
        here.post(REJECT, headers=operator)
        assert alarm(here) == ""
        ended = here.records.events(SEEN)
        assert [(each.actor, each.details["rule"]) for each in ended] == [("operator", "2 rejected plates in a row")]
        assert here.records.audit().intact


@pytest.mark.parametrize("stops", [True, False])
def test_an_alarm_that_stops_the_line_drops_ready_before_the_next_part(tmp_path: Path, stops: bool) -> None:
    with stations.running(tmp_path, devices=plan("2", stops=stops)) as here:
        station = Station(here.station.line, Camera(), here.station.alarms)
        plc = Plc(station, here.records, 1)
        for _ in range(2):
            plc.part(REJECT, "")
        assert plc.codes == [Code.REJECT] * 2
        station.client.write(Command())
        status = eventually(lambda: (found := plc.read()[0]) and found & StatusBit.ALARM and found)
        assert bool(status & StatusBit.READY) != stops
        here.client.post("/alarms/seen")
        eventually(lambda: plc.read()[0] & StatusBit.READY and not plc.read()[0] & StatusBit.ALARM)
        station.stop()


class Module:
    """The coils as they were written, each change once."""

    def __init__(self) -> None:
        self.written, self.there = list[Coils](), True

    def write_coils(self, coils: Coils) -> None:
        if not self.there:
            raise InputError("module", "does not answer")
        if not self.written or self.written[-1] != coils:
            self.written.append(coils)

    def close(self) -> None: ...


GREEN, YELLOW, RED, GATE = (True, False, False, False), (False, True, False, False), (False, False, True, False), True


def test_the_stack_light_shows_outcomes_and_the_gate_opens_for_pass_alone(tmp_path: Path) -> None:
    module, alarms = Module(), list[bool]()
    light = StackLight(module, lambda: bool(alarms), gate_s=0.05)
    light.start()
    with stations.running(tmp_path) as here:
        for redness, last in ((PASS, GREEN), (80, YELLOW), (REJECT, RED)):
            light.add(RecordedPlate(here.records.get(here.post(redness)["number"])))
            eventually(lambda last=last: module.written[-1] == last)  # type: ignore[misc]
        light.add(RecordedPlate(here.records.get(1)))
        eventually(lambda: module.written[-1] == GREEN)
        alarms.append(True)
        eventually(lambda: module.written[-1] == RED)
        module.there = False
        assert eventually(lambda: list(light.problems())) == [
            ("coils_lost", "the stack light's module: does not answer", False)
        ]
        module.there = True
        light.stop()
    assert module.written[:3] == [OFF, (True, False, False, GATE), GREEN]
    assert [each for each in module.written if each[3] and not each[0]] == []
    assert module.written[-1] == OFF


def test_coils_are_written_by_modbus() -> None:
    """To a module as pymodbus serves one."""

    async def written() -> list[bool]:
        blocks: Any = ([SimData(0, count=16, values=False, datatype=DataType.BITS)] * 2) + []
        words = [SimData(0, count=1, datatype=DataType.REGISTERS)]
        server = ModbusTcpServer(SimDevice(0, ([blocks[0]], [blocks[1]], words, words)), address=("127.0.0.1", 0))
        await server.serve_forever(background=True)
        port = server.transport.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
        module = CoilModule("127.0.0.1", port)
        await asyncio.to_thread(module.write_coils, (True, False, False, True))
        module.close()
        found = await server.async_getValues(0, 1, 0, 4)
        await server.shutdown()  # type: ignore[no-untyped-call]
        with pytest.raises(InputError, match="does not answer"):
            await asyncio.to_thread(module.write_coils, OFF)
        return [bool(each) for each in found]

    assert asyncio.run(written()) == [True, False, False, True]


@pytest.mark.parametrize("text", ["", "1", "0/5", "7/5", "3/1001", "three", "3/"])
def test_rules_that_cannot_be_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="--alarm"):
        rule(text)
    assert rule("7/10") == Rule(7, 10)
