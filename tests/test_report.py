"""The report is self-contained, shows every mistake, and is written completely or not at all."""

import base64
import csv
import errno
import io
import os
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from fake_inspector import fake, folder
from platewatch.errors import OutputError
from platewatch.evaluation import later, report
from platewatch.evaluation.evaluator import evaluate

PASS, REVIEW, REJECT = 20, 90, 130


class Page(HTMLParser):
    """The page's images, headings and text, and whether its tags are closed in order."""

    VOID = ("meta", "img", "br", "link", "input", "hr")

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.tags: list[str] = []
        self.words = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "img":
            self.images.append(dict(attrs))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words += " " + data


def _folder(root: Path) -> Path:
    good = (PASS, PASS + 1, PASS + 2, REVIEW, REJECT)
    return folder(root, good, {"rust": (REJECT, REJECT + 2, REVIEW + 1), "scratches": (PASS + 3, REJECT)})


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return _folder(tmp_path / "data")


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("report")
    found = replace(
        evaluate(fake(), _folder(root / "data")), later=later.judge(fake(), root / "data" / "test" / "good")
    )
    path = report.write_evaluation(found, fake(), root / "out")
    assert path == root / "out" / "report.html"
    return path.parent


@pytest.fixture(scope="module")
def page(out: Path) -> Page:
    return Page((out / "report.html").read_text(encoding="utf-8"))


def test_the_page_needs_nothing_from_outside(page: Page, out: Path) -> None:
    html = (out / "report.html").read_text(encoding="utf-8")
    assert page.open == []
    assert "script" not in page.tags
    assert "link" not in page.tags
    assert all(str(image["src"]).startswith("data:image/") for image in page.images)
    assert all(image["alt"] for image in page.images)
    assert not re.search(r"https?://|url\(|@import", html)


def test_every_picture_is_a_picture(page: Page) -> None:
    for image in page.images:
        head, _, content = str(image["src"]).partition(";base64,")
        with Image.open(io.BytesIO(base64.b64decode(content, validate=True))) as picture:
            picture.load()
            assert picture.format is not None
            assert head == f"data:image/{picture.format.lower()}"


def test_every_mistake_and_review_is_shown_with_its_pictures(page: Page) -> None:
    for title in ("Missed: 1", "False alarms: 1", "In review: 2", "Correct: 5"):
        assert title in page.words
    for plate in ("scratches / 000.png", "good / 004.png", "good / 003.png", "rust / 002.png"):
        assert plate in page.words
    shown = [image["alt"] for image in page.images]
    assert shown.count("photograph") == shown.count("reconstruction") == shown.count("anomaly map") == 9
    assert shown.count("mask") == 9 - 4  # of nine plates four are good
    assert page.words.count("good plate: no mask") == 4


def test_the_summary_and_the_bound_are_stated_with_intervals(page: Page) -> None:
    words = " ".join(page.words.replace("\u00a0", " ").split())
    assert "Of 5 defective plates 3 are REJECT, 1 are REVIEW (a person decides) and 1 are missed ." in words
    assert "Of 5 good plates 3 are PASS, 1 are REVIEW and 1 are false alarms ." in words
    assert "0.5 to 71.6 %" in words  # Clopper–Pearson, 1 of 5
    condition = "while the line stays as it was"
    stated = r"You asked for ≤ 2 %\. Expect [\d.]+ %; up to [\d.]+ % is possible \(95 %\), "
    assert re.search(stated + condition, words)
    assert (
        f"bound, {condition} 30 3.2 % expected up to 9.5 % – – seen later 5 1 (20.0 %) 0.5 to 71.6 % 2 (40.0" in words
    )
    assert re.search(r"\d+ plates cannot show less than [\d.]+ %\.", words)
    assert "For ≤ 2 % with 95 % confidence, train on 149 good plates or more with --false-alarm-rate 0.0067" in words
    assert "There is no bound on missed defects: training saw no defects." in words
    assert "Every photograph and every mask is readable" in words


def test_what_the_model_finds_stands_on_the_page(page: Page) -> None:
    words = " ".join(page.words.replace("\u00a0", " ").split())
    assert "25 of 30 PASS as they are." in words
    assert "were painted onto 20 of these," in words
    assert "a scratch 4 px (1 mm) wide and 16 px (4 mm) long at 30 % contrast: found on 20 of 20 plates" in words
    assert "4 px (1 mm) 30 % 20 of 20 83.2 to 100.0 % 11" in words
    assert "6 px (1.5 mm) 10 % 0 of 20 0.0 to 16.8 % 0" in words  # the table's row of a rust spot
    shown = [str(image["alt"]) for image in page.images]
    assert "Fraction of good plates on which each scratch and rust spot was found" in shown
    assert "Verdicts on the good plates under each light" in shown


