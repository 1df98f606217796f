"""No study, however broken, raises: random damage to valid studies, and valid studies stay valid."""

import json
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmc.build_study import build_study
from mmc.checks import check
from mmc.diagnostics import has_errors
from mmc.formats import RENDERERS
from mmc.language import load_schema
from mmc.load import load

from tests.strategies import studies
from tests.support import STUDIES

COMPLETE = """
mmc: "1.0"
name: example
title: text
seed: 3
parameters:
  c_LL: {coefficient: LL, range: [-1, 1], label: a}
  c LR: {coefficient: LR, range: [-1, 1], max_power: 2}
benchmarks: {sm: {c_LL: 0, c LR: 0}, w: {c_LL: 0.5, c LR: 0}}
morphing: {max_overall_power: 2, n_trials: 10}
generation:
  generator: pythia8
  beams: {energy: 6500 GeV, particles: [p, p]}
  samples:
    signal: {process: dimuon, events: {sm: 1000, default: 500}, events_per_job: 500, run_card: {m_min: 300 GeV}}
    top: {process: ttbar, background: true, events: 1000, k_factor: 1.1}
detector:
  smearing: [{pdgids: [13, -13], pt_resolution_rel: 0.1, pt_resolution_abs: 1 GeV, on_shell: energy}]
  met_noise: {abs: 1 GeV}
observables:
  m_ll: {definition: "(mu[0] + mu[1]).m", required: true, label: b}
  pt: {definition: met.pt, default: 0}
default_observables: {n_jets_max: 1}
cuts: [m_ll > 100, {definition: pt < 5, passed_if_undefined: true}]
efficiencies: [{definition: "0.9", default: 1}]
sampling: {test_split: 0.3, validation_split: 0.1}
methods:
  sally: {theta: {benchmark: sm}, samples: 100, features: [m_ll]}
  wide:
    method: alices
    theta0: {random: {n: 10, priors: {c_LL: {flat: [-1, 1]}, c LR: {gaussian: [0, 1]}}}}
    theta1: {point: {c_LL: 0, c LR: 0}}
    samples: 100
    validation_samples: 50
    training: {n_hidden: [10, 10], optimizer: sgd, nesterov_momentum: 0.9}
    scan: {training.alpha: [1, 5], training.activation: [tanh, relu]}
  rascal: {theta0: {points: [{c_LL: 0, c LR: 0}]}, theta1: {benchmark: w}, samples: 10}
evaluation:
  luminosity: 300 fb^-1
  theta_true: {benchmark: sm}
  grid: {c_LL: {range: [-1, 1], points: 5}}
  confidence_levels: [0.68]
  baselines: {rate: true, histogram: {observables: [m_ll, pt], bins: {m_ll: [0, 1, 2], pt: {n: 3, range: [0, 9]}}}}
  fisher_information: {observable: m_ll}
plots: {formats: [png], colors: {sally: "#00ff00", rate: "#ff0000"}}
execution:
  images: {physics: "a/b:1"}
  resources: {train: {cpus: 2, memory: 4 GiB, time: 2 h}}
"""
"""A study that says everything that the language knows, but for an event file."""


def look_up(_text: str) -> str:
    return "missing"


def checked(text: str) -> tuple[list[str], dict[str, Any] | None]:
    """The codes of a study's problems and its filled data; everything can be rendered."""
    document = load(text, "study.yaml")
    result = check(document, look_up)
    assert has_errors(result.diagnostics) == (result.data is None)
    for render in RENDERERS.values():
        render(result.diagnostics, {"study.yaml": document.text})
    return [item.code for item in result.diagnostics], result.data


def test_a_study_that_says_everything_is_right() -> None:
    codes, data = checked(COMPLETE)
    assert codes == []
    assert data is not None
    build_study(data)


@pytest.mark.parametrize("file", sorted(STUDIES.glob("*/*.yaml")), ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_the_example_studies_are_right(file: Any) -> None:
    codes, _ = checked(file.read_text(encoding="utf-8"))
    assert codes == []


@settings(max_examples=60, deadline=None)
@given(studies())
def test_valid_studies_are_right_and_can_be_built(study: dict[str, Any]) -> None:
    codes, data = checked(json.dumps(study, ensure_ascii=False))
    assert {code for code in codes if code not in ("MMC212", "MMC313", "MMC315")} == set()
    assert data is not None
    build_study(data)


def paths(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """All paths of a value but the empty one."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path for key, item in items for path in ((*at, key), *paths(item, (*at, key)))]


VALID = load(COMPLETE, "study.yaml").data
PATHS = paths(VALID)
JUNK: list[Any] = [
    *(
        None,
        True,
        False,
        0,
        -1,
        1,
        2,
        0.5,
        1e300,
        -1e-300,
        2**62,
        "",
        "x",
        "sm",
        "c_LL",
        "m_ll",
        "1",
        "é" * 80,
        "\u0000",
    ),
    *([], [1], [[]], ["x", "x"], [0, 0], {}, {"x": 1}, {"benchmark": "sm"}, {"default": 1}, [None, {}], "9**9**9"),
    *("100 GeV", "-1 GeV", "nan GeV", "1e999 fb^-1", "..", "/etc/passwd", ".nan", ".inf", {"point": {}}, "mu[0].pt"),
]


@st.composite
def damaged(draw: st.DrawFn) -> Any:
    """The complete study with a few parts removed, replaced, renamed or copied elsewhere."""
    study = deepcopy(VALID)
    for _ in range(draw(st.integers(1, 4))):
        *parents, key = draw(st.sampled_from(PATHS))
        place: Any = study
        for parent in parents:
            present = isinstance(place, dict) and parent in place
            present = present or (isinstance(place, list) and isinstance(parent, int) and parent < len(place))
            place = place[parent] if present else None
        if not isinstance(place, dict) or key not in place:
            continue
        action = draw(st.integers(0, 3))
        if action == 0:
            del place[key]
        elif action == 1:
            place[key] = deepcopy(draw(st.sampled_from(JUNK)))
        elif action == 2:
            place[draw(st.sampled_from(["x", "c_LL", "sm", "default", "theta", "e", key.upper(), ""]))] = place.pop(key)
        else:
            other: Any = VALID
            for part in draw(st.sampled_from(PATHS)):
                other = other[part]
            place[key] = deepcopy(other)
    return study


@settings(max_examples=300, deadline=None)
@given(damaged())
def test_damaged_studies_are_diagnosed(study: Any) -> None:
    text = json.dumps(study, ensure_ascii=False)
    text = text.replace('".nan"', ".nan").replace('".inf"', ".inf").replace("\\u0000", "\\u0001")
    codes, data = checked(text)
    if data is not None:
        build_study(data)
    else:
        assert codes


SECTIONS = sorted(load_schema()["properties"])


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from(SECTIONS), st.sampled_from(JUNK), max_size=8))
def test_junk_in_every_section_is_diagnosed(study: dict[str, Any]) -> None:
    codes, data = checked(json.dumps({"mmc": "1.0", **study}))
    assert data is None
    assert codes
