"""``mmc import madminer-workflow``: convert the two input files of the hand-written MadMiner workflow to a study.

All settings that affect a result are written out, including the workflow's silent defaults. Settings that a study
cannot express, and defects of the workflow, become comments beside the related keys.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any

from mmc.compiler.catalogue.methods import METHODS, RATIO, SCORE
from mmc.compiler.importers.cards import Cards
from mmc.compiler.importers.source import Source
from mmc.compiler.importers.yaml_text import comment, flow, mapping
from mmc.compiler.importers.yaml_text import entry as pair
from mmc.compiler.language.diagnostics import show
from mmc.printing import plain

SAMPLES, RATIO_HELD, SCORE_HELD = 1000, 300, 250
"""Training samples, and how many of them the trainings of ratio and of score methods held back for validation."""
TRAINING = {"n_hidden": [100, 100, 100], "n_epochs": 2, "batch_size": 100}
ALPHA = 10.0
TEST_SPLIT = 0.5
LUMINOSITY = "10 fb^-1"
# These are the workflow's defaults of what is not in its input files but in its MLproject file and its code.
_SAMPLER_VALIDATION_SPLIT = 0.2
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_PRIORS = ("flat", "gaussian")
_PLOTS = ("all_methods", "all_methods_pvalue", "all_methods_separate", "correlations", "correlations_methods", "rates")


def import_study(physics: Source, learning: Source, cards: Cards, name: str) -> str:
    """The text of the study.

    :raises UsageError: when an input file lacks an entry, or has an entry of a wrong kind
    """
    parameters = [_Parameter.read(entry) for entry in physics.parts("parameters")]
    names = [parameter.name for parameter in parameters]
    evaluation = _Evaluation.read(learning, names)
    lines = [
        'mmc: "1.0"',
        f"name: {flow(name)}",
        "title: Imported from the inputs of a MadMiner workflow",
        "seed: 1 # the workflow had none: its runs could not be repeated",
    ]
    benchmarks = _benchmarks(physics, names)
    lines += ["", "parameters:", *_parameters(parameters, evaluation.region)]
    powers, in_basis = _morphing(physics.part("set_morphing"))
    if not in_basis:
        benchmarks = {key: {**values, "in_basis": False} for key, values in benchmarks.items()}
    lines += ["", "benchmarks:", *mapping(benchmarks, 2)]
    lines += ["", *powers]
    lines += ["", *_generation(cards)]
    lines += ["", *_detector(cards)]
    lines += ["", "observables:", *_observables(physics)]
    cuts = [entry.take("expression", str) for entry in physics.parts("cuts", absent_is_empty=True) if _ticked(entry)]
    if cuts:
        lines += ["", "cuts:", *(f"  - {flow(cut)}" for cut in cuts)]
    lines += [
        "",
        "# The workflow split events once for training (the validation share stayed the sampler's own) and drew its",
        "# test samples from training events; here the three never share one.",
        f"sampling: {flow({'test_split': TEST_SPLIT, 'validation_split': _SAMPLER_VALIDATION_SPLIT})}",
    ]
    lines += ["", "methods:", *_methods(learning, names)]
    lines += ["", *evaluation.lines()]
    lines += ["", *_plotting(learning)]
    left = [*physics.left(), *learning.left()]
    if left:
        notes = [plain(f"# - {key} (line {line}): {flow(value)}") for key, line, value in left]
        lines += ["", "# Left out, since the workflow does not read it either:", *notes]
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class _Parameter:
    name: str
    block: str
    number: int
    max_power: int
    transform: str | None
    range: tuple[float, float]

    @classmethod
    def read(cls, entry: Source) -> "_Parameter":
        interval = entry.any("parameter_range")
        if isinstance(interval, str):  # "(-10.0, 10.0)", a Python tuple
            interval = [float(text) for text in re.findall(_NUMBER, interval)]
        good = isinstance(interval, list | tuple) and len(interval) == 2 and all(map(_is_number, interval))
        if not good or not interval[0] < interval[1]:
            raise entry.wrong("parameter_range", "`parameter_range` is (smaller, larger)")
        return cls(
            entry.take("parameter_name", str),
            entry.take("lha_block", str),
            entry.take("lha_id", int),
            entry.take("morphing_max_power", int, 2),
            entry.take("param_card_transform", str, None),
            (float(interval[0]), float(interval[1])),
        )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _ticked(entry: Source) -> bool:
    """Mark the running number, which the workflow does not read, as used."""
    entry.any("cut"), entry.any("benchmark")
    return True


def _number(value: float) -> int | float:
    return int(value) if float(value).is_integer() else value


def _parameters(parameters: list[_Parameter], region: Mapping[str, tuple[float, float]]) -> Iterator[str]:
    widened = [p for p in parameters if not p.range[0] <= region[p.name][0] <= region[p.name][1] <= p.range[1]]
    if widened:
        old = ", ".join(f"{p.name} {flow([_number(end) for end in p.range])}" for p in widened)
        yield from comment(
            f"Ranges were {old}, but limits are asked for outside of them. The morphing basis is optimised over the "
            "range, so the benchmarks that complete it are others.",
            2,
        )
    for parameter in parameters:
        ends = (*parameter.range, *region[parameter.name])
        entry: dict[str, Any] = {"lha_block": parameter.block, "lha_id": parameter.number}
        entry["range"] = [_number(min(ends)), _number(max(ends))]
        entry["max_power"] = parameter.max_power
        if parameter.transform is not None:
            entry["transform"] = parameter.transform
        yield pair(parameter.name, entry, 2)


def _benchmarks(physics: Source, names: list[str]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for entry in physics.parts("benchmarks"):
        _ticked(entry)
        values = {
            entry.take(f"parameter_name_{k}", str): _number(entry.take(f"value_{k}", float))
            for k in range(1, len(names) + 1)
        }
        unknown = [name for name in values if name not in names]
        if unknown:
            raise entry.wrong(
                "parameter_name_1", f"{show(unknown[0])} is not a parameter: there are {', '.join(names)}"
            )
        found[entry.take("name", str)] = values
    return found


def _morphing(entry: Source) -> tuple[list[str], bool]:
    """The lines of the section, and whether the benchmarks are in the basis."""
    said = {
        "max_overall_power": entry.take("max_overall_power", int, 4),
        "n_trials": entry.take("n_trials", int, 100),
        "n_test_thetas": entry.take("n_test_thetas", int, 100),
    }
    notes = []
    bases = entry.take("n_bases", int, 1)
    if bases != 1:
        notes += comment(f"n_bases was {bases}, which MadMiner refuses: 1")
    return [*notes, f"morphing: {flow(said)}"], entry.take("include_existing_benchmarks", bool, True)


def _generation(cards: Cards) -> Iterator[str]:
    for note in cards.notes:
        yield from comment(note)
    yield "generation:"
    yield from mapping({"generator": "madgraph", "model": cards.model, "beams": cards.beams}, 2)
    optional = {"definitions": cards.definitions, "param_card": cards.param_card}
    yield from mapping({key: value for key, value in optional.items() if value}, 2)
    yield "  run_card:"
    yield from mapping(cards.run_card, 4)
    yield "  samples:"
    yield "    signal:"
    process = cards.process[0] if len(cards.process) == 1 else cards.process
    yield from mapping({"process": process}, 6)
    yield f"      events: {cards.events} # at every benchmark, those that complete the basis too"
    yield f"      events_per_job: {cards.events}"
    yield from mapping({"shower": {"program": "pythia8", **({"settings": cards.pythia} if cards.pythia else {})}}, 2)


def _detector(cards: Cards) -> Iterator[str]:
    key = "card" if cards.delphes_card else "shipped_card"
    card = cards.delphes_card or cards.shipped_card or "delphes_card_CMS.tcl"
    yield f"detector: {flow({'simulation': 'delphes', key: card})}"


def _observables(physics: Source) -> Iterator[str]:
    for entry in physics.parts("observables"):
        said: dict[str, Any] = {"definition": entry.take("definition", str)}
        if entry.take("required", bool, False):
            said["required"] = True
        default = entry.take("default", float, None)
        if default is not None:
            said["default"] = _number(default)
        yield pair(entry.take("name", str), said, 2)


def _methods(learning: Source, names: list[str]) -> Iterator[str]:
    estimator = learning.take("estimator", str, "parameterized")
    if estimator != "parameterized":
        kind = "quadratic morphing-aware" if estimator == "quadratic" else "fell back in silence on parameterised"
        yield from comment(f"estimator was {estimator}: {kind} ratio estimators; these are parameterised ones", 2)
    yield from comment(
        "Numbers of samples, epochs and the rest are the workflow's MLproject defaults; its runs may have been started "
        f"with others. Of {SAMPLES:,} samples it held a share back for validation.",
        2,
    )
    for method in learning.take("methods", list):
        if not isinstance(method, str) or method not in learning:
            raise learning.wrong("methods", f"there is no section for the method {show(method)}")
        family = METHODS[method].family if method in METHODS else None
        if family is RATIO:
            yield from _ratio(method, learning.part(method), names)
        elif family is SCORE:
            yield from _score(method, learning.part(method), names)
        else:
            yield from comment(f"{method}: the workflow could sample for it but not train it; left out", 2)
            learning.any(method)


def _ratio(method: str, entry: Source, names: list[str]) -> Iterator[str]:
    training = {**TRAINING, **({"alpha": ALPHA} if METHODS[method].score_term else {})}
    yield f"  {method}:"
    for key in ("theta_0", "theta_1"):
        theta, notes = _theta(entry.part(key), names, single=key == "theta_1")
        for note in notes:
            yield from comment(note, 4)
        yield f"    {key.replace('_', '')}: {flow(theta)}"
    yield f"    samples: {SAMPLES - RATIO_HELD}"
    yield f"    validation_samples: {RATIO_HELD}"
    yield f"    training: {flow(training)}"


def _score(method: str, entry: Source, names: list[str]) -> Iterator[str]:
    theta, notes = _theta(entry.part("theta_0"), names, single=True)
    yield f"  {method}:"
    for note in notes:
        yield from comment(note, 4)
    yield f"    theta: {flow(theta)}"
    yield f"    samples: {SAMPLES - SCORE_HELD}"
    yield f"    validation_samples: {SCORE_HELD}"
    yield "    training: {n_hidden: [100], n_epochs: 50, batch_size: 128} # MadMiner's own: the workflow passed none on"


def _theta(entry: Source, names: list[str], *, single: bool) -> tuple[dict[str, Any], list[str]]:
    """A point or points, and notes on differences from the workflow."""
    method = entry.take("sampling_method", str)
    if method == "random_morphing_points":
        if single:
            raise entry.wrong("sampling_method", "this must be one point: a benchmark, or a morphing point")
        return _random(entry, names)
    argument = entry.any("sampling_arg")
    if method in ("morphing_point", "morphing_points"):
        if not isinstance(argument, list) or len(argument) != len(names) or not all(map(_is_number, argument)):
            raise entry.wrong("sampling_arg", f"`sampling_arg` has a number for each of {', '.join(names)}")
        return {"point": {name: _number(value) for name, value in zip(names, argument, strict=True)}}, []
    if method == "benchmarks" and not single:
        if not isinstance(argument, list) or not all(isinstance(name, str) for name in argument):
            raise entry.wrong("sampling_arg", "`sampling_arg` is a list of benchmarks")
        return {"benchmarks": argument}, []
    if not isinstance(argument, str):
        raise entry.wrong("sampling_arg", "`sampling_arg` is the name of a benchmark")
    fallen = method not in ("benchmark", "benchmarks")
    note = f"sampling_method was {method}, which the workflow took for `benchmark` without a word"
    return {"benchmark": argument}, [note] if fallen else []


def _random(entry: Source, names: list[str]) -> tuple[dict[str, Any], list[str]]:
    priors: dict[str, Any] = {}
    entries = entry.parts("prior")
    if len(entries) != len(names):
        raise entry.wrong("prior", f"there are {len(entries)} priors for {len(names)} parameters")
    for k, name, item in zip(count(), names, entries, strict=False):
        prior = item.part(f"parameter_{k}")
        shape = prior.take("prior_shape", str)
        if shape not in _PRIORS:
            raise prior.wrong("prior_shape", f"a prior is {' or '.join(_PRIORS)}, not {show(shape)}")
        priors[name] = {shape: [_number(prior.take(f"prior_param_{j}", float)) for j in (0, 1)]}
    return {"random": {"n": entry.take("sampling_number", int), "priors": priors}}, []


@dataclass(frozen=True)
class _Evaluation:
    region: Mapping[str, tuple[float, float]]
    points: list[int]
    truth: Mapping[str, float]
    include_xsec: list[bool]
    histogram: str | None
    fisher: Source | None

    @classmethod
    def read(cls, learning: Source, names: list[str]) -> "_Evaluation":
        limits = learning.part("asymptotic_limits")
        region = limits.part("region")
        if len(region.keys()) != len(names):
            raise limits.wrong("region", f"`region` has {len(region.keys())} axes for {len(names)} parameters")
        axes = [region.part(key) for key in region.keys()]  # noqa: SIM118
        ranges = [(axis.take("min", float), axis.take("max", float)) for axis in axes]
        resolutions = limits.any("resolutions")
        points = [resolutions] * len(names) if isinstance(resolutions, int) else resolutions
        if not isinstance(points, list) or len(points) != len(names) or not all(isinstance(n, int) for n in points):
            raise limits.wrong("resolutions", "`resolutions` has a whole number for each parameter")
        truth = limits.take("theta_true", list)
        if len(truth) != len(names) or not all(map(_is_number, truth)):
            raise limits.wrong("theta_true", "`theta_true` has a number for each parameter")
        flags = learning.any("include_xsec")
        return cls(
            dict(zip(names, ranges, strict=True)),
            points,
            dict(zip(names, map(_number, truth), strict=True)),
            _flags(flags),
            learning.take("histogram_vars", str, None),
            learning.part("fisher_information") if "fisher_information" in learning else None,
        )

    def lines(self) -> Iterator[str]:
        yield "evaluation:"
        yield f"  luminosity: {LUMINOSITY} # the MLproject default"
        yield f"  theta_true: {flow({'point': dict(self.truth)})}"
        yield "  grid:"
        for (name, (low, high)), points in zip(self.region.items(), self.points, strict=True):
            yield pair(name, {"range": [_number(low), _number(high)], "points": points}, 4)
        both = len(set(self.include_xsec)) > 1
        yield f"  include_xsec: {'both' if both else flow(self.include_xsec[0])}"
        histogram = {} if self.histogram is None else {"histogram": {"observables": [self.histogram]}}
        yield f"  baselines: {flow({'rate': True, **histogram})}"
        if self.fisher is not None:
            yield from self._fisher(self.fisher)

    def _fisher(self, entry: Source) -> Iterator[str]:
        observable, truth = entry.take("observable", str), entry.any("theta_true")
        said = entry.any("histogram_bins"), entry.any("histogram_range")
        if not entry.take("bool", bool, True):
            yield from comment(f"fisher_information of {observable} was switched off", 2)
            return
        bins, note = _bins(entry, *said)
        if isinstance(truth, list) and truth != list(self.truth.values()):
            yield from comment(f"theta_true of the information was {flow(truth)}; here it is the one above", 2)
        yield from comment(note, 2)
        yield f"  fisher_information: {flow({'observable': observable, 'bins': bins})}"


def _flags(said: Any) -> list[bool]:
    """One flag or several; the workflow's default is true."""
    flags = said if isinstance(said, list) else [said]
    return [flag for flag in flags if isinstance(flag, bool)] or [True]


def _bins(entry: Source, bins: Any, interval: Any) -> tuple[Any, str]:
    """The bins of the Fisher information (edges, or a number of equal bins), and a note on differences."""
    if isinstance(bins, list) and len(bins) > 1 and all(map(_is_number, bins)):
        return [_number(edge) for edge in bins], ""
    if not isinstance(bins, int) or isinstance(bins, bool):
        raise entry.wrong("histogram_bins", "`histogram_bins` is a list of edges, or a whole number")
    if isinstance(interval, list) and len(interval) == 2 and all(map(_is_number, interval)):
        return {"n": bins, "range": [_number(end) for end in interval]}, ""
    return bins, "the bins had equal widths over the range of the events; here they have equal probability"


def _plotting(learning: Source) -> Iterator[str]:
    yield "# The report draws all methods, each alone and together, and the baselines."
    if "plotting" in learning:
        entry = learning.part("plotting")
        said = {key: entry.any(key) for key in _PLOTS}
        yield from comment(f"plotting was {flow({key: value for key, value in said.items() if value is not None})}")
    yield "plots: {}"
