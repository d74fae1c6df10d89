"""Outputs to a PLC: the handshake, its registers, the thread that judges for it, and the Modbus TCP server."""
