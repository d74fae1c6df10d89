"""Keeps the station up: a parent that does nothing but hold the listening socket and start the station again.

When the station is killed, crashes or runs out of memory, a new one is forked. The slow imports are done already, and
new clients wait in the socket's queue meanwhile. A fork copies no threads, so no module imported here may start one.
"""

import ctypes
import importlib
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from types import FrameType

from platewatch.errors import InputError, RuntimeUnavailable

_WAIT_S = 2.0  # for a port that the previous station is about to release
_QUEUE = 256  # connections that may wait while the station starts again
_SOON_S = 5.0  # a station that ends sooner did not start
_AHEAD = ("platewatch.station.server", "uvicorn.protocols.http.h11_impl", "uvicorn.lifespan.on")
_ONE_THREAD = "OPENBLAS_NUM_THREADS"  # numpy's threads; plates are judged side by side, each by one
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG

Report = Callable[[str], None]


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; raises InputError when the address cannot be used."""
    until = time.monotonic() + _WAIT_S
    while True:
        try:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            found = socket.create_server((host, port), family=family, backlog=_QUEUE)
            found.set_inheritable(True)
            return found
        except OSError as error:
            if time.monotonic() < until and port:
                time.sleep(0.05)
                continue
            why = error.strerror or str(error)
            raise InputError(
                f"{host}:{port}", f"cannot listen there ({why})", remedy="choose another --host or --port"
            ) from error


def keep_up(report: Report) -> int | None:
    """Fork the station: None in the child, which has to run it; in the parent, when all is over, the exit code."""
    os.environ.setdefault(_ONE_THREAD, "1")
    for name in _AHEAD:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            raise RuntimeUnavailable(
                "", f"{error.name} is not installed", remedy="pip install 'platewatch[station]'"
            ) from error
    if not hasattr(os, "fork"):
        return None  # without forks there is no parent either
    return _Parent(report).run()


class _Parent:
    """One station at a time, until it is told to stop or ends by itself."""

    def __init__(self, report: Report) -> None:
        self._report, self._child, self._stopping = report, 0, False

    def run(self) -> int | None:
        quick, been_up = 0, False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        while True:
            began, parent = time.monotonic(), os.getpid()
            self._child = os.fork()
            if self._child == 0:
                _become_child(parent)
                return None
            if self._stopping:  # told just then
                os.kill(self._child, signal.SIGTERM)
            code = os.waitstatus_to_exitcode(os.waitpid(self._child, 0)[1])
            lived = time.monotonic() - began
            been_up = been_up or lived >= _SOON_S
            if self._stopping or code == 0 or (code > 0 and not been_up):  # a wrong option stays wrong
                return max(code, 0)
            quick = quick + 1 if lived < _SOON_S and code >= 0 else 0  # a killed station counts as started
            self._report(f"the station ended ({_how(code)}); starting it again")
            time.sleep(min(5.0, 0.5 * (quick - 3)) if quick > 3 else 0)  # restart more slowly after repeated failures

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping = True
        if self._child:
            os.kill(self._child, signal.SIGTERM)


def _become_child(parent: int) -> None:
    """Make this a child that gets Ctrl-C through its parent only and ends when the parent ends."""
    os.setpgid(0, 0)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    if os.getppid() != parent:  # it went just before
        os._exit(1)


def _how(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
