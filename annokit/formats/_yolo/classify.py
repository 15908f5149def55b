"""YOLO classify: images in one folder for each class, in one folder for each split; no labels beside them."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from annokit.dataset import Dataset, Outline, RowKey
from annokit.errors import InputError, ReferenceProblem, UnsafeInput, UsageError, Where, shown
from annokit.formats._image_files import IMAGE_SUFFIX, NAMES_FILE, SPLITS, ImageName, Pages, read_names
from annokit.formats._yolo.layout import leads_out, walk
from annokit.io.batches import batched
from annokit.io.images import image_size
from annokit.io.names import SafeNames, check_file_name
from annokit.io.photos import Photos, folders_of
from annokit.io.source import Source, reading
from annokit.model import Answer, Asset, Classification, DataRow, Label, Ontology, Option, Tool
from annokit.report import Report, census
from annokit.run import Run

if TYPE_CHECKING:
    from annokit.formats._yolo.write import WriteOptions

__all__ = ["QUESTION", "is_there", "read", "write"]

QUESTION = "class"
"""What the question is called whose answer the folder is."""

_BATCH = 500


# ------------------------------------------------------------------ reading


def is_there(folder: Path) -> bool:
    """Whether a folder has splits that have folders that have images."""
    return folder.is_dir() and any(
        IMAGE_SUFFIX.search(name)
        for split in _split_folders(folder)
        for place in _folders(folder / split)
        if place.name not in ("images", "labels")
        for name in walk(place)
    )


def _folders(folder: Path) -> list[Path]:
    with reading(str(folder)):
        return sorted(path for path in folder.iterdir() if path.is_dir())


def _split_folders(folder: Path) -> list[str]:
    """The folders of splits, training first."""
    names = [path.name for path in _folders(folder) if path.name.lower() in SPLITS]
    return sorted(names, key=lambda name: list(SPLITS).index(name.lower()))


def read(source: Source) -> Dataset:
    """Open a folder of splits of classes; the class of an image is its answer to the question `class`."""
    if source.path is None or not source.is_dir:
        raise UsageError("a YOLO classify dataset is a folder, with train/CLASS/image in it")
    folder = source.path

    def outline() -> Outline:
        images = _images(folder)
        answers = {_class_of(image): None for image in images}
        for split in _split_folders(folder):
            known = {posixpath.dirname(image.file) for image in images}
            for place in _folders(folder / split):
                if f"{split}/{place.name}" not in known:
                    answers.setdefault(place.name)
        options = tuple(Option(name=name) for name in sorted(answers))
        question = Tool(name=QUESTION, kind="radio", options=options)
        keys = [RowKey(image.image, image.id) for image in images]
        return Outline(Ontology(classifications=(question,)), keys)

    return Dataset(partial(_rows, folder, source.name), outline=outline, source=source.name)


def _images(folder: Path) -> list[ImageName]:
    """Every image: those of names.ndjson in its order, then the others by folder and name."""
    splits = _split_folders(folder)
    if not splits:
        problem = "expected folders train, val or test with a folder for each class, got none of them"
        raise InputError(problem, where=Where(str(folder)))
    named = read_names(folder / NAMES_FILE)
    for image in named:
        if leads_out(posixpath.normpath(image.file)):
            raise UnsafeInput(
                f"{shown(image.file)} leads out of the dataset's folder",
                where=Where(str(folder / NAMES_FILE)),
            )
    known = {image.file for image in named}
    return [
        *named,
        *(image for split in splits for image in _found(folder, split) if image.file not in known),
    ]


def _found(folder: Path, split: str) -> Iterator[ImageName]:
    for place in _folders(folder / split):
        for name in sorted(walk(place)):
            if IMAGE_SUFFIX.search(name):
                file = f"{split}/{place.name}/{name}"
                yield ImageName(image=name, id=file, file=file, split=SPLITS[split.lower()])


def _class_of(image: ImageName) -> str:
    """The answer: as it was written down, else the folder below the split."""
    return image.answer or [*image.file.split("/"), ""][1]


def _rows(folder: Path, name: str, run: Run) -> Iterator[DataRow]:
    for image in _images(folder):
        place = folder / image.file
        try:
            check_file_name(image.id)
            if not place.is_file():
                raise ReferenceProblem("expected the image, got no such file")
            height, width = image_size(place, run.limits)
        except InputError as error:
            error.where = Where(str(place), record=image.id)
            run.reject(error, "data_rows", format="yolo")
            continue
        answer = Classification(tool_name=QUESTION, kind="radio", answers=(Answer(name=_class_of(image)),))
        yield DataRow(
            id=image.id,
            external_id=image.image,
            source=name,
            split=image.split,
            asset=Asset(uri=str(place), width=width, height=height),
            labels=(Label(annotations=(answer,)),),
        )


# ------------------------------------------------------------------ writing


def write(dataset: Dataset, target: Path, options: WriteOptions, run: Run) -> None:
    """Put every image into the folder of its answer; every split gets a folder for every class.

    A trainer numbers classes by the folders it finds, so a class without images in a split still needs one.
    """
    if options.images == "none":
        raise UsageError(
            "a YOLO classify dataset is its images, in a folder for each class",
            hint="say how to put them there: --images copy or --images link",
        )
    question = _question(dataset.ontology, options.question)
    safe = SafeNames(lambda: ((option.name, option.name) for option in question.options), stem=False)

    def folder_of(answer: str) -> str:
        return safe.name(answer, answer).replace("/", "%2F")

    def answer_of(row: DataRow) -> tuple[str, str]:
        answer = _answers(row, question.name)[0].answers[0].name
        return answer, f"{folder_of(answer)}/"

    photos = Photos(folders_of(dataset.paths, options.image_dir))
    with (target / NAMES_FILE).open("wb") as names:
        pages = Pages(
            dataset.outline.keys, target, names, options.images, photos, run.report, str, "", answer_of
        )
        for rows in batched(dataset.rows(run), _BATCH):
            kept = [row for row in rows if _can_be_placed(row, question.name, photos, run.report)]
            for page in pages.open(kept):
                _account(page.row, question.name, run.report)
    for split in pages.folders.values() or ("train",):
        for option in question.options:
            (target / split / folder_of(option.name)).mkdir(parents=True, exist_ok=True)
    if tools := len(dataset.ontology.tools):
        run.report.lose("no-place", "categories", "classify has answers, not objects", n=tools)


def _question(ontology: Ontology, name: str | None) -> Tool:
    """The question whose answers are the classes."""
    asked = [tool for tool in ontology.classifications if tool.kind in ("radio", "checklist")]
    found = [tool for tool in asked if name in (None, tool.name)]
    if len(found) == 1:
        return found[0]
    listed = ", ".join(shown(tool.name) for tool in asked) or "none"
    raise UsageError(
        f"expected one question about the images whose answers are the classes, got {listed}",
        hint="name it with --question" if asked else None,
    )


def _answers(row: DataRow, question: str) -> list[Classification]:
    """Everything that answers the question."""
    return [
        one
        for label in row.labels
        for one in label.classifications
        if one.tool_name == question and one.answers
    ]


def _can_be_placed(row: DataRow, question: str, photos: Photos, report: Report) -> bool:
    """Whether a row has one answer and an image; otherwise it is lost under the reason."""
    answers = {answer.name for one in _answers(row, question) for answer in one.answers}
    if not answers:
        code, message = "no-answer", "nobody answered the question, so it belongs in no folder"
    elif len(answers) > 1:
        code, message = "several-answers", "an image belongs in one folder only"
    elif photos.find(row.name, row.asset.uri) is None:
        code, message = "image-missing", "no such image is in the folder of images (--image-dir)"
    else:
        return True
    report.lose_all(code, census(row), message, example=row.name)
    return False


def _account(row: DataRow, question: str, report: Report) -> None:
    report.count("written", "data_rows")
    report.count("written", "labels", len(row.labels))
    taken = _answers(row, question)
    report.count("written", "classifications")
    report.count("merged", "classifications", len(taken) - 1)
    message = "a folder says one answer, and nothing else"
    for label in row.labels:
        for annotation in label.annotations:
            counts = census(annotation)
            if any(annotation is one for one in taken):
                counts["classifications"] -= 1
            report.lose_all("no-place", +counts, message, example=row.name)
    if any(one.confidence is not None or one.answers[0].confidence is not None for one in taken):
        message = "training labels have no place for a confidence"
        report.note("no-confidence", "classifications", message, example=row.name, lossy=True)
