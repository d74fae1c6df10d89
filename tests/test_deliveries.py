"""A real HTTP server and a real broker on loopback get every plate, also when they were away meanwhile."""

import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

import servers
from conftest import Tiny
from plate_rows import plate
from platewatch import cli
from platewatch.errors import InputError, RecordError
from platewatch.line import deliveries
from platewatch.line.deliveries import FAILING, Deliveries, DeliveryWorker
from platewatch.line.destinations import Address, Destination, destination
from platewatch.line.receivers import DeliveryFailed, Refused
from platewatch.records import Due, Entry, Records
from platewatch.records.anchors import Anchor
from served import Served
from waiting import GIVE_UP_S, eventually


class Receiver:
    """An HTTP server that keeps what it is sent and answers as the test says."""

    def __init__(self) -> None:
        self.got = list[tuple[dict[str, str], dict[str, Any]]]()
        self.status: Callable[[dict[str, Any]], int] = lambda _entry: 200
        self.port = servers.free_port()
        self._server: ThreadingHTTPServer | None = None

    def start(self) -> None:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                receiver.got.append(({**self.headers, "path": self.path}, body))
                self.send_response(receiver.status(body))
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    @property
    def numbers(self) -> list[int]:
        return [entry["number"] for _, entry in self.got]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    made.start()
    yield made
    made.stop()


@pytest.fixture
def broker() -> Iterator[servers.Mosquitto]:
    with servers.mosquitto() as running:
        yield running


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    with Records.open(str(tmp_path / "records.db")) as opened:
        yield opened


@pytest.fixture
def worker(records: Records) -> Iterator[Callable[..., DeliveryWorker]]:
    started = list[DeliveryWorker]()

    def start(to: Destination | str, **options: Any) -> DeliveryWorker:
        to = destination(to) if isinstance(to, str) else to
        made = DeliveryWorker(records, to, **({"first_wait_s": 0.02, "longest_wait_s": 0.2} | options))
        made.start()
        started.append(made)
        return made

    yield start
    for each in started:
        each.stop()


def test_a_webhook_gets_each_plate_as_the_typed_entry(
    records: Records, receiver: Receiver, worker: Callable[..., DeliveryWorker]
) -> None:
    url = f"http://anna:s%20ecret@127.0.0.1:{receiver.port}/plates?token=x"
    name = destination(url).name
    assert name == f"http://127.0.0.1:{receiver.port}/plates"
    entries = [records.add(plate(duration_ms=number), deliver=[name]).entry for number in range(8)]
    started = worker(url)
    entries.append(records.add(plate(), deliver=[name]).entry)
    started.wake()
    eventually(lambda: len(receiver.got) == 9)
    assert [entry for _, entry in receiver.got] == [entry.as_dict() for entry in entries]
    headers = receiver.got[0][0]
    assert headers["path"] == "/plates?token=x"
    assert headers["Idempotency-Key"] == entries[0].chain
    assert headers["Authorization"] == "Basic YW5uYTpzIGVjcmV0"
    eventually(lambda: records.deliveries()[0].waiting == 0)
    (state,) = records.deliveries()
    assert (state.name, state.delivered, state.failures, state.error) == (name, 9, 0, None)


def test_a_webhook_that_is_away_gets_everything_when_it_is_back(
    records: Records, receiver: Receiver, worker: Callable[..., DeliveryWorker]
) -> None:
    receiver.stop()
    warned = list[str]()
    url = f"http://127.0.0.1:{receiver.port}/"
    worker(url, warn=warned.append)
    for _ in range(3):
        records.add(plate(), deliver=[url])
    eventually(lambda: records.deliveries()[0].failures >= 2)
    assert records.deliveries()[0].waiting == 3
    assert "out of reach" in str(records.deliveries()[0].error)
    receiver.start()
    eventually(lambda: records.deliveries()[0].delivered == 3)
    assert receiver.numbers == [1, 2, 3]
    assert [each.rpartition(": ")[2] for each in warned] == [warned[0].rpartition(": ")[2], "in reach again"]


