"""Deliveries: every destination gets each Entry at least once, from a thread of its own.

What is to be delivered stands in the record's outbox, written with the plate itself. A destination that is out of reach
is tried again at growing intervals; the line does not wait for it.
"""

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

from platewatch.errors import RecordError
from platewatch.line.destinations import Destination
from platewatch.line.health import Finding
from platewatch.line.receivers import PATIENCE_S, DeliveryFailed, Refused
from platewatch.records import Due, Records
from platewatch.records.outbox import Destination as State

FAILING = "delivery_failing"
"""The problem's code: plates wait that a destination did not take."""
STOPPED = "deliveries_stopped"
"""The problem's code: a thread that delivers does not run."""

log = logging.getLogger("platewatch.line")

_LEASE = 60.0  # seconds for which claimed deliveries belong to this process
_LONGEST = _LEASE - 2 * PATIENCE_S  # seconds after which a batch tries no further plate: the last may take its time
_BATCH = 100
_KEPT = 1.0  # seconds for which plates may be delivered and not recorded as such: after a crash they come again


class Deliveries:
    """The workers of all destinations of one line."""

    def __init__(self, records: Records, destinations: Sequence[Destination], warn: Callable[[str], None]) -> None:
        """`warn` gets each failure and the success after it, one line each."""
        self.names = tuple(each.name for each in destinations)
        self._records, self._warn = records, warn
        self._workers = [DeliveryWorker(records, each, warn=warn, changed=self._refresh_soon) for each in destinations]
        self._failing: tuple[State, ...] = ()
        self._stopping, self._news = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._follow_states, name="states of deliveries", daemon=True)

    def start(self) -> None:
        """Start delivering, and warn of earlier destinations that are not among these."""
        for worker in self._workers:
            worker.start()
        for each in self._records.deliveries():
            if each.waiting and each.name not in self.names:
                self._warn(f"{each.name}: {each.waiting} plates wait for delivery, but it is not named here")
        self._thread.start()

    def wake(self) -> None:
        """Look into the outbox now: it has new deliveries."""
        for worker in self._workers:
            worker.wake()

    def stop(self) -> None:
        """Stop as `DeliveryWorker.stop` does, and warn of what still waits."""
        for worker in self._workers:
            worker.stop()
        self._stopping.set()
        self._refresh_soon()
        if self._thread.is_alive():
            self._thread.join()
        with suppress(RecordError):  # the health check reports it
            for each in self._records.deliveries():
                if each.waiting and each.name in self.names:
                    self._warn(f"{each.name}: {_waiting(each)}")

    def problems(self) -> Iterator[Finding]:
        """Problems for Health: plates that a destination did not take, from any process, and workers that do not run.

        A worker that does not run is a finding of its own.
        """
        if self._failing:
            waiting = "; ".join(f"{each.name}: {_waiting(each)}" for each in self._failing)
            yield FAILING, f"receivers do not take plates: {waiting}", False
        stopped = [f"{each.name}: {each.problem}" for each in self._workers if each.problem is not None]
        if stopped:
            yield STOPPED, f"plates are not delivered to {'; '.join(stopped)}", False

    def _refresh_soon(self) -> None:
        self._news.set()

    def _follow_states(self) -> None:
        """Read the states in a thread: a database that is slow to answer must not hold up the health check."""
        while not self._stopping.is_set():
            try:
                self._failing = tuple(each for each in self._records.deliveries() if each.waiting and each.error)
            except RecordError:
                pass  # the health check reports it
            except Exception:
                log.exception("the states of deliveries could not be read; the next look tries again")
            self._news.wait(1.0)
            self._news.clear()

    def notes(self) -> dict[str, str]:
        """What receivers said about plates that they took, by destination."""
        return {worker.name: worker.note for worker in self._workers if worker.note}


class _Taken:
    """The plates of one batch that the destination took, recorded as delivered several at once.

    A transaction for each would take longer than its delivery. What is not recorded is delivered again.
    """

    def __init__(self, records: Records, name: str) -> None:
        self._records, self._name = records, name
        self._plates = list[Due]()
        self._since = 0.0

    def __enter__(self) -> "_Taken":
        return self

    def __exit__(self, *_: object) -> None:
        """Record the rest, also when the batch ended with an error."""
        self.record()

    def add(self, plate: Due) -> None:
        """The destination confirmed this plate."""
        if not self._plates:
            self._since = time.monotonic()
        self._plates.append(plate)
        if time.monotonic() > self._since + _KEPT:
            self.record()

    def record(self, untried: Sequence[Due] = ()) -> None:
        """Record what was taken until now; `untried` plates of the batch are due at once."""
        plates, self._plates = self._plates, []  # a failed transaction is not repeated: its plates are delivered again
        if plates or untried:
            self._records.delivered(self._name, plates, untried)


