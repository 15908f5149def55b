"""Maps: GeoJSON there and back, pixels of GeoTIFFs, label maps as GeoTIFFs; rasterio and shapely as oracles."""

from __future__ import annotations

import csv
import json
import warnings
from pathlib import Path

import geojson
import numpy as np
import pytest
import rasterio
import rasterio.features
import rasterio.warp
import shapely
from affine import Affine
from msgspec.structs import replace

import annokit
from annokit.errors import DecodeError, InputError, LimitExceeded
from annokit.geometry.georeference import find_georeference
from annokit.io.limits import Limits
from annokit.model import (
    Answer,
    Asset,
    Box,
    Classification,
    DataRow,
    Keypoints,
    Label,
    Line,
    Mask,
    ObjectAnnotation,
    Point,
    Polygon,
    RotatedBox,
    TextSpan,
    Unknown,
)

UTM = "EPSG:32633"


@pytest.fixture
def rasters(tmp_path: Path) -> Path:
    """A folder with field.tif: 60 x 40 pixels of 10 m somewhere near Berlin, in UTM."""
    folder = tmp_path / "rasters"
    folder.mkdir()
    profile = {"driver": "GTiff", "width": 60, "height": 40, "count": 1, "dtype": "uint8"}
    with rasterio.open(
        folder / "field.tif", "w", crs=UTM, transform=Affine(10, 0, 390000, 0, -10, 5820000), **profile
    ) as out:
        out.write(np.zeros((1, 40, 60), np.uint8))
    return folder


def row(*objects: ObjectAnnotation, name: str = "field.tif", media: str = "tiled", **size: int) -> DataRow:
    label = Label(annotations=objects)
    return DataRow(id="r1", external_id=name, asset=Asset(media_type=media, **size), labels=(label,))


def mark(shape: object, space: str = "geo", **more: object) -> ObjectAnnotation:
    return ObjectAnnotation(tool_name="barn", geometry=shape, space=space, **more)  # type: ignore[arg-type]


HOLED = Polygon.from_parts(
    [
        [[(10, 50), (11, 50), (11, 51), (10, 51)], [(10.2, 50.2), (10.2, 50.4), (10.4, 50.4)]],
        [[(12, 50), (13, 50), (13, 51)]],
    ]
)
SHAPES = [
    Point(x=13.4, y=52.5),
    Line(coords=[(13, 52), (13.5, 52.5), (14, 52)]),
    Box(x=13, y=52, width=0.5, height=0.25),
    RotatedBox(corners=[(13, 52), (14, 53), (13, 54), (12, 53)]),
    HOLED,
    Unknown(what="MultiPoint", payload={"type": "MultiPoint", "coordinates": [[1, 2], [3, 4]]}),
]


def test_geojson_there_and_back(tmp_path: Path) -> None:
    weather = Classification(tool_name="roof", kind="radio", answers=(Answer(name="tin"),))
    note = Classification(tool_name="note", kind="text", text="new")
    objects = [mark(shape, id=str(i), confidence=0.5) for i, shape in enumerate(SHAPES)]
    objects.append(mark(Point(x=1, y=2), classifications=(weather, note)))
    rows = [row(*objects), DataRow(id="r2", external_id="nothing.tif")]
    target = tmp_path / "map.geojson"
    annokit.write(rows, target, format="geojson", verify=True, strict=True)
    assert annokit.detect(target) == "geojson"
    again, empty = annokit.read(target)
    assert (again.name, again.id, empty.name) == ("field.tif", "r1", "nothing.tif")
    found = again.labels[0].objects
    assert [one.geometry for one in found[:4]] == SHAPES[:4]
    assert found[5].geometry == SHAPES[5]
    assert found[6].classifications == (weather, note)
    assert [(one.tool_name, one.space, one.id, one.confidence) for one in found[:1]] == [
        ("barn", "geo", "0", 0.5)
    ]


