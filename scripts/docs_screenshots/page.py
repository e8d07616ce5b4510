"""The page of the leaderboard in a browser, as PNG that names the results it shows."""

from __future__ import annotations

import io
import shutil
from typing import TYPE_CHECKING

from PIL import Image
from PIL.PngImagePlugin import PngInfo
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

from docs_screenshots.results import RESULTS, digest_of_results, published

if TYPE_CHECKING:
    from pathlib import Path

SIZE = (1480, 1130)
COLOURS = 64
SECTION = "#leaderboard"
"""What is at the top."""


def page_png(root: Path) -> bytes:
    """Return the leaderboard on the page."""
    binary, driver = (shutil.which(name) for name in ("chromium", "chromedriver"))
    if not (binary and driver):
        raise SystemExit("the page needs Chromium and its driver: apt-get install chromium chromium-driver")
    options = Options()
    options.binary_location = binary
    for argument in ("--headless=new", "--no-sandbox", "--hide-scrollbars", f"--window-size={SIZE[0]},{SIZE[1]}"):
        options.add_argument(argument)
    with webdriver.Chrome(options=options, service=Service(driver)) as browser:
        browser.get((published(root) / "index.html").as_uri())
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", _screen())
        browser.execute_script(f"document.querySelector('{SECTION}').scrollIntoView()")
        shot = browser.get_screenshot_as_png()
    facts = PngInfo()
    facts.add_text(RESULTS, digest_of_results(root))
    written = io.BytesIO()
    with Image.open(io.BytesIO(shot)) as image:
        image.convert("RGB").quantize(COLOURS).save(written, "PNG", optimize=True, pnginfo=facts)
    return written.getvalue()


def _screen() -> dict[str, int | bool]:
    return {"width": SIZE[0], "height": SIZE[1], "deviceScaleFactor": 1, "mobile": False}
