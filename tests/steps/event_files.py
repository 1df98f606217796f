"""Event files for tests of the readers, and how two readers of MadMiner's are compared that have read the same."""

import math
import random
from pathlib import Path
from typing import Any

import numpy as np
from mmc.steps import madminer_compat

HEADER = (
    '<LesHouchesEvents version="3.0">\n<header>\n<MGRunCard>\n {n} = nevents ! events\n {norm} = event_norm\n'
    "</MGRunCard>\n</header>\n<init>\n</init>\n"
)
MASSES = {11: 0.0005, 13: 0.1057, 15: 1.777, 5: 4.7, 25: 125.0, 24: 80.4, 6: 173.0}


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


def setup_file(path: Path, names: list[str]) -> Path:
    madminer_compat.apply_reader()
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
