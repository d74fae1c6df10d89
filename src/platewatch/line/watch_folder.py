"""Watch folder: judges each photograph that a camera drops into a folder, once its file is complete."""

import hashlib
import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from platewatch import printable
from platewatch.errors import InputError, ModelError, RecordError, RecordUnavailable, UnknownPartType
from platewatch.line.arrivals import Arrival, Arrivals, seen
from platewatch.line.assembly import Line
from platewatch.line.awaited_models import AwaitedModels
from platewatch.line.camera_problems import AWAY, BACK, FROZEN, FROZEN_CODE, MISSING_CODE, MOVING
from platewatch.line.file_events import FileEvents
from platewatch.line.judging import JudgedPhotograph, Plate, not_judged
from platewatch.line.repeats import LIMIT, Repeats
from platewatch.line.state_files import beside
from platewatch.photographs import formats, reading
from platewatch.records import Entry, Outcome

SOURCE = "watch"
"""The source of its plates in the record."""

_RETRY_S = 1.0
_SHARE = 10  # scanning the whole folder takes at most 1 / _SHARE of the time


class WatchFolder:
    """One folder and the line that judges its photographs."""

    def __init__(
        self,
        folder: Path,
        line: Line,
        *,
        settle_s: float = 0.5,
        quiet_s: float = 2.0,
        give_up_s: float = 30.0,
        rescan_s: float = 2.0,
        recursive: bool = False,
        by_part_type: bool = False,
        clock: Callable[[], float] = time.monotonic,
        recorded: Callable[[Entry], None] = lambda _entry: None,
        warn: Callable[[str], None] = lambda _words: None,
    ) -> None:
        """`recorded` gets each new entry, `warn` a line for what a person should know.

        A photograph is judged when its file was unchanged for `settle_s` and is complete; where its format marks no
        end, when its bytes were the same for `quiet_s`. The same bytes under the same name within `quiet_s` are the
        same photograph, later they are a repeat. One that is not complete or not readable is recorded as failed after
        `give_up_s` without a change. The whole folder is scanned every `rescan_s`; `recursive`: with folders in it.
        `by_part_type`: those are named after the part types of the photographs in them.
        """
        recursive = recursive or by_part_type
        self._line = line
        self._settle, self._quiet, self._rescan = settle_s, quiet_s, rescan_s
        self._give_up = max(give_up_s, quiet_s)
        self._recursive, self._by_part_type, self._clock = recursive, by_part_type, clock
        self._models = AwaitedModels(line.judging, at_once=not by_part_type)
        self._recorded, self._warn = recorded, warn
        self._arrivals = Arrivals(folder, line.records.known, settle_s=settle_s, recursive=recursive, clock=clock)
        self._shown = printable.name(str(self._arrivals.folder))
        self._incomplete = dict[Path, tuple[Arrival, float, str | None]]()  # when it is tried again, and its SHA-256
        self._left_alone = set[str]()  # suffixes and folders that were reported
        self._away = False
        self.repeats = Repeats()
        self._stopping = threading.Event()
        self._events = FileEvents(self._arrivals.folder, recursive=recursive)

    def stop(self) -> None:
        """End after the plate that is being judged; safe in a signal handler and from any thread."""
        self._stopping.set()
        self._events.stop()

    def run(self, *, once: bool = False) -> None:
        """Run until stopped; with `once`, until every photograph that is there now is in the record."""
        self._events.start()
        next_look = next_list = 0.0
        names = set[str]()
        try:
            while not self._stopping.is_set():
                if names:
                    self._look(names)
                if self._clock() >= next_look:
                    next_look = self._next(lambda: self._look(None))
                    next_list = self._clock() + self._rescan
                elif self._clock() >= next_list:  # a list of names is much quicker on a network drive
                    next_list = self._next(lambda: self._look(None, only_new=True))
                self._judge()
                if once and not self._arrivals.waiting and not self._away:
                    return
                names = self._events.wait(self._pause(min(next_look, next_list)))
        finally:
            self._events.stop()

    def step(self) -> None:
        """Scan the whole folder once, and judge the photographs that have settled."""
        self._look(None)
        self._judge()

    def _next(self, look: Callable[[], None]) -> float:
        """Look, and say when to do so again."""
        started = self._clock()
        look()
        return self._clock() + max(self._rescan, _SHARE * (self._clock() - started))

    def _judge(self) -> None:
        self._judge_settled()
        self._check_again()

    def _pause(self, next_look: float) -> float:
        """Wait until the next scan, or until a waiting file may have settled."""
        pause = max(0.0, min(next_look - self._clock(), self._arrivals.until_check_s()))
        return min(pause, max(0.02, self._settle / 4)) if self._arrivals.waiting else pause

    def _look(self, names: set[str] | None, *, only_new: bool = False) -> None:
        try:
            if only_new and not self._away:
                names = self._arrivals.new_names()
            self._arrivals.look(None if self._away else names)  # no events came meanwhile
        except RecordUnavailable as error:
            self._line.health.record_failed(error, refused=False)
        except OSError as error:
            if not self._away:
                self._away = True
                what = f"vanished ({error.strerror}); new photographs are judged once it is back"
                self._report(AWAY, f"{self._shown}: {what}")
        else:
            if self._away or self._line.camera.has(MISSING_CODE, self._arrivals.folder):
                self._away = False
                self._report(BACK, f"{self._shown}: is back")
            self._report_left_alone()

    def _report_left_alone(self) -> None:
        """One line at first, and again when a suffix or a folder is new."""
        found = self._arrivals.left_alone
        if not found.kinds() <= self._left_alone:
            self._left_alone |= found.kinds()
            remedy = "; --recursive watches folders too" if found.folders and not self._recursive else ""
            self._warn(found.line(self._arrivals.folder, remedy))

    def _report(self, kind: str, words: str) -> None:
        self._warn(words)
        try:
            event = self._line.records.event(kind, SOURCE, {"folder": self._shown})
            self._line.camera.follow(event)
        except RecordError as error:
            self._line.health.record_failed(error, refused=False)

    def _judge_settled(self) -> None:
        without_model = set[str]()
        self._models.begin_round()
        for arrival in self._arrivals.settled():
            if self._stopping.is_set():
                break
            part_type = self._part_type(arrival)
            incomplete, until, _ = self._incomplete.get(arrival.path, (None, 0.0, None))
            if part_type in without_model or (arrival == incomplete and self._clock() < until):
                continue
            try:
                self._judge_one(arrival, part_type)
            except ModelError:  # the health check reports it; the photographs of this part type wait in the folder
                without_model.add(part_type)
            except RecordUnavailable:  # as above; all wait
                without_model.add(part_type)
                break
        self._models.end_round()
        if without_model:
            self._stopping.wait(_RETRY_S)

    def _part_type(self, arrival: Arrival) -> str:
        """The first folder below the watched one; empty for a photograph directly in it, and without part types."""
        levels = arrival.path.relative_to(self._arrivals.folder).parts
        return printable.name(levels[0]) if self._by_part_type and len(levels) > 1 else ""

    def _judged(self, plate: Plate) -> JudgedPhotograph | None:
        """The judged photograph; None while the model of its part type is loaded. Raises ModelError."""
        try:
            lease = self._models.lease(plate.part_type)
        except UnknownPartType as error:
            return not_judged(plate, error)
        if lease is None:
            return None
        try:
            return self._line.judging.judge(plate, lease)
        finally:
            lease.end()

    def _check_again(self) -> None:
        """Read photographs once more that may have been overwritten within the step of the file system's clock."""
        for done in self._arrivals.to_check():
            photograph = None if self._stopping.is_set() else _load(done.arrival.path)
            if photograph is not None and reading.sha256(photograph) != done.sha256:
                self._arrivals.changed(done.arrival)

    def _judge_one(self, arrival: Arrival, part_type: str) -> None:
        """One photograph, unless its file is not complete yet; raises ModelError or RecordUnavailable."""
        patient = self._arrivals.unchanged_s(arrival) < self._give_up
        photograph = _load(arrival.path)
        if seen(arrival.path) != arrival:
            return  # changed or removed meanwhile: the next look finds it
        sha256 = None if photograph is None else reading.sha256(photograph)
        if patient and not self._is_complete(arrival, photograph, sha256):
            self._postpone(arrival, sha256)
            return
        key = self._new_key(arrival, sha256)
        if key is None:
            self._incomplete.pop(arrival.path, None)
            self._arrivals.done(arrival, sha256)
            return
        data = arrival.path if photograph is None else photograph
        plate = Plate(data, str(arrival.path), key=key, source=SOURCE, part_type=part_type)
        judged = self._judged(plate)
        if judged is None:
            return
        is_unknown = isinstance(judged.error, UnknownPartType)
        is_damaged = judged.examination is not None and bool(judged.examination.damage)
        if patient and (is_damaged or (isinstance(judged.error, InputError) and not is_unknown)):
            self._postpone(arrival, sha256)
            return
        self._incomplete.pop(arrival.path, None)
        self._record(arrival, sha256, replace(plate, part_type="") if is_unknown else plate, judged)

    def _is_complete(self, arrival: Arrival, photograph: bytes | None, sha256: str | None) -> bool:
        """Whether its end is there; where the format marks none, whether its bytes stay the same for a while."""
        if photograph is None or not formats.has_end(photograph):
            return False
        if formats.has_end_mark(photograph) or arrival.is_old:
            return True
        before, _, known = self._incomplete.get(arrival.path, (None, 0.0, None))
        if before == arrival and known != sha256:
            self._arrivals.restart(arrival)
        return before == arrival and known == sha256 and self._arrivals.unchanged_s(arrival) >= self._quiet

    def _postpone(self, arrival: Arrival, sha256: str | None) -> None:
        """Try again later: the rest of the file may still come."""
        age = self._arrivals.unchanged_s(arrival)
        wait = min(max(self._settle, age / 2), max(self._give_up - age, 0.0))
        if age < self._quiet:
            wait = self._quiet - age
        self._incomplete[arrival.path] = arrival, self._clock() + wait, sha256

    def _new_key(self, arrival: Arrival, sha256: str | None) -> str | None:
        """The photograph's key in the record; None when it needs no further row. Raises RecordUnavailable.

        Its bytes may be in the record under this name: then it is the same photograph, or a repeat.
        """
        try:
            known = self._line.records.with_key(arrival.key)
            before = None if sha256 is None else self._line.records.with_photograph(sha256, arrival.place)
        except RecordUnavailable as error:
            self._line.health.record_failed(error, refused=False)
            raise
        if known is not None and known.photograph_sha256 == sha256:
            return None  # another process on the same folder was quicker
        if sha256 is None or before is None or before.outcome is Outcome.FAILED:
            return arrival.key if known is None else f"{arrival.key}:{(sha256 or '')[:16]}"
        if not self._arrivals.lay_there(arrival) and not self._arrivals.is_recent(arrival, sha256, self._quiet):
            self._repeated(arrival, sha256, before)
        return None

    def _repeated(self, arrival: Arrival, sha256: str, before: Entry) -> None:
        self._count(sha256, is_again=True)
        if self.repeats.is_worth_a_line:
            what = f"repeats plate {before.number}, with the same name and bytes; it is not judged again"
            self._warn(f"{printable.name(str(arrival.path))}: {what} (repeat {self.repeats.count})")

    def _count(self, sha256: str | None, *, is_again: bool) -> None:
        """Count repeats, and report when they are many in a row, and when they end."""
        self.repeats.add(sha256, is_again=is_again)
        is_frozen = self._line.camera.has(FROZEN_CODE, self._arrivals.folder)
        if self.repeats.in_a_row == LIMIT or (self.repeats.in_a_row > LIMIT and not is_frozen):
            what = f"the last {LIMIT} photographs repeat those before, byte by byte: is the camera frozen?"
            self._report(FROZEN, f"{self._shown}: {what}")
        elif is_frozen and not self.repeats.in_a_row:
            self._report(MOVING, f"{self._shown}: the photographs are new ones again")

    def _record(self, arrival: Arrival, sha256: str | None, plate: Plate, judged: JudgedPhotograph) -> None:
        """Record as soon as the record can be used; raises RecordUnavailable when stopped before."""
        recorded = self._line.judging.record(plate, judged, retry=lambda: not self._stopping.wait(_RETRY_S))
        self._arrivals.done(arrival, sha256)
        if not recorded.is_duplicate:  # otherwise another process on the same folder was quicker
            self._count(sha256, is_again=False)
            self._recorded(recorded.entry)


def plates_of(folder: Path) -> Callable[[Entry], bool]:
    """A function that is True for plates of the record from this folder or a folder in it."""
    place = Path(printable.name(str(folder.absolute())))  # as an Inspection holds it
    return lambda entry: entry.source == SOURCE and place in Path(entry.inspection.image or "").parents


def drift_file(records: str, folder: Path) -> Path:
    """Where the drift monitor of this folder keeps its state: beside the record, one file for each folder."""
    place = hashlib.sha256(os.fsencode(folder.absolute())).hexdigest()[:8]
    return beside(records, f"watch-{place}.drift.json")


def _load(path: Path) -> bytes | None:
    """The file's bytes, None when they cannot be read."""
    try:
        return reading.load(path)
    except InputError:
        return None
