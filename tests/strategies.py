"""Hypothesis strategies: valid studies of every shape, with the worst text that the language allows in each place."""

import hashlib
from itertools import combinations_with_replacement
from typing import Any

from hypothesis import strategies as st
from mmc.compiler.catalogue.baselines import BASELINES
from mmc.compiler.catalogue.methods import METHODS, POLYNOMIAL, RATIO, SCORE, names_of
from mmc.compiler.expressions.vocabulary import RESERVED

NASTY = (
    "it's",
    '"quoted"',
    "$(touch hacked)",
    "`touch hacked`",
    "${HOME}",
    "{braces}",
    "{{double}}",
    "{% raw %}",
    "a: b",
    "- item",
    "# comment",
    "yes",
    "0123",
    "1e3",
    "null",
    "~",
    "&anchor *alias",
    "!!python/object:os.system",
    "%TAG",
    "<b>&amp;</b>",
    "back\\slash",
    "Übergröße µ → ∞",
    "emoji 🎉",
    "$m_{\\mu\\mu}$ [GeV]",
    " leading and trailing ",
    "two\nlines",
    "tab\there",
)
"""Text that means something to YAML, a shell, Yadage, CWL, Jinja or HTML."""

free_text = st.one_of(
    st.sampled_from(NASTY),
    st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=30),
)

_FIRST = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
names = st.builds(
    lambda first, rest: first + rest,
    st.sampled_from(_FIRST),
    st.text(_FIRST + "0123456789_ -", max_size=8),
)


def _stored(name: str) -> str:
    return name.replace(" ", "_").replace("-", "_")


def unique_names(min_size: int, max_size: int, taken: tuple[str, ...] = ()) -> st.SearchStrategy[list[str]]:
    """Lists of names that stay distinct after MadMiner's renaming, none of them a word that the language reserves."""
    reserved = {"default", *taken}
    return st.lists(
        names.filter(lambda name: _stored(name) not in reserved),
        min_size=min_size,
        max_size=max_size,
        unique_by=lambda name: _stored(name).casefold(),
    )


OBSERVABLES = (
    "(mu[0] + mu[1]).m",
    "mu[0].pt",
    "l[0].charge * (l[0].eta - l[1].eta)",
    "mu[0].deltaphi(mu[1])",
    "abs(mu[0].eta)",
    "met.pt",
    "float(mu[0].pt > mu[1].pt)",
    "sqrt(2. * mu[0].pt * mu[1].pt)",
)
CUTS = ("mu[0].pt > 30.", "(mu[0] + mu[1]).m > 500", "abs(mu[1].eta) < 2.5", "len(mu) >= 2")
COEFFICIENTS = ("LL", "LR", "RL", "RR")


DELPHES_OBSERVABLES = ("j[0].pt", "(l[0] + l[1]).m", "met.pt", "j[0].deltaphi(j[1])", "len(e) + len(mu)")
LINEAR = ("theta", "16.52*theta", "-theta / 1e-3")
TRANSFORMS = (*LINEAR, "(1 + theta)**2", "max(theta, 0.01) * 2")


@st.composite
def pythia8_studies(draw: st.DrawFn) -> dict[str, Any]:
    """Valid studies of the embedded generator, small enough to compile in a blink."""
    study = draw(_study(OBSERVABLES))
    benchmarks = list(study["benchmarks"])
    for entry, coefficient in zip(study["parameters"].values(), COEFFICIENTS, strict=False):
        entry["coefficient"] = coefficient
    study["generation"] = {
        "generator": "pythia8",
        "samples": {
            name: draw(_sample(benchmarks, background=k > 0)) for k, name in enumerate(draw(unique_names(1, 2)))
        },
    }
    return study


@st.composite
def madgraph_studies(draw: st.DrawFn) -> dict[str, Any]:
    """Valid studies of MadGraph without card files, on parton level or with shower and Delphes, as small."""
    delphes = draw(st.booleans())
    study = draw(_study(DELPHES_OBSERVABLES if delphes else OBSERVABLES))
    _place_in_card(draw, study)
    samples = draw(unique_names(1, 3))
    known = draw(_systematics(study))
    study["generation"] = {
        "generator": "madgraph",
        "model": draw(st.sampled_from(["sm", "EWdim6-full", "SMEFTsim_topU3l_MwScheme_UFO-massless"])),
        "definitions": {"l": "e+ mu+ e- mu-"},
        "run_card": draw(st.sampled_from([{}, {"ptj": 20.0, "cut_decays": False}])),
        "beams": {"energy": "7 TeV", "pdf": draw(st.sampled_from(["nn23lo1", 260000]))},
        "samples": {
            name: draw(_madgraph_sample(list(study["benchmarks"]), known, background=k > 0))
            for k, name in enumerate(samples)
        },
    }
    study["detector"] = {"smearing": [{"pdgids": [1, 21], "pt_resolution_rel": 0.1}]}
    if delphes:
        study["generation"]["shower"] = {"program": "pythia8", "settings": {"PartonLevel:MPI": False}}
        study["detector"] = {
            "simulation": "delphes",
            "shipped_card": "delphes_card_CMS.tcl",
            "acceptance": {"pt_min": {"j": "20 GeV"}, "eta_max": {"j": 5}},
            "generator_truth": draw(st.booleans()),
            **draw(st.sampled_from([{}, {"b_tag_bits": [0, 2]}])),
        }
    _group(draw, study, samples)
    return study


