"""Rules beyond their one bad example: edges, what must not be reported, and several problems at once."""

import time
from typing import Any

import pytest
from mmc.compiler.checks import MOST_SHOWN, check
from mmc.compiler.checks.detector import SMEARED
from mmc.compiler.language.diagnostics import Diagnostic
from mmc.compiler.language.document import load

BASE = """
mmc: "1.0"
name: example
parameters:
  c_LL: {coefficient: LL, range: [-1, 1]}
  c_LR: {coefficient: LR, range: [-1, 1]}
benchmarks:
  sm: {c_LL: 0, c_LR: 0}
  w: {c_LL: 0.5, c_LR: 0}
generation:
  generator: pythia8
  samples:
    signal: {process: dimuon, events: 10_000}
observables:
  m_ll: {definition: "(mu[0] + mu[1]).m", required: true}
methods:
  alices: {theta0: {random: {n: 10}}, theta1: {benchmark: sm}, samples: 1000}
evaluation:
  luminosity: 300 fb^-1
"""


def diagnose(*replacements: tuple[str, str], files: tuple[str, ...] = ()) -> list[Diagnostic]:
    """What is said of the base study after replacements."""
    text = BASE
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new, 1)
    return check(load(text, "study.yaml"), lambda path: "file" if path in files else "missing").diagnostics


def codes(*replacements: tuple[str, str], files: tuple[str, ...] = ()) -> list[str]:
    return [item.code for item in diagnose(*replacements, files=files)]


GENERATION = BASE[BASE.index("generation:") : BASE.index("observables:")]
SIGNAL = "{process: dimuon, events: 10_000}"
METHOD = "alices: {theta0: {random: {n: 10}}, theta1: {benchmark: sm}, samples: 1000}"
DEFINITION = '{definition: "(mu[0] + mu[1]).m", required: true}'


def test_the_base_is_right() -> None:
    assert codes() == []


def test_all_problems_are_reported_in_one_go_by_position() -> None:
    found = diagnose(
        ("range: [-1, 1]}\n  c_LR", "rang: [-1, 1]}\n  c_LR"),
        ("w: {c_LL: 0.5, c_LR: 0}", "w: {c_LL: .nan, c_RL: 0}"),
        ("process: dimuon", "process: dimuons"),
        ("(mu[0] + mu[1]).m", "mu.pt"),
        ("benchmark: sm", "benchmark: SM"),
        ("300 fb^-1", "300"),
    )
    listed = ["MMC102", "MMC101", "MMC011", "MMC104", "MMC405", "MMC201", "MMC110"]
    assert [item.code for item in found] == listed
    assert [item.span for item in found] == sorted(item.span for item in found)


def test_a_key_that_is_misspelt_does_not_hide_other_problems() -> None:
    assert codes(("samples: 1000", "sample: 1000")) == ["MMC102", "MMC101"]
    assert codes(("luminosity:", "luminosty:"), ("benchmark: sm", "benchmark: x")) == ["MMC201", "MMC101"]


def test_nothing_is_said_of_what_depends_on_a_broken_part() -> None:
    assert codes(("  sm: {c_LL: 0, c_LR: 0}", "  sm: 3")) == ["MMC103"]
    assert codes(("benchmarks:\n  sm: {c_LL: 0, c_LR: 0}\n  w: {c_LL: 0.5, c_LR: 0}", "benchmarks: 3")) == ["MMC103"]
    assert codes((GENERATION, "generation: 3\n")) == ["MMC103"]


def test_another_version_of_the_language_is_all_that_is_said() -> None:
    assert codes(('"1.0"', '"2.0"'), ("range", "rang")) == ["MMC109"]


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ("1e5", []),
        ("10_000.0", []),
        ("{sm: 1e4, default: 500}", []),
        ("{sm: 10_000}", []),
        ("0", ["MMC301"]),
        ("-5", ["MMC301"]),
        ("1.5", ["MMC301"]),
        ("1e30", ["MMC301"]),
        ("'10'", ["MMC103"]),
        ("yes", ["MMC103"]),
        ("{sm: 0}", ["MMC301"]),
        ("{sm: 1.5}", ["MMC301"]),
        ("{}", ["MMC107"]),
        ("{ms: 10_000}", ["MMC201"]),
        ("3", ["MMC335"]),
        ("83", ["MMC335"]),
        ("84", []),  # at six benchmarks, of which a fifth is 100.8
        ("{sm: 3, w: 1}", ["MMC306"]),
        ("10_000, events_per_job: 0", ["MMC301"]),
        ("10_000, events_per_job: 2.5", ["MMC301"]),
        ("2_000_000, events_per_job: 10", ["MMC307"]),
    ],
)
def test_numbers_of_events(events: str, expected: list[str]) -> None:
    assert codes(("events: 10_000", f"events: {events}"))[: max(len(expected), 1)] == expected


