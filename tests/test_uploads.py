"""Photographs on their way in: forms, packed bodies, letters that are not UTF-8, memory, slow clients."""

import gzip
import io
import threading
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import stations
from platewatch.errors import InputError
from platewatch.photographs import reading
from platewatch.records import Policy
from platewatch.station import bodies, server, uploads
from platewatch.station.server import Plan
from platewatch.station.settings import Settings
from platewatch.station.users import Role
from stations import Running, bearer, photograph

PLATE = photograph()


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Running]:
    with stations.running(tmp_path) as running:
        yield running


def form(*parts: tuple[str, bytes], boundary: str = "limit") -> dict[str, Any]:
    """A form whose parts have these headers and contents, as the arguments of a request."""
    body = b"".join(f"--{boundary}\r\n{head}\r\n\r\n".encode() + content + b"\r\n" for head, content in parts)
    content_type = f"multipart/form-data; boundary={boundary}"
    return {"content": body + f"--{boundary}--\r\n".encode(), "headers": {"Content-Type": content_type}}


def part(name: str, extra: str = "") -> str:
    return f'Content-Disposition: form-data; name="{name}"{extra}'


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def test_a_form_s_photograph_needs_no_file_name(line: Running) -> None:
    """As `curl -F "photograph=<plate.png"` sends it."""
    found = line.client.post("/inspections", **form((part("photograph"), PLATE), (part("plate_id"), b"A-17"))).json()
    assert (found["verdict"], found["plate_id"], found["image"]) == ("PASS", "A-17", None)


@pytest.mark.parametrize(
    "head",
    [
        part("image") + "\r\nContent-Type: image/png",
        part("file") + "\r\nContent-Type: application/octet-stream",
        part("file", "; filename*=UTF-8''cam%201.png"),
    ],
)
def test_a_part_of_a_form_is_the_photograph_by_its_content_type_too(line: Running, head: str) -> None:
    answer = line.client.post("/inspections", **form((part("plate_id"), b"A-17"), (head, PLATE.ljust(70_000, b"\0"))))
    assert (answer.status_code, answer.json()["plate_id"]) == (201, "A-17")


def test_two_ids_that_differ_in_what_cannot_be_printed_do_not_become_equal(line: Running) -> None:
    """Code readers send group separators. The id is found as it was sent."""
    for sent in ("01%1D23", "012%1D3", "0123"):
        kept = line.client.post(f"/inspections?plate_id={sent}", content=PLATE).json()
        found = line.client.get(f"/inspections?plate_id={sent}").json()["inspections"]
        assert [each["number"] for each in found] == [kept["number"]]


def test_a_form_may_have_many_fields(line: Running) -> None:
    fields = [(part(f"exposure-{number}"), b"1/500") for number in range(40)]
    file = part("anything", '; filename="cam1.png"')
    answer = line.client.post("/inspections", **form(*fields, (part("plate_id"), b"A-18"), (file, PLATE)))
    assert answer.status_code == 201
    assert (answer.json()["plate_id"], answer.json()["image"]) == ("A-18", "cam1.png")


@pytest.mark.parametrize(
    "name",
    [
        *("plateid", "plateId", "plate-id", "Plate_ID", "plate", "plate_no", "palte_id", "plate_id[]", "id", "part_id"),
        *("name", "source", "Idempotency-Key", "idempotency_key"),
    ],
)
def test_a_field_that_is_meant_for_a_known_one_is_refused(line: Running, name: str) -> None:
    """It would be ignored, and the plate could not be found again."""
    answer = line.client.post("/inspections", **form((part("photograph"), PLATE), (part(name), b"A-17")))
    assert code(answer) == (422, "invalid")
    error = answer.json()["error"]
    assert repr(name) in error["message"]
    assert error["expected"].startswith("plate_id once, part_type once, photograph; name (in the query)")
    assert line.records.counts().received == 0


@pytest.mark.parametrize("second", [b"A-18", b"A-17", b""])
def test_a_plate_id_that_is_given_twice_is_refused(line: Running, second: bytes) -> None:
    ids = [(part("plate_id"), content) for content in (b"A-17", second)]
    for sent in (form(*ids, (part("photograph"), PLATE)), form(ids[0], (part("photograph"), PLATE), ids[1])):
        answer = line.client.post("/inspections", **sent)
        assert code(answer) == (422, "invalid")
        assert "plate_id is given several times" in answer.json()["error"]["message"]
    assert line.records.counts().received == 0


