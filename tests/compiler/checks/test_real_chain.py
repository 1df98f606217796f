"""Rules about MadGraph, Delphes, event files, cards, systematic uncertainties and groups beyond their bad examples."""

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


def diagnose(*replacements: tuple[str, str], text: str = BASE, cards: Mapping[str, str | None]) -> list[Diagnostic]:
    """What is said after replacements, where these cards are beside the study."""
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new, 1)
    return check(load(text, "study.yaml"), lambda path: "file" if path in cards else "missing", cards.get).diagnostics


def codes(*replacements: tuple[str, str], text: str = BASE, **cards: str | None) -> list[str]:
    return [item.code for item in diagnose(*replacements, text=text, cards=cards)]


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
        ("{lha_block: dim6, lha_id: 2, range: [-10, 10], transform: theta**2}", []),
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


# -- event files ------------------------------------------------------------------------------------------------------

FILES = [f"{name}.{kind}" for name in ("sm", "w", "top") for kind in ("lhe", "hepmc", "root")]


def event_files(*replacements: tuple[str, str]) -> list[str]:
    return codes(*replacements, text=EVENT_FILES, **dict.fromkeys(FILES))


def brought(**extra: str) -> list[tuple[str, str]]:
    """Replacements that give every event file what was made of it."""
    return [
        (f"lhe: {name}.lhe", f"lhe: {name}.lhe, " + ", ".join(f"{key}: {name}.{end}" for key, end in extra.items()))
        for name in ("sm", "w", "top")
    ]


NO_CARD = ("observables:", "detector: {simulation: delphes}\nobservables:")


@pytest.mark.parametrize(
    ("replacements", "expected"),
    [
        ([("benchmark: w", "benchmark: x")], ["MMC201"]),
        ([("benchmark: w", "benchmark: w, weights: {w: 'a.b', sm: a}")], []),
        ([("benchmark: w", "benchmark: w, weights: {x: 'a.b'}")], ["MMC201"]),
        ([("benchmark: w", "benchmark: w, weights: {w: '<a>'}")], ["MMC105"]),
        ([("top.lhe, benchmark: sm", "top.lhe, benchmark: w")], ["MMC329"]),
        ([("lhe: w.lhe", "lhe: sm.lhe")], ["MMC331"]),
        ([("observables:", "    other: {files: [{lhe: x.lhe, benchmark: sm}]}\nobservables:")], ["MMC316", "MMC601"]),
        (brought(hepmc="hepmc"), ["MMC319"] * 3),
        ([*brought(hepmc="hepmc"), DELPHES], []),
        ([*brought(hepmc="hepmc"), NO_CARD], ["MMC327"]),
        ([*brought(delphes="root"), NO_CARD], []),
        ([*brought(delphes="root"), DELPHES], ["MMC319"]),
        ([*brought(delphes="root")[:2], DELPHES], ["MMC328"] * 3),
        ([*brought(hepmc="hepmc", delphes="root")[:2], *brought(hepmc="hepmc")[2:], DELPHES], ["MMC319"] * 2),
        ([("observables:", "execution: {resources: {detect: {}}}\nobservables:")], ["MMC605"]),
        ([("observables:", "execution: {resources: {import_events: {}}}\nobservables:")], []),
        ([("observables:", "cuts: [pt_j1 > 3]\nefficiencies: ['0.9']\nobservables:")], []),
        ([("definition", "label")], ["MMC312"]),
        ([("signal:", "signal: {background: true, files: [{lhe: sm.lhe, benchmark: sm}]}\n    s:")], ["MMC331"]),
    ],
)
def test_event_files(replacements: list[tuple[str, str]], expected: list[str]) -> None:
    assert event_files(*replacements) == expected