def test_whole_numbers_become_integers() -> None:
    text = BASE.replace("events: 10_000", "events: {sm: 1e4, default: 5e2}").replace(
        "1000}", "1e3, training: {n_hidden: [1e2]}}"
    )
    data = check(load(text, "study.yaml"), lambda _: "missing").data
    assert data is not None
    assert repr(data["generation"]["samples"]["signal"]["events"]) == "{'sm': 10000, 'default': 500}"
    assert repr(data["methods"]["alices"]["samples"]) == "1000"
    assert repr(data["methods"]["alices"]["training"]["n_hidden"]) == "[100]"


def test_scanned_whole_numbers_become_integers() -> None:
    text = BASE.replace(
        "samples: 1000", "samples: 1000, scan: {training.n_epochs: [1e1, 20], training.alpha: [1, 2.0]}"
    )
    data = check(load(text, "study.yaml"), lambda _: "missing").data
    assert data is not None
    assert repr(data["methods"]["alices"]["scan"]) == "{'training.n_epochs': [10, 20], 'training.alpha': [1, 2.0]}"


@pytest.mark.parametrize(
    ("splits", "expected"),
    [
        ("{}", []),
        ("{test_split: 0.1, validation_split: 0.1}", []),
        ("{test_split: 0.5}", []),
        ("{test_split: 0.8}", ["MMC306"]),
        ("{test_split: 0}", ["MMC306"]),
        ("{test_split: 1}", ["MMC306"]),
        ("{test_split: -0.1}", ["MMC306"]),
        ("{validation_split: 0.0}", ["MMC306"]),
        ("{test_split: 0.7, validation_split: 0.3}", ["MMC306"]),
        ("{test_split: 0.00001}", ["MMC306"]),
        ("{test_split: null}", ["MMC103"]),
    ],
)
def test_splits(splits: str, expected: list[str]) -> None:
    assert codes(("methods:", f"sampling: {splits}\nmethods:")) == expected


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("sally: {theta: {benchmark: sm}, samples: 10}", []),
        ("x: {method: sallino, theta: {benchmark: sm}, samples: 10}", []),
        ("sally: {theta: {benchmark: sm}, theta0: {benchmark: w}, samples: 10}", ["MMC503"]),
        ("sally: {samples: 10}", ["MMC502"]),
        ("carl: {samples: 10}", ["MMC502", "MMC502"]),
        (METHOD[:-1] + ", theta: {benchmark: sm}}", ["MMC503"]),
        (METHOD[:-1] + ", training: {alpha: 3}}", []),
        ("nde: {samples: 10}", ["MMC502"]),
        ("derivatives: {theta: {benchmarks: [sm, w]}, samples: 10, calibration: normalisation}", []),
        ("derivatives: {samples: 10}", ["MMC502"]),
        ("derivatives: {theta: {benchmark: sm}, theta1: {benchmark: sm}, samples: 10}", ["MMC503"]),
        ("derivatives: {theta: {benchmark: sm}, samples: 10, training: {alpha: 1}}", ["MMC503"]),
        ("derivatives: {theta: {benchmark: sm}, samples: 10, estimator: morphing_aware_ratio}", ["MMC503"]),
        ("derivatives: {theta: {random: {n: 11}}, samples: 10}", ["MMC508"]),
        ("scandal: {theta: {random: {n: 10}}, samples: 10, calibration: normalisation}", []),
        ("nde: {theta: {random: {n: 11}}, samples: 10}", ["MMC508"]),
        ("nde: {theta: {random: {n: 10}}, theta1: {benchmark: sm}, samples: 10}", ["MMC503"]),
        ("nde: {theta: {random: {n: 10}}, samples: 10, training: {alpha: 1}}", ["MMC503"]),
        ("nde: {theta: {random: {n: 10}}, samples: 10, training: {dropout_prob: 0.1}}", ["MMC503"]),
        ("nde: {theta: {random: {n: 10}}, samples: 10, training: {n_hidden: []}}", ["MMC521"]),
        ("nde: {theta: {random: {n: 10}}, samples: 10, scan: {training.n_hidden: [[10], []]}}", ["MMC521"]),
        ("nde: {theta: {random: {n: 10}}, samples: 10, scan: {training.n_components: [1, 2]}}", []),
        (METHOD[:-1] + ", training: {n_mades: 3}}", ["MMC503"]),
        ("sally: {theta: {random: {n: 10}}, samples: 10}", ["MMC520"]),
        ("sally: {theta: {benchmark: sm}, samples: 10, estimator: morphing_aware_ratio}", ["MMC503"]),
        (METHOD.replace("theta1: {benchmark: sm}", "theta1: {random: {n: 10}}"), ["MMC520"]),
        (METHOD[:-1] + ", estimator: double_parameterized_ratio}", []),
        (METHOD[:-1] + ", estimator: morphing_aware_ratio, ensemble: 3}", []),
        (METHOD[:-1] + ", estimator: morphing_aware_ratio, training: {scale_parameters: true}}", ["MMC503"]),
        (METHOD[:-1] + ", estimator: quadratic_morphing_aware_ratio}", []),
        (METHOD[:-1] + ", ensemble: 1}", ["MMC106"]),
        (METHOD.replace("n: 10", "n: 10, priors: {c_LL: {gaussian: [0, 1]}}"), []),
        (METHOD.replace("n: 10", "n: 10, priors: {c_LL: {gaussian: [0.1, 1]}}"), ["MMC522"]),
        (METHOD.replace("alices", "rolr")[:-1] + ", training: {alpha: 3}}", ["MMC503"]),
        (METHOD[:-1] + ", training: {nesterov_momentum: 0.9}}", ["MMC503"]),
        (METHOD[:-1] + ", training: {nesterov_momentum: 0.9, optimizer: sgd}}", []),
        (METHOD[:-1] + ", training: {nesterov_momentum: 0.9}, scan: {training.optimizer: [sgd, adam]}}", []),
        (METHOD[:-1] + ", training: {early_stopping: false, early_stopping_patience: 3}}", ["MMC503"]),
        ("sally: {theta: {benchmark: sm}, samples: 10, training: {scale_parameters: true}}", ["MMC503"]),
        ("sally: {theta: {benchmark: sm}, samples: 10, scan: {training.alpha: [1, 2]}}", ["MMC503"]),
        (METHOD[:-1] + ", scan: {training.n_epochs: [1, 2.5]}}", ["MMC504"]),
        (METHOD[:-1] + ", scan: {training.n_hidden: [[10], [10, 10]]}}", []),
        (METHOD[:-1] + ", scan: {training.n_hidden: [10]}}", ["MMC504"]),
        (METHOD[:-1] + ", scan: {training.activation: [tanh, sigmoid]}}", ["MMC504"]),
        (METHOD[:-1] + ", scan: {training.alpha: [1, 1.0]}}", ["MMC504"]),
        (METHOD[:-1] + ", scan: {alpha: [1]}}", ["MMC504"]),
        (METHOD[:-1] + ", scan: {training.alpha: []}}", ["MMC107"]),
        (METHOD.replace("n: 10", "n: 1001"), ["MMC508"]),
        (METHOD[:-1] + ", validation_samples: 5}", ["MMC508"]),
        (METHOD.replace("n: 10", "n: 10, priors: {c_LL: {flat: [-2, 0]}}"), ["MMC211"]),
        (METHOD.replace("n: 10", "n: 10, priors: {c_LL: {gaussian: [1.5, 0.1]}}"), ["MMC211"]),
        (METHOD.replace("n: 10", "n: 10, priors: {c_LL: {flat: [0, 0]}}"), ["MMC111"]),
        (METHOD.replace("n: 10", "n: 10, priors: {c_XX: {flat: [0, 1]}}"), ["MMC202"]),
        (METHOD.replace("benchmark: sm", "point: {c_LL: 0}"), []),
        (METHOD.replace("benchmark: sm", "point: {c_LL: 3, c_LR: 0}"), ["MMC210"]),
        (METHOD.replace("random: {n: 10}", "points: [{c_LL: 0, c_LR: 0}, {c_LR: 1}]"), []),
        ("rate: {method: alices, " + METHOD.removeprefix("alices: {"), ["MMC208"]),
    ],
)
def test_methods(method: str, expected: list[str]) -> None:
    assert codes((METHOD, method)) == expected


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("pt-1: {definition: met.pt}", []),
        ("j: {definition: met.pt}", []),
        ("sqrt: {definition: met.pt}", []),
        ("m-ll: {definition: met.pt}", ["MMC207"]),
        ("M_LL: {definition: met.pt}", []),
        ("n: {definition: len(j)}", []),
        ("n: {definition: 'sum([x.pt for x in j])'}", []),
        ("n: {definition: '[x for x in j][0].pt'}", ["MMC313"]),
        ("n: {definition: 'j[0].pt', default: 0}", []),
        ("n: {}", ["MMC312"]),
        ("n: {definition: m_ll}", []),
        ("n: {definition: n}", ["MMC411"]),
        ("n: {definition: k + 1}\n  k: {definition: n}", ["MMC411"]),
        ("met: {definition: met.pt}", []),
        ("n: {definition: ''}", ["MMC401"]),
        ("n: {definition: '2 * pi'}", ["MMC409"]),
    ],
)
def test_observables(entry: str, expected: list[str]) -> None:
    assert codes((f"m_ll: {DEFINITION}", f"m_ll: {DEFINITION}\n  {entry}")) == expected


