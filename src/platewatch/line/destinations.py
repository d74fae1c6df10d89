"""Destinations of deliveries: a webhook or an MQTT topic that gets an Entry as JSON."""

import base64
import hashlib
import http.client
import ssl
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Protocol
from urllib.parse import SplitResult, quote, unquote, urlsplit

from platewatch.errors import InputError
from platewatch.line.receivers import PATIENCE_S, DeliveryFailed, Refused, line
from platewatch.line.topic import Broker, Topic
from platewatch.records import Entry, urls
from platewatch.records.anchors import Anchor

_PASSING = (408, 425, 429)  # statuses of a webhook's refusals that may pass later
_EXPECTED = "http://host/path, https://… or mqtt://host/topic"


class Destination(Protocol):
    """A receiver of plates."""

    name: str
    """Its name in the outbox: the URL without passwords and parameters."""

    def deliver(self, entry: Entry | Anchor) -> str | None:
        """Return when it has confirmed the plate; the result is a note for people, or empty.

        Raises DeliveryFailed or Refused.
        """

    def close(self) -> None:
        """Close its connection."""


@dataclass(frozen=True)
class Address:
    """The configured address of a destination."""

    url: str = field(repr=False)
    """`http(s)://[user[:password]@]host[:port]/path` or `mqtt(s)://[user[:password]@]host[:port]/topic`."""
    password: str | None = field(default=None, repr=False)
    """The plain password, for a URL that names a user without one."""
    is_secret: bool = False
    """Whether the whole URL is a secret: a webhook is then named without its path."""
    authority: Path | None = None
    """A certificate authority (PEM) that is trusted besides the system's."""


def destination(address: Address | str) -> Destination:
    """The destination at an address; raises InputError, which repeats nothing of a URL that may hold a secret."""
    address = Address(address) if isinstance(address, str) else address
    if urls.is_ambiguous(address.url):
        raise InputError("destination", "a URL whose password cannot be told from its place", remedy=urls.REMEDY)
    try:
        parts = urlsplit(address.url)
        port = parts.port
    except ValueError:
        raise InputError("destination", "no URL", expected=_EXPECTED, remedy="correct it") from None  # it repeats parts
    login = None if parts.username is None else (unquote(parts.username), unquote(parts.password or ""))
    if login is not None and not login[1] and address.password is not None:
        login = login[0], address.password
    context = _trusting(address.authority) if parts.scheme in ("https", "mqtts") else None
    if parts.hostname and parts.scheme in ("http", "https"):
        return Webhook(parts, port, login=login, context=context, is_secret=address.is_secret)
    topic = unquote(parts.path.removeprefix("/")) + ("#" if parts.fragment or address.url.endswith("#") else "")
    if parts.hostname and parts.scheme in ("mqtt", "mqtts") and topic and not set(topic) & set("#+\0"):
        return Topic(urls.name(parts), topic, Broker(parts.hostname, port, login, context, PATIENCE_S))
    shown = "" if "@" in address.url or address.is_secret or not parts.hostname else f" {urls.name(parts)}"
    raise InputError(f"destination{shown}", "cannot be used", expected=_EXPECTED, remedy="correct it")


def destinations(addresses: Iterable[Address | str]) -> list[Destination]:
    """The destinations at these addresses; raises InputError also when two have the same name."""
    found = dict[str, Destination]()
    for address in addresses:
        each = destination(address)
        if each.name in found:
            what = "named twice: deliveries are kept by the URL without login and query"
            raise InputError(f"destination {each.name}", what, remedy="give the two another path or topic")
        found[each.name] = each
    return list(found.values())


class Webhook:
    """POSTs each Entry; any answer from 200 to 299 confirms it."""

    def __init__(
        self,
        parts: SplitResult,
        port: int | None,
        *,
        login: tuple[str, str] | None = None,
        context: ssl.SSLContext | None = None,
        is_secret: bool = False,
    ) -> None:
        """Nothing is connected yet."""
        self.name = _named_secretly(parts) if is_secret else urls.name(parts)
        self._host, self._port, self._context = str(parts.hostname), port, context
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        safe = "!#$%&'()*+,/:;=?@[]~"
        self._target = quote(target, safe=safe, errors="surrogateescape")  # http.client's error would repeat it
        self._headers = {
            "Content-Type": "application/json",
            "User-Agent": f"platewatch/{metadata.version('platewatch')}",
        }
        if login is not None:
            self._headers["Authorization"] = "Basic " + base64.b64encode(":".join(login).encode()).decode()

    def deliver(self, entry: Entry | Anchor) -> str | None:
        """As Destination says; the plate's hash is the Idempotency-Key, should it come twice."""
        connection = self._connection()
        try:
            headers = {**self._headers, "Idempotency-Key": entry.chain}
            connection.request("POST", self._target, entry.as_json().encode(), headers)
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException) as error:
            raise DeliveryFailed(f"{self.name}: out of reach ({line(error)})") from error
        finally:
            connection.close()
        if 400 <= status < 500 and status not in _PASSING:
            raise Refused(f"{self.name}: refused plate {entry.number} with status {status}")
        if not 200 <= status < 300:
            raise DeliveryFailed(f"{self.name}: answered with status {status}")
        return None

    def close(self) -> None:
        """Nothing stays open between two plates."""

    def _connection(self) -> http.client.HTTPConnection:
        if self._context is not None:
            return http.client.HTTPSConnection(self._host, self._port, timeout=PATIENCE_S, context=self._context)
        return http.client.HTTPConnection(self._host, self._port, timeout=PATIENCE_S)


def _trusting(authority: Path | None) -> ssl.SSLContext:
    """TLS settings of a client that trusts the system's authorities and this one; raises InputError."""
    context = ssl.create_default_context()
    if authority is not None:
        try:
            context.load_verify_locations(cafile=authority)
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            what = f"no certificate authority that can be read ({line(error)})"
            raise InputError(authority, what, expected="a PEM file", remedy="check the file") from error
    return context


def _named_secretly(parts: SplitResult) -> str:
    """Host and a hash of the rest."""
    digest = hashlib.sha256(f"{parts.path}?{parts.query}".encode(errors="replace")).hexdigest()[:8]
    return f"{urls.name(parts._replace(path='', query=''))}/…{digest}"