def _waiting(state: State) -> str:
    """How many plates wait, and why; the error names its destination already."""
    plates = "1 plate waits" if state.waiting == 1 else f"{state.waiting} plates wait"
    why = f" ({state.error.removeprefix(f'{state.name}: ')})" if state.error else ""
    return f"{plates} for delivery{why}"


class DeliveryWorker:
    """Delivers one destination's plates from the outbox, in its own thread."""

    def __init__(
        self,
        records: Records,
        to: Destination,
        *,
        first_wait_s: float = 1.0,
        longest_wait_s: float = 300.0,
        warn: Callable[[str], None] = lambda _words: None,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        """`warn` gets each failure and the success after it, one line each; `changed` is called after each of them."""
        self._records, self._to = records, to
        self._first, self._longest = first_wait_s, longest_wait_s
        self._warn, self._changed = warn, changed
        self.name = to.name
        self._failed = 0  # consecutive failures to reach it
        self._told = ""  # the last failure that was reported
        self._error: str | None = None  # unexpected error of the last batch
        self.note = ""
        """What its receiver said about the last plate that it took."""
        self._stopping, self._news = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"delivery {to.name}", daemon=True)

    def start(self) -> None:
        """Start; deliveries left from before come first."""
        self._thread.start()

    def wake(self) -> None:
        """Look into the outbox now: it has new deliveries."""
        self._news.set()

    @property
    def problem(self) -> str | None:
        """Why it does not run; None while it runs, and before the start and after the stop."""
        if self._stopping.is_set() or self._thread.ident is None:
            return None
        return self._error if self._thread.is_alive() else "its thread ended; restart, and see the log"

    def stop(self, timeout_s: float = 2 * PATIENCE_S) -> None:
        """Stop once everything due is delivered, or something failed, or the time is up; the outbox keeps the rest."""
        self._stopping.set()
        self._news.set()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while True:
            try:
                more = self._deliver_batch()
                self._error = None
            except RecordError:
                more = False  # the health check reports it
            except Exception as error:  # goes on: a later batch may succeed
                if self._error is None:
                    log.exception("deliveries to %s failed; they go on", self.name)
                self._error, more = f"{type(error).__name__}; see the log", False
            if self._stopping.is_set() and (self._failed or not more):
                break
            if not more:
                self._news.wait(1.0)
                self._news.clear()
        self._to.close()

    def _deliver_batch(self) -> bool:
        """One batch; whether there may be more at once."""
        due = self._records.claim(self._to.name, _BATCH, _LEASE)
        began = time.monotonic()
        with _Taken(self._records, self._to.name) as taken:
            for place, each in enumerate(due):
                if time.monotonic() > began + _LONGEST:
                    taken.record(untried=due[place:])
                    break
                try:
                    note = self._to.deliver(each.entry)
                except Refused as error:
                    self._postpone(each, error)
                except DeliveryFailed as error:
                    taken.record()
                    return self._out_of_reach(each, [other.id for other in due[place + 1 :]], error)
                except Exception as error:  # of this one plate; the others are delivered
                    log.exception("plate %s could not be delivered to %s", each.entry.number, self.name)
                    self._postpone(each, f"{self.name}: plate {each.entry.number} failed with {type(error).__name__}")
                else:
                    taken.add(each)
                    self._took(note or "", taken)
        return bool(due)

    def _postpone(self, each: Due, why: object) -> None:
        """Offer one plate again later; the others go on."""
        self._records.postpone(self._to.name, each.id, wait_s=self._wait(each.attempts), why=str(why))
        self._warn(f"{why}; it will be offered again")
        self._changed()

    def _took(self, note: str, taken: "_Taken") -> None:
        if self._failed:
            self._warn(f"{self._to.name}: in reach again")
        if note and note != self.note:
            self._warn(f"{self._to.name}: took the plate, but {note}")
        is_news = bool(self._failed) or note != self.note
        self._failed, self._told, self.note = 0, "", note
        if is_news:  # not for each plate: the states are counted over the whole outbox
            taken.record()
            self._changed()

    def _out_of_reach(self, each: Due, others: list[int], error: DeliveryFailed) -> bool:
        wait = self._wait(self._failed)
        self._records.postpone(self._to.name, each.id, others, wait_s=wait, why=str(error))
        if str(error) != self._told:
            self._warn(f"{error}; plates wait in the record until it takes them")
        self._told = str(error)
        self._changed()
        self._failed += 1
        self._stopping.wait(wait)
        return True

    def _wait(self, failures: int) -> float:
        """Twice as long each time, up to the longest, with a random part so that many do not come at once."""
        return min(self._longest, self._first * 2.0 ** min(failures, 30)) * random.uniform(0.8, 1.2)  # noqa: S311
