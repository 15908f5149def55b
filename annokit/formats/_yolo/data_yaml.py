"""data.yaml: the classes of a YOLO dataset, and where its splits are."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import yaml
from msgspec import Meta

from annokit.errors import DecodeError, InputError, LimitExceeded, UsageError, Where, shown
from annokit.formats._image_files import SPLITS
from annokit.io.source import Source

__all__ = ["POSE_KEYS", "SUFFIXES", "TASKS", "DataYaml", "dump", "find", "is_data_yaml", "load"]

_KNOWN = {*SPLITS, "path", "names", "nc", "download", "task", "confidence", "kpt_names", "kpt_skeleton"}
TASKS = ("detect", "segment", "pose", "obb")
"""The tasks whose labels are text files."""

POSE_KEYS = ("kpt_shape", "flip_idx")
"""Keys of a pose dataset, kept as they stand there; what other tasks are written with does not have them."""
SUFFIXES = (".yaml", ".yml")


class DataYaml(msgspec.Struct, frozen=True):
    """What data.yaml says.

    Attributes
    ----------
    file : Path
    names : list of str
        The classes by index.
    path : str
        The dataset's folder, as it stands there.
    splits : list of (str, str)
        Each split with one of its places: a folder, a list in a text file or an image.
    extra : dict
        Other keys.
    task : str or None
        What its rows are, where it says so. Ultralytics has no such key; annokit writes it for the tasks
        that cannot be told from the rows.
    kpt_shape : (int, int) or None
        How many keypoints an object has, and how many values a keypoint.
    kpt_names : dict of int to tuple of str
        The names of the keypoints of a class.
    kpt_skeleton : dict of int to tuple of (int, int)
        Which keypoints of a class are linked. Ultralytics has no such key; annokit writes it.
    scored : bool
        Whether rows may end with a confidence (`confidence: true`, which annokit writes).
    """

    file: Path
    names: list[str]
    path: str
    splits: list[tuple[str, str]]
    extra: dict[str, Any]
    task: str | None = None
    kpt_shape: tuple[int, int] | None = None
    kpt_names: dict[int, tuple[str, ...]] = {}
    kpt_skeleton: dict[int, tuple[tuple[int, int], ...]] = {}
    scored: bool = False


def is_data_yaml(text: bytes) -> bool:
    r"""Whether a YAML text has the keys of a YOLO dataset.

    >>> is_data_yaml(b"train: images/train\nnames: [car]\n"), is_data_yaml(b"name: x")
    (True, False)
    """
    return (
        re.search(rb"(?m)^names\s*:", text) is not None
        and re.search(rb"(?m)^(train|val|validation|valid|test)\s*:", text) is not None
    )


def find(source: Source) -> Path:
    """The data.yaml or obj.data of a folder, or the file itself."""
    if source.path is None:
        raise UsageError("a YOLO dataset is a folder or its data.yaml, got a stream of bytes")
    if not source.is_dir:
        return source.path
    files = [path for path in sorted(source.path.iterdir()) if path.suffix.lower() in SUFFIXES]
    found = [path for path in files if path.stem == "data"] or [
        path for path in files if path.is_file() and is_data_yaml(Source(path).head())
    ]
    found = found or [path for path in source.path.iterdir() if path.name == "obj.data"]
    if len(found) == 1:
        return found[0]
    names = ", ".join(path.name for path in found)
    raise InputError(
        f"expected one data.yaml with the names of the classes, got {names or 'none'}",
        where=Where(source.name),
        hint="give its path" if found else None,
    )


def load(file: Path) -> DataYaml:
    """Read and check a data.yaml.

    Raises
    ------
    DecodeError
        It is not YAML, or says something else than a YOLO dataset does.
    """
    text = Source(file).read_bytes()
    where = Where(str(file))
    document = _parsed(text, yaml.SafeLoader, where)
    if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text)):
        raise DecodeError("expected plain YAML, got an alias, which can stand for any amount", where=where)
    if not isinstance(document, dict):
        raise DecodeError("expected names, train and val, got no mapping", where=where)
    names = _names(_parsed(text, yaml.BaseLoader, where).get("names"), where)
    _check_count(document.get("nc"), names, where)
    extra = {str(key): value for key, value in document.items() if key not in _KNOWN}
    task = document.get("task")
    return DataYaml(
        file,
        names,
        str(document.get("path") or ""),
        _splits(document, where),
        extra,
        task if task in TASKS else None,
        _kpt_shape(document.get("kpt_shape"), where),
        _kpt_names(document.get("kpt_names"), names),
        _kpt_skeleton(document.get("kpt_skeleton")),
        document.get("confidence") is True,
    )


def _kpt_shape(given: Any, where: Where) -> tuple[int, int] | None:
    if given is None:
        return None
    try:
        points, values = msgspec.convert(given, tuple[Annotated[int, Meta(ge=1, le=10_000)], Literal[2, 3]])
    except msgspec.ValidationError as error:
        problem = f"expected kpt_shape to be a number of keypoints and 2 or 3, got {shown(given)}"
        raise DecodeError(problem, where=where.at(path="$.kpt_shape")) from error
    return points, values


def _kpt_names(given: Any, names: Sequence[str]) -> dict[int, tuple[str, ...]]:
    """The names of each class's keypoints, by class number; a plain list is for every class."""
    if isinstance(given, list):
        given = dict.fromkeys(range(len(names)), given)
    if not isinstance(given, dict):
        return {}
    return {
        key: tuple(map(str, value))
        for key, value in given.items()
        if isinstance(key, int) and isinstance(value, list)
    }


