"""An archive in S3, with its results there too; the server refuses for a while. `make test-ray` installs moto."""

import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from pyarrow import dataset, fs

import servers
from conftest import Tiny
from platewatch.archive import runs
from platewatch.archive.places import Place
from platewatch.archive.runs import Events, Settings
from test_archive import archive_folder, in_this_process, settings, table  # noqa: F401 - fixtures
from waiting import eventually

SERVER = os.environ.get("MOTO_SERVER")
pytestmark = pytest.mark.skipif(not SERVER, reason="moto is not installed: make test-ray")


class Gate:
    """A port in front of the server's, which can be shut: connections are refused, and those that are open end."""

    def __init__(self, behind: int) -> None:
        self.port, self._behind = servers.free_port(), behind
        self._open: list[socket.socket] = []
        self._listener: socket.socket | None = None
        self.open()

    def open(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def shut(self) -> None:
        for each in (self._listener, *self._open):
            if each is not None:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
                each.close()
        self._open.clear()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):  # shut
            while True:
                client, _ = listener.accept()
                server = socket.create_connection(("127.0.0.1", self._behind))
                self._open += [client, server]
                for one, other in ((client, server), (server, client)):
                    threading.Thread(target=_pass_on, args=(one, other), daemon=True).start()


def _pass_on(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):
        while data := one.recv(65536):
            other.sendall(data)
        other.shutdown(socket.SHUT_WR)


@pytest.fixture(scope="module")
def gate() -> Iterator[Gate]:
    assert SERVER
    port = servers.free_port()
    server = subprocess.Popen([SERVER, "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        eventually(lambda: servers.listening(port))
        made = Gate(port)
        yield made
        made.shut()
    finally:
        server.terminate()
        server.wait()


def test_an_archive_in_s3_gives_the_rows_of_this_machine_though_the_server_refuses_for_a_while(
    gate: Gate,
    folder: Path,
    tiny_model: Tiny,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    options = f"?endpoint_override=127.0.0.1:{gate.port}&scheme=http&region=us-east-1"
    (folder / "good" / "gone.png").unlink()  # a store has no links
    system = Place.of(f"s3://plates{options}&allow_bucket_creation=true").system
    assert system is not None
    for bucket in ("plates", "results"):
        system.create_dir(bucket)
    fs.copy_files(str(folder), "plates/archive", destination_filesystem=system)
    lines, was_shut = list[str](), list[bool]()

    def status(found: runs.Status) -> None:
        if found.finished and not was_shut:
            was_shut.append(True)
            gate.shut()

    def line(text: str) -> None:
        if not lines:
            gate.open()
        lines.append(text)

    asked = Settings((f"s3://plates/archive{options}",), tiny_model.model, f"s3://results/2026{options}")
    ended = runs.run(asked, Events(status=status, line=line))
    assert (ended.is_complete, ended.judged) == (True, 11)
    assert lines[0].startswith("waiting: s3://")
    runs.run(settings(folder, tiny_model, tmp_path / "here"), Events())
    found = dataset.dataset("results/2026/rows", filesystem=system, format="parquet").to_table().to_pylist()
    there = sorted(found, key=lambda row: row["image"])
    for name in ("score", "verdict", "image_sha256", "outcome"):
        assert [row[name] for row in there] == [row[name] for row in table(tmp_path / "here")]
    assert there[0]["image"].startswith("s3://plates/archive/")
    assert runs.run(asked, Events()).judged == 0