def test_a_server_that_fails_is_asked_again_and_one_that_refuses_a_plate_gets_the_others(
    records: Records, receiver: Receiver, worker: Callable[..., DeliveryWorker]
) -> None:
    answers = {1: [500, 429, 200], 2: [422, 422, 200]}
    receiver.status = lambda entry: answers.get(entry["number"], [200]).pop(0)
    url = f"http://127.0.0.1:{receiver.port}/"
    for _ in range(3):
        records.add(plate(), deliver=[url])
    worker(url)
    eventually(lambda: records.deliveries()[0].delivered == 3)
    assert sorted(receiver.numbers) == [1, 1, 1, 2, 2, 2, 3]
    assert receiver.numbers.index(3) < 6  # not held up by the refused one to its end
    assert records.deliveries()[0].failures == 4


class Unwilling:
    """A destination that takes nothing."""

    name = "http://127.0.0.1/"

    def __init__(self, error: DeliveryFailed) -> None:
        self._error = error

    def deliver(self, _entry: Entry | Anchor) -> None:
        raise self._error

    def close(self) -> None:
        pass


@pytest.mark.parametrize("error", [Refused("not this one"), DeliveryFailed("out of reach")], ids=str)
def test_each_wait_is_twice_the_last_up_to_the_longest(
    records: Records, monkeypatch: pytest.MonkeyPatch, error: DeliveryFailed
) -> None:
    waits, postpone = list[float](), records.postpone

    def noted(*details: Any, wait_s: float, why: str) -> None:
        waits.append(wait_s)
        postpone(*details, wait_s=wait_s, why=why)

    monkeypatch.setattr(records, "postpone", noted)
    records.add(plate(), deliver=[Unwilling.name])
    worker = DeliveryWorker(records, Unwilling(error), first_wait_s=0.001, longest_wait_s=0.032)
    worker.start()

    def tried_often() -> bool:
        worker.wake()  # it looks again for what is due
        return len(waits) >= 8

    eventually(tried_often)
    worker.stop()
    expected = [0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.032, 0.032]
    assert waits[:8] == pytest.approx(expected, rel=0.2), "never quite the same for all who wait"


def test_a_restarted_station_tells_what_was_left(records: Records, receiver: Receiver, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{receiver.port}/"
    records.add(plate(), deliver=[url])
    records.close()
    with Records.open(str(tmp_path / "records.db")) as again:
        worker = DeliveryWorker(again, destination(url))
        worker.start()
        eventually(lambda: again.deliveries()[0].delivered == 1)
        worker.stop()


def test_serve_and_watch_deliver_to_the_webhook_that_they_are_given(
    receiver: Receiver, tiny_model: Tiny, tmp_path: Path
) -> None:
    """As commands, on one record: each delivers the plates that it records."""
    photograph, url = tiny_model.data / "test/good/000.png", f"http://127.0.0.1:{receiver.port}/plates"
    (tmp_path / "camera").mkdir()
    shutil.copyfile(photograph, tmp_path / "camera" / "0.png")
    with Served(tiny_model.model, tmp_path, "--webhook", url) as served:
        assert served.ask("POST", "/inspections", photograph.read_bytes())[0] == 201
        eventually(lambda: receiver.numbers == [1])
        words = ["watch", str(tmp_path / "camera"), "--model", str(tiny_model.model), "--once"]
        result = CliRunner().invoke(cli.main, [*words, "--records", served.records, "--webhook", url])
        assert result.exit_code == 0, result.output
        eventually(lambda: receiver.numbers == [1, 2])
        assert [entry["source"] for _, entry in receiver.got] == ["rest", "watch"]
        shown = served.ask("GET", "/inspections/2")[1]
        assert shown["chain"] == receiver.got[1][1]["chain"]


def test_a_url_that_is_none_is_one_line_for_serve(tiny_model: Tiny, tmp_path: Path) -> None:
    """In a process of its own: it begins another one that serves."""
    words = [sys.executable, "-m", "platewatch", "serve", str(tiny_model.model), "--port", "0", *NO_TOPIC]
    done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, timeout=GIVE_UP_S, check=False)
    one_line(done.returncode, done.stdout, done.stderr)


