"""The handshake with a PLC as a pure state machine: no clock, no thread, no protocol.

The PLC raises TRIGGER with a new SEQ, reads BUSY, then DONE with the result, raises TAKEN, and lowers both. Every
function takes a state and gives the next one; times are seconds of a clock that the caller has. Whatever is not PASS
under the SEQ of the part means reject.
"""

from dataclasses import dataclass, replace
from enum import Enum, IntEnum, IntFlag

HIGHEST_SEQ = 0xFFFF


class CommandBit(IntFlag):
    """Bits of the register CMD."""

    TRIGGER = 1
    TAKEN = 2


class StatusBit(IntFlag):
    """Bits of the register STATUS."""

    READY = 1
    BUSY = 2
    DONE = 4
    FAULT = 8
    MODEL_OK = 16
    ALARM = 32


class Code(IntEnum):
    """The register CODE; every value but 1 means reject."""

    NONE = 0
    PASS = 1
    REVIEW = 2
    REJECT = 3
    NOT_JUDGED = 4


class Cause(IntEnum):
    """The register CAUSE: why CODE is 4, or why there is a fault."""

    NONE = 0
    DEADLINE = 1
    NOT_READABLE = 2
    JUDGING_FAILED = 3
    NOT_RECORDED = 4
    NO_FRAME = 5
    MODEL = 6
    PART_TYPE = 7
    NOT_READY = 101
    BUSY = 102
    SEQUENCE = 103
    COMMAND = 104
    PLC_SILENT = 105


class Phase(Enum):
    """Where the handshake stands."""

    WAITING = "waiting for CMD 0"
    IDLE = "idle"
    BUSY = "busy"
    DONE = "done"
    FAULT = "fault"


@dataclass(frozen=True)
class Command:
    """What the PLC has written."""

    bits: int = 0
    seq: int = 0
    part_id: str = ""
    part_type: str = ""
    beat: int = 0
    """A number that changes while the PLC runs; 0 from a PLC that sends no heartbeat."""


@dataclass(frozen=True)
class Result:
    """What the PLC reads about one part."""

    code: Code = Code.NONE
    cause: Cause = Cause.NONE
    seq: int = 0
    score: float = 0.0
    number: int = 0
    """The plate's number in the record; 0 when it is not recorded."""
    duration_ms: float = 0.0


@dataclass(frozen=True)
class Job:
    """One part to be judged."""

    seq: int
    part_id: str
    part_type: str
    deadline: float


@dataclass(frozen=True)
class State:
    """The whole handshake."""

    phase: Phase = Phase.WAITING
    result: Result = Result()
    """The result shown; all zero outside DONE."""
    cause: Cause = Cause.NONE
    """Why there is a fault."""
    seq: int = 0
    """The last SEQ that was accepted."""
    in_flight: bool = False
    """A part is being judged, also one whose result nobody waits for any more."""
    trigger: bool = False
    deadline: float = 0.0
    able: bool = False
    """A model is in service and plates can be recorded."""
    alarm: bool = False
    stopped: bool = False
    """An alarm stops the line."""
    beat: int = 0
    beat_at: float = 0.0
    has_beat: bool = False
    """The PLC sends a heartbeat: it has been other than 0 once."""
    silent: bool = False

    @property
    def ready(self) -> bool:
        """Whether a trigger would be accepted."""
        free = self.able and not self.stopped and not self.in_flight and not self.silent
        return self.phase is Phase.IDLE and free

    @property
    def status(self) -> StatusBit:
        """The register STATUS."""
        bits = {
            StatusBit.READY: self.ready,
            StatusBit.BUSY: self.phase is Phase.BUSY,
            StatusBit.DONE: self.phase is Phase.DONE,
            StatusBit.FAULT: self.phase is Phase.FAULT,
            StatusBit.MODEL_OK: self.able,
            StatusBit.ALARM: self.alarm,
        }
        return StatusBit(sum(bit for bit, holds in bits.items() if holds))


def command(state: State, given: Command, now: float, deadline_s: float) -> tuple[State, Job | None]:
    """Take what the PLC wrote; with a Job when a part is to be judged."""
    was_ready, state = state.ready, tick(_heard(state, given.beat, now), now)
    trigger, taken = bool(given.bits & CommandBit.TRIGGER), bool(given.bits & CommandBit.TAKEN)
    rising, state = trigger and not state.trigger, replace(state, trigger=trigger)
    if given.bits & ~_KNOWN or not 0 <= given.seq <= HIGHEST_SEQ:
        return _fault(state, Cause.COMMAND), None
    if not trigger and not taken:
        return (replace(state, phase=Phase.IDLE, cause=Cause.NONE) if state.phase in _LEFT_BY_ZERO else state), None
    if state.phase is Phase.DONE and taken and not rising:
        return _zero(state), None
    if state.phase is Phase.IDLE and trigger:
        return _triggered(state, given, now, deadline_s) if was_ready else (_fault(state, Cause.NOT_READY), None)
    if state.phase in {Phase.BUSY, Phase.DONE} and trigger and (rising or given.seq != state.seq):
        return _fault(state, Cause.BUSY), None
    return state, None


def finish(state: State, result: Result, now: float) -> State:
    """Take the result of the part that was judged; a late or unwanted one is dropped, the record has it."""
    state = replace(tick(state, now), in_flight=False)
    if state.phase is not Phase.BUSY:
        return state
    if result.code is Code.PASS and result.number < 1:
        result = replace(result, code=Code.NOT_JUDGED, cause=Cause.NOT_RECORDED)
    return replace(state, phase=Phase.DONE, result=replace(result, seq=state.seq))


def tick(state: State, now: float, beat_s: float = 0.0) -> State:
    """Let time pass: the deadline, and with `beat_s` the PLC's heartbeat, which must change within three periods."""
    if state.phase is Phase.BUSY and now >= state.deadline:
        late = Result(Code.NOT_JUDGED, Cause.DEADLINE, state.seq)
        state = replace(state, phase=Phase.DONE, result=late)
    if beat_s and state.has_beat and not state.silent and now - state.beat_at > 3 * beat_s:
        return _fault(replace(state, silent=True), Cause.PLC_SILENT)
    return state


def reset(state: State) -> State:
    """Zero everything, at a start, a stop and a change of the model; the PLC has to begin with CMD 0."""
    return replace(_zero(state), cause=Cause.NONE)


_KNOWN = int(CommandBit.TRIGGER | CommandBit.TAKEN)
_LEFT_BY_ZERO = {Phase.WAITING, Phase.FAULT}


def _triggered(state: State, given: Command, now: float, deadline_s: float) -> tuple[State, Job | None]:
    """A part's trigger while READY is shown."""
    if given.bits & CommandBit.TAKEN:
        return _fault(state, Cause.COMMAND), None
    if given.seq in {0, state.seq}:
        return _fault(state, Cause.SEQUENCE), None
    job = Job(given.seq, given.part_id, given.part_type, now + deadline_s)
    busy = replace(state, phase=Phase.BUSY, seq=job.seq, in_flight=True, deadline=job.deadline, result=Result())
    return busy, job


def _heard(state: State, beat: int, now: float) -> State:
    if beat == state.beat:
        return state
    return replace(state, beat=beat, beat_at=now, has_beat=True, silent=False)


def _fault(state: State, cause: Cause) -> State:
    return replace(state, phase=Phase.FAULT, cause=cause, result=Result())


def _zero(state: State) -> State:
    return replace(state, phase=Phase.WAITING, result=Result())
