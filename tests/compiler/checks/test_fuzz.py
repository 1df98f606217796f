"""No study, however broken, raises: random damage to valid studies, and valid studies stay valid."""

import json
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmc.cli.rendering import RENDERERS
from mmc.compiler.checks import check
from mmc.compiler.language.diagnostics import has_errors
from mmc.compiler.language.document import load
from mmc.compiler.language.schema import load_schema
from mmc.compiler.study.build import build_study

from tests.strategies import file_studies, named_files, studies
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
"""A study that says everything that can be said of the embedded generator."""
MADGRAPH = """
mmc: "1.0"
name: example
parameters:
  CWL2: {lha_block: dim6, lha_id: 2, transform: "16.52*theta", range: [-20, 20], max_power: 2}
  CPWL2: {lha_block: dim6, lha_id: 5, transform: "16.52*theta", range: [-20, 20]}
benchmarks:
  sm: {CWL2: 0, CPWL2: 0}
  w: {CWL2: 10, CPWL2: 0}
  probe: {CWL2: 1, CPWL2: 1, in_basis: false}
morphing: {max_overall_power: 2, n_trials: 10, n_test_thetas: 10, complete: true}
generation:
  generator: madgraph
  model: EWdim6-full
  order: LO
  definitions: {l: "e+ mu+ e- mu-"}
  beams: {energy: 6500 GeV, particles: [p, p], pdf: nn23lo1}
  param_card: {file: cards/param_card.dat, dim6 all: 0, decay 25: 0.00407}
  run_card: {file: cards/run_card.dat, ptj: 20.0}
  events_per_job: 10_000
  samples:
    signal:
      process: "u d > u d h / a z QCD=0 QED=99 NP=2, h > a a"
      events: {sm: 20_000, default: 1000}
      run_card: {etaj: 5, cut_decays: false}
      slices: {low: {ptj: 20, ptjmax: 100}, high: {ptj: 100}}
      systematics: [mu, pdf, lumi]
    top:
      process: ["p p > t t~ [QCD]", "p p > t t~ j [QCD]"]
      definitions: {j: u d}
      model: loop_sm
      order: NLO
      background: true
      events: 5000
      events_per_job: 1000
      k_factor: 1.1
      param_card: {file: cards/top.dat}
      systematics: [lumi]
  shower: {program: pythia8, card: cards/pythia8_card.dat, settings: {"PartonLevel:MPI": off}}
detector:
  simulation: delphes
  card: cards/delphes_card.tcl
  acceptance: {pt_min: {e: 10 GeV, mu: 10 GeV, a: 10 GeV, j: 20 GeV}, eta_max: {e: 2.5, mu: 2.5, a: 2.5, j: 5}}
  generator_truth: false
systematics:
  lumi: {effect: norm, variation: 1.1}
  mu: {effect: scale, scale: mu, variations: [0.5, 1, 2]}
  pdf: {effect: pdf, variation: CT10}
groups: {signal_only: [signal], everything: all}
observables:
  pt_j1: {definition: "j[0].pt", default: 0}
methods:
  sally: {group: signal_only, theta: {benchmark: sm}, samples: 100}
evaluation:
  luminosity: 300 fb^-1
execution:
  installations: {madgraph: /opt/mg5, delphes: /opt/delphes}
  resources: {generate: {cpus: 1}, simulate: {cpus: 2}, detect: {time: 1 h}}
"""
"""A study that says everything that can be said of MadGraph and Delphes."""
EVENT_FILES = """
mmc: "1.0"
name: example
parameters:
  c: {range: [-1, 1]}
benchmarks: {sm: {c: 0}, w: {c: 1}, more: {c: -1}}
morphing: {complete: false}
events:
  samples:
    signal:
      k_factor: 1.2
      systematics: [mu]
      files:
        - {lhe: lhe/sm.lhe.gz, benchmark: sm, hepmc: hepmc/sm.hepmc.gz}
        - {lhe: lhe/more.lhe.gz, benchmark: sm, hepmc: hepmc/more.hepmc.gz}
    top:
      background: true
      files: [{lhe: lhe/top.lhe, benchmark: sm, hepmc: hepmc/top.hepmc}]
detector: {simulation: delphes, shipped_card: delphes_card_CMS.tcl}
systematics: {mu: {effect: scale, scale: mur}}
observables: {pt: {definition: met.pt}}
methods: {sally: {theta: {benchmark: sm}, samples: 100}}
execution: {resources: {import_events: {time: 1 h}}}
"""
"""A study that says everything that can be said of event files."""