def test_a_url_that_is_none_is_one_line_for_watch(
    tiny_model: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli.main, ["watch", ".", "--model", str(tiny_model.model), *NO_TOPIC])
    one_line(done.exit_code, done.stdout, done.stderr)


NO_TOPIC = ("--mqtt", "mqtt://anna:secret@host")


def one_line(code: int, stdout: str, stderr: str) -> None:
    assert (code, stdout, stderr.count("\n")) == (1, "", 1)
    assert "destination" in stderr
    assert "secret" not in stderr


def test_what_one_worker_holds_no_other_gets_until_its_lease_ends(records: Records) -> None:
    for _ in range(3):
        records.add(plate(), deliver=["a", "b"])
    first = records.claim("a", 2, lease_s=60)
    assert [each.entry.number for each in first] == [1, 2]
    assert [each.entry.number for each in records.claim("a", 2, lease_s=0)] == [3]
    assert [each.entry.number for each in records.claim("a", 2, lease_s=0)] == [3]
    assert len(records.claim("b", 9, lease_s=60)) == 3
    records.delivered("a", [first[0]])
    records.postpone("a", first[1].id, wait_s=0, why="x" * 1000)
    assert {each.entry.number: each.attempts for each in records.claim("a", 9, lease_s=60)} == {2: 1, 3: 0}


class Willing:
    """A destination that keeps what it is sent; a test's own clock runs while it takes a plate."""

    name = "http://127.0.0.1/"

    def __init__(self, monkeypatch: pytest.MonkeyPatch, takes_s: float = 0.0) -> None:
        self.got = list[int]()
        self.answer: Callable[[int], None] = lambda _number: None
        self._now, self._takes_s = 0.0, takes_s
        monkeypatch.setattr(deliveries, "time", SimpleNamespace(monotonic=lambda: self._now))

    def deliver(self, entry: Entry | Anchor) -> None:
        self._now += self._takes_s
        self.got.append(entry.number)
        self.answer(entry.number)

    def close(self) -> None:
        pass


