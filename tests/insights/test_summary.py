"""Forecast, summary and the command."""

from __future__ import annotations

import json
import math
import random
from datetime import date, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from scipy import stats

from annokit import Dataset
from annokit.cli import app
from annokit.insights import BLOG_VIEWS, QUALITY, VIEWS, forecast, markdown, open_insights, summarise
from annokit.insights.pace import _student
from annokit.model import Answer, Classification, DataRow, Label

START = date(2024, 1, 1)


def run(*words: object) -> Result:
    return CliRunner().invoke(app, ["insights", *map(str, words)])


def pace(counts: list[int]) -> dict[date, int]:
    return {START + timedelta(place): n for place, n in enumerate(counts) if n}


def test_a_steady_pace_is_told_to_the_day() -> None:
    made = forecast(pace([20] * 11), 300)
    assert (made.done, made.per_day, made.days) == (220, 20, 10)
    assert made.earliest == made.expected == made.latest == START + timedelta(10 + 4)


def test_days_without_work_count() -> None:
    made = forecast(pace([10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7]), 100)
    assert made.per_day == 1
    assert made.expected == START + timedelta(10 + 83)
    assert made.latest is None  # at that spread it may never be


@pytest.mark.parametrize(
    ("counts", "goal", "why"),
    [([], 10, "nothing"), ([5, 5, 5], 100, "5 days"), ([50], 50, "reached"), ([3] * 9, 20, "reached")],
)
def test_no_forecast_without_ground(counts: list[int], goal: int, why: str) -> None:
    made = forecast(pace(counts), goal)
    assert why in str(made.why_not)
    assert made.expected is None


def test_what_is_done_without_a_time_is_done() -> None:
    assert forecast({None: 7}, 7).why_not == "the goal is reached"
    made = forecast({None: 7}, 10)
    assert (made.done, made.why_not) == (7, "no answer has a time")
    dated = forecast({None: 7} | pace([10] * 8), 100)
    assert (dated.done, dated.per_day) == (87, 10)
    labels = tuple(Label(annotator_id=name) for name in ("ann", ""))
    insights = open_insights(Dataset.from_rows([DataRow(id=str(n), labels=labels) for n in range(3)]))
    told = summarise(insights)
    assert (told.completed, told.forecast.done, told.workers) == (3, 3, 1)  # an empty name is nobody's


@pytest.mark.parametrize("freedom", [4, 6, 13, 27])
def test_students_quantile(freedom: int) -> None:
    assert _student(freedom) == pytest.approx(stats.t.ppf(0.95, freedom), rel=0.01)


@pytest.mark.parametrize("mean", [4, 60])
def test_the_interval_holds_nine_times_in_ten(mean: float) -> None:
    choose = random.Random(7)
    hits, tries = 0, 400
    for _ in range(tries):
        counts = [max(0, round(choose.gauss(mean, mean / 2 + math.sqrt(mean)))) for _ in range(200)]
        seen, goal = counts[:21], sum(counts[:21]) + 30 * int(mean)
        made = forecast(pace(seen), goal)
        total, day = sum(seen), 20
        while total < goal:
            day += 1
            total += counts[day]
        real = START + timedelta(day)
        low, high = made.earliest or date.max, made.latest or date.max
        hits += low <= real <= high
    assert 0.86 < hits / tries < 0.97


def dataset(name: str = "owl") -> Dataset:
    owl = Classification(tool_name="bird", kind="radio", answers=(Answer(name=name),))
    labels = (Label(annotator_id="ann|e", annotations=(owl,)), Label(annotator_id="bob", annotations=(owl,)))
    return Dataset.from_rows([DataRow(id="r1", labels=labels), DataRow(id="r2")])


def test_a_summary_says_what_is_there() -> None:
    made = summarise(open_insights(dataset()))
    assert (made.answers, made.workers, made.labelled, made.data_rows) == (2, 2, 1, 2)
    assert made.agreement == 1
    text = markdown(made)
    assert "2 answers by 2 workers on 1 of 2 data rows" in text
    assert "| ann\\|e | 1 | 50.0% |" in text
    assert "2 answers have no time" in text
    assert summarise(open_insights(Dataset.from_rows([]))).agreement is None


def test_hostile_names_stay_in_their_cells() -> None:
    text = markdown(summarise(open_insights(dataset("<b>|\n# x\u202e"))))
    (line,) = [line for line in text.splitlines() if "&lt;b" in line]
    assert line.startswith("| &lt;b>\\| \\# x")
    assert "\u202e" not in text


def test_the_command_writes_tables_and_prints(samples: Path, tmp_path: Path) -> None:
    source, folder = samples / "street.ndjson", tmp_path / "tables"
    done = run(source, "--tables", folder, "--time-zone", "Europe/Berlin")
    assert done.exit_code == 0, done.output
    names = {path.stem for path in folder.glob("*.parquet")}
    assert names == {"answers", "answer_labels", "annotations_view", *BLOG_VIEWS, *VIEWS, *QUALITY}
    assert pq.read_table(folder / "answers.parquet").num_rows == 48
    run(source, "--tables", tmp_path / "again", "--time-zone", "Europe/Berlin")
    for path in folder.glob("*.parquet"):
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes(), path.name
    assert run(source, "--tables", folder).exit_code == 7  # it is there already
    assert run(source, "--tables", folder, "--overwrite").exit_code == 0
    told = json.loads(run(source, "--summary", "json", "--goal", "40", "--since", "2024-03-10").stdout)
    assert told["forecast"]["goal"] == 40
    assert told["first"] >= "2024-03-10"
    told = json.loads(run(source, "--summary", "json", "-o", tmp_path / "report.html").stdout)
    assert (tmp_path / "report.html").stat().st_size < 2_000_000
    (tmp_path / "input.manifest").write_text('{"source-ref": "s3://a/1.jpg"}\n' * 25)
    told = json.loads(run(source, "--summary", "json", "--goal", tmp_path / "input.manifest").stdout)
    assert told["forecast"]["goal"] == 25
    assert run(source, "--summary", "md", "--title", "Street").stdout.startswith("# Street\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "expected SRC and"),
        (["{source}"], "expected SRC and"),
        (["{source}", "--summary", "md", "--since", "yesterday"], "expected a date"),
        (["{source}", "--summary", "md", "--time-zone", "Mars"], "expected a time zone"),
        (["--sql", "spark", "a", "b"], "one folder"),
        (["{source}", "--summary", "md", "--bucket-width", "1"], "buckets of 2"),
        (
            ["{source}", "--summary", "md", "--goal", "abc"],
            "number or an input manifest in --goal, got 'abc'",
        ),
        (["{source}", "--summary", "md", "--goal", "-3"], "number or an input manifest in --goal, got '-3'"),
        (["{source}", "--summary", "md", "--goal", "{source}/.."], "in --goal"),
        (["{source}", "--summary", "md", "--goal", "{this}"], "line 1 of it is no JSON object"),
    ],
)
def test_wrong_calls_say_what_to_do(words: list[str], message: str, samples: Path) -> None:
    paths = {"source": samples / "street.ndjson", "this": Path(__file__)}
    done = run(*[word.format(**paths) for word in words])
    assert done.exit_code == 2
    assert message in done.output
