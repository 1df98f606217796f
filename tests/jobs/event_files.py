"""Event files for tests of the readers, and how two readers of MadMiner's are compared that have read the same."""

import math
import random
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmc.compiler.settings.encoding import from_json
from mmc.compiler.settings.reading import DelphesAnalyseSettings, LesHouchesAnalyseSettings
from mmc.jobs.madminer import workarounds
from mmc.jobs.madminer.event_expressions import UNDEFINED, evaluate

UPROOT3_ON_NUMPY2 = """
from struct import Struct
from uproot3.source.cursor import Cursor

def string(self, source):
    length = self.field(source, Struct("B"))
    return self.bytes(source, length if length < 255 else self.field(source, Struct(">I"))).tobytes()

Cursor.string = Cursor.skipstring = string
"""
"""What lets uproot3, and with it stock MadMiner, read files again: a length that is Python's number."""
PARTICLES_FOUND_ONCE = """
from madminer.utils.interfaces import lhe

class Found:
    table, known = lhe.Particle, {}

    @classmethod
    def findall(cls, condition):
        found = cls.known.get(condition.__code__)
        if found is None:
            found = cls.known[condition.__code__] = cls.table.findall(condition)
        return found

lhe.Particle = Found
"""
"""What saves stock MadMiner two searches of the whole table of particles per event, which take nearly all its time."""
HEADER = (
    '<LesHouchesEvents version="3.0">\n<header>\n<MGRunCard>\n {n} = nevents ! events\n {norm} = event_norm\n'
    "</MGRunCard>\n</header>\n<init>\n</init>\n"
)
_EVENTS = {"sample": "signal", "benchmark": "sm", "background": False}
_TYPES = {"Charge": np.int32, "PID": np.int32, "TauTag": np.uint32, "BTag": np.uint32, "Status": np.int32}
MASSES = {11: 0.0005, 13: 0.1057, 15: 1.777, 5: 4.7, 25: 125.0, 24: 80.4, 6: 173.0}


def les_houches_settings(reading: Mapping[str, Any]) -> LesHouchesAnalyseSettings:
    """The settings of a job that reads Les Houches events."""
    return from_json(LesHouchesAnalyseSettings, {**_EVENTS, **reading})


def delphes_settings(reading: Mapping[str, Any]) -> DelphesAnalyseSettings:
    """The settings of a job that reads what Delphes sees."""
    detected = {"reader": "delphes", "generator_truth": False}
    return from_json(DelphesAnalyseSettings, {**_EVENTS, **detected, **reading})


