"""Numbers out of and into text: as Python's float, '%.6f' and repr, by the kernels and by their twins."""

from __future__ import annotations

import json
import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from annokit_fast import _jit, text

TWINS = pytest.mark.parametrize("patience", [0, 10**9], ids=["kernel", "twin"])


@pytest.fixture
def patience(request, monkeypatch):
    monkeypatch.setattr(_jit, "_patience", request.param)


def both(function, *arguments, **options):
    """What the kernel gives, once it is known that its twin gives the same."""
    results = []
    with pytest.MonkeyPatch.context() as patch:
        for patience in (0, 10**9):
            patch.setattr(_jit, "_patience", patience)
            results.append(function(*arguments, **options))
    kernel, twin = results
    assert [(a.tobytes(), a.dtype, a.shape) for a in kernel] == [
        (a.tobytes(), a.dtype, a.shape) for a in twin
    ]
    return kernel


def parsed(function, texts):
    return both(function, b"".join(texts), np.cumsum([0, *map(len, texts)]))


def cut(buffer, offsets):
    return [buffer[a:b].tobytes().decode() for a, b in pairwise(offsets.tolist())]


def halfway(value, digits):
    """The text of what is half way to the next float, cut after so many digits."""
    half = (Fraction(value) + Fraction(math.nextafter(value, math.inf))) / 2
    places = digits - len(str(int(half))) if half >= 1 else digits
    return f"{int(half * Fraction(10) ** places)}e{-places}"


digits = st.integers(1, 10**18 - 1).map(str)
halves = st.builds(halfway, st.floats(2.0**-20, 2.0**52), st.integers(1, 18))
ties = st.builds(lambda n, k: f"{(2**53 + 2 * n + 1) * 5**k}e-{k}", st.integers(0, 10**6), st.integers(0, 2))
numbers = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.floats(0, 4000).map(repr),
    st.decimals(0, 4000, places=2).map(str),
    st.builds("{}.{}".format, st.integers(0, 10**9), digits),
    st.builds("{}e{}".format, digits, st.integers(-90, 90)),
    st.builds("{}E+{}".format, st.integers(0, 999), st.integers(0, 30)),
    halves,
    ties,
)
pixels = st.floats(-1e6, 1e6).map(lambda value: value if abs(value) > 1e-30 else 0.0)
signed = st.builds(lambda sign, word: sign + word.lstrip("-"), st.sampled_from(["", "-"]), numbers)


@given(st.lists(signed, min_size=1, max_size=20))
@example(["5e-324"])
@example(["-0.0", "-0e5", "0", "0.000"])
@example(["9007199254740993", "9007199254740992.9999", "1e22", "1e23", "8.5e22"])
def test_every_number_is_what_python_reads(words):
    texts = [f"[[{word}, {word}]]".encode() for word in words]
    offsets = np.cumsum([0, *map(len, texts)])
    coords, _, _, plain = text.parse_rings(b"".join(texts), offsets)
    read = [word for word, good in zip(words, plain, strict=True) if good]
    assert coords[:, 0].tobytes() == np.array([float(word) for word in read]).tobytes()
    for word in set(words) - set(read):
        assert sum(map(str.isdigit, word)) > 18 or "e" in word.lower()


