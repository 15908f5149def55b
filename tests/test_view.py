"""Pictures of data rows: read back as XML and as pixels."""

from __future__ import annotations

import base64
import io
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFont

from annokit.dataset import Dataset
from annokit.errors import InputError, LimitExceeded, UsageError
from annokit.io.limits import Limits
from annokit.model import (
    Answer,
    Asset,
    Box,
    Classification,
    DataRow,
    Geometry,
    Keypoints,
    Label,
    Line,
    Mask,
    MaskReference,
    ObjectAnnotation,
    Ontology,
    Point,
    Polygon,
    Relationship,
    RotatedBox,
    TextSpan,
    TimeRange,
    Tool,
    Track,
)
from annokit.view import find_row, frame_of, render
from annokit.view._scene import text_width

SVG = "{http://www.w3.org/2000/svg}"
PANEL = (16, 68)
"""Where the panel of a lone label without annotator starts."""


def thing(shape: Geometry, name: str = "car", **more: object) -> ObjectAnnotation:
    return ObjectAnnotation(tool_name=name, geometry=shape, **more)


def row(*annotations: object, width: int = 800, height: int = 600, **more: object) -> DataRow:
    label = Label(annotations=annotations)  # type: ignore[arg-type]  # any annotation
    return DataRow(id="r1", asset=Asset(width=width, height=height), labels=(label,), **more)  # type: ignore[arg-type]


def texts(svg: bytes) -> list[str]:
    return [element.text or "" for element in ET.fromstring(svg).iter(f"{SVG}text")]


def outlines(svg: bytes, title: str) -> list[ET.Element]:
    found = ET.fromstring(svg)
    return [one for one in found.iter() if (one.findtext(f"{SVG}title") or "").split("\n")[0] == title]


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


SHAPES = [
    Box(x=10, y=20, width=300, height=200),
    RotatedBox(corners=[(100, 100), (200, 120), (190, 180), (90, 160)]),
    Polygon(coords=[(10, 10), (200, 20), (100, 200)]),
    Line(coords=[(10, 10), (200, 20), (100, 200)]),
    Point(x=100, y=120),
    Keypoints(coords=[(10, 10), (50, 60), (90, 20)], visibility=[2, 1, 0]),
    Mask(counts=[600 * 100 + 50, 200, 600 * 700 - 250], height=600, width=800),
]


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.kind)
def test_every_shape_is_drawn_and_named(shape: Geometry) -> None:
    svg = render(row(thing(shape)))
    assert outlines(svg, "car")
    assert texts(svg).count("car") == 1
    assert "car  1" in texts(svg)  # the legend
    plain, drawn = pixels(render(row(), format="png")), pixels(render(row(thing(shape)), format="png"))
    height, width = 600, 800
    panel = np.s_[PANEL[1] : PANEL[1] + height, PANEL[0] : PANEL[0] + width]
    assert (plain[panel] != drawn[panel]).any()


def test_coordinates_are_those_of_the_row() -> None:
    svg = render(row(thing(Polygon(coords=[(10, 10), (200.25, 20), (100, 200)]))))
    (path,) = outlines(svg, "car")
    assert path.get("d") == "M10,10 200.25,20 100,200Z"
    (small,) = outlines(render(row(thing(Box(x=1, y=2, width=3, height=4)), width=64, height=48)), "car")
    assert small.get("d") == "M10,20 40,20 40,60 10,60Z"  # a small row is enlarged, ten times here


def test_holes_stay_empty() -> None:
    square = [(100, 100), (500, 100), (500, 500), (100, 500)]
    hole = [(200, 200), (400, 200), (400, 400), (200, 400)]
    shape = Polygon.from_parts([[square, hole]])
    (path,) = outlines(render(row(thing(shape))), "car")
    assert path.get("fill-rule") == "evenodd"
    assert (path.get("d") or "").count("M") == 2
    image = pixels(render(row(thing(shape)), format="png"))
    ground, x, y = image[PANEL[1] + 50, PANEL[0] + 50], *PANEL
    assert (image[y + 300, x + 300] == ground).all()
    assert (image[y + 150, x + 150] != ground).any()


