"""Rules about MadGraph, Delphes, systematic uncertainties and groups beyond their bad examples."""

from collections.abc import Mapping

import pytest
from mmc.compiler.checks import check
from mmc.compiler.language.diagnostics import Diagnostic
from mmc.compiler.language.document import load

SIGNAL = "signal: {process: u d > u d h, events: 10_000}"
TOP = "top: {process: p p > t t~, background: true, events: 10_000}"
BASE = f"""
mmc: "1.0"
name: example
parameters:
  CWL2: {{lha_block: dim6, lha_id: 2, range: [-10, 10]}}
benchmarks:
  sm: {{CWL2: 0}}
  w: {{CWL2: 10}}
generation:
  generator: madgraph
  model: EWdim6-full
  samples:
    {SIGNAL}
observables:
  pt_j1: {{definition: "j[0].pt", required: true}}
"""
SHOWERED = ("  samples:", "  shower: {program: pythia8}\n  samples:")
DELPHES = ("observables:", "detector: {simulation: delphes, shipped_card: delphes_card_CMS.tcl}\nobservables:")
UNCERTAINTIES = (
    "observables:",
    "systematics:\n  lumi: {effect: norm}\n  mu: {effect: scale}\n  mur: {effect: scale, scale: mur}\n"
    "  pdf: {effect: pdf}\nobservables:",
)
EVENT_FILES = """
mmc: "1.0"
name: example
parameters:
  c: {range: [-1, 1]}
benchmarks: {sm: {c: 0}, w: {c: 1}, v: {c: -1}}
events:
  samples:
    signal: {files: [{lhe: sm.lhe, benchmark: sm}, {lhe: w.lhe, benchmark: w}]}
    top: {background: true, files: [{lhe: top.lhe, benchmark: sm}]}
observables:
  pt_j1: {definition: "j[0].pt", required: true}
"""
FILES = [f"{name}.{kind}" for name in ("sm", "w", "top") for kind in ("lhe", "hepmc", "root")]


def diagnose(*replacements: tuple[str, str], text: str = BASE, cards: Mapping[str, str | None]) -> list[Diagnostic]:
    """What is said after replacements, where these cards are beside the study."""
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new, 1)
    return check(load(text, "study.yaml"), lambda path: "file" if path in cards else "missing", cards.get).diagnostics


def codes(*replacements: tuple[str, str], text: str = BASE, **cards: str | None) -> list[str]:
    return [item.code for item in diagnose(*replacements, text=text, cards=cards)]


def event_files(*replacements: tuple[str, str]) -> list[str]:
    return codes(*replacements, text=EVENT_FILES, **dict.fromkeys(FILES))


def test_the_bases_are_right() -> None:
    assert codes() == []
    assert codes(SHOWERED, DELPHES) == []
    assert event_files() == []


SYSTEMATICS = ("observables:", "systematics: {lumi: {effect: norm}}\nobservables:")
OF_SIGNAL = ("events: 10_000}", "events: 10_000, systematics: [lumi]}")
RATIO = "methods: {alice: {theta0: {random: {n: 9}}, theta1: {benchmark: sm}, samples: 99}}"
SALLY = "methods: {sally: {theta: {benchmark: sm}, samples: 99}}"


@pytest.mark.parametrize(
    ("methods", "baselines", "expected"),
    [
        (SALLY, "{}", []),
        (RATIO, "{}", ["MMC531"]),
        (RATIO, "{rate: true}", []),
        (RATIO, "{truth: true}", ["MMC531"]),
        (f"{RATIO[:-2]}, nuisance_mode: profile}}}}", "{}", []),
    ],
)
def test_profiled_likelihoods_know_nuisance_parameters(methods: str, baselines: str, expected: list[str]) -> None:
    evaluation = f"{methods}\nevaluation: {{systematics: profile, baselines: {baselines}}}\nobservables:"
    assert codes(SYSTEMATICS, OF_SIGNAL, ("observables:", evaluation)) == expected


