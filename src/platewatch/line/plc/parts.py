"""Judges for the PLC: one thread that takes the part's frame, has it judged and recorded, and beats while it runs."""

import logging
import threading
import time
from collections.abc import Iterator

from platewatch.errors import ModelError, PlatewatchError, RecordError, UnknownPartType
from platewatch.inspection import Verdict
from platewatch.line.alarms import Alarms
from platewatch.line.assembly import Line
from platewatch.line.cameras.frames import NoFrame
from platewatch.line.cameras.parts import CameraParts
from platewatch.line.health import Finding
from platewatch.line.judging import RecordedPlate
from platewatch.line.plc.exchange import Exchange
from platewatch.line.plc.handshake import Cause, Code, Job, Result

log = logging.getLogger("platewatch.line")

_TO_JUDGE_S = 0.01  # a frame that comes later than this before the deadline would be judged in vain
_CODES = {Verdict.PASS: Code.PASS, Verdict.REVIEW: Code.REVIEW, Verdict.REJECT: Code.REJECT}


class Parts:
    """The judging thread of one PLC."""

    def __init__(self, line: Line, camera: CameraParts, exchange: Exchange, alarms: Alarms) -> None:
        self._line, self._camera, self.exchange, self._alarms = line, camera, exchange, alarms
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="plc", daemon=True)
        self._model = line.models.model_id
        self._dead = ""

    def start(self) -> None:
        """Judge from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Zero the registers, finish the part that is being judged, and end."""
        self.exchange.reset()
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        self.exchange.reset()

    def problems(self) -> Iterator[Finding]:
        """A PLC whose heartbeat stands still, and a judging thread that ended."""
        if self.exchange.state().silent:
            message = "the PLC's heartbeat stands still; no part is taken until it changes again: check the PLC"
            yield "plc_silent", message, False
        if self._dead:
            yield "plc_stopped", f"parts for the PLC are judged no more ({self._dead}); start the station again", True

    def judge(self, job: Job) -> Result:
        """The result of one part, once it is in the record."""
        started = time.perf_counter()
        try:
            wait_s = max(0.0, job.deadline - _TO_JUDGE_S - time.monotonic())
            recorded = self._camera.judge(job.part_id, wait_s, job.part_type)
        except UnknownPartType:
            return Result(Code.NOT_JUDGED, Cause.PART_TYPE)
        except NoFrame:
            return Result(Code.NOT_JUDGED, Cause.NO_FRAME)
        except ModelError:
            return Result(Code.NOT_JUDGED, Cause.MODEL)
        except RecordError:
            return Result(Code.NOT_JUDGED, Cause.NOT_RECORDED)
        entry = recorded.entry
        if entry.inspection.model_id != self._line.part_types.model_id(entry.part_type):
            self.exchange.reset()  # another model went into service meanwhile
        return _result(recorded, 1e3 * (time.perf_counter() - started))

    def _run(self) -> None:
        try:
            self._line.health.problems()
            while not self._stopping.is_set():
                self._beat()
                job = self.exchange.next_job(self.exchange.times.beat_s / 2)
                if job is not None:
                    self._one(job)
        except BaseException as error:
            log.exception("the judging thread of the PLC ends")
            self._dead = type(error).__name__
            self.exchange.reset()
            self.exchange.beat(able=False)
            raise

    def _one(self, job: Job) -> None:
        try:
            found = self.judge(job)
        except Exception as error:
            if not isinstance(error, PlatewatchError):
                log.exception("part %s could not be judged", job.seq)
            found = Result(Code.NOT_JUDGED, Cause.JUDGING_FAILED)
        self._beat()  # a model that changed, or an alarm that this part raised, comes before its result
        self.exchange.finish(found)

    def _beat(self) -> None:
        self._follow_model()
        self.exchange.beat(able=self._able(), alarm=self._alarms.is_active, stopped=self._alarms.stops)

    def _able(self) -> bool:
        """Whether a part could be judged and recorded now."""
        own = self._camera.part_type
        return not self._line.health.stops and any(map(self._judges, [own] if own else self._line.part_types.names()))

    def _judges(self, part_type: str) -> bool:
        try:
            self._line.health.check(part_type)
        except PlatewatchError:
            return False
        return True

    def _follow_model(self) -> None:
        """Zero everything when another model is in service."""
        if self._line.models.model_id != self._model:
            self._model = self._line.models.model_id
            self.exchange.reset()


def _result(recorded: RecordedPlate, duration_ms: float) -> Result:
    """The result of a plate in the record; a photograph that was there before is none of this part."""
    inspection, number = recorded.entry.inspection, recorded.entry.number
    if recorded.is_duplicate:
        return Result(Code.NOT_JUDGED, Cause.NO_FRAME, number=number, duration_ms=duration_ms)
    if inspection.verdict is None:
        return Result(Code.NOT_JUDGED, Cause.NOT_READABLE, number=number, duration_ms=duration_ms)
    return Result(_CODES[inspection.verdict], Cause.NONE, 0, inspection.score or 0.0, number, duration_ms)
