"""Real servers on loopback for the tests: PostgreSQL and mosquitto as Debian packs them; absent, a reason to skip."""

import getpass
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from waiting import GIVE_UP_S, eventually

_HOST = "127.0.0.1"
_PORTS = range(20_000, 32_000)  # below those that the system gives to clients, one of which would take it meanwhile


def free_port() -> int:
    """A port that nobody uses at the moment; another one each time, in every process."""
    while True:
        port = secrets.choice(_PORTS)
        with socket.socket() as listener, suppress(OSError):
            listener.bind((_HOST, port))
            return port


def listening(port: int) -> bool:
    with socket.socket() as client:
        client.settimeout(1)
        return client.connect_ex((_HOST, port)) == 0


def postgresql_programs() -> Path | None:
    """The folder with initdb and postgres, the newest version's."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    there = shutil.which("initdb")
    return None if there is None else Path(there).resolve().parent


def server_user() -> dict[str, Any]:
    """PostgreSQL refuses to be run by root: then its own user runs it."""
    return {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}


@contextmanager
def postgresql() -> Iterator[str]:
    """The URL, without a database's name, of a PostgreSQL that lives as long as the block."""
    programs = postgresql_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    folder = Path(tempfile.mkdtemp(prefix="platewatch-postgresql-"))
    user, port = server_user(), free_port()
    name = user.get("user", getpass.getuser())
    if user:
        shutil.chown(folder, name)
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder, **user}
    make = [
        str(programs / "initdb"),
        "-D",
        str(folder / "data"),
        "-A",
        "trust",
        "-E",
        "UTF8",
        "--locale=C.UTF-8",
        "--no-sync",
    ]
    subprocess.run(make, check=True, **quiet)
    settings = {"listen_addresses": _HOST, "unix_socket_directories": folder, "shared_buffers": "32MB"}
    settings |= dict.fromkeys(("fsync", "full_page_writes", "autovacuum"), "off")  # no power is lost, nothing grows
    options = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
    server = subprocess.Popen([programs / "postgres", "-D", folder / "data", "-p", str(port), *options], **quiet)
    try:
        _wait(server, lambda: _accepts(folder / "data"))
        yield f"postgresql+psycopg://{name}@{_HOST}:{port}"
    finally:
        _stop(server)
        shutil.rmtree(folder, ignore_errors=True)


def new_database(server: str, name: str) -> str:
    """The URL of a new, empty database on the server."""
    import psycopg

    with psycopg.connect(f"{server.replace('+psycopg', '')}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return f"{server}/{name}"


def is_alone(url: str) -> bool:
    """Whether no server process works for this database; one whose client was killed may still finish a commit."""
    import psycopg

    others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        return connection.execute(others).fetchall() == [(0,)]


class Mosquitto:
    """A broker that can be stopped and started again on the same port."""

    def __init__(self, program: str, configuration: Path | None = None) -> None:
        self.port = free_port()
        self.program, self._configuration = program, configuration
        self._server: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        options = ["-p", str(self.port)]  # without a configuration it listens on loopback alone
        if self._configuration is not None:
            options = ["-c", str(self._configuration)]
        command = [self.program, *options]
        self._server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _wait(self._server, lambda: listening(self.port))

    def stop(self) -> None:
        if self._server is not None:
            _stop(self._server)
            self._server = None


class StrictBroker:
    """A broker that asks for a login and limits topics and sizes, with a TLS listener of its own authority."""

    USER, PASSWORD = "cam", "p@ss/w:rd #1"

    def __init__(self, folder: Path, program: str) -> None:
        folder.chmod(0o755)
        self.plain = Mosquitto(program, folder / "conf")
        self.tls_port = free_port()
        self.certificate = folder / "certificate.pem"
        (folder / "passwords").touch()
        add = ["mosquitto_passwd", "-b", str(folder / "passwords"), self.USER, self.PASSWORD]
        named = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2", "-nodes"]
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-keyout", str(folder / "key.pem")]
        make = ["openssl", "req", "-x509", *key, "-out", str(self.certificate), *named]
        for command in (add, make):
            subprocess.run(command, check=True, capture_output=True)
        (folder / "access").write_text(f"user {self.USER}\ntopic readwrite plates/ok\n")
        lines = [
            "allow_anonymous false",
            f"password_file {folder}/passwords",
            f"acl_file {folder}/access",
            "max_packet_size 7000",
            "message_size_limit 4000",
            f"user {getpass.getuser()}",
            f"listener {self.plain.port} {_HOST}",
            f"listener {self.tls_port} {_HOST}",
            f"certfile {self.certificate}",
            f"keyfile {folder}/key.pem",
        ]
        (folder / "conf").write_text("\n".join(lines) + "\n")

    def url(self, topic: str) -> str:
        """Without the password."""
        return f"mqtt://{self.USER}@{_HOST}:{self.plain.port}/{topic}"


@contextmanager
def strict_broker(folder: Path) -> Iterator[StrictBroker]:
    """A running broker of this kind, whose files lie in the folder."""
    with mosquitto(start=False) as any_broker:
        broker = StrictBroker(folder, any_broker.program)
        broker.plain.start()
        try:
            yield broker
        finally:
            broker.plain.stop()


@contextmanager
def mosquitto(*, start: bool = True) -> Iterator[Mosquitto]:
    """A running broker; the block may stop and start it."""
    program = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        pytest.skip("mosquitto is not installed (Debian: apt-get install mosquitto)")
    broker = Mosquitto(program)
    if start:
        broker.start()
    try:
        yield broker
    finally:
        broker.stop()


def _accepts(data: Path) -> bool:
    """Whether the PostgreSQL of this folder lets clients in, as its pid file says; it listens some time before."""
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return False
    return len(lines) > 7 and lines[7].strip() == "ready"  # the eighth line is what pg_ctl waits for


def _wait(server: "subprocess.Popen[bytes]", is_ready: Callable[[], bool]) -> None:
    def ready() -> bool:
        assert server.poll() is None, f"{server.args!r} ended with {server.returncode}"
        return is_ready()

    eventually(ready)


def _stop(server: "subprocess.Popen[bytes]") -> None:
    server.terminate()
    try:
        server.wait(GIVE_UP_S / 2)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def farther(server: str, wait_s: float) -> str:
    """The URL of the same server where each packet waits; requests and answers of a database take turns."""
    base, _, port = server.rpartition(":")
    listening = socket.create_server((_HOST, 0))

    def pass_on(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            target.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while data := source.recv(2**16):
                time.sleep(wait_s)
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def accept() -> None:
        while True:
            near, far = listening.accept()[0], socket.create_connection((_HOST, int(port)))
            for both in ((near, far), (far, near)):
                threading.Thread(target=pass_on, args=both, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return f"{base}:{listening.getsockname()[1]}"


def started_together(running: list[subprocess.Popen[str]]) -> list[int]:
    """The numbers that these programs print, which wait for a line on stdin once they have printed one."""
    for process in running:
        assert process.stdout is not None
        process.stdout.readline()
    for process in running:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    return [int(process.communicate()[0]) for process in running]
