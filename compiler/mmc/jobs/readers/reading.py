"""Shared code of the column-wise readers: define observables, apply cuts, and hand results to MadMiner's reader."""

import logging
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

import numpy as np

from mmc.compiler.expressions.vocabulary import RESERVED
from mmc.compiler.settings.reading import AnalyseSettings, Cut, ObservableDefinition
from mmc.errors import StepError
from mmc.jobs.formats.benchmark_weights import BenchmarkWeights
from mmc.jobs.formats.les_houches_table import Floats
from mmc.jobs.formats.weight_groups import Nuisance, settle
from mmc.jobs.madminer.event_objects import defined
from mmc.jobs.madminer.systematics_workarounds import madminer_parameters
from mmc.jobs.readers.expressions import Definitions, evaluate
from mmc.jobs.readers.functions import Function
from mmc.jobs.readers.values import Definition, Mask, Number, Objects

log = logging.getLogger(__name__)

_MOST_VARIED = 10.0
"""One standard deviation changes the mean size of weights by less than this factor; another benchmark may do more."""


class NotInColumnsError(Exception):
    """MadMiner must read the events one by one; the message gives the reason."""


@dataclass(frozen=True)
class Observations:
    """The observables of the events in a file, and which events are selected."""

    passed: Mask
    """True for events that pass all cuts and efficiencies and have all required observables."""
    values: Mapping[str, Floats]
    """The values of each observable for all events."""
    efficiency: Floats
    """The product of the efficiencies of each event."""


class Weighted(Protocol):
    """Events with weights."""

    @property
    def name(self) -> str:
        """The file's."""

    @property
    def own_weights(self) -> Floats:
        """The nominal weights, shape (events,)."""

    @property
    def weights(self) -> Mapping[str, Floats]:
        """The other weights by name."""

    @property
    def factor(self) -> float:
        """The factor on the weights that makes their sum the cross section in pb."""


def define(reader: Any, settings: AnalyseSettings, functions: Mapping[str, Function] | None = None) -> None:
    """Define the observables and cuts of the study in MadMiner's reader; some observables may be functions."""
    if settings.default_observables is not None:
        reader.add_default_observables(**asdict(settings.default_observables))
    define_columns(reader, settings.observables, settings.cuts, settings.names)
    reader.functions = functions or {}


def define_columns(
    reader: Any, observables: Mapping[str, ObservableDefinition], cuts: Sequence[Cut], names: Mapping[str, str]
) -> None:
    """Define observables and cuts that expressions and columns give."""
    for name, observable in observables.items():
        definition = name if observable.definition is None else observable.definition  # a column
        reader.add_observable(name, definition, observable.required, observable.default)
    for cut in cuts:
        reader.add_cut(cut.definition, cut.required)
    reader.names = names


def definitions(reader: Any) -> dict[str, Definition]:
    """The objects, definitions and observables that expressions of a reader use, by name."""
    names = {name: Definition(text) for name, text in getattr(reader, "names", {}).items()}
    for name, observable in reader.observables.items():
        names.setdefault(name, Definition(observable.val_expression, observable.val_default))
    return {name: item for name, item in names.items() if name not in RESERVED}


def defined_for_madminer(reader: Any) -> AbstractContextManager[None]:
    """Let MadMiner's reader use the same definitions when it reads events one by one."""
    named = {name: (item.expression, item.default) for name, item in definitions(reader).items()}
    return defined(named, getattr(reader, "functions", {}))


def refuse_functions(reader: Any) -> None:
    """:raises NotInColumnsError: when an observable is a function of one event"""
    if getattr(reader, "functions", {}):
        raise NotInColumnsError(f"{', '.join(reader.functions)} is a function of an event")


def passing_cuts(
    reader: Any, events: Objects, observables: Mapping[str, Number], passes: Mask, known: Definitions
) -> Mask:
    """The events in ``passes`` that also pass all cuts. An undefined cut is passed if MadMiner's "required" is true."""
    selected = passes
    for cut in reader.cuts:
        number, defined = evaluate(cut.val_expression, events, observables, passes, known)
        selected = selected & np.where(defined, number.values.astype(bool), cut.is_required)
    return selected


def observables(reader: Any, events: Objects, known: Definitions) -> tuple[dict[str, Number], Mask]:
    """The values of the observables, with defaults where they are undefined, and the events that have all required."""
    everywhere = passes = np.ones(len(events), dtype=bool)
    found = {}
    for name, observable in reader.observables.items():
        number, defined = evaluate(observable.val_expression, events, {}, everywhere, known)
        default = np.nan if observable.val_default is None else observable.val_default
        found[name] = replace(number, values=np.where(defined, number.values, default))
        if observable.is_required:
            passes = passes & defined
    return found, passes


