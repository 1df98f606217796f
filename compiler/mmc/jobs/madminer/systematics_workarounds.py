"""Work-arounds for MadMiner 0.9.6's treatment of systematic uncertainties (issue 565 of its repository)."""

from collections.abc import Callable, Iterable, Mapping
from functools import cache, wraps
from inspect import signature
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from mmc.compiler.settings.uncertainties import NormUncertainty, PdfUncertainty, ScaleUncertainty, Uncertainty
from mmc.errors import StepError
from mmc.jobs.formats import les_houches_normalise
from mmc.jobs.formats.les_houches_cross_section import DIFFERENCE
from mmc.jobs.formats.les_houches_text import number
from mmc.jobs.formats.weight_groups import Nuisance, find_nuisance, settle

_SMALLEST = 0.1
"""The smallest weight at the sampled benchmark, relative to the nominal one, by which MadMiner may divide."""


def mend_loading(hdf5: Any) -> None:
    """Let MadMiner load systematic uncertainties; :func:`mmc.jobs.madminer.workarounds.apply` calls this.

    - Loading a norm or a PDF uncertainty fails, because it has no scale.
    - Values are loaded as bytes; later comparisons with text and products with numbers fail.
    """
    scales = hdf5.SystematicScale
    hdf5.SystematicScale = SimpleNamespace(from_str=lambda name: None if name is None else scales.from_str(name))
    hdf5._load_systematics = _with_values(hdf5._load_systematics)


@cache
def apply_setup() -> None:
    """Let MadMiner save a norm or a PDF uncertainty, which has no scale; stock MadMiner asks for the scale's name.

    The default names of its ``add_systematics`` are not usable either: always give a name.
    """
    from madminer.core import madminer
    from madminer.utils.interfaces import hdf5

    stock = madminer.save_madminer_settings

    @wraps(stock)
    def save_madminer_settings(*, file_name: str, systematics: Mapping[str, Any], **settings: Any) -> None:
        stock(file_name=file_name, systematics={}, **settings)
        if systematics:
            entries = systematics.values()
            hdf5._save_systematics(
                file_name,
                True,
                [entry.name for entry in entries],
                [entry.type.value for entry in entries],
                [str(entry.value).encode("ascii") for entry in entries],
                [None if entry.scale is None else entry.scale.value for entry in entries],
            )

    madminer.save_madminer_settings = save_madminer_settings


def mend_reader(module: Any, reader: type, method: str) -> None:
    """Let a MadMiner reader read samples with systematic uncertainties. Stock MadMiner's errors:

    - Any nuisance parameter ends the run: the reader looks it up before it has registered it.
    - Weights of a PDF set are never found; missing scale weights make the uncertainty vanish silently.
    - The whole file is parsed to find its head.

    :param module: the Python module of the reader
    :param method: the name of the method that reads a single sample
    """
    module.extract_nuisance_parameters_from_lhe_file = _definitions
    setattr(reader, method, _with_nuisance(getattr(reader, method)))


def sample_nuisance(reader: Any, systematics: Iterable[str], path: Path) -> tuple[Nuisance, ...]:
    """The nuisance parameters of a sample for a MadMiner reader.

    :raises StepError: when the set-up lacks an uncertainty, or the file lacks its weights
    """
    names = tuple(systematics)
    unknown = [name for name in names if name not in reader.systematics]
    if unknown:
        raise StepError(f"the set-up has no systematic uncertainty {', '.join(unknown)}")
    return find_nuisance({name: _uncertainty(reader.systematics[name]) for name in names}, path)


def madminer_parameters(found: Iterable[Nuisance]) -> dict[str, Any]:
    """MadMiner's own objects for nuisance parameters, by name."""
    from madminer.models import NuisanceParameter

    return {
        parameter.name: NuisanceParameter(parameter.name, parameter.systematic, *parameter.benchmarks)
        for parameter in found
    }


