"""Rules about the evaluation, its observed events, bins and information, beyond their one bad example."""

import pytest
from mmc.compiler.checks import check
from mmc.compiler.inputs.observed_events import ObservedError, parse_observed
from mmc.compiler.language.document import load

from tests.compiler.checks.test_rules import DEFINITION, METHOD, codes


@pytest.mark.parametrize(
    ("evaluation", "expected"),
    [
        ("{}", []),
        ("{grid: {c_LL: {range: [-1, 1]}}}", []),
        ("{grid: {c_LL: {range: [-1.1, 1]}}}", ["MMC211"]),
        ("{grid: {c_XX: {}}}", ["MMC202"]),
        ("{grid: {c_LL: {points: 1}}}", ["MMC106"]),
        ("{theta_true: {benchmark: w}}", []),
        ("{theta_true: {benchmark: x}}", ["MMC201"]),
        ("{theta_true: {point: {c_LL: 0, c_LR: 1.5}}}", ["MMC210"]),
        ("{theta_true: {}}", ["MMC107"]),
        ("{score_bins: 10}", ["MMC503"]),
        ("{luminosity: 300 fb}", ["MMC110"]),
        ("{luminosity: -1 fb^-1}", ["MMC110"]),
        ("{luminosity: nan fb^-1}", ["MMC110"]),
        ("{luminosity: 0 pb^-1}", ["MMC511"]),
        ("{confidence_levels: [0.5, 0.5]}", ["MMC108"]),
        ("{confidence_levels: [1]}", ["MMC106"]),
        (
            "{baselines: {histogram: {observables: [m_ll], bins: {m_ll: {n: 3, range: [0, 9], scale: log}}}}}",
            ["MMC506"],
        ),
        ("{baselines: {histogram: {observables: [m_ll], bins: {m_ll: [1, 1]}}}}", ["MMC506"]),
        ("{baselines: {histogram: {observables: [m_ll], bins: {m_ll: [1]}}}}", ["MMC107"]),
        ("{baselines: {histogram: {observables: [m_ll], bins: {pt: 3}}}}", ["MMC505", "MMC506"]),
        ("{fisher_information: {observable: mass}}", ["MMC505"]),
        ("{fisher_information: {observable: m_ll, bins: [2, 1]}}", ["MMC506"]),
        ("{fisher_information: {observable: m_ll, bins: {n: 3, range: [0, 9], scale: log}}}", ["MMC506"]),
        ("{baselines: {histograms: {m: {observables: [m_ll]}, n: {observables: [mass]}}}}", ["MMC505"]),
        ("{baselines: {histograms: {m: {observables: [m_ll], bins: {m_ll: [2, 1]}}}}}", ["MMC506"]),
        ("{baselines: {histograms: {m: {observables: [m_ll]}, M: {observables: [m_ll]}}}}", ["MMC207"]),
        ("{baselines: {histograms: {}}}", ["MMC107"]),
        ("{include_xsec: both}", []),
        ("{include_xsec: maybe}", ["MMC104"]),
        ("{confidence: toys}", []),
        ("{confidence: toys, systematics: nominal, grid: {c_LL: {points: 200}, c_LR: {points: 250}}}", []),
        ("{confidence: toys, grid: {c_LL: {points: 201}, c_LR: {points: 250}}}", ["MMC533"]),
        ("{confidence: toys, event_weights: madminer}", ["MMC533"]),
        ("{confidence: asymptotic, event_weights: madminer}", []),
        ("{confidence: exact}", ["MMC104"]),
        ("{score_likelihood: adaptive-sally}", ["MMC531"]),
        ("{observed: {file: data.csv}}", ["MMC601"]),
        ("{observed: {file: data.csv, n_observed: 0}}", ["MMC601", "MMC106"]),
        ("{observed: {}}", ["MMC523"]),
    ],
)
def test_evaluation(evaluation: str, expected: list[str]) -> None:
    assert codes(("evaluation:\n  luminosity: 300 fb^-1", f"evaluation: {evaluation}")) == expected