def efficiencies(
    reader: Any, events: Objects, observables: Mapping[str, Number], passes: Mask, known: Definitions
) -> tuple[Mask, Floats]:
    """The events in ``passes`` that all efficiencies let through, and the product of the efficiencies."""
    selected, total = passes, np.ones(len(events))
    for efficiency in reader.efficiencies:
        number, defined = evaluate(efficiency.val_expression, events, observables, passes, known)
        values = np.where(defined, number.values.astype(float), efficiency.val_default)
        selected = selected & (values > 0.0)
        total = total * values
    return selected, total


def hand_over(
    reader: Any,
    observed: Observations,
    events: Weighted,
    benchmark: str,
    background: bool,
    *,
    nuisance: Sequence[Nuisance],
) -> None:
    """Put a reader into the state that it has after it has read a single sample itself.

    :param reader: a MadMiner reader without samples
    :param events: the events with their weights
    :param benchmark: the benchmark at which the events were sampled
    :param nuisance: the nuisance parameters of the sample
    :raises StepError: when the events lack the weight of a benchmark or of a nuisance parameter, or the weights of a
        nuisance parameter are none of these events
    """
    _check_varied(events, nuisance)
    names, passed = reader.benchmark_names_phys, observed.passed
    reader.reference_benchmark = names[0]
    if not passed.any():
        return
    weights = {benchmark: events.own_weights, **events.weights}
    negative = np.any([column < 0.0 for column in weights.values()], axis=0)
    if negative.any():
        log.warning("%d events contain negative weights", negative.sum())

    def weight(name: str, what: str) -> Floats:
        if name not in weights:
            raise StepError(f"the events in {events.name} have no weight for the {what} {name!r}")
        return np.asarray(events.factor * (weights[name] * observed.efficiency)[passed])

    reader.weights = {name: weight(benchmark if background else name, "benchmark") for name in names}
    # varied weights are relative to the nominal ones, from which those in the column of the benchmark may differ
    own = np.asarray(events.factor * (events.own_weights * observed.efficiency)[passed])
    if nuisance and (reader.weights[reader.reference_benchmark][own != 0.0] == 0.0).any():
        reader.reference_benchmark = benchmark  # effects of nuisance parameters are ratios to the weights there
    at_reference = reader.weights[reader.reference_benchmark]
    # an event of weight 0 has weight 0 at other values of the nuisance parameters too
    to_reference = np.divide(at_reference, own, out=np.zeros_like(at_reference), where=own != 0.0)
    for parameter in nuisance:
        factor = 1.0 if parameter.factor is None else parameter.factor
        for column, stored in parameter.columns.items():
            varied = at_reference
            if stored is not None:
                varied = to_reference * weight(stored, f"nuisance parameter {parameter.name}, weight")
            reader.weights[column] = factor * varied
    settle(reader.weights, nuisance, reader.reference_benchmark)
    reader.nuisance_parameters |= madminer_parameters(nuisance)
    reader.observations = {name: values[passed] for name, values in observed.values.items()}
    n_passed = int(passed.sum())
    index = -1 if background else names.index(benchmark)
    reader.events_sampling_benchmark_ids = np.full(n_passed, index, dtype=int)
    reader.signal_events_per_benchmark = [n_passed if i == index else 0 for i in range(len(names))]
    reader.background_events = n_passed if background else 0


def _check_varied(events: Weighted, nuisance: Sequence[Nuisance]) -> None:
    """Many ntuples have such weights relative to the nominal one: about 1 for any nominal weight, mostly positive.

    :raises StepError: when the weights of a nuisance parameter have another size or sign than those of the events
    """
    for parameter in nuisance:
        is_own = parameter.central is None or parameter.central not in events.weights
        nominal = events.own_weights if is_own else events.weights[str(parameter.central)]
        size = float(np.abs(nominal).sum())
        for key, stored in zip(("up", "down"), parameter.weights.values(), strict=False):
            if stored is None:
                continue
            varied = BenchmarkWeights.of(nominal, events.weights.get(stored, nominal))
            factor = varied.size / size if size else 1.0
            is_flipped = varied.has_other_signs or varied.has_no_signs
            if not (is_flipped or factor <= 1.0 / _MOST_VARIED or factor >= _MOST_VARIED):
                continue
            what = f"the weights {stored!r} (uncertainty {parameter.systematic}) of {events.name} are"
            if not (is_flipped or factor):
                raise StepError(
                    f"{what} all 0: if these events do not have the variation, remove {parameter.systematic} from the "
                    "`systematics` of their sample"
                )
            told = f"on average {factor:.3g} times the nominal weights"
            told = "mostly positive where the nominal weights are negative" if is_flipped else told
            raise StepError(
                f"{what} {told}, and weights at one standard deviation are less than {_MOST_VARIED:g} times larger or "
                "smaller. If they are factors on the nominal weights, as `LHEScaleWeight` of NanoAOD, write the "
                f"products into the file, in a table as a column that `{key}` names"
            )