PARAM_CARD = "Block dim6\n  2 0.0\n  5 0.0\nDECAY 25 0.004\n"


def card_text(path: str) -> str:
    """The text of a card: all settings of the others are in the study."""
    return PARAM_CARD if "param" in path else ""


FILES = ("events.h5", *sorted({word.strip("],}") for word in f"{MADGRAPH} {EVENT_FILES}".split() if "/" in word}))


def checked(text: str, files: tuple[str, ...] = ()) -> tuple[list[str], dict[str, Any] | None]:
    """The codes of a study's problems and its filled data; everything can be rendered."""
    document = load(text, "study.yaml")
    result = check(document, lambda path: "file" if path in files else "missing", card_text)
    assert has_errors(result.diagnostics) == (result.data is None)
    for render in RENDERERS.values():
        render(result.diagnostics, {"study.yaml": document.text})
    codes = [item.code for item in result.diagnostics]
    assert "MMC016" not in codes, result.diagnostics
    return codes, result.data


@pytest.mark.parametrize("text", [COMPLETE, MADGRAPH, EVENT_FILES], ids=["embedded", "madgraph", "files"])
def test_a_study_that_says_everything_is_right(text: str) -> None:
    codes, data = checked(text)
    assert set(codes) <= {"MMC601"}, "its files are not there"
    codes, data = checked(text, files=FILES)
    assert codes == []
    assert data is not None
    build_study(data)


@pytest.mark.parametrize("file", sorted(STUDIES.glob("*/*.yaml")), ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_the_example_studies_are_right(file: Any) -> None:
    beside = tuple(path.name for path in file.parent.iterdir())
    codes, _ = checked(file.read_text(encoding="utf-8"), files=beside)
    assert codes == []


@settings(max_examples=60, deadline=None)
@given(st.one_of(studies(), file_studies()))
def test_valid_studies_are_right_and_can_be_built(study: dict[str, Any]) -> None:
    codes, data = checked(json.dumps(study, ensure_ascii=False), files=tuple(named_files(study)))
    # warnings: a label that is no formula, no sample has it, no weights at added points, few events
    assert set(codes) <= {"MMC220", "MMC326", "MMC334", "MMC335"}
    assert data is not None
    build_study(data)


def paths(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """All paths of a value but the empty one."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path for key, item in items for path in ((*at, key), *paths(item, (*at, key)))]


VALID = [load(text, "study.yaml").data for text in (COMPLETE, MADGRAPH, EVENT_FILES)]
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
    """A complete study with a few parts removed, replaced, renamed or copied elsewhere, also from another one."""
    valid, source = (draw(st.sampled_from(VALID)) for _ in range(2))
    study = deepcopy(valid)
    for _ in range(draw(st.integers(1, 4))):
        *parents, key = draw(st.sampled_from(paths(valid)))
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
            other: Any = source
            for part in draw(st.sampled_from(paths(source))):
                other = other[part]
            place[key] = deepcopy(other)
    return study


@settings(max_examples=300, deadline=None)
@given(damaged())
def test_damaged_studies_are_diagnosed(study: Any) -> None:
    text = json.dumps(study, ensure_ascii=False)
    text = text.replace('".nan"', ".nan").replace('".inf"', ".inf").replace("\\u0000", "\\u0001")
    codes, data = checked(text, files=FILES)
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