def test_options_of_the_evaluation_that_change_nothing() -> None:
    """Without methods, or with one parameter."""
    alone = (f"methods:\n  {METHOD}\n", "")

    def evaluation(text: str) -> tuple[str, str]:
        return "evaluation:\n  luminosity: 300 fb^-1", f"evaluation: {text}"

    assert codes(alone, evaluation("{include_xsec: both, baselines: {rate: true}}")) == ["MMC531"]
    assert codes(alone, evaluation("{include_xsec: both, baselines: {histogram: {observables: [m_ll]}}}")) == []
    both = [alone, evaluation("{observed: {file: d.csv}, fisher_information: {}}")]
    assert codes(*both, files=("d.csv",)) == ["MMC531"]
    one = [("  c_LR: {coefficient: LR, range: [-1, 1]}\n", ""), ("sm: {c_LL: 0, c_LR: 0}", "sm: {c_LL: 0}")]
    one += [
        ("w: {c_LL: 0.5, c_LR: 0}", "w: {c_LL: 0.5}"),
        (METHOD, "s: {method: sally, theta: {benchmark: sm}, samples: 9}"),
    ]
    assert codes(*one, evaluation("{score_likelihood: adaptive-sally}")) == ["MMC531"]
    assert codes(*one, evaluation("{score_likelihood: sally}")) == []


def test_systematic_uncertainties_are_profiled_where_there_are_some() -> None:
    """The generator pythia8 has none; a ratio method has no histogram."""
    profile = ("evaluation:\n  luminosity: 300 fb^-1", "evaluation: {systematics: profile, baselines: {rate: true}}")
    assert codes(profile) == ["MMC532"]
    assert codes((profile[0], "evaluation: {systematics: nominal}")) == []
    toys = (profile[0], "evaluation: {systematics: profile, confidence: toys, baselines: {rate: true}}")
    assert codes(toys) == ["MMC532"], "nuisance parameters are fitted to toys in bins"
    for method, refused in {
        "alice, theta0: {benchmark: sm}, theta1: {benchmark: w}, nuisance_mode: profile": True,
        "sallino, theta: {benchmark: sm}": True,
        "sally, theta: {benchmark: sm}": False,
    }.items():
        found = codes(toys, (METHOD, f"s: {{method: {method}, samples: 9}}"))
        assert ("MMC533" in found) == refused


def test_a_histogram_with_bins_by_default_may_have_too_many_cells() -> None:
    names = [f"o{k}" for k in range(9)]
    more = "".join(f"\n  {name}: {DEFINITION}" for name in names)
    histogram = f"baselines: {{histogram: {{observables: [{', '.join(names)}]}}}}\n  luminosity"
    assert codes((f"m_ll: {DEFINITION}", f"m_ll: {DEFINITION}{more}"), ("  luminosity", f"  {histogram}")) == ["MMC507"]


@pytest.mark.parametrize("rows", ["m_ll\n91.2\n", "\ufeffrun, m-ll\n1, 91.2\n\n2, 1e3\n"])
def test_observed_events_that_can_be_used(rows: str) -> None:
    assert parse_observed(rows, ["m-ll"] if "-" in rows else ["m_ll"])[0] == [91.2]


@pytest.mark.parametrize(
    "rows", ["", "m_ll\n", "mass\n1\n", "m_ll,m_ll\n1,1\n", "m_ll\ninf\n", 'm_ll\n"1', "a,m_ll\n1\n"]
)
def test_observed_events_that_cannot(rows: str) -> None:
    with pytest.raises(ObservedError):
        parse_observed(rows + "\n\0" if rows.endswith('"1') else rows, ["m_ll"])


