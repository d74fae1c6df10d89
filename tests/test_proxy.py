"""A station behind a proxy: its public address, HEAD, HTTP/1.0 without a host, health checks."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

import stations
from platewatch.errors import InputError
from platewatch.records import Policy
from platewatch.station import public_url, server
from platewatch.station.server import Plan
from platewatch.station.settings import Settings
from stations import PASSWORD, Running, photograph

PUBLIC = "https://plates.example/line3"
HOST = {"Host": "plates.example"}
LOCAL = ("127.0.0.1", "plates.example")


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Running]:
    with stations.running(tmp_path, public_url=PUBLIC, hosts=LOCAL) as running:
        stations.enrol(running.users)
        yield running


def log_in(line: Running, prefix: str, origin: str = "https://plates.example") -> str:
    """Log in as a browser does through the proxy; the cookie as it was set."""
    form = {"name": "engineer", "password": PASSWORD, "next": "/history?text=a"}
    headers = HOST | {"Origin": origin, "Sec-Fetch-Site": "same-origin"}
    answer = line.client.post(f"{prefix}/login", data=form, headers=headers, follow_redirects=False)
    assert answer.status_code == 303, answer.text
    assert answer.headers["location"] == "/line3/history?text=a"
    assert answer.headers["strict-transport-security"]
    return str(answer.headers["set-cookie"])


@pytest.mark.parametrize("prefix", ["/line3", ""], ids=["kept by the proxy", "removed by the proxy"])
def test_a_browser_logs_in_and_works_behind_a_proxy(line: Running, prefix: str) -> None:
    cookie = log_in(line, prefix)
    name, value = cookie.split(";")[0].split("=", 1)
    assert name == "__Secure-platewatch"
    assert "path=/line3;" in f"{cookie.lower()};"
    assert "; secure" in cookie.lower()
    logged_in = HOST | {"Cookie": f"{name}={value}"}
    token = line.client.get(f"{prefix}/session", headers=logged_in).json()["csrf"]
    sent = logged_in | {"Origin": "https://plates.example", "X-CSRF-Token": token}
    answer = line.client.post(f"{prefix}/inspections", content=photograph(125), headers=sent)
    assert answer.status_code == 201
    assert answer.headers["location"] == "/line3/inspections/1"
    for path in ("/", "/review", "/history", "/health", "/models", "/plates/1", "/history/report", "/docs"):
        page = line.client.get(f"{prefix}{path}", headers=logged_in)
        assert page.status_code == 200, path
        addresses = re.findall(r'\b(?:href|src|action)="(/[^"]*)"', page.text)
        assert addresses
        assert [each for each in addresses if not each.startswith("/line3/")] == [], path
    assert line.client.get(f"{prefix}/static/station.css", headers=HOST).status_code == 200
    asked = line.client.get(f"{prefix}/history?text=a", headers=HOST | {"Accept": "text/html"}, follow_redirects=False)
    assert asked.headers["location"].startswith("/line3/login?next=%2Fhistory")


def test_the_scripts_put_the_prefix_before_every_address() -> None:
    """An address in a script is `root` and a path, or goes through `request`, which adds it."""
    static = Path(server.__file__).parent / "static"
    pattern = re.compile(r"""(?:assign\(|EventSource\(|href = |Of = \(number\) => |fetch\()\s*[`"']/""")
    for file in static.glob("*.js"):
        assert pattern.findall(file.read_text(encoding="utf-8")) == [], file.name


@pytest.mark.parametrize("origin", ["http://plates.example", "https://elsewhere.example", "null"])
def test_pages_of_other_sites_are_refused_behind_a_proxy_too(line: Running, origin: str) -> None:
    answer = line.client.post("/line3/login", data={"name": "a", "password": "b"}, headers=HOST | {"Origin": origin})
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "other_site")
    assert "--public-url" in answer.json()["error"]["next"]


def test_the_case_of_a_proxy_that_ends_tls_on_the_same_host(tmp_path: Path) -> None:
    with stations.running(tmp_path, public_url="https://127.0.0.1:8000") as line:
        headers = {"Host": "127.0.0.1:8000", "Origin": "https://127.0.0.1:8000", "X-Forwarded-Proto": "https"}
        assert line.client.post("/inspections", content=photograph(), headers=headers).status_code == 201
        other = headers | {"Host": "elsewhere.example"}
        assert line.client.post("/inspections", content=photograph(), headers=other).status_code == 421


def test_head_is_answered_as_get_without_the_content(tmp_path: Path) -> None:
    with stations.running(tmp_path) as line:
        line.post(125)
        paths = ("/healthz", "/", "/inspections", "/inspections/1/photograph", "/static/station.css", "/history.csv")
        for path in (*paths, "/events", "/metrics", "/nowhere", "/inspections/99"):
            head = line.client.head(path)
            assert head.content == b""
            if path != "/events":  # which never ends
                get = line.client.get(path)
                assert head.status_code == get.status_code, path
                assert head.headers.get("content-type") == get.headers.get("content-type")
                length = get.headers.get("content-length")
                assert path in {"/healthz", "/metrics"} or head.headers.get("content-length") == length, path
        assert len(line.station.live) == 0
        assert line.client.head("/inspections/1/reviews").status_code == 200
        assert line.records.counts().received == 1


def test_a_health_check_needs_no_name_and_no_login(line: Running) -> None:
    for host in ("10.1.2.3:8000", "lb.internal", ""):
        assert line.client.get("/healthz", headers={"Host": host}).status_code == 200
        assert line.client.head("/line3/healthz", headers={"Host": host}).status_code == 200
        assert line.client.get("/inspections", headers={"Host": host}).status_code == 421


async def _status(line: Running, target: str, *, version: str = "1.1", method: str = "GET", **headers: str) -> int:
    """The status of a request whose target is this, with these headers, as uvicorn hands it in."""
    statuses, received = list[int](), list[int]()
    raw_path, _, query = target.partition("?")
    scope: dict[str, Any] = {
        "type": "http",
        "method": method,
        "path": unquote(raw_path),
        "raw_path": raw_path.encode(),
        "query_string": query.encode(),
    }
    sent = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope |= {"headers": sent, "http_version": version, "scheme": "http", "server": None, "client": None}

    async def receive() -> dict[str, object]:
        received.append(1)
        return {"type": "http.request" if len(received) == 1 else "http.disconnect", "body": b"", "more_body": False}

    async def send(message: dict[str, int]) -> None:
        statuses.extend([message["status"]] if "status" in message else [])

    await line.app(scope, receive, send)  # type: ignore[arg-type]
    return statuses[0]


def test_http_1_0_needs_no_host(tmp_path: Path) -> None:
    with stations.running(tmp_path) as line:
        assert asyncio.run(_status(line, "/inspections", version="1.0")) == 200
        assert asyncio.run(_status(line, "/healthz", version="1.0")) == 200


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "elsewhere.example"])
def test_a_target_in_absolute_form_names_the_host(tmp_path: Path, host: str) -> None:
    """Its authority is judged by the rules of the Host header, which is not looked at (RFC 9112, 3.2.2)."""
    with stations.running(tmp_path) as line:
        line.client.post("/inspections?plate_id=a%20b", content=photograph())
        for target, status in (
            ("http://127.0.0.1:8000/healthz", 200),
            ("http://elsewhere.example/healthz", 200),
            ("http://127.0.0.1:8000/inspections/1/photograph", 200),
            ("HTTP://LOCALHOST/counts?since=2020-01-01T00:00:00Z", 200),
            ("http://[::1]:8000", 200),
            ("http://127.0.0.1:8000?verdikt=REJECT", 422),
            ("http://127.0.0.1/static%2Fstation.css", 200),
            ("http://127.0.0.1:8000/nowhere", 404),
            ("http://elsewhere.example/counts", 421),
            ("http://127.0.0.1@elsewhere.example/counts", 421),
            ("http://127.0.0.1:x/counts", 421),
            ("https://127.0.0.1:8000/counts", 421),
        ):
            assert asyncio.run(_status(line, target, host=host)) == status, target
        for target in ("http:///counts", "ftp://127.0.0.1/counts", "127.0.0.1:8000", "*"):
            assert asyncio.run(_status(line, target, host="127.0.0.1")) in {400, 404, 421}, target
        assert asyncio.run(_status(line, "http://127.0.0.1/counts", version="1.0")) == 200
        assert asyncio.run(_status(line, "http://elsewhere.example/counts", version="1.0")) == 421


def test_a_target_in_absolute_form_needs_a_login_and_its_own_origin_too(line: Running) -> None:
    for path in ("/counts", "/line3/counts", "/static/../counts"):
        assert asyncio.run(_status(line, f"http://127.0.0.1{path}", host="127.0.0.1")) in {401, 404}, path
    assert asyncio.run(_status(line, "https://plates.example/line3/static/station.css", host="x")) == 200
    for origin, status in (("http://elsewhere.example", 403), ("http://127.0.0.1", 401)):
        sent = _status(line, "http://127.0.0.1/inspections", method="POST", host="elsewhere.example", origin=origin)
        assert asyncio.run(sent) == status


@pytest.mark.parametrize(
    ("text", "origin", "prefix"),
    [
        ("https://plates.example", "https://plates.example", ""),
        ("https://Plates.example/", "https://plates.example", ""),
        ("https://plates.example:443/a/b/", "https://plates.example", "/a/b"),
        ("http://10.0.0.5:8080/line-3", "http://10.0.0.5:8080", "/line-3"),
        ("http://[::1]:80", "http://[::1]", ""),
    ],
)
def test_a_public_address_is_taken_apart(text: str, origin: str, prefix: str) -> None:
    found = public_url.parse(text)
    assert (found.origin, found.prefix) == (origin, prefix)


@pytest.mark.parametrize(
    "text", ["plates.example", "ftp://a", "https://", "https://a/b?c", "https://a//b", "https://u:p@a", "https://a/b c"]
)
def test_what_is_no_public_address_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="--public-url"):
        public_url.parse(text)


def test_the_public_host_is_one_of_the_station_s_names(tmp_path: Path) -> None:
    chosen = Settings(public_url=PUBLIC, users=tmp_path / "users.json")
    plan = Plan(model=tmp_path, records=str(tmp_path / "records.db"), policy=Policy(), chosen=chosen)
    records = type("Records", (), {"places": ()})()
    assert "plates.example" in server.settings(plan, records).hosts