def recorded(records: Records, monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """The plates of each transaction that records deliveries."""
    found, record = list[list[int]](), records.delivered

    def noted(name: str, plates: Sequence[Due], untried: Sequence[Due] = ()) -> None:
        found.append([each.entry.number for each in plates])
        record(name, plates, untried)

    monkeypatch.setattr(records, "delivered", noted)
    return found


def test_deliveries_are_recorded_several_at_once_and_before_a_failure_is_waited_for(
    records: Records, monkeypatch: pytest.MonkeyPatch, worker: Callable[..., DeliveryWorker]
) -> None:
    to, found, fails, seen = Willing(monkeypatch), recorded(records, monkeypatch), [4], list[int]()

    def away(number: int) -> None:
        if number in fails:
            fails.clear()
            raise DeliveryFailed("out of reach")

    def counted(_words: str) -> None:
        seen.append(records.deliveries()[0].delivered)

    to.answer = away
    for _ in range(6):
        records.add(plate(), deliver=[to.name])
    worker(to, warn=counted)
    eventually(lambda: records.deliveries()[0].delivered == 6)
    assert to.got == [1, 2, 3, 4, 4, 5, 6]
    assert found == [[1, 2, 3], [4], [5, 6]], "the first one after a failure is told at once"
    assert seen[0] == 3, "what was taken before the failure"


def test_deliveries_that_could_not_be_recorded_are_repeated(
    records: Records, monkeypatch: pytest.MonkeyPatch, worker: Callable[..., DeliveryWorker]
) -> None:
    to, record, fails = Willing(monkeypatch), records.delivered, ["the database is locked"]

    def failing(*words: Any) -> None:
        if fails:
            raise RecordError("records.db", fails.pop())
        record(*words)

    monkeypatch.setattr(records, "delivered", failing)
    monkeypatch.setattr(deliveries, "_LEASE", 0.0)
    for _ in range(3):
        records.add(plate(), deliver=[to.name])
    started = worker(to)
    eventually(lambda: len(to.got) >= 3)
    started.wake()
    eventually(lambda: records.deliveries()[0].delivered == 3)
    assert to.got == [1, 2, 3] * 2
    assert records.deliveries()[0].waiting == 0


def test_a_slow_receiver_gets_no_plate_after_its_lease(
    records: Records, monkeypatch: pytest.MonkeyPatch, worker: Callable[..., DeliveryWorker]
) -> None:
    """The plates of the batch that were not tried are due at once, for other processes too."""
    to, found, claimed, claim = Willing(monkeypatch, 25.0), recorded(records, monkeypatch), list[int](), records.claim

    def noted(name: str, limit: int, lease_s: float) -> tuple[Due, ...]:
        due = claim(name, limit, lease_s)
        claimed.append(len(due))
        return due

    monkeypatch.setattr(records, "claim", noted)
    for _ in range(5):
        records.add(plate(), deliver=[to.name])
    worker(to)
    eventually(lambda: records.deliveries()[0].delivered == 5)
    assert claimed[:3] == [5, 3, 1], "two within 40 s"
    assert to.got == [1, 2, 3, 4, 5]
    assert [number for each in found for number in each] == to.got


def test_a_late_confirmation_removes_no_other_plate(records: Records) -> None:
    """After the end of a lease another process may have delivered the plate; SQLite then gives its row's id again."""
    records.add(plate(), deliver=["a"])
    late = records.claim("a", 5, lease_s=0)
    records.delivered("a", records.claim("a", 5, lease_s=60))
    records.add(plate(), deliver=["a"])
    records.delivered("a", late)
    (state,) = records.deliveries()
    assert (state.delivered, state.waiting) == (1, 1)
    (due,) = records.claim("a", 5, lease_s=60)
    assert (due.id, due.entry.number) == (late[0].id, 2)


def test_a_topic_gets_each_plate_also_after_the_broker_was_away(
    records: Records, broker: servers.Mosquitto, worker: Callable[..., DeliveryWorker]
) -> None:
    from paho.mqtt import client as mqtt
    from paho.mqtt.enums import CallbackAPIVersion

    got = list[tuple[str, dict[str, Any]]]()
    listener = mqtt.Client(CallbackAPIVersion.VERSION2)
    listener.on_message = lambda _client, _data, message: got.append((message.topic, json.loads(message.payload)))
    listener.on_connect = lambda client, *_: client.subscribe("plant/line 2/#", qos=1)
    ready = threading.Event()
    listener.on_subscribe = lambda *_: ready.set()
    listener.reconnect_delay_set(1, 1)
    listener.connect("127.0.0.1", broker.port)
    listener.loop_start()
    try:
        assert ready.wait(GIVE_UP_S)
        url = f"mqtt://127.0.0.1:{broker.port}/plant/line%202/plates"
        name = destination(url).name
        worker(url)
        entry = records.add(plate(), deliver=[name]).entry
        eventually(lambda: got == [("plant/line 2/plates", entry.as_dict())])
        ready.clear()
        broker.stop()
        records.add(plate(), deliver=[name])
        eventually(lambda: records.deliveries()[0].failures >= 1)
        broker.start()
        eventually(lambda: records.deliveries()[0].delivered == 2)
        assert records.deliveries()[0].waiting == 0
    finally:
        listener.disconnect()
        listener.loop_stop()


@pytest.fixture(scope="module")
def strict_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.StrictBroker]:
    with servers.strict_broker(tmp_path_factory.mktemp("broker")) as running:
        yield running


