"""Work-arounds for MadMiner 0.9.6 on current packages, in one place and as narrow as possible.

Steps import MadMiner after the functions here that they need::

    from mmc.jobs.madminer import workarounds

    workarounds.apply()
    from madminer.sampling import SampleAugmenter  # noqa: E402

For every work-around a test shows that stock MadMiner still needs it.
"""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, cached_property, wraps
from importlib import import_module
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from io import BytesIO
from pathlib import Path
from types import CodeType, FunctionType, ModuleType, SimpleNamespace
from typing import Any, ClassVar

import h5py
import numpy as np

from mmc.errors import MissingExtraError
from mmc.jobs.madminer import event_rows, layout, systematics_workarounds
from mmc.jobs.madminer.event_expressions import UNDEFINED, evaluate
from mmc.jobs.madminer.event_objects import DetectedObjects, GeneratedObjects, NotSummed, smeared
from mmc.jobs.madminer.mapped import Mapped


@cache
def apply() -> None:
    """Import MadMiner's modules one by one, and do not evaluate expressions when a file is loaded.

    - MadMiner's ``__init__`` imports all modules (torch, uproot3, matplotlib, scipy, sympy), which takes 2 to 3 s, and
      warns about retired Python modules in uproot3; sampling events needs 0.3 s of it. Without that ``__init__``,
      ``import madminer`` gives a package whose modules are imported by their full names.
    - sympy, which takes another second, finds the components only of processes whose vertices are distinguished
      (``find_components`` with ``Nd``, ``Np`` or ``Ns``), which mmc does not do.
    - Stock MadMiner evaluates every definition of an observable, a cut or an efficiency when it is declared or loaded,
      with Python's built-in names in scope: a file can run any code, and ``all.pt`` fails. A definition of more than
      256 characters, which files cut short, fails as well.
    - A parameter's transform for the param card is evaluated in the same way when a file is loaded.
    - HDF5 crashes the whole process when the disk is full. Files are written in memory first, then in one go.
    - A file is read as it is, whatever it refers to or claims (:mod:`mmc.jobs.madminer.layout`), and all events of it
      even for their number (:mod:`mmc.jobs.madminer.event_rows`).
    - Files with systematic uncertainties cannot be loaded
    (:func:`mmc.jobs.madminer.systematics_workarounds.mend_loading`).

    A second call does nothing; this holds for every function of this module.

    :raises MissingExtraError: when MadMiner is not installed
    """
    _import_parts_alone()
    with _standing_in("sympy"):
        import_module("madminer.utils.morphing")
    from madminer.models import parameters, readers
    from madminer.utils.interfaces import hdf5

    parameters.eval = readers.eval = _no_value
    hdf5.h5py = SimpleNamespace(File=_open_hdf5)
    hdf5._load_samples = event_rows.rows_of
    systematics_workarounds.mend_loading(hdf5)
    hdf5.load_madminer_settings = _opening_once(hdf5.load_madminer_settings)
    hdf5.load_events = _opening_once_a_batch(hdf5.load_events)


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
    :raises StepError: when a file to be read is not one of MadMiner's
    """
    if mode == "r":
        with layout.opened(Path(path)) as file:
            yield file
    else:
        content = BytesIO(Path(path).read_bytes() if Path(path).exists() else b"")
        with h5py.File(content, mode) as file:
            yield file
        Path(path).write_bytes(content.getbuffer())


def _opening_once(load: Callable[..., Any]) -> Callable[..., Any]:
    """MadMiner's function, which opens the file for every group in it."""

    @wraps(load)
    def wrapped(file_name: str, *args: Any, **options: Any) -> Any:
        with layout.opened(Path(file_name)):
            return load(file_name, *args, **options)

    return wrapped