def test_cuts_use_observables_as_madminer_names_them() -> None:
    assert codes(("m_ll:", "m-ll:"), ("methods:", "cuts: [m_ll > 3]\nmethods:")) == []
    cuts = "default_observables: {}\ncuts: [pt_l1 > 3, 'n_jets > 1']\nmethods:"
    assert codes(("methods:", cuts)) == ["MMC403"]
    assert codes(("m_ll:", "pt_l1:"), ("methods:", "default_observables: {}\nmethods:")) == ["MMC208"]


def test_positions_within_expressions() -> None:
    (found,) = diagnose(("methods:", "cuts:\n  - {definition: 'm_ll > jets[0].pt'}\nmethods:"))
    assert (found.code, found.span.line, found.span.column) == ("MMC403", 17, 26)
    (found,) = diagnose(("methods:", "cuts:\n  - >-\n    m_ll >\n    jets[0].pt\nmethods:"))
    assert (found.code, found.span.line, found.span.end_line) == ("MMC403", 17, 20)


@pytest.mark.parametrize(
    ("sample", "expected"),
    [
        ("{process: dimuon, background: true, events: 10_000}", ["MMC305", "MMC304"]),
        ("{process: dimuon, events: 10_000, run_card: {m_min: 14 TeV}}", ["MMC309"]),
        ("{process: dimuon, events: 10_000, run_card: {pt_min: 7 TeV}}", ["MMC309"]),
        ("{process: dimuon, events: 10_000, run_card: {m_min: 1 TeV, m_max: 2 TeV, pt_min: 100 GeV}}", []),
        ("{process: dimuon, events: 10_000, run_card: {m_max: 0 GeV}}", ["MMC309"]),
        (SIGNAL + "\n    top: {process: ttbar, background: true, events: {sm: 10}}", ["MMC304"]),
        (SIGNAL + "\n    more: {process: dimuon, events: {default: 10}}", []),
        (SIGNAL + "\n    more: {process: dimuon, events: {sm: 10}}", ["MMC316"]),
        ("{process: dimuon, events: 10_000, run_card: {m_min: 119 GeV}}", ["MMC317"]),
        (SIGNAL + "\n    Signal: {process: dimuon, events: 10}", ["MMC207"]),
    ],
)
def test_samples(sample: str, expected: list[str]) -> None:
    assert codes((SIGNAL, sample)) == expected


