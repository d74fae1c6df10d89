"""Tells others of each plate: a webhook or an MQTT topic gets every Entry as JSON, at least once, in its own thread.

What is to be told stands in the record's outbox, written with the plate itself; a destination that is out of reach is
tried again, ever more rarely, and never holds up the line.
"""

import base64
import http.client
import random
import ssl
import threading
from collections.abc import Callable
from functools import partial
from importlib import metadata
from typing import TYPE_CHECKING, Protocol
from urllib.parse import SplitResult, unquote, urlsplit

from platewatch.errors import InputError, RecordError
from platewatch.records import Due, Entry, Records

if TYPE_CHECKING:
    from paho.mqtt.client import Client
    from paho.mqtt.reasoncodes import ReasonCode

_PATIENCE = 10.0  # seconds until a destination counts as out of reach
_LEASE = 60.0  # seconds in which this process alone tries what it claimed: longer than a batch takes when all goes well
_BATCH = 5
_PASSING = (408, 425, 429)  # of a webhook's refusals those that pass


class DeliveryFailed(Exception):  # noqa: N818 - says what happened
    """It did not work now; never leaves this room."""


class Refused(DeliveryFailed):
    """The destination is there but does not want this one plate: the others may still be told."""


class Destination(Protocol):
    """Whoever is told."""

    name: str
    """By which the outbox knows it: its URL without passwords and parameters."""

    def tell(self, entry: Entry) -> None:
        """Return once it has surely got the plate; raises DeliveryFailed or Refused."""

    def close(self) -> None:
        """Let go of its connection."""


def destination(url: str) -> Destination:
    """Whom a URL means: `http(s)://…` a webhook, `mqtt(s)://[user:password@]host[:port]/topic` a topic.

    Raises InputError for any other.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise InputError(f"destination {url!r}: no URL ({error}); expected http://… or mqtt://host/topic") from error
    if parts.hostname and parts.scheme in ("http", "https"):
        return Webhook(parts, port)
    topic = unquote(parts.path.removeprefix("/")) + ("#" if parts.fragment or url.endswith("#") else "")
    if parts.hostname and parts.scheme in ("mqtt", "mqtts") and topic and not set(topic) & set("#+\0"):
        return Topic(parts, port, topic)
    raise InputError(
        f"destination {_name(parts)!r}: expected http://host/path, https://… or mqtt://host/topic; mend it"
    )


class Webhook:
    """POSTs each Entry; any answer from 200 to 299 counts as got."""

    def __init__(self, parts: SplitResult, port: int | None) -> None:
        """Nothing is connected yet."""
        self.name = _name(parts)
        self._host, self._port, self._secure = str(parts.hostname), port, parts.scheme == "https"
        self._target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._headers = {
            "Content-Type": "application/json",
            "User-Agent": f"platewatch/{metadata.version('platewatch')}",
        }
        if parts.username is not None:
            login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            self._headers["Authorization"] = "Basic " + base64.b64encode(login.encode()).decode()

    def tell(self, entry: Entry) -> None:
        """As Destination says; the plate's hash is the Idempotency-Key, should it come twice."""
        connection = self._connection()
        try:
            headers = {**self._headers, "Idempotency-Key": entry.chain}
            connection.request("POST", self._target, entry.as_json().encode(), headers)
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException) as error:
            raise DeliveryFailed(f"{self.name}: out of reach ({_line(error)})") from error
        finally:
            connection.close()
        if 400 <= status < 500 and status not in _PASSING:
            raise Refused(f"{self.name}: refused plate {entry.number} with status {status}")
        if not 200 <= status < 300:
            raise DeliveryFailed(f"{self.name}: answered with status {status}")

    def close(self) -> None:
        """Nothing stays open between two plates."""

    def _connection(self) -> http.client.HTTPConnection:
        if self._secure:
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(self._host, self._port, timeout=_PATIENCE, context=context)
        return http.client.HTTPConnection(self._host, self._port, timeout=_PATIENCE)


