"""Killed at any moment under load: nothing acknowledged is lost, nothing is twice, the chain is whole.

PLATEWATCH_KILLS=50 kills it 50 times.
"""

import http.client
import os
import random
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from conftest import Tiny
from platewatch.records import Query, Records
from served import Served

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds the serving process in Linux's /proc")

KILLS, CLIENTS = int(os.environ.get("PLATEWATCH_KILLS", "10")), 3


class Client(threading.Thread):
    """A gateway: posts plate after plate, each under a key of its own, again until it is acknowledged."""

    def __init__(self, served: Served, name: str, photographs: list[bytes], stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self.acknowledged: dict[str, tuple[int, str]] = {}
        self.broken = 0
        self._served, self._key, self._photographs, self._stop_now = served, name, photographs, stop

    def run(self) -> None:
        number = 0
        while not self._stop_now.is_set():
            number += 1
            self._post(f"{self._key}-{number}", self._photographs[number % len(self._photographs)])

    def _post(self, key: str, photograph: bytes) -> None:
        while True:
            try:
                status, found = self._served.ask("POST", "/inspections", photograph, {"Idempotency-Key": key})
            except (OSError, http.client.HTTPException, ValueError):
                self.broken += 1
                time.sleep(0.01)
                continue
            if status == 503:
                time.sleep(0.05)
                continue
            assert status in {200, 201}, found
            self.acknowledged[key] = found["number"], found["image_sha256"]
            return


def test_killed_at_any_moment(tiny_model: Tiny, tmp_path: Path) -> None:
    photographs = [path.read_bytes() for path in sorted((tiny_model.data / "test").rglob("*.png"))]
    rng, stop = random.Random(0), threading.Event()  # noqa: S311 - moments, no secrets
    with Served(tiny_model.model, tmp_path) as served:
        clients = [Client(served, f"c{number}", photographs, stop) for number in range(CLIENTS)]
        for client in clients:
            client.start()
        for _ in range(KILLS):
            time.sleep(rng.uniform(0.0, 0.3))
            served.kill()
            assert served.ask("GET", "/healthz")[0] == 200  # up again by itself; the request waits for it
        before_repeating = dict(kv for client in clients for kv in client.acknowledged.items())
        for key, (number, _) in list(before_repeating.items())[:5]:  # as a gateway does that lost the answer
            photograph = photographs[int(key.partition("-")[2]) % len(photographs)]
            status, again = served.ask("POST", "/inspections", photograph, {"Idempotency-Key": key})
            assert (status, again["number"]) == (200, number)
        stop.set()
        for client in clients:
            client.join(60)
            assert not client.is_alive()
        assert served.stop() == 0
    acknowledged = dict(kv for client in clients for kv in client.acknowledged.items())
    assert sum(client.broken for client in clients) > 0  # the kills met plates on their way
    with Records.open(served.records) as records:
        entries = list(records.every(Query()))
        found = records.audit()
        assert found.breaks == ()
        assert records.counts().received == len(entries)
    keys = Counter(entry.key for entry in entries)
    assert set(keys.values()) == {1}
    assert {f"local:{key}": value for key, value in acknowledged.items()} == {
        entry.key: (entry.number, entry.photograph_sha256) for entry in entries
    }
