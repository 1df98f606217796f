"""Codes, order and the small words of messages."""

import re

from hypothesis import given
from hypothesis import strategies as st
from mmc.compiler.checks.codes import CODES, FAMILIES, family
from mmc.compiler.language.diagnostics import Diagnostic, Span, did_you_mean, has_errors, in_order, one_of, show


def test_every_code_has_a_title_a_paragraph_and_a_family() -> None:
    for code, entry in CODES.items():
        assert re.fullmatch(r"MMC[0-6]\d\d", code)
        assert family(code) in FAMILIES.values()
        assert entry.title[0].isupper()
        assert not entry.title.endswith(".")
        assert entry.explanation.rstrip("`").endswith(".")
        assert len({other.title for other in CODES.values()}) == len(CODES)


def test_diagnostics_are_sorted_by_position_and_not_repeated() -> None:
    second = Diagnostic("MMC101", "b", "s.yaml", Span(2, 1, 2, 2))
    first = Diagnostic("MMC999", "a", "s.yaml", Span(1, 5, 1, 6))
    assert in_order([second, first, second]) == [first, second]


def test_warnings_are_no_errors() -> None:
    warning = Diagnostic("MMC212", "a", "s.yaml", severity="warning")
    assert not has_errors([warning])
    assert has_errors([warning, warning._replace(severity="error")])


def test_suggestions_ignore_case_blanks_and_dashes() -> None:
    assert did_you_mean("Theta0", ["theta1", "theta0"]) == "theta0"
    assert did_you_mean("c-LL", ["c LL", "c LR"]) == "c LL"
    assert did_you_mean("zzz", ["theta0"]) is None
    assert did_you_mean("x" * 1_000_000, ["x"]) is None
    assert one_of(map(str, range(20)), 3) == "`0`, `1`, `2`, … (20 in all)"


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists, max_leaves=5))
def test_values_are_shown_on_one_short_line(value: object) -> None:
    shown = show(value)
    assert shown.isprintable()
    assert len(shown) <= 62