@st.composite
def file_studies(draw: st.DrawFn) -> dict[str, Any]:
    """Valid studies of event files, read on parton level, or after Delphes has run or runs."""
    given = draw(st.sampled_from([(), ("hepmc",), ("delphes",)]))
    study = draw(_study(DELPHES_OBSERVABLES if given else OBSERVABLES))
    benchmarks = list(study["benchmarks"])
    if "morphing" not in study:
        _complete(study)
    samples = draw(unique_names(1, 3))
    known = draw(_systematics(study))

    def files(sample: str, sampled: list[str]) -> list[dict[str, str]]:
        return [
            {"benchmark": name, **{key: f"{key}/{sample} {k}.gz" for key in ("lhe", *given)}}
            for k, name in enumerate(sampled)
        ]

    study["events"] = {
        "samples": {
            name: {
                "background": k > 0,
                "files": files(name, benchmarks[:1] if k else benchmarks),
                "systematics": draw(_some_of(known)),
            }
            for k, name in enumerate(samples)
        }
    }
    if given:
        study["detector"] = {"simulation": "delphes", **({"card": "cards/delphes.tcl"} if given == ("hepmc",) else {})}
    _group(draw, study, samples)
    return study


def studies() -> st.SearchStrategy[dict[str, Any]]:
    """Valid studies of every kind that name no files."""
    return st.one_of(pythia8_studies(), madgraph_studies())


def named_files(study: dict[str, Any]) -> dict[str, str]:
    """Made-up digests of the files that a study names."""
    samples = study.get("events", {}).get("samples", {}).values()
    files = [file[key] for sample in samples for file in sample["files"] for key in file if key != "benchmark"]
    card = study.get("detector", {}).get("card")
    return {name: hashlib.sha256(name.encode()).hexdigest() for name in [*files, *([card] if card else [])]}


@st.composite
def _study(draw: st.DrawFn, definitions: tuple[str, ...]) -> dict[str, Any]:
    """A study without events."""
    parameters = draw(unique_names(1, 3, taken=("in_basis",)))
    observables = draw(unique_names(1, 3, taken=tuple(RESERVED)))
    benchmarks = draw(unique_names(1, 3))
    study: dict[str, Any] = {
        "mmc": "1.0",
        "name": draw(names),
        "title": draw(free_text),
        "description": draw(free_text),
        "seed": draw(st.integers(0, 2**32 - 1)),
        "parameters": {name: {"range": [-0.1, 0.1], "label": draw(free_text)} for name in parameters},
        "benchmarks": {
            benchmark: {name: 0.05 * k if i == 0 else 0 for i, name in enumerate(parameters)}
            for k, benchmark in enumerate(benchmarks)
        },
        "observables": {
            name: {
                "definition": draw(st.sampled_from(definitions)),
                "default": 0.0,
                "label": draw(free_text),
            }
            for name in observables
        },
        "cuts": draw(st.lists(st.sampled_from(CUTS), max_size=2)),
        "x-note": draw(free_text),
    }
    if draw(st.booleans()):
        study["benchmarks"][benchmarks[-1]]["in_basis"] = len(benchmarks) == 1
    if draw(st.booleans()):
        study["methods"] = {
            name: draw(_method(benchmarks, parameters, observables))
            for name in draw(unique_names(1, 3, taken=tuple(BASELINES)))
        }
    if draw(st.booleans()):
        study["evaluation"] = {
            "luminosity": draw(st.sampled_from(["36 fb^-1", "300 pb^-1", "3 ab^-1"])),
            "grid": {parameters[0]: {"points": draw(st.integers(2, 30))}},
            "baselines": {"rate": draw(st.booleans()), "histogram": {"observables": [observables[0]]}},
        }
    if not {"methods", "evaluation"} & set(study) and draw(st.booleans()):
        study["morphing"] = "none"
        study["benchmarks"][benchmarks[-1]].pop("in_basis", None)
    if draw(st.booleans()):
        study["execution"] = {"images": {"physics": "registry.example/mmc-physics:1.0", "learning": "mmc/learning:1.0"}}
    return study


