"""Agreed classes: published results, real jobs, crowd-kit, and nothing that depends on an order."""

from __future__ import annotations

import csv
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from annokit import consensus
from annokit.errors import InputError, UsageError

METHODS = ["map-dawid-skene", "dawid-skene", "one-coin", "majority", "wawa", "ground-truth"]
Columns = tuple[list[Any], list[Any], list[Any]]


def columns_of(path: Path, names: tuple[str, str, str]) -> Columns:
    with path.open() as handle:
        rows = [tuple(int(row[name]) for name in names) for row in csv.DictReader(handle)]
    item, who, label = (list(column) for column in zip(*rows, strict=True))
    return item, who, label


def never_falls(found: consensus.Aggregate) -> bool:
    return bool((np.diff(found.log_likelihood) >= -1e-9 * found.answers.sum()).all())


def test_dawid_and_skenes_own_table(data: Path) -> None:
    columns = columns_of(data / "consensus" / "dawid_skene_1979.csv", ("task", "worker", "label"))
    found = consensus.aggregate(*columns, method="dawid-skene")
    assert found.prior.round(2).tolist() == [0.40, 0.42, 0.11, 0.07]
    assert found.log_likelihood[-1] == pytest.approx(-192.891, abs=0.001)
    assert never_falls(found)


CROWDS = ["bluebird", "d_product", "dog", "music_ms", "rte", "weather_cf", "web", "zencrowd_all"]


def crowd(shared: Path, name: str) -> tuple[Columns, dict[int, int]]:
    folder = shared / "consensus" / "crowd_labels" / name
    columns = columns_of(folder / "label.csv", ("item", "worker", "label"))
    once = dict.fromkeys(zip(*columns, strict=True))
    item, who, label = (list(column) for column in zip(*once, strict=True))
    with (folder / "truth.csv").open() as handle:
        truth = {int(row["item"]): int(row["truth"]) for row in csv.DictReader(handle)}
    return (item, who, label), truth


def accuracy(found: consensus.Aggregate, truth: dict[Any, Any]) -> float:
    """The share of right labels; where several are equally likely, the share of these."""
    at = {item: place for place, item in enumerate(found.item.tolist())}
    classes = found.classes.tolist()
    total = 0.0
    for item, label in truth.items():
        if item in at and label in classes:
            row = found.posterior[at[item]]
            total += (row[classes.index(label)] == row.max()) / (row == row.max()).sum()
    return total / len(truth)


def test_the_default_is_better_than_majority_and_than_dawid_skene(shared: Path) -> None:
    rows = []
    for name in CROWDS:
        columns, truth = crowd(shared, name)
        found = [consensus.aggregate(*columns, method=method) for method in METHODS[:4]]
        assert all(never_falls(one) for one in found)
        default, plain, _, majority = (accuracy(one, truth) for one in found)
        assert default >= min(plain, majority) - 0.005, name
        rows.append((default, plain, majority))
    default, plain, majority = np.mean(rows, axis=0)
    assert default > plain > majority


@pytest.mark.filterwarnings("ignore")
def test_dawid_skene_is_crowd_kits(shared: Path) -> None:
    aggregation = pytest.importorskip("crowdkit.aggregation")
    pandas = pytest.importorskip("pandas")
    for name in (
        "dog",
        "music_ms",
        "rte",
    ):  # bluebird, weather_cf and zencrowd_all: it stops after 2 to 5 rounds
        columns, truth = crowd(shared, name)
        table = pandas.DataFrame(dict(zip(("task", "worker", "label"), columns, strict=True)))
        theirs = aggregation.DawidSkene(n_iter=200, tol=1e-8).fit_predict(table)
        right = np.mean([theirs[item] == label for item, label in truth.items()])
        found = consensus.aggregate(*columns, method="dawid-skene")
        assert accuracy(found, truth) == pytest.approx(right, abs=0.003)