def test_what_is_written_is_geojson_by_the_rules(tmp_path: Path) -> None:
    target = tmp_path / "map.geojson"
    annokit.write([row(*map(mark, SHAPES))], target, format="geojson")
    document = geojson.loads(target.read_text())
    assert document.is_valid, document.errors()
    for feature in document["features"]:
        shape = shapely.geometry.shape(feature["geometry"])
        parts = shapely.get_parts([shape]).tolist()
        for part in parts:
            if part.geom_type == "Polygon":
                assert part.exterior.is_ccw
                assert not any(hole.is_ccw for hole in part.interiors)
    areas = [shapely.geometry.shape(f["geometry"]).area for f in document["features"]]
    assert areas[4] == pytest.approx(1 - 0.02 + 0.5)


def test_pixels_of_a_geotiff_go_to_the_earth_and_back(rasters: Path, tmp_path: Path) -> None:
    shapes = [
        Box(x=10, y=5, width=20, height=10), Point(x=0, y=0), Line(coords=[(1, 1), (5, 9)]),
        Polygon.from_parts([[[(0, 0), (30, 0), (30, 30)], [(5, 2), (9, 2), (9, 5)]]]),
        Mask(counts=[0, 4, 2396], height=40, width=60), RotatedBox(corners=[(1, 1), (5, 3), (4, 5), (0, 3)]),
    ]  # fmt: skip
    source = row(*[mark(shape, "pixel") for shape in shapes], media="image", width=60, height=40)
    target = tmp_path / "map.geojson"
    report = annokit.write([source], target, format="geojson", image_dir=str(rasters))
    assert report.total("written", "object:") == 6
    first = json.loads(target.read_text())["features"][1]["geometry"]["coordinates"]
    expected = rasterio.warp.transform(UTM, "EPSG:4326", [390000], [5820000])
    assert first == pytest.approx([expected[0][0], expected[1][0]])
    [again] = annokit.read(target, image_dir=str(rasters))
    assert (again.asset.width, again.asset.height, again.asset.media_type) == (60, 40, "image")
    found = [one.geometry for one in again.labels[0].objects]
    for before, after in zip(shapes[1:4], found[1:4], strict=True):
        assert type(after) is type(before)
    assert np.allclose(found[3].coords[0], (0, 0), atol=1e-6)  # type: ignore[union-attr]
    corners = found[0].coords  # type: ignore[union-attr]  # a box of another reference system is a polygon
    assert np.allclose(
        sorted(map(tuple, corners.round(6))), [(10, 5), (10, 15), (30, 5), (30, 15)], atol=1e-5
    )
    assert np.allclose(found[4].coords.max(axis=0), (1, 4), atol=1e-6)  # type: ignore[union-attr]


def test_what_is_not_on_earth_is_named(tmp_path: Path, rasters: Path) -> None:
    inner = Classification(tool_name="size", kind="text", text="1")
    nested = Classification(
        tool_name="roof", kind="radio", answers=(Answer(name="tin", classifications=(inner,)),)
    )
    objects = [
        mark(Box(x=0, y=0, width=1, height=1), "pixel"),
        mark(TextSpan(start=0, end=1)),
        mark(Point(x=np.inf, y=0)),
        mark(Point(x=0, y=0), classifications=(nested,)),
    ]
    report = annokit.write([row(*objects)], tmp_path / "map.geojson", format="geojson")
    assert {(loss.code, loss.kind): loss.count for loss in report.losses if loss.lossy} == {
        ("not-on-earth", "object:box"): 1,
        ("no-place", "object:text_span"): 1,
        ("not-finite", "object:point"): 1,
        ("no-place", "classifications"): 2,
    }
    keypoints = mark(Keypoints(coords=[(1, 1)], visibility=[2]), "pixel")
    report = annokit.write(
        [row(keypoints, media="image")], tmp_path / "two.geojson", format="geojson", image_dir=str(rasters)
    )
    assert report.kinds["object:keypoints"]["unsupported"] == 1


