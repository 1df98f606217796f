"""The whitelist of expressions is MadMiner's real vocabulary: what passes has a value on its real particles."""

import math
import warnings
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmc.compiler.expressions import vocabulary as v
from mmc.compiler.expressions.checker import check_expression, checked
from mmc.compiler.expressions.naming import named, with_names
from mmc.compiler.expressions.scope import scope_of_reader

from tests.compiler.expressions.test_checker import PUBLISHED


@pytest.fixture(scope="module")
def objects() -> dict[str, Any]:
    """What the reader defines for an event, from MadMiner's own function."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("madminer")
        from madminer.utils.interfaces.lhe import _get_objects
        from madminer.utils.particle import MadMinerParticle
        from mmc.jobs.madminer.workarounds import _with_sums

    def particle(pdgid: int, *momentum: float) -> Any:
        made = MadMinerParticle.from_rhophietatau(*momentum)
        made.set_pdgid(pdgid)
        return made

    ids = (11, -11, 13, -13, 15, -15, 5, 1, 21, 22, 22, 12, 14)
    smeared = [particle(i, 20.0 + 7 * k, 0.4 * k - 3, 0.3 * k - 1.9, 0.1 + k / 9) for k, i in enumerate(ids)]
    truth = [particle(i, 21.0 + 7 * k, 0.4 * k - 3, 0.3 * k - 1.9, 0.1 + k / 9) for k, i in enumerate(ids)]
    for item in truth:
        item.set_spin(1.0)
    made = _with_sums(_get_objects)(smeared, truth)
    return {**made, "visible": made["visible"], "all": made["all"]}


def evaluate(text: str, objects: dict[str, Any]) -> Any:
    return eval(text, dict(objects))  # as MadMiner does; the tests' own expressions only


def test_names_are_those_that_the_reader_defines(objects: dict[str, Any]) -> None:
    from madminer.utils.various import math_commands

    assert set(objects) == {*v.LISTS, *v.SINGLES, *v.CONSTANTS, *v.MATH}
    assert set(math_commands()) == {*v.CONSTANTS, *v.MATH}
    assert all(isinstance(objects[name], list) and objects[name] for name in v.LISTS)
    assert objects["pi"] == v.CONSTANTS["pi"]
    for name in v.MATH:
        assert objects[name] is getattr(math, name)


EXAMPLES = {
    v.TRUTH: "p_truth[0]",
    v.PARTICLE: "l[0]",
    v.MET: "met",
    v.PAIR: "(l[0] + l[1])",
    v.VECTOR4: "(l[0] + l[1] + met)",
    v.VECTOR3: "l[0].to_beta3()",
}


@pytest.mark.parametrize("kind", EXAMPLES)
def test_attributes_are_those_of_the_real_particles(kind: str, objects: dict[str, Any]) -> None:
    particle = evaluate(EXAMPLES[kind], objects)
    for name, result in v.ATTRIBUTES[kind].items():
        value = getattr(particle, name)
        if result == v.TRUTH_VALUE:
            assert isinstance(value, bool), name
        else:
            float(value)  # a number, if perhaps infinite: gamma of a massless particle
    numeric = set()
    for name in dir(particle):
        if name.startswith("_"):
            continue
        value = getattr(particle, name, None)
        if isinstance(value, int | float) and not isinstance(value, bool):
            numeric.add(name)
    assert numeric <= set(v.ATTRIBUTES[kind])


@pytest.mark.parametrize("kind", EXAMPLES)
def test_methods_are_those_of_the_real_particles(kind: str, objects: dict[str, Any]) -> None:
    methods = v.METHODS3 if kind == v.VECTOR3 else v.METHODS
    for name, (wanted, result) in methods.items():
        for argument in [*(f"{example}" for example in EXAMPLES.values()), "0.3", ""]:
            text = f"{EXAMPLES[kind]}.{name}({argument})"
            refused = any(problem.code.id == "MMC405" for problem in check_expression(text, "observable"))
            if refused:
                continue
            assert len(wanted) == (1 if argument else 0)
            value = evaluate(text, objects)
            if result == v.NUMBER:
                assert math.isfinite(float(value)), text
            elif result == v.TRUTH_VALUE:
                assert value in (True, False), text
            else:
                assert hasattr(value, "m") == (result != v.VECTOR3), text
                keeps_charge = name == "boost" and kind in (v.PARTICLE, v.TRUTH)
                assert (getattr(value, "charge", None) is not None) == keeps_charge, text


@pytest.mark.parametrize("left", EXAMPLES)
@pytest.mark.parametrize("right", EXAMPLES)
@pytest.mark.parametrize("operator", ["+", "-"])
def test_sums_are_judged_as_madminer_does(left: str, right: str, operator: str, objects: dict[str, Any]) -> None:
    text = f"({EXAMPLES[left]} {operator} {EXAMPLES[right]})"
    accepted = check_expression(f"{text}.pt", "observable") == []
    try:
        value = evaluate(text, objects)
    except (AssertionError, TypeError):
        assert not accepted
        return
    assert accepted
    for attribute in ("m", "charge", "pdgid", "b_tag"):
        has_it = getattr(value, attribute, None) is not None
        passes = check_expression(f"{text}.{attribute}", "observable") == []
        assert passes <= has_it, (text, attribute)


@pytest.mark.parametrize(("kind", "text"), PUBLISHED)
def test_what_published_studies_write_has_a_value(kind: str, text: str, objects: dict[str, Any]) -> None:
    value = evaluate(text, {**objects, "pt_j1": 40.0, "delta_phi": 0.3})
    assert math.isfinite(float(value))


DEFINED: dict[str, Any] = {
    "b": {"from": "j", "where": "it.b_tag or it.pt > 40", "by": "abs(it.eta)"},
    "nu": {"neutrino": {"lepton": "l[0]", "met": "met", "mass": "80.379 GeV"}},
    "near": {"neutrino": {"lepton": "l[0]", "met": "met", "mass": "80.379 GeV", "min": "abs((l[0] + it).pz - w.pz)"}},
    "z": {"pair_of": "l", "where": "a.charge > b.charge", "min": "abs((a + b).m - 91.19)"},
    "rest": {"from": "without(l, z)"},
    "other": {"pair_of": "without(j, b[0])", "min": "-(a.pt + b.pt)"},
    "w": "l[0] + nu",
    "q": "l[0].charge",
    "ratio": "q / len(b)",
    "sorted_e": "sorted(e, it.deltaR(met))",
}
"""Objects and definitions, some of which use others."""


def passes(text: str, reader: str, entries: Mapping[str, Any]) -> bool:
    """Whether an expression passes that can use these objects and definitions."""
    scope = scope_of_reader(reader)
    return not checked(text, "observable", with_names(scope, named(entries, {}, scope).values), frozenset())[0]


def expressions(reader: str = "lhe", *, defined: bool = False) -> st.SearchStrategy[str]:
    """Expressions of numbers over all kinds of particles of a reader, mostly right, some wrong in kind.

    :param defined: whether they use the functions of mmc, and :data:`DEFINED`
    """
    plain = st.sampled_from([name for name in v.READERS[reader] if name in v.LISTS])
    lists: st.SearchStrategy[str] = plain
    sums = ["met"] if reader == "lhe" else list(v.SINGLES)  # all of a generated event cancels
    if defined:
        lists |= st.sampled_from(["b", "rest", "sorted_e", "[x for x in j if x.pt > 30]"])
        lists |= st.builds("without({}, {})".format, plain, st.sampled_from(["z", "l[0]", "b", "rest", "z.a"]))
        quantities = st.sampled_from(["abs(it.eta)", "-it.pt", "it.deltaR(met)", "(it + l[0]).m", "it.charge", "1"])
        lists |= st.builds("sorted({}, {})".format, plain, quantities)
        sums += ["nu", "near", "z", "z.a", "z.b", "w", "other", "nu.boost(-w.to_beta3())"]
        sums += [f"{name}({text})" for name in ("argmin", "argmax") for text in ("l, it.pz", "j, abs(it.eta)")]
    singles = st.builds("{}[{}]".format, lists, st.integers(-1, 1)) | st.sampled_from(sums)
    fours = st.recursive(
        singles,
        lambda inner: st.one_of(
            st.builds("({} {} {})".format, inner, st.sampled_from("+-"), inner),
            st.builds("(2 * {})".format, inner),
            st.builds(
                "{}.{}({})".format, inner, st.sampled_from(list(v.METHODS)), inner | st.just("0.3") | st.just("")
            ),
            st.builds("(-{})".format, inner),
        ),
        max_leaves=3,
    )
    attributes = st.sampled_from([*v.SPATIAL, *v.TEMPORAL, *v.FLAVOUR, *v.TAGS, "spin"])
    numbers = st.one_of(
        st.builds("{}.{}".format, fours, attributes),
        st.builds("{}.{}({})".format, fours, st.sampled_from(list(v.METHODS)), fours | st.just("")),
        st.builds("len({})".format, lists),
        st.builds("sum(x.{} for x in {})".format, attributes, lists),
        st.sampled_from(["0.5", "3", "pi", "len([x for x in j if x.pt > 30])"]),
    )
    functions, two = [*v.MATH, *v.BUILTINS], ["min", "max", "atan2"]
    if defined:
        functions, two = [*functions, "sign"], [*two, "hypot"]
        numbers |= st.sampled_from(["q", "ratio", "prod(x.m for x in b)", "float(all(x.pt > 9 for x in j))"])
        numbers |= st.builds("transverse_mass({}, {})".format, fours, fours)
    return st.recursive(
        numbers,
        lambda inner: st.one_of(
            st.builds("({} {} {})".format, inner, st.sampled_from(["+", "-", "*", "/", "<", ">=", "and", "or"]), inner),
            st.builds("{}({})".format, st.sampled_from(functions), inner),
            st.builds("{}({}, {})".format, st.sampled_from(two), inner, inner),
            st.builds("({} if {} else {})".format, inner, inner, inner),
            st.builds("(-{})".format, inner),
            st.builds("({})**2".format, inner),
            st.builds("(not {})".format, inner),
        ),
        max_leaves=6,
    )


@settings(max_examples=300, deadline=None)
@given(expressions())
def test_what_passes_has_a_value_on_real_particles(objects: dict[str, Any], text: str) -> None:
    if check_expression(text, "observable"):
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            value = evaluate(text, objects)
            float(value)
        except (ArithmeticError, ValueError, IndexError):
            return  # this event has no such value
