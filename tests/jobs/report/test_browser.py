"""Reports in headless Chromium: drawn, sortable, accessible, without a network."""

import base64
import json
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from mmc.cli.main import main
from mmc.jobs.report import run_report

from tests.support import kept_environment

pytestmark = pytest.mark.engine

Open = Callable[..., Any]
NAMES = ("run", "comparison", "step")
on_pages = partial(pytest.mark.parametrize, "name", scope="module")
"""Tests of one page follow each other, as it takes half a second of CPU time to open it."""


@pytest.fixture(scope="module")
def pages(run: Path, other_run: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The page of a run, the page of two runs, and the page that the workflow wrote."""
    out = tmp_path_factory.mktemp("pages")
    with kept_environment(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_report, "FORMATS", ("svg",))  # which the pages contain
        assert main(["report", str(run), "--out", str(out)]) == 0
        assert main(["report", str(run), str(other_run), "--out", str(out)]) == 0
    step = run / "out" / "report" / "report" / "index.html"
    return {"run": out / "report.html", "comparison": out / "comparison.html", "step": step}


@pytest.fixture(scope="module")
def show(browser: Any, pages: dict[str, Path]) -> Open:
    """Open a page from a file, or go on with it, in light colours."""
    opened = ""

    def open_page(name: str, scheme: str = "light", *, anew: bool = False) -> Any:
        nonlocal opened
        media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        if anew:
            browser.get("about:blank")
            for log in ("browser", "performance"):
                browser.get_log(log)  # of earlier pages
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        if anew or name != opened:
            browser.get(pages[name].as_uri())
            opened = name
        return browser

    return open_page


@on_pages(NAMES)
def test_nothing_is_wrong_and_nothing_is_asked_of_a_network(name: str, show: Open, pages: dict[str, Path]) -> None:
    browser = show(name, anew=True)
    assert browser.get_log("browser") == []
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
    assert asked == [pages[name].as_uri()]


@on_pages(NAMES)
def test_every_figure_is_drawn(name: str, show: Open, pages: dict[str, Path]) -> None:
    browser = show(name)
    figures = browser.execute_script(
        "return Array.from(document.querySelectorAll('figure')).map(figure => {"
        " const svg = figure.querySelector('svg'), box = svg.getBoundingClientRect();"
        " const wide = part => part.getBoundingClientRect().width > 1;"
        " const drawn = Array.from(svg.querySelectorAll('path, rect')).filter(wide);"
        " return [figure.id, box.width, box.height, drawn.length, svg.getAttribute('aria-label')]; })"
    )
    assert figures
    for figure, width, height, drawn, label in figures:
        assert width > 200 and height > 100 and drawn > 3 and label, figure
    if name == "run":
        files = {path.stem for path in (pages[name].parent / "figures").glob("*.svg")}
        named = {figure.removeprefix("figure-") for figure, *_ in figures} - {"workflow"}
        assert named == {file for file in files if not file.startswith("comparison")}
        assert {"contours_c1_c2", "profile_c1", "fisher_c1_c2", "closure_sally", "losses", "distribution_x2"} <= named


def column(browser: Any, table: int, number: int) -> list[str]:
    script = "return Array.from(arguments[0].tBodies[0].rows).map(row => row.cells[arguments[1]].textContent.trim())"
    found: list[str] = browser.execute_script(
        script, browser.find_elements("css selector", "table.sortable")[table], number
    )
    return found


def areas(browser: Any) -> list[float]:
    """The areas of the first table, of the methods whose region the grid resolves."""
    return [float(text.split()[0]) for text in column(browser, 0, 2) if text != "not resolved"]


VIOLATIONS = """
const done = arguments[arguments.length - 1];
const found = result => result.violations.map(each => [each.id, each.nodes[0].html.slice(0, 200)]);
axe.run(document, {resultTypes: ['violations'], ...arguments[0]}).then(found).catch(String).then(done);
"""
COLOUR_RULES = ["color-contrast", "link-in-text-block"]
"""Those that depend on colours."""
SEEN = """
return Array.from(document.querySelectorAll('*')).map(element => {
  const style = getComputedStyle(element), box = element.getBoundingClientRect();
  return [style.display, style.visibility, style.contentVisibility, box.x, box.y, box.width, box.height].join();
}).join(';');
"""
"""What is seen of each element, and where."""


@on_pages(NAMES[:2])
def test_accessible(name: str, show: Open) -> None:
    axe = pytest.importorskip("axe_core_python", reason="needs mmc[test]")
    browser = show(name)
    browser.execute_script((Path(axe.__file__).parent / "axe.min.js").read_text(encoding="utf-8"))
    light = browser.execute_script(SEEN)
    if name == "run":
        assert browser.execute_async_script(VIOLATIONS, {}) == []
    browser = show(name, "dark")
    assert browser.execute_script(SEEN) == light  # so that only colours can be wrong in one of both
    options = {"runOnly": {"type": "rule", "values": COLOUR_RULES}} if name == "run" else {}
    assert browser.execute_async_script(VIOLATIONS, options) == []


@on_pages(["run"])
def test_headings_are_in_order_and_tables_have_captions(name: str, show: Open) -> None:
    browser = show(name)
    levels = browser.execute_script(
        "return Array.from(document.querySelectorAll('h1, h2, h3, h4')).map(h => Number(h.tagName[1]))"
    )
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    script = "return Array.from(document.querySelectorAll('table')).every(t => t.caption && t.tHead)"
    assert browser.execute_script(script)
    first = browser.execute_script("document.querySelector('a.skip').focus(); return document.activeElement.hash")
    assert first == "#content"
    assert browser.execute_script("return document.querySelector('main > *').className") == "warnings"


@on_pages(NAMES)
def test_dark_figures_are_light_on_dark(name: str, show: Open) -> None:
    script = (
        "const svg = document.querySelector('figure svg[viewBox]:not(.workflow)'), body = document.body;"
        "return [getComputedStyle(body).backgroundColor, getComputedStyle(svg).fill,"
        " getComputedStyle(svg.querySelector('#' + svg.closest('figure').id.slice(7) + '-patch_1 path')).fill]"
    )
    assert show(name, "dark").execute_script(script) == ["rgb(22, 22, 22)", "rgb(236, 236, 236)", "rgb(22, 22, 22)"]
    assert show(name).execute_script(script) == ["rgb(255, 255, 255)", "rgb(27, 27, 27)", "rgb(255, 255, 255)"]


@on_pages(["run"])
def test_a_narrow_screen_needs_no_sideways_scrolling(name: str, show: Open) -> None:
    browser = show(name)
    size = {"width": 380, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    width = browser.execute_script("return document.documentElement.scrollWidth")
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert width <= 380


@on_pages(NAMES)
def test_it_prints(name: str, show: Open) -> None:
    data = show(name, "dark").execute_cdp_cmd("Page.printToPDF", {"printBackground": True})["data"]
    pdf = base64.b64decode(data)
    assert pdf.startswith(b"%PDF-")
    assert pdf.count(b"/Type /Page\n") + pdf.count(b"/Type /Page ") >= 2


@on_pages(["run"])
def test_tables_are_sorted_by_mouse_and_keyboard(name: str, show: Open) -> None:
    from selenium.webdriver.common.keys import Keys

    browser = show(name)
    headings = browser.find_elements("css selector", "table.sortable:first-of-type thead th")
    before = areas(browser)
    buttons = browser.find_elements("css selector", "table.sortable thead th button")
    assert not headings[2].get_attribute("aria-sort")
    buttons[2].click()
    assert headings[2].get_attribute("aria-sort") == "ascending"
    assert areas(browser) == sorted(before) and len(before) > 2
    buttons[2].send_keys(Keys.ENTER)
    assert headings[2].get_attribute("aria-sort") == "descending"
    assert areas(browser) == sorted(before, reverse=True)
    buttons[0].send_keys(Keys.SPACE)
    assert headings[0].get_attribute("aria-sort") == "ascending" and not headings[2].get_attribute("aria-sort")
    assert column(browser, 0, 0) == sorted(column(browser, 0, 0))
