"""Places that tests share."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
STUDIES = ROOT / "studies"
SHARED_DATA = ROOT.parent / "shared" / "data"
"""Real inputs beside the checkout; tests that need them skip, saying why, where they are absent."""
