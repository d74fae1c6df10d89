"""Access control: every check is tried."""

import ast
import json
import socket
import stat
import struct
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from fastapi.routing import APIRoute
from pydantic import TypeAdapter

import platewatch
import stations
from platewatch.cli import serving, watching
from platewatch.errors import InputError
from platewatch.records import Policy
from platewatch.station import security, server, users
from platewatch.station.settings import Settings
from platewatch.station.users import Role, Users
from stations import PASSWORD, Running, bearer, photograph

OPEN = {("GET", "/healthz"), ("GET", "/login"), ("POST", "/login")}


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Running]:
    with stations.running(tmp_path) as running:
        yield running


@pytest.fixture
def tokens(line: Running) -> dict[Role, str]:
    """From now on everyone needs a login."""
    return stations.enrol(line.users)


def addresses(line: Running) -> list[tuple[str, str]]:
    """Every method and address, with numbers for what varies."""
    found: list[tuple[str, str]] = []
    for path, methods in line.app.openapi()["paths"].items():
        plain = path.replace("{number}", "1").replace("{review_id}", "1")
        found.extend((method.upper(), plain) for method in methods)
    return [*found, ("GET", "/docs"), ("GET", "/openapi.json"), ("GET", "/nowhere")]


def plan(tmp_path: Path, **changes: object) -> server.Plan:
    values = {"model": tmp_path, "records": str(tmp_path / "records.db"), "policy": Policy(), **changes}
    return server.Plan(**values)  # type: ignore[arg-type]


def test_the_options_of_serve_have_the_bounds_and_defaults_of_the_settings() -> None:
    properties = TypeAdapter(Settings).json_schema()["properties"]
    options = {option.name: option for option in serving.serve.params}
    for name in ("workers", "waiting"):
        option = options[name]
        assert isinstance(option.type, click.IntRange)
        given = (option.default, option.type.min, option.type.max)
        assert given == tuple(properties[name][key] for key in ("default", "minimum", "maximum"))


@pytest.mark.parametrize("command", [serving.serve, watching.watch], ids=lambda command: command.name)
@pytest.mark.parametrize("name", ["days", "gigabytes", "review_share"])
def test_the_options_of_the_line_have_the_bounds_and_defaults_of_the_policy(command: click.Command, name: str) -> None:
    option = next(each for each in command.params if each.name == name)
    bounds = option.type
    assert isinstance(bounds, click.FloatRange)
    assert option.to_info_dict()["default"] == getattr(Policy(), name)
    assert bounds.min == 0
    tried = [-1e-9, 0.0, 1e-9, 1.0, 1 + 1e-9, 1e9]
    assert [value for value in tried if within(bounds, value)] == [value for value in tried if is_policy(name, value)]


def within(bounds: click.FloatRange, value: float) -> bool:
    try:
        bounds.convert(value, None, None)
    except click.BadParameter:
        return False
    return True


def is_policy(name: str, value: float) -> bool:
    try:
        Policy(**{name: value})  # type: ignore[arg-type]
    except InputError:
        return False
    return True


def test_without_users_only_this_machine_is_served(tmp_path: Path) -> None:
    server.check(plan(tmp_path))
    for host in ("0.0.0.0", "::", "192.168.0.7", "station.local"):  # noqa: S104 - refused
        with pytest.raises(InputError, match="platewatch users add"):
            server.check(plan(tmp_path, host=host))
    Users(tmp_path / "records.db.users.json").add("gateway", Role.OPERATOR)
    server.check(plan(tmp_path, host="192.168.0.7"))


def test_from_the_first_user_on_every_address_needs_one(line: Running, tokens: dict[Role, str]) -> None:
    tried = addresses(line)
    assert len(tried) > 20
    for method, path in tried:
        answer = line.client.request(method, path)
        if (method, path) not in OPEN:
            assert (answer.status_code, answer.json()["error"]["code"]) == (401, "login_needed"), (method, path)
    for wrong in ("Bearer nonsense", "Basic YTpi", f"Bearer {tokens[Role.AUDITOR]}x", "Bearer "):
        assert line.client.get("/model", headers={"Authorization": wrong}).status_code == 401
    assert line.client.get("/model", headers=bearer(tokens[Role.AUDITOR])).status_code == 200


