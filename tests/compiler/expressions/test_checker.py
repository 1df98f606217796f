"""The whitelist of expressions: what passes, what is refused and why."""

import ast
import time
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmc.compiler.expressions import vocabulary as v
from mmc.compiler.expressions.checker import check_expression
from mmc.compiler.language.diagnostics import told

NAMES = ("pt_j1", "delta_phi")

PUBLISHED = [
    ("observable", "(l[0] + met).pt"),
    ("observable", "j[0].deltaphi(j[1])"),
    ("observable", "l[0].charge"),
    ("observable", "(j[0].phi - j[1].phi) * (-1. + 2.*float(j[0].eta > j[1].eta))"),
    ("observable", "j[0].deltaphi(j[1]) * (-1. + 2.*float(j[0].eta > j[1].eta))"),
    ("observable", "len(l)"),
    ("observable", "met.pt"),
    ("observable", "(a[0] + a[1]).m"),
    ("observable", "(l[0] + l[1]).m"),
    ("observable", "abs(j[0].phi - j[1].phi)"),
    ("observable", "(l[0] + l[1] + met).mt"),
    ("observable", "sum([jet.pt for jet in j])"),
    ("observable", "sum(jet.b_tag for jet in j)"),
    ("observable", "len([jet for jet in j if jet.pt > 30 and abs(jet.eta) < 2.5])"),
    ("observable", "[x for x in j if x.b_tag][0].pt"),
    ("observable", "sqrt(2 * l[0].pt * met.pt * (1 - cos(l[0].deltaphi(met))))"),
    ("observable", "mu[0].boost(-(mu[0] + mu[1]).to_beta3()).costheta"),
    ("observable", "tanh((mu[1].eta - mu[0].eta) / 2) * mu[0].charge * (2 * float((mu[0] + mu[1]).pz > 0) - 1)"),
    ("observable", "p[0].pdgid in (11, -11)"),
    ("observable", "p_truth[0].spin"),
    ("observable", "j[0].pt if len(j) > 0 else 0."),
    ("observable", "log(j[0].pt, 10) + pi"),
    ("observable", " len(j[1:])"),
    ("observable", "(j[0].pt\n + j[1].pt)"),
    ("observable", "min(j[0].pt, 100) / 2 ** 3"),
    ("observable", "max(abs(x.eta) for x in j)"),
    ("observable", "(visible - all).pt"),
    ("observable", "pt_j1 / 2"),
    ("cut", "pt_j1 > 30."),
    ("cut", "len(l) >= 1 and not (pt_j1 < 3 or delta_phi > 2)"),
    ("cut", "(a[0] + a[1]).m > 122."),
    ("cut", "122. < (a[0] + a[1]).m < 128."),
    ("cut", "j[0].b_tag"),
    ("cut", "any(x.pt > 100 for x in j)"),
    ("efficiency", "0.9 if pt_j1 > 50 else 0.5"),
    ("efficiency", "0.75"),
    ("efficiency", "1 - exp(-l[0].pt / 20)"),
]


@pytest.mark.parametrize(("kind", "text"), PUBLISHED)
def test_what_published_studies_write_passes(kind: str, text: str) -> None:
    assert check_expression(text, kind, NAMES) == []


