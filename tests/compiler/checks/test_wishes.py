"""What is said about keys that the language does not have."""

import re
from typing import Any

import pytest
from mmc.compiler.checks import check
from mmc.compiler.checks.type_help import type_help
from mmc.compiler.checks.wishes import WISHES, meant_key
from mmc.compiler.language.document import load
from mmc.compiler.language.schema import load_schema, resolve

from tests.support import ROOT, STUDIES

TINY = STUDIES / "drell-yan" / "tiny.yaml"
BAD_UNDEFINED = ROOT / "tests" / "bad" / "MMC313_may_be_undefined.yaml"
KEYS = list(load_schema()["properties"])


def helps(text: str) -> list[tuple[str, str]]:
    """Code and help of each problem of a study."""
    found = check(load(text.encode(), "s.yaml"), lambda _: "file").diagnostics
    return [(item.code, item.help) for item in found]


def test_no_wish_is_a_key_of_a_study_or_points_to_a_place_that_is_not_there() -> None:
    assert set(WISHES).isdisjoint(KEYS)
    for text in WISHES.values():
        for place in re.findall(r"`(\w+(?:\.\w+)+)`", text):
            schema: Any = resolve(load_schema())
            for key in place.split("."):
                branches = [resolve(branch["then"]) for branch in schema.get("branches", ())]
                known = [part["properties"] for part in (schema, *branches) if key in part["properties"]]
                assert known, place
                schema = resolve(known[0][key])


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("madspin", "MadSpin decays the final state of a sample"),
        ("Reweight", "mmc writes the reweight card"),
        ("channels", "select the events of each region in `regions`"),
        ("setup", "a study replaces MadMiner's setup file"),
        ("luminosity", "its place is `regions.NAME.luminosity` or `evaluation.luminosity`"),
        ("training", "its place is `methods.NAME.training`"),
        ("Benchmarks", "did you mean `benchmarks`?"),
        ("seeds", "did you mean `seed`?"),
        ("frobnicate", "the keys there are `mmc`"),
    ],
)
def test_an_unknown_key_gets_advice(key: str, said: str) -> None:
    ((code, text),) = helps(f"{TINY.read_text(encoding='utf-8')}\n{key}: 1\n")
    assert code == "MMC101"
    assert text.startswith(said)


MADGRAPH = """
mmc: "1.0"
name: example
parameters: {c: {lha_block: smeft, lha_id: 12, range: [-3, 3]}}
benchmarks: {sm: {c: 0}, one: {c: 1}, two: {c: -1}}
generation:
  generator: madgraph
  model: SMEFTsim
  beams: {energy: 6500 GeV}
  samples:
    tt: {process: p p > t t~ NP=1, events: 100_000}
observables: {pt: {definition: "j[0].pt", required: true}}
evaluation: {luminosity: 139 fb^-1, baselines: {rate: true}}
"""


@pytest.mark.parametrize(
    ("old", "new", "code", "said"),
    [
        (
            "events: 100_000",
            "events: 100_000, energy: 4 TeV",
            "MMC101",
            "all samples that are generated have one energy",
        ),
        ("events: 100_000", "events: 100_000, beams: {energy: 4 TeV}", "MMC101", "all samples that are generated have"),
        (
            "evaluation:",
            "regions: {all: {energy: 4 TeV}}\nevaluation:",
            "MMC101",
            "all samples that are generated have",
        ),
        (
            "evaluation:",
            "groups: {all: {samples: [tt], energy: 4 TeV}}\nevaluation:",
            "MMC103",
            "write the list of samples;",
        ),
        (
            "6500 GeV",
            "[4 TeV, 6.5 TeV]",
            "MMC340",
            "write one energy; a run of the collider with another energy is another",
        ),
        ("events: 100_000", "events: 100_000, merging: fxfx", "MMC103", "FxFx and UNLOPS merge jets at NLO"),
        ("events: 100_000", "events: 100_000, merging: {scheme: FxFx}", "MMC104", "FxFx and UNLOPS merge jets at NLO"),
        ("process: p p > t t~ NP=1, ", "", "MMC102", "add `process: …` (MadGraph's process line"),
        (
            "evaluation:",
            "mixtures: {m: {of: {tt: alices, wj: reference}}}\nevaluation:",
            "MMC215",
            "a group is a set of samples: write `groups: {tt:",
        ),
        (
            "evaluation:",
            "systematics: {n: {effect: norm, variation: 10%}}\nevaluation:",
            "MMC103",
            "write it without `%`",
        ),
        ("evaluation:", "systematics: {n: {effect: shape}}\nevaluation:", "MMC104", "effects are `norm` on the rate"),
    ],
)
def test_what_is_written_the_natural_way_gets_the_way_out(old: str, new: str, code: str, said: str) -> None:
    assert helps(MADGRAPH) == []
    assert (code, said) in [(code, str(text)[: len(said)]) for code, text in helps(MADGRAPH.replace(old, new))]