def test_event_files_have_weights_at_the_benchmarks_of_the_study_alone() -> None:
    """MadMiner's names of those that it adds can be in the files too, for other points."""
    assert event_files((", v: {c: -1}", "")) == ["MMC334"]
    assert event_files((", v: {c: -1}", ""), ("observables:", "morphing: none\nobservables:")) == []
    assert event_files(("c: -1}", "c: -1, in_basis: false}")) == ["MMC334"]
    text = EVENT_FILES[: EVENT_FILES.index("events:")] + "events: {file: events.h5}\nobservables: {pt: {}}\n"
    assert codes((", v: {c: -1}", ""), text=text, **{"events.h5": None}) == []


def test_a_madminer_file_holds_its_basis_uncertainties_and_samples() -> None:
    text = EVENT_FILES[: EVENT_FILES.index("events:")] + "events: {file: events.h5}\nobservables: {pt: {}}\n"
    files = {"events.h5": None}
    assert codes(text=text, **files) == []
    assert codes(("c: 1", "c: 1, in_basis: false"), text=text, **files) == ["MMC311"]
    more = "systematics: {lumi: {effect: norm}}\ngroups: {all: [signal]}\nobservables:"
    assert codes(("observables:", more), text=text, **files) == ["MMC311", "MMC311"]
    assert codes(("observables:", "morphing: {n_trials: 9}\nobservables:"), text=text, **files) == ["MMC311"]
    without = ("observables:", "morphing: none\nobservables:")
    assert codes(without, text=text, **files) == []
    sally = ("observables:", "methods: {sally: {theta: {benchmark: sm}, samples: 9}}\nobservables:")
    assert codes(without, sally, text=text, **files) == ["MMC512"]


# -- cards ------------------------------------------------------------------------------------------------------------

RUN_CARD = ("  samples:", "  run_card: {file: card}\n  samples:")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("10000 = nevents ! number", []),
        ("1e4 = nevents", []),
        ("500 = nevents", ["MMC321"]),
        ("# 500 = nevents", []),
        ("0 = iseed", []),
        ("17 = iseed", ["MMC321"]),
        ("6500 = ebeam1", []),
        ("6.5d3 = EBEAM2", []),
        ("7000 = ebeam2", ["MMC321"]),
        ("lots = ebeam2", ["MMC321"]),
        ("1 = lpp1", []),
        ("-1 = lpp2", ["MMC321"]),
        ("nn23lo1 = pdlabel", []),
        ("'nn23lo1' = pdlabel", []),
        ("lhapdf = pdlabel", ["MMC321"]),
        ("230000 = lhaid", []),
        ("True = use_syst", []),
        ("['--pdf=errorset'] = systematics_arguments", []),
        ("20 = ptj", []),
        ("tag_1 = run_tag", []),
        ("no setting at all", []),
    ],
)
def test_run_card_files(line: str, expected: list[str]) -> None:
    assert codes(RUN_CARD, card=f"# a card\n{line}\n") == expected


def test_a_run_card_is_compared_with_the_study() -> None:
    beams = "  beams: {energy: 7 TeV, particles: [p, pbar], pdf: 260000}\n  run_card: {file: card}\n  samples:"
    card = "7000 = ebeam1\n7000 = ebeam2\n-1 = lpp2\nlhapdf = pdlabel\n260000 = lhaid\n"
    assert codes(("  samples:", beams), card=card) == []
    (found,) = diagnose(("  samples:", beams), cards={"card": card.replace("260000", "13000")})
    assert found.message == "line 5 of card sets lhaid to 13000, which the study overrules"
    assert found.help == "change `generation.beams.pdf` if the card is right"


def test_a_run_card_of_a_gridpack() -> None:
    (found,) = diagnose(RUN_CARD, cards={"card": "True = gridpack\n"})
    assert found.message == "line 1 of card sets gridpack to True, which the study overrules"
    assert found.help == (
        "mmc makes no gridpacks and starts none: name the files that a gridpack wrote in `events.samples`"
    )


