from __future__ import annotations

import re
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annokit.io.names import SafeNames, collision_key, safe_name

TRICKY = st.text(st.sampled_from('aZ0é中. /\\:~%-_\0\n"?*(CONimages') | st.characters(), max_size=12)
NAMES = TRICKY | st.lists(
    st.sampled_from(["images", "labels", "CON", "aux.txt", "..", ".", "", "a", "x.jpg", "e\u0301", "é"]),
    max_size=4,
).map("/".join)


@pytest.mark.parametrize(
    "name",
    ["000000397133.jpg", "a/b.jpg", "IMG_1.JPG", "_DSC0001.NEF", "IMG (1).jpg", "a b.jpg", "2024-01-02.png",
     "x.tar.gz", "noext", "图片/猫.jpg", "Ärger.png", "हिन्दी.jpg", "Images/1.jpg", "my-images/labels2/1.jpg", "company.jpg"],
)  # fmt: skip
def test_plain_names_stay(name):
    assert safe_name(name) == name


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("", "%"),
        ("%", "%25"),
        (".", "%2E"),
        ("..", "%2E%2E"),
        ("../../etc/passwd", "%2E%2E/%2E%2E/etc/passwd"),
        ("/etc/passwd", "%2Fetc/passwd"),
        ("//host/share", "%2F/host/share"),
        ("a//b/", "a%2F/b%2F"),
        ("C:\\x.jpg", "C%3A%5Cx.jpg"),
        (".hidden", "%2Ehidden"),
        ("-rf", "%2Drf"),
        ("a.", "a%2E"),
        ("a ", "a%20"),
        (" a  b ", "%20a%20%20b%20"),
        ("a\0b\n", "a%00b%0A"),
        ("a~b", "a%7Eb"),
        ("images/labels/1.jpg", "%69mages/%6Cabels/1.jpg"),
        ("aux.png", "%61ux.png"),
        ("Com1", "%43om1"),
        ("nul .txt", "%6Eul .txt"),
        ("e\u0301.jpg", "e%CC%81.jpg"),
        ("a\u202eb", "a%E2%80%AEb"),
        ("a\ud800", "a%ED%A0%80"),
        ("https://h/x.jpg?t=1", "https%3A%2F/h/x.jpg%3Ft=1"),
    ],
)
def test_other_names_are_encoded(name, safe):
    assert safe_name(name) == safe


def test_a_name_that_is_too_long_keeps_its_start_and_suffix():
    long = safe_name("x" * 300 + ".jpg")
    assert re.fullmatch("x{150}~[0-9a-f]{16}[.]jpg", long)
    assert safe_name("x" * 300 + ".png")[:-4] != long[:-4]
    assert safe_name("x" * 196 + ".jpg") == "x" * 196 + ".jpg"
    assert len(safe_name("猫" * 100).encode()) <= 200
    assert re.search("[?]|%~|%.~", safe_name("a" + "?" * 100)) is None


@given(NAMES)
def test_a_safe_name_is_safe_and_gives_the_original_back(name):
    safe = safe_name(name)
    assert unquote(safe, errors="surrogatepass") == (name or "%")
    for segment in safe.split("/"):
        assert segment not in ("", ".", "..", "images", "labels")
        assert not set(segment) & set('\\:*?"<>|~\0\n\r\t')
        assert segment[0] not in ". -"
        assert segment[-1] not in ". "
        assert len(segment.encode()) <= 200
        assert not re.match(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\.|$)", segment)


@given(NAMES, NAMES)
def test_no_two_names_become_one(one, other):
    assert (safe_name(one) == safe_name(other)) == (one == other)


@given(
    st.text(st.characters(min_codepoint=32), min_size=150, max_size=400), st.text(min_size=150, max_size=400)
)
def test_nor_do_long_ones(one, other):
    assert (safe_name(one) == safe_name(other)) == (one == other)


@given(st.text(st.sampled_from("abcXYZ019_"), min_size=1, max_size=10))
def test_plain_names_are_a_fixed_point(name):
    assert safe_name(safe_name(name)) == safe_name(name)


def test_collision_keys():
    assert collision_key("a/Straße.jpg") == collision_key("A/STRASSE.png")
    assert collision_key("e\u0301.jpg") == collision_key("É.jpg")
    assert collision_key("a.jpg", stem=False) != collision_key("a.png", stem=False)
    assert collision_key("a.b/c") != collision_key("a.c/c")


ROWS = st.lists(
    st.tuples(st.sampled_from(["a.jpg", "A.jpg", "a.png", "b/a.jpg", "b.jpg", "e\u0301", "", "a~1234abcd"]) | NAMES,
              st.text(max_size=2)),
    unique=True, max_size=12,
)  # fmt: skip


@given(ROWS, st.randoms())
def test_names_are_unique_and_do_not_depend_on_the_order(rows, random):
    names = SafeNames(lambda: rows)
    found = {row: names.name(*row) for row in rows}
    assert len({collision_key(name) for name in found.values()}) == len(rows)
    shuffled = list(rows)
    random.shuffle(shuffled)
    again = SafeNames(lambda: iter(shuffled))
    assert found == {row: again.name(*row) for row in rows}


@given(ROWS)
def test_only_names_that_collide_change(rows):
    names = SafeNames(lambda: rows)
    keys = [collision_key(safe_name(original)) for original, _ in rows]
    for (original, row), key in zip(rows, keys, strict=True):
        assert (names.name(original, row) == safe_name(original)) == (keys.count(key) == 1)


def test_the_suffix_is_kept_behind_the_hash():
    rows = [("d.x/a.jpg", "1"), ("d.x/A.jpg", "2"), ("d.x/b", "1"), ("d.x/b", "2")]
    names = SafeNames(lambda: rows)
    found = [names.name(*row) for row in rows]
    assert all(re.fullmatch(r"d\.x/([aA]~[0-9a-f]{8}\.jpg|b~[0-9a-f]{8})", name) for name in found)
    whole = SafeNames(lambda: [("a.jpg", "1"), ("a.png", "2")], stem=False)
    assert whole.name("a.jpg", "1") == "a.jpg"


def test_very_many_rows_of_one_name_get_longer_hashes_where_they_must():
    rows = [("image.jpg", str(number)) for number in range(150_000)]
    names = SafeNames(lambda: rows)
    assert len({names.name(*row) for row in rows}) == len(rows)
