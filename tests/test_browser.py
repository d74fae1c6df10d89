"""The pages in a real browser, at a tablet's and a monitor's size: what operators and engineers do with them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

import browsing
import stations
from browsing import PHONE, SIZES, Site, tab
from conftest import Tiny
from platewatch.line import wording
from platewatch.records import Judgement, Outcome, Query
from platewatch.station.users import Role

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from playwright.sync_api import Browser, Locator, Page, Route, expect

PAGES = (
    "/",
    "/review",
    "/history",
    "/plates/1",
    "/history/report",
    "/health",
    "/models",
    "/statistics",
    "/login",
    "/plates/999",
)
LONG = "Anna-Katharina.Mustermann-Schulze@works"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsing.chromium() as started:
        yield started


@pytest.fixture(scope="module")
def site(browser: Browser, tiny_model: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with browsing.running(tiny_model, tmp_path_factory.mktemp("site")) as made:
        yield made


def newest(site: Site) -> Any:
    return site.records.find(Query(limit=1)).entries[0]


@pytest.mark.parametrize("size", SIZES)
def test_drop_a_photograph_review_it_by_keyboard_and_find_it_again(
    browser: Browser, site: Site, size: tuple[int, int]
) -> None:
    with tab(browser, size) as page:
        page.goto(site.url)
        browsing.drop(page, site.rusty[:1])
        expect(page.locator("[data-word]")).to_have_text("REJECT")
        expect(page.locator("[data-banner]")).to_have_class("banner REJECT fresh")
        expect(page.locator("[data-svg] .box").first).to_be_attached()
        entry = newest(site)
        expect(page.locator("[data-last] li").first).to_have_attribute("data-number", str(entry.number))
        page.keyboard.press("2")
        expect(page.locator("[data-chip]")).to_contain_text("REJECT")
        page.keyboard.press("d")
        expect(page.locator("[data-toast]")).to_contain_text("defective")
        stored = site.records.get(entry.number).review
        assert stored
        assert stored.judgement is Judgement.DEFECTIVE
        page.keyboard.press("u")
        expect(page.locator("[data-toast]")).to_contain_text("taken back")
        assert site.records.get(entry.number).review is None
        page.keyboard.press("d")
        expect(page.locator("[data-toast]")).to_contain_text("defective")
        assert site.records.get(entry.number).inspection.verdict == "REJECT", "the verdict is never overwritten"
        page.keyboard.press("3")
        page.select_option("#judgement", "defective")
        page.select_option("#outcome", "REJECT")
        page.get_by_role("button", name="Find").click()
        row = page.locator("[data-row]").first
        expect(row).to_contain_text(f"No. {entry.number}")
        row.locator("a.plain").click()
        expect(page.locator("h1")).to_have_text(f"Plate No. {entry.number}")
        expect(page.locator(".list")).to_contain_text("taken back")
        expect(page.locator(".list")).to_contain_text("current review")


def test_new_verdicts_appear_by_themselves_and_old_ones_are_marked_as_old(browser: Browser, site: Site) -> None:
    with tab(browser) as page:
        page.goto(site.url)
        expect(page.locator("[data-connection]")).to_have_text("live")
        response = page.request.post(f"{site.url}/inspections?plate_id=L-7", data=site.good[0].read_bytes())
        assert response.status == 201
        expect(page.locator("[data-facts]")).to_contain_text("L-7")
        page.keyboard.press("ArrowRight")
        expect(page.locator("[data-facts]")).to_contain_text("not the newest")
        page.keyboard.press("Escape")
        expect(page.locator("[data-facts]")).to_contain_text("L-7")
        page.context.set_offline(True)
        expect(page.locator("[data-word]")).to_have_text("No connection")
        expect(page.locator("[data-notices]")).to_contain_text("This page shows old data")
        page.context.set_offline(False)
        expect(page.locator("[data-word]")).not_to_have_text("No connection")


def test_a_missed_defect_is_marked_by_hand_and_by_keys(browser: Browser, site: Site) -> None:
    entry = site.records.add(newest(site).inspection, site.good[1].read_bytes(), plate_id="M-1").entry
    with tab(browser) as page:
        page.goto(f"{site.url}/plates/{entry.number}")
        sheet = page.locator("[data-sheet]")
        expect(sheet).to_be_visible()
        page.keyboard.press("b")
        box = sheet.bounding_box()
        assert box
        page.mouse.move(box["x"] + 0.25 * box["width"], box["y"] + 0.25 * box["height"])
        page.mouse.down()
        page.mouse.move(box["x"] + 0.75 * box["width"], box["y"] + 0.5 * box["height"], steps=4)
        page.mouse.up()
        page.keyboard.press("b")
        for key in ("ArrowRight", "Shift+ArrowDown", "Enter"):
            page.keyboard.press(key)
        with page.expect_navigation():
            page.keyboard.press("d")
        expect(page.locator(".list")).to_contain_text("2 boxes marked")
    by_hand, by_keys = site.records.get(entry.number).review.boxes  # type: ignore[union-attr]
    assert by_hand == pytest.approx((32, 32, 64, 32), abs=2)
    assert by_keys == (51 + 3, 51, 26, 26 + 3)


def test_map_boxes_theme_and_keys(browser: Browser, site: Site) -> None:
    with tab(browser) as page:
        page.goto(f"{site.url}/plates/1")
        page.keyboard.press("m")
        expect(page.locator("[data-map]")).to_be_visible()
        expect(page.locator("[data-busy]")).to_be_hidden()
        assert page.evaluate("document.querySelector('[data-map]').naturalWidth") > 0
        page.keyboard.press("x")
        expect(page.locator("[data-svg] .box")).to_have_count(0)
        before = page.evaluate("getComputedStyle(document.body).backgroundColor")
        page.keyboard.press("t")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") != before
        page.keyboard.press("?")
        expect(page.locator("dialog[open]")).to_contain_text("Light or dark theme")
        page.keyboard.press("Escape")
        page.keyboard.press("5")
        expect(page).to_have_url(f"{site.url}/models")
        expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_a_list_requested_before_an_answer_and_come_after_it_does_not_bring_the_plate_back(
    browser: Browser, site: Site
) -> None:
    waiting = [add(site, number) for number in range(3)]
    held = list[tuple[Route, Any]]()
    with tab(browser) as page:
        page.goto(f"{site.url}/review")
        expect(page.locator("[data-facts]")).to_contain_text(f"No. {waiting[-1]}")
        expect(page.locator("[data-connection]")).to_have_text("live")
        page.route("**/queue?*", lambda route: route.continue_() if held else held.append((route, route.fetch())))
        page.evaluate("import('/static/connection.js').then(made => made.emit('refresh'))")
        while not held:
            page.wait_for_timeout(20)
        before = page.locator("[data-position]").text_content() or ""
        page.keyboard.press("d")
        expect(page.locator("[data-facts]")).to_contain_text(f"No. {waiting[-2]}")
        after = page.locator("[data-position]").text_content()
        for route, response in held:
            route.fulfill(response=response)
        page.evaluate("import('/static/api.js').then(made => made.get('/session'))")  # answered after the list
        page.wait_for_timeout(50)
        assert page.locator("[data-position]").text_content() == after != before, "the list is older than the answer"
        expect(page.locator("[data-facts]")).to_contain_text(f"No. {waiting[-2]}")
        page.unroute("**/queue?*")
    for number in waiting[:-1]:
        site.records.review(number, Judgement.DEFECTIVE, "anna")


def add(site: Site, number: int) -> int:
    """One more rejected plate that waits; its number."""
    found = site.records.find(Query(outcome=Outcome.REJECT, limit=1)).entries[0].inspection
    return site.records.add(replace(found, score=9.0 + number), site.rusty[0].read_bytes()).entry.number


def test_the_grid_sorts_filters_answers_many_at_once_and_takes_them_back(browser: Browser, site: Site) -> None:
    waiting = [add(site, number) for number in (92, 90, 91)]
    with tab(browser) as page:
        page.goto(f"{site.url}/review")
        page.keyboard.press("v")
        items = page.locator("[data-grid] li")
        expect(items.first).to_have_attribute("data-number", str(waiting[-1]))
        assert page.evaluate(SCROLLS) == 0, "twenty at a glance"
        page.select_option("#grid-order", "highest")
        assert [int(items.nth(at).get_attribute("data-number") or 0) for at in range(3)] == [
            waiting[at] for at in (0, 2, 1)
        ]
        page.select_option("#grid-verdict", "PASS")
        expect(items).to_have_count(0)
        page.select_option("#grid-verdict", "REJECT")
        items.nth(0).click()
        page.keyboard.press("ArrowRight")
        page.keyboard.press(" ")
        expect(page.locator("[data-grid-count]")).to_contain_text("2 selected")
        page.keyboard.press("d")
        expect(page.locator("[data-toast]")).to_contain_text("2 plates: defective")
        reviewed = [site.records.get(waiting[at]).review for at in (0, 2)]
        assert [each.judgement for each in reviewed if each] == [Judgement.DEFECTIVE] * 2
        expect(items.first).to_have_attribute("data-number", str(waiting[1]))
        page.keyboard.press("u")
        expect(page.locator("[data-toast]")).to_contain_text("2 plates: review taken back")
        assert [site.records.get(waiting[at]).review for at in (0, 2)] == [None, None]
        expect(items.first).to_have_attribute("data-number", str(waiting[0]))
        items.nth(1).locator("button").press("Enter")
        expect(page.locator("[data-facts]")).to_contain_text(f"No. {waiting[2]}")
        page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
        page.keyboard.press("v")
        for size in (PHONE, *SIZES):
            page.set_viewport_size({"width": size[0], "height": size[1]})
            page.evaluate(DRAWN)
            assert page.evaluate(TOO_WIDE) == []
            assert page.evaluate(SMALL_TARGETS, 48) == []
    for number in waiting:
        site.records.review(number, Judgement.DEFECTIVE, "anna")


def test_wheel_fingers_keys_and_drag_zoom_into_the_photograph(browser: Browser, site: Site) -> None:
    with tab(browser) as page:
        page.goto(f"{site.url}/plates/1")
        sheet, figure = page.locator("[data-sheet]"), page.locator("[data-photograph]")
        expect(sheet).to_be_visible()
        whole = place(sheet)
        at = (whole["x"] + 0.25 * whole["width"], whole["y"] + 0.4 * whole["height"])
        page.mouse.move(*at)
        page.mouse.wheel(0, -400)
        expect(figure).to_have_class("photograph zooming zoomed")
        near = place(sheet)
        assert near["width"] > 1.5 * whole["width"]
        assert at[0] - near["x"] == pytest.approx(0.25 * near["width"], abs=2), "the place under the pointer stays"
        assert at[1] - near["y"] == pytest.approx(0.4 * near["height"], abs=2)
        page.mouse.down()
        page.mouse.move(at[0] + 20, at[1] - 30, steps=2)
        page.mouse.up()
        assert (place(sheet)["x"], place(sheet)["y"]) == pytest.approx((near["x"] + 20, near["y"] - 30), abs=2)
        page.keyboard.press("0")
        assert place(sheet) == whole, "all of it"
        page.keyboard.press("+")
        assert place(sheet)["width"] == pytest.approx(1.5 * whole["width"], abs=2)
        page.get_by_label("Zoom out").click()
        assert place(sheet)["width"] == pytest.approx(whole["width"], abs=1)
        figure.evaluate(PINCH)
        assert place(sheet)["width"] == pytest.approx(2 * whole["width"], rel=0.02)


def place(element: Locator) -> Any:
    return element.bounding_box()


PINCH = """figure => {
    const room = figure.getBoundingClientRect();
    const [x, y] = [room.left + room.width / 2, room.top + room.height / 2];
    const finger = (kind, pointerId, clientX) => figure.dispatchEvent(
        new PointerEvent(kind, { pointerId, clientX, clientY: y, pointerType: "touch", bubbles: true }));
    figure.setPointerCapture = () => {};
    finger("pointerdown", 11, x - 40);
    finger("pointerdown", 12, x + 40);
    finger("pointermove", 11, x - 80);
    finger("pointermove", 12, x + 80);
    finger("pointerup", 11, x - 80);
    finger("pointerup", 12, x + 80);
}"""


def test_retrain_use_the_candidate_and_go_back(browser: Browser, site: Site) -> None:
    first = site.models.model_id
    passed = site.models.loaded().inspect(site.good[0])
    for path in site.good:
        entry = site.records.add(passed, path.read_bytes()).entry
        site.records.review(entry.number, Judgement.GOOD, "anna")
    with tab(browser) as page:
        page.goto(f"{site.url}/models")
        page.keyboard.press("r")
        expect(page.locator("dialog[open]")).to_contain_text("No model is taken into service")
        page.keyboard.press("Enter")
        expect(page.locator(".outcome[role=status]")).to_contain_text("Accepted")
        page.get_by_role("button", name="Use this model").click()
        expect(page.locator("dialog[open]")).to_contain_text("in place of")
        page.keyboard.press("Escape")  # a touch by mistake changes nothing
        assert site.models.model_id == first
        page.get_by_role("button", name="Use this model").click()
        page.keyboard.press("Enter")
        expect(page.locator("[data-toast]")).to_contain_text("is in service instead of")
        assert site.models.model_id != first
        expect(page.locator("[data-back]")).to_contain_text(first)
        page.keyboard.press("z")
        page.keyboard.press("Enter")
        expect(page.locator("h2").first).to_contain_text(first)
    assert site.models.model_id == first
    kinds = [event.kind for event in site.records.events()]
    assert kinds[:3] == ["model_activated", "model_activated", "challenger_trained"]


@pytest.fixture(scope="module")
def cookies(browser: Browser, site: Site) -> list[Any]:
    """What the browser keeps after the login of an engineer with a long name."""
    stations.enrol(site.users)
    site.users.add(LONG, Role.ENGINEER, stations.PASSWORD)
    with tab(browser, PHONE) as page:
        page.goto(f"{site.url}/login")
        page.fill("#name", LONG)
        page.fill("#password", stations.PASSWORD)
        page.get_by_role("button", name="Log in").click()
        expect(page.locator("[data-logout]")).to_be_visible()
        found = list(page.context.cookies())
    site.users.path.rename(aside(site))
    return found


def aside(site: Site) -> Path:
    """Where the file of users lies while the station lets everybody in."""
    return site.users.path.with_suffix(".aside")


@contextmanager
def engineer(browser: Browser, site: Site, cookies: list[Any], size: tuple[int, int] = PHONE) -> Iterator[Page]:
    """A page on which the header shows who is logged in, and needs the more room."""
    aside(site).rename(site.users.path)
    try:
        with tab(browser, size) as page:
            page.context.add_cookies(cookies)
            yield page
    finally:
        site.users.path.rename(aside(site))


@pytest.mark.parametrize("path", PAGES)
def test_a_page_fits_every_screen_is_usable_with_gloves_and_has_its_landmarks(
    browser: Browser, site: Site, cookies: list[Any], path: str
) -> None:
    with engineer(browser, site, cookies) as page:
        page.goto(site.url + path)
        if path not in ("/login", "/plates/999"):
            expect(page.locator("[data-logout]")).to_be_visible()
        for size in (PHONE, *SIZES):
            page.set_viewport_size({"width": size[0], "height": size[1]})
            page.evaluate(DRAWN)
            assert page.evaluate(TOO_WIDE) == [], size
            assert page.evaluate(SMALL_TARGETS, 48) == [], size
            if size != PHONE and path in ("/", "/review"):
                assert page.evaluate(SCROLLS) == 0, f"{size} scrolls"
        assert page.locator("main").count() == 1
        assert page.locator("h1").count() == 1
        assert page.evaluate(NAMELESS) == []
        assert page.evaluate(SHUFFLED) == 0


def test_a_message_covers_nothing_and_a_lost_connection_widens_nothing(
    browser: Browser, site: Site, cookies: list[Any]
) -> None:
    with engineer(browser, site, cookies) as page:
        for path in ("/review", "/plates/1"):
            page.goto(site.url + path)
            expect(page.locator("[data-sheet]")).to_be_visible()
            page.evaluate("import('/static/notices.js').then(made => made.showMessage('Reviewed. '.repeat(12)))")
            page.evaluate("document.querySelector('[data-connection]').textContent = 'no connection'")
            for size in (PHONE, *SIZES):
                page.set_viewport_size({"width": size[0], "height": size[1]})
                page.evaluate(DRAWN)
                assert page.evaluate(TOO_WIDE) == [], size
                shown = page.locator("[data-toast]").bounding_box()
                main = page.locator("main").bounding_box()
                assert shown
                assert main
                assert main["y"] + main["height"] <= shown["y"] + 0.5, f"{path} {size}: the message lies on the page"
                assert shown["y"] + shown["height"] <= size[1] + 0.5, f"{path} {size}: the message is cut off"


def test_a_damaged_or_missing_photograph_has_words_or_a_symbol_of_its_own(browser: Browser, site: Site) -> None:
    data = site.good[0].read_bytes()[:3000]
    entry = site.records.add(site.models.loaded().inspect(data), data, plate_id="D-1").entry
    site.records.add(site.records.get(1).inspection, site.rusty[-1].read_bytes())  # the newest plate has a verdict
    with tab(browser) as page:
        page.goto(f"{site.url}/plates/{entry.number}")
        expect(page.locator("[data-missing]")).to_contain_text("cannot be displayed")
        expect(page.locator("[data-sheet]")).to_be_hidden()
        page.route("**/thumbnail.jpg", lambda route: route.fulfill(status=404))
        page.goto(f"{site.url}/history")
        expect(page.locator(".thumb").first.locator(".no-photograph")).to_be_visible()
        expect(page.locator(".thumb").first.locator("img")).to_have_count(0)
        page.goto(site.url)
        expect(page.locator("[data-last] .no-photograph").first).to_be_visible()
        page.unroute("**/thumbnail.jpg")


def test_times_have_one_form_and_the_station_s_zone(browser: Browser, site: Site) -> None:
    entry = site.records.get(1)
    text = wording.stamp(entry.received)
    zones = {
        "2026-11-30T08:09:10.123456+05:30": "2026-11-30 08:09:10 UTC+5:30",
        "2026-11-30T08:09:10Z": "2026-11-30 08:09:10 UTC",
    }
    with tab(browser) as page:
        page.goto(f"{site.url}/plates/1")
        expect(page.locator(".banner")).to_contain_text(text)
        for stored, shown in zones.items():
            assert page.evaluate("one => import('/static/text.js').then(made => made.stamp(one))", stored) == shown
            assert wording.stamp(datetime.fromisoformat(stored)).endswith(wording.zone(datetime.now().astimezone()))
            assert wording.zone(datetime.fromisoformat(stored)) == shown.split()[-1]


def test_keys_that_a_role_may_not_use_are_not_shown(browser: Browser, site: Site) -> None:
    tokens = stations.enrol(site.users)
    try:
        with tab(browser) as page:
            page.set_extra_http_headers(stations.bearer(tokens[Role.AUDITOR]))
            page.goto(site.url)
            expect(page.locator("[data-legend]")).to_contain_text("Open the plate")
            expect(page.locator("[data-legend]")).not_to_contain_text("Inspect a photograph")
            page.goto(f"{site.url}/models")
            expect(page.locator("[data-legend]")).to_contain_text("All shortcuts")
            expect(page.locator("[data-legend]")).not_to_contain_text("Retrain")
            page.set_extra_http_headers({})
    finally:
        site.users.path.unlink()


def test_the_verdict_is_readable_from_two_metres(browser: Browser, site: Site) -> None:
    with tab(browser) as page:
        page.goto(site.url)
        for size in SIZES:
            page.set_viewport_size({"width": size[0], "height": size[1]})
            expect(page.locator("[data-word]")).not_to_have_text("Waiting")
            assert page.evaluate("parseFloat(getComputedStyle(document.querySelector('[data-word]')).fontSize)") >= 96


@pytest.mark.parametrize("size", [PHONE, *SIZES])
def test_every_verdict_fits_its_banner(browser: Browser, site: Site, size: tuple[int, int]) -> None:
    broken = site.good[0].read_bytes()[:3000]
    rejected, unreadable, passed = (
        site.records.add(site.models.loaded().inspect(data), data).entry
        for data in (site.rusty[0].read_bytes(), broken, site.good[0].read_bytes())
    )
    with tab(browser, size) as page:
        page.goto(site.url)
        for entry, word in ((passed, "PASS"), (unreadable, "Not readable"), (rejected, "REJECT")):
            expect(page.locator("[data-word]")).to_have_text(word)
            expect(page.locator("[data-open]")).to_have_attribute("href", f"/plates/{entry.number}")
            assert page.evaluate(CUT_OFF) == []
            page.keyboard.press("ArrowRight")


CUT_OFF = """() => [...document.querySelectorAll(".banner, .banner .word")]
    .filter(each => each.scrollWidth > each.clientWidth || each.scrollHeight > each.clientHeight + 12)
    .map(each => each.className)"""

TOO_WIDE = """() => [document.documentElement, document.body, ...document.querySelectorAll("main, .bar, .dock")]
    .filter(each => each.scrollWidth > each.clientWidth || each.getBoundingClientRect().right > innerWidth)
    .map(each => `${each.tagName}: ${each.scrollWidth} of ${each.clientWidth}`)"""

SCROLLS = """() => { const page = document.querySelector("main"); return page.scrollHeight - page.clientHeight; }"""

SMALL_TARGETS = """least => [
        ...document.querySelectorAll("button, a[href], summary, select, input:not([type=file], [type=hidden])")
    ]
    .filter(each => each.offsetParent && !each.closest("dialog, .skip, [aria-hidden=true]"))
    .filter(each => !each.matches("p:not(.row) a, .small a")) // links in running text
    .map(each => [each.textContent.trim() || each.id, each.getBoundingClientRect()])
    .filter(([, room]) => room.height < least - 0.5 || room.width < least - 0.5)
    .map(([name, room]) => `${name}: ${room.width}×${room.height}`)"""


@pytest.mark.parametrize(("scheme", "size"), [*(("light", size) for size in (PHONE, *SIZES)), ("dark", SIZES[0])])
def test_an_accessibility_checker_finds_nothing(
    browser: Browser, site: Site, scheme: str, size: tuple[int, int]
) -> None:
    if not browsing.AXE.is_file():
        pytest.skip("axe-core is not here; 'npm install --no-save axe-core' in the repository's root brings it")
    checker = browsing.AXE.read_text(encoding="utf-8")
    with tab(browser, size, scheme) as page:
        for path in PAGES:
            page.goto(site.url + path)
            page.wait_for_timeout(200)
            page.evaluate(checker)
            found = page.evaluate("axe.run().then(found => found.violations)")
            messages = [f"{each['id']}: {each['nodes'][0]['html'][:150]}" for each in found]
            assert messages == [], path


def test_keys_reach_what_is_on_the_page_in_its_order_and_focus_is_seen(browser: Browser, site: Site) -> None:
    with tab(browser) as page:
        page.goto(site.url)
        expect(page.locator("[data-last] li").first).to_be_attached()
        assert _focused_in_order(page)[:3] == ["Skip to content", "Platewatch", "Live"]


DRAWN = "() => new Promise(drawn => requestAnimationFrame(() => requestAnimationFrame(drawn)))"

SHUFFLED = """() => document.querySelectorAll('[tabindex]:not([tabindex="0"], [tabindex="-1"])').length"""

NAMELESS = """() => [...document.querySelectorAll("button, a[href], input:not([type=hidden]), select")]
    .filter(each => !each.closest("[aria-hidden=true]") && each.getAttribute("aria-hidden") !== "true")
    .filter(each => !(each.textContent.trim() || each.getAttribute("aria-label") || each.labels?.length))
    .map(each => each.outerHTML.slice(0, 120))"""


def _focused_in_order(page: Page) -> list[str]:
    """The names of what Tab reaches from the top, each with a ring around it."""
    names = []
    for _ in range(8):
        page.keyboard.press("Tab")
        name, ring = page.evaluate(
            """() => { const at = document.activeElement;
                return [(at.getAttribute("aria-label") || at.textContent).trim().split(/\\s+1$/)[0].trim(),
                        getComputedStyle(at).outlineStyle] }"""
        )
        assert ring == "solid", name
        names.append(name)
    return names
