"""Modbus TCP: the server that a PLC reads and writes, and a client to try it with; pymodbus is imported only here.

Modbus knows no passwords. The server listens on one address, takes connections from the addresses that it was told
alone, and few of them. It has registers only (function codes 3, 4, 6, 16, 22, 23), no coils. A client sends one request
at a time: pymodbus drops a second one that arrives before the first is answered.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any

from pymodbus import ModbusException
from pymodbus.client import ModbusTcpClient
from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.server.requesthandler import ServerRequestHandler
from pymodbus.simulator import DataType, SimData, SimDevice

from platewatch.errors import InputError
from platewatch.line.plc import registers
from platewatch.line.plc.exchange import Exchange
from platewatch.line.plc.handshake import Command, Result, StatusBit
from platewatch.line.plc.listening import Listen

log = logging.getLogger("platewatch.line")

logging.getLogger("pymodbus").setLevel(logging.CRITICAL)  # what goes wrong is said in our own words
_REGISTER_CODES = {3, 4, 6, 16, 22, 23}


class ModbusServer:
    """The server, in a thread with an event loop of its own."""

    def __init__(self, where: Listen, exchange: Exchange) -> None:
        self._where, self._exchange = where, exchange
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="modbus", daemon=True)
        self._server: _Server | None = None

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._server.port if self._server is not None else self._where.port

    @property
    def listens(self) -> bool:
        """Whether it has been started."""
        return self._server is not None

    def start(self) -> None:
        """Listen; raises InputError when the address cannot be used."""
        self._thread.start()
        try:
            self._wait(self._start())
        except (OSError, RuntimeError) as error:
            self.stop()
            where = f"{self._where.host}:{self._where.port}"
            raise InputError(
                "--modbus", f"{where} cannot be listened on", remedy="choose a free address and a port above 1023"
            ) from error

    def stop(self) -> None:
        """Close all connections and stop listening."""
        if self._server is not None:
            self._wait(self._server.shutdown())  # type: ignore[no-untyped-call]
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _start(self) -> None:
        server = _Server(self._where, self._exchange)
        await server.serve_forever(background=True)
        self._server = server

    def _wait(self, what: Coroutine[Any, Any, None]) -> None:
        found: Future[None] = asyncio.run_coroutine_threadsafe(what, self._loop)
        found.result()


class _Server(ModbusTcpServer):
    """pymodbus's server with our registers, the allow-list and the limit of connections."""

    def __init__(self, where: Listen, exchange: Exchange) -> None:
        self.where, self._exchange = where, exchange
        self.open = list[_Connection]()
        commands, results = registers.SIZES["plc"], registers.SIZES["platewatch"]
        blocks = [
            SimData(registers.COMMANDS, values=[0] * commands, datatype=DataType.REGISTERS),
            SimData(registers.RESULTS, values=[0] * results, datatype=DataType.REGISTERS, readonly=True),
        ]
        device = SimDevice(0, blocks, action=self._access)  # 0: whatever unit the PLC addresses
        super().__init__(device, address=(where.host, where.port))

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self.transport.sockets[0].getsockname()[1])  # type: ignore[attr-defined]

    def callback_new_connection(self) -> ServerRequestHandler:
        return _Connection(self)

    async def _access(
        self,
        function: int,
        start: int,
        address: int,
        _count: int,
        current: list[int],
        values: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        """Called before pymodbus reads or writes: take what is written, put what is read in place."""
        if function not in _REGISTER_CODES:
            return ExcCodes.ILLEGAL_FUNCTION
        if values is not None:
            self._exchange.write(address, [int(each) for each in values])
            return None
        for first, words in (
            (registers.COMMANDS, self._exchange.command_words()),
            (registers.RESULTS, self._exchange.result_words()),
        ):
            current[first - start : first - start + len(words)] = words
        return None


class _Connection(ServerRequestHandler):
    """One connection, closed at once when its address is not allowed."""

    def __init__(self, server: _Server) -> None:
        super().__init__(server, None, None, None)  # type: ignore[no-untyped-call]
        self._of, self.heard = server, time.monotonic()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        peer = transport.get_extra_info("peername")
        if peer is None or not self._of.where.allows(str(peer[0])):
            log.warning(
                "Modbus: a connection from %s is refused; --modbus-allow names who may connect", peer and peer[0]
            )
            self.close()
            return
        if len(self._of.open) >= self._of.where.connections:
            min(self._of.open, key=lambda each: each.heard).close()
        self._of.open.append(self)

    def callback_disconnected(self, exc: Exception | None) -> None:
        super().callback_disconnected(exc)
        self._forget()

    def close(self, reconnect: bool = False) -> None:
        self._forget()
        super().close(reconnect)

    def callback_data(self, data: bytes, addr: tuple[object, ...] | None = None) -> int:
        self.heard = time.monotonic()
        return int(super().callback_data(data, addr))

    def _forget(self) -> None:
        if self in self._of.open:
            self._of.open.remove(self)


class CoilModule:
    """The coils of a Modbus TCP module, connected again when it is lost; for one thread. A Module."""

    def __init__(self, host: str, port: int) -> None:
        self._where = f"{host}:{port}"
        self._client = ModbusTcpClient(host, port=port, timeout=1, retries=0)

    def write_coils(self, coils: tuple[bool, ...]) -> None:
        """Set the coils from 0 on; raises InputError when the module does not answer or refuses."""
        try:
            self._client.connect()  # type: ignore[no-untyped-call] # nothing while it is connected
            refused = self._client.write_coils(0, list(coils)).isError()
        except (ModbusException, OSError) as error:
            self.close()
            raise InputError(self._where, "does not answer", remedy="check its address and cable") from error
        if refused:
            raise InputError(self._where, "refuses its coils", expected="coils from address 0 on")

    def close(self) -> None:
        """Close the connection."""
        self._client.close()  # type: ignore[no-untyped-call]


class PlcClient:
    """A client as a PLC's program is one, to try the handshake; for one thread."""

    def __init__(self, host: str, port: int, *, timeout_s: float = 3.0) -> None:
        self._where = f"{host}:{port}"
        self._client = ModbusTcpClient(host, port=port, timeout=timeout_s, retries=0)

    def connect(self) -> None:
        """Connect; raises InputError."""
        if not self._client.connect():  # type: ignore[no-untyped-call]
            raise InputError(self._where, "does not answer", remedy="check the address, and --modbus-allow")

    def close(self) -> None:
        """Close the connection."""
        self._client.close()  # type: ignore[no-untyped-call]

    def write(self, command: Command) -> None:
        """Write the PLC's whole block in one request; raises InputError."""
        try:
            answer = self._client.write_registers(registers.COMMANDS, registers.command_words(command))
        except (ModbusException, OSError) as error:  # a connection that is reset comes as OSError
            raise self._lost(error) from error
        self._check(answer.isError())

    def read(self) -> tuple[StatusBit, int, Result]:
        """STATUS, BEAT and the result; raises InputError."""
        try:
            answer = self._client.read_holding_registers(registers.RESULTS, count=registers.SIZES["platewatch"])
        except (ModbusException, OSError) as error:  # a connection that is reset comes as OSError
            raise self._lost(error) from error
        self._check(answer.isError())
        return registers.result(answer.registers)

    def _check(self, is_error: bool) -> None:
        if is_error:
            raise InputError(self._where, "refuses its registers", expected="a Platewatch station", remedy="check both")

    def _lost(self, error: Exception) -> InputError:
        self.close()
        return InputError(self._where, f"no answer ({type(error).__name__})", remedy="check the connection")
