"""docs/rest.md says what the station does: every example is run, in order, and its answer compared in shape."""

import ast
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import stations
from conftest import Tiny
from platewatch.photographs import reading
from platewatch.photographs.limits import MAX_SIDE, MIN_SIDE
from platewatch.records.values import MOST
from platewatch.station import app, problem_details
from platewatch.station.settings import Settings
from served import Served

TEXT = (Path(__file__).parents[1] / "docs" / "rest.md").read_text(encoding="utf-8")
_EXAMPLE = re.compile(r"```(bash|python)\n(.*?)```(?:\n+```(json|text)\n(.*?)```)?", re.DOTALL)
_ADDRESS = "http://127.0.0.1:8000"
_NEXT = "\x1e"  # stands between two examples' answers


@dataclass(frozen=True)
class Example:
    """A block of the document, and the answer that it shows, if any."""

    language: str
    text: str
    kind: str | None
    answer: str

    @property
    def shell(self) -> str:
        """For bash."""
        return self.text if self.language == "bash" else f"python - <<'END OF PYTHON'\n{self.text}END OF PYTHON\n"


EXAMPLES = [Example(*found) for found in _EXAMPLE.findall(TEXT)]


@pytest.fixture
def served(tiny_model: Tiny, tmp_path: Path) -> Iterator[Served]:
    stations.two_models(tmp_path / "models", tiny_model.model)
    shutil.copyfile(next((tiny_model.data / "test" / "total_rust").iterdir()), tmp_path / "plate.png")
    with Served(tmp_path / "models" / "first", tmp_path) as station:
        yield station


def run(examples: list[Example], folder: Path, **environment: str) -> list[str]:
    """What each prints, run in one shell."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    script = "set -eu\n" + "printf '\\036'\n".join(example.shell for example in examples)
    done = subprocess.run(
        ["bash"],
        input=script,
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "PATH": path, **environment},
        check=False,
    )
    printed = done.stdout.split(_NEXT)
    assert done.returncode == 0, f"{examples[len(printed) - 1].text}\n{done.stdout[-500:]}\n{done.stderr}"
    return printed


@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("bash")), reason="curl or bash is not installed")
def test_every_example_answers_as_it_shows(served: Served, tmp_path: Path) -> None:
    start, *others = EXAMPLES
    assert start.text == "platewatch serve MODEL\n"  # as the fixture does
    here = [Example(each.language, each.text.replace(_ADDRESS, served.address), None, "") for each in others]
    for example, printed in zip(others, run(here, tmp_path), strict=True):
        if example.kind == "json":
            assert differs(json.loads(example.answer), json.loads(printed)) is None, printed
        elif example.kind == "text":
            assert plain(printed) == plain(example.answer)
    assert reading.read((tmp_path / "overlay.png").read_bytes()).ndim == 3
    again, form = (json.loads((tmp_path / name).read_text()) for name in ("again.json", "form.json"))
    assert (again["number"], form["number"], form["plate_id"]) == (1, 2, "A-18")


def differs(shown: Any, found: Any, where: str = "") -> str | None:
    """Where two JSON values differ in shape; null stands for anything, a list's first value for all of its values."""
    if shown is None or found is None:
        return None
    if isinstance(shown, dict) and isinstance(found, dict):
        if shown.keys() != found.keys():
            return f"{where}: {sorted(shown.keys() ^ found.keys())}"
        parts = [differs(shown[name], found[name], f"{where}.{name}") for name in shown]
        return next((part for part in parts if part), None)
    if isinstance(shown, list) and isinstance(found, list):
        return differs(shown[0], found[0], f"{where}[0]") if shown and found else None
    number = isinstance(shown, int | float) and isinstance(found, int | float)
    same = number and isinstance(shown, bool) == isinstance(found, bool)
    return None if same or type(shown) is type(found) else f"{where}: {shown!r} {found!r}"


def plain(text: str) -> str:
    """The text without what another plate or machine changes."""
    return re.sub(r"\b(PASS|REVIEW|REJECT)\b(?= \d)", "OUTCOME", re.sub(r"\d+(\.\d+)?", "0", text))


class _Gateway(http.server.BaseHTTPRequestHandler):
    """Answers as a station that is full, then breaks, then judges."""

    keys: list[str | None] = []  # noqa: RUF012 - of the class on purpose: a handler lives for one connection

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.keys.append(self.headers["Idempotency-Key"])
        if len(self.keys) == 1:
            self._answer(503, {"error": {}}, {"Retry-After": "0"})
        elif len(self.keys) == 2:
            self.close_connection = True  # no answer at all
        else:
            self._answer(201, {"outcome": "PASS", "number": 7, "plate_id": "A-19"}, {})

    def _answer(self, status: int, values: Any, headers: dict[str, str]) -> None:
        body = json.dumps(values).encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


def test_the_gateway_of_the_document_comes_again_under_the_same_key(tmp_path: Path) -> None:
    (tmp_path / "plate.png").write_bytes(stations.photograph())
    gateway = next(example for example in EXAMPLES if "def hand_in" in example.text)
    _Gateway.keys.clear()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Gateway) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_address[1]}"
        printed = run([gateway], tmp_path, STATION=address, TOKEN="t")  # noqa: S106 - of a station that is none
        server.shutdown()
    assert printed == ["PASS 7 A-19\n"]
    assert _Gateway.keys == ["order-7/A-19"] * 3


def test_every_code_stands_in_the_document_with_its_status() -> None:
    written = defaultdict[int, set[str]](set)
    for status, codes in re.findall(r"^\| (\d{3}) \| ([^|]*) \|", TEXT, re.MULTILINE):
        written[int(status)] |= set(re.findall(r"`([a-z_]+)`", codes))
    raised = defaultdict[int, set[str]](set)
    for file in Path(app.__file__).parent.glob("*.py"):
        for status, code in errors_raised(file):
            raised[status].add(code)
    for _, status, code in problem_details.LIBRARY_ERRORS:
        raised[status].add(code)
    for status, (code, _, _) in problem_details.FRAMEWORK_ERRORS.items():
        raised[status].add(code)
    raised[405].add(problem_details.OTHER_FRAMEWORK_ERROR[0])
    assert written == raised


def errors_raised(file: Path) -> Iterator[tuple[int, str]]:
    """Status and code of every RequestError that a file raises."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
            continue
        first, second = [*map(constants, node.args), (), ()][:2]
        if node.func.id == "RequestError":
            yield from ((int(status), code) for status in first for code in second)
        elif node.func.id == "_refused":
            yield from ((400, code) for code in first)


def constants(node: ast.AST) -> tuple[str, ...]:
    """Every constant in an expression."""
    return tuple(str(part.value) for part in ast.walk(node) if isinstance(part, ast.Constant))


def test_the_limits_are_those_of_the_station() -> None:
    limits = Settings()
    for shown in (
        f"{limits.max_bytes // 2**20} MiB",
        f"{limits.max_pixels:,} px",
        f"{MIN_SIDE} to {MAX_SIDE} px a side",
        f"within {limits.upload_s:g} s",
        f"one for each core and {limits.waiting} that wait",
        f"`Retry-After: {limits.retry_after_s}`",
        f"| a page of plates | {MOST} |",
        f"| live pages and `/events` | {limits.live_pages} at a time |",
    ):
        assert shown in TEXT, shown