def test_form_and_query_that_differ_are_refused(line: Running) -> None:
    sent = form((part("plate_id"), b"A-17"), (part("photograph", '; filename="cam1.png"'), PLATE))
    for query in ("plate_id=A-18", "name=cam2.png", "plate_id=a-17", "plate_id=A-17&name=cam2.png"):
        answer = line.client.post(f"/inspections?{query}", **sent)
        assert code(answer) == (422, "invalid"), query
        assert "in the form and" in answer.json()["error"]["message"]
    assert line.records.counts().received == 0
    for query in ("plate_id=A-17&name=cam1.png", "plate_id=+A-17", "plate_id=", ""):
        assert line.client.post(f"/inspections?{query}", **sent).json()["plate_id"] == "A-17", query
    bare = form((part("photograph"), PLATE), (part("plate_id"), b""))
    found = line.client.post("/inspections?plate_id=A-19&name=cam3.png", **bare).json()
    assert (found["plate_id"], found["image"]) == ("A-19", "cam3.png")


def test_what_is_no_form_with_one_file_is_refused(line: Running) -> None:
    file = part("photograph", '; filename="a.png"')
    cut = form((file, PLATE))
    cut["content"] = cut["content"][:-40]
    no_boundary = {"content": b"x", "headers": {"Content-Type": "multipart/form-data"}}
    for sent in (
        form((file, PLATE), (file, PLATE)),
        form(("Content-Disposition: form-data", PLATE)),
        form((part("note"), b"x" * 70_000), (file, PLATE)),
        form(*[(part("a"), b"")] * 1001),
        cut,
        no_boundary,
    ):
        assert code(line.client.post("/inspections", **sent)) == (400, "malformed")
    for sent in (form((part("plate_id"), b"A")), form((file, b""))):
        assert code(line.client.post("/inspections", **sent)) == (400, "no_photograph")
    assert line.records.counts().received == 0


def test_a_field_keeps_its_letters_or_is_refused(line: Running) -> None:
    """An id with other letters in place of those that could not be read would be another plate's."""
    plain, named = part("plate_id"), part("plate_id") + "\r\nContent-Type: text/plain; charset=windows-1252"
    for head, content, expected in ((plain, "Müller-7".encode(), "Müller-7"), (named, b"M\xfcller \x80", "Müller €")):
        found = line.client.post("/inspections", **form((part("photograph"), PLATE), (head, content))).json()
        assert found["plate_id"] == expected
    for head in (plain, part("plate_id") + "\r\nContent-Type: text/plain; charset=punycode"):
        answer = line.client.post("/inspections", **form((part("photograph"), PLATE), (head, b"M\xfcller")))
        assert code(answer) == (422, "invalid")
        assert "UTF-8" in answer.json()["error"]["expected"]


def test_an_id_that_is_too_long_is_refused_and_not_cut(line: Running) -> None:
    assert code(line.client.post(f"/inspections?plate_id={'9' * 201}", content=PLATE)) == (422, "invalid")
    assert line.client.post(f"/inspections?plate_id={'9' * 200}", content=PLATE).json()["plate_id"] == "9" * 200


@pytest.mark.parametrize("packing", ["gzip", "x-gzip", "GZIP"])
def test_a_packed_photograph_is_unpacked(line: Running, packing: str) -> None:
    packed = gzip.compress(PLATE)
    for content in (packed, iter([packed[:9], packed[9:50], b"", packed[50:]])):
        answer = line.client.post("/inspections", content=content, headers={"Content-Encoding": packing})
        assert answer.status_code == 201
        assert answer.json()["image_sha256"] == reading.sha256(PLATE)
    review = gzip.compress(b'{"judgement": "good"}')
    headers = {"Content-Encoding": packing, "Content-Type": "application/json"}
    assert line.client.post("/inspections/1/reviews", content=review, headers=headers).status_code == 201


def test_a_body_that_is_packed_wrongly_or_otherwise_is_refused(line: Running) -> None:
    packed = gzip.compress(PLATE)
    for content in (PLATE, packed[:-20], zlib.compress(PLATE)):
        answer = line.client.post("/inspections", content=content, headers={"Content-Encoding": "gzip"})
        assert code(answer) == (400, "malformed")
    for packing in ("br", "deflate", "gzip, gzip", "zstd"):
        answer = line.client.post("/inspections", content=packed, headers={"Content-Encoding": packing})
        assert code(answer) == (415, "no_upload")
        assert answer.headers["accept-encoding"] == "gzip"
    assert line.records.counts().received == 0


def test_an_unpacked_body_is_limited_like_any_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "_PIECE", 1000)
    with stations.running(tmp_path, max_bytes=100_000) as line:
        answer = line.client.post(
            "/inspections", content=gzip.compress(bytes(300_000)), headers={"Content-Encoding": "gzip"}
        )
        assert code(answer) == (413, "too_large")


