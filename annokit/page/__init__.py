"""A page that is one file: it opens from a disk, asks no network for anything, and shows data as text only.

`make_page` puts it together; `element` and `table` make its HTML, in which everything that is not `Html`
already is escaped. A page may hold JSON data, and charts (Vega-Lite, vendored with its licences in
``vendor/``) that its scripts draw with ``page.chart``; see ``page.js``.
"""

from __future__ import annotations

from annokit.page.document import make_page
from annokit.page.html import Html, element, table, visible

__all__ = ["Html", "element", "make_page", "table", "visible"]
