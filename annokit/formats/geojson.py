"""GeoJSON (RFC 7946): annotations of maps and tiled images in longitude and latitude, one feature each.

A feature's properties have its ``class``, the ``data_row``, ``kind`` (the shape), and where known ``id``, ``confidence`` and
``answers``. The collection has two members more, ``data_rows`` and ``classes``, so that rows without objects are not lost;
other readers pass over them. With ``--image-dir`` shapes go between the pixels of GeoTIFFs there and the earth.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Annotated, Any

import msgspec
import numpy as np
from msgspec import UNSET, Meta, UnsetType

from annokit.dataset import Dataset, OntologyBuilder, Outline, RowKey
from annokit.errors import DecodeError, InputError, Where
from annokit.formats._base import Format, Head, Options, Reader, Writer
from annokit.formats._classes import Classes
from annokit.formats._row_names import RowNames
from annokit.geometry import outline_of
from annokit.geometry.geojson import geo_shape, has_heights
from annokit.geometry.georeference import Georeference, box_of, find_georeference, mapped
from annokit.io.faults import BAD_JSON
from annokit.io.source import Source
from annokit.model import (
    Answer,
    Asset,
    Box,
    Classification,
    DataRow,
    Geometry,
    Label,
    Line,
    Mask,
    ObjectAnnotation,
    Point,
    Polygon,
    RotatedBox,
    Unknown,
)
from annokit.model.base import Floats
from annokit.report import census, kind_of
from annokit.run import Run

__all__ = ["FORMAT"]

_NAME = "geojson"
_OTHERS = ("MultiPoint", "MultiLineString", "GeometryCollection")
"""Geometries that are kept as they stand."""
_ONE_ROW = "several data rows have one name, and features name theirs by it: they are one there"
_ImageDir = Annotated[
    str | None, Meta(description="folder with the GeoTIFFs whose pixels are meant, called as the data rows")
]


class ReadOptions(Options, frozen=True):
    """How GeoJSON is read."""

    image_dir: _ImageDir = None
    class_property: Annotated[str, Meta(description="which property has the class of a feature")] = "class"


class WriteOptions(Options, frozen=True):
    """How GeoJSON is written."""

    image_dir: _ImageDir = None


class _Row(msgspec.Struct, omit_defaults=True):
    """A data row among the members of the collection."""

    id: str
    name: str
    width: int | None = None
    height: int | None = None


class _Feature(msgspec.Struct):
    geometry: dict[str, Any] | None = None
    properties: dict[str, Any] | None = None
    id: str | int | UnsetType = UNSET


class _Collection(msgspec.Struct):
    type: str
    features: list[msgspec.Raw] | UnsetType = UNSET
    data_rows: list[_Row] = []
    classes: list[str] = []


def _sniff(head: Head) -> bool:
    start = head.data.lstrip(b"\xef\xbb\xbf \r\n\t")[:4096]
    words = (b'"FeatureCollection"', b'"Feature"')
    return start.startswith(b"{") and (head.suffix == ".geojson" or any(word in start for word in words))


def _read(source: Source, options: ReadOptions) -> Dataset:
    return Dataset(
        lambda run: _rows(source, options, run),
        outline=lambda: _outline(source, options),
        source=source.name,
        size=source.size,
    )


def _outline(source: Source, options: ReadOptions) -> Outline:
    builder, keys = OntologyBuilder(), []
    for name in _collection(source, Run()).classes:
        builder.add_tool(name, None, None, None)
    for row in _rows(source, options, Run(on_error="skip")):
        keys.append(RowKey(row.name, row.id))
        builder.add_row(row)
    return Outline(builder.build(), keys)


def _collection(source: Source, run: Run) -> _Collection:
    try:
        found = msgspec.json.decode(source.read_bytes(run.limits), type=_Collection)
    except BAD_JSON as error:
        raise DecodeError(f"expected GeoJSON: {error}", where=Where(source.name)) from error
    if found.features is UNSET:  # a feature by itself
        found.features = [msgspec.Raw(source.read_bytes(run.limits))]
    return found


def _rows(source: Source, options: ReadOptions, run: Run) -> Iterator[DataRow]:
    """The data rows that are listed, then those that features name; features that name none are of the file's."""
    collection = _collection(source, run)
    own = Path(source.name).stem
    rows = {row.name: row for row in collection.data_rows}
    found: dict[str, list[ObjectAnnotation]] = {name: [] for name in rows}
    for index, raw in enumerate(collection.features or ()):
        try:
            feature = msgspec.json.decode(raw, type=_Feature)
            one = _object(feature, options.class_property)
        except (*BAD_JSON, InputError) as error:
            problem = error.problem if isinstance(error, InputError) else str(error)
            where = Where(source.name, path=f"$.features[{index}]")
            run.reject(DecodeError(problem, where=where), "object:unknown", bytes(raw), format=_NAME)
            continue
        if not isinstance(one.geometry, Unknown) and has_heights((feature.geometry or {}).get("coordinates")):
            run.report.note(
                "heights", kind_of(one), "heights have no place in a shape", example=index, lossy=True
            )
        found.setdefault(str((feature.properties or {}).get("data_row", own)), []).append(one)
    for name, objects in found.items():
        row = rows.get(name) or _Row(id=name, name=name)
        place = _place(options.image_dir, name)
        if place is not None:
            objects = [_moved(one, place) for one in objects]
        size = (row.width, row.height) if place is None else (place.width, place.height)
        asset = Asset(media_type="tiled" if place is None else "image", width=size[0], height=size[1])
        label = Label(annotations=tuple(objects))
        yield DataRow(id=row.id, external_id=name, source=source.name, asset=asset, labels=(label,))


