"""What the language has instead of keys that physicists expect in it, and the places of keys that are elsewhere."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from mmc.compiler.catalogue.stages import ON_GPUS
from mmc.compiler.language.diagnostics import did_you_mean, one_of, suggestion, told
from mmc.compiler.language.document import Path
from mmc.compiler.language.schema import load_schema, resolve, tag_of

_ENTRY = "NAME"
"""Stands for any name in a place, as in ``methods.NAME.training``."""

_DECAYS = "MadSpin decays the final state of a sample: write `madspin: {decays: ['t > w+ b, w+ > l+ vl']}` in it"
_REWEIGHTED = (
    "mmc writes the reweight card: every event gets a weight at each of the `benchmarks`; further lines of it are "
    "`reweight_card` of a sample; events that exist get theirs from "
    "`events: {samples: {NAME: {reweight: …}}}`"
)
_REGIONS = "select the events of each region in `regions`, by name, as in `regions: {high: {cuts: [m_ll > 800]}}`"
_COMBINED = "regions are combined in `combinations`, as in `combinations: {both: {of: [low, high]}}`"
_MIXTURE = (
    "mmc learns the ratio of all samples of a group together; `mixtures` builds one from the ratios of several groups, "
    "`mixtures: {all_samples: {of: {signal: [alices, carl], background: reference}}}`"
)
_SETUP = (
    "a study replaces MadMiner's setup file by `parameters` and `benchmarks`; `events.file` reads an event file; a "
    "command that sets up the jobs is `execution.setup`"
)
_OBJECTS = "selected and combined particles are `objects`, with names that expressions use"
_VARIABLES = "write them in `observables`, by name"
_EXTENDS = "a study builds on another one with `extends: base.yaml`"
_SCANS = (
    "`evaluation.scans` scans likelihoods over one or two parameters, the others profiled: `scans: [{over: each}]`; "
    "`scan` of a method scans hyperparameters"
)
_EXPECTED = "without `evaluation.observed` results are those expected at `evaluation.theta_true`"
_TOYS = "simulated experiments are `evaluation.observed`: `observed: {toys: {events: poisson, repeat: 100}}`"
_DATA = "observed events are a CSV file, `evaluation.observed.file`; events to learn from are in `events`"
_MATCHING = "a sample merges its jet multiplicities: write `merging: {scheme: mlm, jets: 2, xqcut: 20 GeV}` in it"
_GRIDPACK = (
    "mmc does not start gridpacks, which are programs with beams and cards of their own; it reads the files that they "
    "write, as `events.samples`"
)
_MODEL = "a UFO model that travels with the study is `model: {ufo: models/X.tar.gz, restrict: cards/restrict_y.dat}`"
_NUISANCE = "write uncertainties in `systematics`, and name them in `systematics` of each sample that has them"
_NTUPLES = (
    "mmc reads trees of ROOT, Parquet, HDF5 and npz (`events.tables`), Les Houches files with HepMC or Delphes output "
    "(`events.samples`), or a MadMiner file (`events.file`); lists of a tree are particles with `particles: nanoaod`"
)
_COUNT = "the number of events is `events` of a sample, as in `events: 100_000`"
_LUMINOSITY = "write it as `evaluation.luminosity`; several are a list, as in `[139 fb^-1, 3 ab^-1]`"
_ENERGY = "`generation.beams.energy` is the energy of each beam, half of that of the collision"
_ENERGIES = (
    "all samples that are generated have one energy: write the study of the other energy with `extends: study.yaml` "
    "and its own `generation: {beams: {energy: …}}`; `others` of a combination takes the limits of its run; events "
    "that exist may have any energy"
)
_SHOWER = "`generation.shower` showers MadGraph's events; `generator: pythia8` is the embedded generator"
_DELPHES = "write `detector: {simulation: delphes}`, with its card as `card`"
_MADGRAPH = "write `generation: {generator: madgraph, …}`, and its folder as `execution.installations.madgraph`"
_LAYERS = "write the sizes of the layers as `n_hidden` of `training`, as in `n_hidden: [100, 100]`"
_RATE = "write the learning rates at the start and the end as `initial_lr` and `final_lr` of `training`"
_EPOCHS = "write it as `n_epochs` of `training`"
_SPLIT = "write `test_split` and `validation_split` in `sampling`"
_INFORMATION = "write it as `evaluation.fisher_information`"
_LIMITS = "limits follow from `evaluation`: its `luminosity`, `grid` and `confidence_levels`"
_CUTS = "write each condition as an entry of `cuts`"
_SAMPLES = "samples are in `generation.samples`, by name; a background has `background: true`"
_FOLDER = "the command line names the folder of a run or a bundle"
_IMAGES = "write images in `execution.images`"
_CORES = "write `cpus`, `memory` and `time` of each stage in `execution.resources`"
_GPUS = f"write `gpus: 1` for any of the stages {', '.join(ON_GPUS)} in `execution.resources`"
_CROSS_SECTION = "cross sections are those of the events; `k_factor` of a sample multiplies its own"
_NOTES = "keys for notes start with `x-`, as in `x-notes`"

WISHES: Mapping[str, str] = {
    **dict.fromkeys(("madspin", "madspin_card", "decay", "decays"), _DECAYS),
    **dict.fromkeys(("reweight", "reweighting", "reweight_card"), _REWEIGHTED),
    **dict.fromkeys(("region", "channel", "channels", "category", "categories"), _REGIONS),
    **dict.fromkeys(("combination", "combine"), _COMBINED),
    **dict.fromkeys(("mixture", "mixed", "decomposition"), _MIXTURE),
    **dict.fromkeys(("setup", "setup_file", "madminer"), _SETUP),
    **dict.fromkeys(("object", "particles"), _OBJECTS),
    **dict.fromkeys(("variables", "inputs"), _VARIABLES),
    **dict.fromkeys(("include", "import", "base"), _EXTENDS),
    **dict.fromkeys(("scans", "profile", "profiles", "profiled", "minos", "minuit", "migrad"), _SCANS),
    "asimov": _EXPECTED,
    **dict.fromkeys(("toys", "pseudo_data", "pseudodata", "pseudo_experiments", "experiments"), _TOYS),
    **dict.fromkeys(("data", "dataset"), _DATA),
    **dict.fromkeys(("merging", "matching", "mlm", "ckkw", "ckkwl", "xqcut"), _MATCHING),
    "gridpack": _GRIDPACK,
    **dict.fromkeys(("ufo", "models", "restrict"), _MODEL),
    **dict.fromkeys(("nuisance", "nuisances", "nuisance_parameters", "uncertainties"), _NUISANCE),
    **dict.fromkeys(("ntuple", "ntuples", "root", "nanoaod", "parquet", "tree"), _NTUPLES),
    **dict.fromkeys(("nevents", "n_events", "num_events", "number_of_events"), _COUNT),
    **dict.fromkeys(("lumi", "luminosities"), _LUMINOSITY),
    **dict.fromkeys(("energies", "sqrts", "sqrt_s", "ecm", "beam_energy", "ebeam", "ebeam1", "ebeam2"), _ENERGY),
    **dict.fromkeys(("pythia", "pythia8", "pythia_card", "pythia8_card"), _SHOWER),
    **dict.fromkeys(("delphes", "delphes_card"), _DELPHES),
    **dict.fromkeys(("madgraph", "mg5", "madgraph5"), _MADGRAPH),
    **dict.fromkeys(("network", "networks", "architecture", "layers", "hidden_layers"), _LAYERS),
    **dict.fromkeys(("learning_rate", "lr"), _RATE),
    "epochs": _EPOCHS,
    **dict.fromkeys(("split", "splits", "test_size", "train_test_split"), _SPLIT),
    **dict.fromkeys(("fisher", "information"), _INFORMATION),
    **dict.fromkeys(("fit", "limits", "likelihood", "inference"), _LIMITS),
    **dict.fromkeys(("selection", "selections", "preselection"), _CUTS),
    **dict.fromkeys(("signal", "signals", "backgrounds", "processes", "sample", "samples"), _SAMPLES),
    **dict.fromkeys(("output", "outputs", "out", "outdir", "workdir"), _FOLDER),
    **dict.fromkeys(("container", "containers", "docker", "apptainer"), _IMAGES),
    **dict.fromkeys(("cores", "threads", "n_jobs", "n_cores"), _CORES),
    **dict.fromkeys(("gpu", "gpus", "n_gpus", "cuda", "device"), _GPUS),
    **dict.fromkeys(("cross_section", "cross_sections", "xsec", "xs"), _CROSS_SECTION),
    **dict.fromkeys(("author", "authors", "notes", "note", "comment", "comments"), _NOTES),
}
"""A key that the language does not have → a sentence with what it has instead."""
_OF_SAMPLES: Mapping[str, str] = dict.fromkeys(
    ("energy", "beams", "beam", *(key for key, text in WISHES.items() if text is _ENERGY)), _ENERGIES
)
"""The same for keys of samples, groups and regions."""
_MERGED = (
    "FxFx and UNLOPS merge jets at NLO, whose events need a shower of their own: merge at LO, as in "
    "`merging: {scheme: mlm, jets: 2, xqcut: 20 GeV}`, or read events that were merged elsewhere, as "
    "`events.samples` with `lhe` and `hepmc`"
)
_EFFECTS = (
    "effects are `norm` on the rate, `scale` and `pdf` of the generator, and in `events.tables` "
    "`{effect: weights, up: COLUMN, down: COLUMN}`, for any effect for which events have weights"
)
_VALUES: Mapping[str, Mapping[str, str]] = {
    **dict.fromkeys(("merging", "scheme"), dict.fromkeys(("fxfx", "unlops", "umeps", "meps@nlo", "mepsnlo"), _MERGED)),
    "effect": dict.fromkeys(("shape", "jes", "jer", "lnn", "histosys", "detector", "weight"), _EFFECTS),
}
"""Values that a key does not have → a sentence with what there is instead."""


def meant_value(value: str, path: Path) -> str:
    """What to do about a value of the key at the end of ``path``; empty if that is not known."""
    return _VALUES.get(str(path[-1]), {}).get(value.lower(), "") if path else ""


def meant_key(name: str, known: list[str], path: Path) -> str:
    """What to do about an unknown key: correct a slip, take what the language has instead, or move the key."""
    if (slip := did_you_mean(name, known, 0)) is not None:
        return f"did you mean `{slip}`?"
    if path[:1] in (("groups",), ("regions",)) or path[1:2] == ("samples",):
        own = _OF_SAMPLES.get(name.lower())
        if own is not None:
            return own
    if name.lower() in WISHES:
        return WISHES[name.lower()]
    if (slip := did_you_mean(name, known, 1)) is not None:
        return f"did you mean `{slip}`?"
    if "point" in known:  # `{benchmark: sm}` or `{point: {c: 0}}`
        return f"write the values of parameters as `point: {{{name}: …}}`"
    elsewhere = where_it_is(name, path)
    return elsewhere or told(suggestion(name, known, f"the keys there are {one_of(known, _ALL)}"))


_ALL = 40
"""The keys of a study, or of any mapping in it, are fewer."""


def where_it_is(name: str, path: Path) -> str | None:
    """A sentence with the places of a key that is unknown in the mapping at ``path``; None if it is unknown anywhere.

    >>> where_it_is("theta_true", ())
    'its place is `evaluation.theta_true`'
    >>> where_it_is("pdf_set", ("generation", "beams"))
    'it is a key of `generator: pythia8` only'
    """
    found = _places().get(name, {})
    here = (*map(str, path), name)
    for place, tag in found.items():
        if len(place) == len(here) and all(a in (_ENTRY, b) for a, b in zip(place, here, strict=True)):
            return f"it is a key of `{tag}` only" if tag else None
    if not found or len(found) > _MOST_PLACES:
        return None
    named = [f"`{'.'.join(place)}`" for place in found]
    return f"its place is {' or '.join(named)}"


_MOST_PLACES = 3
"""A key with more places than this, such as `label`, can be meant anywhere."""


@cache
def _places() -> dict[str, dict[tuple[str, ...], str]]:
    """The places of every key of the language, each with the tag, such as ``generator: pythia8``, that it needs."""
    found: dict[str, dict[tuple[str, ...], str]] = {}
    for place, tag in _walk(resolve(load_schema()), (), ""):
        found.setdefault(place[-1], {}).setdefault(place, tag)
    return found


def _walk(schema: Mapping[str, Any], place: tuple[str, ...], tag: str) -> Iterator[tuple[tuple[str, ...], str]]:
    stages = len(place) > 1 and place[0] == "execution"  # their keys are names of stages, not what is meant
    for key, child in () if stages else schema.get("properties", {}).items():
        yield (*place, key), tag
        yield from _walk(resolve(child), (*place, key), tag)
    for key in ("additionalProperties", "items"):
        if isinstance(schema.get(key), Mapping):
            yield from _walk(resolve(schema[key]), (*place, _ENTRY), tag)
    for branch in schema.get("branches", ()):
        yield from _walk(resolve(branch["then"]), place, ": ".join(map(str, tag_of(branch))))
