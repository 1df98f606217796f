"""Work-arounds for MadMiner 0.9.6 on current packages, in one place and as narrow as they go.

Steps import MadMiner after the functions here that they need::

    from mmc.jobs.madminer import workarounds

    workarounds.apply()
    from madminer.sampling import SampleAugmenter  # noqa: E402

Every work-around has a test that pins that stock MadMiner still needs it.
"""

import math
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, partial, wraps
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from io import BytesIO
from pathlib import Path
from types import CodeType, FunctionType, ModuleType, SimpleNamespace
from typing import Any

import h5py
import numpy as np

from mmc.errors import MissingExtraError, StepError
from mmc.jobs.madminer import systematics_workarounds


@cache
def apply() -> None:
    """Let MadMiner's parts be imported alone, and no expression be run that a file merely holds.

    - MadMiner's ``__init__`` imports all of its parts, which takes 2 to 3 s (torch, uproot3, matplotlib, scipy, sympy)
      and warns of what uproot3 does with retired modules of Python; sampling events needs 0.3 s of it. Without that
      ``__init__``, ``import madminer`` gives a package whose parts are imported by their full names.
    - Every definition of an observable, a cut or an efficiency is evaluated when it is named or loaded, among Python's
      built-in names: a file can run any code, ``all.pt`` fails, and so does a definition of more than 256 characters,
      which files cut short.
    - The transform of a parameter for the param card, which a file holds, is evaluated likewise when it is loaded.
    - HDF5 crashes the whole process when the disk is full. Files are written in memory first, then in one go.
    - Files with systematic uncertainties cannot be loaded
    (:func:`mmc.jobs.madminer.systematics_workarounds.mend_loading`).

    A second call does nothing, as everywhere here.

    :raises MissingExtraError: when MadMiner is not installed
    """
    _import_parts_alone()
    from madminer.models import parameters, readers
    from madminer.utils.interfaces import hdf5

    parameters.eval = readers.eval = _no_value
    hdf5.h5py = SimpleNamespace(File=_open_hdf5)
    systematics_workarounds.mend_loading(hdf5)


def _import_parts_alone() -> None:
    if "madminer" in sys.modules:
        return
    spec = PathFinder.find_spec("madminer")
    if spec is None:
        raise MissingExtraError("madminer", "steps")
    sys.modules["madminer"] = module_from_spec(spec)


@contextmanager
def _open_hdf5(path: str, mode: str) -> Iterator[Any]:
    """``h5py.File`` for reading ("r") or for reading and writing ("a").

    :raises OSError: when the disk is full, among others
    """
    if mode == "r":
        with h5py.File(path, "r") as file:
            yield file
    else:
        content = BytesIO(Path(path).read_bytes() if Path(path).exists() else b"")
        with h5py.File(content, mode) as file:
            yield file
        Path(path).write_bytes(content.getbuffer())


def _no_value(_expression: str) -> None:
    """In the place of ``eval`` where MadMiner drops the value."""


@cache
def apply_reader() -> None:
    """Make the LHEReader ten times faster and mend what it does with visible sums, undefined values and no events.

    - It scans the table of all particles twice per event and compiles every expression for every event: both are
      looked up instead. The events stay the same.
    - ``visible`` and ``all``, which its documentation and its default observables use, do not exist.
    - An event that lacks a required observable is kept when an optional one cannot be calculated after it.
    - ``log(0)`` or ``acos(1.0000001)`` in one event ends the run; here it is an undefined value like ``1 / 0``.
      A misspelt name or attribute is an undefined value there; here it ends the run.
    - A sample without any event that passes ends the run.
    - Samples with systematic uncertainties end the run (:func:`mmc.jobs.madminer.systematics_workarounds.mend_reader`).
    """
    apply()
    from madminer.lhe import LHEReader, lhe_reader
    from madminer.utils.interfaces import lhe

    lhe.get_elementary_pdg_ids = cache(lhe.get_elementary_pdg_ids)
    lhe.Particle = _ParticleTable(lhe.Particle)
    lhe.eval = _evaluate
    lhe._get_objects = _with_sums(lhe._get_objects)
    lhe._parse_observations = _parse_observations
    LHEReader._parse_sample = _with_no_events(LHEReader._parse_sample)
    systematics_workarounds.mend_reader(lhe_reader, LHEReader, "_parse_sample")


