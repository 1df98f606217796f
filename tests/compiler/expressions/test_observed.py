"""Cuts on observed events: those on definitions of observables are cuts on observables."""

import pytest
from mmc.compiler.expressions.observed import conditions

OBSERVABLES = {"pt": "mu[0].pt", "m": "(mu[0] + l[0]).m", "n": "len(j)", "far": "abs(mu[0].eta) > 2"}
NAMES = {"lead": "mu[0]", "hard": "lead.pt > 50", "tight": "hard and m < 90", "pair": "lead + l[0]"}


@pytest.mark.parametrize(
    ("cut", "expected"),
    [
        ("pt > 50.", ["pt > 50."]),  # as it is written
        ("mu[0].pt > 50.", ["pt > 50.0"]),
        ("( mu[0] ).pt>50 and len(e) == 0", ["pt > 50", "len(e) == 0"]),
        ("lead.pt / m > 2 or lead.pt > 1e3", ["pt / m > 2 or pt > 1000.0"]),
        ("tight and (n > 1 and len(j) < 4)", ["pt > 50", "m < 90", "n > 1", "n < 4"]),
        ("not tight", ["not (pt > 50 and m < 90)"]),
        ("pair.m > 20", ["m > 20"]),
        ("mu[1].pt > 50", ["mu[1].pt > 50"]),
        ("any(x.pt > 9 for x in j)", ["any(x.pt > 9 for x in j)"]),
        ("any(x.pt > lead.pt for x in j)", ["any((x.pt > pt for x in j))"]),
        ("any(hard.pt > 9 for hard in j)", ["any(hard.pt > 9 for hard in j)"]),
        ("len([pair.pt for pair in j]) > 2 and hard", ["len([pair.pt for pair in j]) > 2", "pt > 50"]),
    ],
)
def test_conditions(cut: str, expected: list[str]) -> None:
    assert conditions([cut], OBSERVABLES, NAMES) == tuple(expected)


def test_names_that_double() -> None:
    """A long chain is left as it is, in no time."""
    names = {"d0": "mu[0].pt"} | {f"d{k}": f"d{k - 1} + d{k - 1}" for k in range(1, 50)}
    (text,) = conditions(["d49 > 1"], OBSERVABLES, names)
    assert len(text) < 4_000 and "d4" in text
