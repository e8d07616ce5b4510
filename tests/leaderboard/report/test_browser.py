"""The page in Chromium: no message or request, usable by keyboard and screen reader, whole on a phone and on paper."""

from __future__ import annotations

import base64
import io
import re
import time

import pytest

from cxrbench.leaderboard.report.images_page import images_as_html
from cxrbench.leaderboard.report.page import board_as_html

pytestmark = pytest.mark.browser
PHONE = {"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": True}


@pytest.fixture
def opened(chromium, whole_board, tmp_path):
    """Return the browser with a page open."""
    page = tmp_path / "index.html"
    page.write_text(board_as_html(whole_board), encoding="utf-8")
    chromium.get_log("performance")
    chromium.get(page.as_uri())
    yield chromium
    assert chromium.get_log("browser") == []


def recipes(browser):
    """Return the backbones of the rows that are shown, from the top."""
    rows = "[...document.querySelectorAll('#board tr[data-backbone]')]"
    return browser.execute_script(f"return {rows}.filter(row => !row.hidden).map(row => row.dataset.backbone)")


def press(browser, *keys):
    """Press keys in the element that has the focus."""
    for key in keys:
        browser.switch_to.active_element.send_keys(key)


def focus(browser, selector):
    """Reach an element by the tab key alone."""
    for _ in range(200):
        press(browser, "\ue004")
        if browser.execute_script("return document.activeElement.matches(arguments[0])", selector):
            return
    raise AssertionError(f"{selector} cannot be reached by keyboard")


def test_nothing_is_requested_but_the_page(opened):
    requested = [entry["message"] for entry in opened.get_log("performance") if "Network.requestWillBeSent" in entry["message"]]
    assert len(requested) == 1


def test_a_column_is_sorted_by_keyboard(opened, whole_board):
    assert recipes(opened) == ["texture", "vgg16", "mobilenet", "control-border"]
    focus(opened, "th[data-first=descending] button")
    press(opened, "\ue007", "\ue007")
    found = [row for row in whole_board.rows() if not row.entry.control]
    rising = sorted(found, key=lambda row: row.entry.metrics["accuracy"])
    assert recipes(opened) == [*(row.entry.backbone for row in rising), "control-border"]
    assert opened.execute_script("return document.querySelector('th[aria-sort]').ariaSort") == "ascending"
    assert opened.execute_script("return document.querySelectorAll('th[aria-sort]').length") == 1


def test_rows_are_filtered_by_keyboard(opened):
    focus(opened, "[data-filter=augmentation]")
    press(opened, "g")
    assert recipes(opened) == ["vgg16"]
    assert opened.find_element("id", "shown").text == "1 of 4 rows"


def test_a_row_opens_and_its_threshold_moves_by_keyboard(opened, whole_board):
    focus(opened, "#row-1 > summary")
    press(opened, " ")
    assert opened.find_element("id", "row-1").get_attribute("open")
    focus(opened, "#row-1 input[type=range]")
    press(opened, "\ue010")
    output = opened.find_element("css selector", "#row-1 output")
    assert output.text.startswith("At 1.000: sensitivity 0.0 %, specificity 100.0 %, PPV not defined, NPV 90.0 %")
    press(opened, "\ue011")
    assert output.text.startswith("At 0.000: sensitivity 100.0 %, specificity 0.0 %, PPV 10.0 %, NPV not defined")
    facts = whole_board.rows()[0].entry.dataset
    assert f"true positives {facts.positive}, false positives {facts.negative}" in output.text


def test_the_link_of_a_row_opens_it(opened):
    opened.find_element("css selector", "#board a[href='#row-2']").click()
    deadline = time.monotonic() + 5
    while not opened.find_element("id", "row-2").get_attribute("open"):
        assert time.monotonic() < deadline


