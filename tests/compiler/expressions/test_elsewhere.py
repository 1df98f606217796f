"""Names of Python, numpy and ROOT get what expressions have instead, and no word gets a wrong suggestion."""

import re

import pytest
from mmc.compiler.expressions.checker import check_expression
from mmc.compiler.expressions.elsewhere import INSTEAD, INSTEAD_TRANSFORM
from mmc.compiler.expressions.vocabulary import FUNCTIONS, TRANSFORM_FUNCTIONS
from mmc.compiler.language.diagnostics import did_you_mean, told

WORDS = {"and", "or", "not", "default"}
FUNCTION = "the functions are"
OBJECT = "the objects are"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        *((text, "observable") for text in sorted(set(INSTEAD.values()))),
        *((text, "transform") for text in sorted(set(INSTEAD_TRANSFORM.values()))),
    ],
)
def test_what_is_proposed_is_possible(text: str, kind: str) -> None:
    proposed = [part for part in re.findall("`([^`]+)`", text) if part not in WORDS]
    for part in proposed:
        found = {problem.code.id for problem in check_expression(part, kind)}
        assert found <= {"MMC406"}, part  # a part of an expression may be a particle
    assert proposed or set(re.findall("`([^`]+)`", text)) & WORDS


def test_names_of_the_language_are_not_in_the_table() -> None:
    assert set(INSTEAD).isdisjoint(FUNCTIONS)
    assert set(INSTEAD_TRANSFORM).isdisjoint(TRANSFORM_FUNCTIONS)


@pytest.mark.parametrize(
    ("text", "kind", "start"),
    [
        ("sort(j)", "observable", "lists are sorted by pT"),
        ("np.sqrt(met.pt)", "observable", "write `sqrt(…)`, without a module"),
        ("np.log10(met.pt)", "observable", "write `log(met.pt, 10)`"),
        ("np.arctan2(met.px, met.py)", "observable", "did you mean `atan2`?"),
        ("np.einsum(j)", "observable", FUNCTION),
        ("2 * np.pi", "observable", "write `pi`"),
        ("np", "observable", "write functions without a module"),
        ("deltaR(j[0], j[1])", "observable", "write `j[0].deltaR(j[1])`"),
        ("bjets[0].pt", "observable", "b jets are"),
        ("signed_dphi(j[0], j[1])", "observable", "write `j[0].deltaphi(j[1]) * sign("),
        ("angle(j[0], j[1])", "observable", "write `j[0].deltaangle(j[1])`"),
        ("beam[0].e", "observable", "with an electron beam"),
        ("sqrrt(met.pt)", "observable", "did you mean `sqrt`?"),
        ("frobnicate(met.pt)", "observable", FUNCTION),
        ("xy", "observable", OBJECT),
        ("log10(theta)", "transform", "write `log(theta, 10)`"),
        ("np.exp(theta)", "transform", "write `exp(…)`, without a module"),
        ("sin(theta)", "transform", FUNCTION),
    ],
)
def test_what_the_language_has_instead(text: str, kind: str, start: str) -> None:
    (problem, *_) = check_expression(text, kind)
    assert problem.code.id == "MMC403"
    assert told(problem.help).startswith(start)


@pytest.mark.parametrize(
    ("word", "known", "meant"),
    [
        ("sorted", ["sqrt"], None),
        ("np", ["p"], None),
        ("prod", ["round"], None),
        ("extends", ["events"], None),
        ("selection", ["execution"], None),
        ("sin", ["min"], None),
        ("eat", ["eta"], "eta"),
        ("luminosities", ["luminosity"], "luminosity"),
        ("epochs", ["n_epochs"], "n_epochs"),
        ("energy_resolution", ["pt_resolution_abs", "energy_resolution_abs"], "energy_resolution_abs"),
        ("pdf_set", ["pdf", "energy"], "pdf"),
    ],
)
def test_a_suggestion_is_near_or_absent(word: str, known: list[str], meant: str | None) -> None:
    assert did_you_mean(word, known) == meant


@pytest.mark.parametrize(
    ("text", "code", "start"),
    [
        ("j[0].pt > 20 && met.pt > 3", "MMC401", "write `and`"),
        ("|j[0].eta|", "MMC401", "an absolute value is `abs(j[0].eta)`"),
        ("met.pt ^ 2", "MMC402", "a power is `**`"),
        ("j1.pt", "MMC403", "lists count from 0: write `j[0]`"),
        ("mu_2.pt", "MMC403", "lists count from 0: write `mu[1]`"),
        ("met1.pt", "MMC403", "did you mean `met`?"),
    ],
)
def test_signs_and_numbers_of_other_languages(text: str, code: str, start: str) -> None:
    (problem, *_) = check_expression(text, "cut")
    assert problem.code.id == code
    assert told(problem.help).startswith(start)


@pytest.mark.parametrize(
    ("text", "code", "help_text"),
    [
        ("met.pt > 2.4 TeV", "MMC401", "energies are in GeV, without a unit: `2400`"),
        ("met.pt > 500MeV", "MMC401", "energies are in GeV, without a unit: `0.5`"),
        ("met.pt > 30 GeV && met.pt < 50 GeV", "MMC401", "energies are in GeV, without a unit: `30`"),
        ("l[0].boost_to_rest_of(met).pt > 3", "MMC404", "did you mean `boostCM_of`?"),
        (
            "len([it for it in l if it not in j]) > 1",
            "MMC405",
            "a list without some of its particles is `without(l, j)`",
        ),
        ("l[0].pdgid in j", "MMC405", "write the numbers, as in `p[0].pdgid in (11, 13)`"),
    ],
)
def test_what_to_write_in_place_of_units_and_membership(text: str, code: str, help_text: str) -> None:
    assert (code, help_text) in [(item.code.id, told(item.help)) for item in check_expression(text, "cut")]
