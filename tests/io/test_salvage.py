from __future__ import annotations

from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, Raw

from annokit.errors import DecodeError, LimitExceeded
from annokit.io.salvage import Wire, decode_error, salvage


class Box(Wire, rename="camel"):
    left_edge: float
    width: Annotated[float, Meta(ge=0)] = 1.0


class Shape(Wire, tag_field="kind"):
    unit = "shape"


class Line(Shape, tag="line"):
    points: list[list[float]]


class Circle(Shape, tag="circle", frozen=True):
    radius: float


class Item(Wire):
    unit = "item"

    id: str
    box: Box | None = None
    parts: list[Item] = []
    text: Raw = Raw(b"null")
    anything: Any = None


class Group(Wire):
    unit = "group"

    items: list[Item]


class Document(Wire):
    groups: dict[str, Group] = {}
    shapes: list[Line | Circle] = []
    either: Item | list[Item] | None = None
    grid: list[list[Item]] = []
    numbers: dict[int, Item] = {}


class Found(list[tuple[str, str, str, bytes]]):
    def __call__(self, unit, path, error, raw):
        assert isinstance(error, DecodeError)
        self.append((unit, path, str(error), raw))


def saved(raw: bytes, tp: Any = Document) -> tuple[Any, Found]:
    found = Found()
    return salvage(raw, tp, reject=found), found


def refused(raw: bytes, tp: Any = Document, path: str = "$") -> str:
    with pytest.raises(DecodeError) as caught:
        salvage(raw, tp, path, reject=Found())
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)):
        msgspec.json.decode(raw, type=tp)
    return str(caught.value)


def test_a_broken_element_of_a_list_is_left_out():
    value, found = saved(b'{"groups": {"g": {"items": [{"id": "a"}, {"id": 7}, {"id": "b"}]}}}')
    assert [item.id for item in value.groups["g"].items] == ["a", "b"]
    assert found == [
        ("item", "$.groups.g.items[1]", "$.groups.g.items[1].id: expected str, got int", b'{"id": 7}')
    ]


def test_a_fault_outside_the_smaller_units_takes_the_larger_one():
    raw = b'{"groups": {"a b": {"items": [{"id": 7}], "items": 3}, "g": {"items": []}}}'
    value, found = saved(raw)
    assert list(value.groups) == ["g"]
    assert [unit for unit, *_ in found] == ["group"]
    assert found[0][2] == '$.groups["a b"].items: expected array, got int'


def test_what_was_left_out_of_a_lost_unit_is_not_told_apart():
    value, found = saved(
        b'{"shapes": [], "groups": {"g": {"items": [{"id": 7}], "x": 1e999}, "h": {"items": [{}]}}}'
    )
    assert [(unit, path) for unit, path, *_ in found] == [
        ("group", "$.groups.g"),
        ("item", "$.groups.h.items[0]"),
    ]
    assert value.groups["h"].items == []


def test_unknown_keys_are_kept():
    raw = (
        b'{"extra": [1], "(extra)": {"a": 1}, "groups": {"g": {"items": [{"id": "a", "new": {"k": null}}]}}}'
    )
    value, found = saved(raw)
    assert value.extra == {"extra": [1], "(extra)": {"a": 1}}
    assert value.groups["g"].items == [Item(id="a", extra={"new": {"k": None}})]
    assert value.groups["g"].extra is None
    assert found == []


def test_no_key_of_the_input_reaches_extra_on_the_fast_path():
    for key in ("extra", "(extra)"):
        with pytest.raises(msgspec.ValidationError):
            msgspec.json.decode(b'{"%s": {"a": 1}}' % key.encode(), type=Document)


def test_unknown_keys_and_a_fault_in_one_element():
    value, found = saved(b'[{"id": "a", "new": 1, "parts": [{"id": "b"}, {}]}, {"new": 1}]', list[Item])
    assert value == [Item(id="a", parts=[Item(id="b")], extra={"new": 1})]
    assert [path for _, path, *_ in found] == ["$[0].parts[1]", "$[1]"]
    assert found[1][2] == '$[1]: expected the key "id", got "new"'


def test_an_unknown_key_that_cannot_be_decoded_costs_its_unit():
    value, found = saved(
        b'[{"id": "a", "new": [1e999]}, {"id": "b", "new": "\xff"}, {"id": "c"}]', list[Item]
    )
    assert [item.id for item in value] == ["c"]
    assert found[0][2] == "$[0].new[0]: number out of range"
    assert found[1][2] == "$[1].new: expected UTF-8, got byte 0xff at byte 1"