def test_uncertainties_of_an_event_file_are_known_when_it_is_read() -> None:
    head, _, _ = EVENT_FILES.partition("events:")
    sally = "sally: {theta: {benchmark: sm}, samples: 9, nuisance_mode: profile}"
    text = f"""{head}
events: {{file: e.h5}}
observables: {{pt_j1: {{}}}}
methods: {{{sally}}}
evaluation: {{systematics: profile}}
"""
    assert codes(text=text, **{"e.h5": None}) == []


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("sally: {theta: {benchmark: sm}, samples: 99, nuisance_mode: profile}", []),
        ("sallino: {theta: {benchmark: sm}, samples: 99, nuisance_mode: project}", []),
        ("sally: {theta: {benchmark: sm}, samples: 99, nuisance_mode: keep}", ["MMC104"]),
        (f"{RATIO[10:-2]}, nuisance_mode: project}}", []),
        (f"{RATIO[10:-2]}, nuisance_mode: profile}}", []),
        (f"{RATIO[10:-2]}, nuisance_mode: profile, estimator: double_parameterized_ratio}}", []),
        (f"{RATIO[10:-2]}, nuisance_mode: profile, estimator: morphing_aware_ratio}}", ["MMC503"]),
        ("nde: {theta: {random: {n: 9}}, samples: 99, nuisance_mode: profile}", []),
        ("derivatives: {theta: {benchmark: sm}, samples: 99}", []),
        ("derivatives: {theta: {benchmark: sm}, samples: 99, nuisance_mode: profile}", ["MMC503"]),
    ],
)
def test_nuisance_parameters_of_a_method(method: str, expected: list[str]) -> None:
    study = [OF_SIGNAL, ("observables:", f"methods: {{{method}}}\nobservables:")]
    assert codes(SYSTEMATICS, *study) == expected


@pytest.mark.parametrize("method", [SALLY[10:-1], RATIO[10:-1]])
def test_they_are_learned_where_the_group_has_an_uncertainty(method: str) -> None:
    """By default that is the first group."""
    method = f"{method[:-1]}, nuisance_mode: profile}}"
    top = (SIGNAL, f"{SIGNAL[:-1]}, systematics: [lumi]}}\n    other: {{process: u d > u d h, events: 10_000}}")
    for group, expected in (("", []), (", group: b", ["MMC532"])):
        text = f"groups: {{a: [signal], b: [other]}}\nmethods: {{{method[:-1]}{group}}}}}\nobservables:"
        assert codes(SYSTEMATICS, top, ("observables:", text)) == expected
    alone = ("observables:", f"methods: {{{method}}}\nobservables:")
    assert codes(alone) == ["MMC532"]


# -- parameters -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameter", "expected"),
    [
        ("{lha_block: dim6, lha_id: 2, range: [-10, 10], transform: 16.52*theta}", []),
        ("{lha_block: dim6, lha_id: 2, range: [-10, 10], transform: theta**2}", ["MMC224"]),
        ("{lha_block: dim6, lha_id: 2, range: [-10, 10], transform: 1 if theta > 0 else 2}", []),
        ("{lha_block: dim6, lha_id: 2, range: [-10, 10], transform: 0 * theta}", ["MMC408"]),
        ("{lha_block: dim6, lha_id: 2, range: [-10, 10], transform: 1 / theta}", ["MMC407"]),
        ("{lha_block: dim6, lha_id: 2, range: [-10, 10], transform: theta ** 0.5}", ["MMC407"]),
        ("{lha_block: dim6, lha_id: 2, range: [-10, 10], transform: sin(theta)}", ["MMC403"]),
        ("{lha_block: dim6, lha_id: 2, range: [-10, 10], transform: sqrt(theta)}", ["MMC407"]),
        ("{lha_block: dim6, lha_id: 2, range: [-10, 10], transform: CWL2}", ["MMC403"]),
        ("{lha_block: dim6, lha_id: 2, range: [-10, 10], transform: 'theta > 1'}", []),
        ("{lha_block: dim6, lha_id: 2, range: [-10, 10], transform: __import__('os')}", ["MMC403", "MMC402"]),
        ("{lha_block: dim6, range: [-10, 10]}", ["MMC318"]),
        ("{lha_id: 2, range: [-10, 10]}", ["MMC318"]),
        ("{range: [-10, 10]}", ["MMC318"]),
        ("{lha_block: dim6, lha_id: 2, coefficient: LL, range: [-10, 10]}", ["MMC319"]),
        ("{lha_block: dim6, lha_id: 2, range: [-10, 10]}\n  x: {lha_block: DIM6, lha_id: 2, range: [-1, 1]}", "MMC318"),
    ],
)
def test_parameters(parameter: str, expected: list[str] | str) -> None:
    found = codes(("{lha_block: dim6, lha_id: 2, range: [-10, 10]}", parameter))
    if isinstance(expected, str):  # the benchmarks lack the second parameter
        found, expected = [code for code in found if code != "MMC205"], [expected]
    assert found == expected