REFUSED = [
    # not an expression
    ("", "MMC401", "this is not an expression: it is empty"),
    ("j[0].pt +", "MMC401", "this is not an expression: invalid syntax"),
    ("x := 3", "MMC401", "this is not an expression: invalid syntax"),
    ("ĵ[0].pt", "MMC401", "the character `ĵ` is not allowed in an expression"),
    ("j[0].pt\0", "MMC401", "the character `\0` is not allowed in an expression"),
    # syntax outside the whitelist
    ("lambda: 1", "MMC402", "a lambda cannot be used in an expression"),
    ("'x'", "MMC402", "text cannot be used in an expression"),
    ("f'{j}'", "MMC402", "text cannot be used in an expression"),
    ("(x := 3)", "MMC402", "an assignment cannot be used in an expression"),
    ("1j", "MMC402", "a complex number cannot be used in an expression"),
    ("None", "MMC402", "`None` cannot be used in an expression"),
    ("[1, 2]", "MMC402", "a new list cannot be used in an expression"),
    ("{1: 2}", "MMC402", "a dictionary cannot be used in an expression"),
    ("~len(j)", "MMC402", "the operator `~` cannot be used in an expression"),
    ("1 << 2", "MMC402", "this operator cannot be used in an expression"),
    ("j[0].pt is met.pt", "MMC402", "`is` cannot be used in an expression"),
    ("round(j[0].pt, ndigits=2)", "MMC402", "named arguments cannot be used"),
    ("max(*j)", "MMC402", "a starred argument cannot be used in an expression"),
    ("(lambda: 1)()", "MMC402", "only functions and methods by name can be called"),
    ("sum(x.pt for x in j for y in j)", "MMC402", "only a loop of one variable over one list is allowed here"),
    ("sum(x for x, y in j)", "MMC402", "only a loop of one variable over one list is allowed here"),
    ("sum(j.pt for j in l)", "MMC402", "`j` cannot be a loop variable"),
    # names
    ("jets[0].pt", "MMC403", "`jets` is not known to the event reader"),
    ("__import__(1)", "MMC403", "`__import__` is not a function of expressions"),
    ("eval(1)", "MMC403", "`eval` is not a function of expressions"),
    # attributes and methods
    ("l[0].px2", "MMC404", "a particle has no `px2`"),
    ("l[0].pdg_id", "MMC404", "a particle has no `pdg_id`"),
    ("l[0].__class__", "MMC404", "a particle has no `__class__`"),
    ("l[0].lib", "MMC404", "a particle has no `lib`"),
    ("l[0].set_pdgid(3)", "MMC404", "a particle has no `set_pdgid`"),
    ("l[0].spin", "MMC404", "smeared particles have no spin"),
    ("met.charge", "MMC404", "a missing momentum has no `charge`"),
    ("(l[0] + met).charge", "MMC404", "a four-vector has no `charge`"),
    ("(l[0] + l[1]).pdgid", "MMC404", "a sum of two particles has no `pdgid`"),
    ("l[0].to_beta3().m", "MMC404", "a three-vector has no `m`"),
    # kinds
    ("j.pt", "MMC405", "`j` is a list of particles and has no `pt`"),
    ("j.deltaphi(met)", "MMC405", "`j` is a list of particles and has no `deltaphi`"),
    ("met[0].pt", "MMC405", "`met` is a missing momentum; only a list has an index"),
    ("j[0.5].pt", "MMC405", "`0.5` is not an index: a whole number is needed"),
    ("l[0] + 1", "MMC405", "this operator does not accept a particle and a number"),
    ("l[0] * l[1]", "MMC405", "this operator does not accept a particle and a particle"),
    ("(l + l)[0].pt", "MMC405", "a list of particles cannot be used in arithmetic"),
    ("(l[0] + (l[1] + met)).pt", "MMC405", "MadMiner cannot add a four-vector to a particle; the reverse order works"),
    ("-(j[0].eta > 0)", "MMC405", "a condition has no sign"),
    ("(j[0].eta > 0) - (j[1].eta > 0)", "MMC405", "arithmetic between two conditions is not allowed"),
    ("l[0] > l[1]", "MMC405", "a number is needed here; `l[0]` is a particle"),
    ("sqrt(l)", "MMC405", "a number is needed here; `l` is a list of particles"),
    ("sqrt(1, 2)", "MMC405", "`sqrt` takes 1 numbers, not 2"),
    ("len(met)", "MMC405", "`len` takes a list; `met` is a missing momentum"),
    ("len(x for x in j)", "MMC405", "`len` takes a list; `(x for x in j)` is a generator, which has no length"),
    ("sum(j)", "MMC405", "`sum` takes a list of numbers; this is a list of particles"),
    ("j[0].pt()", "MMC405", "`pt` is not a function"),
    ("j[0].deltaphi", "MMC405", "`deltaphi` must be called"),
    ("j[0].deltaphi(j)", "MMC405", "`deltaphi` takes a particle or vector; `j` is a list of particles"),
    ("j[0].deltaphi()", "MMC405", "`deltaphi` takes one argument, not 0"),
    ("j[0].boost_beta3(j[1])", "MMC405", "`boost_beta3` takes a three-vector; `j[1]` is a particle"),
    ("sqrt", "MMC405", "the function `sqrt` must be called"),
    ("met(1)", "MMC405", "`met` is not a function"),
    ("j[0].pt.real", "MMC405", "a number has no `real`"),
    ("p[0].pdgid in l", "MMC405", "`l` is not a list of numbers"),
    ("j[0] if len(j) > 0 else 1", "MMC405", "this is either a particle or a number"),
    ("round(1.5, j[0].pt)", "MMC405", "`round` takes a number of digits"),
    ("sorted(j)", "MMC405", "`sorted` takes a list and the quantity of its elements"),
    ("sorted(met, 1)[0].pt", "MMC405", "`sorted` takes a list; `met` is a missing momentum"),
    ("argmin(j, it).pt", "MMC405", "a number is needed here; `it` is a particle"),
    ("argmin(j, it.pT).pt", "MMC404", "a particle has no `pT`"),
    ("it.pt", "MMC403", "`it` is not known to the event reader"),
    ("sorted(j, it.pt)", "MMC406", "an observable is a number; this is a list of particles"),
    ("without(j).pt", "MMC405", "`without` takes two arguments"),
    ("len(without(j, 1))", "MMC405", "`without` compares particles; this is a number"),
    ("transverse_mass(l, met)", "MMC405", "`transverse_mass` takes particles; this is a list of particles"),
    ("all(x for x in j)", "MMC405", "`all` takes a list of numbers; this is a list of particles"),
    ("len(sorted(j, len(sorted(j, len(sorted(j, len(sorted(j, 1))))))))",
     "MMC407", "loops are nested more than 3 levels deep"),
    ("pair(l, True, 1).m", "MMC403", "`pair` is not a function of expressions"),
    ("neutrino(l[0], met, 80, 1).pz", "MMC403", "`neutrino` is not a function of expressions"),
    # the whole
    ("l[0]", "MMC406", "an observable is a number; this is a particle"),
    ("l", "MMC406", "an observable is a number; this is a list of particles"),
    # what has no value or takes for ever
    ("9**9**9", "MMC407", "the number may become too large"),
    ("pow(9, 9**9)", "MMC407", "the number may become too large"),
    ("(((len(j)**9)**9)**9)**9", "MMC407", "the number may become too large"),
    ("2 ** len(j)", "MMC407", "the exponent is not a constant"),
    ("1/0", "MMC407", "this divides by zero"),
    ("j[0].pt % (2 - 2)", "MMC407", "this divides by zero"),
    ("met / 0", "MMC407", "this divides by zero"),
    ("sqrt(-1)", "MMC407", "`sqrt(-1)` has no value"),
    ("exp(1000)", "MMC407", "`exp(1000)` has no value"),
    ("(-8) ** 0.5", "MMC407", "`(-8) ** 0.5` has no value"),
    ("1e308 * 10", "MMC407", "`1e308 * 10` is too large"),
    ("1e999", "MMC407", "the number `1e999` is too large"),
    ("-" * 300 + "1", "MMC407", "the expression is nested more than 40 levels deep"),
    ("+".join(["j[0].pt"] * 300), "MMC407", "the expression has 2,399 characters; at most 2,000 are read"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "code", "message"), REFUSED)
