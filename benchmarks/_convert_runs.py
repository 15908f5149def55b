"""What `bench_convert` measures beside command lines: ``python -m benchmarks._convert_runs NAME INPUT OUTPUT``.

Each function is one whole process. The loop is what a user of numpy writes, with orjson and without the cyclic
garbage collector; the full decodes make a typed record of every value and do nothing with it: a floor that a typed
converter stands on.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any


def imports(_source: str, _target: str) -> None:
    """What Python and the two libraries cost that a typed converter cannot do without."""
    importlib.import_module("numpy")
    importlib.import_module("msgspec")


def hotcoco_yolo(source: str, target: str) -> None:
    """Without its command line, which loads more."""
    import hotcoco

    hotcoco.COCO(source).to_yolo(target)


def record(name: str, *required: tuple[str, Any], **optional: Any) -> Any:
    """A typed record of these keys; the optional ones are None where they are absent."""
    import msgspec

    fields = [*required, *((key, kind | None, None) for key, kind in optional.items())]
    return msgspec.defstruct(name, fields, gc=False)


def decode_coco(source: str, _target: str) -> None:
    """Every value of COCO instances, typed, by msgspec."""
    import msgspec

    image = record("Image", ("id", int), ("file_name", str), ("width", int), ("height", int))
    category = record("Category", ("id", int), ("name", str))
    rle = record("Rle", ("size", tuple[int, int]), ("counts", list[int] | str))
    number = ("id", int), ("image_id", int), ("category_id", int)
    shape = ("bbox", tuple[float, float, float, float]), ("segmentation", list[list[float]] | rle)
    annotation = record("Annotation", *number, *shape, iscrowd=int, area=float)
    lists = ("images", list[image]), ("annotations", list[annotation]), ("categories", list[category])
    gc.disable()
    msgspec.json.decode(Path(source).read_bytes(), type=record("Document", *lists))


def decode_labelbox(source: str, _target: str) -> None:
    """Every value of an export v2, typed, by msgspec, a line at a time in blocks of 4 MB."""
    import msgspec

    point = record("Point", ("x", float), ("y", float))
    box = record("Box", ("top", float), ("left", float), ("height", float), ("width", float))
    ids = (("feature_id", str), ("feature_schema_id", str), ("name", str), ("value", str))
    answer = record("Answer", *ids, classifications=list[Any])
    answers = {"radio_answer": answer, "checklist_answers": list[answer], "text_answer": str}
    question = record("Question", *ids, **answers)
    mask = record("Mask", ("url", str), color_rgb=tuple[int, int, int])
    shapes = {"bounding_box": box, "polygon": list[point], "mask": mask, "composite_mask": mask}
    thing = record("Thing", *ids, ("annotation_kind", str), ("classifications", list[question]), **shapes)
    said = record(
        "Said", ("objects", list[thing]), ("classifications", list[question]), relationships=list[Any]
    )
    details = record(
        "Details", ("created_at", str), ("updated_at", str), ("created_by", str), reviews=list[Any]
    )
    pace = record("Pace", seconds_to_create=float, seconds_to_review=float, skipped=bool)
    label = record(
        "Label",
        *(("id", str), ("label_kind", str), ("version", str), ("label_details", details)),
        *(("performance_details", pace), ("annotations", said)),
    )
    project = record("Project", ("name", str), ("labels", list[label]))
    row = record("DataRow", ("id", str), global_key=str, external_id=str, row_data=str)
    media = record("Media", ("height", int), ("width", int), mime_type=str)
    fields = (("data_row", row), ("media_attributes", media), ("projects", dict[str, project]))
    decoder = msgspec.json.Decoder(record("Line", *fields))
    gc.disable()
    with open(source, "rb") as handle:
        while block := handle.read(4 << 20):
            decoder.decode_lines(block + handle.readline())


def loop_detect(source: str, target: str) -> None:
    """COCO to YOLO boxes: a dict an annotation, a small array a box, a file an image."""
    loop(source, target, lambda annotation, width, height: [box_row(annotation["bbox"], width, height)])


def loop_segment(source: str, target: str) -> None:
    """COCO to YOLO outlines: the parts of an object joined at their nearest vertices, there and back."""
    import numpy as np

    def rows(annotation: dict[str, Any], width: int, height: int) -> list[list[float]]:
        parts = [np.array(ring, float).reshape(-1, 2) for ring in annotation["segmentation"]]
        ring = parts[0]
        for part in parts[1:]:
            between = ((ring[:, None] - part[None]) ** 2).sum(2)
            i, j = np.unravel_index(between.argmin(), between.shape)
            ring = np.concatenate((ring[: i + 1], part[j:], part[: j + 1], ring[i:]))
        return [(ring / (width, height)).ravel().tolist()]

    loop(source, target, rows)


def box_row(bbox: list[float], width: int, height: int) -> list[float]:
    import numpy as np

    box = np.array(bbox, float)
    box[:2] += box[2:] / 2
    box[[0, 2]] /= width
    box[[1, 3]] /= height
    row: list[float] = box.tolist()
    return row


def loop(source: str, target: str, rows: Any) -> None:
    import orjson

    gc.disable()
    document = orjson.loads(Path(source).read_bytes())
    classes = {number: place for place, number in enumerate(sorted(c["id"] for c in document["categories"]))}
    annotations = defaultdict(list)
    for annotation in document["annotations"]:
        annotations[annotation["image_id"]].append(annotation)
    os.makedirs(target)
    for image in document["images"]:
        with open(f"{target}/{Path(image['file_name']).stem}.txt", "w") as file:
            for annotation in annotations[image["id"]]:
                if annotation["iscrowd"]:
                    continue
                head = str(classes[annotation["category_id"]])
                found = rows(annotation, image["width"], image["height"])
                file.writelines(head + " %.6f" * len(row) % tuple(row) + "\n" for row in found)


def import_loads(source: str, _target: str) -> None:
    """Every line of import NDJSON by `json.loads`, kept."""
    with open(source, "rb") as handle:
        kept = [json.loads(line) for line in handle]
    assert kept


def import_rows(source: str, _target: str) -> None:
    """Every line of import NDJSON as our model, kept."""
    import annokit

    assert list(annokit.read(source, format="labelbox-import"))


def import_client(source: str, _target: str) -> None:
    """Every line of import NDJSON by the platform's own models."""
    from labelbox.data.serialization.ndjson.label import AnnotationType
    from pydantic import TypeAdapter

    adapter: Any = TypeAdapter(AnnotationType)
    with open(source, "rb") as handle:
        assert [adapter.validate_python(json.loads(line)).to_common() for line in handle]


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
