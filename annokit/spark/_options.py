"""Options as Spark hands them over: texts, under names whose case is lost."""

from __future__ import annotations

import glob
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from annokit import ontology as ontologies
from annokit.errors import InputError, UsageError, Where, shown
from annokit.formats import detect, get
from annokit.io.archives import open_source
from annokit.io.faults import BAD_JSON, worded
from annokit.io.remote import is_remote
from annokit.model import Ontology, parse

__all__ = ["Given", "as_ontology", "is_json", "listed", "local_path", "locations", "typed"]


class Given:
    """The options of one read or write; each is taken once, and what nobody takes is refused.

    ``splitBytes``, ``splitbytes`` and ``split_bytes`` are one name.

    >>> given = Given({"splitBytes": "7", "imageDir": "a"})
    >>> given.take("split_bytes"), given.take_all(["image_dir", "masks"])
    ('7', {'image_dir': 'a'})
    """

    def __init__(self, options: Mapping[str, str]) -> None:
        self._left = {_bare(name): value for name, value in options.items()}

    def take(self, name: str) -> str | None:
        """The value of an option."""
        return self._left.pop(_bare(name), None)

    def take_all(self, names: Iterable[str]) -> dict[str, str]:
        """The values of those that are given."""
        return {name: value for name in names if (value := self.take(name)) is not None}

    def finish(self, known: Iterable[str]) -> None:
        """Refuse what is left; `known` is what there would be."""
        if self._left:
            hint = f"options: {', '.join(known)}"
            raise UsageError(f"no option is called {shown(next(iter(self._left)))!r}", hint=hint)


def _bare(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


def typed(kind: type[msgspec.Struct], given: Mapping[str, str], what: str) -> dict[str, Any]:
    """Options out of texts: numbers, booleans, and JSON where there is a mapping or a list."""
    values = {name: _plain(text) for name, text in given.items()}
    try:
        made = msgspec.convert(values, kind, strict=False)
    except msgspec.ValidationError as error:
        raise UsageError(f"{what}: {worded(error)}") from error
    return {name: getattr(made, name) for name in values}


def is_json(text: str) -> bool:
    """Whether an option is JSON itself, not a name or a path."""
    return text.lstrip().startswith(("{", "["))


def _plain(text: str) -> Any:
    if not is_json(text):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def listed(text: str) -> list[str]:
    """Names divided by commas; or a JSON list, for names that have commas.

    >>> listed("car,person"), listed('["car, red"]')
    (['car', 'person'], ['car, red'])
    """
    found = _plain(text)
    return [str(name) for name in found] if isinstance(found, list) else [n.strip() for n in text.split(",")]


def as_ontology(text: str) -> Ontology:
    """The ontology in a file, or in JSON, annokit's or the platform's."""
    if not is_json(text):
        return ontologies.read(text)
    try:
        found = parse(text.encode())
    except (*BAD_JSON, InputError):
        return ontologies.parse(text.encode())
    if not isinstance(found, Ontology):
        raise UsageError(f"expected an ontology, got {type(found).__name__}")
    return found


def locations(given: Given, format: str | None) -> list[str]:
    """The files and folders that were asked for: patterns resolved, folders of label files opened, in order."""
    path, paths = given.take("path"), given.take("paths")
    asked = json.loads(paths) if paths is not None else [path or ""]
    return [found for one in asked for spot in _matches(local_path(one)) for found in _opened(spot, format)]


def local_path(path: str) -> str:
    """A path as Python opens it, on the driver and in tasks alike."""
    if not path:
        raise UsageError("expected a path", hint='.load("/Volumes/...")')
    if is_remote(path):
        hint = 'give a mounted path such as /Volumes/..., or annokit.spark.parse what spark.read.text("s3://...") reads'
        raise UsageError(f"tasks do not fetch {shown(path)}", hint=hint)
    if path.startswith("dbfs:"):
        bare = "/" + path.removeprefix("dbfs:").lstrip("/")
        return bare if bare.startswith("/Volumes/") else f"/dbfs{bare}"
    return "/" + path.removeprefix("file:").lstrip("/") if path.startswith("file:/") else path


def _matches(path: str) -> list[str]:
    if not re.search(r"[*?\[]", path) or Path(path).exists():
        return [path]
    found = sorted(glob.glob(path, recursive=True))  # noqa: PTH207  # a Path's glob takes no absolute pattern
    if not found:
        raise InputError("expected files, got none that match", where=Where(path))
    return found


def _opened(path: str, format: str | None) -> list[str]:
    """A folder itself, if the format is one of folders, or it is detected as one; else the files in it."""
    if not Path(path).is_dir() or _is_source(path, format):
        return [path]
    found = sorted(
        str(file)
        for file in Path(path).rglob("*")
        if file.is_file() and not any(part.startswith((".", "_")) for part in file.relative_to(path).parts)
    )
    if not found:
        raise InputError("expected label files, got none", where=Where(path))
    return found


def _is_source(folder: str, format: str | None) -> bool:
    if format is not None:
        writer = get(format).writer
        return writer is None or writer.target != "file"
    try:
        return bool(detect(open_source(folder)))
    except (UsageError, InputError):
        return False