def test_curves_are_shown_for_chosen_rows(opened):
    shown = "return [...document.querySelectorAll('#roc path.line:not([hidden])')].map(path => path.dataset.row)"
    assert opened.execute_script(shown) == ["1", "2", "3", "4"]
    focus(opened, "#picker input[value='2']")
    press(opened, " ")
    assert opened.execute_script(shown) == ["1", "3", "4"]


def test_the_page_is_no_wider_than_a_phone(opened):
    opened.execute_script("for (const one of document.querySelectorAll('details')) one.open = true")
    opened.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", PHONE)
    try:
        assert opened.execute_script("return document.documentElement.scrollWidth") == 360
    finally:
        opened.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_violation(opened, axe, scheme):
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
    opened.execute_script("for (const one of document.querySelectorAll('details')) one.open = true")
    opened.execute_script(axe)
    opened.set_script_timeout(60)
    found = opened.execute_async_script("axe.run().then(arguments[0])")
    assert [(one["id"], one["nodes"][0]["html"]) for one in found["violations"]] == []
    assert {"color-contrast", "button-name", "svg-img-alt"} <= {one["id"] for one in found["passes"]}


def test_the_table_is_whole_on_paper(opened, whole_board):
    pypdf = pytest.importorskip("pypdf", reason="needs pip install pypdf")
    printed = opened.execute_cdp_cmd("Page.printToPDF", {"paperWidth": 8.27, "paperHeight": 11.69})
    pages = pypdf.PdfReader(io.BytesIO(base64.b64decode(printed["data"]))).pages
    width = float(pages[0].mediabox.width)
    lefts = []

    def visit(text, page, line, *_):
        lefts.extend([line[4] * page[0] + page[4]] if text.strip() else [])

    pages[0].extract_text(visitor_text=visit)
    assert 0 <= min(lefts) < max(lefts) < 0.97 * width
    words = re.sub(r"\s+", "", "".join(page.extract_text() for page in pages))
    for row in whole_board.rows():
        assert row.entry.backbone in words
        for metric in ("auc", "accuracy", "recall", "precision", "f1"):
            assert f"{row.entry.metrics[metric]:.3f}" in words


def test_an_injected_script_does_not_run(chromium, whole_board, tmp_path):
    page = tmp_path / "index.html"
    injected = board_as_html(whole_board).replace("</main>", "</main><script>document.title = 'owned'</script>")
    page.write_text(injected, encoding="utf-8")
    chromium.get(page.as_uri())
    assert chromium.title != "owned"
    assert "Content Security Policy" in chromium.get_log("browser")[0]["message"]


@pytest.fixture
def images_opened(chromium, make_gallery, tmp_path):
    """Return the browser with a page of images open."""
    page = tmp_path / "images.html"
    page.write_text(images_as_html(make_gallery(key="w" * 300)), encoding="utf-8")
    chromium.get_log("performance")
    chromium.get(page.as_uri())
    yield chromium
    assert chromium.get_log("browser") == []


def test_images_are_shown_without_a_request(images_opened):
    assert images_opened.execute_script("return [...document.images].map(one => one.naturalWidth)") == [32] * 6
    sent = [
        entry["message"] for entry in images_opened.get_log("performance") if "Network.requestWillBeSent" in entry["message"]
    ]
    assert len([one for one in sent if '"url":"data:' not in one]) == 1


def test_the_page_of_images_is_no_wider_than_a_phone(images_opened):
    images_opened.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", PHONE)
    try:
        assert images_opened.execute_script("return document.documentElement.scrollWidth") == 360
    finally:
        images_opened.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_violation_beside_images(images_opened, axe, scheme):
    images_opened.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    )
    images_opened.execute_script(axe)
    images_opened.set_script_timeout(60)
    found = images_opened.execute_async_script("axe.run().then(arguments[0])")
    assert [(one["id"], one["nodes"][0]["html"][:200]) for one in found["violations"]] == []
    assert {"color-contrast", "image-alt"} <= {one["id"] for one in found["passes"]}
