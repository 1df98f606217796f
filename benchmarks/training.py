"""Training: stock MadMiner against the step `train`, on the same samples.

    python benchmarks/training.py [--sizes N …] [--methods METHOD …]

Every training is a new process with one thread, with the network, the optimiser and the batch size that are MadMiner's
defaults, on the same random samples of ten observables and two parameters, a quarter as many for validation. Stock
MadMiner is the installed package without mmc's work-arounds: with its default of eight worker processes for loading
(`stock`), and without any (`stock_0`). Counted is the time of `train` alone, without the start of Python and the import
of packages. Prints one JSON object with training samples per second (samples times epochs, over the time, the
validation after each epoch included) and their ratios, by the clock (`wall`) and by processor time with that of the
worker processes (`cpu`), which other work on the machine does not change much.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

EPOCHS = {1_000: 20, 10_000: 5, 100_000: 2, 1_000_000: 1}
SIDES = ("stock", "stock_0", "mmc")
CLOCKS = ("wall", "cpu")

TRAINING = """
import json, resource, sys, time, warnings
side, method, n, epochs = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
import numpy as np
import torch

random = np.random.default_rng(1)


def samples(n):
    theta = random.normal(size=(n, 2)).astype(np.float32)
    x = random.normal(size=(n, 10)).astype(np.float32)
    y = np.repeat([[0.0], [1.0]], (n + 1) // 2, axis=0)[:n]
    score = (x[:, :2] - 0.1 * theta).astype(np.float32)
    ratio = np.exp(0.1 * (theta * score).sum(axis=1, keepdims=True)).astype(np.float32)
    return {"x": x, "theta0": theta, "theta1": 0 * theta, "theta": 0 * theta, "y": y, "r_xz": ratio, "t_xz": score}


train, validation = samples(n), samples(n // 4)
options = {"n_epochs": epochs, "early_stopping": True}
torch.manual_seed(1)


def clocks():
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return np.array([time.perf_counter(), sum(u.ru_utime + u.ru_stime for u in used)])


if side == "mmc":
    from mmc.compiler.language.schema import load_schema
    from mmc.jobs.learning.training import fit

    known = load_schema()["definitions"]["training"]["properties"]
    options = {name: schema["default"] for name, schema in known.items() if "default" in schema} | options
    if method != "alices":
        del options["alpha"]
    if method == "sally":
        del options["scale_parameters"]
    fit(method, *({k: v[:128] for k, v in d.items()} for d in (train, validation)), {**options, "n_epochs": 1}, None)
    start = clocks()
    fit(method, train, validation, options, None)
else:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from madminer.ml import ParameterizedRatioEstimator, ScoreEstimator
    options["n_workers"] = {"stock": 8, "stock_0": 0}[side]
    estimator, names = (ScoreEstimator(), ["t_xz"]) if method == "sally" else (ParameterizedRatioEstimator(), ["y"])
    data = {"x": "x"} | ({"t_xz": "t_xz"} if method == "sally" else {"y": "y", "theta": "theta0", "r_xz": "r_xz"})
    data |= {"t_xz": "t_xz"} if method == "alices" else {}
    arrays = {name: train[key] for name, key in data.items()}
    arrays |= {f"{name}_val": validation[key] for name, key in data.items()}
    start = clocks()
    estimator.train(method, **arrays, **options)
print(json.dumps((clocks() - start).tolist()))
"""


def seconds(side: str, method: str, n: int, epochs: int) -> dict[str, float]:
    """The wall time and the processor time of one training, in a new process."""
    command = [sys.executable, "-W", "ignore", "-c", TRAINING, side, method, str(n), str(epochs)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[1] / "compiler")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(done.stderr)
    return dict(zip(CLOCKS, json.loads(done.stdout.splitlines()[-1]), strict=True))


def main() -> None:
    """Measure all sides of every method and size, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 100_000, 1_000_000])
    parser.add_argument("--methods", nargs="+", default=["sally", "alice", "alices"])
    arguments = parser.parse_args()
    load, results = os.getloadavg()[0], []
    for n in arguments.sizes:
        for method in arguments.methods:
            epochs = EPOCHS[n]
            taken = {side: seconds(side, method, n, epochs) for side in SIDES}
            speeds = {side: {clock: round(n * epochs / taken[side][clock]) for clock in CLOCKS} for side in SIDES}
            ratios = {
                f"to_{side}": {clock: round(taken[side][clock] / taken["mmc"][clock], 2) for clock in CLOCKS}
                for side in SIDES[:2]
            }
            results.append({"method": method, "samples": n, "epochs": epochs, **speeds, **ratios})
            print(json.dumps(results[-1]), file=sys.stderr, flush=True)
    print(json.dumps({"load": [load, os.getloadavg()[0]], "results": results}))


if __name__ == "__main__":
    main()