def test_each_role_has_its_rights(line: Running, tokens: dict[Role, str]) -> None:
    operator, engineer, auditor = (bearer(tokens[role]) for role in (Role.OPERATOR, Role.ENGINEER, Role.AUDITOR))
    assert line.client.post("/inspections", content=photograph(125), headers=operator).status_code == 201
    assert line.client.post("/inspections", content=photograph(), headers=auditor).status_code == 403
    made = line.client.post("/inspections/1/reviews", json={"judgement": "good"}, headers=engineer).json()
    assert made["reviewer"] == "engineer"
    assert line.client.post("/inspections/1/reviews", json={"judgement": "good"}, headers=auditor).status_code == 403
    undo = f"/inspections/1/reviews/{made['id']}"
    assert line.client.delete(undo, headers=operator).status_code == 403  # another person's review
    assert line.client.delete(undo, headers=auditor).status_code == 403
    assert line.client.delete(undo, headers=engineer).status_code == 200
    activate = {"model_id": "0123456789ab"}
    assert [
        line.client.post("/model/activate", json=activate, headers=each).status_code
        for each in (operator, auditor, engineer)
    ] == [403, 403, 200]
    assert line.client.get("/inspections/1", headers=auditor).status_code == 200


def test_every_address_needs_a_right(line: Running) -> None:
    """An address without one would let every role do what it does."""
    rights = {dependency.call.__qualname__ for dependency in _dependencies(line) if dependency.call}
    assert rights == {"needs.<locals>.check"}
    without = {(m, r.path) for r in _routes(line) if not r.dependant.dependencies for m in r.methods or ()}
    assert without == OPEN


def _routes(line: Running) -> list[APIRoute]:
    return [route for part in line.app.router.routes for route in _flat(part)]


def _flat(route: object) -> list[APIRoute]:
    if isinstance(route, APIRoute):
        return [route]
    inner = getattr(getattr(route, "original_router", None), "routes", ())
    return [each for one in inner for each in _flat(one)]


def _dependencies(line: Running) -> list[Any]:
    return [dependency for route in _routes(line) for dependency in route.dependant.dependencies]


def test_the_file_of_users_holds_no_secret_and_is_private(tmp_path: Path) -> None:
    known = Users(tmp_path / "users.json")
    token = known.add("gateway", Role.OPERATOR)
    assert token is not None
    assert known.add("anna", Role.ENGINEER, PASSWORD) is None
    text = known.path.read_text()
    assert token not in text
    assert PASSWORD not in text
    assert "$argon2id$" in text
    assert stat.S_IMODE(known.path.stat().st_mode) == 0o600
    assert known.by_token(token) == users.Account("gateway", Role.OPERATOR)
    assert known.by_password("anna", PASSWORD) == users.Account("anna", Role.ENGINEER)
    for name, password in (("anna", "wrong password"), ("nobody", PASSWORD), ("gateway", PASSWORD), ("gateway", "")):
        assert known.by_password(name, password) is None
    known.path.chmod(0o644)
    with pytest.raises(InputError, match="chmod 600"):
        known.all()


def test_a_damaged_file_of_users_grants_no_access(line: Running, tokens: dict[Role, str]) -> None:
    line.users.path.write_text("[]]")
    assert line.client.get("/model").status_code != 200
    assert line.client.get("/model", headers=bearer(tokens[Role.ENGINEER])).status_code == 422
    assert line.client.get("/healthz").status_code == 200


@pytest.mark.parametrize("bad", ["", "x" * 41, "a\nb", " anna"])
def test_unusable_names_and_passwords_are_refused(tmp_path: Path, bad: str) -> None:
    known = Users(tmp_path / "users.json")
    with pytest.raises(InputError):
        known.add(bad, Role.OPERATOR)
    with pytest.raises(InputError, match="expected 10 to 200"):
        known.add("anna", Role.OPERATOR, "short")


