"""The handshake with the PLC: every state that any order of events can reach, and the usual order step by step."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import NamedTuple

import pytest

from platewatch.line.plc import handshake
from platewatch.line.plc.handshake import Cause, Code, Command, Job, Phase, Result, State, StatusBit

DEADLINE_S, BEAT_S, LATER = 1.0, 1.0, 10.0
PASS = Result(Code.PASS, number=1, score=0.5)


class World(NamedTuple):
    """The handshake, and what the judging thread has in hand."""

    state: State
    judging: int | None = None
    """The SEQ of the part that is being judged."""


@dataclass(frozen=True)
class Event:
    name: str
    happens: Callable[[World], World | None]
    """None when it cannot happen."""


def _command(bits: int, seq: int, beat: int) -> Event:
    def happens(world: World) -> World:
        state, job = handshake.command(world.state, Command(bits, seq, beat=beat), 0.0, DEADLINE_S)
        if job is None:
            return World(state, world.judging)
        assert world.judging is None, "a second part while one is being judged"
        assert world.state.ready, "a part was taken without READY"
        assert (job.seq, job.deadline) == (seq, DEADLINE_S)
        return World(state, job.seq)

    return Event(f"CMD {bits} SEQ {seq} PLC_BEAT {beat}", happens)


def _finish(result: Result) -> Event:
    def happens(world: World) -> World | None:
        if world.judging is None:
            return None
        after = handshake.finish(world.state, result, 0.0)
        if after.result.code is Code.PASS:
            assert after.result.seq == world.judging, "the result of another part"
            assert result.code is Code.PASS
            assert after.result.number > 0, "PASS without a row"
            assert world.state.phase is Phase.BUSY, "PASS for a part that nobody waits for"
        return World(after)

    return Event(f"judged {result.code.name} {result.number}", happens)


def _of_state(name: str, act: Callable[[State], State]) -> Event:
    return Event(name, lambda world: World(act(world.state), world.judging))


EVENTS = (
    *(_command(bits, seq, beat) for bits in (0, 1, 2, 3, 4) for seq in (0, 1, 2) for beat in (0, 1)),
    *map(_finish, (PASS, replace(PASS, number=0), Result(Code.REJECT, number=2), Result(Code.NOT_JUDGED))),
    _of_state("deadline", lambda state: handshake.tick(state, LATER)),
    _of_state("time without a heartbeat", lambda state: handshake.tick(state, LATER, BEAT_S)),
    _of_state("another model", handshake.reset),
    _of_state("able", lambda state: replace(state, able=True)),
    _of_state("not able", lambda state: replace(state, able=False)),
    _of_state("stopped", lambda state: replace(state, stopped=True)),
    _of_state("goes on", lambda state: replace(state, stopped=False)),
)


@cache
def _reachable() -> list[tuple[World, Event, World]]:
    """Every transition between states that can be reached from the start."""
    found = list[tuple[World, Event, World]]()
    known, waiting = {World(State())}, [World(State())]
    while waiting:
        world = waiting.pop()
        for event in EVENTS:
            after = event.happens(world)
            if after is None:
                continue
            found.append((world, event, after))
            if after not in known:
                known.add(after)
                waiting.append(after)
    return found


def test_in_every_reachable_state_pass_is_shown_for_the_part_that_passed_alone() -> None:
    states = set[World]()
    for before, event, after in _reachable():
        states.add(after)
        state = after.state
        if state.result.code is Code.PASS and before.state.result != state.result:
            assert event.name.startswith("judged PASS"), event.name
        if state.phase is not Phase.DONE:
            assert state.result == Result(), (event.name, state)
        if state.ready:
            assert after.judging is None
            assert state.able
            assert not state.stopped
        assert state.in_flight == (after.judging is not None)
        if event.name.startswith("CMD 4"):
            assert state.cause is Cause.COMMAND
        assert (state.phase is Phase.FAULT) <= (state.cause is not Cause.NONE)
    assert len(states) > 500


def test_every_reachable_state_leads_back_to_ready() -> None:
    """Without a restart: the part in hand is judged, the PLC beats and writes CMD 0."""
    for after in {after for _, _, after in _reachable()}:
        state = replace(handshake.finish(after.state, PASS, 0.0), able=True, stopped=False)
        for bits in (2, 0):
            state, _ = handshake.command(state, Command(bits, 0, beat=state.beat % 2 + 1), 0.0, DEADLINE_S)
        assert state.ready, after


def write(state: State, bits: int, seq: int, now: float = 0.0, beat: int = 0) -> tuple[State, Job | None]:
    return handshake.command(state, Command(bits, seq, "plate 7", beat=beat), now, DEADLINE_S)


@pytest.fixture
def ready() -> State:
    state, _ = write(replace(State(), able=True), 0, 0)
    assert state.status == StatusBit.READY | StatusBit.MODEL_OK
    return state


def test_the_usual_order(ready: State) -> None:
    busy, job = write(ready, 1, 5)
    assert job == Job(5, "plate 7", "", DEADLINE_S)
    assert busy.status == StatusBit.BUSY | StatusBit.MODEL_OK
    again, none = write(busy, 1, 5)  # a PLC writes its block again and again
    assert (again, none) == (busy, None)
    done = handshake.finish(busy, PASS, 0.4)
    assert done.status == StatusBit.DONE | StatusBit.MODEL_OK
    assert done.result == replace(PASS, seq=5)
    taken, _ = write(done, 3, 5)
    assert (taken.status, taken.result) == (StatusBit.MODEL_OK, Result())
    assert write(taken, 0, 5)[0].ready


def test_nothing_is_taken_before_the_plc_has_written_zero() -> None:
    """After a restart of the station the PLC still holds its trigger: that part's verdict is not shown twice."""
    state, job = write(replace(State(), able=True), 1, 5)
    assert (state.phase, state.ready, job) == (Phase.WAITING, False, None)