def test_a_transform_is_checked_without_generation_too() -> None:
    assert codes(("{range", "{transform: met.pt, range"), text=EVENT_FILES, **dict.fromkeys(FILES)) == ["MMC403"]


def test_half_a_place_in_the_param_card_is_none_with_event_files_either() -> None:
    assert codes(("{range", "{lha_id: 2, range"), text=EVENT_FILES, **dict.fromkeys(FILES)) == ["MMC318"]


def test_parameters_of_the_embedded_generator_have_no_place_in_a_card() -> None:
    embedded = [("generator: madgraph\n  model: EWdim6-full", "generator: pythia8")]
    embedded += [(SIGNAL, "signal: {process: dimuon, events: 10_000}")]
    assert codes(*embedded, ("range: [-10", "coefficient: LL, range: [-10")) == ["MMC319", "MMC319"]


# -- samples ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sample", "expected"),
    [
        (f"{SIGNAL}\n    {TOP}", []),
        (TOP, ["MMC305"]),
        (f"{SIGNAL}\n    {TOP.replace('10_000', '{sm: 10_000}')}", ["MMC304"]),
        (f"{SIGNAL}\n    other: {{process: d d > d d h, events: {{sm: 10}}}}", ["MMC316"]),
        (f"{SIGNAL}\n    other: {{process: d d > d d h, events: {{sm: 10, w: 10}}}}", ["MMC316"]),
        (f"{SIGNAL}\n    other: {{process: d d > d d h, events: {{default: 10}}}}", []),
        (SIGNAL.replace("10_000", "{sm: 10_000, morphing_basis_vector_2: 10}"), ["MMC201"]),
        (SIGNAL.replace("10_000", "400_000_000"), ["MMC307"]),
        (SIGNAL.replace("10_000", "300_000_000"), []),
        (SIGNAL.replace("10_000", "300_000_000, slices: {a: {ptj: 20}, b: {ptj: 100}}"), ["MMC307"]),
        (SIGNAL.replace("10_000", "1_000, slices: {a: {}}"), ["MMC323"]),
        (SIGNAL.replace("10_000", "1_000, run_card: {ptj: 20}, slices: {a: {ptj: 20}, b: {ptjmax: 9}}"), []),
        (SIGNAL.replace("10_000", "1_000, run_card: {ptj: 20}, slices: {a: {ptj: 30}, A: {ptj: 50}}"), ["MMC207"]),
        (SIGNAL.replace("10_000", "1"), ["MMC306"]),
        (f"{SIGNAL}\n  events_per_job: 2.5", ["MMC301"]),
        (f"{SIGNAL}\n  events_per_job: 0", ["MMC301"]),
        (f"{SIGNAL}\n    other: {{process: d d > d d h, model: sm, events: 10}}", ["MMC330"]),
        (f"{SIGNAL}\n    other: {{process: d d > d d h, model: EWdim6-full, events: 10}}", []),
    ],
)
def test_samples(sample: str, expected: list[str]) -> None:
    assert codes((SIGNAL, sample)) == expected


@pytest.mark.parametrize(
    ("sample", "expected"),
    [
        (TOP.replace("t~", "t~ [QCD]").replace("}", ", order: NLO}"), []),
        (TOP.replace("t~", "t~ [QCD]"), ["MMC324"]),
        (TOP.replace("}", ", order: NLO}"), ["MMC324"]),
        (TOP.replace("t~", "t~ [noborn=QCD]"), []),
        (TOP.replace("p p > t t~", "[p p > t t~ [QCD], p p > t t~ j]").replace("}", ", order: NLO}"), ["MMC004"]),
        (TOP.replace("p p > t t~", "['p p > t t~ [QCD]', p p > t t~ j]").replace("}", ", order: NLO}"), ["MMC324"]),
        (TOP.replace("t~", "t~ [QCD]").replace("}", ", order: NLO, systematics: [mu]}"), ["MMC324"]),
        (TOP.replace("t~", "t~ [QCD]").replace("}", ", order: NLO, systematics: [lumi]}"), []),
    ],
)
def test_orders(sample: str, expected: list[str]) -> None:
    sample = sample.replace("process: p p > t t~ [QCD]", "process: 'p p > t t~ [QCD]'")
    sample = sample.replace("process: p p > t t~ [noborn=QCD]", "process: 'p p > t t~ [noborn=QCD]'")
    found = codes((SIGNAL, f"{SIGNAL}\n    {sample}"), SHOWERED, DELPHES, UNCERTAINTIES)
    assert [code for code in found if code != "MMC326"] == expected


