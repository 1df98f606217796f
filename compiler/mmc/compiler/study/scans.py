"""Scans of hyperparameters: the trials of a method.

Random values are drawn when a study is compiled, each from a hash of the study's seed, the method, the hyperparameter
and the number of the draw. So they do not depend on other methods, on other hyperparameters or on the number of trials.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count, product
from typing import Any

from mmc.compiler.language.schema import load_schema

MOST_TRAININGS = 500
"""A scan of more trainings has to be allowed explicitly."""
_DIGITS = 4
"""Significant digits of drawn numbers: enough for hyperparameters, and the same on all platforms."""


def ensemble_size(method: Mapping[str, Any]) -> int:
    """The number of networks of each training of a method, as the study gives it; 1 without an ensemble.

    >>> ensemble_size({}), ensemble_size({"ensemble": 3}), ensemble_size({"ensemble": {"n": 5, "samples": "each"}})
    (1, 3, 5)
    """
    ensemble = method.get("ensemble", 1)
    return int(ensemble["n"] if isinstance(ensemble, Mapping) else ensemble)


def has_training_error(method: Mapping[str, Any]) -> bool:
    """Whether the limits of a method include the error of the training, from the spread of its ensemble."""
    ensemble = method.get("ensemble")
    return isinstance(ensemble, Mapping) and ensemble.get("error") == "included"


def has_bootstrap(method: Mapping[str, Any]) -> bool:
    """Whether each network of the ensemble of a method learns from bootstrap samples of its own."""
    ensemble = method.get("ensemble")
    return isinstance(ensemble, Mapping) and ensemble.get("samples") == "each"


@dataclass(frozen=True)
class Range:
    """The values of a hyperparameter between two ends, both included; uniform in the value or in its logarithm."""

    low: float
    high: float
    log: bool
    integer: bool

    def at(self, fraction: float) -> float:
        """The quantile of the distribution at a fraction, 0 to 1.

        >>> Range(1e-4, 1e-2, log=True, integer=False).at(0.5), Range(1, 3, log=False, integer=True).at(0.9)
        (0.001, 3)
        """
        margin = 0.5 if self.integer else 0.0  # so that both ends are as likely as the values between them
        low, high = self.low - margin, self.high + margin
        value = low * (high / low) ** fraction if self.log else low + (high - low) * fraction
        inside = min(max(value, self.low), self.high)
        return round(inside) if self.integer else min(max(float(f"{inside:.{_DIGITS}g}"), self.low), self.high)

    @property
    def size(self) -> float:
        """The number of different values."""
        return self.high - self.low + 1 if self.integer else math.inf


Scan = Mapping[str, tuple[Any, ...] | Range]
"""The values of hyperparameters, by name."""


@dataclass(frozen=True)
class Tuning:
    """How the best trial of a scan is found, and by which criterion; the fields from ``sampler`` on are for Optuna."""

    search: str
    criterion: str
    trials: int = 0
    """0 for a grid, which trains all combinations."""
    sampler: str = ""
    time_limit_s: int | None = None
    store: str = ""


def scan_of(entry: Mapping[str, Any]) -> Scan:
    """The scan from the entry ``scan`` of a method.

    :raises KeyError: when it names a hyperparameter that does not exist
    """
    hyperparameters = load_schema()["definitions"]["training"]["properties"]
    scan: dict[str, tuple[Any, ...] | Range] = {}
    for key, values in entry.items():
        name = key.removeprefix("training.")
        if isinstance(values, list):
            scan[name] = tuple(values)
        else:
            low, high = values["range"]
            scan[name] = Range(low, high, values["scale"] == "log", hyperparameters[name].get("type") == "integer")
    return scan


def size(scan: Scan) -> float:
    """The number of different combinations; infinite if a real number is drawn."""
    return math.prod(values.size if isinstance(values, Range) else len(values) for values in scan.values())


def grid(scan: Scan) -> list[dict[str, Any]]:
    """All combinations, the last hyperparameter varying fastest; one empty combination without a scan.

    >>> grid({"alpha": (1, 5), "batch_size": (64,)})
    [{'alpha': 1, 'batch_size': 64}, {'alpha': 5, 'batch_size': 64}]
    """
    values = [() if isinstance(values, Range) else values for values in scan.values()]
    return [dict(zip(scan, chosen, strict=True)) for chosen in product(*values)]


def draw(scan: Scan, trials: int, seed: int, method: str) -> list[dict[str, Any]]:
    """Random combinations. If their number is finite, they are distinct, so there must be at least ``trials``."""
    countable = math.isfinite(size(scan))
    chosen: dict[str, dict[str, Any]] = {}
    for k in count():
        if len(chosen) == trials:
            break
        values = {key: _draw(choice, _uniform(seed, method, key, k)) for key, choice in scan.items()}
        chosen.setdefault(json.dumps(values) if countable else str(k), values)
    return list(chosen.values())


def _draw(values: tuple[Any, ...] | Range, fraction: float) -> Any:
    return values.at(fraction) if isinstance(values, Range) else values[int(fraction * len(values))]


def _uniform(*identity: int | str) -> float:
    """A number in [0, 1), computed from the identity of the draw."""
    digest = hashlib.sha256("\0".join(map(str, identity)).encode()).digest()
    return (int.from_bytes(digest[:8], "big") >> 11) / 2**53
