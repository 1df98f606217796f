"""Limits of a ratio estimator on a grid of 25 × 25 points: stock MadMiner against the step `evaluate`.

    python benchmarks/evaluation.py

Both read the same event file (the toy of the tests, two parameters, 100,000 events) and the same trained network with
three layers of 100 units, on one thread. MadMiner computes the expected limits with the rate; the step the same, its
closure tests and the Fisher information. Counted is the time of the call, without the start of Python.

Prints one JSON object: seconds and ratio of each run, and how far the mean log ratios per event of the Asimov data, all
that the limits take from the network, lie apart at most over the grid, on which they have that range.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.jobs.learning_jobs import Learning
from tests.jobs.toy_events import write_events

POINTS = 25
NETWORK = {"n_hidden": [100, 100, 100], "n_epochs": 2}


def stock(learning: Learning, model: Path) -> tuple[float, Any]:
    """Seconds that MadMiner takes for the limits, and what it finds."""
    from madminer.limits import AsymptoticLimits

    start = time.perf_counter()
    found = AsymptoticLimits(str(learning.events / "events.h5")).expected_limits(
        "ml",
        theta_true=np.zeros(2),
        grid_ranges=[(-1.0, 1.0)] * 2,
        grid_resolutions=[POINTS] * 2,
        model_file=str(model / "model"),
        luminosity=learning.evaluation["luminosity_pb"],
    )
    return time.perf_counter() - start, found


def compiled(learning: Learning, model: Path, run: int) -> tuple[float, Path]:
    """Seconds that the step takes, and where its output is."""
    start = time.perf_counter()
    folder = learning.evaluate("alices", model, job=f"run-{run}")
    return time.perf_counter() - start, folder


def main() -> None:
    """Measure both in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    folder = Path(tempfile.mkdtemp(prefix="mmc-benchmark-"))
    events = write_events(folder / "events", 2, arguments.events)
    # MadMiner's weights, so that both find the same numbers
    learning = Learning(folder / "steps", events, include_xsec=False, event_weights="madminer")
    for axis in learning.evaluation["grid"].values():
        axis["points"] = POINTS
    model = learning.train("alices", learning.sample("alices"), **NETWORK)
    runs = []
    for run in range(arguments.runs):
        theirs, found = stock(learning, model)
        ours, output = compiled(learning, model, run)
        record = json.loads((output / "evaluate.json").read_text())
        with np.load(output / "limits.npz") as arrays:
            mine = arrays["log_likelihood_ratio"].ravel() / record["n_expected"]
        per_event = found[3] / record["n_expected"]
        apart = np.abs((mine - mine.max()) - (per_event - per_event.max())).max()
        runs.append({"stock_s": round(theirs, 1), "mmc_s": round(ours, 1), "ratio": round(theirs / ours, 1)})
        runs[-1] |= {"largest_difference": float(f"{apart:.1e}"), "range": round(float(np.ptp(per_event)), 2)}
    print(json.dumps({"events": record["asimov_events"], "points": POINTS**2, "runs": runs}))


if __name__ == "__main__":
    main()
