"""The shift report: what it counts, what it lists, and that file and station's page show the same."""

import io
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

import stations
from plate_rows import plate
from platewatch.errors import InputError
from platewatch.inspection import Verdict, now
from platewatch.line import shift_report
from platewatch.line.shift_report import Card
from platewatch.records import Entry, Judgement, Policy, Records
from stations import Running


class Words(HTMLParser):
    """The words of the report's content, without what differs by place: head, frame, addresses."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.words = list[str]()
        self.feed(text[text.index('<div class="shift">') : text.index("Signature")])

    def handle_data(self, data: str) -> None:
        self.words += data.split()


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with stations.running(tmp_path_factory.mktemp("shift")) as made:
        for number, redness in enumerate((0, 80, 125, 5, 80)):
            made.post(redness, params={"plate_id": f"A-{number}"})
        made.client.post("/inspections", content=b"no photograph")
        made.records.review(1, Judgement.DEFECTIVE, "anna")
        made.records.review(2, Judgement.GOOD, "anna")
        made.records.review(3, Judgement.DEFECTIVE, "anna", note="<b>worn</b>")
        made.records.event("model_activated", "bert", {"model_id": "0123456789ab", "before": "ba9876543210"})
        made.records.event("login", "bert", {"role": "engineer", "address": "127.0.0.1"})
        yield made


def today() -> tuple[datetime, datetime]:
    made = now()
    return made - timedelta(hours=1), made + timedelta(seconds=1)


def test_it_counts_what_people_overruled_missed_and_have_to_review(here: Running) -> None:
    shift = shift_report.gather(here.records, *today())
    assert (shift.counts.received, shift.counts.judged, shift.counts.failed) == (6, 5, 1)
    assert (shift.overruled, shift.missed, shift.waiting, shift.left_out) == (1, 1, 1, 0)
    assert [card.entry.number for card in shift.cards] == [2, 3, 5, 6]
    assert [event.kind for event in shift.events] == ["model_activated"]
    assert shift.models == ("0123456789ab",)
    assert shift.heads[0] == here.records.head()


def test_what_was_received_outside_the_time_does_not_count(here: Running) -> None:
    until = here.records.get(3).received
    shift = shift_report.gather(here.records, today()[0], until)
    assert (shift.counts.received, shift.missed, shift.overruled, shift.waiting) == (2, 1, 1, 0)
    with pytest.raises(InputError, match="expected an end after the beginning"):
        shift_report.gather(here.records, until, until)


def test_the_file_and_the_station_s_page_have_the_same_content(here: Running, tmp_path: Path) -> None:
    since, until = today()
    file = shift_report.write(here.records, since, until, tmp_path / "shift.html").read_text(encoding="utf-8")
    asked = {"since": since.isoformat(), "until": until.isoformat()}
    page = here.client.get("/history/report", params=asked, headers={"Accept": "text/html"}).text
    clock = re.compile(r"\d\d:\d\d:\d\d")
    in_file, on_page = ([clock.sub("", word) for word in Words(text).words] for text in (file, page))
    assert in_file == on_page
    assert "&lt;b&gt;worn&lt;/b&gt;" in page
    assert "model 0123456789ab replaced model ba9876543210" in page
    assert f"{here.records.head().rows}:{here.records.head().chain}" in page


def test_the_page_links_to_plates_and_pictures_the_file_holds_them(here: Running, tmp_path: Path) -> None:
    page = here.client.get("/history/report", headers={"Accept": "text/html"}).text
    assert '<a href="/plates/3">A-2</a>' in page
    assert page.count('src="/inspections/') == 3, "none of the plate that is not readable"
    (address,) = re.findall(r'src="(/inspections/3/[^"]*)"', page)
    answer = here.client.get(address)
    boxed, bare = (
        Image.open(io.BytesIO(each.content)) for each in (answer, here.client.get("/inspections/3/thumbnail.jpg"))
    )
    assert boxed.size == bare.size == (64, 48)
    assert boxed.tobytes() != bare.tobytes()
    file = shift_report.write(here.records, *today(), tmp_path / "shift.html").read_text(encoding="utf-8")
    assert file.count("data:image/jpeg;base64,") == 3
    assert "href" not in file


def test_both_have_the_same_style(here: Running, tmp_path: Path) -> None:
    answer = here.client.get("/history/report.css")
    assert answer.headers["content-type"].startswith("text/css")
    file = shift_report.write(here.records, *today(), tmp_path / "shift.html").read_text(encoding="utf-8")
    assert answer.text.strip() in file
    style = file + here.client.get("/static/station.css").text
    for name in set(re.findall(r"var\((--[\w-]+)\)", answer.text)):
        assert all(f"{name}:" in text for text in (file, here.client.get("/static/station.css").text)), (name, style)


def test_of_very_many_the_newest_are_listed_in_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def bare(_: Records, entry: Entry) -> Card:
        return Card(entry, None)

    with Records.open(str(tmp_path / "records.db"), policy=Policy(review_share=0)) as records:
        for number in range(230):
            records.add(plate((Verdict.REVIEW, Verdict.REJECT, Verdict.PASS, None)[number % 4]))
        shift = shift_report.gather(records, *today(), card=bare)
    numbers = [card.entry.number for card in shift.cards]
    stopped = [number for number in range(1, 231) if (number - 1) % 4 != 2]
    assert shift.left_out == 0
    assert numbers == stopped
    with Records.open(str(tmp_path / "records.db"), policy=Policy(review_share=0)) as records:
        for _ in range(40):
            records.add(plate(Verdict.REJECT))
        shift = shift_report.gather(records, *today(), card=bare)
    stopped += range(231, 271)
    assert [card.entry.number for card in shift.cards] == stopped[-200:]
    assert shift.left_out == len(stopped) - 200


def test_a_long_time_is_told_by_day(tmp_path: Path) -> None:
    with Records.open(str(tmp_path / "records.db"), policy=Policy(review_share=0)) as records:
        records.add(plate(Verdict.PASS))
        until = now() + timedelta(seconds=1)
        for hours, step, start in ((48, "hour", (0, 0)), (49, "day", (0, 0))):
            shift = shift_report.gather(records, until - timedelta(hours=hours), until)
            assert shift.step == step
            assert [row.counts.received for row in shift.rows] == [1]
            assert (shift.rows[0].start.minute, shift.rows[0].start.second) == start