def test_other_peoples_geojson_is_read(tmp_path: Path) -> None:
    file = tmp_path / "fields.geojson"
    feature = {
        "type": "Feature",
        "properties": {"crop": "rye", "year": 7},
        "geometry": {"type": "Point", "coordinates": [1, 2, 30]},
    }
    broken = {"type": "Feature", "properties": {}, "geometry": {"type": "Point", "coordinates": "here"}}
    file.write_text(json.dumps({"type": "FeatureCollection", "features": [feature, broken]}))
    with pytest.raises(DecodeError, match=r"features\[1\]"):
        list(annokit.read(file))
    [found] = annokit.read(file, class_property="crop", on_error="skip")
    assert (found.name, found.labels[0].objects[0].tool_name) == ("fields", "rye")
    assert found.labels[0].objects[0].extra == {"geojson": {"year": 7}}
    report = annokit.convert(file, tmp_path / "fields", to="parquet", on_error="skip")
    assert [loss.code for loss in report.losses if loss.lossy] == ["heights", "bad-shape"]
    alone = tmp_path / "one.geojson"
    alone.write_text(json.dumps(feature))
    assert next(iter(annokit.read(alone))).labels[0].objects[0].geometry == Point(x=1, y=2)


def test_masks_go_to_geotiff_and_come_back_as_polygons(rasters: Path, tmp_path: Path) -> None:
    holed = Polygon.from_parts([[[(2, 2), (20, 2), (20, 20), (2, 20)], [(5, 5), (9, 5), (9, 9), (5, 9)]]])
    other = ObjectAnnotation(tool_name="silo", geometry=Box(x=30, y=10, width=4, height=6))
    source = row(mark(holed, "pixel"), other, media="image", width=60, height=40)
    annokit.write([source], tmp_path / "maps", format="masks", georeference=True, image_dir=str(rasters))
    [file] = (tmp_path / "maps" / "masks").rglob("*.tif")
    with rasterio.open(file) as made, rasterio.open(rasters / "field.tif") as base:
        assert (made.crs, made.transform) == (base.crs, base.transform)
        assert np.bincount(made.read(1).ravel()).tolist() == [40 * 60 - 308 - 24, 308, 24]
    assert annokit.detect(tmp_path / "maps") == annokit.detect(file) == "geotiff"
    [again] = annokit.read(tmp_path / "maps")
    found = {one.tool_name: one.geometry for one in again.labels[0].objects}
    assert again.name == "field.tif"
    barn, silo = found["barn"], found["silo"]
    assert isinstance(barn, Polygon)
    assert isinstance(silo, Polygon)
    assert barn.has_holes
    assert shapely.Polygon(silo.coords).equals(shapely.box(30, 10, 34, 16))
    report = annokit.convert(
        tmp_path / "maps", tmp_path / "map.geojson", to="geojson", image_dir=str(rasters)
    )
    assert report.kinds["object:polygon"]["written"] == 2
    assert sorted(one.tool_name for one in next(iter(annokit.read(file))).labels[0].objects) == ["1", "2"]
    (tmp_path / "plain").mkdir()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with rasterio.open(
            tmp_path / "plain" / "field.tif", "w", driver="GTiff", width=60, height=40, count=1, dtype="uint8"
        ) as out:
            out.write(np.ones((1, 40, 60), np.uint8))
    [plain] = annokit.read(tmp_path / "plain" / "field.tif")
    assert len(plain.labels[0].objects) == 1
    report = annokit.write(
        [source], tmp_path / "flat", format="masks", georeference=True, image_dir=str(tmp_path / "plain")
    )
    assert [loss.code for loss in report.losses if loss.lossy] == ["not-on-earth"]
    assert len(list((tmp_path / "flat" / "masks").rglob("*.png"))) == 1


def test_rasters_that_cannot_be_are_refused(tmp_path: Path, rasters: Path) -> None:
    with pytest.raises(LimitExceeded, match="max_pixels"):
        list(annokit.read(rasters / "field.tif", limits=Limits(max_pixels=100)))
    torn = tmp_path / "torn.tif"
    torn.write_bytes((rasters / "field.tif").read_bytes()[:60])
    with pytest.raises(InputError, match="expected a GeoTIFF"):
        list(annokit.read(torn))
    colored = tmp_path / "colored.tif"
    with rasterio.open(colored, "w", driver="GTiff", width=2, height=2, count=3, dtype="uint8", crs=UTM, transform=Affine(2, 0, 0, 0, -2, 9)) as out:  # fmt: skip
        out.write(np.zeros((3, 2, 2), np.uint8))
    with pytest.raises(DecodeError, match="one band of whole numbers"):
        list(annokit.read(colored))
    assert find_georeference(rasters, "../torn.tif") is None