@given(
    st.lists(st.lists(st.lists(pixels, min_size=1, max_size=9), min_size=1, max_size=3), max_size=3),
    st.integers(0, 3),
)
def test_rings_are_those_of_json(shapes, indent):
    shapes = [[ring + ring for ring in shape] for shape in shapes]
    texts = [json.dumps(shape, indent=indent or None).encode() for shape in shapes]
    coords, rings, owners, plain = parsed(text.parse_rings, texts)
    flat = [ring for shape, good in zip(shapes, plain, strict=True) if good for ring in shape]
    assert coords.ravel().tolist() == [value for ring in flat for value in ring]
    assert np.diff(rings).tolist() == [len(ring) // 2 for ring in flat]
    assert np.diff(owners).tolist() == [
        len(shape) if good else 0 for shape, good in zip(shapes, plain, strict=True)
    ]


def short(sign, whole, places):
    return sign + whole + ("." + places if places else "")


wholes = st.one_of(st.just("0"), st.integers(0, 10**16).map(str))
shorts = st.builds(short, st.sampled_from(["", "", "-"]), wholes, st.text("0123456789", max_size=15))
separators = st.sampled_from([",", ", ", ",  "])


@given(st.lists(st.lists(shorts.filter(lambda word: len(word) < 18), min_size=2), max_size=4), separators)
@example([["9007199254740992", "9007199254740993"], ["-0", "-0.0", "0.00", "00", "0000.0", "-00.5"]], ",")
@example([["12345678", "1234567.8", "123456789", "12345678.9", "-1234567.12345678"]], ", ")
@example([["99999999.9999999", "9999999999999999", "0.00000000000001"]], ",")
def test_short_numbers_are_read_as_python_reads_them(rings, comma):
    rings = [ring[len(ring) % 2 :] for ring in rings]
    texts = [f"[[{comma.join(ring)}]{comma}[{comma.join(ring)}]]".encode() for ring in rings]
    coords, _, _, plain = parsed(text.parse_rings, texts)
    read = [ring for ring, good in zip(rings, plain, strict=True) if good]
    expected = [float(word) if "." in word else float(int(word)) for ring in read for word in ring + ring]
    assert coords.tobytes() == np.array(expected).tobytes()
    points = [
        "["
        + comma.join(f'{{"x":{comma[1:]}{x}{comma}"y":{comma[1:]}{y}}}' for x, y in zip(*pair, strict=True))
        + "]"
        for pair in ((ring[::2], ring[1::2]) for ring in read)
    ]
    coords, owners, plain = parsed(text.parse_points, [one.encode() for one in points])
    assert plain.all()
    assert np.diff(owners).tolist() == [len(ring) // 2 for ring in read]
    assert np.vstack([coords, coords]).size == len(expected)


@given(st.lists(st.lists(shorts, max_size=6), min_size=1, max_size=6), st.sampled_from([" ", "  ", "\t"]))
@example([["0", "0.5", "1.25"], [], ["12", "-3.5"]], " ")
@example([["5"]], " ")
def test_lines_of_numbers_are_read_as_python_reads_them_or_not_at_all(rows, blank):
    found = text.parse_lines("\n".join(blank.join(row) for row in rows).encode())
    words = [word for row in rows for word in row]
    if found is not None:
        assert found[0].tobytes() == np.array([*map(float, words)]).tobytes()
        assert found[1].tolist() == [len(row) for row in rows]
    else:
        plain = all(
            len(word.lstrip("-")) <= 16 and word == repr(float(word)).removesuffix(".0") for word in words
        )
        assert blank == "\t" or len(words) < 2 or not plain or "-0" in words


PLAIN = (
    b"[[1,2,3.5,4]]",
    b"[[10.25,-2],[0.5,7]]",
    b"[[1, 2], [-1, 0.0]]",
    b'[{"x":1.5,"y":2},{"x":30,"y":-4}]',
    b'[{"x": 1, "y": 2.5}]',
)
replaced = st.lists(st.tuples(st.integers(0, 99), st.sampled_from(b'0123456789.,-[]{}xy:/ e+"')), max_size=2)


@given(st.lists(st.sampled_from(PLAIN), min_size=1, max_size=4), replaced)
def test_what_is_nearly_plain_is_read_by_the_twin_as_by_the_kernel(texts, letters):
    noisy = bytearray(b"".join(texts))
    for place, letter in letters:
        noisy[place % len(noisy)] = letter
    for function in (text.parse_rings, text.parse_points):
        both(function, bytes(noisy), np.cumsum([0, *map(len, texts)]))


NOT_RINGS = """ [] [[]] [[1,2],[]] [1,2] [[1,2,3]] [[1]] {} null "[[1,2]]" [[1,2]],[[3,4]] [[1,2]]x [[1,2] [[1,2 [[1,2,]]
[[,1]] [[1 2]] [[1,"2"]] [[1,null]] [[1,true]] [[1,[2]]] [[1,NaN]] [[1,Infinity]] [[1,-]] [[1,+2]] [[1,01]] [[1,2.]]
[[1,.5]] [[1,1e]] [[1,1e+]] [[1,0x1]] [[1,1_0]] [[1,-01]] [[1,1e999]] [[1,2]][] [[1,2],] [[1,2],,[3,4]] [[[1,2]]] ] ]] [[
[ [[1,2]]] [[1,2;3,4]] [[1,2\x0b]] [[1,\xb2]]"""


@pytest.mark.parametrize("bad", NOT_RINGS.split(" "))
def test_what_is_no_list_of_rings_costs_itself_only(bad):
    texts = [b"[[1,2]]", bad.strip("\n").encode("latin-1"), b"[[3,4]]"]
    coords, rings, owners, plain = parsed(text.parse_rings, texts)
    assert (coords.tolist(), rings.tolist()) == ([[1, 2], [3, 4]], [0, 1, 2])
    assert (owners.tolist(), plain.tolist()) == ([0, 1, 1, 2], [True, False, True])


NOT_POINTS = """|[]|{}|[{}]|[{"x":1}]|[{"x":1,"y":2},]|[{"x":1,"y":2}|[{"x":1,"z":2}]|[{"x":1,"y":2,"z":3}]|[{"x":1,"y":null}]
|[{"x":1 "y":2}]|[{"x" 1,"y":2}]|[{"x":1,"y":"2"}]|[[1,2]]|[{"xx":1,"y":2}]|[{"x":1,"y":2}]]|[{"x":1,"y":2}{"x":1,"y":2}]
|[{"x":1,"y":2}],|[{"x":1,"y":1e999}]|[{"x":1,"y":-}]|[{"x":1,"y"]|[{"x":1,"]|[{"x"|[{"]"""


@pytest.mark.parametrize("bad", NOT_POINTS.split("|"))
def test_what_is_no_list_of_points_costs_itself_only(bad):
    texts = [b'[{"x":1,"y":2}]', bad.strip().encode(), b'[ {"y" : 4, "x": 3.0}, {"x":5,\n"y":6 } ]']
    coords, owners, plain = parsed(text.parse_points, texts)
    assert coords.tolist() == [[1, 2], [3, 4], [5, 6]]
    assert (owners.tolist(), plain.tolist()) == ([0, 1, 1, 3], [True, False, True])


@given(st.lists(st.binary(max_size=40).map(lambda noise: b"[[1,2" + noise + b",3]]"), max_size=5))
def test_noise_is_never_read_as_something_else(texts):
    coords, _, _, plain = text.parse_rings(b"".join(texts), np.cumsum([0, *map(len, texts)]))
    expected = [json.loads(one) for one, good in zip(texts, plain, strict=True) if good]
    assert coords.ravel().tolist() == [value for shape in expected for ring in shape for value in ring]


@TWINS
def test_numbers_beyond_the_limit_are_left_to_the_caller(patience):
    assert text.parse_rings(b"[[1,-9]][[1,8.5]]", [0, 8, 17], 8.5)[3].tolist() == [False, True]
    assert text.parse_points(b'[{"x":1,"y":9}]', [0, 15], 8.5)[2].tolist() == [False]


@TWINS
def test_bad_arguments_are_named(patience):
    for arguments, message in [
        (([0], [[0, 0, 99, 1]], [[10, 10]]), "from 0 to 9"),
        (([0], [[-2, 0, 1, 1]], [[10, 10]]), "from 0 to 9"),
        (([0], [[0, 0, math.nan, 1]], [[10, 10]]), "from 0 to 9"),
        (([-1], [[0, 0, 1, 1]], [[10, 10]]), "classes: expected numbers from 0 on, got -1"),
        (([0], [[0, 0, 1, 1]], [[10, 0]]), "sizes: expected 1 pairs above 0"),
        (([0], [[0, 0, 1, 1]], [[10, 10]], 16), "decimals: expected 1 to 15, got 16"),
        (([0], [[0, 0, 1, 1]], [[10, 10]], 0), "decimals: expected 1 to 15, got 0"),
        (([0], [[0, 0, 1, 1]], [[10, 10]], 6, [9.5]), "scores: expected numbers from 0 to 9"),
        (([0, 1], [[0, 0, 1, 1]], [[10, 10]] * 2), "xywh: expected 2 boxes, got 1"),
    ]:
        with pytest.raises(ValueError, match=message):
            text.yolo_boxes(*arguments)
    with pytest.raises(ValueError, match="visibility"):
        text.yolo_keypoints([0], [[0, 0, 1, 1]], [[[0, 0, 3]]], [[1, 1]])
    with pytest.raises(ValueError, match=r"expected shape \(1, k, 3\)"):
        text.yolo_keypoints([0], [[0, 0, 1, 1]], [[[0, 0]]], [[1, 1]])
    with pytest.raises(ValueError, match="offsets"):
        text.parse_rings(b"[[1,2]]", [0, 9])
    with pytest.raises(ValueError, match="ring_offsets"):
        text.json_rings([[1, 2]], [0, 3], [0, 1])


shares = st.one_of(
    st.floats(0, 1),
    st.builds(lambda n, side: n / side, st.integers(0, 640), st.sampled_from([128, 640, 1024, 1080])),
    st.builds(lambda n, k: (2 * n + 1) / 2**k, st.integers(0, 60), st.integers(7, 16)),
    st.builds(lambda n, d: (n + 0.5) / 10**d, st.integers(0, 1000), st.integers(4, 9)),
    st.floats(0, 9),
)


@given(st.lists(st.lists(shares, min_size=2, max_size=2), max_size=12), st.integers(1, 15), st.data())
@example([[-0.0, 0.0]], 6, None)
@example([[0.0000005, 0.0000015], [0.5, 1.0]], 6, None)
def test_rows_are_those_of_the_percent_sign(pairs, decimals, data):
    classes = [0] if data is None else data.draw(st.lists(st.integers(0, 10**9), min_size=1, max_size=3))
    scores = [math.nan if data is None else data.draw(st.one_of(st.just(math.nan), shares)) for _ in classes]
    ones = [[1, 1]] * len(classes)
    coords, offsets = pairs * len(classes), np.arange(len(classes) + 1) * len(pairs)
    made = cut(*both(text.yolo_rings, classes, coords, offsets, ones, decimals, scores))
    for row, index, score in zip(made, classes, scores, strict=True):
        numbers = [value + 0.0 for pair in pairs for value in pair] + [score] * (not math.isnan(score))
        assert row == " ".join([str(index), *(f"{value:.{decimals}f}" for value in numbers)]) + "\n"


def test_a_score_of_minus_zero_has_no_sign_either():
    made = cut(*both(text.yolo_rings, [0], [[0.5, 0.5]], [0, 1], [[1, 1]], 2, [-0.0]))
    assert made == ["0 0.50 0.50 0.00\n"]


@given(st.integers(1, 15), st.lists(st.tuples(shares, shares, shares, shares), max_size=5), st.booleans())
def test_boxes_and_keypoints_are_in_shares(decimals, boxes, scored):
    boxes = [(x, y, w / 2, h / 2) for x, y, w, h in boxes]
    size, count = (4.0, 2.0), len(boxes)
    keypoints = np.array([[(x, y, 2), (0, 0, 0), (y, x, 1)] for x, y, _, _ in boxes]).reshape(-1, 3, 3)
    scores = [0.5] * count if scored else None
    made = both(text.yolo_boxes, range(count), np.reshape(boxes, (-1, 4)), [size] * count, decimals, scores)
    posed = both(
        text.yolo_keypoints,
        range(count),
        np.reshape(boxes, (-1, 4)),
        keypoints,
        [size] * count,
        decimals,
        scores,
    )
    for i, (x, y, w, h) in enumerate(boxes):
        box = [(x + w / 2) / 4, (y + h / 2) / 2, w / 4, h / 2]
        row = " ".join([str(i), *(f"{value:.{decimals}f}" for value in box)])
        points = [
            f"{a:.{decimals}f} {b:.{decimals}f} {v}"
            for a, b, v in [(x / 4, y / 2, 2), (0, 0, 0), (y / 4, x / 2, 1)]
        ]
        end = [f"{0.5:.{decimals}f}"] * scored
        assert cut(*made)[i] == " ".join([row, *end]) + "\n"
        assert cut(*posed)[i] == " ".join([row, *points, *end]) + "\n"


coordinates = st.one_of(
    st.floats(-1e7, 1e7),
    st.integers(-(10**7), 10**7).map(float),
    st.decimals(-9999, 9999, places=3).map(float),
    st.floats(-1e-3, 1e-3),
    st.sampled_from([0.0, -0.0, 1e-4, 9.9999e-5, 999999.999999999, 1e6, 5e-324, 0.1 + 0.2]),
)


@given(st.lists(st.lists(st.lists(st.tuples(coordinates, coordinates), max_size=3), max_size=3), max_size=4))
def test_json_is_that_of_repr(shapes):
    rings = [ring for shape in shapes for ring in shape]
    coords = np.array([point for ring in rings for point in ring]).reshape(-1, 2)
    offsets = np.cumsum([0, *map(len, rings)]), np.cumsum([0, *map(len, shapes)])
    for one, shape in zip(cut(*both(text.json_rings, coords, *offsets)), shapes, strict=True):
        flat = [[value for point in ring for value in point] for ring in shape]
        if one:
            assert one == json.dumps(flat, separators=(",", ":"))
        else:
            assert any(_is_long(value) for ring in flat for value in ring)


def _is_long(value):
    return value != round(value, 9) or not (value == 0 or 1e-4 <= abs(value) < 1e6)