def test_beams_of_an_electron_and_a_proton_have_two_energies() -> None:
    text = MADGRAPH.replace("p p > t t~ NP=1", "e- p > e- j NP=1")
    assert helps(text.replace("6500 GeV", "[18 GeV, 275 GeV], particles: [e-, p]")) == []


def test_keys_of_another_branch_and_with_many_places() -> None:
    assert (
        meant_key("pdf_set", ["energy", "pdf"], ("generation", "beams")) == "it is a key of `generator: pythia8` only"
    )
    assert meant_key("label", ["seed"], ()).startswith("its place is")
    assert meant_key("description", ["seed"], ("cuts",)).startswith("its place is `description`")


RANGE = {"type": "array", "items": {"type": "number"}}
TWO_LUMINOSITIES = "write one luminosity, as in `300 fb^-1`; several are a list in `evaluation`"


@pytest.mark.parametrize(
    ("value", "kinds", "schema", "said"),
    [
        (["300 fb^-1", "3 ab^-1"], ["string"], {"x-dimension": "luminosity"}, TWO_LUMINOSITIES),
        (["6 TeV", "4 TeV"], ["string"], {"x-dimension": "energy"}, "write one energy, as in `6500 GeV`; both beams"),
        ([7], ["integer"], {}, "leave the brackets out: `7`"),
        ([7, 8], ["integer"], {}, ""),
        ({"a": 1}, ["array"], {}, "write `- ` before each entry"),
        ({"samples": ["x"]}, ["array"], {}, "write `- ` before each entry"),
        ({"samples": ["x"]}, ["string"], {}, ""),
        (["x"], ["object"], {}, "write a name before each entry"),
        ("x", ["object"], {"properties": {"n": {}, "range": {}}}, "write its keys: `n`, `range`"),
        ("sm", ["object"], {"properties": {"n": {}, "benchmark": {"type": "string"}}}, "write `{benchmark: sm}`"),
        ([0, 1], ["object"], {"properties": {"range": RANGE, "points": {}}}, "write `{range: [0, 1]}`"),
        (2, ["string", "object"], {"properties": {"range": RANGE, "n": {"type": "integer"}}}, "write `{n: 2}`"),
        ("50k", ["integer", "object"], {}, "write `50_000`"),
        ("1,000,000", ["integer"], {}, "write `1_000_000`"),
        ("inf", ["number"], {}, "give a finite number"),
        ("many", ["integer"], {}, ""),
        ("-20 to 20", ["array"], RANGE, "write it in brackets, as in `[-1, 1]`"),
    ],
)
def test_a_value_of_the_wrong_type_gets_advice(value: Any, kinds: list[str], schema: Any, said: str) -> None:
    found = type_help(value, kinds, schema, ("methods", "x"))
    assert found.startswith(said)
    assert bool(found) == bool(said)


def test_two_luminosities_in_a_study() -> None:
    text = TINY.read_text(encoding="utf-8")
    (line,) = [line for line in text.splitlines() if "luminosity:" in line]
    quantity = line.partition("luminosity:")[2].strip()
    assert ("MMC103", TWO_LUMINOSITIES) in helps(text.replace(quantity, f"{{first: {quantity}}}"))
    assert [code for code, _ in helps(text.replace(quantity, f"[{quantity}, 3_000 fb^-1, 3 ab^-1]"))] == ["MMC108"]
    assert [code for code, _ in helps(text.replace(quantity, f"[{quantity}, 0 ab^-1]"))] == ["MMC511"]