@pytest.mark.parametrize("resource", ["memory: 0 GiB", "time: 0 s", "time: 2 hours"])
def test_a_job_asks_for_something(resource: str) -> None:
    assert codes(("methods:", f"execution: {{resources: {{train: {{{resource}}}}}}}\nmethods:")) == ["MMC110"]


def test_smearing_names_each_particle_once() -> None:
    twice = "detector: {smearing: [{pdgids: [13]}, {pdgids: [-13, 13]}]}\nmethods:"
    assert codes(("methods:", twice)) == ["MMC310"]
    assert codes(("methods:", "detector: {smearing: [{pdgids: [2212]}]}\nmethods:")) == ["MMC310"]


def test_the_smeared_particles_are_those_of_madminer() -> None:
    lhe = pytest.importorskip("madminer.utils.interfaces.lhe", exc_type=ImportError)
    assert set(lhe.get_elementary_pdg_ids()) == SMEARED


def test_a_full_basis_is_right_and_one_more_is_not() -> None:
    points = [(0, 0), (0.5, 0), (-0.5, 0), (0, 0.5), (0, -0.5), (0.5, 0.5), (1, 1)]
    for count, expected in ((6, []), (7, ["MMC209"])):
        benchmarks = "".join(f"  b{i}: {{c_LL: {x}, c_LR: {y}}}\n" for i, (x, y) in enumerate(points[:count]))
        old = "  sm: {c_LL: 0, c_LR: 0}\n  w: {c_LL: 0.5, c_LR: 0}\n"
        assert codes((old, benchmarks), ("{benchmark: sm}", "{benchmark: b0}")) == expected