def _place(folder: str | None, name: str) -> Georeference | None:
    return None if folder is None else find_georeference(Path(folder), name)


def _moved(one: ObjectAnnotation, place: Georeference) -> ObjectAnnotation:
    """An object in the pixels of an image."""
    shape = mapped(one.geometry, place.to_pixels)
    return one if shape is None else msgspec.structs.replace(one, geometry=shape, space="pixel")


def _object(feature: _Feature, class_property: str) -> ObjectAnnotation:
    said = feature.properties or {}
    confidence = said.get("confidence")
    name = said.get("id") if feature.id is UNSET else feature.id
    own = {"class", "data_row", "kind", "id", "confidence", "answers", class_property}
    rest = {key: value for key, value in said.items() if key not in own}
    return ObjectAnnotation(
        tool_name=str(said.get(class_property, "feature")),
        geometry=_shape(feature.geometry, said.get("kind")),
        id=None if name is None else str(name),
        confidence=float(confidence) if isinstance(confidence, int | float) else None,
        classifications=tuple(_questions(said.get("answers"))),
        space="geo",
        extra={_NAME: rest} if rest else {},
    )


def _shape(geometry: dict[str, Any] | None, kind: object) -> Geometry:
    word = str((geometry or {}).get("type"))
    shape = geo_shape(word, (geometry or {}).get("coordinates")) if geometry else None
    if shape is None:
        return Unknown(what=word, payload=geometry)
    if isinstance(shape, Polygon) and kind in ("box", "rotated_box") and shape.coords.shape == (4, 2):
        return (box_of(shape.coords) if kind == "box" else RotatedBox(corners=shape.coords)) or shape
    return shape


def _questions(answers: object) -> Iterator[Classification]:
    for question, given in answers.items() if isinstance(answers, dict) else ():
        if isinstance(given, list):
            names = tuple([Answer(name=str(one)) for one in given])
            kind = "radio" if len(names) == 1 else "checklist"
            yield Classification(tool_name=question, kind=kind, answers=names)  # type: ignore[arg-type]
        else:
            yield Classification(tool_name=question, kind="text", text=str(given))


def _write(dataset: Dataset, target: Path, options: WriteOptions, run: Run) -> None:
    classes = Classes(dataset.ontology)
    rows, names = list[_Row](), RowNames()
    with target.open("wb") as out:
        out.write(b'{"type":"FeatureCollection","features":[\n')
        writer = _Writer(out, classes, run)
        for row in dataset.rows(run):
            if names.count(row.name, run.report):
                rows.append(_Row(id=row.id, name=row.name, width=row.asset.width, height=row.asset.height))
            run.report.count("written", "labels", len(row.labels))
            writer.write(row, _place(options.image_dir, row.name))
        members = {"data_rows": rows, "classes": classes.names}
        out.write(b"\n]," + msgspec.json.encode(members)[1:] + b"\n")
    names.account(run.report, _ONE_ROW, lossy=True)
    classes.account(run.report)


