"""The pages in a real browser: nothing is complained about, nothing is asked of others, links lead on, figures live."""

import pytest

from support.console import HOSTILE, RunningConsole

PAGES = ("/", "/requests", "/requests/call-000001", "/requests/call-000004", "/requests/call-000005")

CONTRAST = """
(() => {
  const channel = (c) => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const ground = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const color = parse(getComputedStyle(one).backgroundColor);
      if (color.length === 3 || color[3] === 1) return color;
    }
    return matchMedia("(prefers-color-scheme: dark)").matches ? [0, 0, 0] : [255, 255, 255];
  };
  const poor = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const isText = walker.currentNode.data.trim() && !element.closest(".hidden, .skip, svg");
    if (!isText || !element.checkVisibility()) continue;
    const [a, b] = [light(parse(getComputedStyle(element).color)), light(ground(element))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) poor.push(walker.currentNode.data.trim() + " " + ((a + 0.05) / (b + 0.05)));
  }
  return poor;
})()
"""
"""Texts below the contrast of 4.5 that WCAG 2.2 §1.4.3 asks for."""

NEXT_CHANGE = """
new Promise((resolve) => {
  const shown = () => document.querySelector("#count .figure").textContent.trim();
  const before = shown();
  new MutationObserver(() => shown() !== before && resolve([before, shown()]))
    .observe(document.body, { subtree: true, childList: true });
  document.dispatchEvent(new Event("visibilitychange"));
})
"""


@pytest.fixture
def page(browser):
    """A fresh tab."""
    with browser.open() as tab:
        yield tab


@pytest.mark.parametrize("path", PAGES)
def test_loads_quietly(console, page, path):
    """No errors, no violated policy, no request to anybody else."""
    page.goto(console.url + path)

    assert page.complaints() == []
    assert [url for url in page.asked() if not url.startswith(console.url)] == []


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("width", [360, 1600])
def test_fits(console, page, path, width):
    """No page is wider than the window, on a phone or on a desk."""
    page.resize(width)
    page.goto(console.url + path)

    assert page.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast(console, page, path, scheme):
    """Text can be read in both schemes."""
    page.prefer(scheme)
    page.goto(console.url + path)

    assert page.evaluate(CONTRAST) == []


def test_schemes_differ(console, page):
    """The page follows the reader's scheme."""
    grounds = []
    for scheme in ("light", "dark"):
        page.prefer(scheme)
        page.goto(console.url)
        grounds.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))

    assert len(set(grounds)) == 2


def test_links_lead_on(console, page):
    """From the overview to a list, from there to a call, and back."""
    page.goto(console.url)
    page.click('a[href="/requests?team=ops"]')
    listed = page.evaluate("location.pathname + location.search")
    page.click('a[href="/requests/call-000003"]')
    explained = page.evaluate("location.pathname")
    page.click(".path a")

    assert (listed, explained) == ("/requests?team=ops", "/requests/call-000003")
    assert page.evaluate("location.pathname") == "/requests"


def test_hostile_text_is_read_not_run(console, page):
    """Markup in a tag is text on the screen."""
    page.goto(f"{console.url}/requests/call-000005")

    assert HOSTILE in page.evaluate("document.body.innerText")


def test_figures_live(console, page):
    """A new call shows without a reload, and what the reader has in hand stays."""
    page.goto(console.url)
    page.evaluate("window.isSame = true; document.querySelector('.groups a').focus()")
    before = page.evaluate("document.querySelector('#count .figure').textContent.trim()")
    console.put(console.settled(80, team="live"))

    assert page.evaluate(NEXT_CHANGE) == [before, str(int(before) + 1)]
    assert page.evaluate("window.isSame && document.activeElement.matches('.groups a')")
    assert page.evaluate("document.getElementById('live').innerText") == "Live"


def test_first_call_replaces_the_lesson(console, tmp_path, page):
    """An empty page becomes the overview as soon as there is something to show."""
    with RunningConsole(tmp_path, prices=console.folder) as fresh:
        page.goto(fresh.url)
        taught = page.evaluate("document.querySelector('main').innerText")
        fresh.put(fresh.settled(1))
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        page.wait_for_load()

        assert "Nothing has been spent yet" in taught
        assert page.evaluate("document.querySelector('#count .figure').textContent.trim()") == "1"


def test_readable_without_script(console, page):
    """Everything is there when scripts are off."""
    page.call("Emulation.setScriptExecutionDisabled", {"value": True})
    page.goto(console.url)

    html = page.call("DOM.getOuterHTML", {"nodeId": page.call("DOM.getDocument")["root"]["nodeId"]})["outerHTML"]
    assert 'id="count"' in html
    assert 'id="live" hidden' in html
