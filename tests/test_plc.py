"""The PLC's registers, its connection by Modbus TCP, and parts judged for it, with disturbances."""

import json
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

import kinds
import stations
from platewatch import cli
from platewatch.errors import InputError
from platewatch.line.cameras.sources import camera_addresses
from platewatch.line.devices import DevicePlan
from platewatch.line.plc import registers
from platewatch.line.plc.exchange import Exchange, Times
from platewatch.line.plc.handshake import Cause, Code, Command, Phase, Result, State, StatusBit
from platewatch.line.plc.listening import listen
from platewatch.line.plc.modbus import ModbusServer, PlcClient
from platewatch.records import Query
from plcs import LOOPBACK, Camera, Plc, Station
from waiting import eventually


@contextmanager
def serving(exchange: Exchange, allow: tuple[str, ...] = ()) -> Iterator[PlcClient]:
    """A server for the exchange, and a client that is connected."""
    server = ModbusServer(listen(LOOPBACK, allow), exchange)
    server.start()
    client = PlcClient("127.0.0.1", server.port)
    try:
        client.connect()
        yield client
    finally:
        client.close()
        server.stop()


def test_no_register_lies_on_another_and_both_blocks_are_as_long_as_they_say() -> None:
    taken = [at for each in registers.MAP for at in range(each.address, each.address + each.size)]
    assert len(set(taken)) == len(taken)
    assert len(registers.command_words(Command())) == registers.SIZES["plc"]
    assert len(registers.result_words(State(), 1)) == registers.SIZES["platewatch"]


def test_values_come_back_from_registers() -> None:
    given = Command(1, 65535, "Mönch 17", "front", 3)
    assert registers.command(registers.command_words(given)) == given
    cut = registers.command(registers.command_words(Command(part_id="ö" * 17)))
    assert cut.part_id == "ö" * 16
    result = Result(Code.REJECT, Cause.NONE, 7, 3.21, 3_000_000_070_000, 12)
    state = State(phase=Phase.DONE, able=True, result=result)
    assert registers.result(registers.result_words(state, 9)) == (StatusBit.DONE | StatusBit.MODEL_OK, 9, result)
    for score in (float("nan"), float("inf"), -1.0):
        assert registers.result_words(State(result=Result(score=score)), 1)[registers.address("SCORE") - 100] == 0


def test_unknown_codes_are_no_pass() -> None:
    words = registers.result_words(State(), 1)
    for unknown in (5, 255, 65535):
        words[registers.address("CODE") - registers.RESULTS] = unknown
        assert registers.result(words)[2].code is Code.NOT_JUDGED


def test_a_part_id_that_is_no_text_is_a_fault() -> None:
    exchange = Exchange(Times())
    exchange.write(0, [0])
    exchange.beat(able=True)
    exchange.write(registers.address("PART_ID"), [0xFF00])
    exchange.write(0, [1, 5])
    assert (exchange.state().phase, exchange.state().cause) == (Phase.FAULT, Cause.COMMAND)
    assert exchange.next_job(0) is None


@pytest.mark.parametrize(
    ("where", "allow"),
    [("1502", ()), ("127.0.0.1:x", ()), ("0.0.0.0:502", ()), ("station:502", ()), ("127.0.0.1:502", ("plc",))],
)
def test_an_address_that_cannot_be_used_or_is_open_to_all_is_refused(where: str, allow: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match="--modbus"):
        listen(where, allow)


def test_who_may_connect() -> None:
    here, named = listen(LOOPBACK), listen("0.0.0.0:502", ["10.0.0.5", "192.168.1.0/24"])
    assert [here.allows(each) for each in ("127.0.0.1", "::1", "10.0.0.5")] == [True, True, False]
    assert [named.allows(each) for each in ("10.0.0.5", "::ffff:192.168.1.7", "127.0.0.1")] == [True, True, False]


def test_the_registers_are_read_and_written_by_modbus() -> None:
    exchange = Exchange(Times())
    with serving(exchange) as client:
        assert client.read()[0] == StatusBit(0)
        client.write(Command())
        exchange.beat(able=True)
        assert client.read()[:2] == (StatusBit.READY | StatusBit.MODEL_OK, 1)
        client.write(Command(1, 5, "Mönch 17"))
        job = exchange.next_job(0)
        assert job is not None
        assert (job.seq, job.part_id) == (5, "Mönch 17")
        exchange.finish(Result(Code.PASS, number=70_000, score=0.5))
        assert client.read()[2] == Result(Code.PASS, Cause.NONE, 5, 0.5, 70_000)


def test_only_the_plc_s_registers_can_be_written_and_there_are_no_coils() -> None:
    """Codes of the answers: 2 illegal address, 1 illegal function."""
    with serving(Exchange(Times())) as client:
        raw = client._client
        assert raw.write_register(registers.address("CODE"), 1).exception_code == 2
        assert raw.write_registers(registers.SIZES["plc"] - 1, [0, 0]).exception_code == 2
        assert raw.read_coils(0).exception_code == raw.write_coil(0, True).exception_code == 1
        assert client.read()[2] == Result()


def test_an_address_that_is_not_allowed_is_disconnected() -> None:
    with serving(Exchange(Times()), ("10.0.0.0/8",)) as client, pytest.raises(InputError, match="no answer"):
        client.read()


