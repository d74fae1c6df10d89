"""The bound on memory while photographs are decoded."""

import io
import platform
import subprocess
import sys
import threading
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image

from platewatch.errors import InputError
from platewatch.photographs import memory, reading
from platewatch.photographs.memory import Budget
from waiting import GIVE_UP_S, eventually


@pytest.fixture
def bounded() -> Iterator[Budget]:
    """A process that may use 100,000 bytes for decoding."""
    memory.bound(100_000)
    assert memory._decoding is not None
    yield memory._decoding
    memory.bound(None)


_THREADS = """
import ctypes, os, sys, threading
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
if sys.argv[1] == "limited":
    from platewatch.model.thread_limits import limit_threads
    limit_threads()
libc, together = ctypes.CDLL(None), threading.Barrier(12)
libc.malloc.restype = ctypes.c_void_p
def allocate():
    together.wait()
    libc.malloc(10_000)
    together.wait()
threads = [threading.Thread(target=allocate) for _ in range(12)]
for each in threads: each.start()
for each in threads: each.join()
libc.fdopen.restype = ctypes.c_void_p
libc.malloc_info(0, ctypes.c_void_p(libc.fdopen(1, b"w")))
libc.fflush(None)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="arenas are glibc's")
def test_threads_share_a_few_arenas_of_memory() -> None:
    """Twelve threads on one core; each arena would grow by itself."""
    counts = {}
    for how in ("as usual", "limited"):
        words = [sys.executable, "-c", _THREADS, how]
        counts[how] = subprocess.run(words, check=True, capture_output=True, text=True).stdout.count("<heap nr=")
    assert counts["limited"] <= 2 < counts["as usual"]


def photograph(width: int = 64, height: int = 48) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.zeros((height, width, 3), np.uint8)).save(out, "PNG")
    return out.getvalue()


def test_what_does_not_fit_is_refused_at_once_or_waits_in_order() -> None:
    budget, order = Budget(10), list[str]()
    assert budget.take(6)
    assert not budget.take(5)

    def wait(name: str, amount: int) -> None:
        budget.wait_for(amount)
        order.append(name)

    threads = []
    for name, amount in (("large", 9), ("small", 1)):
        threads.append(threading.Thread(target=wait, args=(name, amount)))
        threads[-1].start()
        eventually(lambda: len(budget._waiting) == len(threads))
    assert not budget.take(1), "nobody overtakes those who wait"
    assert not order
    budget.give(6)
    for thread in threads:
        thread.join(GIVE_UP_S)
    assert order == ["large", "small"]
    with pytest.raises(InputError, match="at most"):
        budget.wait_for(11)


def test_a_photograph_takes_its_bytes_until_nobody_holds_it(bounded: Budget) -> None:
    photo = reading.read(photograph())
    assert bounded.taken == photo.nbytes == 64 * 48 * 3
    del photo
    assert bounded.taken == 0


def test_a_photograph_that_would_take_more_than_all_of_it_is_not_decoded(
    bounded: Budget, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_decode", None)
    with pytest.raises(InputError, match=r"decoding takes 0 MB.*at most 0 MB"):
        reading.read(photograph(200, 100))
    assert bounded.taken == 0


def test_a_photograph_that_cannot_be_decoded_gives_its_bytes_back(bounded: Budget) -> None:
    with pytest.raises(InputError):
        reading.read(photograph()[:-30])
    assert bounded.taken == 0


def test_large_photographs_are_decoded_one_at_a_time(bounded: Budget, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three threads, each with a photograph that takes more than half of the bound."""
    at_once, most, lock, decode = 0, 0, threading.Lock(), reading._decode

    def slow(*arguments: object) -> object:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        found = decode(*arguments)  # type: ignore[arg-type]
        with lock:
            at_once -= 1
        return found

    monkeypatch.setattr(reading, "_decode", slow)
    data = photograph(90, 70)
    sizes: list[tuple[int, ...]] = []
    threads = [threading.Thread(target=lambda: sizes.append(reading.read(data).shape)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(GIVE_UP_S)
    assert sizes == [(70, 90, 3)] * 3
    assert most == 1
