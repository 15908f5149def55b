"""`python docs/screenshots.py`: the pictures of docs/insights.md, from a real labelling job."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import annokit
from annokit.insights import dashboard, open_insights
from tests.browser import browser

JOB = ROOT / "tests" / "data" / "ground_truth" / "birds.tar.gz"
PICTURES = ROOT / "docs" / "pictures"
SHOTS = (
    ("insights", {"width": 1120, "height": 1180}, "dashboard.choose({})"),
    ("insights-filtered", {"width": 1120, "height": 1180, "dark": True}, "dashboard.choose({worker: 13})"),
    ("insights-narrow", {"width": 400, "height": 1180}, "dashboard.choose({})"),
)


def main() -> None:
    insights = open_insights(annokit.read(JOB, format="ground-truth-responses"))
    with tempfile.TemporaryDirectory() as name, browser() as tab:
        page, shot = Path(name) / "birds.html", Path(name) / "shot.png"
        page.write_text(dashboard(insights, title="Bird species"), encoding="utf-8")
        for picture, look, action in SHOTS:
            tab.open(page, **look)
            tab.wait("document.documentElement.dataset.ready === 'yes'")
            tab.run(action)
            tab.screenshot(shot, whole=False)
            target = PICTURES / f"{picture}.png"
            Image.open(shot).convert("RGB").quantize(64).save(target, optimize=True)
            print(target.relative_to(ROOT), target.stat().st_size)


if __name__ == "__main__":
    main()
