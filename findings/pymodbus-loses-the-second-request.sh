#!/usr/bin/env bash
# pymodbus: its server answers the first of two requests that arrive together and forgets the second, without a word.
#
# One guesses: Modbus TCP has transaction numbers, so a client may send a request before the last one is answered
# (the specification allows it), and each is answered. Seen with pymodbus 3.16.1: of two or three reads in one segment
# the first is answered; the rest is dropped when that answer is sent (`send` empties the receive buffer). A write
# that is dropped so was never made: a PLC that writes SEQ and CMD back to back triggers nothing.
# Also: a connection that the server resets raises ConnectionResetError from the synchronous client, which is no
# ModbusException.
# Remedy: one request at a time on a connection, as most PLCs do; catch OSError too.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pymodbus==3.16.1
"$folder/venv/bin/python" - <<'PY'
import asyncio
import struct
import sys
from importlib.metadata import version

from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice


def read(transaction: int, address: int) -> bytes:
    return struct.pack(">HHHBBHH", transaction, 0, 6, 1, 3, address, 1)


async def answered(requests: bytes) -> list[int]:
    """The transaction numbers of all answers that come within a second."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(requests)
    got = b""
    try:
        while True:
            got += await asyncio.wait_for(reader.readexactly(11), 1)
    except asyncio.TimeoutError:
        writer.close()
    return [int.from_bytes(got[at : at + 2], "big") for at in range(0, len(got), 11)]


async def main() -> list[list[int]]:
    global port
    device = SimDevice(0, [SimData(0, values=[10, 20, 30], datatype=DataType.REGISTERS)])
    server = ModbusTcpServer(device, address=("127.0.0.1", 0))
    await server.serve_forever(background=True)
    port = server.transport.sockets[0].getsockname()[1]
    found = [await answered(read(1, 0)), await answered(read(1, 0) + read(2, 1)),
             await answered(read(1, 0) + read(2, 1) + read(3, 2))]
    await server.shutdown()
    return found


found = asyncio.run(main())
print(f"pymodbus {version('pymodbus')}")
for sent, numbers in enumerate(found, 1):
    print(f"  {sent} requests in one segment: answered {numbers}")
sys.exit(0 if found == [[1], [1], [1]] else "the behaviour has changed")
PY
