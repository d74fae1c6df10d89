"""`platewatch serve` as a process of its own: started, asked, killed, stopped."""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from waiting import GIVE_UP_S, eventually


class Served:
    """A station that serves `model`, its record in `folder` or at the URL `records`; a context that stops it."""

    def __init__(
        self, model: Path, folder: Path, *options: str, token: str | None = None, records: str | None = None
    ) -> None:
        self.records = records or str(folder / "records.db")
        self.headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        line = [
            sys.executable,
            "-m",
            "platewatch",
            "serve",
            str(model.resolve()),
            "--records",
            self.records,
            "--port",
            "0",
            "--review-share",  # no passing plate is queued at random
            "0",
        ]
        self.home = folder / ".home"
        self.home.mkdir(exist_ok=True)
        unset = ("ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")
        self.process = subprocess.Popen(
            [*line, *options],
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            cwd=folder,
            env={name: value for name, value in os.environ.items() if name not in unset} | {"HOME": str(self.home)},
        )
        self.said: list[str] = []
        self.port = 0
        self._started = threading.Event()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def __enter__(self) -> "Served":
        if not self._started.wait(GIVE_UP_S):
            self.stop()
            raise AssertionError(f"the station did not start: {self.said}")
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def stop(self) -> int:
        """SIGTERM, as an init system says it; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(GIVE_UP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        self._listener.join(GIVE_UP_S)
        assert list(self.home.rglob("*")) == [], "a station writes nothing into the home folder (invariant 12)"
        return code

    def child(self) -> int | None:
        """The process that serves; None for the moment in which there is none."""
        parent = self.process.pid
        found = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        return int(found[0]) if found else None

    def kill(self) -> None:
        """SIGKILL for the process that serves, wherever it is."""
        os.kill(eventually(self.child) or 0, signal.SIGKILL)

    def connect(self) -> http.client.HTTPConnection:
        """A connection that the caller closes."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=GIVE_UP_S)

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        """One request on a connection of its own: status and JSON; raises OSError or HTTPException when it breaks."""
        connection = self.connect()
        try:
            connection.request(method, path, body, {**self.headers, **(headers or {})})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def _listen(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as lines:
            for line in lines:
                self.said.append(line.rstrip())
                found = re.match(r"http://[\w.]+:(\d+): model", line)
                if found:
                    self.port = int(found[1])
                    self._started.set()