def _parsed(text: bytes, loader: Any, where: Where) -> Any:
    """The document. BaseLoader takes every scalar for text, so that a class called ``no`` stays one."""
    try:
        return yaml.load(text, loader)  # noqa: S506  # a safe loader or its base
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise DecodeError(f"not valid YAML: {error.problem}", where=where.at(line=line)) from error
    except (yaml.YAMLError, ValueError) as error:
        raise DecodeError(f"not valid YAML: {shown(str(error))}", where=where) from error
    except RecursionError as error:
        raise LimitExceeded("the YAML is nested too deeply to be read", where=where) from error


def _names(given: Any, where: Where) -> list[str]:
    where = where.at(path="$.names")
    if isinstance(given, dict):
        try:
            indexed = {int(key): name for key, name in given.items()}
        except (TypeError, ValueError) as error:
            raise DecodeError("expected class numbers as keys", where=where) from error
        missing = [index for index in range(len(indexed)) if index not in indexed]
        if missing:
            raise DecodeError(
                f"expected the classes 0 to {len(indexed) - 1}, got none numbered {missing[0]}", where=where
            )
        given = [indexed[index] for index in range(len(indexed))]
    if not isinstance(given, list) or not all(isinstance(name, str) for name in given):
        raise DecodeError(f"expected the names of the classes, got {shown(given)}", where=where)
    return given


def _check_count(nc: Any, names: Sequence[str], where: Where) -> None:
    if nc is not None and nc != len(names):
        raise DecodeError(f"expected nc to be {len(names)}, as there are names, got {shown(nc)}", where=where)


def _splits(document: Mapping[Any, Any], where: Where) -> list[tuple[str, str]]:
    splits = []
    for key, split in SPLITS.items():
        given = document.get(key) or []
        for place in given if isinstance(given, list) else [given]:
            if not isinstance(place, str):
                problem = f"expected a folder, a text file or a list of them, got {shown(place)}"
                raise DecodeError(problem, where=where.at(path=f"$.{key}"))
            splits.append((split, place))
    if not splits:
        raise DecodeError("expected train, val or test to say where the images are", where=where)
    return splits


def _kpt_skeleton(given: Any) -> dict[int, tuple[tuple[int, int], ...]]:
    """The pairs of linked keypoints, by class number; nothing where it is something else."""
    try:
        return msgspec.convert(given or {}, dict[int, tuple[tuple[int, int], ...]])
    except msgspec.ValidationError:
        return {}


def dump(
    names: Sequence[str], splits: Mapping[str, str], extra: Mapping[str, Any], own: Mapping[str, Any]
) -> bytes:
    """A data.yaml. It has no `path`: Ultralytics then takes the folder the file is in.

    `own` is what the task adds, `extra` what the source had.
    """
    listed = {split: place for split, place in splits.items() if split in SPLITS or split not in _KNOWN}
    document = listed | {"nc": len(names), "names": dict(enumerate(names)), **own}
    document |= {key: value for key, value in extra.items() if key not in _KNOWN and key not in document}
    text: bytes = yaml.safe_dump(
        document, sort_keys=False, allow_unicode=True, encoding="utf-8", width=float("inf")
    )
    return text
