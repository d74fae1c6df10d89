"""The throttle of failed logins, and the one thread that checks passwords."""

import asyncio
import threading
import time
from collections import Counter, deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from platewatch.station.users import Account, Users

_MOST_COUNTED = 4000  # names and addresses whose failed logins are counted
_WAITING, _WAITING_OF_ONE = 16, 6  # passwords that may wait to be checked: of all addresses, of one


@dataclass(frozen=True)
class Attempt:
    """Whether a login may be tried."""

    wait_s: int
    """Seconds until the next attempt is accepted; 0: this one is accepted, and counts as failed until it succeeds."""
    is_last: bool = False
    """Whether it is the last one of this name or address; the next one has to wait."""


class LoginThrottle:
    """Limits failed logins within WINDOW_S: BY_NAME for each name and address, BY_ADDRESS for each address.

    People may share an address. Beyond the address's limit each name still has one attempt, so that users who have not
    failed can log in. An attempt is counted when it begins, so that parallel attempts are limited too.
    """

    WINDOW_S = 300.0
    BY_NAME, BY_ADDRESS = 5, 200

    def __init__(self) -> None:
        self._failed: dict[tuple[str, ...], deque[float]] = {}
        self._lock = threading.Lock()

    def begin(self, name: str, address: str) -> Attempt:
        """Begin an attempt, or say how long to wait."""
        now = time.monotonic()
        with self._lock:
            of_name, of_address = self._times((name, address), now), self._times((address,), now)
            most = self.BY_NAME if len(of_address) < self.BY_ADDRESS else 1
            if len(of_name) >= most:
                return Attempt(int(self.WINDOW_S - (now - of_name[0])) + 1)
            of_name.append(now)
            of_address.append(now)
            for key in list(self._failed)[: max(0, len(self._failed) - _MOST_COUNTED)]:
                del self._failed[key]
            return Attempt(0, len(of_name) == self.BY_NAME or len(of_address) == self.BY_ADDRESS)

    def succeeded(self, name: str, address: str) -> None:
        """Forget the failed logins of this name from this address."""
        now = time.monotonic()
        with self._lock:
            of_name, of_address = self._failed.pop((name, address), None), self._times((address,), now)
            if of_name and of_address:
                of_address.pop()

    def withdrawn(self, name: str, address: str) -> None:
        """Remove an attempt whose password was not checked."""
        now = time.monotonic()
        with self._lock:
            for key in ((name, address), (address,)):
                times = self._times(key, now)
                if times:
                    times.pop()

    def _times(self, key: tuple[str, ...], now: float) -> deque[float]:
        """When attempts of the key within the window began; the key is the newest from now on."""
        times = self._failed.pop(key, None) or deque()
        while times and now - times[0] > self.WINDOW_S:
            times.popleft()
        self._failed[key] = times
        return times


class PasswordChecks:
    """Checks passwords in its own thread: a check uses a core for a while, and nothing else waits for it."""

    def __init__(self, users: Users) -> None:
        self._users = users
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="passwords")
        self._waiting: Counter[str] = Counter()

    async def account(self, name: str, password: str, address: str) -> tuple[bool, Account | None]:
        """Whether there was a place in the queue, and the account for name and password; called in the event loop."""
        if self._waiting.total() >= _WAITING or self._waiting[address] >= _WAITING_OF_ONE:
            return False, None
        self._waiting[address] += 1
        try:
            loop = asyncio.get_running_loop()
            return True, await loop.run_in_executor(self._thread, self._users.by_password, name, password)
        finally:
            self._waiting[address] -= 1
            self._waiting += Counter()  # drop counts of 0

    def stop(self) -> None:
        """Check no further password."""
        self._thread.shutdown(wait=False, cancel_futures=True)