def lhe_text(n_events: int, norm: str = "average") -> str:
    """Events with all kinds of particles, some without any, some alike."""
    random_numbers = random.Random(4)
    text = HEADER.format(n=n_events, norm=norm)
    known = [11, -11, 13, -13, 15, -15, 22, 12, -14, 1, -2, 5, -5, 21, 25, 24, 2212]
    contents = [random_numbers.choices(known, k=random_numbers.randrange(9)) for _ in range(n_events // 4)]
    for _ in range(n_events):
        pdgids = random_numbers.choice(contents)
        weights = [random_numbers.uniform(-0.1, 1.0) for _ in range(2)]
        text += f"<event>\n {len(pdgids) + 1} 1 {weights[0]:.9e} 100. 0.0078 0.1\n"
        text += " 21 -1 0 0 501 502 0. 0. 50. 50. 0. 0. 9.\n"
        for pdgid in pdgids:
            momentum = [random_numbers.gauss(0.0, 60.0) for _ in range(3)]
            energy = math.hypot(*momentum, MASSES.get(abs(pdgid), 0.0))
            line = " ".join(f"{component:+.10e}" for component in (*momentum, energy))
            text += f" {pdgid} 1 1 2 0 0 {line} 0. 0. {random_numbers.choice([-1, 1])}.\n"
        text += f"<rwgt>\n<wgt id='sm'> {weights[0]:.9e} </wgt>\n<wgt id='w'> {weights[1]:.9e} </wgt>\n</rwgt>\n"
        text += "</event>\n"
    return text + "</LesHouchesEvents>\n"


def write_root(
    path: Path, n_events: int, without: str = "", particles: Mapping[str, Sequence[float]] | None = None
) -> None:
    """A file like Delphes', with objects of all sorts in some events and none in others.

    :param without: a collection that is left out
    :param particles: the generated particles, which all events have; without any, of all sorts
    """
    import awkward as ak
    import uproot

    random_numbers = np.random.default_rng(7)

    def numbers(low: float, high: float, counts: Any) -> Any:
        return ak.unflatten(random_numbers.uniform(low, high, counts.sum()), counts)

    def whole(choices: list[int], counts: Any) -> Any:
        return ak.unflatten(random_numbers.choice(choices, counts.sum()), counts)

    def momenta(most: int) -> tuple[Any, dict[str, Any]]:
        counts = random_numbers.integers(0, most + 1, n_events) * (random_numbers.random(n_events) > 0.3)
        pt = ak.sort(numbers(5.0, 120.0, counts), ascending=False)
        return counts, {"PT": pt, "Eta": numbers(-4.0, 4.0, counts), "Phi": numbers(-3.14, 3.14, counts)}

    def jets() -> dict[str, Any]:
        counts, found = momenta(5)
        masses = numbers(0.0, 20.0, counts) * whole([0, 1], counts)
        return {**found, "Mass": masses, "TauTag": whole([0, 1], counts), "BTag": whole([0, 1, 3], counts)}

    def missing() -> dict[str, Any]:
        one = np.ones(n_events, dtype=int)
        return {"MET": numbers(0.0, 90.0, one), "Phi": numbers(-3.14, 3.14, one)}

    def charged() -> dict[str, Any]:
        counts, found = momenta(3)
        return {**found, "Charge": whole([-1, 1], counts)}

    def neutral(most: int, pdgids: list[int]) -> dict[str, Any]:
        counts, found = momenta(most)
        charges = whole([-1, 0, 1], counts)
        return {
            **found,
            "E": found["PT"] * np.cosh(found["Eta"]) + 0.2,
            "PID": whole(pdgids, counts),
            "Charge": charges,
        }

    def generated(found: dict[str, Any]) -> dict[str, Any]:
        """In any order, some of them decayed."""
        if particles is not None:
            columns = {name: np.array([values] * n_events).ravel() for name, values in particles.items()}
            columns |= {"Phi": columns["Eta"] + 1.0, "E": columns["PT"] * np.cosh(columns["Eta"])}
            counts = np.full(n_events, len(particles["PT"]))
            return {name: ak.unflatten(column, counts) for name, column in columns.items()} | {
                "Charge": ak.unflatten(np.zeros(counts.sum(), dtype=int), counts)
            }
        counts = ak.num(found["PT"])
        shuffled = np.random.default_rng(8)
        order = ak.argsort(ak.unflatten(shuffled.random(ak.sum(counts)), counts), axis=1)
        status = ak.unflatten(shuffled.choice([1, 1, 2, 23], ak.sum(counts)), counts)
        return {name: column[order] for name, column in {**found, "Status": status}.items()}

    collections = {
        "Electron": charged(),
        "Muon": charged(),
        "Photon": neutral(3, [22]),
        "Jet": jets(),
        "MissingET": missing(),
        "Particle": generated(neutral(12, [11, -11, 13, -13, 15, 22, 1, 21, 2212])),
        "GenJet": jets(),
        "GenMissingET": missing(),
    }
    arrays = {
        name: ak.zip(
            {field: ak.values_astype(column, _TYPES.get(field, np.float32)) for field, column in fields.items()}
        )
        for name, fields in collections.items()
        if name != without
    }
    names = {"counter_name": lambda name: f"{name}_size", "field_name": lambda outer, inner: f"{outer}.{inner}"}
    with uproot.recreate(path) as file:
        types = {name: array.type.content for name, array in arrays.items()}
        tree = file.mktree("Delphes", {"Event": np.int32, **types}, **names)
        tree.extend({"Event": np.ones(n_events, dtype=np.int32), **arrays})


def setup_file(path: Path, names: list[str]) -> Path:
    """MadMiner's set-up file with these benchmarks."""
    workarounds.apply_reader()
    from madminer.core import MadMiner

    miner = MadMiner()
    miner.add_parameter("contact", 1, "c", "theta", 2, (0.0, 10.0))
    for index, name in enumerate(names):
        miner.add_benchmark({"c": float(index)}, name)
    miner.save(str(path))
    return path


def assert_same(folder: Path, ours: Any, theirs: Any) -> int:
    """How many events pass, in both readers; all values are compared, and the layout of what they save."""
    assert list(ours.observations) == list(theirs.observations)
    assert_equal(ours, theirs)
    assert list(ours.weights) == list(theirs.weights)
    for name, values in theirs.weights.items():
        np.testing.assert_allclose(ours.weights[name], values, rtol=1e-12, err_msg=name)
    np.testing.assert_array_equal(ours.events_sampling_benchmark_ids, theirs.events_sampling_benchmark_ids)
    for attribute in ("signal_events_per_benchmark", "background_events", "reference_benchmark", "nuisance_parameters"):
        assert getattr(ours, attribute) == getattr(theirs, attribute)
    saved = []
    for reader in (ours, theirs):
        reader.observations = {name: np.asarray(values, dtype=float) for name, values in reader.observations.items()}
        reader.save(str(folder / "saved.h5"), shuffle=False)
        saved.append(_layout(folder / "saved.h5"))
        (folder / "saved.h5").unlink()
    assert saved[0] == saved[1]
    return len(ours.events_sampling_benchmark_ids)


def assert_equal(ours: Any, theirs: Any) -> None:
    """All observables, to 1e-12; what cancels (missing momentum where there is none) to 1e-9 GeV, not its angle."""
    for name, values in theirs.observations.items():
        expected, found = np.asarray(values, dtype=float), ours.observations[name]
        if name == "phi_miss":
            some = theirs.observations["et_miss"] > 1e-6
            expected, found = expected[some], found[some]
        size = np.nanmax(np.abs(expected), initial=0.0)
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-9 if size < 1e-6 else 0.0, err_msg=name)


def _layout(path: Path) -> dict[str, Any]:
    import h5py

    found: dict[str, Any] = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, item: found.update({name: (getattr(item, "shape", 0), getattr(item, "dtype", 0))}))
    return found


