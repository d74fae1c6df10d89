"""The pages as they are served: content, rights, escaping."""

import csv
import html
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import platewatch
import stations
from platewatch.inspection import Verdict
from platewatch.line import candidates, comparison
from platewatch.line.available_models import AvailableModel
from platewatch.line.comparison import Candidate, Comparison, Judged, Pair, UnusablePair
from platewatch.line.model_registry import ACTIVATED
from platewatch.records import Judgement
from platewatch.station import charts
from platewatch.station.pictures import Pictures
from platewatch.station.training_child import Run
from platewatch.station.users import Role
from stations import Running

TEMPLATES = Path(platewatch.__file__).parent
PAGES = ("/", "/review", "/history", "/plates/1", "/history/report", "/health", "/models", "/statistics", "/login")
HTML = {"Accept": "text/html"}
PRIVATE = re.compile(
    r"\b(said|says|say|told|shelf|challenger|champion|anew|lamp|gate|forged|NOT READ|Not judged|fared|promises?)\b"
)
"""Words that no page shows; attribute values and addresses are not looked at."""


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with stations.running(tmp_path_factory.mktemp("pages")) as made:
        for number, redness in enumerate((0, 80, 125, 5)):
            made.post(redness, params={"plate_id": f"A-{number}"})
        made.records.review(3, Judgement.DEFECTIVE, "anna", boxes=[(1, 2, 3, 4)], note="<b>worn</b>")
        yield made


def page(here: Running, path: str) -> str:
    answer = here.client.get(path, headers=HTML)
    assert answer.status_code == 200, answer.text
    return str(answer.text)


@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_complete_and_has_no_inline_script_or_style(here: Running, path: str) -> None:
    text = page(here, path)
    assert text.rstrip().endswith("</html>")
    assert "<style" not in text
    assert " style=" not in text
    assert all("src=" in tag for tag in text.split("<script")[1:])
    assert " onclick=" not in text
    assert "http://" not in text.replace("http://www.w3.org", "")


def test_every_area_that_scrolls_sideways_can_be_reached_by_keys() -> None:
    templates = [*TEMPLATES.glob("templates/*.html"), *TEMPLATES.glob("station/templates/*.html")]
    areas = [tag for file in templates for tag in re.findall(r'<[^>]*class="[^"]*\bscroll\b[^>]*>', file.read_text())]
    assert len(areas) > 6
    assert [tag for tag in areas if 'tabindex="0"' not in tag or "aria-label" not in tag] == []


def test_no_page_shows_a_private_word(here: Running) -> None:
    for path in PAGES:
        shown = re.sub(r"<[^>]*>", " ", page(here, path))
        labels = re.findall(r' (?:aria-label|title|alt)="([^"]*)"', page(here, path))
        assert PRIVATE.findall(" ".join([shown, *labels])) == [], path


def test_history_finds_by_verdict_plate_reviewer_review_and_text(here: Running) -> None:
    for search, found in {
        "outcome=REJECT": {"A-2"},
        "plate_id=A-1": {"A-1"},
        "reviewer=anna": {"A-2"},
        "judgement=defective": {"A-2"},
        "text=worn": {"A-2"},
        "": {"A-0", "A-1", "A-2", "A-3"},
        "since=2999-01-01T00:00": set(),
    }.items():
        text = page(here, f"/history?{search}")
        assert {plate for plate in ("A-0", "A-1", "A-2", "A-3") if f">{plate}</a>" in text} == found, search


def test_an_invalid_search_gives_a_page_with_the_error(here: Running) -> None:
    for search in ("since=yesterday", "outcome=NONE", "before=nowhere"):
        answer = here.client.get(f"/history?{search}", headers=HTML)
        assert answer.status_code == 422
        assert "The request failed" in answer.text


def test_a_plate_s_page_shows_the_whole_entry_and_escapes_notes(here: Running) -> None:
    text = page(here, "/plates/3")
    entry = here.records.get(3)
    for known in (entry.chain, str(entry.photograph_sha256), entry.inspection.model_id, "anna", "defective", "REJECT"):
        assert known in text
    assert "&lt;b&gt;worn&lt;/b&gt;" in text
    assert "<b>worn</b>" not in text
    assert 'data-marked="[[1, 2, 3, 4]]"' in text
    assert text.count('class="dot"') == 30, "one for each good plate"