def test_events_at_next_to_leading_order_are_showered() -> None:
    sample = "top: {process: 'p p > t t~ [QCD]', order: NLO, background: true, events: 10_000}"
    (found,) = diagnose((SIGNAL, f"{SIGNAL}\n    {sample}"), cards={})
    assert (found.code, found.message) == (
        "MMC324",
        "sample 'top' has the order NLO, and events at NLO are meaningless before the shower",
    )


# -- systematic uncertainties and groups ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("lumi, mu, pdf", []),
        ("mu, mur", []),
        ("mur, pdf", []),
        ("lumi, lumi", ["MMC108"]),
        ("lumi, more", ["MMC214"]),
    ],
)
def test_uncertainties_of_a_sample(names: str, expected: list[str]) -> None:
    found = codes((SIGNAL, SIGNAL.replace("}", f", systematics: [{names}]}}")), UNCERTAINTIES)
    assert [code for code in found if code != "MMC326"] == expected


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ("{all: [signal, top]}", []),
        ("{all: [signal, top], s: [signal]}", []),
        ("{a: all, s: [signal]}", []),
        ("{a: every}", ["MMC105"]),
        ("{s: [signal]}", ["MMC219"]),
        ("{s: [signal], b: [top]}", ["MMC305"]),
        ("{s: [signal, top, x]}", ["MMC216"]),
        ("{s: [signal, top, x], b: [x]}", ["MMC216", "MMC216"]),
        ("{a b: [signal, top], a-B: [signal]}", ["MMC207"]),
        ("{}", ["MMC107"]),
    ],
)
def test_groups(groups: str, expected: list[str]) -> None:
    replaced = (SIGNAL, f"{SIGNAL}\n    {TOP}"), ("observables:", f"groups: {groups}\nobservables:")
    assert codes(*replaced) == expected


# -- the morphing basis -----------------------------------------------------------------------------------------------

METHOD = "methods: {sally: {theta: {benchmark: sm}, samples: 10}}\nobservables:"


@pytest.mark.parametrize(
    ("replacements", "expected"),
    [
        ([("generation:", "morphing: none\ngeneration:")], []),
        ([("generation:", "morphing: none\ngeneration:"), ("observables:", METHOD)], ["MMC512"]),
        ([("generation:", "morphing: none\ngeneration:"), ("10}", "10, in_basis: false}")], ["MMC319"]),
        ([("10}", "10, in_basis: false}")], []),
        ([("0}", "0, in_basis: false}")], ["MMC218"]),
        ([("10}", "10}\n  v: {CWL2: 5}\n  u: {CWL2: 6, in_basis: false}\n  t: {CWL2: 7, in_basis: false}")], []),
        ([("10}", "10}\n  v: {CWL2: 5}\n  u: {CWL2: 6}")], ["MMC209"]),
        ([("10}", "10}\n  v: {CWL2: 5}"), ("generation:", "morphing: {complete: false}\ngeneration:")], []),
        ([("10}", "10, in_basis: false}"), ("generation:", "morphing: {complete: false}\ngeneration:")], ["MMC217"]),
        ([("10}", "10}\n  v: {CWL2: 10, in_basis: false}")], ["MMC206"]),
        ([("CWL2: {", "in_basis: {"), ("CWL2: 0", "in_basis: true"), ("CWL2: 10", "in_basis: true")], "MMC208"),
    ],
)
def test_the_basis(replacements: list[tuple[str, str]], expected: list[str] | str) -> None:
    found = codes(*replacements)
    assert expected in found if isinstance(expected, str) else found == expected


ALONE = (
    EVENT_FILES
    + """
morphing: none
methods:
  alice: {theta0: {benchmarks: [w, v]}, theta1: {benchmark: sm}, samples: 10}
evaluation:
  luminosity: 1 fb^-1
  grid: {c: {points: 3}}
  baselines: {rate: true, histogram: {observables: [pt_j1]}}
"""
)

FREE = ("  baselines: {rate: true, histogram: {observables: [pt_j1]}}", "  include_xsec: false")
DENSITY = ("{theta0: {benchmarks: [w, v, sm]}, theta1: {benchmark: sm}", "{theta: {benchmarks: [w, v, sm]}")