def expected_value(text: str, objects: dict[str, Any]) -> float | None:
    """What MadMiner finds in an event; None where the expression is undefined."""
    try:
        return float(evaluate(text, objects))
    except UNDEFINED:
        return None


def assert_close(text: str, expected: list[float | None], found: Any, defined: Any, nearby: Any) -> None:
    """Values of an expression in columns are MadMiner's, to 1e-12 or as well as rounding errors let them be.

    :param nearby: the same values of events that were changed by 1e-14. A change may happen to leave a mass as it was,
        a root of a difference of squares, to which rounding errors matter most.
    """
    relative = 1e-8 if re.search(r"\.(m|mass|mt|tau|beta|gamma)\b", text) else 1e-12
    assert [value is not None for value in expected] == np.asarray(defined).tolist(), text
    events = [event for event, value in enumerate(expected) if value is not None]
    values = np.array([expected[event] for event in events], dtype=float)
    own, changed = (np.asarray(each, dtype=float)[events] for each in (found, nearby))
    with np.errstate(all="ignore"):
        change = np.abs(changed - own)
        error = np.maximum(relative * np.abs(values), 1e-12 + np.where(np.isnan(change), 0.0, 100.0 * change))
        equal = (own == values) | (np.isnan(own) & np.isnan(values))
        close = equal | (np.isfinite(values) & (np.abs(own - values) <= error))
    wrong = ~close & ~(np.isfinite(own) & ~np.isfinite(changed))
    assert not wrong.any(), (text, [(events[k], values[k], own[k]) for k in np.flatnonzero(wrong)[:3]])
