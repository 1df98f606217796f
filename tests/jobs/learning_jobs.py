"""Runs step programs of the learning stages in small."""

from collections.abc import Mapping, Sequence
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from typing import Any

from mmc.compiler.catalogue import methods
from mmc.compiler.catalogue.methods import METHODS, names_of, names_with_score_term
from mmc.compiler.settings.encoding import from_json
from mmc.compiler.settings.limits import LimitSettings

from tests.jobs.physics import Folder

RATIO, SCORE, LIKELIHOOD, POLYNOMIAL = (names_of(family) for family in methods.METHOD_FAMILIES)
WITH_ALPHA = names_with_score_term()
TRAINING: dict[str, Any] = {
    "n_hidden": [20],
    "activation": "tanh",
    "dropout_prob": 0.0,
    "optimizer": "amsgrad",
    "n_epochs": 3,
    "batch_size": 128,
    "initial_lr": 0.003,
    "final_lr": 0.0003,
    "early_stopping": True,
    "scale_inputs": True,
}


def stock_module(name: str) -> Any:
    """A module of MadMiner as it is installed, whatever was mended in the one that is imported."""
    spec = find_spec(name)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Learning(Folder):
    """The learning stages of a study on an event file, for parameters `c1`, `c2`, … as :mod:`toy_events` has them."""

    events: Path | list[Path]

    def __init__(self, path: Path, events: Path, parameters: int | list[str] = 2, **evaluation: Any) -> None:
        path.mkdir(exist_ok=True)
        super().__init__(path)
        self.events = events
        self.observed: dict[str, Path] = {}
        """The file of the observed events as the input of that name."""
        names = [f"c{k + 1}" for k in range(parameters)] if isinstance(parameters, int) else parameters
        self.shared: dict[str, Any] = {"parameters": names, "test_split": 0.2, "validation_split": 0.2}
        self.evaluation: dict[str, Any] = {
            **self.shared,
            "luminosity_pb": 20_000.0,
            "theta_true": dict.fromkeys(names, 0.0),
            "grid": {name: {"range": [-1.0, 1.0], "points": 9} for name in names},
            "include_xsec": True,
            "confidence_levels": [0.68, 0.95],
            **evaluation,
        }

    @property
    def limits(self) -> LimitSettings:
        """What all limits share."""
        return from_json(LimitSettings, self.evaluation)

    def method(self, method: str, **changes: Any) -> dict[str, Any]:
        """A method's own settings of the stage ``sample``."""
        prior = {"random": {"n": 50, "priors": {name: {"flat": [-1.0, 1.0]} for name in self.shared["parameters"]}}}
        points = {"theta": None, "theta0": prior, "theta1": {"benchmark": "sm"}}
        if method in SCORE + POLYNOMIAL:
            points = {"theta": {"benchmark": "sm"}, "theta0": None, "theta1": None}
        if method in LIKELIHOOD:
            points = {"theta": prior, "theta0": None, "theta1": None}
        sizes = {"samples": 2000, "validation_samples": 600, "sample_only_from_closest_benchmark": True}
        return {"method_name": method, "method": method, **points, **sizes, **changes}

    def sample(self, method: str, seed: int = 1, **changes: Any) -> Path:
        settings = {**self.shared, **self.method(method, **changes)}
        return self.run("sample", method, settings, seed=seed, events=self.events)

    def train_settings(
        self, method: str, features: list[str] | None = None, estimator: str = "", **training: Any
    ) -> dict[str, Any]:
        own = {"method_name": method, "method": method, "sample_job": method, "features": features, "scan": {}}
        own |= {"estimator": estimator} if estimator else {}
        kind = METHODS[method].family.estimator_of(estimator)
        foreign = METHODS[method].foreign_hyperparameters(kind)
        options = TRAINING | {"scale_parameters": True, "alpha": 1.0} | kind.own_hyperparameters
        return {**own, "training": {name: options[name] for name in options if name not in foreign} | training}

    def train(self, method: str, samples: Path, seed: int = 1, job: str = "", **changes: Any) -> Path:
        return self.run("train", job or method, self.train_settings(method, **changes), seed=seed, samples=samples)

    def evaluate_settings(self, method: str, **changes: Any) -> dict[str, Any]:
        likelihoods, own = METHODS[method].likelihoods, {}
        if likelihoods:
            own = {"score_bins": likelihoods[0].axes(len(self.shared["parameters"]))[0]}
        if METHODS[method].family.estimator.takes_any_denominator:
            own = {"theta1": {"point": self.evaluation["theta_true"]}}
        about = {key: self.method(method)[key] for key in ("method_name", "method", "theta", "theta1")}
        return {**self.evaluation, **about, "train_job": method, "scan": {}, **own, **changes}

    def evaluate(self, method: str, model: Path | list[Path], job: str = "", **changes: Any) -> Path:
        models = model if isinstance(model, list) else [model]
        names = [model.name for model in models]
        members = {"members": names} if len(models) > 1 else {}
        settings = self.evaluate_settings(method, train_job=names[0], **members, **changes)
        return self.run("evaluate", job or names[0], settings, events=self.events, model=models, **self.observed)

    def baseline(self, baseline: str, job: str = "", **own: Any) -> Path:
        settings = {**self.evaluation, "baseline": baseline, **own}
        return self.run("baselines", job or baseline, settings, events=self.events, **self.observed)

    def histogram(self, observables: list[str], bins: list[Any]) -> Path:
        return self.baseline("histogram", observables=observables, bins=bins)

    def report(
        self,
        labels: Mapping[str, str] | None = None,
        groups: Sequence[str] = (),
        formats: Sequence[str] = ("png", "svg"),
        **inputs: list[Path],
    ) -> Path:
        parameters = {name: {"label": (labels or {}).get(name, name)} for name in self.shared["parameters"]}
        settings = {
            "study": "toy",
            "title": "A toy",
            "digest": "0" * 64,
            "version": "1",
            "parameters": parameters,
            "observables": {},
            "plots": {"formats": [*formats], "level": 0.95, "colors": {}},
            **({"groups": list(groups)} if groups else {}),
        }
        return self.run("report", "report", settings, **inputs)
