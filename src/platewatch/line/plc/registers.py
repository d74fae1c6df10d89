"""The register map of the PLC: names, addresses, meaning; values of the handshake to registers and back.

All registers are 16-bit holding registers, addresses from 0 as they stand in the protocol (a PLC that counts from
40001 adds that). The PLC writes those from `COMMANDS` on and reads those from `RESULTS` on. Numbers over several
registers have the high word first; texts are UTF-8, two bytes a register, first byte high, filled with zeros.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from platewatch.line.plc.handshake import Cause, Code, Command, CommandBit, Result, State, StatusBit

VERSION = 1
"""The register VERSION; it changes when a register changes its meaning."""
COMMANDS, RESULTS = 0, 100
"""The first address of either block."""
_PART_ID, _PART_TYPE = 16, 20  # registers


@dataclass(frozen=True)
class Register:
    """One value of the map."""

    name: str
    address: int
    size: int
    writer: str
    """`plc` or `platewatch`."""
    meaning: str

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return dict(vars(self))


def _named(values: Sequence[tuple[str, int]]) -> str:
    return ", ".join(f"{value} {name}" for name, value in values)


def _enumerated(kind: type[Code] | type[Cause] | type[CommandBit] | type[StatusBit]) -> str:
    return _named([(str(each.name).lower().replace("_", " "), int(each)) for each in kind])


def _block(first: int, writer: str, rows: Sequence[tuple[str, int, str]]) -> tuple[Register, ...]:
    found, address = list[Register](), first
    for name, size, meaning in rows:
        found.append(Register(name, address, size, writer, meaning))
        address += size
    return tuple(found)


MAP = (
    *_block(
        COMMANDS,
        "plc",
        (
            ("CMD", 1, f"bits: {_enumerated(CommandBit)}; write it last, or all in one request"),
            ("SEQ", 1, "1 to 65535, another one for each part"),
            ("PLC_BEAT", 1, "a number that changes at least once a period; 0 from the start: no heartbeat"),
            ("RESERVED", 1, "0"),
            ("PART_ID", _PART_ID, "the part's id, up to 32 bytes"),
            ("PART_TYPE", _PART_TYPE, "the part's type, up to 40 bytes; empty: that of the camera, or the only one"),
        ),
    ),
    *_block(
        RESULTS,
        "platewatch",
        (
            ("STATUS", 1, f"bits: {_enumerated(StatusBit)}"),
            ("BEAT", 1, "counts up each period while the judging thread runs; still for three periods: reject"),
            ("RSEQ", 1, "the SEQ that the result belongs to; 0 without a result"),
            ("CODE", 1, f"{_enumerated(Code)}; all but 1, and other values, mean reject"),
            ("CAUSE", 1, _enumerated(Cause)),
            ("SCORE", 1, "score × 100, at most 65535; 0 without a score"),
            ("NUMBER", 4, "the plate's number in the record; 0: not recorded"),
            ("MS", 1, "milliseconds from the trigger to the result, at most 65535"),
            ("VERSION", 1, f"version of this map: {VERSION}"),
        ),
    ),
)
"""Every register."""

SIZES = {writer: sum(each.size for each in MAP if each.writer == writer) for writer in ("plc", "platewatch")}
"""Registers of either block."""


def address(name: str) -> int:
    """The address of a register."""
    return next(each.address for each in MAP if each.name == name)


def command(words: Sequence[int]) -> Command:
    """What the PLC wrote, from the registers of its block; raises ValueError for a text that is not printable UTF-8."""
    part_id, part_type = address("PART_ID"), address("PART_TYPE")
    return Command(
        bits=words[address("CMD")],
        seq=words[address("SEQ")],
        beat=words[address("PLC_BEAT")],
        part_id=text(words[part_id : part_id + _PART_ID]),
        part_type=text(words[part_type : part_type + _PART_TYPE]),
    )


def command_words(given: Command) -> list[int]:
    """The registers of the PLC's block; texts that are too long are cut."""
    words = [given.bits, given.seq, given.beat, 0]
    return words + _text_words(given.part_id, _PART_ID) + _text_words(given.part_type, _PART_TYPE)


def result_words(state: State, beat: int) -> list[int]:
    """The registers of our block."""
    found = state.result
    cause = found.cause or state.cause
    score, ms = _bounded(found.score * 100), _bounded(found.duration_ms)
    return [
        int(state.status),
        beat & 0xFFFF,
        found.seq,
        int(found.code),
        int(cause),
        score,
        *((found.number >> bits) & 0xFFFF for bits in (48, 32, 16, 0)),
        ms,
        VERSION,
    ]


def result(words: Sequence[int]) -> tuple[StatusBit, int, Result]:
    """STATUS, BEAT and the result, from the registers of our block; an unknown code is `NOT_JUDGED`."""
    status, beat, seq, code, cause, score, *number, ms, _ = words
    known = Code(code) if code in set(Code) else Code.NOT_JUDGED
    why = Cause(cause) if cause in set(Cause) else Cause.NONE
    return StatusBit(status), beat, Result(known, why, seq, score / 100, int.from_bytes(_bytes(number), "big"), ms)


def text(words: Sequence[int]) -> str:
    """The text in registers; raises ValueError when it is not printable UTF-8."""
    found = _bytes(words).rstrip(b"\0 ").decode()
    if not found.isprintable():
        raise ValueError("not printable")
    return found


def _bytes(words: Sequence[int]) -> bytes:
    return b"".join(word.to_bytes(2, "big") for word in words)


def _text_words(given: str, size: int) -> list[int]:
    whole = given.encode()[: 2 * size].decode(errors="ignore")  # no half letter at its end
    data = whole.encode().ljust(2 * size, b"\0")
    return [int.from_bytes(data[at : at + 2], "big") for at in range(0, 2 * size, 2)]


def _bounded(value: float) -> int:
    """To 0 to 65535; infinity and what is no number are 0."""
    return round(min(max(value, 0.0), 65535.0)) if math.isfinite(value) else 0