def test_tagged_unions():
    raw = (
        b'{"shapes": [{"kind": "line", "points": [[1, 2], [3, "x"]]}, {"kind": "circle", "radius": 1, "new": 2},'
        b' {"kind": "blob"}, {"radius": 1}, 5, {"kind": "circle", "radius": 3}]}'
    )
    value, found = saved(raw)
    assert value.shapes == [Circle(radius=1, extra={"new": 2}), Circle(radius=3)]
    assert [text for _, _, text, _ in found] == [
        "$.shapes[0].points[1][1]: expected float, got str",
        "$.shapes[2].kind: invalid value 'blob'",
        '$.shapes[3]: expected the key "kind", got none',
        "$.shapes[4]: expected object, got int",
    ]


def test_a_tagged_class_of_its_own_checks_its_tag():
    assert salvage(b'{"radius": 1, "new": 1}', Circle, reject=Found()) == Circle(radius=1, extra={"new": 1})
    assert refused(b'{"kind": "line", "radius": 1, "new": 1}', Circle) == "$.kind: expected circle, got line"


def test_unions_of_containers():
    value, found = saved(b'{"either": [{"id": "a"}, {}]}')
    assert value.either == [Item(id="a")]
    assert [path for _, path, *_ in found] == ["$.either[1]"]
    assert saved(b' {"either": {"id": "a", "new": 1}}')[0].either.extra == {"new": 1}
    assert saved(b'{"either": null, "new": 1}')[0].either is None


def test_lists_in_lists_and_integer_keys():
    value, found = saved(
        b'{"grid": [[{"id": "a"}, {}], [{"id": "b"}]], "numbers": {"7": {"id": "c"}, "8": {}}}'
    )
    assert [[item.id for item in row] for row in value.grid] == [["a"], ["b"]]
    assert list(value.numbers) == [7]
    assert [path for _, path, *_ in found] == ["$.grid[0][1]", "$.numbers[8]"]


def test_raw_fields_are_kept_as_text():
    value, _ = saved(
        b'[{"id": "a", "text": [1, 2.50], "new": 1}, {"id": "b", "text": [0], "parts": [{}]}]', list[Item]
    )
    assert [bytes(item.text) for item in value] == [b"[1, 2.50]", b"[0]"]


def test_renamed_fields_and_values_out_of_range():
    raw = b'{"id": "a", "box": {"leftEdge": 1, "width": -16.0}}'
    assert refused(raw, Item) == "$.box.width: expected float >= 0.0, got -16.0"
    assert refused(raw, Item, "$.rows[3]") == "$.rows[3].box.width: expected float >= 0.0, got -16.0"
    assert refused(b'{"id": "a", "box": {"left_edge": 1}}', Item).startswith(
        '$.box: expected the key "leftEdge", got '
    )


def test_the_keys_that_are_there_are_listed():
    class Coco(Wire):
        images: list[int]
        annotations: list[int]

    text = refused(b'{"images": [], "annotatons": []}', Coco)
    assert text == '$: expected the key "annotations", got "images", "annotatons"'


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"", "$: not valid JSON: it ends too early"),
        (b'{"groups": {}', "$: not valid JSON: it ends too early"),
        (b'{"groups": {},}', "$: not valid JSON: trailing comma in object (byte 14)"),
        (b"{}\0", "$: not valid JSON: trailing characters (byte 3)"),
        (b"[]", "$: expected object, got array"),
        (b"null", "$: expected object, got null"),
        (b'{"gr\xffps": {}}', "$: expected UTF-8, got byte 0xff at byte 4"),
    ],
)
def test_what_is_not_a_document(raw, text):
    assert refused(raw) == text


def test_codes_tell_syntax_from_shape():
    codes = []
    for raw in (b"{", b"[]", b'"\xff"'):
        with pytest.raises(DecodeError) as caught:
            salvage(raw, dict[str, int], reject=Found())
        codes.append(caught.value.code)
    assert codes[0] == "bad-json"
    assert codes[1] == "bad-shape"


@pytest.mark.parametrize(
    ("raw", "tp"),
    [
        (b"[" * 5000 + b"]" * 5000, Any),
        (b"[" * 5000, list[Item]),
        (b'{"id": "a", "anything": ' + b"[" * 5000 + b"]" * 5000 + b"}", Item),
        (b'{"id": "a", "new": 1, "parts": [' * 400 + b"{}" + b"]}" * 400, Item),
        (b'[{"id": "a", "new": 1, "parts": ' * 5000 + b"{}" + b"}]" * 5000, list[Item]),
    ],
)
def test_deep_nesting_is_a_limit(raw, tp):
    with pytest.raises(LimitExceeded, match="nested too deeply"):
        salvage(raw, tp, reject=Found())


