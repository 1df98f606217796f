"""Builds the :class:`mmc.compiler.study.model.Study` from checked data with all defaults filled in."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib import import_module
from typing import Any

from mmc.compiler.catalogue import default_observables, parton_sets
from mmc.compiler.catalogue.batch import Batch
from mmc.compiler.catalogue.generators import FROM_RUN, origin_of, takes_events
from mmc.compiler.catalogue.histograms import SALLY
from mmc.compiler.catalogue.methods import METHODS
from mmc.compiler.catalogue.morphing import completed_names, component_count
from mmc.compiler.catalogue.names import IN_BASIS, madminer_name
from mmc.compiler.catalogue.reana import Reana, as_reana_says
from mmc.compiler.catalogue.resources import Resources
from mmc.compiler.expressions.naming import expression
from mmc.compiler.language.quantities import luminosity_name, parse_quantity
from mmc.compiler.settings.configure import CardEntry, Morphing
from mmc.compiler.settings.encoding import from_json
from mmc.compiler.settings.points import (
    AnyPoints,
    AtBenchmark,
    AtBenchmarks,
    AtPoint,
    AtPoints,
    AtRandom,
    AtSimulated,
    RandomPoints,
)
from mmc.compiler.settings.reading import (
    DefaultObservables,
    DelphesAcceptance,
    Efficiency,
    MetNoise,
    Smearing,
)
from mmc.compiler.settings.uncertainties import UNCERTAINTIES, Uncertainty
from mmc.compiler.study.baselines import baselines, bins_of, directions
from mmc.compiler.study.events import EventsOfStudy, names
from mmc.compiler.study.likelihood_scans import experiments, has_grid, likelihood_scans
from mmc.compiler.study.mixtures import mixtures_of
from mmc.compiler.study.model import (
    POINTS_OF_AXIS,
    Delphes,
    Evaluation,
    Method,
    Observable,
    Parameter,
    Point,
    Reading,
    Region,
    Study,
)
from mmc.compiler.study.regions import all_samples, chosen, combinations_of, cuts_of, observed_events, regions_of
from mmc.compiler.study.scans import Tuning, ensemble_size, has_bootstrap, has_training_error, scan_of


def build_study(data: Mapping[str, Any]) -> Study:
    """The study from checked data with defaults filled in."""
    parameters = tuple(_parameter(name, entry) for name, entry in data["parameters"].items())
    benchmarks = {madminer_name(name): _point(values) for name, values in data["benchmarks"].items()}
    outside_basis = tuple(
        madminer_name(name) for name, values in data["benchmarks"].items() if not values.get(IN_BASIS, True)
    )
    morphing = None if data["morphing"] == "none" else Morphing(**data["morphing"])
    all_benchmarks = _all_benchmarks(tuple(benchmarks), outside_basis, parameters, morphing)
    splits = data["sampling"]
    regions = regions_of(data)
    return Study(
        name=data["name"],
        title=data["title"],
        description=data["description"],
        seed=data["seed"],
        parameters=parameters,
        benchmarks=benchmarks,
        outside_basis=outside_basis,
        all_benchmarks=all_benchmarks,
        morphing=morphing,
        source=_source(data, all_benchmarks),
        reading=_reading(data),
        systematics={madminer_name(name): _uncertainty(entry) for name, entry in data["systematics"].items()},
        groups=_groups(data) or {name: region.samples for name, region in regions.items()},
        regions=regions,
        observables=tuple(_observable(name, entry) for name, entry in data["observables"].items()),
        test_split=float(splits["test_split"]),
        validation_split=float(splits["validation_split"]),
        methods=tuple(
            method
            for name, entry in data["methods"].items()
            for method in _in_regions(
                _method(name, entry, parameters, splits, _features(entry.get("features"), data)), entry, data, regions
            )
        ),
        mixtures=mixtures_of(data, _groups(data)),
        evaluation=_evaluation(data["evaluation"], parameters, benchmarks, regions) if "evaluation" in data else None,
        combinations=combinations_of(data),
        plots={**data["plots"], "colors": {madminer_name(k): v for k, v in data["plots"]["colors"].items()}},
        tracking={"experiment": data["name"], **data["tracking"]["mlflow"]} if "tracking" in data else None,
        images=data["execution"]["images"],
        installations=data["execution"]["installations"],
        resources={stage: _resources(entry) for stage, entry in data["execution"]["resources"].items()},
        reana=_reana(data["execution"].get("reana")),
        batch=_batch(data["execution"].get("batch", {})),
        from_run=(data["events"][FROM_RUN]["folder"], data["events"][FROM_RUN]["stage"])
        if takes_events(data)
        else None,
        keep=None if "keep" not in data["execution"] else tuple(data["execution"]["keep"]),
        setup=data["execution"].get("setup"),
        trust=tuple(data.get("trust", ())),
        resolved=data,
    )


def _all_benchmarks(
    named: tuple[str, ...], outside: tuple[str, ...], parameters: tuple[Parameter, ...], morphing: Morphing | None
) -> tuple[str, ...]:
    """The names of all benchmarks in the order of the weights: those outside the basis come last."""
    if morphing is None:
        return named
    basis = tuple(name for name in named if name not in outside)
    size = component_count([p.max_power for p in parameters], morphing.max_overall_power)
    return (*basis, *(completed_names(basis, size) if morphing.complete else ()), *outside)


def _groups(data: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    return {
        madminer_name(name): all_samples(data) if samples == "all" else names(samples)
        for name, samples in data.get("groups", {}).items()
    }


def _parameter(name: str, entry: Mapping[str, Any]) -> Parameter:
    low, high = entry["range"]
    return Parameter(
        name=madminer_name(name),
        range=(float(low), float(high)),
        max_power=entry["max_power"],
        label=entry.get("label", name),
        coefficient=entry.get("coefficient"),
        card_entry=_card_entry(entry) if "lha_block" in entry else None,
    )


def _card_entry(entry: Mapping[str, Any]) -> CardEntry:
    number = entry["lha_id"]
    return CardEntry(
        lha_block=entry["lha_block"],
        lha_id=number if isinstance(number, int) else (int(number[0]), int(number[1])),
        transform=entry.get("transform", "theta"),
    )


def _uncertainty(entry: Mapping[str, Any]) -> Uncertainty:
    if entry["effect"] == "pdf":
        entry = {**entry, "variation": parton_sets.name_of(entry["variation"])}
    return from_json(UNCERTAINTIES[entry["effect"]], entry)


def _point(values: Mapping[str, Any]) -> dict[str, float]:
    return {madminer_name(name): float(value) for name, value in values.items() if name != IN_BASIS}


def _source(data: Mapping[str, Any], benchmarks: tuple[str, ...]) -> EventsOfStudy:
    origin = origin_of(data)
    if origin is None:
        raise ValueError("the checks have not made sure that it is clear where events are from")
    source: EventsOfStudy = import_module(f"mmc.compiler.study.{origin.module}").read(data[origin.section], benchmarks)
    return source


def _reading(data: Mapping[str, Any]) -> Reading:
    detector = data["detector"]
    noise = detector.get("met_noise", {"abs": "0 GeV", "rel": 0.0})
    acceptance = detector.get("acceptance", {"pt_min": {}, "eta_max": {}})
    return Reading(
        delphes=(
            Delphes(detector.get("card"), detector.get("shipped_card")) if detector["simulation"] == "delphes" else None
        ),
        smearing=tuple(_smearing(entry) for entry in detector.get("smearing", ())),
        met_noise=MetNoise(abs=parse_quantity(noise["abs"], "energy"), rel=float(noise["rel"])),
        acceptance=DelphesAcceptance(
            pt_min={key: parse_quantity(value, "energy") for key, value in acceptance["pt_min"].items()},
            eta_max={key: float(value) for key, value in acceptance["eta_max"].items()},
        ),
        generator_truth=detector.get("generator_truth", False),
        b_tag_bits=tuple(detector.get("b_tag_bits", ())),
        default_observables=DefaultObservables(**data["default_observables"])
        if "default_observables" in data
        else None,
        names={
            name: expression(entry)
            for section in ("objects", "definitions")
            for name, entry in data.get(section, {}).items()
        },
        cuts=cuts_of(data["cuts"]),
        efficiencies=tuple(_efficiency(entry) for entry in data["efficiencies"]),
    )


def _smearing(entry: Mapping[str, Any]) -> Smearing:
    widths = {key: value for key, value in entry.items() if key not in ("pdgids", "on_shell")}
    return Smearing(
        pdgids=tuple(entry["pdgids"]),
        on_shell=entry.get("on_shell"),
        **{key: parse_quantity(v, "energy") if isinstance(v, str) else float(v) for key, v in widths.items()},
    )


def _efficiency(entry: str | Mapping[str, Any]) -> Efficiency:
    return (
        Efficiency(definition=entry, default=1.0) if isinstance(entry, str) else Efficiency(**{"default": 1.0, **entry})
    )


def _observable(name: str, entry: Mapping[str, Any]) -> Observable:
    return Observable(
        name=madminer_name(name),
        definition=madminer_name(name) if "function" in entry else entry.get("definition"),
        function=entry.get("function"),
        required=entry["required"],
        default=None if entry.get("default") is None else float(entry["default"]),
        label=entry.get("label", name),
    )


def _theta(entry: Mapping[str, Any] | None, parameters: tuple[Parameter, ...]) -> AnyPoints | None:
    if entry is None:
        return None
    (kind, value), *_ = entry.items()
    if kind in ("benchmark", "simulated"):
        return (AtBenchmark if kind == "benchmark" else AtSimulated)(madminer_name(value))
    if kind == "benchmarks":
        return AtBenchmarks(tuple(madminer_name(name) for name in value))
    if kind == "point":
        return AtPoint(_point(value))
    if kind == "points":
        return AtPoints(tuple(_point(values) for values in value))
    named = {
        madminer_name(name): {shape: tuple(numbers) for shape, numbers in prior.items()}
        for name, prior in value["priors"].items()
    }
    priors = {p.name: named.get(p.name, {"flat": p.range}) for p in parameters}
    return AtRandom(RandomPoints(n=value["n"], priors=priors))


def _features(said: Any, data: Mapping[str, Any]) -> tuple[str, ...] | None:
    """The observables that a network sees; None for all."""
    found = _chosen_features(said, data)
    if isinstance(found, Mapping):
        options = data.get("default_observables")
        every = (*(() if options is None else default_observables.names(**options)), *names(data["observables"]))
        left_out = names(found["all_but"])
        return tuple(name for name in every if name not in left_out)
    return None if found is None else names(found)


def _chosen_features(said: Any, data: Mapping[str, Any]) -> Any:
    return data["feature_sets"][said] if isinstance(said, str) else said


def _in_regions(
    method: Method, entry: Mapping[str, Any], data: Mapping[str, Any], regions: Mapping[str, Region]
) -> Iterator[Method]:
    """A method, once for each region in which it is trained."""
    if not regions:
        yield method
    features, leaves_out = method.features, isinstance(_chosen_features(entry.get("features"), data), Mapping)
    for name in chosen(entry.get("regions"), () if leaves_out else features or (), regions):
        has = regions[name].observables
        own = None if features is None else tuple(feature for feature in features if feature in has)
        yield replace(method, features=own, group=name, region=name)


def _method(
    name: str,
    entry: Mapping[str, Any],
    parameters: tuple[Parameter, ...],
    splits: Mapping[str, float],
    features: tuple[str, ...] | None,
) -> Method:
    method = entry.get("method", name)
    declared = METHODS[method]
    estimator = declared.family.estimator_of(entry.get("estimator"))
    training_fraction = 1.0 - splits["test_split"] - splits["validation_split"]
    in_proportion = max(1, math.ceil(entry["samples"] * splits["validation_split"] / training_fraction))
    foreign = declared.foreign_hyperparameters(estimator)
    training = {key: value for key, value in entry["training"].items() if key not in foreign}
    return Method(
        name=madminer_name(name),
        method=method,
        estimator=estimator.name,
        group=None if "group" not in entry else madminer_name(entry["group"]),
        over=None if "over" not in entry else madminer_name(entry["over"]),
        region=None,
        theta=_theta(entry.get("theta"), parameters),
        theta0=_theta(entry.get("theta0"), parameters),
        theta1=_theta(entry.get("theta1"), parameters),
        samples=entry["samples"],
        validation_samples=entry.get("validation_samples", in_proportion),
        sample_only_from_closest_benchmark=entry["sample_only_from_closest_benchmark"],
        sampling={key: entry[key] for key in ("n_eff_forced", "double_precision") if key in entry},
        features=features,
        nuisance_mode=entry.get("nuisance_mode", "project"),
        training={**estimator.own_hyperparameters, **training},
        calibration=entry["calibration"],
        score_bins=bins_of(entry["score_bins"]) if "score_bins" in entry else None,
        ensemble=ensemble_size(entry),
        bootstrap=has_bootstrap(entry),
        training_error=has_training_error(entry),
        scan=scan_of(entry["scan"]),
        tuning=None if "tuning" not in entry else _tuning(entry["tuning"]),
    )


def _tuning(entry: Mapping[str, Any]) -> Tuning:
    time = entry.get("time_limit")
    return Tuning(
        search=entry["search"],
        criterion=entry["criterion"],
        trials=entry.get("trials", 0),
        sampler=entry.get("sampler", ""),
        time_limit_s=None if time is None else math.ceil(parse_quantity(time, "time")),
        store=entry.get("store", ""),
    )


def _evaluation(
    entry: Mapping[str, Any],
    parameters: tuple[Parameter, ...],
    benchmarks: Mapping[str, Point],
    regions: Mapping[str, Region],
) -> Evaluation:
    truth = entry.get("theta_true", {})
    if "point" in truth:
        theta_true: Point = _point(truth["point"])
    else:
        theta_true = benchmarks[madminer_name(truth["benchmark"])] if truth else next(iter(benchmarks.values()))
    axes = {madminer_name(name): axis for name, axis in entry["grid"].items()}
    default_axis: dict[str, Any] = {"points": POINTS_OF_AXIS}
    full = {p.name: {"range": list(p.range), **axes.get(p.name, default_axis)} for p in parameters}
    ranges = {name: (float(axis["range"][0]), float(axis["range"][1])) for name, axis in full.items()}
    said = entry["luminosity"]
    luminosity, *more = (parse_quantity(text, "luminosity") for text in ([said] if isinstance(said, str) else said))
    return Evaluation(
        luminosity_pb=luminosity,
        more_luminosities_pb={luminosity_name(value): value for value in more},
        theta_true=theta_true,
        grid=full if has_grid(len(parameters), axes) else {},
        scans=likelihood_scans(entry, parameters, benchmarks),
        ranges=ranges,
        experiments=experiments(entry.get("observed"), parameters, benchmarks, theta_true),
        include_xsec=entry["include_xsec"],
        event_weights=entry.get("event_weights", "balanced"),
        observed=observed_events(entry.get("observed")),
        score_bins=entry.get("score_bins"),
        score_likelihood=entry.get("score_likelihood", SALLY.name),
        systematics=entry.get("systematics", "nominal"),
        confidence_levels=tuple(float(level) for level in entry["confidence_levels"]),
        confidence=entry.get("confidence", "asymptotic"),
        baselines=baselines(entry, regions),
        directions=directions(entry.get("fisher_information", {})),
    )


def _resources(entry: Mapping[str, Any]) -> Resources:
    memory, time = entry.get("memory"), entry.get("time")
    return Resources(
        cpus=entry["cpus"],
        memory_mib=None if memory is None else math.ceil(parse_quantity(memory, "memory")),
        time_s=None if time is None else math.ceil(parse_quantity(time, "time")),
        retries=entry.get("retries", 0),
        gpus=entry.get("gpus", 0),
    )


def _batch(entry: Mapping[str, Any]) -> Batch:
    given = {key: value for key, value in entry.items() if key not in ("task_time", "job_time")}
    if "task_time" not in entry:
        return Batch(**given)
    times = {stage: parse_quantity(time, "time") for stage, time in entry["job_time"].items()}
    return Batch(**given, task_time_s=parse_quantity(entry["task_time"], "time"), job_time_s=times)


def _reana(entry: Mapping[str, Any] | None) -> Reana:
    if entry is None:
        return Reana()
    return Reana(
        engine=entry["engine"],
        jobs=as_reana_says(entry["jobs"]),
        stages={stage: as_reana_says(keys) for stage, keys in entry["stages"].items()},
        cvmfs=tuple(entry["cvmfs"]),
        retention_days=entry["retention_days"],
    )
