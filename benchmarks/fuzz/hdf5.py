"""MadMiner's event files, damaged in their bytes and in their content; what is accepted is loaded by MadMiner."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any

import h5py
import numpy as np
from mmc.errors import MmcError
from mmc.jobs.madminer import layout
from mmc.jobs.madminer.declarations import Content, read_agreeing
from mmc.jobs.madminer.event_file import EventFile
from mmc.jobs.madminer.event_summary import event_record

from benchmarks.fuzz.damage import HOSTILE, damaged_bytes, refusal

N_EVENTS, MOST_VALUES = 40, 10_000
_TEXT = h5py.string_dtype("ascii", 256)
_TYPES = ("f8", "f4", "f2", "i8", "i4", "u1", "?", "S5", "c16", "V8", h5py.string_dtype(), h5py.ref_dtype)
_NUMBERS = (0, -1, -7, 1, 5, 2**31, 2**62, -(2**62))
_FLOATS = (0.0, -1.0, np.nan, np.inf, -np.inf, 1e308, 1e-320, -1e200)


def make_trial(folder: Path) -> Callable[[Random], str]:
    """A trial that writes into a folder."""
    whole, path = folder / "whole.h5", folder / "x.h5"
    whole.write_bytes(event_file())

    def trial(random: Random) -> str:
        path.write_bytes(_input(whole.read_bytes(), random))
        try:
            with layout.opened(path):
                pass
            read_agreeing(whole, [path])
        except MmcError as error:
            refusal(error)
        try:
            Content.read(path)
            events = EventFile(path, 0.2, 0.2)
            with np.errstate(all="ignore"):  # a report on all of these is not this section's
                events.balanced("all")
                event_record(path)
        except MmcError as error:
            return refusal(error)
        return "accepted"

    return trial


def event_file() -> bytes:
    """A file with a morphing basis of three benchmarks, a nuisance parameter and background events."""
    random = np.random.default_rng(1)
    content: dict[str, Any] = {
        "parameters/names": [b"c"],
        "parameters/lha_blocks": [b"dim6"],
        "parameters/lha_ids": [2],
        "parameters/max_power": [2],
        "parameters/val_ranges": [[-1.0, 1.0]],
        "parameters/transforms": [b"theta"],
        "benchmarks/names": [b"sm", b"w", b"m", b"nu"],
        "benchmarks/values": [[0.0], [1.0], [-1.0], [0.0]],
        "benchmarks/is_nuisance": [0, 0, 0, 1],
        "benchmarks/is_reference": [1, 0, 0, 0],
        "morphing/components": [[0], [1], [2]],
        "morphing/morphing_matrix": [[1.0, 0.0, 0.0], [0.0, 0.5, -0.5], [-1.0, 0.5, 0.5]],
        "systematics/names": [b"lumi"],
        "systematics/types": [b"norm"],
        "systematics/values": [b"1.1"],
        "systematics/scales": [b"None"],
        "nuisance_parameters/names": [b"lumi_0"],
        "nuisance_parameters/systematics": [b"lumi"],
        "nuisance_parameters/benchmark_positive": [b"nu"],
        "nuisance_parameters/benchmark_negative": [b"None"],
        "observables/names": [b"x1", b"x2"],
        "observables/definitions": [b"x[0]", b"x[1]"],
        "samples/observations": random.normal(size=(N_EVENTS, 2)),
        "samples/weights": random.uniform(0.1, 1.0, (N_EVENTS, 4)),
        "samples/sampling_benchmarks": np.arange(N_EVENTS) % 4 - 1,
        "sample_summary/signal_events": [N_EVENTS // 4] * 3,
        "sample_summary/background_events": N_EVENTS // 4,
    }
    file = BytesIO()
    with h5py.File(file, "w") as target:
        for place, values in content.items():
            array = np.array(values)
            target.create_dataset(place, data=array, dtype="S256" if array.dtype.kind == "S" else None)
    return file.getvalue()


def _input(content: bytes, random: Random) -> bytes:
    if random.random() < 0.4:
        return damaged_bytes(content, random)
    file = BytesIO(content)
    with h5py.File(file, "r+") as target:
        for _ in range(random.randint(1, 2)):
            _change(target, random)
    return file.getvalue()


def _change(file: Any, random: Random) -> None:
    """Change a value, a shape or a type, or put something else in the place of a dataset."""
    place = random.choice([place for place in layout.LAYOUT if _is_dataset(file, place)])
    old = file[place]
    if old.size > MOST_VALUES:  # an earlier change made it, and to read it would take minutes
        return
    match random.randrange(9):
        case 0 | 1 | 2:
            index = tuple(random.randrange(length) if length else 0 for length in old.shape)
            if old.size and old.dtype.kind in "iufS":
                word = random.choice(HOSTILE).encode()[:256]
                values = {"i": random.choice(_NUMBERS), "u": 3, "f": random.choice(_FLOATS), "S": word}
                old[index] = values[old.dtype.kind]
        case 3:
            values = old[()]
            del file[place]
            file[place] = values[:-1] if np.ndim(values) and random.random() < 0.5 else np.array([values, values])
        case 4:
            shape = random.choice((old.shape, (), (0,), (1,), (3,), (N_EVENTS,), (2, 2), (10**9,), (10**6, 10**6)))
            chunks = random.choice((None, True)) if shape and 0 not in shape else None
            del file[place]
            file.create_dataset(place, shape, dtype=random.choice(_TYPES), chunks=chunks)
        case 5:
            del file[random.choice((place, place.partition("/")[0]))]
        case 6:
            del file[place]
            links = (h5py.SoftLink("/samples"), h5py.ExternalLink("/etc/passwd", "/"), h5py.SoftLink(f"/{place}"))
            file[place] = random.choice(links)
        case 7:
            others = [file[name] for name in ("samples", "/") if name in file]
            file[f"extra{random.random()}"] = random.choice((*others, np.dtype("f8"), np.zeros(3)))
        case _:
            values = old[()]
            del file[place]
            if np.ndim(values):
                packing = random.choice(({"compression": "gzip"}, {"compression": "lzf"}, {"fletcher32": True}))
                file.create_dataset(place, data=values, chunks=True, **packing)
            else:
                file.create_dataset(place, data=values, dtype=random.choice(("f4", "i4", "u1")))


def _is_dataset(file: Any, place: str) -> bool:
    group, _, name = place.partition("/")
    above = file[group] if isinstance(file.get(group, getlink=True), h5py.HardLink) else {}
    return isinstance(above, h5py.Group) and name in above and isinstance(above.get(name, getlink=True), h5py.HardLink)
