"""Where a server for the PLC listens, and which addresses may connect."""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

from platewatch.errors import InputError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, kw_only=True)
class Listen:
    """Where the server listens, and for whom."""

    host: str
    port: int
    allow: tuple[Network, ...] = ()
    """Networks that may connect; empty: this machine alone."""
    connections: int = 8
    """Most connections at a time; the one that was silent for longest makes room."""

    def allows(self, client: str) -> bool:
        """Whether this client address may connect."""
        address = ipaddress.ip_address(client.partition("%")[0])
        mapped = getattr(address, "ipv4_mapped", None)
        address = mapped or address
        return any(address in network for network in self.allow) if self.allow else address.is_loopback


def listen(where: str, allow: Iterable[str] = ()) -> Listen:
    """Read HOST:PORT and the addresses or networks that may connect; raises InputError."""
    host, _, port = where.rpartition(":")
    host = host.strip("[]")
    if not host or not port.isdecimal() or not 0 <= int(port) <= 65535:
        raise InputError("--modbus", f"{where!r}", expected="HOST:PORT, such as 127.0.0.1:1502")
    networks = tuple(_network(each) for each in allow)
    if not networks and not _is_loopback(host):
        what = f"{host} can be reached from elsewhere, and Modbus knows no passwords"
        raise InputError("--modbus", what, remedy="name the PLC's address with --modbus-allow")
    return Listen(host=host, port=int(port), allow=networks)


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        expected = "an address or a network, such as 192.168.1.10 or 192.168.1.0/24"
        raise InputError("--modbus-allow", f"{text!r}", expected=expected) from error


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