@pytest.fixture(scope="module")
def birds(shared: Path) -> tuple[Columns, dict[int, str]]:
    """The answers of a real classification job, and the truth."""
    folder = shared / "ground_truth" / "birds_image_classification"
    answers = []
    with tarfile.open(folder / "ic_data.tar.gz") as archive:
        for member in archive:
            if (
                member.name.endswith(".json")
                and "worker-response" in member.name
                and "/._" not in member.name
            ):
                found = json.load(archive.extractfile(member) or io.BytesIO())
                item = member.name.split("/")[-2]
                for answer in found["answers"]:
                    label = next(iter(answer["answerContent"].values()))["label"]
                    answers.append((int(item), answer["workerId"], label))
    item, who, label = (list(column) for column in zip(*sorted(answers), strict=True))
    names = {one["ImageId"]: one["Label"] for one in json.loads((folder / "true_labels.json").read_text())}
    lines = (folder / "output.manifest").read_text().splitlines()
    images = [Path(json.loads(line)["source-ref"]).stem for line in lines]
    return (item, who, label), {record: names[image] for record, image in enumerate(images)}


def published(item: list[Any], who: list[Any], label: list[Any]) -> tuple[list[Any], list[float]]:
    """The published consolidation of Ground Truth, read plainly: two rounds, since its stop test is always met."""
    (items, i), (people, w), (classes, y) = (np.unique(c, return_inverse=True) for c in (item, who, label))
    k, wrong = len(classes), 1 - np.eye(len(classes))

    def one(a: float) -> np.ndarray:
        return np.eye(k) * a + wrong * (1 - a) / (k - 1)

    p, confusion, everybody = np.full((len(items), k), 1 / k), np.stack([one(0.7)] * len(people)), 0.7
    for _ in range(2):
        new = np.tile(p.mean(axis=0), (len(items), 1))
        for t, a, b in zip(i, w, y, strict=True):
            new[t] *= confusion[a, :, b]
        p = new / new.sum(axis=1, keepdims=True)
        counts = np.zeros((len(people), k, k))
        for t, a, b in zip(i, w, y, strict=True):
            counts[a, :, b] += p[t]
        n = counts.sum(axis=(1, 2))
        right = np.trace(counts, axis1=1, axis2=2) / n
        for a in range(len(people)):
            table = counts[a] + n[a] * one(right[a]) + n[a] / 2 * one(everybody)
            confusion[a] = table / table.sum(axis=1, keepdims=True)
        everybody = right.mean()
    return classes[p.argmax(axis=1)].tolist(), p.max(axis=1).tolist()


def test_ground_truths_algorithm_on_a_real_job(birds: Any) -> None:
    columns, truth = birds
    found = consensus.aggregate(*columns, method="ground-truth")
    assert round(accuracy(found, truth), 4) == 0.9040
    assert round(accuracy(consensus.aggregate(*columns, method="majority"), truth), 4) == 0.9023
    labels, confidence = published(*columns)
    assert len(found.item) == 302
    assert found.label.tolist() == labels
    np.testing.assert_allclose(found.confidence, confidence, atol=1e-6)
    capped = consensus.aggregate(*columns, method="ground-truth", cap=0.95)
    assert capped.confidence.max() == 0.95


def test_agreement_in_a_real_job(birds: Any) -> None:
    columns, _ = birds
    assert round(consensus.fleiss(*columns), 5) == 0.82138
    assert round(consensus.alpha(*columns), 5) == 0.82150


def some(seed: int, method: str = "majority") -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    grid = np.argwhere(rng.random((15, 6)) < 0.6)
    truth = rng.integers(0, 3, 15)
    right = rng.random(len(grid)) < np.linspace(0.3, 0.95, 6)[grid[:, 1]]
    return grid[:, 0], grid[:, 1], np.where(right, truth[grid[:, 0]], rng.integers(0, 3, len(grid)))


@pytest.mark.parametrize("method", METHODS)
@given(seed=st.integers(0, 3000))
def test_no_order_and_no_name_matters(method: Any, seed: int) -> None:
    item, who, label = some(seed)
    rng = np.random.default_rng(seed)
    order, items, people = rng.permutation(len(item)), rng.permutation(15), rng.permutation(6)
    one = consensus.aggregate(item, who, label, method=method)
    other = consensus.aggregate(items[item[order]], people[who[order]], label[order], method=method)
    places = np.argsort(items[one.item])
    np.testing.assert_array_equal(other.posterior, one.posterior[places])
    np.testing.assert_array_equal(other.label, one.label[places])
    np.testing.assert_array_equal(other.skill, one.skill[np.argsort(people[one.annotator])])
    np.testing.assert_array_equal(other.log_likelihood, one.log_likelihood)
    assert never_falls(one) or method in ("one-coin", "ground-truth")


