"""Hypothesis strategies: valid studies of every shape, with the worst text that the language allows in each place."""

from typing import Any

from hypothesis import strategies as st
from mmc.vocabulary import RESERVED

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


@st.composite
def studies(draw: st.DrawFn) -> dict[str, Any]:
    """Valid studies of the embedded generator, small enough to compile in a blink."""
    parameters = draw(unique_names(1, 3))
    observables = draw(unique_names(1, 3, taken=tuple(RESERVED)))
    benchmarks = draw(unique_names(1, 3))
    study: dict[str, Any] = {
        "mmc": "1.0",
        "name": draw(names),
        "title": draw(free_text),
        "description": draw(free_text),
        "seed": draw(st.integers(0, 2**32 - 1)),
        "parameters": {
            name: {"coefficient": coefficient, "range": [-0.1, 0.1], "label": draw(free_text)}
            for name, coefficient in zip(parameters, COEFFICIENTS, strict=False)
        },
        "benchmarks": {
            benchmark: {name: 0.05 * k if i == 0 else 0 for i, name in enumerate(parameters)}
            for k, benchmark in enumerate(benchmarks)
        },
        "generation": {
            "generator": "pythia8",
            "samples": {
                name: draw(_sample(benchmarks, background=k > 0)) for k, name in enumerate(draw(unique_names(1, 2)))
            },
        },
        "observables": {
            name: {
                "definition": draw(st.sampled_from(OBSERVABLES)),
                "default": 0.0,
                "label": draw(free_text),
            }
            for name in observables
        },
        "cuts": draw(st.lists(st.sampled_from(CUTS), max_size=2)),
        "x-note": draw(free_text),
    }
    if draw(st.booleans()):
        study["methods"] = {
            name: draw(_method(benchmarks, parameters, observables))
            for name in draw(unique_names(1, 3, taken=("rate", "histogram", "fisher")))
        }
    if draw(st.booleans()):
        study["evaluation"] = {
            "luminosity": draw(st.sampled_from(["36 fb^-1", "300 pb^-1", "3 ab^-1"])),
            "grid": {parameters[0]: {"points": draw(st.integers(2, 30))}},
            "baselines": {"rate": draw(st.booleans()), "histogram": {"observables": [observables[0]]}},
        }
    if draw(st.booleans()):
        study["execution"] = {"images": {"physics": "registry.example/mmc-physics:1.0", "learning": "mmc/learning:1.0"}}
    return study


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


@st.composite
def _method(draw: st.DrawFn, benchmarks: list[str], parameters: list[str], observables: list[str]) -> dict[str, Any]:
    method = draw(st.sampled_from(["carl", "rolr", "cascal", "rascal", "alice", "alices", "sally", "sallino"]))
    reference = {"benchmark": draw(st.sampled_from(benchmarks))}
    common = {"method": method, "samples": draw(st.integers(100, 1000)), "features": [observables[0]]}
    scan = {"scan": {"training.n_epochs": [1, 2]}} if draw(st.booleans()) else {}
    if method in ("sally", "sallino"):
        return {**common, **scan, "theta": reference}
    prior = {parameters[0]: {"gaussian": [0, 0.05]}}
    return {**common, **scan, "theta0": {"random": {"n": 10, "priors": prior}}, "theta1": reference}