def test_the_connection_that_was_silent_for_longest_makes_room() -> None:
    exchange = Exchange(Times())
    with serving(exchange) as first:
        first.read()
        port = first._client.comm_params.port
        others = [socket.create_connection(("127.0.0.1", port)) for _ in range(8)]
        request = struct.pack(">HHHBBHH", 1, 0, 6, 1, 3, 100, 1)
        others[-1].sendall(request)
        assert others[-1].recv(100)
        with pytest.raises(InputError, match="no answer"):
            first.read()
        for each in others:
            each.close()


def test_the_plc_never_sees_pass_for_a_part_that_is_not_recorded_as_pass(tmp_path: Path) -> None:
    with stations.running(tmp_path) as here:
        station = Station(here.station.line, Camera())
        plc = Plc(station, here.records, seed=19)
        plc.parts_with_disturbances(200)
        station.stop()
        assert plc.codes.count(Code.PASS) > 20
        counts = here.records.counts()
        assert counts.received == counts.judged + counts.failed
        assert here.records.audit().intact
        assert {entry.source for entry in here.records.find(Query(limit=100)).entries} == {"camera cam"}


def test_a_station_with_a_folder_as_its_camera_judges_what_the_plc_triggers(tmp_path: Path) -> None:
    """From the option's words to the row: a file that lay there before is nobody's photograph."""
    folder = tmp_path / "camera"
    folder.mkdir()
    (folder / "old.png").write_bytes(stations.photograph(0))
    plan = DevicePlan(
        cameras=camera_addresses([f"top=folder:{folder}"]), modbus=listen(LOOPBACK), times=Times(deadline_s=60)
    )
    with stations.running(tmp_path, devices=plan) as here:
        port = here.station.devices.port
        assert port
        judged = {}
        for name, redness in (("A1", 0), ("A2", 125)):
            if name == "A1":
                (folder / f"{name}.png").write_bytes(stations.photograph(redness))
            else:
                threading.Timer(0.1, (folder / "next.png").write_bytes, [stations.photograph(redness)]).start()
            done = CliRunner().invoke(cli.main, ["plc", "try", f"127.0.0.1:{port}", "--part-id", name, "--wait", "90"])
            judged[name] = (done.output.split()[:2], done.exit_code)
        assert judged == {"A1": (["PASS", "1"], 0), "A2": (["REJECT", "2"], 3)}
        problems = {each.code: each for each in here.station.health.problems()}
        assert "1 photographs came to camera top without a trigger" in problems["camera_unclaimed"].message
        found = here.records.find(Query(limit=10)).entries
        assert [(each.plate_id, each.source) for each in found] == [("A2", "camera top"), ("A1", "camera top")]


def test_a_station_without_a_model_or_record_is_not_ready_and_another_model_zeroes_all(tmp_path: Path) -> None:
    with stations.running(tmp_path) as here:
        station = Station(here.station.line, Camera(redness={"one": 0}))
        plc = Plc(station, here.records, 1)
        client = station.client
        client.write(Command())
        plc.until(StatusBit.READY)
        plc.parts[1] = "one"
        client.write(Command(1, 1, "one"))
        assert plc.until(StatusBit.DONE)[1].code is Code.PASS
        here.station.models.loaded().manifest.model_id = "another"
        eventually(lambda: client.read()[2].code is Code.NONE)
        here.station.models.folder = tmp_path / "gone"
        client.write(Command())
        eventually(lambda: not client.read()[0] & (StatusBit.MODEL_OK | StatusBit.READY))
        station.stop()


def test_the_plc_names_the_part_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each part is judged by its type's model; a type that is not known is not judged."""
    kinds.faked(monkeypatch)
    with stations.running(tmp_path, part_types=lambda each: kinds.models(tmp_path, each, ("left", "right"))) as here:
        station = Station(here.station.line, Camera(redness={"one": 0}))
        plc, client, codes = Plc(station, here.records, 1), station.client, list[tuple[Code, Cause]]()
        for seq, part_type in enumerate(("right", "middle", "left", ""), 1):
            client.write(Command())
            plc.until(StatusBit.READY)
            plc.parts[seq] = "one"
            client.write(Command(1, seq, "one", part_type))
            result = plc.until(StatusBit.DONE)[1]
            codes.append((result.code, result.cause))
            client.write(Command(3, seq))
        unknown = Code.NOT_JUDGED, Cause.PART_TYPE
        assert codes == [(Code.PASS, Cause.NONE), unknown, (Code.PASS, Cause.NONE), unknown]
        found = here.records.find(Query(limit=10)).entries
        assert [(each.part_type, each.inspection.model_id) for each in found] == [
            ("left", "0" * 12),
            ("right", f"{1:012x}"),
        ]
        station.stop()


def test_the_map_is_printed(tmp_path: Path) -> None:
    printed = CliRunner().invoke(cli.main, ["plc", "map", "--json"]).output
    assert [each["address"] for each in json.loads(printed)] == [each.address for each in registers.MAP]
    assert "RSEQ" in CliRunner().invoke(cli.main, ["plc", "map"]).output


def test_a_plc_may_ask_by_http_for_one_line(tmp_path: Path) -> None:
    with stations.running(tmp_path) as here:
        for redness, line in ((125, "REJECT 1\n"), (0, "PASS 2\n")):
            answer = here.client.post(
                "/inspections", content=stations.photograph(redness), headers={"Accept": "text/plain"}
            )
            assert (answer.text, answer.status_code) == (line, 201)
        assert answer.headers["content-type"].startswith("text/plain")
        assert here.post()["outcome"] == "PASS"
