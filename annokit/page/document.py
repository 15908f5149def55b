"""The file around a page: policy, styles, scripts and data."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Any

import msgspec

from annokit.page.html import Html, visible

__all__ = ["make_page"]

_CHARTS = ("vendor/vega.min.js", "vendor/vega-lite.min.js", "vendor/vega-interpreter.js")
_ENDS = re.compile(r"</(?=script|style)|<!--", re.IGNORECASE)
_IN_JSON = re.compile("[<>&\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")


def make_page(
    title: str,
    body: Html,
    *,
    data: object = None,
    styles: Sequence[str] = (),
    scripts: Sequence[str] = (),
    charts: bool = False,
) -> str:
    """One HTML file that needs nothing but itself.

    Its policy (`Content-Security-Policy`) allows the scripts and styles given here, by their hash, and
    pictures as data; nothing else is loaded or run, wherever it came from. Scripts find ``page`` (see
    ``page.js``), and the data as ``page.data``; each runs in a function of its own.

    Parameters
    ----------
    title : str
        Of the window; as text.
    body : Html
        What `element` made.
    data : object, optional
        Whatever JSON holds (msgspec's builtins); it cannot end its own element.
    styles, scripts : sequence of str
        CSS and JavaScript of the page's maker, never of data.
    charts : bool
        Whether to put in Vega-Lite (0.8 MB).

    Raises
    ------
    TypeError
        A body that is not `Html`.

    Examples
    --------
    >>> from annokit.page import element
    >>> page = make_page("Hello", element("main", "a < b"), data={"name": "</script><b>"})
    >>> "<main>a &lt; b</main>" in page, "</script><b>" in page, "default-src 'none'" in page
    (True, False, True)
    """
    if not isinstance(body, Html):
        raise TypeError(f"expected Html made by annokit.page.element, got {type(body).__name__}")
    sheets = [_shipped("page.css"), *styles]
    vendored = [_shipped(name) for name in _CHARTS] if charts else []
    codes = [*vendored, _shipped("page.js"), *(f"(() => {{\n{code}\n}})();" for code in scripts)]
    for code in (*sheets, *codes):
        if _ENDS.search(code):
            raise ValueError("expected styles and scripts without </script, </style and <!--")
    return "".join(
        [
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n',
            f'<meta http-equiv="Content-Security-Policy" content="{_policy(sheets, codes)}">\n',
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n',
            '<meta name="color-scheme" content="light dark">\n',
            f"<title>{html.escape(visible(title))}</title>\n",
            *(f"<style>{sheet}</style>\n" for sheet in sheets),
            f"</head>\n<body>\n{body}\n",
            f'<script type="application/json" id="page-data">{_json(data)}</script>\n',
            *(f"<script>{code}</script>\n" for code in codes),
            "</body>\n</html>\n",
        ]
    )


@cache
def _shipped(name: str) -> str:
    return resources.files("annokit.page").joinpath(name).read_text(encoding="utf-8")


def _policy(sheets: Sequence[str], codes: Sequence[str]) -> str:
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src {_hashes(codes)}",
            f"style-src {_hashes(sheets)}",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )


def _hashes(texts: Sequence[str]) -> str:
    digests = [hashlib.sha256(text.encode()).digest() for text in texts]
    return " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)


def _json(data: Any) -> str:
    """JSON that ends no element, starts no comment and turns no text around."""
    text = msgspec.json.encode(data).decode()
    return _IN_JSON.sub(lambda found: f"\\u{ord(found.group()):04x}", text)
