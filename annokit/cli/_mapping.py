"""A file that gives each name a number, for flags like --ids."""

from __future__ import annotations

import csv

from annokit.errors import InputError, Where

__all__ = ["read_mapping"]


def read_mapping(path: str) -> dict[str, int]:
    """What a JSON or YAML object, or CSV lines of name and number, say.

    Raises
    ------
    InputError
        It cannot be read, or a name has no whole number.
    """
    from annokit.io.source import Source

    text = Source(path).read_bytes().decode("utf-8-sig", errors="replace")
    return _from_csv(text, path) if path.lower().endswith(".csv") else _from_yaml(text, path)


def _from_csv(text: str, name: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for number, row in enumerate(csv.reader(text.splitlines()), start=1):
        if not row:
            continue
        try:
            found[row[0]] = int(row[1])
        except (IndexError, ValueError):
            if number > 1:  # the first line may be a heading
                raise InputError("expected name,number", where=Where(name, line=number)) from None
    return found


def _from_yaml(text: str, name: str) -> dict[str, int]:
    """YAML, of which JSON is a part."""
    import yaml

    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError as error:
        place = getattr(error, "problem_mark", None)
        raise InputError(
            "expected JSON or YAML", where=Where(name, line=place.line + 1 if place else None)
        ) from error
    if not isinstance(found, dict) or not all(type(number) is int for number in found.values()):
        raise InputError("expected an object of whole numbers by name", where=Where(name))
    return {str(key): number for key, number in found.items()}
