"""Transforms of parameters: what MadMiner writes into a param card is what was checked, and nothing else passes."""

import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmc.compiler.expressions.checker import MAX_TRANSFORM, check_expression, transformed

GOOD = [
    ("16.52*theta", 2.0, 33.04),
    ("theta", -1.5, -1.5),
    ("-theta**2 / 1e-3", 3.0, -9000.0),
    ("(1 + theta) ** 0.5", 3.0, 2.0),
    ("max(theta, 0)", -3.0, 0.0),
    ("abs(theta) // 2 + theta % 2", 5.0, 3.0),
    ("float(theta)", 1.0, 1.0),
]
WITH_FUNCTIONS = [
    ("10**theta", -2.0, 0.01),
    ("2**(3*theta)", 1.5, 2.0**4.5),
    ("exp(theta)", 1.0, math.e),
    ("sqrt(theta)", 9.0, 3.0),
    ("pow(10, theta) + log(theta)", 1.0, 10.0),
    ("pow(theta, 2)", 3.0, 9.0),
]
"""Stock MadMiner loads these from a file, but cannot write them into a card itself."""
BAD = [
    ("", "MMC401", "this is not an expression: it is empty"),
    ("2 theta", "MMC401", "this is not an expression: invalid syntax"),
    ("θ", "MMC401", "the character `θ` is not allowed in an expression"),
    ("Theta", "MMC403", "`Theta` is not known in a transform"),
    ("pi * theta", "MMC403", "`pi` is not known in a transform"),
    ("sin(theta)", "MMC403", "`sin` is not a function of expressions"),
    ("met.pt", "MMC403", "`met` is not known in a transform"),
    ("theta.real", "MMC405", "a number has no `real`"),
    ("theta**theta", "MMC407", "the exponent is not a constant"),
    ("(-2)**theta", "MMC407", "the exponent is not a constant"),
    ("10**(9**9 if theta > 0 else 1)", "MMC407", "the exponent is not a constant"),
    ("theta / 0", "MMC407", "this divides by zero"),
    ("theta**(9**9)", "MMC407", "the number may become too large"),
    ("'theta'", "MMC402", "text cannot be used in an expression"),
    ("lambda: theta", "MMC402", "a lambda cannot be used in an expression"),
    ("[theta]", "MMC402", "a new list cannot be used in an expression"),
    ("theta + " * 40 + "1", "MMC407", "the expression has 321 characters; at most 256 are read"),
]


@pytest.mark.parametrize(("text", "theta", "value"), [*GOOD, *WITH_FUNCTIONS])
def test_what_passes_has_the_value_that_python_gives(text: str, theta: float, value: float) -> None:
    assert check_expression(text, "transform") == []
    assert transformed(text, theta) == (pytest.approx(value), [])
    assert eval(text, {"theta": theta, **vars(math), "pow": pow}) == pytest.approx(value)


@pytest.mark.parametrize(("text", "theta"), [("sqrt(theta)", -1.0), ("log(theta)", 0.0), ("10**theta", 400.0)])
def test_functions_without_a_value_are_found_beforehand(text: str, theta: float) -> None:
    assert check_expression(text, "transform") == []
    value, problems = transformed(text, theta)
    assert (value, [problem.code.id for problem in problems]) == (None, ["MMC407"])


@pytest.mark.parametrize(("text", "code", "message"), BAD)
def test_what_does_not_pass(text: str, code: str, message: str) -> None:
    found = check_expression(text, "transform")[0]
    assert (found.code.id, found.message) == (code, message)
    assert len(text) > MAX_TRANSFORM or 0 <= found.start <= found.end <= max(len(text), 1)


def test_a_transform_may_have_no_value_somewhere() -> None:
    assert check_expression("1 / theta", "transform") == []
    assert transformed("1 / theta", 4.0) == (0.25, [])
    value, problems = transformed("1 / theta", 0.0)
    assert (value, [problem.code.id for problem in problems]) == (None, ["MMC407"])
    assert transformed("1 if theta > 0 else 2", 1.0) == (None, []), "only `eval` can tell"


_ATOMS = st.sampled_from(["theta", "2", "0.5", "16.52", "1e-3"])
_TRANSFORMS = st.recursive(
    _ATOMS,
    lambda inner: st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from(["+", "-", "*", "/", "//", "%"]), inner),
        st.builds("-{}".format, inner),
        st.builds("{}({}, {})".format, st.sampled_from(["min", "max"]), inner, inner),
        st.builds("abs({})".format, inner),
        st.builds("({})**{}".format, inner, st.sampled_from(["2", "3", "0.5"])),
    ),
    max_leaves=6,
)


@settings(deadline=None)
@given(_TRANSFORMS, st.sampled_from([-2.0, -0.1, 0.0, 0.3, 10.0]))
def test_the_value_is_known_beforehand(text: str, theta: float) -> None:
    value, problems = transformed(text, theta)
    if problems:
        assert {problem.code.id for problem in problems} == {"MMC407"}
        return
    assert value is not None
    assert value == pytest.approx(eval(text, {"theta": theta}), nan_ok=True)


def test_madminer_writes_that_value_into_the_card(tmp_path: Path) -> None:
    pytest.importorskip("madminer", exc_type=ImportError)
    from madminer.models import AnalysisParameter, Benchmark
    from madminer.utils.interfaces.mg_cards import export_param_card

    template, card = tmp_path / "template.dat", tmp_path / "card.dat"
    template.write_text("BLOCK dim6\n 2 0.0 # CWL2\n")
    for text, theta, value in GOOD:
        parameter = AnalysisParameter("CWL2", "dim6", 2, 2, (-1.0, 1.0), text)
        export_param_card(
            benchmark=Benchmark("b", {"CWL2": theta}),
            parameters={"CWL2": parameter},
            param_card_template_file=str(template),
            mg_process_directory=str(tmp_path),
            param_card_filename=str(card),
        )
        assert float(card.read_text().split()[3]) == pytest.approx(value)
        assert math.isfinite(value)
