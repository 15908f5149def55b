"""File names for what the input calls its images: safe on every system, and never two the same.

The rule is to keep a name wherever it can be kept, since trainers find the labels of an image by its name.
What has to change is percent-encoded, so the name can be read back from it.
"""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from annokit.errors import InputError

__all__ = ["NamesInTurn", "SafeNames", "check_file_name", "collision_key", "local_name", "safe_name"]

_LONGEST, _KEPT = 200, 150
_SEPARATOR = re.compile(r"(?s)(?<=.)/(?=[^/])")
_PLAIN = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_-])?")
_UNSAFE = re.compile(r"[^A-Za-z0-9._()+=@ -]|\A[-.+=@ ]|[. ]\Z| (?= )|(?<= ) ")
_RESERVED = re.compile(r"images|labels|(?i:con|prn|aux|nul|com[1-9¹²³]|lpt[1-9¹²³]) ?(?:\..*)?")
_SAFE_FILE = re.compile(rf"(?!(?:{_RESERVED.pattern})\Z)(?=.{{1,{_LONGEST}}}\Z){_PLAIN.pattern}")
"""What most names are: one plain segment that may stand as it is."""
_SUFFIX = re.compile(r"(?<=[^/])\.[^./]*$")


def safe_name(original: str) -> str:
    """`original` as a relative path that is safe on Linux, macOS and Windows.

    Folders are kept. In each segment ASCII letters, digits and ``._-()+=@``, single spaces inside, and
    letters and digits of other scripts (in normal form C) stand as they are; all else is percent-encoded
    UTF-8, as is the first character of a Windows device, of ``images`` and ``labels`` (YOLO loaders rewrite
    these), a dot or sign at the start, a dot or space at the end, and a slash that would make a path
    absolute or a segment empty. So undoing the percent signs gives the original back, and no two names
    become one; only a segment over 200 bytes is cut and gets a hash.

    Examples
    --------
    >>> safe_name("train/000000397133.jpg"), safe_name("IMG (1).jpg")
    ('train/000000397133.jpg', 'IMG (1).jpg')
    >>> safe_name("../a?b"), safe_name("/images/aux.png"), safe_name("C:\\\\x")
    ('%2E%2E/a%3Fb', '%2Fimages/%61ux.png', 'C%3A%5Cx')
    """
    if _SAFE_FILE.fullmatch(original):
        return original
    if not original:
        return "%"  # what no other name becomes
    return "/".join(_safe_segment(segment) for segment in _SEPARATOR.split(original))


def _safe_segment(segment: str) -> str:
    safe = segment if _PLAIN.fullmatch(segment) else _encoded(segment)
    if _RESERVED.fullmatch(safe):
        safe = f"%{ord(safe[0]):02X}{safe[1:]}"
    return safe if len(safe.encode()) <= _LONGEST else _shortened(segment, safe)


def _encoded(segment: str) -> str:
    """The segment with every character percent-encoded that may not stand where it does."""
    scripts = "LMN" if unicodedata.is_normalized("NFC", segment) else ""

    def replaced(match: re.Match[str]) -> str:
        char = match.group()
        letter = char > "\x7f" and unicodedata.category(char)[0] in scripts
        return char if letter else _percent(char)

    return _UNSAFE.sub(replaced, segment)


def _percent(char: str) -> str:
    return "".join(f"%{byte:02X}" for byte in char.encode("utf-8", "surrogatepass"))


