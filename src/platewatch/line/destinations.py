"""Destinations of deliveries: a webhook or an MQTT topic that gets an Entry as JSON."""

import base64
import http.client
import ssl
import threading
from functools import partial
from importlib import metadata
from typing import TYPE_CHECKING, Protocol
from urllib.parse import SplitResult, unquote, urlsplit

from platewatch.errors import InputError
from platewatch.printable import printable
from platewatch.records import Entry

if TYPE_CHECKING:
    from paho.mqtt.client import Client
    from paho.mqtt.reasoncodes import ReasonCode

PATIENCE_S = 10.0
"""Until a destination counts as out of reach."""
_PASSING = (408, 425, 429)  # of a webhook's refusals those that pass


class DeliveryFailed(Exception):  # noqa: N818 - says what happened
    """The destination did not get the plate now."""


class Refused(DeliveryFailed):
    """The destination is in reach but refuses this one plate; it may still take the others."""


class Destination(Protocol):
    """Who gets plates."""

    name: str
    """Its name in the outbox: the URL without passwords and parameters."""

    def deliver(self, entry: Entry) -> None:
        """Return once it has confirmed the plate; raises DeliveryFailed or Refused."""

    def close(self) -> None:
        """Close its connection."""


def destination(url: str) -> Destination:
    """The destination of a URL: `http(s)://…` a webhook, `mqtt(s)://[user:password@]host[:port]/topic` a topic.

    Raises InputError for any other.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise InputError(
            f"destination {url!r}", f"no URL ({error})", expected="http://… or mqtt://host/topic"
        ) from error
    if parts.hostname and parts.scheme in ("http", "https"):
        return Webhook(parts, port)
    topic = unquote(parts.path.removeprefix("/")) + ("#" if parts.fragment or url.endswith("#") else "")
    if parts.hostname and parts.scheme in ("mqtt", "mqtts") and topic and not set(topic) & set("#+\0"):
        return Topic(parts, port, topic)
    raise InputError(
        f"destination {_name(parts)!r}",
        expected="http://host/path, https://… or mqtt://host/topic",
        remedy="correct it",
    )


class Webhook:
    """POSTs each Entry; any answer from 200 to 299 confirms it."""

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

    def deliver(self, entry: Entry) -> None:
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
            return http.client.HTTPSConnection(self._host, self._port, timeout=PATIENCE_S, context=context)
        return http.client.HTTPConnection(self._host, self._port, timeout=PATIENCE_S)


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

    def deliver(self, entry: Entry) -> None:
        """As Destination says."""
        try:
            client = self._connected()
            message = client.publish(self._topic, entry.as_json().encode(), qos=1)
            message.wait_for_publish(PATIENCE_S)
            if not message.is_published():
                raise DeliveryFailed(f"{self.name}: did not confirm within {PATIENCE_S:.0f} s")
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
        client.connect_timeout = PATIENCE_S
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
        if not answered.wait(PATIENCE_S) or answer:
            raise DeliveryFailed(f"{self.name}: {answer[0] if answer else 'does not answer'}")
        return client


def _name(parts: SplitResult) -> str:
    """The URL without its secret parts."""
    return printable(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}")[:400]


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