def test_nesting_that_the_fast_decoder_takes_does_not_break_salvage():
    depth = 64
    raw = b'{"id": "a", "new": 1, "parts": [' * depth + b"{}" + b"]}" * depth
    value, found = saved(raw, Item)
    assert value.extra == {"new": 1}
    assert len(found) == 1


def test_a_check_of_the_struct_itself():
    class Even(Wire):
        unit = "even"
        number: int

        def __post_init__(self):
            if self.number % 2:
                raise ValueError(f"expected an even number, got {self.number}")

    value, found = saved(b'[{"number": 1}, {"number": 2}, {"number": 3, "new": 1}]', list[Even])
    assert [even.number for even in value] == [2]
    assert [text for _, _, text, _ in found] == [
        "$[0]: expected an even number, got 1",
        "$[2]: expected an even number, got 3",
    ]


def test_structs_that_are_not_wire_structs():
    class Plain(msgspec.Struct, forbid_unknown_fields=True):
        number: int

    class Row(msgspec.Struct, array_like=True):
        item: Item

    assert refused(b'{"number": 1, "new": 2}', Plain) == '$: unknown key "new"'
    assert refused(b'[{"id": 1}]', Row) == "$[0].id: expected str, got int"


def test_the_translation_serves_the_fast_path_too():
    with pytest.raises(msgspec.DecodeError) as caught:
        msgspec.json.decode(b'{"x": 1}', type=dict[int, int])
    assert str(decode_error(caught.value)) == "$: key: expected int, got str"


NAMES = st.text(max_size=3)
ITEMS = st.recursive(
    st.builds(
        lambda name, left, thing: {"id": name, "box": {"leftEdge": left}, "anything": thing},
        NAMES,
        st.floats(allow_nan=False, allow_infinity=False),
        st.recursive(st.none() | st.integers(-5, 5) | NAMES, lambda inner: st.lists(inner, max_size=2)),
    ),
    lambda inner: st.builds(
        lambda name, parts: {"id": name, "parts": parts}, NAMES, st.lists(inner, max_size=3)
    ),
    max_leaves=6,
)
DOCUMENTS = st.builds(
    lambda groups, grid: {"groups": {key: {"items": items} for key, items in groups.items()}, "grid": grid},
    st.dictionaries(NAMES, st.lists(ITEMS, max_size=3), max_size=3),
    st.lists(st.lists(ITEMS, max_size=2), max_size=2),
)


@given(DOCUMENTS)
def test_of_valid_input_it_makes_what_the_fast_decoder_makes(document):
    expected = msgspec.json.decode(msgspec.json.encode(document), type=Document)
    assert saved(msgspec.json.encode(document)) == (expected, [])
    value, found = saved(msgspec.json.encode({**document, "new": 1}))  # the slow path
    assert (value.groups, value.grid, value.extra, found) == (expected.groups, expected.grid, {"new": 1}, [])


@given(st.data(), st.lists(ITEMS, min_size=1, max_size=6))
def test_one_broken_element_costs_one_element(data, items):
    broken = data.draw(st.integers(0, len(items) - 1))
    fault = data.draw(st.sampled_from([None, [], {}, {"id": 3}, {"id": "a", "box": {"width": 1}}, 5, "x"]))
    raw = msgspec.json.encode({"groups": {"g": {"items": [*items[:broken], fault, *items[broken + 1 :]]}}})
    value, found = saved(raw)
    rest = msgspec.json.encode(items[:broken] + items[broken + 1 :])
    assert value.groups["g"].items == msgspec.json.decode(rest, type=list[Item])
    assert [(unit, path, part) for unit, path, _, part in found] == [
        ("item", f"$.groups.g.items[{broken}]", msgspec.json.encode(fault))
    ]


@given(st.binary(max_size=40) | st.text('[]{}",:ab1 \\', max_size=30).map(str.encode))
def test_any_bytes_give_a_value_or_our_error(raw):
    try:
        expected = msgspec.json.decode(raw, type=Document)
    except (msgspec.DecodeError, UnicodeDecodeError):
        expected = None
    try:
        value, _ = saved(raw)
    except DecodeError:
        assert expected is None
    else:
        assert expected in (None, value)