@pytest.mark.parametrize("method", METHODS)
def test_what_an_aggregate_holds(method: Any) -> None:
    found = consensus.aggregate(*some(1), method=method)
    np.testing.assert_allclose(found.posterior.sum(axis=1), 1, atol=1e-9)
    np.testing.assert_allclose(found.confusion.sum(axis=2), 1, atol=1e-9)
    np.testing.assert_array_equal(found.label, found.classes[found.posterior.argmax(axis=1)])
    assert found.answers.sum() == len(some(1)[0])
    assert ((found.skill > 0) & (found.skill <= 1)).all()
    assert found.skill[-1] > found.skill[0]
    assert found.to_arrow().num_rows == len(found.item)


def test_ties_go_to_the_first_label() -> None:
    found = consensus.aggregate([1, 1, 2, 2], ["a", "b"] * 2, ["y", "x", "x", "y"], method="majority")
    assert found.label.tolist() == ["x", "x"]
    assert found.confidence.tolist() == [0.5, 0.5]


def test_known_items_keep_their_label_and_teach_about_annotators() -> None:
    item, who, label = some(2)
    known = {int(t): 2 for t in range(5)}
    found = consensus.aggregate(item, who, label, known=known)
    assert found.label[np.isin(found.item, list(known))].tolist() == [2] * 5
    free = consensus.aggregate(item, who, label)
    assert not np.array_equal(found.confusion, free.confusion)
    for wrong in ({99: 2}, {1: 99}):
        with pytest.raises(UsageError, match="99"):
            consensus.aggregate(item, who, label, known=wrong)


def test_a_saved_run_goes_on_with_more_answers(tmp_path: Path) -> None:
    item, who, label = some(3)
    first = consensus.aggregate(item[:30], who[:30], label[:30])
    first.save(tmp_path / "annotators.parquet")
    cold = consensus.aggregate(item, who, label, tolerance=1e-12)
    warm = consensus.aggregate(item, who, label, start=tmp_path / "annotators.parquet", tolerance=1e-12)
    np.testing.assert_allclose(warm.posterior, cold.posterior, atol=1e-4)
    settled = consensus.aggregate(item, who, label, start=cold)
    assert len(settled.log_likelihood) <= 3 < len(cold.log_likelihood)
    judged = consensus.aggregate(item[:4], who[:4], label[:4], start=cold, rounds=0)
    np.testing.assert_allclose(judged.confusion[0], cold.confusion[judged.annotator[0]], atol=1e-9)
    stranger = consensus.aggregate(
        [1], ["somebody new"], [0], start=consensus.aggregate([1, 1], ["a", "b"], [0, 1])
    )
    assert stranger.label.tolist() == [0]
    with pytest.raises(UsageError, match="order"):
        consensus.aggregate([1], [1], [77], start=cold)
    (tmp_path / "other.parquet").write_bytes(b"no table")
    with pytest.raises(InputError, match=r"Aggregate\.save"):
        consensus.aggregate(item, who, label, start=tmp_path / "other.parquet")


@pytest.mark.parametrize("method", METHODS)
def test_nothing_and_one_class(method: Any) -> None:
    assert consensus.aggregate([], [], [], method=method).item.tolist() == []
    found = consensus.aggregate([1, 2], ["a", "a"], ["x", "x"], method=method)
    assert found.label.tolist() == ["x", "x"]
    assert found.confidence.tolist() == [1, 1]
    unanswered = consensus.aggregate([1, 2], ["a", "a"], ["x", None], method=method)
    assert unanswered.item.tolist() == [1]


def test_bad_requests() -> None:
    with pytest.raises(UsageError, match="map-dawid-skene"):
        consensus.aggregate([1], [1], [1], method="best")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="too much"):
        consensus.aggregate(range(2000), range(2000), range(2000))


def test_answers_given_twice_count_twice_or_only_the_last() -> None:
    item, who, label = [1, 1, 1, 1], ["a", "a", "b", "c"], ["x", "x", "y", "y"]
    assert consensus.aggregate(item, who, label, method="majority").label.tolist() == ["x"]
    found = consensus.aggregate(item, who, label, method="majority", repeats="last")
    assert (found.label.tolist(), found.answers.tolist()) == (["y"], [1, 1, 1])
    changed = consensus.aggregate(
        [1, 1, 1], ["a", "b", "a"], ["x", "y", "y"], method="majority", repeats="last"
    )
    assert changed.confidence.tolist() == [1.0]
