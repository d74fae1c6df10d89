"""The first model, made in a browser by a real training, from a name to the model in service."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import browsing
from browsing import PHONE, Site, tab

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from playwright.sync_api import Browser, Page, expect

SMALL = """
preset = "surface"
backbone = "none"
image_size = 64
[sensitivity]
widths = [8.0]
diameters = [24.0]
contrasts = [0.6]
plates = 1
brightnesses = []
warmth = 0.0
structural_diameters = []
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsing.chromium() as started:
        yield started


@pytest.fixture
def site(browser: Browser, tmp_path: Path) -> Iterator[Site]:
    (tmp_path / "train.toml").write_text(SMALL)
    with browsing.running_without_model(tmp_path, training_config=tmp_path / "train.toml") as made:
        yield made


class Hand:
    """A person at the page, whose clicks and keys are counted; a typed word counts as its letters."""

    def __init__(self, page: Page) -> None:
        self.page, self.clicks, self.keys = page, 0, 0

    def click(self, name: str) -> None:
        self.clicks += 1
        self.page.get_by_role("button", name=name, exact=True).click()

    def press(self, text: str) -> None:
        self.keys += 1
        self.page.keyboard.press(text)

    def type(self, text: str) -> None:
        self.keys += len(text)
        self.page.keyboard.type(text)


def at(page: Page, step: str) -> None:
    """Wait for this step, with its scripts."""
    expect(page.locator(f"html[data-ready] [data-step={step}]")).to_be_visible()


def test_from_a_name_to_the_model_in_service(browser: Browser, site: Site, tmp_path: Path) -> None:
    with tab(browser) as page:
        hand = Hand(page)
        page.goto(site.url)
        at(page, "name")
        expect(page).to_have_url(f"{site.url}/first-model")
        hand.type("Plate A")
        hand.press("Enter")
        at(page, "photographs")
        expect(page.locator("[data-count]")).to_contain_text("0 of about 50")
        browsing.drop(page, site.good)
        expect(page.locator("[data-count]")).to_contain_text(f"{len(site.good)} photographs")
        page.reload()  # the browser was closed meanwhile
        at(page, "photographs")
        expect(page.locator("[data-grid] li")).to_have_count(len(site.good))
        hand.click("Check the photographs")
        at(page, "check")
        expect(page.locator("[data-used]")).to_contain_text("24 photographs")
        hand.clicks += 1
        page.locator("[data-photograph-name='003.png']").click()
        expect(page.locator("[data-used]")).to_contain_text("23 photographs")
        hand.click("Train the model")
        at(page, "card")
        expect(page.locator(".card.text h2")).to_have_text("Model card")
        assert "|" not in page.locator(".card.text").inner_text(), "no raw Markdown"
        hand.click("Use this model")
        expect(page.locator("dialog[open]")).to_contain_text("From now on")
        hand.press("Enter")
        expect(page).to_have_url(f"{site.url}/")
        expect(page.locator("[data-connection]")).to_have_text("live")
        expect(page.locator("[data-word]")).to_have_text("Waiting")
        browsing.drop(page, site.good[:1])
        expect(page.locator("[data-word]")).to_have_text("PASS")
    assert (hand.clicks, hand.keys) == (4, len("Plate A") + 2)
    assert site.models.folder == tmp_path / "models" / "Plate-A"
    kept = tmp_path / "training" / site.models.model_id / "train" / "good"
    assert {path.name for path in kept.iterdir()} == {path.name for path in site.good} - {"003.png"}
    assert not (tmp_path / "training" / "draft").exists()
    made = next(event for event in site.records.events() if event.kind == "model_made")
    assert (made.details["photographs"], made.details["left_out"]) == (23, ["003.png"])


def test_every_step_fits_a_phone_and_a_camera_that_cannot_be_used_is_explained(browser: Browser, site: Site) -> None:
    with tab(browser, PHONE) as page:
        page.goto(site.url)
        for name in ("name", "photographs"):
            at(page, name)
            assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, name
            assert page.evaluate(SMALL_TARGETS) == [], name
            if name == "name":
                page.fill("#name", "Plate B")
                page.keyboard.press("Enter")
        page.evaluate("Object.defineProperty(navigator, 'mediaDevices', { value: undefined })")  # as by http elsewhere
        with page.expect_file_chooser() as chosen:
            page.get_by_role("button", name="Take photographs").click()
        assert chosen.value.element.get_attribute("capture") == "environment"
        expect(page.locator("[data-no-camera]")).to_contain_text("https")
        page.locator("[data-picker=files]").set_input_files([*map(str, site.good[:1]), __file__])
        expect(page.locator("[data-refused] li")).to_contain_text("test_first_model_browser.py")
        expect(page.locator("[data-count]")).to_contain_text("1 photograph")
        expect(page.locator("[data-least]")).to_be_disabled()
        page.get_by_role("button", name="Discard").click()
        page.keyboard.press("Enter")
        at(page, "name")


SMALL_TARGETS = """() => [...document.querySelectorAll("main button, main input:not([type=file])")]
    .filter(each => each.offsetParent).map(each => [each.textContent.trim() || each.id, each.getBoundingClientRect()])
    .filter(([, room]) => room.height < 47.5 || room.width < 47.5).map(([name]) => name)"""
