"""What is logged of combinations."""

import json
from pathlib import Path

from mmc.jobs.tracking.entries import describe, summarise


def test_combinations_are_logged(tmp_path: Path) -> None:
    limits = {"allowed_fraction": {"0.95": 0.25}, "allowed_area": {"0.95": 0.2}, "verdict": "passed", "grid": "x.npz"}
    record = {"combination": "both", "floating": ["ttbar"], "of": [{"name": "rate.low"}], **limits}
    record["normalisations"] = {"ttbar": {"value": 1.1, "error": 0.1}}
    (tmp_path / "combination.json").write_text(json.dumps(record))
    entry = describe("combinations", tmp_path, 7, {"floating": ["ttbar"]})
    assert entry.params == {"combination": "both", "floating": "ttbar"}
    assert entry.metrics["normalisations/ttbar.value"] == 1.1 and entry.metrics["allowed_area/0.95"] == 0.2
    assert entry.tags == {"verdict": "passed", "seed.combinations": "7"}
    results = {"baselines": [], "methods": [], "evaluation": None, "warnings": []}
    results["combinations"] = [{"name": "both.rate", **record}, {"name": "both.fisher", "information": {}}]
    (tmp_path / "results.json").write_text(json.dumps(results))
    whole = summarise(tmp_path)
    assert whole.metrics == {"allowed_fraction.0.95/both.rate": 0.25, "allowed_area.0.95/both.rate": 0.2}
    assert whole.tags["verdict.both.rate"] == "passed"