def save(path: Path, **place: object) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of rasters that are not on earth
        with rasterio.open(
            path, "w", driver="GTiff", width=60, height=40, count=1, dtype="uint8", **place
        ) as out:
            out.write(np.zeros((1, 40, 60), np.uint8))


def test_masks_of_images_that_are_not_on_earth_are_read_beside_the_others(
    rasters: Path, tmp_path: Path
) -> None:
    """The map of such an image is a PNG; the copies of the images are no maps."""
    save(rasters / "flat.tif")
    shape = mark(Box(x=2, y=3, width=4, height=5), "pixel")
    rows = [
        replace(row(shape, name=name, media="image", width=60, height=40), id=key, split=split)
        for name, key, split in (("flat.tif", "f", "val"), ("field.tif", "g", "train"))
    ]
    maps = tmp_path / "maps"
    annokit.write(rows, maps, format="masks", georeference=True, images="copy", image_dir=str(rasters))
    assert sorted(file.name for file in (maps / "masks").rglob("*.*")) == ["field.tif", "flat.png"]
    again = list(annokit.read(maps))
    assert [(one.name, one.id, one.split) for one in again] == [
        ("field.tif", "g", "train"),
        ("flat.tif", "f", "val"),
    ]
    assert again[0].labels == again[1].labels
    report = annokit.convert(maps, tmp_path / "back.json", to="coco", verify=True)
    assert report.kinds["data_rows"] == {"read": 2, "written": 2}


def test_a_mask_that_is_not_there_is_counted_as_not_read(rasters: Path, tmp_path: Path) -> None:
    save(rasters / "flat.tif")
    rows = [
        replace(row(name=name, media="image", width=60, height=40), id=name)
        for name in ("field.tif", "flat.tif")
    ]
    maps = tmp_path / "maps"
    annokit.write(rows, maps, format="masks", georeference=True, image_dir=str(rasters))
    (maps / "masks" / "train" / "flat.png").unlink()
    with pytest.raises(InputError, match="expected a label map, got none"):
        list(annokit.read(maps))
    report = annokit.convert(maps, tmp_path / "o.json", to="coco", on_error="skip")
    assert report.kinds["data_rows"] == {"read": 2, "written": 1, "skipped": 1}
    names = maps / "names.ndjson"
    names.write_text(names.read_text().replace("images/train/flat.tif", "images/../../rasters/field.tif"))
    assert [one.name for one in annokit.read(maps, on_error="skip")] == ["field.tif"]


def test_maps_of_objects_are_no_maps_of_classes(rasters: Path, tmp_path: Path) -> None:
    source = row(mark(Box(x=2, y=3, width=4, height=5), "pixel"), media="image", width=60, height=40)
    annokit.write(
        [source], tmp_path / "m", format="masks", kind="instance", georeference=True, image_dir=str(rasters)
    )
    with pytest.raises(InputError, match="expected maps of classes"):
        list(annokit.read(tmp_path / "m"))


@pytest.mark.parametrize("kind", ["instance", "objects"])
def test_the_table_of_objects_names_the_files_there_are(rasters: Path, tmp_path: Path, kind: str) -> None:
    source = row(mark(Box(x=2, y=3, width=4, height=5), "pixel"), media="image", width=60, height=40)
    options = {"kind": kind, "georeference": True, "image_dir": str(rasters)}
    annokit.write([source], tmp_path / "m", format="masks", **options)
    (entry,) = csv.DictReader((tmp_path / "m" / "objects.csv").read_text().splitlines())
    assert entry["file"].endswith(".tif")
    assert (tmp_path / "m" / entry["file"]).is_file()