def test_csv_and_json_lines_have_every_plate_that_is_found(here: Running) -> None:
    answer = here.client.get("/history.csv?outcome=PASS")
    assert "attachment" in answer.headers["Content-Disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert [row["plate_id"] for row in rows] == ["A-3", "A-0"]
    lines = here.client.get("/history.jsonl").text.splitlines()
    assert [json.loads(line)["number"] for line in lines] == [4, 3, 2, 1]


def test_the_report_counts_and_lists_what_did_not_pass(here: Running) -> None:
    text = page(here, "/history/report")
    assert ">A-1</a>" in text
    assert ">A-2</a>" in text
    assert ">A-0</a>" not in text
    assert here.records.head().chain in text


def test_a_thumbnail_and_a_map_are_small_pictures(here: Running) -> None:
    small = Image.open(io.BytesIO(here.client.get("/inspections/3/thumbnail.jpg").content))
    assert (small.format, small.size) == ("JPEG", (64, 48)), "never enlarged"
    heat = Image.open(io.BytesIO(here.client.get("/inspections/3/map.png").content))
    assert (heat.format, heat.mode) == ("PNG", "RGBA")
    low, high = heat.getchannel("A").getextrema()
    assert low == 0, "transparent where the plate looks good"
    assert isinstance(high, int)
    assert high > 100


def test_the_maps_that_are_kept_take_a_bounded_number_of_bytes(here: Running) -> None:
    pictures = Pictures(here.records, here.station.part_types)
    for number in range(1, 4):
        pictures.keep(number, np.zeros((1024, 2048), np.float32))  # 8 MiB
    assert list(pictures._maps) == [2, 3]
    for number in range(4, 60):
        pictures.keep(number, np.zeros((8, 8), np.float32))
    assert list(pictures._maps) == [*range(20, 60)]


def test_a_plate_without_a_verdict_is_not_readable_on_every_page(tmp_path: Path) -> None:
    with stations.running(tmp_path) as here:
        here.client.post("/inspections", content=b"no picture")
        text = page(here, "/plates/1")
        assert '<p class="word">Not readable</p>' in text
        assert str(here.records.get(1).inspection.error) in html.unescape(text)
        small = here.client.get("/inspections/1/thumbnail.jpg")
        assert (small.status_code, small.headers["Content-Type"]) == (200, "image/jpeg"), "a picture with a cross"
        for path in ("/", "/history", "/history/report"):
            assert "Not readable" in page(here, path), path
        for path in ("/health", "/history/report"):
            assert "judged 0 + not readable 1" in page(here, path), path


def test_a_plate_that_could_not_be_judged_has_the_same_state_and_its_own_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stations.LineInspector, "examine", lambda *_: 1 / 0)
    with stations.running(tmp_path) as here:
        here.post()
        text = page(here, "/plates/1")
        assert '<p class="word">Not readable</p>' in text
        assert here.records.get(1).inspection.reason.capitalize() in text
        assert "ZeroDivisionError" in text


def test_a_page_without_login_redirects_to_the_login_form_and_back(tmp_path: Path) -> None:
    with stations.running(tmp_path) as here:
        stations.enrol(here.users)
        answer = here.client.get("/history?text=x", headers=HTML, follow_redirects=False)
        assert (answer.status_code, answer.headers["Location"]) == (303, "/login?next=%2Fhistory%3Ftext%3Dx")
        wrong = here.client.post("/login?next=%2Fhistory", data={"name": "operator", "password": "no"}, headers=HTML)
        assert wrong.status_code == 401
        assert "Name or password is wrong" in wrong.text
        assert 'name="next" value="/history"' in wrong.text
        here.log_in("operator")
        text = page(here, "/models")
        assert "data-retrain" not in text, "an operator may not change the model"
        assert here.client.get("/session").json()["csrf"] in page(here, "/")


def test_an_auditor_sees_every_page_and_can_review_nothing(tmp_path: Path) -> None:
    with stations.running(tmp_path) as here:
        here.post(125)
        stations.enrol(here.users)
        here.log_in(Role.AUDITOR)
        for path in PAGES:
            text = page(here, path)
            assert "data-judge" not in text, path
            assert "data-retrain" not in text, path


def test_an_unknown_page_gives_an_error_page(here: Running) -> None:
    for path in ("/plates/999", "/nowhere"):
        answer = here.client.get(path, headers=HTML)
        assert answer.status_code == 404
        assert "Page not found" in answer.text
    assert here.client.get("/plates/999").json()["error"]["code"] == "not_found", "programs get JSON"


