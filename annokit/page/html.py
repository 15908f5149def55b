"""HTML from values, escaped."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence

__all__ = ["Html", "element", "table", "visible"]

_UNSEEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
)
_VOID = frozenset({"br", "col", "hr", "img", "input"})
_NAME = re.compile(r"[a-z][a-z0-9-]*")
_SAFE_LINK = re.compile(r"https?://|data:image/(?:png|jpeg|webp|svg\+xml);base64,|#")


class Html(str):
    """Text that is HTML already. Nothing from data may be called so; `element` makes it."""

    __slots__ = ()


def visible(text: object) -> str:
    r"""Text with what cannot be seen made visible: control characters, zero widths, and what turns text around.

    >>> visible("car\u202egnp.exe")
    'car\\u202egnp.exe'
    >>> visible("")
    ''
    """
    return _UNSEEN.sub(
        lambda found: found.group().encode("unicode_escape", "surrogatepass").decode(), str(text)
    )


def element(name: str, *children: object, **attributes: object) -> Html:
    """An HTML element; whatever is not `Html` is escaped, and shown as `visible` shows it.

    Parameters
    ----------
    name : str
        The tag.
    *children : object
        `Html`, text, numbers; None is left out.
    **attributes : object
        Underscores stand for hyphens, and one at the end is dropped (``class_``, ``for_``). True gives an
        attribute without a value; None and False leave it out.

    Raises
    ------
    ValueError
        A tag or attribute that is none, an event handler or a style (the page's policy forbids both), or a
        link to anything but the web, a place in the page or a picture as data.

    Examples
    --------
    >>> element("p", "a < b, ", element("b", 3), class_="note")
    '<p class="note">a &lt; b, <b>3</b></p>'
    >>> element("td")
    '<td></td>'
    """
    if not _NAME.fullmatch(name) or name in ("script", "style"):
        raise ValueError(f"expected an element's name, got {name!r}")
    start = "".join(_attribute(key, value) for key, value in attributes.items())
    if name in _VOID:
        return Html(f"<{name}{start}>")
    return Html(f"<{name}{start}>{_joined(children)}</{name}>")


def _attribute(key: str, value: object) -> str:
    name = key.rstrip("_").replace("_", "-")
    if not _NAME.fullmatch(name) or name.startswith("on") or name == "style":
        raise ValueError(f"expected an attribute the page's policy allows, got {name!r}")
    if value is None or value is False:
        return ""
    if value is True:
        return f" {name}"
    if name in ("href", "src") and not _SAFE_LINK.match(str(value)):
        raise ValueError(f"expected http(s), #place or a data: picture in {name}, got {str(value)[:40]!r}")
    return f' {name}="{html.escape(visible(value))}"'


def _joined(children: Iterable[object]) -> str:
    return "".join(
        child if isinstance(child, Html) else html.escape(visible(child))
        for child in children
        if child is not None
    )


def table(
    header: Sequence[str], rows: Iterable[Sequence[object]], *, caption: str = "", id: str | None = None
) -> Html:
    """A table; columns whose values are all numbers are set to the right.

    Parameters
    ----------
    header : sequence of str
    rows : iterable of sequences
        Numbers, text, `Html`; None is an empty cell.
    caption : str
        Says what it shows; seen by screen readers.
    id : str, optional

    Examples
    --------
    >>> table(["label", "n"], [["<car>", 1200]], caption="Counts").count("&lt;car&gt;")
    1
    >>> table(["label"], []).endswith("<tbody></tbody></table>")
    True
    """
    lines = [list(row) for row in rows]
    numeric = [
        bool(lines) and all(isinstance(line[place], int | float | None) for line in lines)
        for place in range(len(header))
    ]
    kinds = ["number" if one else None for one in numeric]
    top = [element("th", name, scope="col", class_=kind) for name, kind in zip(header, kinds, strict=True)]
    body = [
        element(
            "tr", *(element("td", _cell(one), class_=kind) for one, kind in zip(line, kinds, strict=True))
        )
        for line in lines
    ]
    return element(
        "table",
        element("caption", caption) if caption else None,
        element("thead", element("tr", *top)),
        element("tbody", *body),
        id=id,
    )


def _cell(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"