def _opening_once_a_batch(load: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
    """MadMiner's function, which reads three datasets a batch; the file is closed between the batches."""

    @wraps(load)
    def wrapped(file_name: str, *args: Any, **options: Any) -> Iterator[Any]:
        batches = load(file_name, *args, **options)
        while True:
            with layout.opened(Path(file_name)):
                batch = next(batches, None)
            if batch is None:
                return
            yield batch

    return wrapped


def _no_value(_expression: str) -> None:
    """Replacement for ``eval`` where MadMiner ignores the value."""


@cache
def apply_reader() -> None:
    """Make the LHEReader ten times faster, and fix visible sums, undefined values and empty samples.

    - It scans the table of all particles twice per event and compiles every expression for every event. Here both
      results are cached. The events stay the same.
    - ``visible`` and ``all``, which its documentation and its default observables use, do not exist.
    - An event that lacks a required observable is kept when a later optional observable is undefined as well.
    - ``log(0)`` or ``acos(1.0000001)`` in one event ends the run; here the value is undefined, like ``1 / 0``.
      A misspelt name or attribute is treated as an undefined value; here it ends the run.
    - A sample in which no event passes ends the run.
    - A resolution that is a fraction of eta or phi has no effect where that is negative.
    - Samples with systematic uncertainties end the run (:func:`mmc.jobs.madminer.systematics_workarounds.mend_reader`).
    - It imports ``vector`` with awkward and sympy (:mod:`mmc.jobs.madminer.light_vector`), and reads a table of nuclei
      (:mod:`mmc.jobs.madminer.light_particle`).
    """
    apply()
    import_module("mmc.jobs.madminer.light_vector")  # before MadMiner imports vector
    from mmc.jobs.madminer import light_particle

    with light_particle.standing_in():
        from madminer.lhe import LHEReader, lhe_reader
        from madminer.utils.interfaces import lhe

    lhe.get_elementary_pdg_ids = cache(lhe.get_elementary_pdg_ids)
    lhe.Particle = _ParticleTable(lhe.Particle)
    lhe.eval = evaluate
    lhe._get_objects = _with_sums(lhe._get_objects)
    lhe._parse_observations = _parse_observations
    lhe._smear_variable = smeared
    LHEReader._parse_sample = _with_no_events(LHEReader._parse_sample)
    systematics_workarounds.mend_reader(lhe_reader, LHEReader, "_parse_sample")


@cache
def apply_delphes_reader() -> None:
    """Let the DelphesReader read files on current packages, and fix rounding and undefined values.

    - It opens files with uproot3, which does not work with numpy 2. Here uproot opens them.
    - It computes in the file's single precision or partly in double precision, depending on the numpy version. In
      single precision the mass of two photons is wrong by up to 1e-4, and the mass of one photon by a GeV. Here all
      numbers are in double precision.
    - ``visible`` is an ordinary four-vector, as in :func:`apply_reader`. Stock MadMiner can add only particles to it,
      and ends the run.
    - The sum over all visible particles is made once for every event and expression, which takes most of the time.
      Here it is made where an expression uses it. The values stay the same.
    - ``log(0)`` and misspelt names are treated as in :func:`apply_reader`.
    - Leptons of both flavours keep their own charges, codes and masses. Stock MadMiner sorts momenta alone.
    - At generator level, only final particles count, sorted by pT, each kind with its own acceptance. Stock MadMiner
      also lists particles that have decayed, and gives electrons and muons the acceptance of photons.
    - A sample without cuts and without required observables ends the run.
    - Samples with systematic uncertainties end the run, as in :func:`apply_reader`.
    """
    apply_reader()
    from mmc.jobs.madminer import light_particle

    with _standing_in("uproot3"), light_particle.standing_in():
        from madminer.delphes import delphes_reader
        from madminer.utils.interfaces import delphes_root

    particle = delphes_root.MadMinerParticle
    delphes_root.uproot3 = SimpleNamespace(open=lambda path: {"Delphes": _DelphesTree(path)})
    delphes_root.MadMinerParticle = SimpleNamespace(
        from_xyzt=lambda *_zeros: NotSummed(),  # the start of the sum over visible particles
        from_rhophietat=_in_double(particle.from_rhophietat),
        from_rhophietatau=_in_double(particle.from_rhophietatau),
    )
    functions = delphes_root.math_commands
    delphes_root.math_commands = lambda: DetectedObjects(functions())
    charged = delphes_root._get_particles_charged

    def leptons(tree: Any, pt_min_e: Any, eta_max_e: Any, pt_min_mu: Any, eta_max_mu: Any) -> list[list[Any]]:
        muons = charged(tree, "Muon", 0.105, -13, pt_min_mu, eta_max_mu)
        electrons = charged(tree, "Electron", 0.000511, -11, pt_min_e, eta_max_e)
        return [
            sorted([*one, *other], key=lambda particle: -particle.pt)
            for one, other in zip(muons, electrons, strict=True)
        ]

    truth, acceptance = delphes_root._get_particles_truth, dict[str, Any]()

    def of_kind(tree: Any, _pt_min: Any, _eta_max: Any, pdgids: list[int]) -> Any:
        limits = (acceptance.get(f"acceptance_{limit}_{_KINDS[pdgids[0]]}") for limit in ("pt_min", "eta_max"))
        return truth(tree, *limits, pdgids)

    delphes_root._get_particles_truth = of_kind
    delphes_root._get_particles_leptons = leptons
    delphes_root.eval = evaluate
    parse = _with_all_events(delphes_root.parse_delphes_root_file, acceptance)
    delphes_root.parse_delphes_root_file = delphes_reader.parse_delphes_root_file = parse
    systematics_workarounds.mend_reader(delphes_reader, delphes_reader.DelphesReader, "_analyse_delphes_sample")


@cache
def apply_training() -> None:
    """Let MadMiner's trainer keep the best epoch, and make each batch with one operation. Imports torch.

    1. ``Trainer.check_early_stopping`` stores ``model.state_dict()``, whose tensors the next step overwrites: it
       restores the last epoch instead of the best. Here it stores a copy.
    2. ``torch.utils.data.DataLoader`` fetches samples one by one, which takes longer than the training itself. Here a
       batch is one indexing operation; each epoch has a new permutation, as before.
    3. All samples are in memory, and statistics of them are made for log messages that nobody asks for. Here samples
       may stay in their files (:class:`mmc.jobs.madminer.mapped.Mapped`).
    4. A step takes twice the time that it needs (:mod:`mmc.jobs.madminer.fast_training`).
    """
    apply()
    from madminer.utils.ml.trainer import LocalScoreTrainer, Trainer
    from madminer.utils.ml.utils import NumpyDataset

    from mmc.jobs.madminer import fast_training

    stock = Trainer.check_early_stopping

    @wraps(stock)
    def check_early_stopping(self: Any, best_loss: Any, best_model: Any, *args: Any, **kwargs: Any) -> Any:
        best_loss, state, best_epoch = stock(self, best_loss, best_model, *args, **kwargs)
        if state is not best_model:
            state = {name: tensor.detach().clone() for name, tensor in state.items()}
        return best_loss, state, best_epoch

    def make_dataloaders(_self: Any, dataset: Any, dataset_val: Any, _validation_split: Any, batch_size: int) -> Any:
        return fast_training.Batches(dataset.data, batch_size), fast_training.Batches(dataset_val.data, batch_size)

    def make_dataset(self: Any, data: Mapping[str, Any]) -> tuple[list[str], Any]:
        tensors = [
            entry if isinstance(entry, Mapped) else NumpyDataset(entry, dtype=self.dtype).data[0]
            for entry in data.values()
        ]
        return list(data), SimpleNamespace(data=tensors)

    for name in ("score", "parameterized_ratio", "double_parameterized_ratio", "likelihood"):
        module: Any = import_module(f"madminer.ml.{name}")
        module.load_and_check = _unless_mapped(module.load_and_check)
        module.get_optimizer = fast_training.fused(module.get_optimizer)
    fast_training.mend(LocalScoreTrainer)
    Trainer.report_data = staticmethod(lambda _data: None)
    Trainer.make_dataset = make_dataset
    Trainer.check_early_stopping = check_early_stopping
    Trainer.make_dataloaders = make_dataloaders


def _unless_mapped(load: Callable[..., Any]) -> Callable[..., Any]:
    """MadMiner's ``load_and_check``, which looks at every number, for arrays in memory alone."""

    @wraps(load)
    def wrapped(data: Any, *args: Any, **kwargs: Any) -> Any:
        return data if isinstance(data, Mapped) else load(data, *args, **kwargs)

    return wrapped


class _ParticleTable:
    """The table of particles; each search is done once."""

    def __init__(self, table: Any) -> None:
        self._table = table
        self._found: dict[CodeType, Any] = {}

    def findall(self, condition: FunctionType) -> Any:
        if condition.__code__ not in self._found:
            self._found[condition.__code__] = self._table.findall(condition)
        return self._found[condition.__code__]


def _parse_observations(observables: Mapping[str, Any], variables: dict[str, Any]) -> tuple[list[Any], bool]:
    """The values of all observables in one event, and whether all required ones are defined."""
    values, passed = [], True
    for observable in observables.values():
        try:
            value = evaluate(observable.val_expression, variables)
        except UNDEFINED:
            passed = passed and not observable.is_required
            value = np.nan if observable.val_default is None else observable.val_default
        values.append(value)
    return values, passed


def _with_sums(get_objects: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    @wraps(get_objects)
    def wrapped(*args: Any, **kwargs: Any) -> dict[str, Any]:
        return GeneratedObjects(get_objects(*args, **kwargs))

    return wrapped


def _with_no_events(parse_sample: Callable[..., tuple[Any, ...]]) -> Callable[..., tuple[Any, ...]]:
    """Return (None, None, 0) for a sample without events, as the caller expects, instead of (None, None)."""

    @wraps(parse_sample)
    def wrapped(*args: Any, **kwargs: Any) -> tuple[Any, ...]:
        result = parse_sample(*args, **kwargs)
        return result if len(result) == 3 else (None, None, 0)

    return wrapped


@contextmanager
def _standing_in(name: str) -> Iterator[None]:
    """Replace a module, whose import is slow and warns, by an empty one."""
    real = sys.modules.get(name)
    sys.modules[name] = ModuleType(name)
    try:
        yield
    finally:
        del sys.modules[name]
        if real is not None:
            sys.modules[name] = real


_KINDS = {22: "a", 11: "e", 13: "mu"}
"""MadMiner's names of the kinds of particles at generator level, by code."""


@contextmanager
def b_tags(mask: int | None) -> Iterator[None]:
    """Let only the bits of this mask in Delphes' ``BTag`` make b-tags; all without a mask."""
    before, _DelphesTree.b_tag_mask = _DelphesTree.b_tag_mask, mask
    try:
        yield
    finally:
        _DelphesTree.b_tag_mask = before


class _DelphesTree:
    """Delphes' events with the part of uproot3's interface that MadMiner uses."""

    b_tag_mask: ClassVar[int | None] = None

    def __init__(self, path: str) -> None:
        import uproot

        self._tree = uproot.open(path)["Delphes"]  # once, as this takes longer than reading a branch

    @cached_property
    def _final(self) -> list[Any]:
        """The indices of the final particles of each event, by falling pT."""
        status, pt = (self._tree[f"Particle.{name}"].array(library="np") for name in ("Status", "PT"))
        orders = (np.argsort(-values, kind="stable") for values in pt)
        return [order[of_event[order] == 1] for order, of_event in zip(orders, status, strict=True)]

    def array(self, branch: str) -> Any:
        """A branch: numbers in double precision, or a list of numbers per event."""
        column = self._tree[branch].array(library="np")
        if column.dtype != object:
            return column
        if branch.startswith("Particle."):
            column = [values[kept] for values, kept in zip(column, self._final, strict=True)]
        if branch.endswith("Jet.BTag") and self.b_tag_mask is not None:
            column = [values & self.b_tag_mask for values in column]
        return [values.astype(float) if values.dtype.kind == "f" else values.tolist() for values in column]


def _in_double(make: Callable[..., Any]) -> Callable[..., Any]:
    """Convert the components of a vector to numpy's double precision."""
    return lambda *components: make(*map(np.float64, components))


def _with_all_events(parse: Callable[..., tuple[Any, ...]], noted: dict[str, Any]) -> Callable[..., tuple[Any, ...]]:
    """For a sample without a filter, return a filter that keeps all events instead of None, and note the keywords."""

    @wraps(parse)
    def wrapped(*args: Any, **kwargs: Any) -> tuple[Any, ...]:
        noted.clear()
        noted.update(kwargs)
        try:
            observations, weights, passed = parse(*args, **kwargs)
        except UnboundLocalError as error:  # its `finally` uses an undefined variable, and hides the cause
            raise error.__context__ or error from None
        return observations, weights, slice(None) if passed is None else passed

    return wrapped