class Topic:
    """Publishes each Entry with quality of service 1: the broker confirms that it has it."""

    def __init__(self, parts: SplitResult, port: int | None, topic: str) -> None:
        """Nothing is connected yet."""
        from paho.mqtt import client, enums  # noqa: PLC0415 - only who uses a broker needs it

        self.name = _name(parts)
        self._topic = topic
        secure = parts.scheme == "mqtts"
        self._place = str(parts.hostname), port or (8883 if secure else 1883)
        self._make = partial(client.Client, enums.CallbackAPIVersion.VERSION2, reconnect_on_failure=False)
        self._login = None if parts.username is None else (unquote(parts.username), unquote(parts.password or ""))
        self._secure = secure
        self._client: Client | None = None

    def tell(self, entry: Entry) -> None:
        """As Destination says."""
        try:
            client = self._connected()
            message = client.publish(self._topic, entry.as_json().encode(), qos=1)
            message.wait_for_publish(_PATIENCE)
            if not message.is_published():
                raise DeliveryFailed(f"{self.name}: did not confirm within {_PATIENCE:.0f} s")
        except (OSError, ValueError, RuntimeError) as error:  # paho raises the latter two for a lost connection
            self.close()
            raise DeliveryFailed(f"{self.name}: out of reach ({_line(error)})") from error
        except DeliveryFailed:
            self.close()
            raise

    def close(self) -> None:
        """Leave the broker."""
        client, self._client = self._client, None
        if client is not None:
            client.disconnect()
            client.loop_stop()

    def _connected(self) -> "Client":
        if self._client is not None and self._client.is_connected():
            return self._client
        self.close()
        client = self._make()
        client.connect_timeout = _PATIENCE
        if self._login is not None:
            client.username_pw_set(*self._login)
        if self._secure:
            client.tls_set_context(ssl.create_default_context())
        answered, answer = threading.Event(), list[str]()

        def on_connect(
            _client: object, _data: object, _flags: object, reason: "ReasonCode", _properties: object
        ) -> None:
            answer.extend([str(reason)] if reason.is_failure else [])
            answered.set()

        client.on_connect = on_connect
        self._client = client
        client.connect(*self._place)
        client.loop_start()
        if not answered.wait(_PATIENCE) or answer:
            raise DeliveryFailed(f"{self.name}: {answer[0] if answer else 'does not answer'}")
        return client


class Courier:
    """Tells one destination what the outbox holds for it, in a thread of its own."""

    def __init__(
        self,
        records: Records,
        to: Destination,
        *,
        first_wait_s: float = 1.0,
        longest_wait_s: float = 300.0,
        tell: Callable[[str], None] | None = None,
    ) -> None:
        """`tell` hears of each failure and of the success after it, one line each."""
        self._records, self._to = records, to
        self._first, self._longest = first_wait_s, longest_wait_s
        self._say = tell or (lambda _words: None)
        self._failed = 0  # times in a row that it was out of reach
        self._stopping, self._news = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"courier {to.name}", daemon=True)

    def start(self) -> None:
        """Begin; what was left from before comes first."""
        self._thread.start()

    def wake(self) -> None:
        """There is something new."""
        self._news.set()

    def stop(self, timeout_s: float = 2 * _PATIENCE) -> None:
        """End once everything due was told, or something failed, or the time is up; the rest stays in the outbox."""
        self._stopping.set()
        self._news.set()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while True:
            try:
                more = self._round()
            except RecordError:
                more = False  # whoever adds plates says so
            if self._stopping.is_set() and (self._failed or not more):
                break
            if not more:
                self._news.wait(1.0)
                self._news.clear()
        self._to.close()

    def _round(self) -> bool:
        """One batch; whether there may be more at once."""
        due = self._records.claim(self._to.name, _BATCH, _LEASE)
        for place, each in enumerate(due):
            others = [other.id for other in due[place + 1 :]]
            try:
                self._to.tell(each.entry)
            except Refused as error:
                self._records.postpone(self._to.name, each.id, wait_s=self._wait(each.attempts), why=str(error))
                self._say(f"{error}; it will be offered again")
            except DeliveryFailed as error:
                return self._out_of_reach(each, others, error)
            else:
                self._records.delivered(self._to.name, [each.id])
                if self._failed:
                    self._say(f"{self._to.name}: told again")
                self._failed = 0
        return bool(due)

    def _out_of_reach(self, each: Due, others: list[int], error: DeliveryFailed) -> bool:
        wait = self._wait(self._failed)
        self._records.postpone(self._to.name, each.id, others, wait_s=wait, why=str(error))
        if not self._failed:
            self._say(f"{error}; plates wait in the record until it is back")
        self._failed += 1
        self._stopping.wait(wait)
        return True

    def _wait(self, failures: int) -> float:
        """Twice as long each time, up to the longest, never quite the same for all who wait."""
        return min(self._longest, self._first * 2.0 ** min(failures, 30)) * random.uniform(0.8, 1.2)  # noqa: S311


def _name(parts: SplitResult) -> str:
    """The URL without what is secret in it."""
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"[:400]


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