def test_masks_are_drawn_along_their_pixels() -> None:
    dense = np.random.default_rng(3).random((30, 40)) < 0.5
    flat = dense.T.reshape(-1)
    ends = np.flatnonzero(np.diff(flat, prepend=False, append=flat[-1:] ^ True))
    shape = Mask(counts=np.diff(ends, prepend=0), height=30, width=40)
    ontology = Ontology(tools=(Tool(name="car", color="#f00"),))
    image = pixels(render(row(thing(shape), width=40, height=30), format="png", ontology=ontology))
    centers = image[PANEL[1] + 8 : PANEL[1] + 480 : 16, PANEL[0] + 8 : PANEL[0] + 640 : 16]
    red = centers[..., 0] - centers[..., 1] > 60
    tag = np.zeros_like(red)
    tag[:2, :] = True  # the class name hides some
    assert (red == dense)[~tag].all()


def test_classes_keep_their_colour_from_row_to_row() -> None:
    ontology = Ontology(tools=(Tool(name="bus"), Tool(name="car"), Tool(name="tree", color="#0A0b0C")))
    box = Box(x=10, y=20, width=300, height=200)

    def color(name: str, *before: str) -> str | None:
        found = render(row(*[thing(box, other) for other in before], thing(box, name)), ontology=ontology)
        return outlines(found, name)[0].get("stroke")

    assert color("car") == color("car", "bus", "tree") != color("bus")
    assert color("tree") == "#0a0b0c"
    hostile = Ontology(tools=(Tool(name="car", color='red" onload="x'),))
    assert b"onload" not in render(row(thing(box)), ontology=hostile)


def test_annotators_stand_side_by_side() -> None:
    labels = [Label(annotator_id=f"{who}@x.org", annotations=(thing(SHAPES[0]),)) for who in "abcd"]
    labels[1] = Label(annotator_id="b@x.org", is_benchmark=True)
    svg = render(DataRow(id="r1", asset=Asset(width=640, height=480), labels=tuple(labels)))
    root = ET.fromstring(svg)
    panels = root.findall(f"{SVG}svg")
    titles = [panel.findtext(f"{SVG}text") for panel in panels]
    assert titles == ["a@x.org", "b@x.org  ·  benchmark", "c@x.org", "d@x.org"]
    places = [(float(panel.get("x", 0)), float(panel.get("y", 0))) for panel in panels]
    assert len({y for _, y in places[:3]}) == 1
    assert places[3][0] == places[0][0]
    assert places[3][1] > places[0][1]
    inside = [x + float(panel.get("width", 0)) for panel, (x, _) in zip(panels, places, strict=True)]
    assert max(inside) <= float(root.get("width", 0))


@pytest.mark.parametrize(
    ("annotation", "note"),
    [
        (thing(MaskReference(uri="https://host/m.png?token=secret")), "car: mask reference, not drawn"),
        (thing(Point(x=float("nan"), y=1)), "car: point, not drawn"),
        (thing(Point(x=8.5, y=47), space="geo"), "car: point, not drawn"),
        (thing(Point(x=8, y=4), space="page", page=2), "car: point on page 2, not drawn"),
        (thing(TimeRange(start_ms=0, end_ms=5)), "car: time range, not drawn"),
        (Track(tool_name="car", kind="box", frames=[], is_keyframe=[]), "car: tracks, not drawn"),
        (Relationship(tool_name="rides", source="p1", target="b1"), "rides: p1 → b1"),
        (
            Classification(
                tool_name="weather",
                kind="radio",
                answers=(
                    Answer(
                        name="rain",
                        classifications=(Classification(tool_name="much", kind="text", text="very"),),
                    ),
                ),
            ),
            "weather: rain (much: very)",
        ),
    ],
)
def test_what_cannot_be_drawn_is_said(annotation: object, note: str) -> None:
    svg = render(row(annotation))
    assert note in texts(svg)
    assert b"secret" not in svg
    assert f"{note}  (2 times)" in texts(render(row(annotation, annotation)))


def test_tracks_show_their_first_frame() -> None:
    track = Track(
        tool_name="car", kind="box", frames=[3, 4], is_keyframe=[True, False], values=[(30, 20)] * 4
    )
    (path,) = outlines(render(row(track)), "car frame 3")
    assert path.get("d") == "M30,20 60,20 60,40 30,40Z"