@cache
def apply_delphes_reader() -> None:
    """Let the DelphesReader read files on current packages, and mend what it does with rounding and undefined values.

    - It opens files with uproot3, which numpy 2 breaks. Here uproot opens them.
    - It calculates in the single precision of the file, or partly in double, depending on numpy's version. In single
      precision the mass of two photons is wrong by up to 1e-4 and that of one photon by a GeV. Here it is all double.
    - ``visible`` is a four-vector like any other, as in :func:`apply_reader`. Stock MadMiner adds nothing but particles
      to it, and ends the run.
    - ``log(0)`` and misspelt names are treated as in :func:`apply_reader`.
    - Without a cut and a required observable, the run ends.
    - Samples with systematic uncertainties end the run, as in :func:`apply_reader`.
    """
    apply_reader()
    with _standing_in("uproot3"):
        from madminer.delphes import delphes_reader
        from madminer.utils.interfaces import delphes_root
    from vector import MomentumObject4D

    particle = delphes_root.MadMinerParticle
    delphes_root.uproot3 = SimpleNamespace(open=lambda path: {"Delphes": _DelphesTree(path)})
    delphes_root.MadMinerParticle = SimpleNamespace(
        from_xyzt=_in_double(MomentumObject4D.from_xyzt),  # where the sum of what is visible begins
        from_rhophietat=_in_double(particle.from_rhophietat),
        from_rhophietatau=_in_double(particle.from_rhophietatau),
    )
    delphes_root.eval = _evaluate
    delphes_reader.parse_delphes_root_file = _with_all_events(delphes_reader.parse_delphes_root_file)
    systematics_workarounds.mend_reader(delphes_reader, delphes_reader.DelphesReader, "_analyse_delphes_sample")


@cache
def apply_training() -> None:
    """Let MadMiner's trainer keep the best epoch, and hand out batches without a call per sample. Imports torch.

    1. ``Trainer.check_early_stopping`` remembers ``model.state_dict()``, whose tensors the next step overwrites: what
       it restores at the end is the last epoch, not the best. Here it remembers a copy.
    2. ``torch.utils.data.DataLoader`` fetches samples one by one, which takes longer than the training itself. Here a
       batch is one indexing operation; the order is a new permutation in each epoch, as before.
    """
    apply()
    from madminer.utils.ml.trainer import Trainer

    stock = Trainer.check_early_stopping

    @wraps(stock)
    def check_early_stopping(self: Any, best_loss: Any, best_model: Any, *args: Any, **kwargs: Any) -> Any:
        best_loss, state, best_epoch = stock(self, best_loss, best_model, *args, **kwargs)
        if state is not best_model:
            state = {name: tensor.detach().clone() for name, tensor in state.items()}
        return best_loss, state, best_epoch

    def make_dataloaders(_self: Any, dataset: Any, dataset_val: Any, _validation_split: Any, batch_size: int) -> Any:
        return _Batches(dataset.data, batch_size), _Batches(dataset_val.data, batch_size)

    Trainer.check_early_stopping = check_early_stopping
    Trainer.make_dataloaders = make_dataloaders


class _Batches:
    """Batches of tensors, in a new random order each time they are iterated over."""

    def __init__(self, tensors: list[Any], batch_size: int) -> None:
        self._tensors = tensors
        self._batch_size = batch_size

    def __len__(self) -> int:
        return math.ceil(len(self._tensors[0]) / self._batch_size)

    def __iter__(self) -> Any:
        import torch

        for chosen in torch.randperm(len(self._tensors[0])).split(self._batch_size):
            yield tuple(tensor[chosen] for tensor in self._tensors)


class _ParticleTable:
    """The table of particles; searches with the same code are done once."""

    def __init__(self, table: Any) -> None:
        self._table = table
        self._found: dict[CodeType, Any] = {}

    def findall(self, condition: FunctionType) -> Any:
        if condition.__code__ not in self._found:
            self._found[condition.__code__] = self._table.findall(condition)
        return self._found[condition.__code__]


_compile = cache(partial(compile, filename="<expression>", mode="eval"))