class _Writer:
    """Writes the features of one row after the other."""

    def __init__(self, out: IO[bytes], classes: Classes, run: Run) -> None:
        self._out, self._classes, self._run = out, classes, run
        self._separator = b""

    def write(self, row: DataRow, place: Georeference | None) -> None:
        report = self._run.report
        for one in (a for label in row.labels for a in label.annotations):
            if not isinstance(one, ObjectAnnotation):
                report.lose_all("no-place", census(one), "features are of objects only", example=row.name)
                continue
            geometry, code, why = _geometry(one, row, place)
            if geometry is None:
                report.lose_all(code, census(one), why, example=row.name)
                continue
            self._classes.index(one)
            nested = sum(census(question)["classifications"] for question in one.classifications)
            plain = [q for q in one.classifications if census(q)["classifications"] == 1]
            report.count("written", "classifications", len(plain))
            if nested > len(plain):
                why = "answers to answers have no place in properties"
                report.lose("no-place", "classifications", why, example=row.name, n=nested - len(plain))
            feature = {"type": "Feature", "geometry": geometry, "properties": _properties(one, row, plain)}
            self._out.write(self._separator + msgspec.json.encode(feature))
            self._separator = b",\n"
            report.count("written", kind_of(one))


def _properties(one: ObjectAnnotation, row: DataRow, plain: Sequence[Classification]) -> dict[str, Any]:
    said: dict[str, Any] = dict(one.extra.get(_NAME, {}))
    said |= {"class": one.tool_name, "data_row": row.name, "kind": one.geometry.kind}
    said |= {
        key: value for key, value in (("id", one.id), ("confidence", one.confidence)) if value is not None
    }
    answers = {q.tool_name: q.text if q.text is not None else [a.name for a in q.answers] for q in plain}
    return said | ({"answers": answers} if answers else {})


def _geometry(
    one: ObjectAnnotation, row: DataRow, place: Georeference | None
) -> tuple[dict[str, Any] | None, str, str]:
    """The geometry as GeoJSON has it, or the code and the reason why there is none."""
    shape: Geometry | None = one.geometry
    if isinstance(shape, Unknown) and shape.what in _OTHERS and isinstance(shape.payload, dict):
        return shape.payload, "", ""
    if one.space != "geo":
        if place is None or not row.asset.shows(one):
            return (
                None,
                "not-on-earth",
                "where on earth its pixels are is not known (--image-dir names the folder of its GeoTIFF)",
            )
        shape = mapped(one.geometry, place.to_lonlat)
    found = None if shape is None else _as_geojson(shape)
    if found is not None and not np.isfinite(np.array(_flat(found["coordinates"]))).all():
        return None, "not-finite", "its coordinates are not finite"
    if found is None:
        return None, "no-place", "GeoJSON holds points, lines and polygons only"
    return found, "", ""


def _flat(nested: Any) -> list[float]:
    return [x for one in nested for x in _flat(one)] if isinstance(nested, list) else [nested]


def _as_geojson(shape: Geometry) -> dict[str, Any] | None:
    if isinstance(shape, Point):
        return {"type": "Point", "coordinates": [shape.x, shape.y]}
    if isinstance(shape, Line):
        return {"type": "LineString", "coordinates": shape.coords.tolist()}
    if not isinstance(shape, Polygon | Box | RotatedBox) or isinstance(shape, Mask):
        return None
    parts = [[_ring(ring, i == 0) for i, ring in enumerate(part)] for part in outline_of(shape).parts()]
    if len(parts) == 1:
        return {"type": "Polygon", "coordinates": parts[0]}
    return {"type": "MultiPolygon", "coordinates": parts}


def _ring(ring: Floats, is_exterior: bool) -> list[list[float]]:
    """A closed ring by the right-hand rule: exteriors counterclockwise, holes clockwise."""
    from annokit_fast import polygons

    points: list[list[float]] = ring.tolist()
    wrong = ring[::-1] if is_exterior else ring  # what is clockwise on screen, y down, is not so on maps
    if np.isfinite(ring).all() and polygons.is_clockwise(wrong, [0, len(ring)])[0]:
        points = [points[0], *points[:0:-1]]
    return [*points, *points[:1]]


FORMAT = Format(
    name=_NAME,
    title="GeoJSON (RFC 7946): objects on maps, and with GeoTIFFs in pixels",
    sniff=_sniff,
    reader=Reader(read=_read, options=ReadOptions),
    writer=Writer(write=_write, options=WriteOptions, target="file", suffix=".geojson", keeps_splits=False),
)