@pytest.mark.parametrize(
    ("replacements", "expected"),
    [
        ([], []),
        ([("alice", "carl")], []),
        ([("alice", "alices")], ["alices learns from the joint score"]),
        (
            [("alice: {theta0: {benchmarks: [w, v]}, theta1", "derivatives: {theta")],
            ["derivatives learns from the derivatives of the weights"],
        ),
        ([("alice: {theta0: {benchmarks: [w, v]}, theta1", "sally: {theta")], ["sally learns from the joint score"]),
        ([("{benchmarks: [w, v]}", "{point: {c: 0.5}}")], ["samples can be drawn only at benchmarks"]),
        ([("{benchmarks: [w, v]}", "{random: {n: 9}}")], ["samples can be drawn only at benchmarks"]),
        ([("points: 3", "points: 5")], ["none is at c = -0.5"]),
        ([("points: 3", "points: 1000")], ["none is at c = -0.99"]),
        ([("{c: {points: 3}}", "{c: {range: [0, 1], points: 2}}")], []),
        ([("points: 3", "points: 99"), FREE, ("[w, v]", "[w, v, sm]")], []),
        ([("points: 3", "points: 99"), FREE, ("[w, v]", "[w, v, sm]"), ("alice", "nde"), DENSITY], ["none is at"]),
        ([("points: 3", "points: 99"), FREE], ["none is at c = -0.97"]),
        ([("points: 3", "points: 99"), ("[w, v]", "[w, v, sm]")], ["none is at c = -0.97"]),
        ([("  grid:", "  theta_true: {point: {c: 0.25}}\n  grid:")], ["the true point must be a benchmark"]),
        ([("  baselines:", "  fisher_information: {}\n  baselines:")], ["Fisher information needs morphing"]),
    ],
)
def test_without_morphing_all_points_are_benchmarks(replacements: list[tuple[str, str]], expected: list[str]) -> None:
    cards = dict.fromkeys(("sm.lhe", "w.lhe", "top.lhe"))
    found = [d for d in diagnose(*replacements, text=ALONE, cards=cards) if d.severity == "error"]
    assert [d.code for d in found] == ["MMC512"] * len(expected)
    assert all(text in d.message for text, d in zip(expected, found, strict=True)), found


@pytest.mark.parametrize("name", ["mu_nuisance_param_0_benchmark_0", "pdf central", "morphing_basis_vector_2"])
def test_benchmarks_are_not_called_as_those_of_madminer(name: str) -> None:
    assert codes(("w: {", f"{name}: {{"), UNCERTAINTIES)[0] == "MMC208"


# -- the detector -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("definition", "expected"),
    [
        ("(l[0] + met).pt", []),
        ("tau[0].pt", ["MMC403"]),
        ("v[0].pt", ["MMC403"]),
        ("p[0].pt", ["MMC403"]),
        ("p_truth[0].pt", ["MMC403"]),
    ],
)
def test_what_delphes_reconstructs(definition: str, expected: list[str]) -> None:
    assert codes(("j[0].pt", definition)) == []
    assert codes(("j[0].pt", definition), SHOWERED, DELPHES) == expected


def test_delphes_has_one_card_and_no_efficiencies() -> None:
    both = ("observables:", "detector: {simulation: delphes, card: c.tcl, shipped_card: d.tcl}\nobservables:")
    assert codes(SHOWERED, both, **{"c.tcl": ""}) == ["MMC327"]
    efficiencies = ("observables:", "efficiencies: ['0.9']\nobservables:")
    assert codes(efficiencies) == []
    assert codes(SHOWERED, DELPHES, efficiencies) == ["MMC319"]


def test_the_embedded_generator_has_no_shower_for_delphes() -> None:
    embedded = ("generator: madgraph\n  model: EWdim6-full", "generator: pythia8")
    coefficient = ("lha_block: dim6, lha_id: 2", "coefficient: LL")
    sample = (SIGNAL, "signal: {process: dimuon, events: 10_000}")
    assert codes(embedded, coefficient, sample, DELPHES) == ["MMC328"]


# -- execution --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("installations", "expected"),
    [
        ("{madgraph: /opt/mg5}", []),
        ("{madgraph: mg5}", ["MMC607"]),
        ("{madgraph: ~/mg5}", ["MMC607"]),
        ("{delphes: /opt/delphes}", ["MMC606"]),
    ],
)
def test_installations(installations: str, expected: list[str]) -> None:
    execution = ("observables:", f"execution: {{installations: {installations}}}\nobservables:")
    assert codes(execution) == expected
    if expected == ["MMC606"]:
        assert codes(SHOWERED, DELPHES, execution) == []


def test_stages() -> None:
    execution = ("observables:", "execution: {resources: {detect: {}, generate: {}, simulate: {}}}\nobservables:")
    assert codes(execution) == ["MMC605"]
    assert codes(SHOWERED, DELPHES, execution) == []
