"""The dashboard in a browser: drawn, equal to DuckDB, filtered by clicks and controls, quiet, and safe."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from annokit import Dataset
from annokit.insights import Insights, Settings, dashboard, forecast, open_insights
from annokit.insights.cube import make_cubes
from annokit.insights.views import sql_text
from annokit.model import Answer, Box, Classification, DataRow, Label, ObjectAnnotation
from annokit.page import visible
from tests.browser import Page, browser, find_browser

HOSTILE = "</script><img src=x onerror=\"window.bad=1\">\u202e & 'quoted'"
CHARTS = (
    "time",
    "worker",
    "label",
    "bucket",
    "seconds",
    "heat",
    "worker-agreement",
    "label-agreement",
    "mix",
    "progress",
)


def job(days: int = 30, workers: int = 12, *, boxes: bool = False, seed: int = 3) -> Dataset:
    """A job of some weeks: a few busy workers, labels of unequal frequency, one of them with a hostile name."""
    choose = random.Random(seed)
    start = datetime(2024, 3, 1, 8, tzinfo=UTC)
    names = ["cat", "dog", "owl", HOSTILE]
    made = []
    for item in range(days * 12):
        truth = choose.choices(names, (8, 4, 2, 1))[0]
        time = start + timedelta(days=item // 12, minutes=7 * (item % 12))
        labels = []
        for worker in choose.choices(range(workers), [1 / (1 + w) for w in range(workers)], k=3):
            said = truth if choose.random() < 0.8 else choose.choice(names)
            chosen: list[Any] = [Classification(tool_name="what", kind="radio", answers=(Answer(name=said),))]
            if boxes:
                shape = Box(x=0, y=0, width=4, height=4)
                chosen += [
                    ObjectAnnotation(tool_name=choose.choice("ab"), geometry=shape)
                    for _ in range(choose.randrange(3))
                ]
            seconds = choose.lognormvariate(3, 0.7)
            labels.append(
                Label(
                    annotator_id=f"team/w{worker}",
                    created_at=time,
                    seconds_to_create=seconds,
                    annotations=tuple(chosen),
                )
            )
        made.append(DataRow(id=f"r{item}", labels=tuple(labels)))
    return Dataset.from_rows([*made, *(DataRow(id=f"open{n}") for n in range(100))])


@pytest.fixture(scope="module")
def tab() -> Iterator[Page]:
    if find_browser() is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    with browser() as page:
        yield page


def show(tab: Page, insights: Insights, folder: Path, **options: Any) -> Path:
    path = folder / "report.html"
    path.write_text(dashboard(insights, **options), encoding="utf-8")
    tab.open(path)
    tab.wait("document.documentElement.dataset.ready === 'yes'")
    return path


def rows(tab: Page, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = tab.run(f"dashboard.latest().then(() => dashboard.rows[{name!r}])")
    return found


def pairs(tab: Page, name: str) -> dict[str, int]:
    return {row.get("full", row.get("name")): row["n"] for row in rows(tab, name) if row["n"]}


def counts(insights: Insights, query: str) -> dict[str, int]:
    return {visible(key): n for key, n in insights.rows(query)}


def drawings(tab: Page) -> dict[str, str]:
    """What each chart looks like now."""
    tab.run("dashboard.latest()")
    return {name: tab.run(f"document.getElementById('{name}-chart').innerHTML") for name in CHARTS}


def numbers(tab: Page) -> Any:
    """What stands behind each chart now."""
    return tab.run("dashboard.latest().then(() => dashboard.rows)")


def choose(tab: Page, selector: str, value: str) -> None:
    tab.run(
        f"(() => {{ const one = document.querySelector({selector!r}); one.value = {value!r};"
        "one.dispatchEvent(new Event('change', {bubbles: true})); })()"
    )
    tab.run("dashboard.latest()")


def test_every_chart_is_drawn_and_equals_duckdb(tab: Page, tmp_path: Path) -> None:
    insights = open_insights(job())
    path = show(tab, insights, tmp_path)
    for name in CHARTS:
        assert tab.run(f"document.querySelectorAll('#{name}-chart svg path').length") > 3, name
    assert pairs(tab, "worker") == counts(insights, "SELECT worker, answers FROM answers_per_worker")
    assert pairs(tab, "label") == counts(insights, "SELECT label, answers FROM answers_per_label")
    assert pairs(tab, "time") == counts(insights, "SELECT CAST(day AS VARCHAR), answers FROM answers_per_day")
    assert [row["n"] for row in rows(tab, "bucket")] == [
        n for (n,) in insights.rows("SELECT workers FROM workers_per_bucket")
    ]
    agreed = {
        row["full"]: (row["n"], row["share"], row["low"], row["high"])
        for row in rows(tab, "worker-agreement")
    }
    for worker, n, share, low, high in insights.rows(
        "SELECT worker, compared, agreement, low, high FROM agreement_per_worker WHERE compared >= 10"
    ):
        assert agreed.pop(worker) == pytest.approx((n, share, low, high))
    assert agreed == {}
    assert sum(row["n"] for row in rows(tab, "heat")) == insights.table("answers").num_rows
    assert sum(row["n"] for row in rows(tab, "seconds")) == insights.table("answers").num_rows
    assert tab.problems == []
    assert tab.requests == [path.as_uri()]


def test_a_click_on_a_bar_changes_every_chart(tab: Page, tmp_path: Path) -> None:
    insights = open_insights(job())
    show(tab, insights, tmp_path)
    before, all_of_it = drawings(tab), numbers(tab)
    tab.click("#worker-chart path[aria-roledescription=bar]")
    assert tab.wait("dashboard.filter.worker === 0")
    after = drawings(tab)
    assert [name for name in CHARTS if before[name] == after[name]] == []
    ((busiest,),) = insights.rows("SELECT worker FROM answers_per_worker LIMIT 1")
    where = f"WHERE worker = '{busiest}'"
    assert pairs(tab, "label") == counts(
        insights,
        f"SELECT x.label, COUNT(*) FROM answers a JOIN answer_labels x USING (answer) {where} GROUP BY 1",
    )
    assert pairs(tab, "time") == counts(
        insights, f"SELECT CAST(day AS VARCHAR), COUNT(*) FROM answers {where} GROUP BY 1"
    )
    assert tab.run("document.getElementById('worker').selectedOptions[0].textContent").startswith(busiest)
    tab.click("#worker-chart path[aria-roledescription=bar]")
    assert tab.wait("dashboard.filter.worker === null")
    assert numbers(tab) == all_of_it
    assert tab.problems == []


def test_dates_and_labels_change_every_chart(tab: Page, tmp_path: Path) -> None:
    insights = open_insights(job())
    show(tab, insights, tmp_path)
    before, all_of_it = drawings(tab), numbers(tab)
    choose(tab, "#from", "2024-03-10")
    choose(tab, "#to", "2024-03-19")
    after = drawings(tab)
    assert [name for name in CHARTS if before[name] == after[name]] == []
    where = "WHERE day BETWEEN DATE '2024-03-10' AND DATE '2024-03-19'"
    expected = counts(insights, f"SELECT worker, COUNT(*) FROM answers {where} GROUP BY 1")
    assert pairs(tab, "worker") == expected
    buckets = [(1, 24), (25, 49), (50, 74), (75, 99), (100, 10**9)]
    assert [row["n"] for row in rows(tab, "bucket")] == [
        sum(low <= n <= high for n in expected.values()) for low, high in buckets
    ]
    choose(tab, "#label", "1")
    assert [name for name in CHARTS if after[name] == drawings(tab)[name]] == []
    assert pairs(tab, "worker") == counts(
        insights,
        f"SELECT a.worker, COUNT(*) FROM answers a JOIN answer_labels x USING (answer) {where} AND x.label = 'dog' GROUP BY 1",
    )
    tab.click("#filters button")
    assert tab.wait("Object.values(dashboard.filter).every(one => one === null)")
    assert numbers(tab) == all_of_it


def test_answers_with_several_labels_count_once(tab: Page, tmp_path: Path) -> None:
    insights = open_insights(job(boxes=True))
    show(tab, insights, tmp_path)
    assert pairs(tab, "worker") == counts(insights, "SELECT worker, answers FROM answers_per_worker")
    assert pairs(tab, "label") == counts(
        insights, "SELECT element || ': ' || label, answers FROM answers_per_label"
    )
    place = next(row["place"] for row in rows(tab, "label") if row["full"] == "objects: a")
    choose(tab, "#label", str(place))
    assert pairs(tab, "worker") == counts(
        insights,
        "SELECT worker, COUNT(*) FROM answers WHERE answer IN (SELECT answer FROM answer_labels WHERE label = 'a') GROUP BY 1",
    )


def test_names_from_strangers_are_text(tab: Page, tmp_path: Path) -> None:
    insights = open_insights(job())
    path = show(tab, insights, tmp_path, title=HOSTILE)
    assert "\u202e" not in path.read_text("utf-8")
    assert tab.run("window.bad === undefined && document.images.length === 0")
    assert tab.run("document.querySelector('h1').textContent") == visible(HOSTILE)
    tab.run("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    tab.wait("!!document.querySelector('#label-table td')")
    shown = tab.run(
        "[...document.querySelectorAll('#label-table td:first-child')].map(one => one.textContent)"
    )
    assert visible(HOSTILE) in shown
    assert visible(HOSTILE) in tab.run(
        "[...document.querySelectorAll('#label option')].map(o => o.textContent).join('|')"
    )
    assert tab.problems == []


def test_the_table_behind_each_chart_has_its_numbers(tab: Page, tmp_path: Path) -> None:
    show(tab, open_insights(job()), tmp_path)
    tab.run("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    tab.wait("document.querySelectorAll('details table').length === 10")
    for name in CHARTS:
        lines = tab.run(f"document.querySelectorAll('#{name}-table tbody tr').length")
        assert lines == len(rows(tab, name)), name
    before = tab.run("document.querySelector('#label-table').textContent")
    choose(tab, "#worker", "2")
    assert tab.run("document.querySelector('#label-table').textContent") != before


def test_the_forecast_is_the_librarys(tab: Page, tmp_path: Path) -> None:
    insights = open_insights(job())
    show(tab, insights, tmp_path, goal=520)
    done = dict(insights.rows("SELECT day, completed FROM answers_per_day"))
    made = forecast(done, 520)
    note = tab.run("document.getElementById('progress-note').textContent")
    assert (
        f"360 data rows completed of 520. At {made.per_day:g} a day the rest is done by {made.expected}"
        in note
    )
    assert f"90 %: {made.earliest} to {made.latest}." in note


def test_it_can_be_used_without_a_mouse(tab: Page, tmp_path: Path) -> None:
    show(tab, open_insights(job()), tmp_path)
    reached = []
    for _ in range(18):
        tab.press("Tab", 9)
        reached.append(tab.run("document.activeElement.id || document.activeElement.tagName"))
    assert [name for name in reached if name in ("worker", "label", "from", "to")].count("worker") == 1
    assert "SUMMARY" in reached
    unlabelled = (
        "[...document.querySelectorAll('select, input')].filter(one => one.labels.length !== 1).length"
    )
    assert tab.run(unlabelled) == 0
    assert tab.run("[...document.querySelectorAll('section')].every(one => one.querySelector('h2'))")
    assert (
        tab.run(
            "document.querySelectorAll('.chart svg[aria-roledescription=visualization], .chart svg').length"
        )
        == 10
    )


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1280, 380])
def test_it_fits_the_window_and_its_colours(tab: Page, tmp_path: Path, width: int, dark: bool) -> None:
    path = tmp_path / "report.html"
    path.write_text(dashboard(open_insights(job())), encoding="utf-8")
    tab.open(path, width=width, dark=dark)
    tab.wait("document.documentElement.dataset.ready === 'yes'")
    assert tab.run("document.documentElement.scrollWidth") <= width
    light = int(tab.run("getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0]"))
    assert (light < 60) if dark else (light > 200)
    fill = tab.run("document.querySelector('#worker-chart .role-axis-label text').getAttribute('fill')")
    assert (int(fill[1:3], 16) > 140) if dark else (int(fill[1:3], 16) < 140)


@pytest.mark.parametrize("rows", [0, 1])
def test_next_to_nothing_is_a_page_too(tab: Page, tmp_path: Path, rows: int) -> None:
    data = Dataset.from_rows([DataRow(id="r", labels=(Label(annotator_id="a"),)) for _ in range(rows)])
    path = show(tab, open_insights(data), tmp_path)
    assert tab.run("document.querySelector('dd').textContent") == str(rows)
    assert tab.problems == []
    assert tab.requests == [path.as_uri()]


def crowded(answers: int, workers: int, labels: int, days: int) -> Insights:
    """Far more than a page can show, put straight into the tables."""
    insights = open_insights(Dataset.from_rows([]), Settings())
    run = insights.connection.execute
    run("SELECT setseed(0.4)")
    run(
        f"""INSERT INTO answers (answer, data_row, worker, element, labels, submitted_epoch, submitted_at, day, seconds,
        seconds_from, nth, completes) SELECT i, i // 3, 'w' || CAST(floor({workers} * pow(random(), 3)) AS INT), 'what', 1,
        1.7e9 + 86400 * d, make_timestamptz(CAST(1e6 * (1.7e9 + 86400 * d) AS BIGINT)), DATE '2023-11-14' + d, 400 * pow(random(), 4), 'active',
        1 + i % 3, i % 3 = 0 FROM (SELECT i, CAST(floor(random() * {days}) AS INT) AS d FROM range({answers}) t(i))"""
    )
    run(
        "CREATE TABLE more AS SELECT answer, 'what' AS element, 'radio' AS kind, "
        f"'label ' || CAST(floor({labels} * pow(random(), 2)) AS INT) AS label, CAST(1 AS BIGINT) AS marks FROM answers"
    )
    insights.connection.unregister("answer_labels")
    run("CREATE VIEW answer_labels AS SELECT * FROM more")
    run(f"CREATE OR REPLACE TABLE votes AS {sql_text('votes', Settings())}")
    return insights


def test_any_number_of_answers_fits_in_two_megabytes() -> None:
    page = dashboard(crowded(120_000, 3_000, 200, 300))
    assert len(page.encode()) < 2_000_000


def test_what_is_grouped_is_said_and_counted() -> None:
    insights = crowded(40_000, 900, 120, 200)
    cubes = make_cubes(insights)
    ((workers,),) = insights.rows("SELECT COUNT(*) FROM answers_per_worker")
    last = cubes.workers[-1]
    assert last["name"] == f"{last['others']:,} other workers"
    assert last["others"] + len(cubes.workers) - 1 == workers
    assert sum(one["answers"] for one in cubes.workers) == 40_000
    assert sum(cubes.by_label["counts"]) == 40_000
    assert cubes.labels[-1]["others"] + len(cubes.labels) - 1 == 120


@pytest.mark.parametrize(
    ("span", "step"),
    [(3000, 60), (30_000, 300), (300_000, 3600), (30 * 86_400, 86_400), (1500 * 86_400, 7 * 86_400)],
)
def test_slots_suit_the_time_the_work_took(span: int, step: int) -> None:
    times = [
        datetime(2024, 3, 1, 8, tzinfo=UTC) + timedelta(seconds=span * place / 50) for place in range(51)
    ]
    labels = tuple(Label(annotator_id="a", created_at=time) for time in times)
    data = Dataset.from_rows([DataRow(id="r", labels=labels)])
    cubes = make_cubes(open_insights(data, Settings(time_zone="Asia/Kolkata")))
    assert cubes.step == step
    assert cubes.slots == sorted(set(cubes.slots))
    assert cubes.slots[0][:10] in ("2024-03-01", "2024-02-26")
    if step < 86_400:
        assert cubes.slots[0].startswith("2024-03-01T13:")
    assert sum(cubes.by_label["counts"]) == 51


def test_labels_without_times_are_done_without_a_forecast(tab: Page, tmp_path: Path) -> None:
    rows = [DataRow(id=str(n), labels=(Label(annotator_id="ann"),)) for n in range(7)]
    insights = open_insights(Dataset.from_rows(rows))
    note = "document.getElementById('progress-note').textContent"
    show(tab, insights, tmp_path, goal=9)
    assert tab.run(note) == "7 data rows completed of 9. No forecast: no answer has a time."
    show(tab, insights, tmp_path, goal=7)
    assert tab.run(note) == "7 data rows completed of 7. No forecast: the goal is reached."


def test_no_name_is_the_one_that_objects_of_scripts_keep_for_themselves() -> None:
    said = Classification(tool_name="what", kind="radio", answers=(Answer(name="__proto__"),))
    rows = [DataRow(id="r", labels=(Label(annotator_id="__proto__", annotations=(said,)),))]
    cubes = make_cubes(open_insights(Dataset.from_rows(rows)))
    assert [one["name"] for one in (*cubes.workers, *cubes.labels)] == ["__proto__ ", "__proto__ "]