def test_variations_in_a_run_card_are_the_study_s_where_it_has_some() -> None:
    uses = (SIGNAL, SIGNAL.replace("}", ", systematics: [mu]}"))
    card = "False = use_syst\n['--pdf=errorset'] = systematics_arguments\n"
    found = codes(uses, RUN_CARD, UNCERTAINTIES, card=card)
    assert [code for code in found if code != "MMC326"] == ["MMC321", "MMC321"]
    assert "MMC321" not in codes(uses, RUN_CARD, UNCERTAINTIES, card="True = use_syst")


def test_every_run_card_is_read_once_where_the_study_names_it() -> None:
    own = (SIGNAL, SIGNAL.replace("}", ", run_card: {file: own}, slices: {a: {file: slice}, b: {ptj: 3}}}"))
    assert diagnose(own, RUN_CARD, cards={"card": "1 = iseed", "own": "", "slice": ""}) == [], "it is used by nobody"
    for name in ("own", "slice"):
        cards = {"card": "", "own": "", "slice": "", name: "1 = iseed"}
        (found,) = diagnose(own, RUN_CARD, cards=cards)
        assert found.message == f"line 1 of {name} sets iseed to 1, which the study overrules"


@pytest.mark.parametrize(
    ("process", "expected"),
    [
        ("p p > e+ e-", []),
        ("'p p > e+ e- / z $ a $$ h QCD=0 @1'", []),
        ("[p p > e+ e-, p p > e+ e- j]", []),
        ("generate p p > e+ e-", ["MMC332"]),
        ("[p p > e+ e-, add process p p > e+ e- j]", ["MMC332"]),
        ("p p > e+ e-; launch", ["MMC332"]),
        ("'p p > e+ e- # all'", ["MMC332"]),
        ('"p p > e+ e-\\nlaunch"', ["MMC332"]),
        ("'!touch hacked'", ["MMC332"]),
        ("p p e+ e-", ["MMC332"]),
        ("' '", ["MMC332"]),
        ("'p p > e+ e- [QCD] --loop_filter=True'", ["MMC332", "MMC324"]),
    ],
)
def test_process_lines(process: str, expected: list[str]) -> None:
    assert sorted(codes(("process: u d > u d h", f"process: {process}"))) == sorted(expected)


@pytest.mark.parametrize(
    ("settings", "expected"), [("{ickkw: 0}", []), ("{ickkw: 1}", ["MMC333"]), ("{xqcut: 30.}", ["MMC333"])]
)
def test_jets_are_not_matched_to_a_shower(settings: str, expected: list[str]) -> None:
    said = ("  samples:", f"  run_card: {settings}\n  samples:")
    assert codes(said) == [], "there is no shower"
    assert codes(said, SHOWERED, DELPHES) == expected
    (name, value) = settings.strip("{}").split(": ")
    assert codes(RUN_CARD, SHOWERED, DELPHES, card=f"{value} = {name}") == expected
    mended = (RUN_CARD[0], RUN_CARD[1].replace("card}", f"card, {name}: 0}}"))
    assert codes(mended, SHOWERED, DELPHES, card=f"{value} = {name}") == [], "the study overrides the card"


