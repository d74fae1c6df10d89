"""The REST service as a gateway uses it: plates, the record, reviews, the model, live events."""

import asyncio
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pydantic import TypeAdapter

import stations
from conftest import Tiny
from platewatch.line.judging import Plate
from platewatch.line.model_registry import ModelRegistry
from platewatch.line.wording import event_text
from platewatch.photographs import reading
from platewatch.records import Records
from platewatch.station.inspections import Recorded
from platewatch.station.live import Live, Message
from platewatch.station.problem_details import RequestError
from stations import Running, photograph
from waiting import GIVE_UP_S

RECORDS_OWN = {
    *("number", "plate_id", "source", "received", "photograph_sha256", "photograph_kept", "sampled", "outcome"),
    *("station", "part_type"),
    *("review", "chain"),
}


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Running]:
    with stations.running(tmp_path) as running:
        yield running


def test_a_plate_is_judged_recorded_and_answered(line: Running) -> None:
    answer = line.client.post("/inspections?plate_id=A-17&name=cam1.png", content=photograph(125))
    assert (answer.status_code, answer.headers["location"]) == (201, "/inspections/1")
    found = answer.json()
    assert (found["number"], found["verdict"], found["plate_id"], found["image"]) == (1, "REJECT", "A-17", "cam1.png")
    own = {name: value for name, value in found.items() if name not in RECORDS_OWN}
    assert line.records.get(1).inspection.as_dict() == own
    assert line.client.get("/inspections/1").json() == found


def test_the_inspection_is_the_command_line_s(line: Running) -> None:
    schema = json.loads((resources.files("platewatch") / "schemas/inspection.json").read_text(encoding="utf-8"))
    for content in (photograph(125), b"no photograph"):
        found = line.client.post("/inspections", content=content).json()
        own = {name: value for name, value in found.items() if name not in RECORDS_OWN}
        jsonschema.Draft202012Validator(schema).validate(own)
        assert found.keys() - own.keys() == RECORDS_OWN
        TypeAdapter(Recorded).validate_python(found)  # what /openapi.json promises


def test_a_form_with_one_file_is_the_same_plate(line: Running) -> None:
    raw = line.post(80)
    form = {"photograph": ("belt 3.png", photograph(80), "image/png")}
    found = line.client.post("/inspections", files=form, data={"plate_id": "B-1"}).json()
    assert (found["score"], found["image_sha256"]) == (raw["score"], raw["image_sha256"])
    assert (found["image"], found["plate_id"]) == ("belt 3.png", "B-1")


def test_an_unreadable_photograph_is_recorded_as_failed(line: Running) -> None:
    answer = line.client.post("/inspections", content=photograph()[:200])
    found = answer.json()
    assert (answer.status_code, found["verdict"], found["outcome"]) == (201, None, "FAILED")
    assert "damaged photograph" in found["error"]
    counts = line.client.get("/counts").json()
    assert (counts["received"], counts["judged"], counts["failed"]) == (1, 0, 1)


def test_a_detector_that_fails_costs_its_plate_the_verdict_and_nothing_else(
    line: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stations.LineInspector, "examine", lambda *_: 1 / 0)
    found = line.post()
    monkeypatch.undo()
    assert (found["verdict"], found["reason"]) == (None, "could not be judged")
    assert line.post()["verdict"] == "PASS"


def test_the_same_key_gives_the_first_entry_also_to_those_who_come_meanwhile(line: Running) -> None:
    sent = [photograph() for _ in range(6)]
    answers: list[Any] = []

    def send(content: bytes) -> None:
        answers.append(line.client.post("/inspections", content=content, headers={"Idempotency-Key": "k1"}))

    threads = [threading.Thread(target=send, args=(content,)) for content in sent]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    send(sent[0])
    assert {answer.json()["number"] for answer in answers} == {1}
    assert answers[-1].status_code == 200
    assert line.records.counts().received == 1
    assert (
        line.client.post("/inspections", content=photograph(80), headers={"Idempotency-Key": "k1"}).status_code == 409
    )