def test_a_refused_candidate_cannot_be_used(here: Running) -> None:
    judged = Judged(Verdict.REJECT, 3.0, 2.0), Judged(Verdict.PASS, 0.5, 2.0)
    pair = Pair(3, "A-2", False, *judged)
    sides = Candidate("0123456789ab", 30, 0.03, 0.09), Candidate("ba9876543210", 40, 0.03, 0.09)
    found = Comparison(*sides, (), (pair,), 10, 0, 0, 1.0, tuple(candidates.refusals([], [pair])))
    comparison.write(found, comparison.file_of(here.station.models.models_folder, "ba9876543210"))
    answer = here.client.post("/model/activate", json={"model_id": "ba9876543210"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "worse")
    assert "A-2" in answer.json()["error"]["message"]
    assert here.records.events(ACTIVATED) == ()


def test_a_plate_without_a_score_offers_that_the_photograph_is_bad(tmp_path: Path) -> None:
    with stations.running(tmp_path) as here:
        here.post()
        scored = page(here, "/plates/1")
        assert 'data-judge="good"' in scored
        assert "The part is good, the photograph is not" not in scored
        file = io.BytesIO()
        Image.new("RGB", (64, 48)).save(file, format="PNG")
        black = here.client.post("/inspections", content=file.getvalue()).json()
        text = page(here, f"/plates/{black['number']}")
        assert 'data-judge="good"' not in text
        assert "The part is good, the photograph is not" in text
        here.client.post("/inspections", content=b"no picture")
        assert 'data-judge="good"' not in page(here, f"/plates/{black['number'] + 1}"), "nor when it is not readable"
        answer = here.client.post(f"/inspections/{black['number']}/reviews", json={"judgement": "unusable"})
        assert answer.status_code == 201
        assert "part good, photograph not" in page(here, f"/plates/{black['number']}")
        assert here.client.get("/inspections?judgement=unusable").json()["inspections"][0]["number"] == black["number"]


def test_the_models_page_shows_what_preflight_found_and_what_is_looser(tmp_path: Path) -> None:
    with stations.running(tmp_path) as here:
        sides = Candidate("0123456789ab", 30, 0.03, 0.09), Candidate("ba9876543210", 40, 0.03, 0.09)
        found = Comparison(
            *(*sides, (), (), 10, 0, 0, 1.0, ()),
            unusable=(UnusablePair("dark (1.png)", Judged(Verdict.REVIEW, None, 2), Judged(Verdict.REVIEW, None, 2)),),
            findings=("look at 003.png: blurred",),
            loosened=("darkest 10 in place of 20",),
            loosened_because="new light source",
        )
        models_folder = here.station.models.models_folder
        comparison.write(found, comparison.file_of(models_folder, "ba9876543210"))
        here.app.state.retraining_runs.child.run = Run("anna", 0.0, findings=("look at 007.png: too dark",))
        available = AvailableModel("ba9876543210", models_folder / "second", False, 40, 2.0)
        here.station.models.available = lambda: (available,)  # type: ignore[method-assign]
        text = page(here, "/models")
        for shown in (
            "Look at 003.png: blurred",
            "Look at 007.png: too dark",
            "darkest 10 in place of 20",
            "new light source",
        ):
            assert shown in text
        assert ">Unusable photographs<" in text


def test_without_training_photographs_no_candidate_is_trained(here: Running) -> None:
    assert "--data DATA" in page(here, "/models")
    answer = here.client.post("/models/retraining")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "no_data")


def test_health_shows_problems_and_counts(here: Running) -> None:
    text = page(here, "/health")
    assert "No problems" in text
    assert "judged 4 + not readable 0" in text


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 4.2, [0, 1, 2, 3, 4]), (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]), (-1, 12, [0, 5, 10]), (3, 3, [3])],
)
def test_axes_have_round_numbers(low: float, high: float, expected: list[float]) -> None:
    assert charts.steps(low, high) == expected


def test_no_mark_leaves_its_chart_whatever_the_score() -> None:
    for score in (-1.0, 0.0, 0.5, 2.0, 900.0):
        chart = charts.scores([0.4, 0.5, 0.5, 0.9], 1.0, 2.0, score)
        assert chart.score is not None
        marks = [chart.score, chart.threshold, chart.review, *(x for x, _ in chart.dots)]
        assert all(0 <= mark <= chart.width for mark in marks)