def test_a_trigger_while_busy_is_a_fault_and_costs_both_parts_their_result(ready: State) -> None:
    busy, _ = write(ready, 1, 5)
    for after, job in (write(busy, 1, 6), write(write(busy, 0, 5)[0], 1, 5)):
        assert (after.phase, after.cause, job) == (Phase.FAULT, Cause.BUSY, None)
        assert handshake.finish(after, PASS, 0.4).result == Result()


@pytest.mark.parametrize("seq", [0, 5])
def test_a_sequence_number_that_is_zero_or_the_last_is_a_fault(ready: State, seq: int) -> None:
    done = handshake.finish(write(ready, 1, 5)[0], PASS, 0.4)
    idle = write(write(done, 3, 5)[0], 0, 5)[0]
    after, job = write(idle, 1, seq)
    assert (after.phase, after.cause, job) == (Phase.FAULT, Cause.SEQUENCE, None)
    assert write(after, 0, 0)[0].ready


def test_after_the_deadline_the_verdict_is_in_the_record_alone(ready: State) -> None:
    busy, _ = write(ready, 1, 5)
    late = handshake.tick(busy, DEADLINE_S)
    assert late.result == Result(Code.NOT_JUDGED, Cause.DEADLINE, 5)
    assert handshake.finish(late, PASS, DEADLINE_S).result == late.result
    assert handshake.finish(busy, PASS, DEADLINE_S).result == late.result
    idle = write(write(late, 3, 5)[0], 0, 5)[0]
    assert not idle.ready  # the thread still judges
    assert handshake.finish(idle, PASS, 3.0).ready


def test_pass_without_a_row_is_not_judged(ready: State) -> None:
    found = handshake.finish(write(ready, 1, 5)[0], replace(PASS, number=0), 0.4)
    assert found.result == Result(Code.NOT_JUDGED, Cause.NOT_RECORDED, 5, 0.5)


def test_a_plc_whose_heartbeat_stands_still_gets_nothing(ready: State) -> None:
    busy, _ = write(ready, 1, 5, beat=1)
    done = handshake.finish(busy, PASS, 0.4)
    silent = handshake.tick(done, 3.1 * BEAT_S, BEAT_S)
    assert (silent.phase, silent.cause, silent.result) == (Phase.FAULT, Cause.PLC_SILENT, Result())
    assert not write(silent, 0, 5, beat=1)[0].ready
    assert write(silent, 0, 5, now=5.0, beat=2)[0].ready
    assert handshake.tick(ready, 1e6, BEAT_S).ready  # it never sent one