def test_a_session_cookie_is_random_and_protected(line: Running, tokens: dict[Role, str]) -> None:
    answer = line.client.post(
        "/login", data={"name": "operator", "password": PASSWORD, "next": "/history"}, follow_redirects=False
    )
    assert (answer.status_code, answer.headers["location"]) == (303, "/history")
    cookie = answer.headers["set-cookie"]
    assert "httponly" in cookie.lower()
    assert "samesite=strict" in cookie.lower()
    assert "operator" not in cookie
    value = line.client.cookies["platewatch"]
    kept = line.users.path.with_name("users.sessions.json")
    assert value not in kept.read_text()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert line.client.get("/session").json()["name"] == "operator"
    assert line.records.events("login")[0].actor == "operator"


def test_with_tls_the_cookie_is_sent_by_https_only(tmp_path: Path) -> None:
    with stations.running(tmp_path, tls=True) as line:
        stations.enrol(line.users)
        form = {"name": "operator", "password": PASSWORD}
        answer = line.client.post("/login", data=form, follow_redirects=False)
        assert answer.headers["set-cookie"].startswith("__Host-platewatch=")
        assert "; secure" in answer.headers["set-cookie"].lower()
        assert answer.headers["strict-transport-security"].startswith("max-age=")


@pytest.mark.parametrize(
    "target", ["https://elsewhere.example/", "//elsewhere.example", "/\\elsewhere", "x", "/a\r\nb: c"]
)
def test_a_login_redirects_to_no_other_site(line: Running, tokens: dict[Role, str], target: str) -> None:
    form = {"name": "operator", "password": PASSWORD, "next": target}
    assert line.client.post("/login", data=form, follow_redirects=False).headers["location"] == "/"


def test_a_request_with_a_cookie_needs_the_csrf_token(line: Running, tokens: dict[Role, str]) -> None:
    token = line.log_in("engineer")
    for headers in ({}, {"X-CSRF-Token": "0" * 64}, {"X-CSRF-Token": ""}, {"X-CSRF-Token": "é"}):
        encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
        answer = line.client.post("/inspections", content=photograph(), headers=encoded)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forged")
    assert line.records.counts().received == 0
    good = {"X-CSRF-Token": token}
    assert line.client.post("/inspections", content=photograph(), headers=good).status_code == 201
    assert line.client.post("/logout").status_code == 403
    assert line.client.post("/logout", headers=good).status_code == 204
    assert line.client.get("/session").status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://elsewhere.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:81"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_requests_from_pages_of_other_sites_are_refused(line: Running, headers: dict[str, str]) -> None:
    """Also at a station without users, which has no cookie."""
    answer = line.client.post("/inspections", content=photograph(), headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "other_site")
    own = {"Origin": stations.HOME, "Sec-Fetch-Site": "same-origin"}
    assert line.client.post("/inspections", content=photograph(), headers=own).status_code == 201


def test_other_host_names_are_refused(line: Running) -> None:
    """DNS rebinding: another site's name that resolves to 127.0.0.1."""
    others = ("elsewhere.example", "127.0.0.1.elsewhere.example:8000", "", "127.0.0.1@elsewhere.example", "[::2]")
    for host in (*others, "127.0.0.1:8000:9", "localhost:80@elsewhere.example", "[::1", "127.0.0.1:"):
        answer = line.client.get("/inspections", headers={"Host": host})
        assert (answer.status_code, answer.json()["error"]["code"]) == (421, "other_host"), host
    for host in ("localhost:8000", "127.0.0.1", "LOCALHOST", "[::1]", "[::1]:8000"):
        assert line.client.get("/inspections", headers={"Host": host}).status_code == 200


def test_removing_a_user_or_changing_the_password_ends_the_session(line: Running, tokens: dict[Role, str]) -> None:
    line.log_in("operator")
    line.users.add("operator", Role.AUDITOR, PASSWORD + "!")
    assert line.client.get("/session").status_code == 401
    line.log_in("engineer")
    line.users.remove("engineer")
    assert line.client.get("/session").status_code == 401
    assert line.client.get("/session", headers=bearer(tokens[Role.ENGINEER])).status_code == 401