def _shortened(segment: str, safe: str) -> str:
    """The start of a name that is too long, a hash of all of it, and its suffix."""
    found = _SUFFIX.search(safe)
    suffix = found.group() if found and len(found.group()) <= 10 else ""
    start = safe.encode()[:_KEPT].decode("utf-8", "ignore")
    digest = hashlib.sha256(segment.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{re.sub(r'%[0-9A-F]?$', '', start)}~{digest[:16]}{suffix}"


def check_file_name(path: str) -> None:
    """Refuse the name of a file that no text can hold: Linux takes any bytes for one.

    Raises
    ------
    InputError
        It is not in UTF-8.
    """
    try:
        path.encode()
    except UnicodeEncodeError:
        problem = "expected a file name in UTF-8, got bytes that are none"
        raise InputError(problem, hint="rename the file") from None


def local_name(name: str) -> str:
    """A relative path as this system can have it: on Windows without the colons of Ground Truth's times.

    There ``a:b`` would be a hidden stream of the file ``a``.
    """
    return name.replace(":", "_") if os.name == "nt" else name


def collision_key(name: str, stem: bool = True) -> str:
    """What two names share that one folder cannot hold both: case, composition, and with `stem` the suffix.

    >>> collision_key("a/IMG.jpg") == collision_key("A/img.png")
    True
    """
    text = _SUFFIX.sub("", name) if stem else name
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


class SafeNames:
    """The final file name of every data row, known before the first is written.

    Names that share a `collision_key` all get ``~`` and a hash, so that no name depends on the order of the
    rows. Of each name only 8 bytes are kept.

    Parameters
    ----------
    pairs : callable
        Gives an iterable of (str, str): the original name and what tells rows of the same name apart, such as the
        data row's id. A pair that comes twice has one name. Where names collide, it is called again.
    stem : bool
        Whether names that differ only in their suffix collide, as ``a.jpg`` and ``a.png`` do when the
        labels of both are ``a.txt``.

    Examples
    --------
    >>> names = SafeNames(lambda: [("a.jpg", "r1"), ("b.jpg", "r2"), ("A.png", "r3")])
    >>> names.name("a.jpg", "r1"), names.name("b.jpg", "r2"), names.name("A.png", "r3")
    ('a~bfbe6041.jpg', 'b.jpg', 'A~95814d27.png')
    """

    def __init__(self, pairs: Callable[[], Iterable[tuple[str, str]]], *, stem: bool = True) -> None:
        self._stem = stem
        shared = _repeated(hash(self._key(safe_name(original))) for original, _ in pairs())
        keys, tails = array("Q"), array("Q")
        for original, discriminator in pairs() if shared else ():
            key = self._key(safe_name(original))
            if hash(key) in shared:  # of two hashes the one without a seed tells, which is the slower
                keys.append(_digest(key))
                tails.append(_tail(original, discriminator))
        self._digits = _tail_digits(keys, tails)

    def _key(self, safe: str) -> str:
        return collision_key(safe, self._stem)

    @property
    def collide(self) -> bool:
        """Whether any two names do, so that the name alone does not say what becomes of it."""
        return bool(self._digits)

    def name(self, original: str, discriminator: str) -> str:
        """The final name of one of the pairs."""
        safe = safe_name(original)
        if not self._digits:
            return safe
        digits = self._digits.get(_digest(self._key(safe)), 0)
        if not digits:
            return safe
        found = _SUFFIX.search(safe)
        end = found.start() if found else len(safe)
        return f"{safe[:end]}~{_tail(original, discriminator):016x}"[: end + 1 + digits] + safe[end:]


class _Numbered:
    """Tells rows apart that share name and id, as rows of several sources may."""

    def __init__(self) -> None:
        self._seen: set[int] = set()
        self._again: Counter[int] = Counter()

    def next(self, name: str, id: str) -> str:
        """The id, with a number from the second row of that name and id on."""
        key = hash((name, id))
        if key not in self._seen:
            self._seen.add(key)
            return id
        self._again[key] += 1
        return f"{id}\0{self._again[key]}"


class NamesInTurn:
    """`SafeNames` of rows that are asked for one after the other, where several may have one name and one id.

    Examples
    --------
    >>> names = NamesInTurn(lambda: [("a.jpg", "3"), ("b.jpg", "3"), ("a.jpg", "3")])
    >>> names.next("a.jpg", "3"), names.next("b.jpg", "3"), names.next("a.jpg", "3")
    ('a~7701b4e2.jpg', 'b.jpg', 'a~29fb8050.jpg')
    """

    def __init__(self, pairs: Callable[[], Iterable[tuple[str, str]]]) -> None:
        self._safe = SafeNames(lambda: _told_apart(pairs()))
        self._numbered = _Numbered()

    def next(self, original: str, id: str) -> str:
        """The final name of the next row."""
        return self._safe.name(original, self._numbered.next(original, id) if self._safe.collide else id)


def _told_apart(pairs: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    numbered = _Numbered()
    return ((name, numbered.next(name, row_id)) for name, row_id in pairs)


def _repeated(keys: Iterable[int]) -> set[int]:
    """Those that come more than once."""
    import numpy as np

    found = np.sort(np.fromiter(keys, np.int64))
    return set(found[1:][found[1:] == found[:-1]].tolist())


def _tail_digits(keys: array[int], tails: array[int]) -> dict[int, int]:
    """For each key that several have: how many hex digits tell them apart, 8 or 16."""
    import numpy as np

    key, tail = np.array(keys, np.uint64), np.array(tails, np.uint64)
    order = np.lexsort((tail, key))
    key, tail = key[order], tail[order]
    shared = key[1:] == key[:-1]
    close = shared & (tail[1:] >> np.uint64(32) == tail[:-1] >> np.uint64(32))
    return dict.fromkeys(key[1:][shared].tolist(), 8) | dict.fromkeys(key[1:][close].tolist(), 16)


def _tail(original: str, discriminator: str) -> int:
    return _digest(ascii((original, discriminator)))


def _digest(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
