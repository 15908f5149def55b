"""Tables and views: the blog's by Presto's rules, annokit's own by plain counting."""

from __future__ import annotations

import random
import statistics
import tarfile
from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import annokit
from annokit import Dataset
from annokit.errors import UsageError
from annokit.insights import BLOG_VIEWS, QUALITY, VIEWS, Insights, Settings, open_insights, tables
from annokit.insights.summary import summarise
from annokit.model import Answer, Box, Classification, DataRow, Label, ObjectAnnotation
from tests.insights.trees import Given, Presto, as_dataset, private_workforce, width_bucket, write_tree

COLUMNS = {
    "annotations_view": "iteration dataRecord label submissionTime submissionDay workerId identityProviderType "
    "issuer sub path",
    "annotations_per_user": "LabeledItems User",
    "annotations_per_label": "TotalLabels Label",
    "annotations_per_day": "LabeledItems submissionDay",
    "users_per_bucket_annotations": "bucket numberOfUsers NumberOfAnnotations",
}


def rows(insights: Insights, view: str) -> list[tuple[Any, ...]]:
    return insights.rows(f"SELECT * FROM {view}")


def by_key(found: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return sorted(found, key=repr)


def check_blog(insights: Insights, oracle: Presto) -> None:
    for view, columns in COLUMNS.items():
        assert insights.table(view).column_names == columns.split()
        assert by_key(rows(insights, view)) == by_key(getattr(oracle, view)()), view


@pytest.fixture(scope="module")
def birds(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole job, unpacked."""
    folder = tmp_path_factory.mktemp("birds")
    with tarfile.open(data / "ground_truth" / "birds.tar.gz") as archive:
        members = [one for one in archive.getmembers() if not Path(one.name).name.startswith("._")]
        archive.extractall(folder, [one for one in members if "worker-response" in one.name], filter="data")
    return folder


def test_the_blogs_views_follow_prestos_rules(tmp_path: Path) -> None:
    write_tree(tmp_path, private_workforce())
    insights = open_insights(as_dataset(tmp_path))
    check_blog(insights, Presto(tmp_path))
    assert dict(rows(insights, "annotations_per_user"))[0] is None  # the one who is no longer in the pool
    buckets = {bucket: name for bucket, _, name in rows(insights, "users_per_bucket_annotations")}
    assert buckets == {1: "B1: 0-25", 2: "B2: 25-50", 3: "B3: 50-75", 4: "B4: 75-100", 5: "B5: 100+"}


@pytest.mark.parametrize("seed", range(5))
def test_the_blogs_views_on_any_tree(seed: int, tmp_path: Path) -> None:
    choose = random.Random(seed)
    start = datetime(2020, 2, 28, 23, 50, tzinfo=UTC)
    given = [
        Given(
            record=choose.randrange(40),
            worker=f"w{(worker := choose.randrange(6))}",
            label=choose.choice(["a", "b", "Ü<", None]),
            time=start + timedelta(minutes=choose.randrange(5000)),
            sub=f"sub{worker}" if worker else None,
            iteration=choose.randrange(1, 3),
            element=choose.choice(["crowd-classifier", "other"]),
        )
        for _ in range(choose.randrange(400))
    ]
    write_tree(tmp_path, given)
    check_blog(open_insights(as_dataset(tmp_path)), Presto(tmp_path))
    check_blog(
        open_insights(as_dataset(tmp_path), Settings(element="other")), Presto(tmp_path, element="other")
    )


def test_the_blogs_own_sample(data: Path) -> None:
    insights = open_insights(
        annokit.read(data / "ground_truth" / "blog_sample.json", format="ground-truth-responses")
    )
    sub = "11111111-1111-1111-1111-111111111111"
    ((iteration, record, label, _, day, worker, kind, _, user, path),) = rows(insights, "annotations_view")
    assert (iteration, record, label, kind, user) == (None, None, "Compute", "Cognito", sub)
    assert (day, worker) == (date(2020, 3, 27), "private.eu-west-1.1111111111111111")
    assert path.endswith("blog_sample.json")
    assert rows(insights, "annotations_per_user") == [(1, sub)]
    assert rows(insights, "annotations_per_label") == [(0, "Compute")]  # the path names no record
    assert rows(insights, "annotations_per_day") == [(0, date(2020, 3, 27))]
    assert rows(insights, "users_per_bucket_annotations") == [(1, 1, "B1: 0-25")]


def test_what_the_path_does_not_say_is_null_and_digits_that_are_missing_are_empty() -> None:
    paths = ["loose.json", "iteration-/x/a.json", "iteration-7/abc/a.json", "iteration-7/12/a.json", None]
    labels = [Label(annotator_id="a", extra={"ground-truth-responses": {"path": path}}) for path in paths]
    insights = open_insights(Dataset.from_rows([DataRow(id="0", labels=tuple(labels))]))
    assert insights.rows("SELECT iteration, dataRecord FROM annotations_view") == [
        (None, None),
        ("iteration-", ""),
        ("iteration-7", ""),
        ("iteration-7", "12"),
        (None, None),
    ]
    assert rows(insights, "annotations_per_label") == [(3, None)]


def test_the_real_bird_job(birds: Path) -> None:
    insights = open_insights(as_dataset(birds))
    assert insights.table("answers").num_rows == 1510
    assert insights.read.data_rows == 302
    check_blog(insights, Presto(birds))
    assert rows(insights, "annotations_per_user") == [(0, None)]
    assert rows(insights, "users_per_bucket_annotations") == [(1, 0, "B1: 0-25")]
    assert len(rows(insights, "answers_per_worker")) == 97
    assert [row[3] for row in rows(insights, "workers_per_bucket")] == [73, 17, 5, 2, 0]
    assert [row[1:3] for row in rows(insights, "workers_per_bucket")] == [
        (1, 24), (25, 49), (50, 74), (75, 99), (100, None)
    ]  # fmt: skip
    with_element = open_insights(as_dataset(birds), Settings(element="crowd-image-classifier"))
    check_blog(with_element, Presto(birds, element="crowd-image-classifier"))
    assert rows(with_element, "annotations_per_label")[0] == (312, "Parrot")


@pytest.mark.parametrize(
    ("count", "bucket"), [(-1, 0), (0, 1), (24, 1), (25, 2), (74.5, 3), (99, 4), (100, 5)]
)
def test_the_oracle_buckets_as_presto_does(count: float, bucket: int) -> None:
    assert width_bucket(count, [0, 25, 50, 75, 100]) == bucket


def crowd(seed: int = 0, workers: int = 6, items: int = 80) -> Dataset:
    """Items with up to four answers each; the last worker always says the same, the first is hasty."""
    choose = random.Random(seed)
    start = datetime(2024, 3, 1, 22, 30, tzinfo=UTC)
    made = []
    for item in range(items):
        truth = choose.choice("aabc")
        labels = []
        for worker in choose.sample(range(workers), choose.randrange(5)):
            said = truth if choose.random() < 0.85 else choose.choice("abc")
            said = "c" if worker == workers - 1 else said
            chosen = Classification(tool_name="what", kind="radio", answers=(Answer(name=said),))
            boxes = [
                ObjectAnnotation(
                    tool_name=choose.choice(["car", "dog"]), geometry=Box(x=0, y=0, width=5, height=5)
                )
                for _ in range(choose.randrange(3))
            ]
            time = start + timedelta(minutes=11 * item, seconds=worker)
            seconds = choose.uniform(0.5, 2) if worker == 0 else choose.uniform(10, 60)
            labels.append(
                Label(
                    annotator_id=f"w{worker}",
                    created_at=time,
                    seconds_to_create=seconds,
                    annotations=(chosen, *boxes),
                )
            )
        made.append(DataRow(id=f"r{item}", labels=tuple(labels)))
    return Dataset.from_rows(made)


@pytest.fixture(scope="module")
def counted() -> tuple[Insights, list[tuple[DataRow, Label]]]:
    data = crowd()
    return open_insights(data), [(row, label) for row in data for label in row.labels]


def named(label: Label) -> set[tuple[str, str]]:
    return {
        (one.tool_name, one.answers[0].name)
        if isinstance(one, Classification)
        else ("objects", one.tool_name)  # type: ignore[union-attr]
        for one in label.annotations
    }


def test_items_and_answers_are_counted_apart(counted: tuple[Insights, list[tuple[DataRow, Label]]]) -> None:
    insights, given = counted
    answers = Counter(label.annotator_id for _, label in given)
    items = Counter(who for who, _ in {(label.annotator_id, row.id) for row, label in given})
    found = rows(insights, "answers_per_worker")
    assert {row[0]: row[1] for row in found} == answers
    assert {row[0]: row[2] for row in found} == items
    assert sum(row[6] for row in found) == pytest.approx(1)
    assert found[-1][7] == pytest.approx(1)
    assert [row[1] for row in found] == sorted(answers.values(), reverse=True)
    labels = Counter(name for _, label in given for name in named(label))
    assert {row[:2]: row[2] for row in rows(insights, "answers_per_label")} == labels
    marks = sum(len(label.objects) for _, label in given)
    assert insights.rows("SELECT SUM(marks) FROM answers_per_label WHERE element = 'objects'") == [(marks,)]


def test_weights_balance_the_labels(counted: tuple[Insights, list[tuple[DataRow, Label]]]) -> None:
    insights, _ = counted
    found = insights.rows(
        "SELECT element, SUM(weight * answers), SUM(answers), COUNT(*) FROM answers_per_label GROUP BY 1"
    )
    for _, weighted, answers, labels in found:
        assert weighted == pytest.approx(answers)  # a balanced loss keeps its size
        each = insights.rows(
            f"SELECT DISTINCT round(weight * answers, 9) FROM answers_per_label WHERE element = '{_}'"
        )
        assert len(each) == 1
        assert labels > 1


def test_days_are_the_teams(counted: tuple[Insights, list[tuple[DataRow, Label]]]) -> None:
    _, given = counted
    for zone, offset in (("UTC", 0), ("Asia/Tokyo", 9)):
        insights = open_insights(crowd(), Settings(time_zone=zone))
        days = Counter((label.created_at + timedelta(hours=offset)).date() for _, label in given)  # type: ignore[operator]
        assert {row[0]: row[1] for row in rows(insights, "answers_per_day")} == days
    assert date(2024, 3, 1) not in days  # 22:30 in UTC is another day in Tokyo


def test_a_data_row_is_done_with_its_nth_answer(
    counted: tuple[Insights, list[tuple[DataRow, Label]]],
) -> None:
    _, given = counted
    each = Counter(row.id for row, _ in given)
    for needed in (1, 2, 4):
        insights = open_insights(crowd(), Settings(answers_each=needed))
        (done,) = insights.rows("SELECT SUM(completed) FROM answers_per_day")
        assert done[0] == sum(n >= needed for n in each.values())


def test_quantiles_and_throughput(counted: tuple[Insights, list[tuple[DataRow, Label]]]) -> None:
    insights, given = counted
    seconds = defaultdict(list)
    for _, label in given:
        seconds[label.annotator_id].append(label.seconds_to_create)
    for worker, n, total, q10, q25, median, q75, q90, per_hour, idle in rows(insights, "seconds_per_worker"):
        values = sorted(seconds[worker])  # type: ignore[type-var]
        assert n == len(values)
        assert total == pytest.approx(sum(values))  # type: ignore[arg-type]
        assert per_hour == pytest.approx(3600 / statistics.fmean(values))  # type: ignore[arg-type]
        assert median == statistics.median(values)  # type: ignore[type-var]
        for share, got in ((0.1, q10), (0.25, q25), (0.75, q75), (0.9, q90)):
            assert got == next(v for place, v in enumerate(values, 1) if place >= share * n)
        assert idle is None


def test_where_seconds_are_from() -> None:
    start = datetime(2024, 3, 1, tzinfo=UTC)
    labels = [
        Label(annotator_id="a", created_at=start),
        Label(annotator_id="a", created_at=start + timedelta(seconds=40)),
        Label(annotator_id="a", created_at=start + timedelta(hours=2)),
        Label(annotator_id="b", created_at=start + timedelta(seconds=50), started_at=start),
        Label(
            annotator_id="b",
            created_at=start + timedelta(seconds=60),
            started_at=start,
            seconds_to_create=15.0,
        ),
        Label(annotator_id=None, created_at=start),
        Label(annotator_id="c"),
    ]
    insights = open_insights(Dataset.from_rows([DataRow(id="r", labels=tuple(labels))]))
    assert insights.rows("SELECT seconds, seconds_from FROM answers ORDER BY answer") == [
        (None, None), (40, "gap"), (None, None), (50, "wall"), (15, "active"), (None, None), (None, None)
    ]  # fmt: skip
    (idle,) = insights.rows("SELECT idle FROM seconds_per_worker WHERE worker = 'b'")
    assert idle[0] == pytest.approx(1 - 15 / 60)


def test_agreement_with_most_of_the_others(counted: tuple[Insights, list[tuple[DataRow, Label]]]) -> None:
    insights, given = counted
    said: dict[tuple[str, str], dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for row, label in given:
        for element, name in named(label):
            said[row.id, element][str(label.annotator_id)].add(name)
    verdicts: dict[str, list[bool]] = defaultdict(list)
    pairs: dict[str, list[float]] = defaultdict(list)
    for answers in said.values():
        for worker, names in answers.items():
            others = [one for who, one in answers.items() if who != worker]
            for name in names if others else ():
                same = sum(name in one for one in others)
                pairs[worker] += [name in one for one in others]
                verdicts[worker].append(2 * same > len(others))
    found = {row[0]: row[1:] for row in rows(insights, "agreement_per_worker")}
    assert {worker: row[0] for worker, row in found.items()} == {w: len(v) for w, v in verdicts.items()}
    for worker, (_, agreement, low, high, pairwise) in found.items():
        assert agreement == pytest.approx(statistics.fmean(verdicts[worker]))
        assert pairwise == pytest.approx(statistics.fmean(pairs[worker]))
        assert 0 <= low < agreement < high <= 1 or agreement in (0, 1)
    total = insights.rows("SELECT SUM(compared) FROM agreement_per_label")
    assert total == [(sum(map(len, verdicts.values())),)]


def test_exactly_half_of_the_others_is_not_more_than_half() -> None:
    def given(answers: dict[str, str]) -> tuple[Label, ...]:
        return tuple(
            Label(
                annotator_id=worker,
                annotations=(Classification(tool_name="what", kind="radio", answers=(Answer(name=name),)),),
            )
            for worker, name in answers.items()
        )

    rows_of = (
        {"A": "cat", "B": "cat", "C": "dog"}, {"A": "cat", "B": "cat", "C": "cat"}, {"A": "cat", "B": "cat"}, {"A": "dog"},
    )  # fmt: skip
    dataset = Dataset.from_rows(
        [DataRow(id=f"r{n}", labels=given(answers)) for n, answers in enumerate(rows_of)]
    )
    found = open_insights(dataset).rows(
        "SELECT worker, compared, agreement FROM agreement_per_worker ORDER BY worker"
    )
    assert found == [("A", 3, pytest.approx(2 / 3)), ("B", 3, pytest.approx(2 / 3)), ("C", 2, 0.5)]


def test_a_median_is_the_same_everywhere() -> None:
    labels = [Label(id=str(s), annotator_id="ann", seconds_to_create=float(s)) for s in (30, 50)]
    dataset = Dataset.from_rows([DataRow(id=label.id or "", labels=(label,)) for label in labels])
    insights = open_insights(dataset)
    assert insights.rows("SELECT median FROM seconds_per_worker") == [(40.0,)]
    assert summarise(insights).seconds_median == 40.0
    assert annokit.consensus.annotators(dataset)["median_seconds"].to_pylist() == [40.0]


def test_a_worker_who_answers_twice_counts_once_in_agreement() -> None:
    def label(worker: str, name: str, minute: int) -> Label:
        chosen = Classification(tool_name="what", kind="radio", answers=(Answer(name=name),))
        time = datetime(2024, 3, 1, 0, minute, tzinfo=UTC)
        return Label(annotator_id=worker, created_at=time, annotations=(chosen,))

    labels = (label("a", "x", 0), label("a", "y", 5), label("b", "y", 1), label("c", "y", 2))
    insights = open_insights(Dataset.from_rows([DataRow(id="r", labels=labels)]))
    assert insights.rows("SELECT worker, label, others, others_same, shared FROM votes ORDER BY worker") == [
        ("a", "y", 2, 2, 1),
        ("b", "y", 2, 2, 1),
        ("c", "y", 2, 2, 1),
    ]


def test_flags_name_who_is_hasty_constant_or_disagrees() -> None:
    insights = open_insights(crowd(items=160))
    flags = {(row[0], row[1]): row[2:] for row in rows(insights, "worker_flags")}
    assert flags["w0", "too-fast"][2] == 1.0
    assert flags["w5", "constant"][0] == "c"
    assert ("w5", "disagrees") in flags
    assert {worker for worker, flag in flags if flag in ("too-fast", "constant", "disagrees")} == {"w0", "w5"}
    assert all(row[1] >= 20 for row in flags.values())
    few = open_insights(crowd(items=12))
    assert rows(few, "worker_flags") == []  # nobody has 20 answers


def test_a_busy_worker_who_is_off_makes_nobody_else_look_off() -> None:
    choose = random.Random(5)
    labels = [
        Label(
            annotator_id=worker,
            annotations=(Classification(tool_name="q", kind="radio", answers=(Answer(name=name),)),),
        )
        for worker, count in (("busy", 900), *((f"w{n}", 60) for n in range(10)))
        for name in ("d" if worker == "busy" else choose.choice("aabc") for _ in range(count))
    ]
    insights = open_insights(Dataset.from_rows([DataRow(id="r", labels=tuple(labels))]))
    off = insights.rows("SELECT DISTINCT worker FROM worker_flags WHERE flag IN ('constant', 'label-mix')")
    assert off == [("busy",)]


def test_each_workers_mix_has_an_interval(counted: tuple[Insights, list[tuple[DataRow, Label]]]) -> None:
    insights, _ = counted
    found = insights.rows("SELECT difference, low, high FROM labels_per_worker")
    assert all(low < difference < high or abs(difference) == 1 for difference, low, high in found)
    (constant,) = insights.rows(
        "SELECT share, low FROM labels_per_worker WHERE worker = 'w5' AND element = 'what' AND label = 'c'"
    )
    assert constant[0] == 1
    assert constant[1] > 0.4


def test_newcombes_interval_is_the_published_one() -> None:
    """Newcombe 1998, method 10: 56/70 against 48/80 gives 0.0524 to 0.3339."""
    labels = [
        Label(
            annotator_id=worker,
            annotations=(Classification(tool_name="q", kind="radio", answers=(Answer(name=name),)),),
        )
        for worker, counts in (("a", (56, 14)), ("b", (48, 32)))
        for name, count in zip("xy", counts, strict=True)
        for _ in range(count)
    ]
    insights = open_insights(Dataset.from_rows([DataRow(id="r", labels=tuple(labels))]))
    (found,) = insights.rows("SELECT low, high FROM labels_per_worker WHERE worker = 'a' AND label = 'x'")
    assert found == pytest.approx((0.0524, 0.3339), abs=1e-4)


def test_what_is_no_answer_is_counted_apart() -> None:
    labels = (
        Label(annotator_id="a", skipped=True),
        Label(annotator_id=None, origin="model"),
        Label(annotator_id="b"),
    )
    insights = open_insights(Dataset.from_rows([DataRow(id="r", labels=labels), DataRow(id="s")]))
    read = insights.read
    assert (read.data_rows, read.answers.num_rows, read.skipped, read.not_human) == (2, 1, 1, 1)
    assert insights.rows("SELECT label FROM answer_labels") == [("(nothing)",)]


def test_since_leaves_out_what_is_older() -> None:
    whole = open_insights(crowd())
    since = datetime(2024, 3, 2, tzinfo=UTC)
    recent = open_insights(crowd(), Settings(since=since))
    expected = whole.rows(
        "SELECT COUNT(*) FROM answers WHERE submitted_at >= TIMESTAMPTZ '2024-03-02 00:00:00+00'"
    )
    assert recent.rows("SELECT COUNT(*) FROM answers") == expected
    assert 0 < expected[0][0] < whole.table("answers").num_rows


def test_nothing_gives_empty_tables() -> None:
    made = tables(Dataset.from_rows([]))
    assert list(made) == ["answers", "answer_labels", "annotations_view", *BLOG_VIEWS, *VIEWS, *QUALITY]
    assert {name for name, table in made.items() if table.num_rows} == {"workers_per_bucket"}


@pytest.mark.parametrize("settings", [{"time_zone": "Mars/Base"}, {"time_zone": "../x"}, {"answers_each": 0}])
def test_settings_that_make_no_sense(settings: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Settings(**settings)


def test_hostile_names_are_only_names(tmp_path: Path) -> None:
    name = "'; DROP TABLE answers; --"
    write_tree(tmp_path, [Given(0, name, name, datetime(2024, 1, 1, tzinfo=UTC), element=name)])
    insights = open_insights(as_dataset(tmp_path), Settings(element=name))
    assert rows(insights, "annotations_per_label") == [(1, name)]
    with pytest.raises(Exception, match="disabled"):
        insights.rows("SELECT * FROM read_csv('/etc/passwd')")
