"""`validate` names what is wrong; `repair` mends what it is asked to, and counts it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from click.testing import CliRunner
from msgspec.structs import replace
from PIL import Image

import annokit
from annokit.cli import app
from annokit.dataset import Dataset
from annokit.errors import UsageError
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
    ObjectAnnotation,
    Ontology,
    Point,
    Polygon,
    Relationship,
    Tool,
    Track,
)
from annokit.repair import repair
from annokit.validate import validate

SQUARE = [(10, 10), (30, 10), (30, 30), (10, 30)]
BOW_TIE = [(10, 10), (30, 30), (30, 10), (10, 30)]


def thing(geometry: Geometry, **parts: Any) -> ObjectAnnotation:
    return ObjectAnnotation(tool_name="car", geometry=geometry, **parts)


def row(*annotations: Any, id: str = "r1", **parts: Any) -> DataRow:
    asset = parts.pop("asset", Asset(width=64, height=48))
    return DataRow(id=id, asset=asset, labels=(Label(annotations=annotations),), **parts)


def codes(*rows: DataRow, target: str | None = None, **options: Any) -> dict[str, str]:
    report = validate(Dataset.from_rows(rows), target, **options)
    return {found.code: found.severity for found in report.findings}


def polygon(*rings: Any) -> Polygon:
    return Polygon.from_parts([rings])


def test_confidences_are_shares() -> None:
    deep = Classification(tool_name="q", kind="text", text="a", confidence=1.5)
    answer = Answer(name="yes", confidence=-1, classifications=(deep,))
    asked = Classification(tool_name="q", kind="radio", answers=(answer,), confidence=87.5)
    box = Box(x=1, y=2, width=3, height=4)
    cars = [thing(box, confidence=score, classifications=(asked,)) for score in (87.5, 1, 0, None)]
    near = Relationship(tool_name="near", source="1", target="2")
    report = validate(Dataset.from_rows([row(*cars, asked, near)]))
    ranges = [found for found in report.findings if found.code == "confidence-range"]
    assert {found.kind: (found.count, found.severity) for found in ranges} == {
        "object:box": (1, "warning"),
        "classifications": (15, "warning"),
    }
    assert {found.kind: found.examples[0].detail for found in ranges}["object:box"] == "87.5"


def inner(left: float, top: float, size: float = 4) -> list[tuple[float, float]]:
    return [(left, top), (left + size, top), (left + size, top + size), (left, top + size)]


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (polygon(SQUARE), {}),
        (polygon(SQUARE[::-1]), {}),  # no orientation is wrong
        (polygon([*SQUARE, SQUARE[0]]), {}),  # nor is a closing vertex
        (polygon(SQUARE, inner(15, 15)), {}),
        (Polygon.from_parts([[SQUARE], [inner(28, 28, 8)]]), {}),  # parts are united: they may overlap
        (polygon(BOW_TIE), {"self-intersection": "warning"}),
        (polygon([SQUARE[0], *SQUARE]), {"repeated-point": "warning"}),
        (polygon(SQUARE, inner(28, 15)), {"rings-cross": "warning"}),
        (polygon(SQUARE, inner(12, 12), inner(14, 14)), {"rings-cross": "warning"}),
        (polygon(SQUARE, inner(40, 15)), {"hole-outside": "warning"}),
        (polygon([(1, 1), (2, 2), (3, 3)]), {"zero-area": "error"}),
        (polygon([(1, 1), (2, 2)]), {"too-few-points": "error"}),
        (polygon([(1, 1), (2, 2), (1, 1)]), {"too-few-points": "error"}),
        (Polygon(coords=[]), {"too-few-points": "error"}),
        (polygon([(x + 100, y) for x, y in SQUARE]), {"outside": "error"}),
        (polygon([(x + 40, y) for x, y in SQUARE]), {"partly-outside": "warning"}),
        (polygon([(1, 1), (np.nan, 2), (3, 3)]), {"not-finite": "error"}),
        (Box(x=1, y=1, width=5, height=0), {"zero-area": "error"}),
        (Box(x=9, y=9, width=-5, height=5), {"negative-size": "error"}),
        (Box(x=-9, y=9, width=5, height=5), {"outside": "error"}),
        (Box(x=-1, y=9, width=5, height=5), {"partly-outside": "warning"}),
        (Box(x=0, y=0, width=64, height=48), {}),
        (Line(coords=[(1, 1)]), {"too-few-points": "error"}),
        (Keypoints(coords=[(1, 1)], visibility=[0]), {"zero-area": "warning"}),
        (Mask(counts=[64 * 48], height=48, width=64), {"zero-area": "error"}),
        (Mask(counts=[1, 1, 98], height=10, width=10), {"mask-size": "error"}),
    ],
)
def test_shapes(shape: Geometry, expected: dict[str, str]) -> None:
    assert codes(row(thing(shape))) == expected
    # in a crowd, every one is found, and no neighbour
    good = [thing(polygon(SQUARE)), thing(polygon(SQUARE, inner(15, 15)))]
    report = validate(Dataset.from_rows([row(*good, thing(shape, id="bad"), *good)]))
    assert {found.code: found.severity for found in report.findings} == expected
    assert {example.annotation for found in report.findings for example in found.examples} <= {"bad"}


def test_what_stands_beside_a_shape() -> None:
    square = polygon(SQUARE)
    stated = Box(x=10, y=10, width=20, height=20)
    fine = thing(square, box=stated, extra={"coco": {"area": 400.0}})
    assert codes(row(fine)) == {}
    off = thing(square, box=Box(x=14, y=10, width=20, height=20), extra={"coco": {"area": 900.0}})
    assert codes(row(off)) == {"box-disagrees": "warning", "area-disagrees": "warning"}
    mask = Mask(counts=[0, 48, 63 * 48], height=48, width=64)
    assert codes(row(thing(mask, extra={"coco": {"area": 48}}))) == {}
    assert codes(row(thing(mask, extra={"coco": {"area": 4}}))) == {"area-disagrees": "warning"}


def test_references() -> None:
    box = Box(x=1, y=1, width=2, height=2)
    assert codes(row(id="a"), row(id="a", external_id="x")) == {"repeated-id": "error"}
    assert codes(row(id="a", external_id="x"), row(id="b", external_id="x")) == {"repeated-name": "warning"}
    assert codes(row(thing(box, id="1"), thing(box, id="1"))) == {"repeated-annotation-id": "warning"}
    link = Relationship(tool_name="on", source="1", target="2")
    assert codes(row(thing(box, id="1"), link)) == {"dangling-relationship": "error"}
    assert codes(row(thing(box, id="1"), thing(box, id="2"), link)) == {}
    named = Dataset.from_rows([row(thing(box))], Ontology(tools=(Tool(name="bus"),)))
    assert validate(named).of("unknown-class") == 1
    assert codes(row(asset=Asset())) == {"no-size": "warning"}
    submitted = DataRow(id="r", asset=Asset(width=1, height=1), labels=(Label(annotator_id="ann"),))
    assert codes(submitted) == {"empty-label": "warning"}
    video = Asset(media_type="video", width=64, height=48, frame_count=5)
    track = Track(tool_name="car", kind="point", frames=[3, 5], is_keyframe=[True, True],
                  values=[(1, 1), (2, 2)], offsets=[0, 1, 2], segments=[(3, 5)])  # fmt: skip
    assert codes(row(track, asset=video)) == {"frame-outside": "error"}


def test_images(tmp_path: Path) -> None:
    def save(name: str, size: tuple[int, int], orientation: int = 1) -> None:
        exif = Image.Exif()
        exif[274] = orientation
        Image.new("RGB", size).save(tmp_path / name, exif=exif)

    save("right.jpg", (64, 48))
    save("other.jpg", (60, 48))
    save("turned.jpg", (64, 48), 6)
    save("shown.jpg", (48, 64), 6)
    (tmp_path / "broken.jpg").write_bytes(b"")
    expected = {
        "right.jpg": {},
        "other.jpg": {"size-disagrees": "error"},
        "turned.jpg": {"turned-image": "warning"},
        "shown.jpg": {"size-as-shown": "warning"},
        "broken.jpg": {"broken-image": "error"},
        "absent.jpg": {"missing-image": "error"},
        "../absent.jpg": {},  # never looked for outside the folder
    }
    for name, found in expected.items():
        assert codes(row(external_id=name), image_dir=tmp_path) == found
    stated = Asset(uri=str(tmp_path / "other.jpg"), width=64, height=48)
    assert codes(row(asset=stated)) == {}, "a path that a row states is no folder that the user named"
    with pytest.raises(UsageError, match="expected a folder of images"):
        codes(row(), image_dir=tmp_path / "nowhere")


def test_the_images_of_a_dataset_of_its_own_are_looked_at(tmp_path: Path) -> None:
    annokit.write(
        [row(thing(Box(x=1, y=1, width=9, height=9)), external_id="a.jpg")], tmp_path / "d", format="yolo"
    )
    assert validate(annokit.read(tmp_path / "d")).of("turned-image") == 0
    exif = Image.Exif()
    exif[274] = 6
    (tmp_path / "d" / "images" / "train").mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (64, 48)).save(tmp_path / "d" / "images" / "train" / "a.jpg", exif=exif)
    assert validate(annokit.read(tmp_path / "d")).of("turned-image") == 1


def test_the_boxes_of_tracks(tmp_path: Path) -> None:
    """Wrong ones are found in their frames; an identity is one within its video."""
    for video, width in (("v1", 9), ("v2", -9)):
        (tmp_path / "m" / video / "gt").mkdir(parents=True)
        rows = f"1,1,50,50,9,9,1,1,1\n2,1,52,50,{width},9,1,1,1\n"
        (tmp_path / "m" / video / "gt" / "gt.txt").write_text(rows)
    (found,) = validate(annokit.read(tmp_path / "m")).findings
    assert (found.code, found.severity, found.count) == ("negative-size", "error", 1)
    assert (found.examples[0].data_row, found.examples[0].detail) == ("v2", "frame 1")


def test_shapes_off_the_earth() -> None:
    for place, expected in (
        ((9, 50), {}),
        ((500, 50), {"off-earth": "warning"}),
        ((9, -91), {"off-earth": "warning"}),
    ):
        shape = Point(x=place[0], y=place[1])
        assert codes(row(thing(shape, space="geo"), asset=Asset(media_type="geo"))) == expected


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (polygon(BOW_TIE), {"self-intersection": "warning"}),
        (polygon([(1, 1), (2, 2)]), {"too-few-points": "error"}),
        (polygon([(1, 1)] * 4), {"zero-area": "error", "repeated-point": "warning"}),
        (polygon([(1, 1), (2, 2), (3, 3)]), {"zero-area": "error"}),
        (polygon([(9, 50), (9.00003, 50), (9.00003, 50.00003), (9, 50.00003)]), {}),  # 3 m
        (polygon([(1, 1), (np.nan, 2), (3, 3)]), {"not-finite": "error"}),
        (polygon(SQUARE, inner(40, 15)), {"hole-outside": "warning"}),
        (Line(coords=[(1, 1)]), {"too-few-points": "error"}),
        (Box(x=9, y=50, width=1, height=-1), {}),
        (Box(x=9, y=50, width=1, height=0), {"zero-area": "error"}),
    ],
)
def test_shapes_on_maps(shape: Geometry, expected: dict[str, str]) -> None:
    made = row(thing(shape, space="geo"), asset=Asset(media_type="geo"))
    assert codes(made) == expected
    assert "--repair" not in str(validate(Dataset.from_rows([made])).findings)  # it mends pixels


def test_segments_of_tracks() -> None:
    frames: Any = {
        "frames": [0, 2, 4],
        "is_keyframe": [True, False, True],
        "values": [(1, 1), (2, 2), (3, 3)],
    }

    def of(*segments: tuple[int, int]) -> dict[str, str]:
        track = Track(tool_name="car", kind="point", segments=segments or None, **frames)  # type: ignore[arg-type]
        return codes(row(track, asset=Asset(media_type="video", width=64, height=48)))

    assert of() == of((0, 4)) == of((0, 0), (2, 9)) == of((2, 2), (0, 4)) == of((2, 4), (0, 1)) == {}
    assert of((0, 0), (4, 4)) == of((0, 3)) == {"outside-segments": "warning"}
    assert of((0, 4), (3, 1)) == {"segment-reversed": "error"}
    assert of((4, 0)) == {"segment-reversed": "error", "outside-segments": "warning"}


def test_what_ultralytics_makes_of_all_files_together() -> None:
    box, square = Box(x=1, y=1, width=2, height=2), polygon(SQUARE)
    boxes, outlines = row(thing(box), id="b", external_id="b.jpg"), row(thing(square), external_id="p.jpg")
    (found,) = validate(
        Dataset.from_rows([boxes, outlines, replace(boxes, id="c", external_id="c.jpg")]), "yolo"
    ).findings
    assert (found.code, found.severity, found.count) == ("yolo-mixed-files", "warning", 1)
    assert [(one.data_row, one.detail) for one in found.examples] == [("b.jpg", "box"), ("p.jpg", "polygon")]
    assert codes(boxes, target="yolo") == codes(outlines, target="yolo") == codes(boxes, outlines) == {}


def test_an_image_that_ultralytics_refuses() -> None:
    for size, expected in ((9, {"yolo-too-small": "error"}), (10, {})):
        small = row(asset=Asset(width=64, height=size))
        assert codes(small, target="yolo") == expected
        assert codes(small) == {}


def test_what_the_tools_of_a_format_would_drop() -> None:
    box, square = Box(x=1, y=1, width=2, height=2), polygon(SQUARE)
    outside = Box(x=60, y=1, width=20, height=2)
    assert codes(row(thing(box), thing(square)), target="yolo") == {"yolo-mixed-rows": "warning"}
    assert "yolo-outside" in codes(row(thing(outside)), target="yolo")
    assert codes(row(thing(box), thing(box)), target="yolo") == {"yolo-duplicate": "warning"}
    assert codes(row(asset=Asset()), target="yolo")["yolo-no-size"] == "error"
    assert codes(row(thing(Line(coords=[(1, 1), (2, 2)]))), target="yolo") == {"yolo-no-place": "warning"}
    short = polygon([(1, 1), (2, 2)])
    assert codes(row(thing(short)), target="coco")["coco-short-ring"] == "error"
    assert codes(row(thing(box, id="1"), thing(box, id="1")), target="coco") == {
        "repeated-annotation-id": "error"
    }
    assert codes(row(thing(polygon(SQUARE, inner(15, 15)))), target="labelbox") == {
        "labelbox-rings": "warning"
    }
    with pytest.raises(UsageError, match="no rules are known for 'voc'"):
        validate(Dataset.from_rows([]), "voc")


def test_what_we_write_for_yolo_is_taken_by_its_loader(samples: Path, tmp_path: Path) -> None:
    annokit.convert(samples / "street.ndjson", tmp_path / "out", to="yolo")
    report = validate(annokit.read(tmp_path / "out"), "yolo")
    assert report.data_rows
    assert [found for found in report.findings if found.severity == "error"] == []


def test_the_collection(shared: Path) -> None:
    """What its manifest only warns of is read, and named here."""
    expected = {
        "a_json/control_ok.json": None,
        "b_geometry/poly_outside_image.json": "outside",
        "b_geometry/box_outside.json": "box-disagrees",
        "h_semantic/bbox_disagrees_polygon.json": "box-disagrees",
        "h_semantic/area_wrong.json": "area-disagrees",
        "h_semantic/dup_annotation_ids.json": "repeated-annotation-id",
        "h_semantic/lb_no_media_attributes.ndjson": "no-size",
        "h_semantic/cat_id_missing.json": "bad-reference",
    }
    for name, code in expected.items():
        found = {one.code for one in validate(annokit.read(shared / "badinputs" / name)).findings}
        assert (code is None and not found) or code in found, (name, found)
    for name, code in (("hole_crosses_shell", "rings-cross"), ("holes_overlap", "rings-cross")):
        document = json.loads((shared / "badinputs" / "b_geometry" / f"{name}.json").read_text())
        assert code in codes(row(thing(polygon(document["shell"], *document["holes"]))))


def area(shape: Geometry) -> float:
    assert isinstance(shape, Polygon)
    return float(sum(shapely.Polygon(part[0], part[1:]).area for part in shape.parts()))


def mended(shape: Geometry, *names: str) -> Geometry | None:
    dataset = repair(Dataset.from_rows([row(thing(shape))]), names)
    objects = next(iter(dataset)).labels[0].objects
    return objects[0].geometry if objects else None


@pytest.mark.parametrize(
    ("ring", "expected"),
    [(BOW_TIE, 200.0), (SQUARE, 400.0), ([*SQUARE, SQUARE[0]], 400.0)],
)
def test_make_valid(ring: Any, expected: float) -> None:
    shape = mended(polygon(ring), "make-valid")
    assert shape is not None
    assert area(shape) == pytest.approx(expected)
    assert codes(row(thing(shape))) == {}


def test_clip() -> None:
    assert mended(Box(x=-5, y=40, width=10, height=20), "clip") == Box(x=0, y=40, width=5, height=8)
    assert mended(Box(x=-5, y=0, width=4, height=20), "clip") is None
    half = mended(polygon([(x + 44, y) for x, y in SQUARE]), "clip")
    assert half is not None
    assert area(half) == 200
    assert mended(polygon([(x + 100, y) for x, y in SQUARE]), "clip") is None
    inside = polygon(SQUARE)
    assert mended(inside, "clip") is inside


@pytest.mark.parametrize(
    "shape",
    [Box(x=1, y=1, width=0, height=4), polygon([(1, 1), (2, 2), (3, 3)]), Line(coords=[(1, 1)]),
     Mask(counts=[4], height=2, width=2), Polygon(coords=[])],
)  # fmt: skip
def test_drop_degenerate(shape: Geometry) -> None:
    assert mended(shape, "drop-degenerate") is None
    kept = polygon(BOW_TIE)
    assert mended(kept, "drop-degenerate") is kept


def document(*boxes: tuple[float, float, float, float]) -> dict[str, Any]:
    entries = [
        {"id": n, "image_id": 1, "category_id": 1, "bbox": box, "area": box[2] * box[3]}
        for n, box in enumerate(boxes, start=1)
    ]
    return {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 64, "height": 48}],
        "annotations": entries,
        "categories": [{"id": 1, "name": "car"}],
    }


def test_repairs_are_counted_and_what_was_measured_before_is_not_kept(tmp_path: Path) -> None:
    boxes = [(1, 1, 5, 5), (60, 1, 10, 5), (70, 1, 5, 5), (1, 1, 0, 5)]
    names = ["clip", "drop-degenerate"]
    report = annokit.convert([document(*boxes)], tmp_path / "o.json", to="coco", format="coco", repair=names)
    losses = {loss.code: (loss.count, loss.level) for loss in report.losses}
    assert losses["repair-drop-degenerate"] == (1, "lost")
    assert report.kinds["object:box"]["unsupported"] == 2
    written = json.loads((tmp_path / "o.json").read_text())["annotations"]
    assert [(entry["bbox"], entry["area"]) for entry in written] == [([1, 1, 5, 5], 25), ([60, 1, 4, 5], 20)]
    with pytest.raises(UsageError, match="no repair is called 'magic'"):
        annokit.convert([document()], tmp_path / "p.json", to="coco", format="coco", repair=["magic"])


def test_the_commands(tmp_path: Path) -> None:
    source = tmp_path / "in.json"
    source.write_text(json.dumps(document((1, 1, 5, 5), (60, 1, 10, 5), (1, 1, 0, 5))))
    done = CliRunner().invoke(app, ["validate", str(source), "--for", "yolo"])
    assert done.exit_code == 1
    lines = done.stdout.splitlines()
    assert any(line.startswith("error: 1 object:box: it covers nothing") for line in lines)
    assert lines[-1] == "1 data row and 3 annotations: 2 errors, 1 warning"
    done = CliRunner().invoke(app, ["validate", str(source), "--json"])
    assert {one["code"] for one in json.loads(done.stdout)["findings"]} == {"zero-area", "partly-outside"}
    flags = ["--repair", "clip", "--repair", "drop-degenerate", "--quiet"]
    done = CliRunner().invoke(
        app, ["convert", str(source), str(tmp_path / "out.json"), "--to", "coco", *flags]
    )
    assert done.exit_code == 0, done.output
    done = CliRunner().invoke(app, ["validate", str(tmp_path / "out.json"), "--for", "yolo"])
    assert (done.exit_code, done.stdout) == (0, "1 data row and 2 annotations: 0 errors, 0 warnings\n")