@pytest.mark.parametrize("rest", ["", ", order: NLO"])
def test_advice_for_a_loop_induced_signal(rest: str) -> None:
    sample = f"signal: {{process: 'g g > z z [QCD]', events: 10_000{rest}}}"
    found = diagnose((SIGNAL, f"    {sample}"), SHOWERED, DELPHES, cards={})
    assert [item.code for item in found] == ["MMC324"]
    assert "[noborn=QCD]" in found[0].help


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ("{ptj: 20}", []),
        ("{nevents: 10_000}", ["MMC320"]),
        ("{iseed: 1}", ["MMC320"]),
        ("{EBEAM1: 6500}", ["MMC320"]),
        ("{use_syst: false}", []),
        ("{use_syst: true}", ["MMC320"]),
        ("{systematics_program: systematics}", ["MMC320"]),
    ],
)
def test_run_card_settings(settings: str, expected: list[str]) -> None:
    for sample in (f", run_card: {settings}}}", f", slices: {{a: {settings}}}}}"):
        assert codes((SIGNAL, SIGNAL.replace("}", sample))) == expected
    assert codes(("  samples:", f"  run_card: {settings}\n  samples:")) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("PartonLevel:MPI = off", []),
        ("! Beams:eCM = 8000", []),
        ("Beams:eCM = 8000", ["MMC321"]),
        ("beams:ecm 8000", ["MMC321"]),
        ("Random:setSeed = on", ["MMC321"]),
        ("Random:setSeed = off", []),
        ("Main:numberOfEvents = -1 ! all", []),
        ("Main:numberOfEvents = 10", ["MMC321"]),
        ("Main:timesAllowErrors = 10", []),
        ("HEPMCoutput:file = auto", []),
        ("HEPMCoutput:file = /dev/null", ["MMC321"]),
    ],
)
def test_pythia_cards(line: str, expected: list[str]) -> None:
    card = ("  samples:", "  shower: {program: pythia8, card: card}\n  samples:")
    assert codes(card, DELPHES, card=f"! settings\n{line}\n") == expected


def test_pythia_settings() -> None:
    settings = "{'PartonLevel:MPI': off, 'Random:seed': 1, 'beams:eCM': 3, 'HEPMCoutput:file': x}"
    shower = ("  samples:", f"  shower: {{program: pythia8, settings: {settings}}}\n  samples:")
    found = diagnose(shower, DELPHES, cards={})
    assert [item.code for item in found] == ["MMC320"] * 3
    assert found[0].help == "remove it; its place is `seed`"


@pytest.mark.parametrize(
    ("line", "expected"), [("set RandomSeed 1", ["MMC321"]), ("# set RandomSeed 1", []), ("set MaxEvents 10", [])]
)
def test_delphes_cards(line: str, expected: list[str]) -> None:
    detector = ("observables:", "detector: {simulation: delphes, card: card}\nobservables:")
    assert codes(SHOWERED, detector, card=f"{line}\n") == expected


def test_param_cards() -> None:
    shared = ("  samples:", "  param_card: {file: card}\n  samples:")
    own = (SIGNAL, SIGNAL.replace("}", ", param_card: {file: own}}"))
    right, wrong = "BLOCK DIM6 # a comment\n 2 0.0 # CWL2\n 3 0.0", "BLOCK dim7\n 2 0.0\n"
    assert codes(shared, card=right) == []
    assert codes(shared, card=wrong) == ["MMC322"]
    assert codes(shared, own, card=wrong, own=right) == []
    assert codes(shared, own, card=right, own=wrong) == ["MMC322"]
    background = (SIGNAL, f"{SIGNAL}\n    {TOP.replace('}', ', param_card: {file: own}}')}")
    assert codes(background, own=wrong) == [], "a background does not depend on the parameters"
    for settings, expected in (
        ("{dim6 all: 0}", []),
        ("{dim6 3: 1, DIM6 all: 0}", []),
        ("{decay 25: 0.004}", ["MMC322"]),
        ("{dim6 4: 1}", ["MMC322"]),
        ("{Dim6 2: 1}", ["MMC319"]),
        ("{dim6: 1}", ["MMC105"]),
    ):
        said = ("param_card: {file: card}", f"param_card: {settings.replace('{', '{file: card, ')}")
        assert codes(shared, said, card=right) == expected
        if expected != ["MMC322"]:
            assert codes(("  samples:", f"  param_card: {settings}\n  samples:")) == expected


def test_a_card_is_text_and_is_there() -> None:
    assert codes(RUN_CARD) == ["MMC601"]
    (found,) = diagnose(RUN_CARD, cards={"card": None})
    assert (found.code, found.message) == (
        "MMC380",
        "'card' is not a card: it is not UTF-8 text, or larger than 2 MB",
    )


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
