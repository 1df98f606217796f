"""Ratios of one group over another, and mixtures: what is possible, and what is said of what is not."""

import pytest
from mmc.compiler.checks import check
from mmc.compiler.language.document import load

STUDY = """
mmc: "1.0"
name: example
parameters: {c: {range: [-1, 1]}}
benchmarks: {sm: {c: 0}, plus: {c: 1}, minus: {c: -1}}
events:
  tables:
    wh: {files: [{paths: [wh.npz], benchmark: sm, cross_section: 40 fb}]}
    wbb: {files: [{paths: [wbb.npz], benchmark: sm, cross_section: 100 fb}], background: true}
    tt: {files: [{paths: [tt.npz], benchmark: sm, cross_section: 200 fb}], background: true}
observables: {m_bb: {}}
groups: {signal: [wh], background: [wbb, tt], together: all}
methods:
  alices: {group: signal, theta0: {random: {n: 1000}}, theta1: {benchmark: sm}, samples: 100_000}
  over: {method: carl, group: signal, over: background, theta0: {benchmark: sm}, theta1: {point: {c: 0}}, samples: 1000}
mixtures:
  whole: {of: {signal: [alices, over], background: reference}}
evaluation: {luminosity: 300 fb^-1}
"""


TWO_PARAMETERS = (
    ("{c: {range: [-1, 1]}}", "{a: {range: [-9, 9]}, b: {range: [-9, 9]}}"),
    (
        "{sm: {c: 0}, plus: {c: 1}, minus: {c: -1}}",
        "{sm: {a: 0, b: 5}, p: {a: 0, b: 0}, q: {a: 1, b: 0}, r: {a: -1, b: 0}, s: {a: 0, b: -1}, t: {a: 1, b: 1}}",
    ),
)
"""A point with two coordinates can be written in two orders."""


def problems(*replacements: tuple[str, str]) -> list[tuple[str, str]]:
    """Code and message of what is said of the study after replacements."""
    text = STUDY
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new, 1)
    found = check(load(text, "study.yaml"), lambda _path: "file").diagnostics
    return [(item.code, item.message) for item in found]


def test_one_ratio_in_two_factors_is_possible() -> None:
    assert problems() == []


def test_ratios_over_the_sum_of_all_groups_are_possible() -> None:
    over = "{method: carl, over: together, theta1: {benchmark: sm}, samples: 1000, "
    methods = f"  s: {over}group: signal, theta0: {{random: {{n: 10}}}}}}\n"
    methods += f"  b: {over}group: background, theta0: {{benchmark: sm}}}}\n"
    start, end = STUDY.index("  alices:"), STUDY.index("mixtures:")
    replaced = (STUDY[start:end], methods), ("[alices, over], background: reference", "s, background: b")
    assert problems(*replaced) == []


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("together: all", "together: [wh, wbb]", "no group has the samples of these groups, and only these"),
        ("signal: [wh]", "signal: [wh, tt]", "'tt' is in 'signal' and in 'background'"),
        ("[alices, over]", "[alices, other]", "the study has no method 'other'"),
        ("[alices, over]", "over", "'wh' depends on the parameters, and its ratio does not"),
        ("[alices, over]", "alices", "the other ratios are over 'signal', so 'background' is not the reference"),
        ("{point: {c: 0}}", "{point: {c: 1}}", None),
        ("theta0: {benchmark: sm}, ", "theta0: {benchmark: plus}, ", "the numerator of 'over' is not the denominator"),
        ("alices: {group: signal", "alices: {group: together", "'alices' learns from 'together'"),
        (
            "alices: {",
            "alices: {ensemble: {n: 2, samples: each, error: included}, ",
            "the limits of a mixture do not include the error of the training of 'alices'",
        ),
        ("alices: {", "alices: {ensemble: {n: 2, samples: each}, ", None),
        ("  whole:", "  alices:", "'alices' is the name of a method, baseline or combination"),
    ],
)
def test_mixtures_that_are_not_possible(old: str, new: str, message: str | None) -> None:
    found = [text for code, text in problems((old, new)) if code == "MMC568"]
    assert [text.startswith(message or "") for text in found] == ([True] if message else [])


@pytest.mark.parametrize(
    ("point", "fits"),
    [("a: 0, b: 5", True), ("b: 5, a: 0", True), ("b: 0, a: 5", False), ("a: 5, b: 0", False)],
)
def test_points_are_compared_by_parameter(point: str, fits: bool) -> None:
    changes = (("theta0: {benchmark: sm}", f"theta0: {{point: {{{point}}}}}"), ("{point: {c: 0}}", "{benchmark: p}"))
    found = [text for code, text in problems(*TWO_PARAMETERS, *changes) if code == "MMC568"]
    assert found == ([] if fits else ["the numerator of 'over' is not the denominator of 'alices'"])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("method: carl", "method: rolr", "rolr does not learn from labels alone"),
        ("over: background", "over: signal", "the numerator is of 'signal' too"),
        ("[alices, over]", "alices", "no mixture names the method, so nobody uses it"),
        (
            "method: carl",
            "method: carl, estimator: quadratic_morphing_aware_ratio",
            "the ratio of a quadratic_morphing_aware_ratio is 1 at `theta1`, as of the same group",
        ),
        (
            "method: carl",
            "method: carl, estimator: double_parameterized_ratio",
            "the ratio of a double_parameterized_ratio is 1 at `theta1`, as of the same group",
        ),
    ],
)
def test_what_cannot_be_learned_over_another_group(old: str, new: str, message: str) -> None:
    assert message in [text for code, text in problems((old, new)) if code == "MMC569"]


def test_networks_for_the_elements_of_the_basis_are_not_1_at_the_denominator() -> None:
    assert problems(("method: carl", "method: carl, estimator: morphing_aware_ratio")) == []


def test_a_group_of_backgrounds_is_for_mixtures_only() -> None:
    without = STUDY[STUDY.index("mixtures:") : STUDY.index("evaluation:")]
    assert "MMC305" in [code for code, _ in problems((without, ""))]


def test_a_mixture_can_be_combined_with_another_period() -> None:
    def combined(of: str) -> tuple[str, str]:
        return "evaluation:", f"combinations: {{c: {{of: {of}, independent: true}}}}\nevaluation:"

    later = ("together: all", "together: all, later: [wh, wbb, tt]")
    assert problems(later, combined("{together: whole, later: rate}")) == [
        ("MMC563", "'rate' is not evaluated in 'later'")
    ]
    with_rate = ("{luminosity: 300 fb^-1}", "{luminosity: 300 fb^-1, baselines: {rate: {group: later}}}")
    assert problems(later, with_rate, combined("{together: whole, later: rate}")) == []
    alone = (
        "evaluation:",
        "combinations: {c: {of: {together: whole}, others: {a: {results: a.json, limits: a.npz}}}}\nevaluation:",
    )
    assert problems(alone) == []
    assert problems(later, with_rate, combined("{signal: whole, later: rate}")) == [
        ("MMC563", "'whole' is not evaluated in 'signal'")
    ]
    assert problems(later, with_rate, combined("{signal: over, later: rate}")) == [
        ("MMC563", "'over' is not evaluated in 'signal'")
    ]


def test_a_mixture_in_a_study_with_regions() -> None:
    found = problems(("groups: {signal: [wh], background: [wbb, tt], together: all}", "regions: {all: {}}"))
    assert ("MMC568", "a mixture has groups of samples, and a study with `regions` has none") in found
