"""Anchoring: sends the head of the chain at intervals to write-once folders, webhooks and MQTT topics.

Named stations of one record also write the heads of the others into their own chains.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from platewatch.errors import InputError, OutputError, PlatewatchError, RecordError
from platewatch.line.destinations import Address, Destination, destination
from platewatch.line.health import Finding
from platewatch.line.receivers import DeliveryFailed
from platewatch.printable import printable
from platewatch.records import Head, Records, anchors
from platewatch.records.anchors import Anchor
from platewatch.signing import PrivateKey

log = logging.getLogger("platewatch.line")

NOT_ANCHORED = "not_anchored"
"""The problem's code: a place of anchors does not take them."""

_LOOK_S, _RETRY_S = 1.0, 60.0


class Folder:
    """A folder where each anchor is a new file that is never written again."""

    def __init__(self, path: Path) -> None:
        """The folder must exist by the time that an anchor is written."""
        self.path = path.absolute()
        self.name = printable(str(self.path))

    def deliver(self, anchor: Anchor) -> str | None:
        """Write the anchor; raises DeliveryFailed."""
        try:
            anchors.write_once(anchor, self.path)
        except OutputError as error:
            raise DeliveryFailed(str(error)) from error
        return None

    def close(self) -> None:
        """Nothing is open."""


def places(given: Iterable[Path | Address | str]) -> list[Folder | Destination]:
    """The places at these paths and addresses; raises InputError."""
    found = [Folder(each) if isinstance(each, Path) else destination(each) for each in given]
    for each in found:
        if isinstance(each, Folder) and not each.path.is_dir():
            raise InputError(each.path, "no such folder", expected="a folder for anchors", remedy="make it first")
    return found


class Anchoring:
    """Sends an anchor every `every_s` while the chain grows, at the start, and at the stop."""

    def __init__(
        self,
        records: Records,
        places: Sequence[Folder | Destination],
        *,
        actor: str,
        key: PrivateKey | None = None,
        every_s: float = 3600.0,
        warn: Callable[[str], None] = lambda _words: None,
    ) -> None:
        """`warn` gets one line when a place does not take an anchor, and when it takes them again."""
        self._records, self._places, self._actor, self._key = records, tuple(places), actor, key
        self._every, self._warn = every_s, warn
        self._sent = dict[str, Head]()  # by place
        self._failed = dict[str, tuple[str, float]]()  # by place: the failure, and the time of the next attempt
        self._due = 0.0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="anchoring", daemon=True)

    def start(self) -> None:
        """Write the places of anchors into the record, unless they are there, and start.

        Without places and without a named station do nothing.
        """
        if not self._places:
            if self._records.station:
                self._thread.start()
            return
        key = "" if self._key is None else self._key.public.fingerprint
        folders = [str(each.path) for each in self._places if isinstance(each, Folder)]
        details = {"to": [each.name for each in self._places], "folders": folders, "key": key}
        last = self._records.events(anchors.STARTED, limit=1, station=self._records.station)
        if not last or dict(last[0].details) != details:
            self._records.event(anchors.STARTED, self._actor, details)
        self._thread.start()

    def stop(self) -> None:
        """Send a last anchor and stop."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
            self._send(time.monotonic(), everything=True)
        for place in self._places:
            place.close()

    def problems(self) -> Iterable[Finding]:
        """Places that do not take anchors, for Health."""
        if self._failed:
            yield NOT_ANCHORED, "; ".join(why for why, _ in self._failed.values()), False
        elif self._thread.ident is not None and not self._thread.is_alive() and not self._stopping.is_set():
            yield NOT_ANCHORED, "the thread that sends anchors ended; restart, and see the log", False

    def _run(self) -> None:
        while True:
            try:
                self._send(time.monotonic())
            except RecordError:
                pass  # the health check reports it
            except Exception:
                log.exception("anchors could not be sent; the next look tries again")
            if self._stopping.wait(_LOOK_S):
                return

    def _send(self, present: float, *, everything: bool = False) -> None:
        """Send the head to every place that is due, or that failed and is to be tried again."""
        is_due = everything or present >= self._due
        places = [each for each in self._places if is_due or self._is_to_retry(each.name, present)]
        if is_due:
            self._due = present + self._every
            if self._records.station:
                self._records.name_heads(self._actor)
        if not places:
            return
        try:
            head = self._records.head()
        except PlatewatchError:
            return  # the health check reports it
        anchor = anchors.make(head, self._key)
        for place in places:
            if self._sent.get(place.name) != head:
                self._send_one(place, head, anchor, present)

    def _is_to_retry(self, name: str, present: float) -> bool:
        return name in self._failed and present >= self._failed[name][1]

    def _send_one(self, place: Folder | Destination, head: Head, anchor: Anchor, present: float) -> None:
        try:
            place.deliver(anchor)
        except Exception as error:  # an unexpected error of a place costs only this anchor
            why = str(error) if isinstance(error, DeliveryFailed) else f"{place.name}: {type(error).__name__}"
            if place.name not in self._failed:
                self._warn(f"no anchor was taken: {why}; it is tried again")
            self._failed[place.name] = why, present + _RETRY_S
        else:
            if self._failed.pop(place.name, None):
                self._warn(f"{place.name}: takes anchors again")
            self._sent[place.name] = head