def _evaluate(expression: str, variables: dict[str, Any]) -> Any:
    """``eval`` as MadMiner calls it for observables, cuts and efficiencies.

    :raises ZeroDivisionError: when the value is undefined for this event; MadMiner takes the default then
    :raises StepError: when the expression is wrong for every event
    """
    try:
        return eval(_compile(expression.lstrip(" \t")), variables)  # unlike eval, compile minds leading blanks
    except (ValueError, OverflowError) as error:
        raise ZeroDivisionError(str(error)) from error
    except (SyntaxError, NameError, AttributeError) as error:
        raise StepError(f"cannot evaluate {expression!r}: {error}") from error


def _parse_observations(observables: Mapping[str, Any], variables: dict[str, Any]) -> tuple[list[Any], bool]:
    """The values of all observables in one event, and whether all required ones are defined."""
    values, passed = [], True
    for observable in observables.values():
        try:
            value = _evaluate(observable.val_expression, variables)
        except (IndexError, RuntimeError, TypeError, ZeroDivisionError):
            passed = passed and not observable.is_required
            value = np.nan if observable.val_default is None else observable.val_default
        values.append(value)
    return values, passed


class _Objects(dict[str, Any]):
    """The objects of an event; the sums are made when an expression asks for them."""

    def __missing__(self, name: str) -> Any:
        if name == "visible":
            self[name] = _visible_sum(self["p"])
        elif name == "all":
            self[name] = self["visible"] + self["met"]
        else:
            raise KeyError(name)
        return self[name]


def _visible_sum(particles: Iterable[Any]) -> Any:
    from madminer.utils.interfaces.lhe import get_elementary_pdg_ids
    from vector import MomentumObject4D

    visible = set(get_elementary_pdg_ids()) - {12, 14, 16, -12, -14, -16}
    total = MomentumObject4D.from_xyzt(0.0, 0.0, 0.0, 0.0)  # MadMiner's particles add nothing else
    return sum((particle for particle in particles if particle.pdgid in visible), start=total)


def _with_sums(get_objects: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    @wraps(get_objects)
    def wrapped(*args: Any, **kwargs: Any) -> dict[str, Any]:
        return _Objects(get_objects(*args, **kwargs))

    return wrapped


def _with_no_events(parse_sample: Callable[..., tuple[Any, ...]]) -> Callable[..., tuple[Any, ...]]:
    """Let a sample without events be (None, None, 0), as its caller unpacks it, and not (None, None)."""

    @wraps(parse_sample)
    def wrapped(*args: Any, **kwargs: Any) -> tuple[Any, ...]:
        result = parse_sample(*args, **kwargs)
        return result if len(result) == 3 else (None, None, 0)

    return wrapped


@contextmanager
def _standing_in(name: str) -> Iterator[None]:
    """An empty module in the place of one whose import takes long and warns."""
    real = sys.modules.get(name)
    sys.modules[name] = ModuleType(name)
    try:
        yield
    finally:
        del sys.modules[name]
        if real is not None:
            sys.modules[name] = real


class _DelphesTree:
    """Delphes' events as MadMiner asks uproot3 for them."""

    def __init__(self, path: str) -> None:
        self._path = path

    def array(self, branch: str) -> Any:
        """A column: numbers in double precision, or a list of them per event."""
        import uproot

        with uproot.open(self._path) as file:
            column = file["Delphes"][branch].array(library="np")
        if column.dtype != object:
            return column
        return [values.astype(float) if values.dtype.kind == "f" else values.tolist() for values in column]


def _in_double(make: Callable[..., Any]) -> Callable[..., Any]:
    """Make a vector of numpy's numbers, whatever its components are."""
    return lambda *components: make(*map(np.float64, components))


def _with_all_events(parse: Callable[..., tuple[Any, ...]]) -> Callable[..., tuple[Any, ...]]:
    """Let the filter of a sample that is not filtered be one that keeps all events, and not None."""

    @wraps(parse)
    def wrapped(*args: Any, **kwargs: Any) -> tuple[Any, ...]:
        try:
            observations, weights, passed = parse(*args, **kwargs)
        except UnboundLocalError as error:  # its `finally` uses a value that there is not, and hides the reason
            raise error.__context__ or error from None
        return observations, weights, slice(None) if passed is None else passed

    return wrapped
