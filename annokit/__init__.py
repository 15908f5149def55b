"""Labels from annotation platforms to training data: typed, fast, and nothing lost on the way.

>>> import annokit
>>> dataset = annokit.read("export.ndjson")  # doctest: +SKIP
>>> report = annokit.convert("export.ndjson", "out.json", to="coco")  # doctest: +SKIP
"""

from __future__ import annotations