@pytest.mark.parametrize(
    ("cuts", "definition", "warned"),
    [
        ("[]", "mu[0].pt", True),
        ("[len(mu) >= 2]", "mu[0].pt", False),
        ("[2 <= len(mu)]", "mu[1].pt", False),
        ("[len(mu) > 1]", "(mu[0] + mu[1]).m", False),
        ("[len(mu) == 2 and met.pt > 10]", "mu[-2].pt", False),
        ("[len(mu) >= 2]", "mu[2].pt", True),
        ("[len(mu) >= 2]", "j[0].pt", True),
        ("[len(mu) < 2]", "mu[0].pt", True),
        ("[len(mu) >= 2 or met.pt > 10]", "mu[0].pt", True),
        ("['mu[1].pt > 20']", "mu[0].pt", False),
        ("['len(mu) < 2 or mu[1].pt > 20']", "mu[0].pt", True),
        ("[{definition: 'mu[1].pt > 20', passed_if_undefined: true}]", "mu[0].pt", True),
        ("['len([x for x in mu if x.pt > 20]) >= 2']", "[x for x in mu if x.pt > 20][0].pt", True),
        ("['len([x for x in mu if x.pt > 20]) >= 2']", "mu[0].pt", True),
    ],
)
def test_an_observable_that_the_cuts_define_is_not_warned_about(cuts: str, definition: str, warned: bool) -> None:
    study = BAD_UNDEFINED.read_text(encoding="utf-8")
    start, _, rest = study.partition("observables:\n")
    text = f"{start}cuts: {cuts}\nobservables:\n  x: {{definition: '{definition}'}}\n{rest[rest.index('methods:') :]}"
    assert [code for code, _ in helps(text)] == ["MMC313"] * warned


@pytest.mark.parametrize(
    ("energy", "warned"),
    [("13 TeV", True), ("13_600 GeV", True), ("8 TeV", True), ("50 TeV", False), ("6.8 TeV", False), ("7 TeV", False)],
)
def test_the_energy_of_a_collision_is_not_that_of_a_beam(energy: str, warned: bool) -> None:
    text = (ROOT / "tests/bad/MMC340_energy_of_the_collision.yaml").read_text(encoding="utf-8")
    found = helps(text.replace("13 TeV", energy))
    assert [code for code, _ in found] == ["MMC340"] * warned
    if energy == "13_600 GeV":
        assert found == [("MMC340", "write `6800 GeV` for collisions of 13.6 TeV")]


@pytest.mark.parametrize("written", ["300 fb-1", "300fb", "300 /fb", "300 ifb", "300 FB^-1", "300 inv fb"])
def test_other_spellings_of_a_unit(written: str) -> None:
    text = TINY.read_text(encoding="utf-8")
    (line,) = [line for line in text.splitlines() if "luminosity:" in line]
    quantity = line.partition("luminosity:")[2].strip()
    assert helps(text.replace(quantity, written)) == [("MMC110", "write `300 fb^-1`")]


def test_values_of_parameters_where_a_point_is_needed() -> None:
    assert meant_key("c_LL", ["benchmark", "point"], ()) == "write the values of parameters as `point: {c_LL: …}`"


@pytest.mark.parametrize(
    ("method", "others"),
    [
        ("alices, theta0: {benchmarks: [w]}, theta1: {benchmark: sm}", "use `carl`, `rolr`, `alice`"),
        ("scandal, theta: {benchmarks: [sm, w]}", "use `nde`"),
        ("sally, theta: {benchmark: sm}", "use `carl`, `rolr`, `alice`, `nde`"),
    ],
)
def test_without_morphing_methods_of_the_same_kind_are_named(method: str, others: str) -> None:
    study = BAD_UNDEFINED.read_text(encoding="utf-8")
    study = study.replace("sally: {theta: {benchmark: sm}", f"x: {{method: {method}").replace(
        "methods:", f"{NONE}methods:"
    )
    assert ("MMC512", others) in helps(study)


NONE = "morphing: none\n"