def test_blind_spots_stand_on_the_page_with_the_model_s_picture(page: Page, data: Path, tmp_path: Path) -> None:
    words = " ".join(page.words.replace("\u00a0", " ").split())
    assert "Rust spot: not found on at least 95 % of plates: 6 px (1.5 mm) across at 10 % contrast (0 of 20" in words
    assert "Some of these were tried on 20 plates only" in words
    title = "Of each kind the weakest defect that was found and the strongest that was missed"
    assert title not in [image["alt"] for image in page.images], "an older model has no picture"
    inspector, picture = fake(), io.BytesIO()
    Image.new("RGB", (8, 8)).save(picture, "png")
    (tmp_path / "blind-spots.png").write_bytes(picture.getvalue())
    inspector.folder = tmp_path
    inspector.manifest.files["blind-spots.png"] = ""
    path = report.write_evaluation(evaluate(inspector, data), inspector, tmp_path / "out")
    sources = {image["alt"]: image["src"] for image in Page(path.read_text(encoding="utf-8")).images}
    assert sources[title] == f"data:image/png;base64,{base64.b64encode(picture.getvalue()).decode()}"


def test_every_photograph_has_its_row_and_every_plate_stands_on_the_page(page: Page, out: Path) -> None:
    rows = list(csv.DictReader((out / "plates.csv").read_text(encoding="utf-8").splitlines()))
    html = (out / "report.html").read_text(encoding="utf-8")
    listed = html[html.index('id="every"') : html.index('id="unread"')]
    assert listed.count("<tr>") - 1 == sum(bool(row["verdict"]) for row in rows) > 5
    assert {row["mistake"] for row in rows} >= {"", "missed", "false_alarm"}
    assert all(float(row["score"]) >= 0 for row in rows if row["score"])
    assert all(row["photograph"] and row["reason"] for row in rows)


def test_plots_lie_beside_the_page(out: Path) -> None:
    names = sorted(path.name for path in out.iterdir())
    assert names == [
        "alpha_table.png",
        "light.png",
        "plates.csv",
        "report.html",
        "roc.png",
        "scores.png",
        "sensitivity.png",
    ]


def test_unreadable_files_are_listed(data: Path, tmp_path: Path) -> None:
    (data / "test" / "good" / "000.png").write_text("no photograph")
    (data / "ground_truth" / "rust" / "000_mask.png").write_text("no mask")
    path = report.write_evaluation(evaluate(fake(), data), fake(), tmp_path / "out")
    words = Page(path.read_text(encoding="utf-8")).words
    assert "Could not be used: photographs 1, masks 1." in words
    assert str(data / "test" / "good" / "000.png") in words


def test_names_and_reasons_are_escaped(tmp_path: Path) -> None:
    data = folder(tmp_path / "data", (PASS,), {"<b>&rust": (REVIEW,)})
    path = report.write_evaluation(evaluate(fake(), data), fake(), tmp_path / "out")
    html = path.read_text(encoding="utf-8")
    assert "<b>" not in html
    assert "red <places>" not in html
    assert "<b>&rust / 000.png" in Page(html).words


def test_a_poor_folder_gives_a_page_all_the_same(tmp_path: Path) -> None:
    """No masks, no table, one class left, one plate that cannot be judged."""
    data = folder(tmp_path / "data", (PASS,), {"rust": (REJECT,)}, masks=False)
    Image.new("RGB", (64, 48)).save(data / "test" / "rust" / "000.png")
    path = report.write_evaluation(evaluate(fake(()), data), fake(()), tmp_path / "out")
    page = Page(path.read_text(encoding="utf-8"))
    assert "No masks, so no pixel metrics" in page.words
    assert "too dark" in page.words
    assert "no mask file" in page.words
    assert not (tmp_path / "out" / "roc.png").exists()


def test_a_photograph_removed_since_is_named_on_the_page(data: Path, tmp_path: Path) -> None:
    evaluation = evaluate(fake(), data)
    (data / "test" / "scratches" / "000.png").unlink()
    path = report.write_evaluation(evaluation, fake(), tmp_path / "out")
    assert "the photograph was removed after it was judged" in path.read_text(encoding="utf-8")


def test_a_page_of_many_mistakes_stays_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "_MOST_CARDS", 3)
    data = folder(tmp_path / "data", (PASS,), {"rust": (PASS,) * 5})
    path = report.write_evaluation(evaluate(fake(), data), fake(), tmp_path / "out")
    page = Page(path.read_text(encoding="utf-8"))
    assert [image["alt"] for image in page.images].count("photograph") == 3
    assert page.words.count("the page shows the first 3 plates") == 3
    assert page.words.count("rust / ") == 5


def test_a_folder_that_cannot_be_made_is_named(data: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"file/out/scores\.png: cannot be written .*--out"):
        report.write_evaluation(evaluate(fake(), data), fake(), tmp_path / "file" / "out")


def test_a_full_disk_leaves_the_old_page_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report.write(tmp_path / "report.html", "old")

    def full(path: Path, content: bytes) -> int:
        with path.open("wb") as file:
            file.write(content[:3])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutputError, match="No space left on device"):
        report.write(tmp_path / "report.html", "new page")
    assert (tmp_path / "report.html").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
