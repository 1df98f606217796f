"""What a minimiser can fit, beyond the bad examples."""

import pytest

from tests.compiler.checks.test_rules import METHOD, codes, diagnose

LUMINOSITY = "  luminosity: 300 fb^-1\n"
FOUR = (
    (
        "  c_LR: {coefficient: LR, range: [-1, 1]}\n",
        "".join(f"  c_{k}: {{coefficient: {k}, range: [-1, 1]}}\n" for k in ("LR", "RL", "RR")),
    ),
    ("c_LL: 0, c_LR: 0", "c_LL: 0, c_LR: 0, c_RL: 0, c_RR: 0"),
    ("c_LL: 0.5, c_LR: 0", "c_LL: 0.5, c_LR: 0, c_RL: 0, c_RR: 0"),
)


def test_four_parameters_need_no_grid_and_a_large_one_is_told_of_scans() -> None:
    assert codes(*FOUR) == []
    (problem,) = diagnose(*FOUR, (LUMINOSITY, LUMINOSITY + "  grid: {c_LL: {points: 100}}\n"))
    assert problem.code == "MMC507" and "scans: [{over: each}]" in problem.help


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("scans: [{over: each}, {over: [c_LL, c_LR], others: {benchmark: sm}}]", None),
        ("scans: [{over: [c_LL], others: {point: {c_LL: 0, c_LR: 2}}}]", "MMC210"),
        ("scans: [{over: [c_LL, c_XY]}]", "MMC202"),
        ("scans: [{over: [c_LL, c_LR], points: 900}]", "MMC523"),
        ("observed: {n_observed: 7}", "MMC523"),
        ("observed: {toys: {point: {c_LL: 0.1, c_LR: 0}, events: poisson, repeat: 100}}", None),
    ],
)
def test_scans_and_experiments_are_checked(said: str, code: str | None) -> None:
    assert codes((LUMINOSITY, f"{LUMINOSITY}  {said}\n")) == ([] if code is None else [code])


@pytest.mark.parametrize(
    ("method", "code"),
    [
        (METHOD.replace("}, samples", "}, calibration: isotonic, samples"), "MMC525"),
        (METHOD.replace("}, samples", "}, ensemble: {n: 2, samples: each, error: included}, samples"), "MMC524"),
        ("sally: {theta: {benchmark: sm}, samples: 1000}", None),
    ],
)
def test_without_a_grid_methods_must_be_smooth(method: str, code: str | None) -> None:
    assert codes(*FOUR, (METHOD, method)) == ([] if code is None else [code])