def test_one_frame_of_a_video_is_drawn_as_it_stands_between_key_frames() -> None:
    track = Track(
        tool_name="car",
        kind="box",
        frames=[2, 6],
        is_keyframe=[True, True],
        values=[(0, 0), (30, 20), (40, 80), (30, 20)],
        segments=[(2, 6)],
    )
    video = DataRow(
        id="a.mp4",
        asset=Asset(media_type="video", width=800, height=600),
        labels=(Label(annotations=(track,)),),
    )
    (path,) = outlines(render(frame_of(video, 4)), "car frame 4")
    assert path.get("d") == "M20,40 50,40 50,60 20,60Z"
    assert "car  1" not in texts(render(frame_of(video, 0)))
    with pytest.raises(UsageError, match=r"a\.mp4 has 7 frames, and no frame 7") as caught:
        frame_of(video, 7)
    assert caught.value.hint == "from 0 to 6"
    with pytest.raises(UsageError, match="only videos have frames, and r1 is of type image"):
        frame_of(row(), 0)


HOSTILE = [
    "<script>alert(1)</script>",
    "&amp;]]>",
    "a\x00\x1b[31mb",
    '"/><x>',
    "\ud800",
    "\u202egnp.exe",
    "名前",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_stay_text(name: str) -> None:
    hostile = DataRow(
        id=name,
        asset=Asset(uri="missing.jpg", width=640, height=480),
        labels=(
            Label(
                annotator_id=name,
                annotations=(
                    thing(Box(x=1, y=2, width=30, height=40), name),
                    Classification(tool_name=name, kind="text", text=name),
                ),
            ),
        ),
    )
    svg = render(hostile, ontology=Ontology(tools=(Tool(name=name),)))
    tags = {element.tag.removeprefix(SVG) for element in ET.fromstring(svg).iter()}
    assert tags <= {"svg", "path", "text", "title", "circle"}
    assert render(hostile, format="png").startswith(b"\x89PNG")


@given(st.text(max_size=60))
def test_any_name_gives_well_formed_xml(name: str) -> None:
    ET.fromstring(render(row(thing(SHAPES[0], name), global_key=name)))


@given(
    st.lists(st.tuples(st.floats(-1e300, 1e300), st.floats(-1e300, 1e300)), max_size=6),
    st.integers(1, 10**7),
    st.integers(1, 10**7),
)
def test_any_coordinates_and_sizes_can_be_drawn(
    points: list[tuple[float, float]], width: int, height: int
) -> None:
    shapes = row(thing(Polygon(coords=points)), thing(Line(coords=points)), width=width, height=height)
    ET.fromstring(render(shapes))
    assert render(shapes, format="png").startswith(b"\x89PNG")


def test_texts_have_their_spans_marked() -> None:
    text = "Ada Lovelace met 日本 in London. " * 8 + "\nEnd"
    start = text.index("London")
    annotations = (
        thing(TextSpan(start=start, end=start + 6), "place"),
        thing(TextSpan(start=0, end=len(text)), "all"),
        thing(TextSpan(start=10**9, end=10**9 + 1), "beyond"),
        thing(SHAPES[0]),
    )
    article = DataRow(
        id="t", asset=Asset(media_type="text", text=text), labels=(Label(annotations=annotations),)
    )
    svg = render(article)
    words = texts(svg)
    assert "".join(words).count("Lovelace") == 8
    assert len(outlines(svg, "place")) == 1
    assert len(outlines(svg, "all")) > 2  # one for each line
    assert "beyond: characters 1000000000 to 1000000001, not drawn" in words
    assert "car: box, not drawn" in words
    (mark,) = outlines(svg, "place")
    left = float((mark.get("d") or "M")[1:].split(",")[0])
    (london, *_) = [t for t in ET.fromstring(svg).iter(f"{SVG}text") if t.text == "London."]
    assert left == pytest.approx(float(london.get("x", 0)) - 1, abs=0.02)
    assert render(article, format="png").startswith(b"\x89PNG")


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A folder with a green picture of 80 x 60."""
    folder = tmp_path / "images"
    folder.mkdir()
    Image.new("RGB", (80, 60), (0, 200, 0)).save(folder / "green.png")
    return folder


def test_the_image_is_put_inside(photo: Path) -> None:
    shown = row(thing(Box(x=0, y=0, width=10, height=10)), width=80, height=60, global_key="green.png")
    svg = render(shown, image_dir=photo)
    (image,) = ET.fromstring(svg).iter(f"{SVG}image")
    kind, _, data = (image.get("href") or "").partition(",")
    assert kind == "data:image/png;base64"
    assert base64.b64decode(data) == (photo / "green.png").read_bytes()
    assert pixels(render(shown, format="png", image_dir=photo))[400, 400].tolist() == [0, 200, 0]
    own = DataRow(id="r1", asset=Asset(uri=str(photo / "green.png")))
    assert b"data:image/png" in render(own, image_dir=photo)
    assert "image  ·  80 x 60  ·  id r1" in texts(render(own, image_dir=photo))  # the size is the image's
    assert b"data:" not in render(own)  # no folder was named: a blank canvas


def test_only_images_inside_the_folder_are_taken(photo: Path) -> None:
    (photo / "secret.jpg").write_text("root:x:0:0")
    Image.new("RGB", (8, 6)).save(photo.parent / "outside.png")
    for name in ("secret.jpg", "../outside.png", str(photo.parent / "outside.png"), "a\0b", ".", "x" * 5000):
        assert b"data:" not in render(row(global_key=name), image_dir=photo), name
    (photo / "link.png").symlink_to(photo.parent / "outside.png")  # the user's own doing
    assert b"data:" in render(row(global_key="link.png"), image_dir=photo)
    with pytest.raises(UsageError, match="expected a folder of images"):
        render(row(), image_dir=photo / "green.png")


def test_images_that_cannot_be_decoded_are_refused_by_png(photo: Path) -> None:
    (photo / "cut.png").write_bytes((photo / "green.png").read_bytes()[:60])
    with pytest.raises(InputError, match="cannot decode the row's image"):
        render(row(global_key="cut.png"), format="png", image_dir=photo)
    with pytest.raises(LimitExceeded, match="max_pixels"):
        render(row(global_key="green.png"), format="png", image_dir=photo, limits=Limits(max_pixels=100))


def test_names_fit_their_tags() -> None:
    """The estimate of text width is never less than what a common font needs."""
    font = ImageFont.load_default(12)
    for text in ("traffic light", "WWWMMM@@@", "Illinois", "person 0.93 (crowd)", "日本語"):
        assert text_width(text, 12) >= font.getlength(text) * 0.98


def test_tags_stay_on_the_canvas() -> None:
    corners = [(0, 0), (799, 0), (0, 599), (799, 599)]
    svg = render(row(*[thing(Point(x=x, y=y), "a long class name") for x, y in corners]))
    for text in ET.fromstring(svg).iter(f"{SVG}text"):
        if text.text == "a long class name":
            assert 0 <= float(text.get("x", -1)) <= 800 - text_width(text.text, 12)
            assert 10 <= float(text.get("y", -1)) <= 600


def test_the_same_row_gives_the_same_bytes() -> None:
    drawn = row(*[thing(shape) for shape in SHAPES])
    assert render(drawn) == render(drawn)
    assert render(drawn, format="png") == render(drawn, format="png")


def test_a_picture_is_svg_or_png() -> None:
    with pytest.raises(UsageError, match="expected svg or png, got 'gif'"):
        render(row(), format="gif")  # type: ignore[arg-type]  # on purpose


@pytest.mark.parametrize("name", ["id7", "key7", "ext7"])
def test_rows_are_found_by_any_name(name: str) -> None:
    rows = [DataRow(id=f"id{n}", global_key=f"key{n}", external_id=f"ext{n}") for n in range(9)]
    assert find_row(Dataset.from_rows(rows), name).id == "id7"


def test_a_row_that_is_not_there() -> None:
    rows = [DataRow(id=f"id{n}") for n in range(9)]
    with pytest.raises(UsageError, match=r"no data row is called 'x' \(there are 9, like id0, id1, id2\)"):
        find_row(Dataset.from_rows(rows), "x")
    with pytest.raises(UsageError, match="there are none"):
        find_row(Dataset.from_rows([]), "x")


def test_very_large_images_keep_their_shape() -> None:
    (path,) = outlines(
        render(row(thing(Box(x=100_000, y=0, width=100_000, height=1_000)), width=200_000, height=1_000)),
        "car",
    )
    assert path.get("d") == "M640,0 1280,0 1280,6.4 640,6.4Z"
