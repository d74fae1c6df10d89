"""Cameras and the PLC: the options of `serve`, and the commands plc map and plc try."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from platewatch.cli.shell import FOLDER, NOT_PASSED
from platewatch.errors import InputError

if TYPE_CHECKING:
    from platewatch.line.devices import DevicePlan
    from platewatch.line.plc.handshake import Result
    from platewatch.line.plc.modbus import PlcClient

_POLL_S = 0.002

_OPTIONS = (
    click.option(
        "--camera",
        "cameras",
        multiple=True,
        metavar="CAMERA",
        help="A camera whose frames are judged: [NAME[@PART_TYPE]=] and folder:PATH, genicam:FILE.cti[:DEVICE], "
        "gige:DEVICE, usb:NUMBER or rtsp://…; ?trigger=free|software|line|still&store=png|jpeg|bmp; may be repeated.",
    ),
    click.option("--modbus", metavar="HOST:PORT", help="Modbus TCP server for a PLC (extra plc); see `plc map`."),
    click.option(
        "--modbus-allow",
        multiple=True,
        metavar="ADDRESS",
        help="Address or network that may connect by Modbus; may be repeated; default: this machine.",
    ),
    click.option(
        "--deadline-ms",
        default=1000,
        show_default=True,
        type=click.IntRange(20, 60_000),
        help="Milliseconds from the PLC's trigger; then the part counts as not judged.",
    ),
    click.option(
        "--alarm",
        "alarms",
        multiple=True,
        metavar="N|N/M",
        help="Alarm when N plates in a row, or N of the last M, are rejected; a person acknowledges it; repeatable.",
    ),
    click.option(
        "--coils", metavar="HOST:PORT", help="A Modbus TCP module with a stack light and a gate on its coils 0 to 3."
    ),
    click.option("--alarm-stops", is_flag=True, help="While there is an alarm, the PLC gets no part (READY drops)."),
    click.option(
        "--beat-ms",
        default=500,
        show_default=True,
        type=click.IntRange(50, 60_000),
        help="Period of the heartbeats between station and PLC; still for three periods is a failure.",
    ),
)


def device_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options to a command; `device_plan` takes their values."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def device_plan(values: dict[str, Any]) -> "DevicePlan":
    """The devices that the options name; takes the options out of `values`. Raises InputError."""
    from platewatch.line import alarms
    from platewatch.line.cameras.sources import camera_addresses
    from platewatch.line.devices import DevicePlan
    from platewatch.line.plc.exchange import Times
    from platewatch.line.plc.listening import listen

    modbus, allow = values.pop("modbus"), values.pop("modbus_allow")
    times = Times(deadline_s=values.pop("deadline_ms") / 1e3, beat_s=values.pop("beat_ms") / 1e3)
    where = None if modbus is None else listen(modbus, allow)
    coils = values.pop("coils")
    rules = tuple(alarms.rule(each) for each in values.pop("alarms"))
    return DevicePlan(
        cameras=camera_addresses(values.pop("cameras")),
        modbus=where,
        times=times,
        coils=None if coils is None else _host_and_port("--coils", coils),
        alarms=alarms.AlarmPlan(rules=rules, stops=values.pop("alarm_stops")),
    )


def _host_and_port(where: str, address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise InputError(where, f"{address!r}", expected="HOST:PORT, such as 127.0.0.1:1502")
    return host.strip("[]"), int(port)


@click.command()
@click.option("--cti", multiple=True, type=FOLDER, help="A vendor's GenTL producer; default: those installed here.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def cameras(cti: tuple[Path, ...], as_json: bool) -> None:
    """List the cameras that this machine reaches, each with the word for `serve --camera`."""
    from platewatch.line.cameras.listing import reachable

    found, problems = reachable(cti)
    for problem in problems:
        click.echo(f"warning: {problem}", err=True)
    if as_json:
        click.echo(json.dumps([dict(vars(each)) for each in found], indent=1))
    for each in () if as_json else found:
        click.echo(f"{each.camera}  {each.description}".rstrip())
    if not found:
        click.echo("no camera found; --cti FILE names a vendor's GenTL producer", err=True)


@click.group()
def plc() -> None:
    """The PLC's side of a station: its registers, and a trial of the handshake."""


@plc.command("map")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def register_map(as_json: bool) -> None:
    """Print the Modbus registers: address, size, who writes them, what they mean."""
    from platewatch.line.plc import registers

    if as_json:
        click.echo(json.dumps([each.as_dict() for each in registers.MAP], indent=1))
        return
    click.echo("address  size  written by  name       meaning")
    for each in registers.MAP:
        click.echo(f"{each.address:7}  {each.size:4}  {each.writer:10}  {each.name:9}  {each.meaning}")


@plc.command("try")
@click.argument("address", metavar="HOST:PORT")
@click.option("--part-id", default="", help="The part's id.")
@click.option("--part-type", default="", help="The part's type.")
@click.option("--wait", "wait_s", default=10.0, show_default=True, help="Seconds to wait for each step.")
def try_plc(address: str, part_id: str, part_type: str, wait_s: float) -> None:
    """Trigger one part at a station as a PLC would, and print CODE, the record's number and the milliseconds.

    Not while a PLC is connected: both would write the same registers. Exits 0 for PASS, 3 otherwise.
    """
    from platewatch.line.plc.modbus import PlcClient

    client = PlcClient(*_host_and_port("HOST:PORT", address))
    client.connect()
    try:
        result = _handshake(client, part_id, part_type, wait_s)
    finally:
        client.close()
    code, cause = result.code.name.replace("_", " "), result.cause.name.lower().replace("_", " ")
    why = f" ({cause})" if result.cause else ""
    click.echo(f"{code}{why} {result.number} score {result.score:.2f} {result.duration_ms:.0f} ms")
    if code != "PASS":
        click.get_current_context().exit(NOT_PASSED)


def _handshake(client: "PlcClient", part_id: str, part_type: str, wait_s: float) -> "Result":
    """One part from READY to the end of DONE; raises InputError for a fault, or a step that does not come."""
    from platewatch.line.plc.handshake import Command, CommandBit, StatusBit

    def wait_for(wanted: StatusBit) -> "Result":
        until = time.monotonic() + wait_s
        while True:
            status, _, result = client.read()
            if status & wanted:
                return result
            if status & StatusBit.FAULT or time.monotonic() > until:
                what = (
                    f"fault {result.cause.name}"
                    if status & StatusBit.FAULT
                    else f"no {wanted.name} within {wait_s:g} s"
                )
                raise InputError("PLC", what, remedy="look at the station's health page")
            time.sleep(_POLL_S)

    client.write(Command())
    wait_for(StatusBit.READY)
    seq = time.time_ns() // 10**6 % 0xFFFF + 1
    client.write(Command(CommandBit.TRIGGER, seq, part_id, part_type))
    result = wait_for(StatusBit.DONE)
    client.write(Command(CommandBit.TRIGGER | CommandBit.TAKEN, seq, part_id, part_type))
    client.write(Command())
    return result