def test_the_same_key_with_another_photograph_is_refused_while_the_first_is_judged(
    line: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, let_go = line.station.intake, threading.Event()
    run = held._run

    def waiting(*arguments: Any) -> None:
        let_go.wait(GIVE_UP_S)
        run(*arguments)

    monkeypatch.setattr(held, "_run", waiting)
    first = held.submit(Plate(photograph(), key="k1"))
    try:
        assert held.submit(Plate(photograph(), key="k1")) is first
        with pytest.raises(RequestError) as refused:
            held.submit(Plate(photograph(80), key="k1"))
        assert refused.value.status_code == 409
    finally:
        let_go.set()
    assert first.result(GIVE_UP_S).entry.number == 1


def test_plates_are_found_page_by_page(line: Running) -> None:
    for redness in (0, 80, 125, 0, 80):
        line.post(redness)
    pages, before = [], None
    while True:
        query = {"limit": 2} | ({"before": before} if before else {})
        page = line.client.get("/inspections", params=query).json()
        pages.append([each["number"] for each in page["inspections"]])
        before = page["next"]
        if before is None:
            break
    assert pages == [[5, 4], [3, 2], [1]]
    assert [each["number"] for each in line.client.get("/inspections?verdict=REVIEW").json()["inspections"]] == [5, 2]
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    assert line.client.get("/inspections", params={"since": tomorrow}).json() == {"inspections": [], "next": None}
    assert [each["number"] for each in line.client.get("/queue").json()["inspections"]] == [5, 3, 2]


def test_pictures_come_as_they_were_and_as_they_were_seen(line: Running) -> None:
    line.client.post("/inspections", content=photograph(125, kind="JPEG"))
    plain, drawn = line.client.get("/inspections/1/photograph"), line.client.get("/inspections/1/overlay.png")
    assert (plain.content, plain.headers["content-type"]) == (photograph(125, kind="JPEG"), "image/jpeg")
    assert drawn.headers["content-type"] == "image/png"
    picture = reading.read(drawn.content)
    assert picture.shape == reading.read(plain.content).shape
    assert (picture != reading.read(plain.content)).any()
    line.station.pictures._maps.clear()
    line.station.pictures._drawn.clear()
    assert line.client.get("/inspections/1/overlay.png").content == drawn.content  # judged again: the map is the same


def test_a_review_is_added_and_taken_back_and_the_verdict_stands(line: Running) -> None:
    line.post(125)
    review = {"judgement": "good", "boxes": [[1, 2, 3, 4]], "note": "dust"}
    made = line.client.post("/inspections/1/reviews", json=review)
    assert (made.status_code, made.json()["reviewer"], made.json()["boxes"]) == (201, "local", [[1, 2, 3, 4]])
    assert line.client.get("/inspections/1").json()["review"] == made.json()
    undone = line.client.delete(f"/inspections/1/reviews/{made.json()['id']}")
    assert (undone.status_code, undone.json()["undoes"]) == (200, made.json()["id"])
    found = line.client.get("/inspections/1").json()
    assert (found["review"], found["verdict"]) == (None, "REJECT")
    assert len(line.client.get("/inspections/1/reviews").json()) == 2


@pytest.fixture
def two_models(tmp_path: Path, tiny_model: Tiny) -> tuple[Path, str]:
    return tmp_path / "models", stations.two_models(tmp_path / "models", tiny_model.model)


def test_a_model_goes_into_service_and_back_and_stays_over_a_restart(
    tmp_path: Path, two_models: tuple[Path, str]
) -> None:
    models_folder, second = two_models
    with Records.open(f"sqlite:///{tmp_path / 'records.db'}") as records:
        models = ModelRegistry(models_folder / "first")
        first = models.model_id
        assert {each.model_id: each.in_service for each in models.available()} == {first: True, second: False}
        assert models.activate(second, "erika", records, reason="fewer false alarms") == first
        assert models.inspector().manifest.model_id == second
        event = records.events("model_activated")[0]
        assert event.actor == "erika"
        assert event.details["loosened"].startswith("threshold limit "), "the second one's threshold is higher"
        assert "looser limits: threshold limit" in event_text(event)
        restarted = ModelRegistry(models_folder / "first")
        assert restarted.resume(records) is None
        assert restarted.model_id == second
        told_another = ModelRegistry(models_folder / "second")
        assert told_another.resume(records) is None
        assert restarted.activate(first, "erika", records) == second
        assert records.events("model_activated")[0].details["loosened"] == ""
        with restarted.with_id(second) as explaining:  # old plates are still explained
            assert explaining.manifest.model_id == second
        (models_folder / "second/manifest.json").unlink()
        assert restarted.model_id == first


def test_the_model_is_read_and_changed_by_rest(tmp_path: Path, line: Running) -> None:
    model = line.client.get("/model").json()
    assert (model["model_id"], model["folder"], model["good_plates"]) == ("0123456789ab", "first", 30)
    unknown = line.client.post("/model/activate", json={"model_id": "ffffffffffff"})
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "not_found")


async def _first(live: Live, count: int, missed: tuple[Message, ...], publish: list[Message]) -> list[str]:
    found: list[str] = []
    listener = live.join(1)
    assert listener is not None
    assert live.join(1) is None
    async for text in live.stream(listener, lambda: missed):
        found.append(text)
        if len(found) == 1 + len(missed):
            for message in publish:
                live.publish(message)
        if len(found) == count:
            live.close()
    return found


def test_live_pages_hear_what_they_missed_once_and_what_comes() -> None:
    live = Live()
    missed = (Message("inspection", {"number": 6}, 6), Message("inspection", {"number": 7}, 7))
    coming = [Message("inspection", {"number": 7}, 7), Message("review", {"id": 1}), Message("inspection", {}, 8)]
    found = asyncio.run(_first(live, 5, missed, coming))
    heads = [text.split("\n")[0] for text in found]
    assert heads == ["retry: 1000", "id: 6", "id: 7", "event: review", "id: 8"]
    assert len(live) == 0


def test_a_page_that_does_not_read_is_cut_off_and_holds_nothing_up() -> None:
    async def slow() -> int:
        live = Live()
        listener = live.join(1)
        assert listener is not None
        stream = live.stream(listener, tuple)
        await anext(stream)
        pending = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        while not len(live):
            await asyncio.sleep(0.01)
        for number in range(1000):
            live.publish(Message("inspection", {}, number + 1))
        with pytest.raises(StopAsyncIteration):
            await pending
        return len(live)

    assert asyncio.run(asyncio.wait_for(slow(), GIVE_UP_S)) == 0
