"""A stack light and a gate on the coils of a Modbus TCP module: the last plate's outcome, and alarms.

Coils: 0 green, PASS; 1 yellow, REVIEW or not readable; 2 red, REJECT, an alarm, or no plate can be judged; 3 the gate,
on for a while after PASS and off otherwise. A module without power or connection lets nothing pass.
"""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Protocol

from platewatch.errors import InputError
from platewatch.line.health import Finding
from platewatch.line.judging import RecordedPlate
from platewatch.records import Outcome

_AGAIN_S = 0.5  # the coils are written at least this often, for modules that switch off by themselves
OFF = (False, False, False, False)

Coils = tuple[bool, bool, bool, bool]


class Module(Protocol):
    """A module with coils; raises InputError when it does not answer."""

    def write_coils(self, coils: Coils) -> None:
        """Set the first coils."""

    def close(self) -> None:
        """Disconnect."""


def coils(outcome: Outcome | None, *, gate: bool, stopped: bool) -> Coils:
    """The coils after a plate with this outcome, None before the first; `gate`: its time is not over yet."""
    if stopped:
        return (False, False, True, False)
    passed = outcome is Outcome.PASS
    return (passed, outcome in {Outcome.REVIEW, Outcome.FAILED}, outcome is Outcome.REJECT, passed and gate)


class StackLight:
    """The thread that writes the coils."""

    def __init__(self, module: Module, stopped: Callable[[], bool], gate_s: float = 0.5) -> None:
        """`stopped`: an alarm waits, or no plate can be judged. The gate is on for `gate_s` after PASS."""
        self._module, self._stopped, self._gate_s = module, stopped, gate_s
        self._outcome: Outcome | None = None
        self._until, self._lost = 0.0, ""
        self._changed, self._ending = threading.Condition(), False
        self._thread = threading.Thread(target=self._run, name="stack light", daemon=True)

    def start(self) -> None:
        """Write the coils from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Switch all off."""
        with self._changed:
            self._ending = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join()

    def add(self, plate: RecordedPlate) -> None:
        """Show a plate that was recorded."""
        with self._changed:
            self._outcome, self._until = plate.entry.outcome, time.monotonic() + self._gate_s
            self._changed.notify_all()

    def problems(self) -> Iterator[Finding]:
        """A module that does not answer."""
        if self._lost:
            yield "coils_lost", f"the stack light's module: {self._lost}", False

    def _run(self) -> None:
        while not self._ending:
            gate = time.monotonic() < self._until
            self._write(coils(self._outcome, gate=gate, stopped=self._stopped()))
            with self._changed:
                left = self._until - time.monotonic()
                before = self._until
                wait_s = min(_AGAIN_S, left) if left > 0 else _AGAIN_S
                self._changed.wait_for(lambda: self._ending or self._until != before, wait_s)  # noqa: B023
        self._write(OFF)
        self._module.close()

    def _write(self, wanted: Coils) -> None:
        try:
            self._module.write_coils(wanted)
        except InputError as error:
            self._lost = error.reason
        else:
            self._lost = ""
