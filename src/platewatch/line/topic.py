"""An MQTT 5 topic as a destination: the broker's reason code says whether it accepted a plate.

MQTT 3.1.1 has no way to refuse: a broker whose access list forbids the topic acknowledges all the same.
"""

import queue
import ssl
import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from platewatch.line.receivers import PATIENCE_S, DeliveryFailed, Refused, line
from platewatch.records import Entry
from platewatch.records.anchors import Anchor

if TYPE_CHECKING:
    from paho.mqtt.client import Client
    from paho.mqtt.properties import Properties
    from paho.mqtt.reasoncodes import ReasonCode

_NO_SUBSCRIBERS = 0x10
_ONE_PLATE = (0x95, 0x99)  # packet too large, payload format invalid: another plate may be taken
_ALL_PLATES = (0x87, 0x88, 0x89, 0x8B, 0x8E, 0x96, 0x97, 0x98, 0x9C, 0x9D)
"""Reasons to disconnect that hold for every plate: not authorised, busy, shutting down, quota and the like."""
_HEADER = 16  # bytes of a PUBLISH packet besides topic and payload, at most


@dataclass(frozen=True)
class Broker:
    """Address, login and TLS of a broker."""

    host: str
    port: int | None
    login: tuple[str, str] | None = field(default=None, repr=False)
    context: ssl.SSLContext | None = None
    """TLS; None: without."""
    patience_s: float = PATIENCE_S


@dataclass(frozen=True)
class _Answer:
    """An answer of the broker: `connect`, `publish` or `disconnect`."""

    kind: str
    message: int
    """The message that is acknowledged."""
    reason: "ReasonCode"
    properties: "Properties | None"


class Topic:
    """Publishes each Entry with quality of service 1, and reads the broker's reason code."""

    def __init__(self, name: str, topic: str, broker: Broker) -> None:
        """Nothing is connected yet."""
        from paho.mqtt import client, enums  # noqa: PLC0415 - only who uses a broker needs it

        self.name = name
        self._topic, self._broker = topic, broker
        self._make = partial(
            client.Client,
            enums.CallbackAPIVersion.VERSION2,
            protocol=enums.MQTTProtocolVersion.MQTTv5,
            reconnect_on_failure=False,
        )
        self._client: Client | None = None
        self._answers = queue.SimpleQueue[_Answer]()
        self._largest: int | None = None

    def deliver(self, entry: Entry | Anchor) -> str | None:
        """As Destination says."""
        try:
            return self._publish(self._connected(), entry)
        except Refused:
            raise
        except DeliveryFailed:
            self.close()
            raise
        except (OSError, ValueError, RuntimeError) as error:  # paho raises the latter two for a lost connection
            self.close()
            raise DeliveryFailed(f"{self.name}: out of reach ({line(error)})") from error

    def close(self) -> None:
        """Leave the broker."""
        client, self._client = self._client, None
        if client is not None:
            client.disconnect()
            client.loop_stop()

    def _publish(self, client: "Client", entry: Entry | Anchor) -> str | None:
        from paho.mqtt.client import error_string  # noqa: PLC0415 - as above

        payload = entry.as_json().encode()
        size = len(payload) + len(self._topic.encode()) + _HEADER
        if self._largest is not None and size > self._largest:
            what = f"refused plate {entry.number}: Packet too large ({size} bytes; it takes {self._largest})"
            raise Refused(f"{self.name}: {what}")
        message = client.publish(self._topic, payload, qos=1)
        # Paho also reports a lost connection for a plate that it sent, if the broker ended the connection at once.
        answer = self._await("publish", message.mid)
        if answer is None and message.rc:
            raise DeliveryFailed(f"{self.name}: out of reach ({error_string(message.rc)})")
        if answer is None:
            raise DeliveryFailed(f"{self.name}: did not confirm within {self._broker.patience_s:.0f} s")
        if answer.kind == "disconnect":
            self.close()
            kind = DeliveryFailed if answer.reason.value in _ALL_PLATES else Refused  # else the others would wait too
            raise kind(f"{self.name}: ended the connection at plate {entry.number} ({answer.reason})")
        if answer.reason.value in _ONE_PLATE:
            raise Refused(f"{self.name}: refused plate {entry.number}: {answer.reason}")
        if answer.reason.is_failure:
            raise DeliveryFailed(f"{self.name}: the broker refused: {answer.reason}")
        return "nobody subscribes to the topic" if answer.reason.value == _NO_SUBSCRIBERS else None

    def _await(self, kind: str, message: int = 0) -> _Answer | None:
        """The broker's answer of this kind, or that it disconnected; None when it is silent."""
        until = time.monotonic() + self._broker.patience_s
        while True:
            try:
                answer = self._answers.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                return None
            if answer.kind == "disconnect" or (answer.kind, answer.message) == (kind, message):
                return answer

    def _connected(self) -> "Client":
        ended = not self._answers.empty()  # no question is open: what lies here is that the connection ended
        if self._client is not None and self._client.is_connected() and not ended:
            return self._client
        self.close()
        self._answers = queue.SimpleQueue()  # what an earlier connection still answers is not read
        client = self._client = self._prepared()
        client.connect(self._broker.host, self._broker.port or (1883 if self._broker.context is None else 8883))
        client.loop_start()
        answer = self._await("connect")
        if answer is None:
            raise DeliveryFailed(f"{self.name}: does not answer")
        if answer.reason.is_failure:
            raise DeliveryFailed(f"{self.name}: the broker refused: {answer.reason}{_hint(answer.reason)}")
        if getattr(answer.properties, "MaximumQoS", 1) < 1:
            raise DeliveryFailed(f"{self.name}: the broker confirms nothing (its largest quality of service is 0)")
        self._largest = getattr(answer.properties, "MaximumPacketSize", None)
        return client

    def _prepared(self) -> "Client":
        """A client that puts every answer into the queue of its connection."""
        client, answers = self._make(), self._answers
        client.connect_timeout = self._broker.patience_s
        if self._broker.login is not None:
            client.username_pw_set(*self._broker.login)
        if self._broker.context is not None:
            client.tls_set_context(self._broker.context)

        def on_connect(_client: Any, _data: Any, _flags: Any, reason: "ReasonCode", found: "Properties | None") -> None:
            answers.put(_Answer("connect", 0, reason, found))

        def on_publish(_client: Any, _data: Any, message: int, reason: "ReasonCode", found: "Properties") -> None:
            answers.put(_Answer("publish", message, reason, found))

        def on_disconnect(_client: Any, _data: Any, _flags: Any, reason: "ReasonCode", found: Any) -> None:
            answers.put(_Answer("disconnect", 0, reason, found))

        client.on_connect, client.on_publish, client.on_disconnect = on_connect, on_publish, on_disconnect
        return client


def _hint(reason: "ReasonCode") -> str:
    return "; it has to speak MQTT 5, which tells whether it took a plate" if "protocol" in str(reason).lower() else ""