@pytest.mark.parametrize(
    ("bins", "likelihood", "expected"),
    [
        ("10", "sally", []),
        ("[-1, 0, 1, inf]", "sally", []),
        ("[-1, 1, 0]", "sally", ["MMC506"]),
        ("10", "adaptive-sally", []),
        ("[-1, 0, 1]", "adaptive-sally", ["MMC506"]),
        ("2000", "sally", ["MMC507"]),
    ],
)
def test_bins_of_the_score_of_a_method(bins: str, likelihood: str, expected: list[str]) -> None:
    sally = f"sally: {{theta: {{benchmark: sm}}, samples: 10, score_bins: {bins}}}"
    assert codes((METHOD, sally), ("luminosity: 300", f"score_likelihood: {likelihood}\n  luminosity: 300")) == expected


def test_luminosities_are_given_once() -> None:
    assert codes(("300 fb^-1", "[1 fb^-1, 1_000 pb^-1]")) == ["MMC108"]


def test_bins_of_the_score_are_bounded_together() -> None:
    sally = "sally: {theta: {benchmark: sm}, samples: 10}"
    third = "  c_RR: {coefficient: RR, range: [-1, 1]}\nbenchmarks:"
    replaced = [("benchmarks:", third), (METHOD, sally), ("  luminosity", "  score_bins: 200\n  luminosity")]
    replaced += [("c_LR: 0}", "c_LR: 0, c_RR: 0}"), ("c_LL: 0.5, c_LR: 0}", "c_LL: 0.5, c_LR: 0, c_RR: 0}")]
    assert codes(*replaced) == ["MMC507"]


def test_cells_of_the_score_hold_products_of_weights_at_many_benchmarks() -> None:
    """Nine parameters and 55 components: 2^9 cells are possible, 5^9 and, of 16 parameters, 2^16 are not."""
    study = """mmc: "1.0"
name: many
parameters: {%s}
benchmarks: {sm: {%s}}
events: {tables: {t: {files: [{paths: [t.npz], benchmark: sm, cross_section: 1 pb}]}}}
observables: {x: {}}
methods: {sally: {theta: {benchmark: sm}, samples: 10}}
evaluation: {luminosity: 1 fb^-1, scans: [{over: each}]}
"""
    for n, advice in ((6, None), (9, "`score_bins: 2`"), (16, "`derivatives` or a ratio method")):
        names = [f"c{k}" for k in range(n)]
        ranges, zeros = (", ".join(f"{name}: {value}" for name in names) for value in ("{range: [-1, 1]}", "0"))
        text = study % (ranges, zeros)
        found = [item for item in check(load(text, "s.yaml"), lambda _: "file").diagnostics if item.code == "MMC507"]
        assert [advice in item.help for item in found if advice] == [True] * bool(advice)
        assert len(found) == bool(advice)


INFORMATION = "fisher_information: {observable: m_ll, %s}\n  luminosity:"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("histograms: {a: {observables: [m_ll], bins: {m_ll: [-inf, 200, inf]}}}", []),
        ("histograms: {a: {observables: [m_ll], bins: {m_ll: [0, 1_000, 2_000]}}}", []),
        ("directions: {c: {c_LL: 1, c_LR: -0.25}, d: {c_LL: 1}}", []),
        ("per_bin: {m_ll: [150, 300, inf]}", []),
        ("per_bin: {m_ll: [300, 150]}", ["MMC506"]),
        ("per_bin: {m_lll: 3}", ["MMC505"]),
        ("histograms: {a: {observables: [m_ll], bins: {m_ll: [inf, 200]}}}", ["MMC506"]),
        ("histograms: {a: {observables: [m_ll], bins: {m_ll: [0, infinity]}}}", ["MMC105"]),
        ("histograms: {rate: {observables: [m_ll]}}", ["MMC208"]),
        ("directions: {c: {c_XX: 1}}", ["MMC202"]),
    ],
)
def test_fisher_information(said: str, expected: list[str]) -> None:
    assert codes(("luminosity:", INFORMATION % said)) == expected
