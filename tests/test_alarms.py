"""Alarms of many rejected plates: raised once, kept over a restart, ended by a person, and READY drops if asked for."""

from collections.abc import Sequence
from pathlib import Path

import pytest

import stations
from platewatch.errors import InputError
from platewatch.line.alarms import RAISED, SEEN, AlarmPlan, Rule, rule
from platewatch.line.devices import DevicePlan
from platewatch.line.plc.handshake import Code, Command, StatusBit
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


@pytest.mark.parametrize("text", ["", "1", "0/5", "7/5", "3/1001", "three", "3/"])
def test_rules_that_cannot_be_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="--alarm"):
        rule(text)
    assert rule("7/10") == Rule(7, 10)