def test_a_session_survives_a_restart_and_expires(tmp_path: Path) -> None:
    with stations.running(tmp_path) as line:
        stations.enrol(line.users)
        line.log_in("operator")
        cookie = line.client.cookies["platewatch"]
    with stations.running(tmp_path) as line:
        line.client.cookies["platewatch"] = cookie
        assert line.client.get("/session").json()["name"] == "operator"
    kept = tmp_path / "users.sessions.json"
    values = json.loads(kept.read_text())
    kept.write_text(json.dumps({key: {**each, "expires": 1.0} for key, each in values.items()}))
    with stations.running(tmp_path) as line:
        line.client.cookies["platewatch"] = cookie
        assert line.client.get("/session").status_code == 401


def test_every_response_has_the_security_headers(line: Running) -> None:
    for path in ("/healthz", "/docs", "/inspections", "/nowhere", "/static/docs.css", "/inspections/0"):
        headers = line.client.get(path).headers
        for name in security.HEADERS:
            assert name in headers, (path, name)
        policy = headers["content-security-policy"]
        assert "unsafe" not in policy
        assert "script-src 'self';" in policy
        assert "frame-ancestors 'none'" in policy
        assert "server" not in headers


def test_an_upload_that_is_too_large_is_refused(tmp_path: Path) -> None:
    with stations.running(tmp_path, max_bytes=100_000, max_pixels=5000) as line:
        for content in (b"x" * 200_000, iter([b"x" * 50_000] * 10_000)):  # the second has no Content-Length
            answer = line.client.post("/inspections", content=content)
            assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")
        form = {"photograph": ("a.png", b"x" * 120_000, "image/png")}
        assert line.client.post("/inspections", files=form).status_code == 413
        answer = line.client.post("/inspections", content=photograph(width=100, height=51))
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_many_pixels")
        assert line.client.post("/inspections", content=photograph(width=100, height=50)).status_code == 201
        assert line.client.post("/inspections/1/reviews", content=b"x" * 2**21).status_code == 413
        assert line.records.counts().received == 1
        assert 'uploads_refused_total{code="too_many_pixels"} 1.0' in line.client.get("/metrics").text


def test_a_decompression_bomb_is_not_decoded(line: Running) -> None:
    """20,000 × 20,000 px in 50 KB: only its header is read."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 10**6))
    assert line.client.post("/inspections", content=bomb).json()["error"]["code"] == "too_many_pixels"


def test_nothing_is_fetched_for_a_client(line: Running) -> None:
    with socket.create_server(("127.0.0.1", 0)) as trap:
        trap.settimeout(0.5)
        called = threading.Event()

        def wait() -> None:
            try:
                trap.accept()
                called.set()
            except TimeoutError:
                return

        thread = threading.Thread(target=wait)
        thread.start()
        address = f"http://127.0.0.1:{trap.getsockname()[1]}/plate.png"
        line.client.post("/inspections", content=address.encode())
        line.client.post("/inspections", json={"url": address})
        line.client.post("/inspections", data={"photograph": address, "url": address})
        svg = f'<svg xmlns="http://www.w3.org/2000/svg"><image href="{address}"/></svg>'.encode()
        line.client.post("/inspections", files={"photograph": (address, svg, "image/svg+xml")})
        line.client.post(f"/inspections?name={address}", content=photograph())
        thread.join()
    assert not called.is_set()


def test_the_station_has_nothing_to_fetch_with() -> None:
    for file in (Path(platewatch.__file__).parent / "station").glob("*.py"):
        named = {
            name
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
            if isinstance(node, ast.Import | ast.ImportFrom)
            for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names])
        }
        assert not {each.partition(".")[0] for each in named} & {"urllib", "http", "httpx", "requests", "ftplib"}, file


def test_what_is_stored_never_runs_in_a_browser(line: Running) -> None:
    line.client.post("/inspections", content=b"<script>alert(1)</script>")
    answer = line.client.get("/inspections/1/photograph")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_api_reference_loads_nothing_from_other_servers(line: Running) -> None:
    page = line.client.get("/docs").text
    assert "POST</b> /inspections" in page
    assert "://" not in page
    assert "<script" not in page
