"""The account notices when a writer forgets something: statements are dropped one by one, and each is missed.

Every statement of the writers that hands something on (a call whose result nobody takes, an addition) is
left out in turn. The run then has to end in an error, or the output has to be what it should be all the same.
"""

from __future__ import annotations

import ast
import importlib
import os
import random
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType
from typing import Any, NamedTuple

import pytest

import annokit

WRITERS = {
    "coco": ("_coco.write", "_coco.entries", "_coco.spool"),
    "yolo": ("_yolo.write",),
    "parquet": ("_parquet.write",),
}
SOME = 6
"""Of each writer in an ordinary run; all with ANNOKIT_ALL_MUTANTS=1."""
NOT_RECORDS = {"note", "advance", "__init__", "mkdir", "seek", "close", "note_crowd"}
"""What may be forgotten without losing a record."""


DETAILS = {
    "entry |= {'width': row.asset.width, 'height': row.asset.height}": "a field of an image",
    "report.count('derived', 'object:box', derived)": "what is derived stands apart from the identity",
    "report.count('derived', 'object:box')": "what is derived stands apart from the identity",
    "report.count('derived', 'object:box', sum((objects[index].box is None for index in found)))": "the same",
    "grouped.setdefault((code, kinds[index]), []).append(index)": "notes",
    "yield (index, 'box-only')": "a note",
}
"""Statements about parts of a record, which no count of records can miss: the tests of the formats do."""


class Mutant(NamedTuple):
    """A function without one of its statements."""

    module: str
    function: str
    line: int
    statement: str
    code: Any

    def __str__(self) -> str:
        return f"{self.module}:{self.line} {self.statement}"


def emits(node: ast.stmt) -> bool:
    """Whether a statement hands something on."""
    if isinstance(node, ast.AugAssign):
        return True
    if not isinstance(node, ast.Expr) or not isinstance(node.value, ast.Call | ast.Yield | ast.YieldFrom):
        return False
    call = node.value
    name = call.func.attr if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) else ""
    return name not in NOT_RECORDS


def mutants(module: str) -> Iterator[Mutant]:
    loaded = importlib.import_module(f"annokit.formats.{module}")
    path = Path(str(loaded.__file__))
    tree = ast.parse(path.read_text())
    for place in ast.walk(tree):
        for field in ("body", "orelse"):
            block = getattr(place, field, None)
            if isinstance(place, ast.Module | ast.ClassDef) or not isinstance(block, list):
                continue
            for index, node in enumerate(block):
                if emits(node):
                    block[index] = ast.copy_location(ast.Pass(), node)
                    found = owner(tree, node.lineno)
                    if found:
                        compiled = compile(tree, str(path), "exec")
                        yield Mutant(module, found, node.lineno, ast.unparse(node), code_of(compiled, found))
                    block[index] = node


def owner(tree: ast.AST, line: int) -> str:
    """The function at the top of the module, or the method, that a line stands in."""
    name = ""
    for node in tree.body:  # type: ignore[attr-defined]  # a module
        inside = [node, *node.body] if isinstance(node, ast.ClassDef) else [node]
        for one in inside:
            if isinstance(one, ast.FunctionDef) and one.lineno <= line <= (one.end_lineno or 0):
                name = f"{node.name}.{one.name}" if isinstance(node, ast.ClassDef) else one.name
    return name


def code_of(compiled: Any, name: str) -> Any:
    for part in name.split("."):
        compiled = next(c for c in compiled.co_consts if getattr(c, "co_name", None) == part)
    return compiled


def function_of(mutant: Mutant) -> FunctionType:
    found: Any = importlib.import_module(f"annokit.formats.{mutant.module}")
    for part in mutant.function.split("."):
        found = found.__dict__[part]
    found = getattr(found, "__func__", found)
    found = getattr(found, "fget", found)
    return getattr(found, "__wrapped__", found)  # type: ignore[no-any-return]


def chosen(writer: str) -> list[Mutant]:
    found = [mutant for module in WRITERS[writer] for mutant in mutants(module)]
    assert len(found) >= 20
    if os.environ.get("ANNOKIT_ALL_MUTANTS"):
        return found
    return random.Random(7).sample(found, SOME)


def content(target: Path) -> dict[str, bytes]:
    files = [target] if target.is_file() else target.rglob("*")
    return {str(path.relative_to(target)): path.read_bytes() for path in files if path.is_file()}


@pytest.mark.parametrize(("to", "name"), [("coco", "out.json"), ("yolo", "out"), ("parquet", "out")])
def test_what_a_writer_forgets_is_missed(to: str, name: str, samples: Path, tmp_path: Path) -> None:
    def convert(folder: str) -> tuple[dict[str, bytes], Any]:
        target = tmp_path / folder / name
        report = annokit.convert(samples / "street.ndjson", target, to=to, verify=True)
        return content(target), report.to_dict()["kinds"]

    expected, kinds = convert("right")
    unnoticed = []
    for number, mutant in enumerate(chosen(to)):
        function = function_of(mutant)
        before = function.__code__
        function.__code__ = mutant.code
        try:
            found, counted = convert(str(number))
        except Exception:  # noqa: BLE001 - whatever it is, it was noticed
            continue
        finally:
            function.__code__ = before
        if (found != expected or counted != kinds) and mutant.statement not in DETAILS:
            unnoticed.append(str(mutant))
    assert not unnoticed, "\n".join(unnoticed)
