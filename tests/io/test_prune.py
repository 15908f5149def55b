"""One part of a document, and the document around it."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from annokit.io.faults import Spot, spot_path
from annokit.io.prune import path_steps, surroundings, text_at

KEYS = st.text(max_size=5) | st.sampled_from(["a", "labels", 'quote"d', "dot.ted", "[0]", "ü"])
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, min_size=1, max_size=4) | st.dictionaries(KEYS, inner, min_size=1, max_size=4)
    ),
    max_leaves=12,
)


def ways(document: Any, spot: Spot = "$") -> list[tuple[Spot, Any]]:
    """Every part of a document and the way to it."""
    members: list[tuple[Any, Any]] = []
    if isinstance(document, dict):
        members = list(document.items())
    elif isinstance(document, list):
        members = list(enumerate(document))
    return [(spot, document), *(way for key, value in members for way in ways(value, (spot, key)))]


@given(DOCUMENTS)
def test_the_text_at_every_path_is_that_part(document: Any) -> None:
    raw = json.dumps(document).encode()
    for spot, part in ways(document):
        assert json.loads(text_at(raw, spot_path(spot))) == part


@given(DOCUMENTS)
def test_the_surroundings_have_a_hole_where_the_part_stood(document: Any) -> None:
    raw = json.dumps(document).encode()
    for spot, _ in ways(document):
        left = surroundings(raw, spot_path(spot))
        for step in path_steps(spot_path(spot)):
            left = left[0 if isinstance(step, int) else step]
        assert left is None


def test_records_beside_the_way_are_left_out_and_all_else_stays() -> None:
    row = {
        "data_row": {"id": "r1", "details": [1, 2]},
        "projects": {
            "p1": {"name": "one", "labels": [{"id": "l1"}]},
            "p2": {
                "name": "two",
                "labels": [{"id": "l2"}, {"id": "l3", "objects": [1, 2], "classifications": [3]}],
            },
        },
    }
    units = ("projects", "labels", "objects", "classifications")
    assert surroundings(json.dumps(row).encode(), "$.projects.p2.labels[1].objects[0]", units) == {
        "data_row": {"id": "r1", "details": [1, 2]},
        "projects": {
            "p2": {"name": "two", "labels": [{"id": "l3", "objects": [None], "classifications": []}]}
        },
    }