def _with_values(load: Callable[[str], tuple[list[Any], ...]]) -> Callable[[str], tuple[list[Any], ...]]:
    @wraps(load)
    def wrapped(file_name: str) -> tuple[list[Any], ...]:
        names, types, values, scales = load(file_name)
        texts = [value.decode("ascii") for value in values]
        return names, types, [float(t) if sort == "norm" else t for t, sort in zip(texts, types, strict=True)], scales

    return wrapped


def _uncertainty(entry: Any) -> Uncertainty:
    """Convert MadMiner's systematic uncertainty."""
    if entry.type.value == "norm":
        return NormUncertainty(effect="norm", variation=entry.value)
    if entry.type.value == "pdf":
        return PdfUncertainty(effect="pdf", variation=entry.value)
    variations = tuple(float(word) for word in entry.value.split(","))
    return ScaleUncertainty(effect="scale", scale=entry.scale.value, variations=variations)


def _definitions(filename: Any, systematics: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The return value of the MadMiner function that this replaces: systematic → nuisance parameter → the two
    benchmarks with their weights, and a factor. The central weights of a PDF set are an extra parameter until they are
    divided out.
    """
    definitions: dict[str, dict[str, Any]] = {name: {} for name in systematics}
    for parameter in find_nuisance({name: _uncertainty(entry) for name, entry in systematics.items()}, Path(filename)):
        own = definitions[parameter.systematic]
        pairs = [*parameter.weights.items(), (None, None)][:2]
        own[parameter.name] = (*pairs, parameter.factor)
        if parameter.central is not None:
            own[parameter.central_column] = ((parameter.central_column, parameter.central), (None, None), None)
    return definitions


def _check_nominal(path: Path, sampled: str) -> None:
    """MadMiner divides varied weights by those at the sampled benchmark, and they are relative to the nominal weights.

    Sums, as a reweighting rounds the weights of single events; but none may be so small that the ratio is huge.

    :raises StepError: when the two differ
    """
    apart, size, is_small = 0.0, 0.0, False
    for event in les_houches_normalise.events(path, {}):
        own = number(event.own)
        at = number(event.weights.get(sampled, event.own))
        apart, size = apart + abs(at - own), size + abs(own)
        is_small |= 0.0 < abs(at) < _SMALLEST * abs(own)
    if is_small or not apart <= DIFFERENCE * size:  # also where they are not numbers
        raise StepError(
            f"the weights at {sampled!r} in {path.name} differ from the nominal weights, and MadMiner, which reads "
            "these events one by one, does not take uncertainties relative to the nominal weight: use only expressions "
            "that mmc computes for all events at once (the log says which it does not), or no `systematics`"
        )


def _with_nuisance(parse: Callable[..., tuple[Any, ...]]) -> Callable[..., tuple[Any, ...]]:
    arguments = signature(parse)

    @wraps(parse)
    def wrapped(reader: Any, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        from madminer.models import NuisanceParameter

        given = arguments.bind(reader, *args, **kwargs).arguments
        file = Path(given["lhe_file"])
        found = sample_nuisance(reader, given["sample_syst_names"] or (), file)
        if any(weight is not None for parameter in found for weight in parameter.weights.values()):
            _check_nominal(file, given["sampling_benchmark"])
        central = {p.central_column: p.systematic for p in found if p.central is not None}
        reader.nuisance_parameters |= madminer_parameters(found)
        reader.nuisance_parameters |= {name: NuisanceParameter(name, of, name) for name, of in central.items()}
        try:
            with np.errstate(invalid="ignore", divide="ignore"):  # MadMiner divides by the weights, which may be 0
                observations, weights, *rest = parse(reader, *args, **kwargs)
        except KeyError as error:
            raise StepError(f"the events in {file.name} lack the weight {error}") from error
        for name in central:
            del reader.nuisance_parameters[name]
        if weights is not None:
            # an event of weight 0 has weight 0 at other values of the nuisance parameters too
            is_zero = weights[given["sampling_benchmark"]] == 0.0
            for name in weights.keys() - set(reader.benchmark_names_phys):
                weights[name] = np.where(is_zero, 0.0, weights[name])
            settle(weights, found, reader.reference_benchmark)
        return (observations, weights, *rest)

    return wrapped