def test_a_fit_may_have_more_benchmarks_that_determine_all_components() -> None:
    fit = ("benchmarks:", "morphing: {fit: least-squares}\nbenchmarks:")
    points = [(0, 0), (0.5, 0), (-0.5, 0), (0.25, 0), (0, 0.5), (0, -0.5), (0, 0.25), (0.5, 0.5)]
    for count, expected in ((8, []), (7, ["MMC213"]), (3, [])):
        benchmarks = "".join(f"  b{i}: {{c_LL: {x}, c_LR: {y}}}\n" for i, (x, y) in enumerate(points[:count]))
        old = "  sm: {c_LL: 0, c_LR: 0}\n  w: {c_LL: 0.5, c_LR: 0}\n"
        assert codes((old, benchmarks), ("{benchmark: sm}", "{benchmark: b0}"), fit) == expected


def hostile(section: str, value: str) -> list[str]:
    started = time.process_time()
    found = codes(("methods:", f"{section}: {value}\nmethods:"))
    assert time.process_time() - started < 8
    assert len(found) <= MOST_SHOWN + 1
    return found


def test_many_problems_take_little_time() -> None:
    assert hostile("cuts", "[" + "0, " * 25_000 + "0]")[-1] == "MMC014"
    assert hostile("cuts", "[" + "'m_ll', " * 25_000 + "'m_ll']")[-1] == "MMC014"
    assert "MMC108" in hostile("detector", "{smearing: [{pdgids: [" + "1, x, " * 12_000 + "2]}]}")
    assert hostile("plots", "{colors: {" + ", ".join(f"m{i}: red" for i in range(30_000)) + "}}") == ["MMC007"]
    assert hostile("x-note", "[" + "0, " * 25_000 + "0]") == []


def test_messages_never_show_a_large_value() -> None:
    huge: Any = "'" + "x" * 500_000 + "'"
    for old, new in (("name: example", f"name: {huge}"), ("300 fb^-1", huge), ("pythia8", huge), ("sm}", huge + "}")):
        assert all(len(item.message) < 300 and len(item.help) < 500 for item in diagnose((old, new)))


def test_resources_are_for_stages_that_the_planner_adds() -> None:
    resources = "execution: {resources: {train: {cpus: 2}, tune: {}, baselines: {cpus: 2}, evaluate: {}, report: {}}}"
    with_resources = ("methods:", f"{resources}\nmethods:")

    def refused(*replacements: tuple[str, str]) -> list[str]:
        found = [item for item in diagnose(with_resources, *replacements) if item.code == "MMC605"]
        return [item.message.removeprefix("the study has no stage ") for item in found]

    searched = "{scan: {training.n_epochs: [1, 2]}, tuning: {search: optuna, criterion: validation_loss, trials: 2}, "
    assert refused() == ["tune", "baselines"]
    assert refused((METHOD, METHOD.replace("{", searched, 1))) == ["train", "baselines"]  # Optuna's job trains
    assert refused(("luminosity: 300 fb^-1", "luminosity: 300 fb^-1\n  baselines: {truth: true}")) == ["tune"]
    assert refused(("luminosity: 300 fb^-1", "luminosity: 300 fb^-1\n  fisher_information: {}")) == ["tune"]
    assert refused((METHOD, "alices: {}")) == []  # it is not clear what the study wants