def test_a_body_that_does_not_arrive_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every body has its time, not uploads alone."""
    seen = list[float]()
    given_up = bodies._too_slow

    def note(seconds: float) -> Exception:
        seen.append(seconds)
        return given_up(seconds)

    monkeypatch.setattr(bodies, "_too_slow", note)
    monkeypatch.setattr(bodies, "timeout_at", lambda _: _expired())
    with stations.running(tmp_path, upload_s=7, body_s=3) as line:
        plain, fields = "application/json", "application/x-www-form-urlencoded"
        for path, kind in (("/inspections/1/reviews", plain), ("/model/activate", plain), ("/login", fields)):
            answer = line.client.post(path, content=b"{}", headers={"Content-Type": kind})
            assert code(answer) == (408, "too_slow"), path
        assert code(line.client.post("/inspections", content=PLATE)) == (408, "too_slow")
    assert set(seen) == {7, 3}


class _expired:  # noqa: N801 - stands for a function of asyncio
    async def __aenter__(self) -> None:
        raise TimeoutError

    async def __aexit__(self, *_: object) -> None:
        pass


def test_keys_of_different_users_never_meet(tmp_path: Path) -> None:
    """User `a` with the key `b:c`, and user `a:b` with the key `c`."""
    with stations.running(tmp_path) as line:
        tokens = {name: line.users.add(name, Role.OPERATOR) or "" for name in ("a", "a:b", "a%3Ab")}
        numbers = set()
        for name, key in (("a", "b:c"), ("a:b", "c"), ("a%3Ab", "c")):
            headers = bearer(tokens[name]) | {"Idempotency-Key": key}
            answer = line.client.post("/inspections", content=PLATE, headers=headers)
            assert answer.status_code == 201, name
            numbers.add(answer.json()["number"])
            assert line.client.post("/inspections", content=PLATE, headers=headers).status_code == 200
        assert numbers == {1, 2, 3}
        assert [entry.key for entry in line.records.every()][-1] == "a:b:c", "keys of before are found again"


def test_a_photograph_that_takes_too_much_memory_is_refused_with_the_remedy(tmp_path: Path) -> None:
    out = io.BytesIO()
    Image.new("L", (4000, 4000)).save(out, "PNG")
    with stations.running(tmp_path, memory_mb=300) as line:
        answer = line.client.post("/inspections", content=out.getvalue())
        assert code(answer) == (413, "too_many_pixels")
        assert "--memory 300" in answer.json()["error"]["next"]
        assert line.client.post("/inspections", content=PLATE).status_code == 201


def test_uploads_share_a_bounded_memory(tmp_path: Path) -> None:
    with stations.running(tmp_path) as line:
        budget = line.station.arrivals.budget
        assert budget.take(budget.total - len(PLATE) + 1)
        for content in (PLATE, iter([PLATE])):
            answer = line.client.post("/inspections", content=content)
            assert code(answer) == (503, "overloaded")
            assert answer.headers["retry-after"] == "2"
        budget.give(1)
        assert line.client.post("/inspections", content=PLATE).status_code == 201
        assert budget.taken == budget.total - len(PLATE), "given back after each"


def test_the_header_is_looked_at_outside_the_event_loop(line: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    threads = dict[str, int]()

    def noting(name: str, act: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*arguments: Any) -> Any:
            threads[name] = threading.get_ident()
            return act(*arguments)

        return noted

    monkeypatch.setattr(uploads, "_check_pixels", noting("header", uploads._check_pixels))
    monkeypatch.setattr(line.station.intake, "place", noting("loop", line.station.intake.place))
    assert line.client.post("/inspections", content=PLATE).status_code == 201
    assert threads["header"] != threads["loop"]


def test_the_memory_is_shared_out_and_printed(tmp_path: Path) -> None:
    def plan(**options: Any) -> Plan:
        chosen = Settings(workers=2, **options)
        return Plan(model=tmp_path, records="records.db", policy=Policy(), chosen=chosen)

    shares = Settings(workers=2).shares
    assert shares.bodies >= Settings().max_bytes
    assert shares.bodies + shares.decoding < 600e6 - 150e6
    assert "at most 600 MB" in server.memory_line(plan())
    assert "up to 34 megapixels (23 as TIFF" in server.memory_line(plan())
    more = server.memory_line(plan(memory_mb=1500, max_pixels=100_000_000))
    assert "up to 100 megapixels" in more, "a camera of 65 megapixels"
    with pytest.raises(InputError, match=r"--memory 300.*too little.*at least"):
        server.check(plan(memory_mb=300, max_bytes=200 * 2**20))
