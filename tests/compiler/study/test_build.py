"""The study: defaults filled in, quantities converted, names as MadMiner writes them."""

from typing import Any

import pytest
import yaml
from mmc.compiler.catalogue.methods import FLOW
from mmc.compiler.checks import check
from mmc.compiler.language.document import load
from mmc.compiler.language.quantities import parse_quantity
from mmc.compiler.language.schema import fill_defaults, load_schema, resolve
from mmc.compiler.settings.points import AtRandom, RandomPoints
from mmc.compiler.study.build import build_study

from tests.support import STUDIES


@pytest.fixture
def data() -> dict[str, Any]:
    study: dict[str, Any] = yaml.safe_load((STUDIES / "drell-yan" / "tiny.yaml").read_text())
    return study


@pytest.mark.parametrize(
    ("text", "dimension", "value"),
    [
        ("6500 GeV", "energy", 6500.0),
        ("6.5TeV", "energy", 6500.0),
        ("1e3 MeV", "energy", 1.0),
        ("30_000 MeV", "energy", 30.0),
        ("1_000_000.5e-6 TeV", "energy", 1000.0005),
        ("36 fb^-1", "luminosity", 36_000.0),
        ("4 GiB", "memory", 4096.0),
        ("2 h", "time", 7200.0),
    ],
)
def test_a_quantity_is_converted(text: str, dimension: str, value: float) -> None:
    assert parse_quantity(text, dimension) == pytest.approx(value, rel=1e-15)


@pytest.mark.parametrize(
    "text",
    ["", "6500", "GeV", "-1 GeV", "1e999 GeV", "6500 gev", "1 2 GeV", "nan GeV", "inf TeV", "65_00 GeV", "6500_"],
)
def test_what_is_no_quantity_is_refused_with_the_known_units(text: str) -> None:
    with pytest.raises(ValueError, match=r"GeV|finite"):
        parse_quantity(text, "energy")


def test_names_are_renamed_as_madminer_does_wherever_they_stand(data: dict[str, Any]) -> None:
    text = yaml.safe_dump(data, sort_keys=False).replace("ll_plus", "ll-plus").replace("c_LL", "c LL")
    study = build_study(fill_defaults(yaml.safe_load(text)))
    assert study.parameters[0].name == "c_LL"
    assert study.benchmarks["ll_plus"] == {"c_LL": 0.05, "c_LR": 0.0}
    assert study.evaluation is not None
    assert list(study.evaluation.grid) == ["c_LL", "c_LR"]


def test_events_by_benchmark(data: dict[str, Any]) -> None:
    signal = data["generation"]["samples"]["signal"]
    for events, expected in [
        (7, dict.fromkeys(data["benchmarks"], 7)),
        ({"both": 5}, {"both": 5}),
        ({"sm": 9, "default": 2}, {**dict.fromkeys(data["benchmarks"], 2), "sm": 9}),
    ]:
        signal["events"] = events
        source = build_study(fill_defaults(data)).source
        assert source.samples[0].events == expected


def test_a_background_is_generated_once(data: dict[str, Any]) -> None:
    data["generation"]["samples"]["ww"] = {"process": "ww", "background": True, "events": 100}
    source = build_study(fill_defaults(data)).source
    assert source.samples[1].events == {"sm": 100}


def test_defaults_that_follow_from_the_study(data: dict[str, Any]) -> None:
    study = build_study(fill_defaults(data))
    alices = study.methods[2]
    flat = {"flat": (-0.06, 0.06)}
    assert alices.theta0 == AtRandom(RandomPoints(n=20, priors={"c_LL": flat, "c_LR": flat}))
    assert alices.validation_samples == 84  # 0.1 of the events against 0.6 for training
    assert "alpha" not in study.methods[1].training
    assert study.evaluation is not None
    assert study.evaluation.grid["c_LL"] == {"range": [-0.06, 0.06], "points": 5}
    assert study.evaluation.theta_true == {"c_LL": 0.0, "c_LR": 0.0}


def _subschemas(schema: dict[str, Any], where: str) -> list[tuple[str, dict[str, Any]]]:
    found = [(where, resolve(schema))]
    for key in ("properties", "definitions"):
        for name, child in schema.get(key, {}).items():
            found += _subschemas(child, f"{where}/{name}")
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            found += _subschemas(schema[key], f"{where}/*")
    return found


def test_every_property_of_the_language_has_a_description() -> None:
    without = [where for where, schema in _subschemas(load_schema(), "") if not schema.get("description")]
    assert without == ["/grouped"]  # editors would show its description instead of that of the number


def test_training_defaults_are_madminers_own() -> None:
    inspect = pytest.importorskip("inspect")
    ratio = pytest.importorskip("madminer.ml.parameterized_ratio", reason="needs mmc[steps]")
    likelihood = pytest.importorskip("madminer.ml.likelihood", reason="needs mmc[steps]").LikelihoodEstimator
    estimator = ratio.ParameterizedRatioEstimator
    theirs = {
        name: parameter.default
        for function in (likelihood.__init__, estimator.__init__, estimator.train)
        for name, parameter in inspect.signature(function).parameters.items()
    }
    ours = resolve(load_schema()["definitions"]["training"])["properties"]
    for name, schema in ours.items():
        default = FLOW.own_hyperparameters[name] if name in FLOW.own_hyperparameters else schema.get("default")
        default = tuple(default) if name == "n_hidden" else default
        assert default == theirs[name], name


def test_features_are_a_list_a_set_or_all_but_some() -> None:
    text = """
mmc: "1.0"
name: example
parameters: {c_LL: {coefficient: LL, range: [-1, 1]}}
benchmarks: {sm: {c_LL: 0}, w: {c_LL: 0.5}}
generation: {generator: pythia8, samples: {signal: {process: dimuon, events: 1000}}}
observables:
  pt-1: {definition: "mu[0].pt", required: true}
  met: {definition: met.pt}
  pt_2: {definition: "mu[1].pt", required: true}
feature_sets:
  hard: [pt_2, pt-1]
  rest: {all_but: [met]}
methods:
  all: {method: sally, theta: {benchmark: sm}, samples: 100}
  two: {method: sally, theta: {benchmark: sm}, samples: 100, features: [pt_2, met]}
  hard: {method: sally, theta: {benchmark: sm}, samples: 100, features: hard}
  rest: {method: sally, theta: {benchmark: sm}, samples: 100, features: rest}
  but: {method: sally, theta: {benchmark: sm}, samples: 100, features: {all_but: [pt-1]}}
evaluation: {luminosity: 300 fb^-1}
"""
    checked = check(load(text, "study.yaml"), lambda _path: "missing")
    assert checked.diagnostics == [] and checked.data is not None
    found = {method.name: method.features for method in build_study(checked.data).methods}
    assert found == {
        "all": None,
        "two": ("pt_2", "met"),
        "hard": ("pt_2", "pt_1"),
        "rest": ("pt_1", "pt_2"),
        "but": ("met", "pt_2"),
    }