def test_each_refusal_says_what_is_wrong(text: str, code: str, message: str) -> None:
    started = time.perf_counter()
    first = check_expression(text, "observable", NAMES)[0]
    assert (first.code.id, first.message) == (code, message)
    assert 0 <= first.start < max(first.end, 1) <= max(len(text), 1)
    assert time.perf_counter() - started < 10


@pytest.mark.parametrize(
    ("text", "help_text"),
    [
        ("jets[0].pt", "did you mean `j`?"),
        ("met.pT", "did you mean `pt`?"),
        ("l[0].pdg_id", "did you mean `pdgid`?"),
        ("l[0].delta_phi(met)", "did you mean `deltaphi`?"),
        ("arctan2(1, 2)", "did you mean `atan2`?"),
        ("j.pt", "write `j[0].pt` for the one with the largest pT"),
        ("l[0] - (l[1] + met)", "start with the four-vector: `-(l[1] + met) + l[0]`"),
    ],
)
def test_refusals_show_the_way_out(text: str, help_text: str) -> None:
    assert told(check_expression(text, "observable", NAMES)[0].help) == help_text


def test_a_cut_is_a_condition() -> None:
    (problem,) = check_expression("pt_j1", "cut", NAMES)
    assert (problem.code.id, problem.message) == ("MMC406", "a cut is a condition; this is a number")