def at(broker: servers.StrictBroker, topic: str, **changes: Any) -> Destination:
    return destination(Address(broker.url(topic), broker.PASSWORD, **changes))


def test_a_topic_that_the_broker_forbids_is_no_delivery(
    records: Records, strict_broker: servers.StrictBroker, tmp_path: Path
) -> None:
    """Its plate waits; command line, health check and record say why. Once it is allowed, the plate arrives."""
    to, warned = at(strict_broker, "plates/denied"), list[str]()
    records.add(plate(), deliver=[to.name])
    deliveries = Deliveries(records, [to], warned.append)
    deliveries.start()
    eventually(lambda: bool(list(deliveries.problems())))
    (state,) = records.deliveries()
    deliveries.stop()
    assert (state.delivered, state.waiting) == (0, 1)
    assert state.error == f"{to.name}: the broker refused: Not authorized"
    assert warned[0] == f"{state.error}; plates wait in the record until it takes them"
    assert warned[-1] == f"{to.name}: 1 plate waits for delivery (the broker refused: Not authorized)"
    assert list(deliveries.problems()) == [(FAILING, f"receivers do not take plates: {warned[-1]}", False)]


def test_a_plate_too_large_for_the_broker_waits_alone(
    records: Records, strict_broker: servers.StrictBroker, worker: Callable[..., DeliveryWorker]
) -> None:
    """Whether the broker names its limit, or only ends the connection; the plates behind it arrive."""
    to = at(strict_broker, "plates/ok")
    long = "x" * 3900
    for each in (plate(reason=long, image=long), plate(reason=long), plate()):
        records.add(each, deliver=[to.name])
    worker(to)
    eventually(lambda: records.deliveries()[0].delivered == 1)
    eventually(lambda: records.deliveries()[0].failures >= 2)
    (state,) = records.deliveries()
    assert state.waiting == 2
    assert state.error is not None, "of the plates that wait, although a later one arrived"
    another = at(strict_broker, "plates/ok")
    with pytest.raises(Refused, match="ended the connection at plate 2"):
        another.deliver(records.get(2))
    assert another.deliver(records.get(3)) is not None, "connected again"
    with pytest.raises(Refused, match="refused plate 1: Packet too large"):
        another.deliver(records.get(1))
    another.close()


