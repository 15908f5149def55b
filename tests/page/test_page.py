"""Pages: data stays text, nothing is loaded, charts are drawn without eval."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annokit.page import Html, element, make_page, table, visible
from tests.browser import Page, browser, find_browser

NASTY = [
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<!--<script>",
    "car\u202egnp.exe",
    "\u2028\u2029\x00\x1b[31m",
    "a'b\"c&lt;",
    "\ud800",
]


class _Seen(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def parsed(text: str) -> _Seen:
    seen = _Seen()
    seen.feed(text)
    seen.close()
    return seen


@given(st.text(), st.text())
def test_values_are_text_wherever_they_stand(one: str, two: str) -> None:
    seen = parsed(element("p", one, element("b", two, title=one), id=two))
    assert seen.tags == ["p", "b"]
    assert seen.text == visible(one) + visible(two)


@pytest.mark.parametrize("text", NASTY)
def test_hostile_text_changes_neither_elements_nor_direction(text: str) -> None:
    if text != "\ud800":  # what is no Unicode is not JSON either; names read from files never hold it
        page = make_page(text, table([text], [[text]], caption=text), data={text: [text]})
        plain = make_page("a", table(["a"], [["a"]], caption="a"), data={"a": ["a"]})
        assert parsed(page).tags == parsed(plain).tags
        assert not re.search("[\u202a-\u202e\u2066-\u2069\u2028\u2029\x00\x1b]", page)
        (data,) = re.findall(r'<script type="application/json" id="page-data">(.*?)</script>', page)
        assert json.loads(data) == {text: [text]}
    assert visible(text).isprintable()


def test_what_the_policy_forbids_is_refused_when_it_is_made() -> None:
    with pytest.raises(ValueError, match="onclick"):
        element("p", onclick="alert(1)")
    with pytest.raises(ValueError, match="style"):
        element("p", style="color:red")
    with pytest.raises(ValueError, match="href"):
        element("a", href="javascript:alert(1)")
    with pytest.raises(ValueError, match="script"):
        element("script", "alert(1)")
    with pytest.raises(TypeError, match="element"):
        make_page("a", "<b>")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="</script"):
        make_page("a", Html(""), scripts=["'</script>'"])


def test_numbers_stand_right_and_empty_cells_stay_empty() -> None:
    made = table(["who", "n", "share"], [["a", 1200, 0.123456], ["b", None, 2]])
    assert made.count('class="number"') == 6
    assert ">1,200<" in made
    assert ">0.1235<" in made
    assert '<td class="number"></td>' in made


def test_charts_cost_only_pages_that_have_some() -> None:
    plain, charts = make_page("a", Html("")), make_page("a", Html(""), charts=True)
    assert len(plain) < 12_000
    assert 700_000 < len(charts) < 900_000
    assert make_page("a", Html(""), charts=True) == charts


@pytest.fixture(scope="module")
def tab() -> Iterator[Page]:
    if find_browser() is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    with browser() as page:
        yield page


DRAW = """
const spec = { width: 'container', height: 80, data: { values: page.data }, mark: 'bar', encoding: {
  x: { field: 'n', type: 'quantitative' }, y: { field: 'name', type: 'nominal', sort: '-x' } } };
window.seen = page.chart(document.getElementById('here'), spec).then(() => {
  document.getElementById('rows').append(page.table(['name', 'n'], page.data.map((one) => [one.name, one.n]), 'bars'));
  return 'drawn';
});
"""


def test_a_browser_draws_it_and_loads_nothing(tab: Page, tmp_path: Path) -> None:
    names = [*NASTY[:-1], "plain"]
    body = element("main", element("div", id="here", class_="chart"), element("div", id="rows"))
    data = [{"name": visible(name), "n": place} for place, name in enumerate(names)]
    path = tmp_path / "page.html"
    path.write_text(make_page("A page", body, data=data, scripts=[DRAW], charts=True), encoding="utf-8")
    tab.open(path)
    assert tab.run("window.seen") == "drawn"
    assert tab.run("document.querySelectorAll('#here svg path[aria-roledescription=bar]').length") == len(
        names
    )
    assert tab.run("[...document.querySelectorAll('#rows td:first-child')].map(one => one.textContent)") == [
        visible(name) for name in names
    ]
    assert tab.problems == []
    assert tab.requests == [path.as_uri()]


def test_the_policy_holds_in_a_browser(tab: Page, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    hostile = '<script>window.bad = 1</script><img src="https://example.org/x.png" onerror="window.bad = 2">'
    path.write_text(make_page("A page", Html(hostile)), encoding="utf-8")
    tab.open(path)
    assert tab.run("window.bad === undefined")
    assert tab.run("(() => { try { eval('1') } catch (error) { return error.name } })()") == "EvalError"
    assert tab.requests == [path.as_uri()]  # the picture was refused before anything was asked for