def test_points_take_what_they_do_not_list_from_the_first_benchmark() -> None:
    shorter = BASE.replace("sm: {c_LL: 0, c_LR: 0}", "sm: {c_LL: 0, c_LR: 0.25}").replace(
        "w: {c_LL: 0.5, c_LR: 0}", "w: {c_LL: 0.5}"
    )
    checked = check(load(shorter, "study.yaml"), lambda _path: "missing")
    assert checked.diagnostics == []
    assert checked.data is not None
    assert checked.data["benchmarks"]["w"] == {"c_LL": 0.5, "c_LR": 0.25}
    assert codes(("sm: {c_LL: 0, c_LR: 0}", "sm: {c_LL: 0}"), ("w: {c_LL: 0.5, c_LR: 0}", "w: {c_LR: 0}")) == ["MMC205"]
    assert codes(
        ("sm: {c_LL: 0, c_LR: 0}", "sm: {c_LL: 0, c_LR: 2}"), ("w: {c_LL: 0.5, c_LR: 0}", "w: {c_LL: 0.5}")
    ) == ["MMC212"]


def test_an_observable_that_is_a_text_is_its_definition() -> None:
    long, cut = "m_ll: " + DEFINITION, "cuts: [len(mu) >= 2]\nmethods:"
    assert codes((long, "m_ll: (mu[0] + mu[1]).m"), ("methods:", cut)) == []
    found = diagnose((long, "m_ll: (mu[0] + mu[1]).m + foo"), ("methods:", cut))
    assert [(item.code, item.span.line, item.span.column) for item in found] == [("MMC403", 15, 29)]


def test_a_cut_on_an_observable_asks_for_its_particles() -> None:
    long, more = "m_ll: " + DEFINITION, "m_ll: (mu[0] + mu[1]).m\n  pt: mu[1].pt"
    assert codes((long, more)) == ["MMC313", "MMC313"]
    assert codes((long, more), ("methods:", "cuts: [pt > 30]\nmethods:")) == []
    default = more.replace("pt: mu[1].pt", "pt: {definition: 'mu[1].pt', default: 0}")
    assert codes((long, default), ("methods:", "cuts: [pt > 30]\nmethods:")) == ["MMC313"]


@pytest.mark.parametrize(
    ("transform", "more", "said"),
    [
        ("16.52*theta", "", ""),
        ("1e-3 * (theta - 0.5) + 7", "", ""),
        ("abs(theta)", "", ""),  # all of the range is positive
        ("10**theta", "", "no polynomial"),
        ("sqrt(theta)", "", "no polynomial"),
        ("1/theta", ", max_power: 8", "no polynomial"),
        ("theta**2", "", "`max_power: 4`"),
        ("theta**2", ", max_power: 4", ""),
        ("exp(theta)", "", "no polynomial"),
        ("1e-12 * theta**3", "", "has degree 3 in 'c_LL', and weights have a higher one; write `max_power: 6`"),
        ("theta + theta**4", "", "`max_power: 8`"),
        ("theta**3", ", max_power: 2", "`max_power: 6`"),
        ("1e-12 * theta**3", ", max_power: 6", ""),
    ],
)
@pytest.mark.parametrize("morphing", ["", "morphing: none\n"])
def test_transforms_with_morphing_are_polynomials(transform: str, more: str, said: str, morphing: str) -> None:
    generated = "generator: madgraph\n  model: sm\n  samples:\n    signal: {process: p p > mu+ mu-, events: 10_000}\n"
    found = diagnose(
        (
            "c_LL: {coefficient: LL, range: [-1, 1]}",
            f'c_LL: {{lha_block: d, lha_id: 1, range: [0.1, 2], transform: "{transform}"{more}}}',
        ),
        ("c_LR: {coefficient: LR, range: [-1, 1]}", "c_LR: {lha_block: d, lha_id: 2, range: [-1, 1]}"),
        ("generation:\n", morphing + "generation:\n"),
        (GENERATION.removeprefix("generation:\n"), f"  {generated}"),
    )
    messages = [f"{item.message}; {item.help}" for item in found if item.code == "MMC224"]
    assert len(messages) == bool(said and not morphing)
    assert all(said in text for text in messages)
