"""Bytes and files: sources, lines, limits, decoding that loses one record at most, atomic output.

Nothing here knows a format or a model, and nothing heavy is imported: Pillow and numpy come in only when
an image is opened.
"""

from __future__ import annotations

__all__: list[str] = []