def test_all_problems_are_found_with_their_place() -> None:
    text = "jet[0].pt + l[0].px2 + sqrt(met)"
    found = [(item.code.id, text[item.start : item.end]) for item in check_expression(text, "observable")]
    assert found == [("MMC403", "jet"), ("MMC404", "l[0].px2"), ("MMC405", "met")]


SAFE_NODES = {
    *(ast.Expression, ast.Constant, ast.Name, ast.Attribute, ast.Subscript, ast.Slice, ast.UnaryOp, ast.BinOp),
    *(ast.BoolOp, ast.Compare, ast.IfExp, ast.Call, ast.GeneratorExp, ast.ListComp, ast.comprehension, ast.Tuple),
    *(ast.List, ast.Load, ast.Store, ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow, ast.USub),
    *(ast.UAdd, ast.Not, ast.And, ast.Or, ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.In, ast.NotIn),
}
WORDS = st.sampled_from(
    [
        *(*v.LISTS, *v.SINGLES, *v.FUNCTIONS, *"()[],.+-*/<>=%:' x~019", "**", "2.5", "1e9", " and ", " not ", " if "),
        *(" else ", " for ", " in ", "__class__", "eval", "pt", "deltaphi", "boost", "lambda", "is"),
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.text() | st.lists(WORDS, max_size=15).map("".join), st.sampled_from(["observable", "cut", "efficiency"]))
def test_no_text_raises_and_what_passes_is_whitelisted(text: str, kind: str) -> None:
    problems = check_expression(text, kind, NAMES)
    assert all(problem.message and problem.start <= problem.end for problem in problems)
    if not problems:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text.lstrip(" \t"), mode="eval")
        assert {type(node) for node in ast.walk(tree)} <= SAFE_NODES
        names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        names |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        assert not any(name.startswith("_") for name in names)


def test_loops_are_nested_a_few_levels_deep_only() -> None:
    """The time grows with the number of particles to the power of the depth."""

    def nested(depth: int) -> str:
        text = "x0.pt"
        for k in reversed(range(depth)):
            text = f"sum({text} for x{k} in j)"
        return text

    assert check_expression(nested(3), "observable") == []
    for depth in (4, 12):
        problems = check_expression(nested(depth), "observable")
        assert {problem.code.id for problem in problems} == {"MMC407"}
    in_order = " + ".join([nested(3)] * 3)
    assert check_expression(in_order, "observable") == []
    assert check_expression("any(any(any(any(a.pt > 1 for a in j) for b in j) for c in j) for d in j)", "cut")
    assert check_expression(
        "any(a.pt > 1 for a in j if any(any(any(d.pt > 1 for d in j) for c in j) for b in j))", "cut"
    )


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_positions_behind_every_end_of_line(end: str) -> None:
    text = f"any(x.pdgid in (11,{end}11) for x in zzz)"
    (problem,) = check_expression(text, "observable", {}, "lhe")
    assert text[problem.start : problem.end] == "zzz"
