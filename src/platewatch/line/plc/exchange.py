"""What the PLC's connection and the judging thread share: the registers as they are now, and the part to be judged."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from platewatch.line.plc import handshake, registers
from platewatch.line.plc.handshake import Command, CommandBit, Job, Result, State


@dataclass(frozen=True, kw_only=True)
class Times:
    """The times of a handshake in seconds."""

    deadline_s: float = 1.0
    """From the trigger on; then CODE is 4, and a verdict that comes later is in the record alone."""
    beat_s: float = 0.5
    """Period of both heartbeats."""


class Exchange:
    """The handshake of one PLC; thread-safe, and nothing in it waits for judging."""

    def __init__(self, times: Times, clock: Callable[[], float] = time.monotonic) -> None:
        self.times, self._clock = times, clock
        self._state, self._beat = State(), 0
        self._words = [0] * registers.SIZES["plc"]
        self._job: Job | None = None
        self._changed = threading.Condition()

    def write(self, address: int, words: Sequence[int]) -> None:
        """The PLC writes registers of its block, from `address` on."""
        at = address - registers.COMMANDS
        with self._changed:
            self._words[at : at + len(words)] = words
            self._tick()
            given = _command(self._words)
            self._state, job = handshake.command(self._state, given, self._clock(), self.times.deadline_s)
            if job is not None:
                self._job = job
                self._changed.notify_all()

    def command_words(self) -> list[int]:
        """The registers that the PLC wrote."""
        with self._changed:
            return list(self._words)

    def result_words(self) -> list[int]:
        """The registers that the PLC reads, all of one moment."""
        with self._changed:
            self._tick()
            return registers.result_words(self._state, self._beat)

    def next_job(self, wait_s: float) -> Job | None:
        """The part to be judged, for the judging thread; None when there is none within `wait_s`."""
        with self._changed:
            self._changed.wait_for(lambda: self._job is not None, wait_s)
            job, self._job = self._job, None
            return job

    def finish(self, result: Result) -> None:
        """The part is judged and in the record."""
        with self._changed:
            self._state = handshake.finish(self._state, result, self._clock())

    def beat(self, *, able: bool, alarm: bool = False, stopped: bool = False) -> None:
        """The judging thread runs; `able`: plates can be judged and recorded; `stopped`: an alarm stops the line."""
        with self._changed:
            self._beat = self._beat % 0xFFFF + 1
            self._state = replace(self._state, able=able, alarm=alarm, stopped=stopped)
            self._tick()

    def reset(self) -> None:
        """Zero everything: the line starts, stops or has another model."""
        with self._changed:
            self._state = handshake.reset(self._state)
            self._words = [0] * len(self._words)

    def state(self) -> State:
        """The handshake as it is now."""
        with self._changed:
            self._tick()
            return self._state

    def _tick(self) -> None:
        self._state = handshake.tick(self._state, self._clock(), self.times.beat_s)


def _command(words: Sequence[int]) -> Command:
    """What the PLC wrote; a text that cannot be read makes the command an invalid one."""
    try:
        return registers.command(words)
    except ValueError:
        bits = words[registers.address("CMD")]
        invalid = 1 << 15 if bits & CommandBit.TRIGGER else bits
        beat = words[registers.address("PLC_BEAT")]
        return Command(invalid, words[registers.address("SEQ")], beat=beat)