def test_a_connection_that_ends_before_publish_returns_says_why(
    records: Records, strict_broker: servers.StrictBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a busy machine paho has sent the plate and read the broker's answer, and then returns "not connected"."""
    from paho.mqtt.client import Client, MQTTMessageInfo
    from paho.mqtt.enums import MQTTErrorCode

    publish = Client.publish

    def late(client: Client, *words: Any, **options: Any) -> MQTTMessageInfo:
        message = publish(client, *words, **options)
        eventually(lambda: client.socket() is None)
        message.rc = MQTTErrorCode.MQTT_ERR_NO_CONN
        return message

    to = at(strict_broker, "plates/ok")
    entry = records.add(plate(reason="x" * 3900)).entry
    with monkeypatch.context() as busy:
        busy.setattr(Client, "publish", late)
        with pytest.raises(Refused, match="ended the connection at plate 1"):
            to.deliver(entry)
    assert to.deliver(records.add(plate()).entry) is not None, "connected again"
    to.close()


def test_a_connection_that_ended_while_nothing_was_sent_is_made_again_at_once(
    records: Records, broker: servers.Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also while paho still calls it connected, as it does for a moment."""
    from paho.mqtt.client import Client

    to, others = destination(f"mqtt://127.0.0.1:{broker.port}/plates"), threading.enumerate()
    to.deliver(records.add(plate()).entry)
    broker.stop()
    eventually(lambda: not any("paho" in each.name for each in threading.enumerate() if each not in others))
    broker.start()
    real = Client.is_connected
    monkeypatch.setattr(Client, "is_connected", lambda client: client.socket() is None or real(client))
    assert to.deliver(records.add(plate()).entry) == "nobody subscribes to the topic"
    to.close()


def test_a_plate_that_nobody_subscribes_to_is_delivered_and_that_is_told_once(
    records: Records, strict_broker: servers.StrictBroker
) -> None:
    to, warned = at(strict_broker, "plates/ok"), list[str]()
    for _ in range(2):
        records.add(plate(), deliver=[to.name])
    deliveries = Deliveries(records, [to], warned.append)
    deliveries.start()
    eventually(lambda: records.deliveries()[0].delivered == 2)
    deliveries.stop()
    assert warned == [f"{to.name}: took the plate, but nobody subscribes to the topic"]
    assert deliveries.notes() == {to.name: "nobody subscribes to the topic"}
    assert not list(deliveries.problems())


@pytest.mark.filterwarnings("ignore:.*SSLSocket")  # paho leaves the socket of a failed handshake to Python
def test_a_broker_is_trusted_by_its_own_authority_alone(records: Records, strict_broker: servers.StrictBroker) -> None:
    entry = records.add(plate()).entry
    url = f"mqtts://{strict_broker.USER}@127.0.0.1:{strict_broker.tls_port}/plates/ok"
    with pytest.raises(DeliveryFailed, match="certificate verify failed"):
        destination(Address(url, strict_broker.PASSWORD)).deliver(entry)
    trusted = destination(Address(url, strict_broker.PASSWORD, authority=strict_broker.certificate))
    trusted.deliver(entry)
    trusted.close()


@pytest.mark.parametrize("content", [None, b"", b"no certificate"], ids=["missing", "empty", "text"])
def test_an_authority_that_cannot_be_read_is_one_line(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "ca.pem").write_bytes(content)
    with pytest.raises(InputError, match=r"ca\.pem: no certificate authority that can be read"):
        destination(Address("mqtts://host/t", authority=tmp_path / "ca.pem"))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"\x20\x02\x00\x01", "it has to speak MQTT 5"),
        (b"\x20\x03\x00\x86\x00", "Bad user name or password"),
        (b"\x20\x05\x00\x00\x02\x24\x00", "confirms nothing"),
    ],
    ids=["only 3.1.1", "login", "only quality of service 0"],
)
def test_a_broker_that_cannot_confirm_or_lets_nobody_in_gets_nothing(
    records: Records, answer: bytes, said: str
) -> None:
    """The bytes are CONNACK packets as such brokers send them."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            client, _ = server.accept()
            with client:
                client.recv(1000)
                client.sendall(answer)
                client.recv(1000)

        threading.Thread(target=accept, daemon=True).start()
        to = destination(f"mqtt://127.0.0.1:{server.getsockname()[1]}/t")
        with pytest.raises(DeliveryFailed, match=said):
            to.deliver(records.add(plate()).entry)


def test_no_broker_and_a_silent_one_are_out_of_reach(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    monkeypatch.setattr("platewatch.line.destinations.PATIENCE_S", 0.2)
    entry = records.add(plate()).entry
    with pytest.raises(DeliveryFailed):
        destination(f"mqtt://127.0.0.1:{servers.free_port()}/t").deliver(entry)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        place = f"127.0.0.1:{silent.getsockname()[1]}"
        for url in (f"mqtt://{place}/t", f"http://{place}/"):
            with pytest.raises(DeliveryFailed) as caught:
                destination(url).deliver(entry)
            assert not isinstance(caught.value, Refused)


@pytest.mark.parametrize(
    "url",
    ["plates", "ftp://host/x", "http://", "mqtt://host", "mqtt://host/a/#", "mqtt://host/+", "http://h:x/", "h:1"],
)
def test_a_url_that_is_no_destination_is_refused(url: str) -> None:
    with pytest.raises(InputError):
        destination(url)


def test_no_password_is_ever_shown() -> None:
    with pytest.raises(InputError) as caught:
        destination("mqtt://anna:secret@host")
    assert "secret" not in str(caught.value)
    assert "secret" not in destination("mqtts://anna:secret@host/t?secret=1").name