def _complete(study: dict[str, Any]) -> None:
    """Name all benchmarks of a study's basis, for squared amplitudes of second order."""
    for point in study["benchmarks"].values():
        point.pop("in_basis", None)
    pairs = combinations_with_replacement([None, *study["parameters"]], 2)
    points = [{name: 0.05 * pair.count(name) for name in study["parameters"]} for pair in pairs]
    missing = [point for point in points if point not in study["benchmarks"].values()]
    study["benchmarks"] |= {f"of_the_basis_{number}": point for number, point in enumerate(missing)}


def _place_in_card(draw: st.DrawFn, study: dict[str, Any]) -> None:
    """Say where each parameter stands in the param card."""
    transforms = TRANSFORMS if study.get("morphing") == "none" else LINEAR
    for number, entry in enumerate(study["parameters"].values()):
        place = draw(st.sampled_from([number, [1, number]]))
        entry |= {"lha_block": "dim6", "lha_id": place, "transform": draw(st.sampled_from(transforms))}


@st.composite
def _systematics(draw: st.DrawFn, study: dict[str, Any]) -> list[str]:
    """Add systematic uncertainties to a study; their names."""
    known = draw(unique_names(0, 3))
    effects = ({"effect": "norm"}, {"effect": "scale", "variations": [0.5, 2]}, {"effect": "pdf"})
    if known:
        study["systematics"] = dict(zip(known, effects, strict=False))
    return known


def _some_of(known: list[str]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(known), unique=True) if known else st.just([])


def _group(draw: st.DrawFn, study: dict[str, Any], samples: list[str]) -> None:
    """Make groups of the samples, of which the first is the signal."""
    if draw(st.booleans()):
        first, second = draw(unique_names(2, 2))
        study["groups"] = {first: samples[:1], second: samples}
        for method in study.get("methods", {}).values():
            method["group"] = draw(st.sampled_from([first, second]))


@st.composite
def _madgraph_sample(
    draw: st.DrawFn, benchmarks: list[str], systematics: list[str], *, background: bool
) -> dict[str, Any]:
    counts = st.integers(5, 600)
    process = draw(st.sampled_from(["p p > l l", ["p p > l l", "p p > l l j"]]))
    sample = {
        "process": process,
        "background": background,
        "events": draw(counts) if background else {benchmarks[0]: draw(counts)},
        "events_per_job": draw(st.integers(300, 1500)),
        "systematics": draw(_some_of(systematics)),
    }
    if draw(st.booleans()):
        sample["slices"] = {"soft": {"ptj": 20, "ptjmax": 100}, "hard": {"ptj": 100}}
    return sample


@st.composite
def _sample(draw: st.DrawFn, benchmarks: list[str], *, background: bool) -> dict[str, Any]:
    counts = st.integers(5, 2000)  # so that each split has one
    per_benchmark = st.dictionaries(st.sampled_from(benchmarks), counts, min_size=1)
    return {
        "process": draw(st.sampled_from(["ww", "ttbar"])) if background else "dimuon",
        "background": background,
        "events": draw(counts if background else st.one_of(counts, per_benchmark)),
        "events_per_job": draw(st.integers(300, 1500)),
    }


_RANGES = {"training.n_epochs": [1, 2], "training.initial_lr": {"range": [1e-4, 1e-2], "scale": "log"}}
_SCANS: list[dict[str, Any]] = [
    {},
    {"scan": {"training.n_epochs": [1, 2]}},
    {"scan": {"training.n_epochs": [1, 2]}, "tuning": {"criterion": "validation_loss"}},
    {"scan": _RANGES, "tuning": {"search": "random", "criterion": "validation_loss", "trials": 2}},
    {"scan": _RANGES, "tuning": {"search": "optuna", "criterion": "validation_loss", "trials": 2}},
]


@st.composite
def _method(draw: st.DrawFn, benchmarks: list[str], parameters: list[str], observables: list[str]) -> dict[str, Any]:
    method = draw(st.sampled_from([*names_of(RATIO), *names_of(SCORE), *names_of(POLYNOMIAL)]))
    reference = {"benchmark": draw(st.sampled_from(benchmarks))}
    common = {"method": method, "samples": draw(st.integers(100, 1000)), "features": [observables[0]]}
    scan = draw(st.sampled_from(_SCANS))
    if METHODS[method].family is SCORE:
        return {**common, **scan, "theta": reference}
    if METHODS[method].family is POLYNOMIAL:
        return {**common, **scan, "theta": {"benchmarks": benchmarks}}
    prior = {parameters[0]: {"gaussian": [0, 0.05]}}
    return {**common, **scan, "theta0": {"random": {"n": 10, "priors": prior}}, "theta1": reference}
