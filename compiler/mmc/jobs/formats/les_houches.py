"""Les Houches event files with a weight per benchmark, as MadGraph's reweighting writes them."""

import gzip
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import NDArray

from mmc.errors import StepError
from mmc.jobs.formats.declared_weights import WeightGroup, lines_of
from mmc.jobs.formats.events import Event
from mmc.jobs.formats.gzipped import reading, writing_text
from mmc.version import __version__

EVENTS = "events.lhe.gz"
"""The event file that every simulation job writes."""

_CHUNK = 1 << 20
_WEIGHT_TAG = re.compile(r"^<wgt[^>]*>", re.MULTILINE)


@dataclass(frozen=True)
class Header:
    """The head of an event file."""

    n_events: int
    beams: tuple[int, int]
    """PDG ids of the beams."""
    beam_energy_gev: float
    cross_section_pb: tuple[float, float]
    """The cross section at the sampled benchmark and its statistical error, in pb."""
    benchmarks: Sequence[str]
    generator: Sequence[str]
    """The generator's settings, for the reader of the file."""
    settings_of: str = "Pythia"
    """Whose settings these are."""
    variations: Sequence[WeightGroup] = ()
    """The weights of other scales and parton distributions."""


@contextmanager
def writing(path: Path, header: Header) -> Iterator[TextIO]:
    """Open a gzipped file for writing: the header is written on entry, the end on exit.

    The bytes depend only on the content.
    """
    with writing_text(path) as text:
        text.write(_header(header))
        yield text
        text.write("</LesHouchesEvents>\n")


def write_events(
    text: TextIO, events: Iterable[Event], names: Sequence[str], sampled: str, weights: NDArray[np.float64]
) -> None:
    """Write events with their weights in pb; the mean over the file is the cross section.

    :param names: the columns of ``weights``: benchmarks, and perhaps variations
    :param sampled: the benchmark whose weight is the nominal weight of the event
    :param weights: shape (events, names)
    """
    sampled_column = list(names).index(sampled)
    openings = ("<wgt id={}> ".format(quoted(name).replace("%", "%%")) for name in names)
    all_weights = "<rwgt>\n{}</rwgt>\n</event>\n".format("".join(f"{start}%+.14e </wgt>\n" for start in openings))
    for event, row in zip(events, weights.tolist(), strict=True):
        lines = [
            f"<event>\n{len(event.particles):3d} 1 {row[sampled_column]:+.14e} {event.scale:.8e} "
            f"{event.alpha_em:.14e} {event.alpha_s:.8e}\n"
        ]
        for pdg_id, status, (first, second), (colour, anticolour), px, py, pz, energy, mass in event.particles:
            lines.append(
                f"{pdg_id:9d} {status:2d} {first:4d} {second:4d} {colour:4d} {anticolour:4d} "
                f"{px:+.10e} {py:+.10e} {pz:+.10e} {energy:.10e} {mass:.10e} 0. 9.\n"
            )
        lines.append(all_weights % tuple(row))
        text.write("".join(lines))


@contextmanager
def unpacked(packed: Path, folder: Path) -> Iterator[Path]:
    """An uncompressed temporary copy of a gzipped file; it is removed on exit.

    :raises StepError: as :func:`mmc.jobs.formats.gzipped.reading`
    """
    plain = folder / packed.stem
    with reading(packed) as source, plain.open("wb") as text:
        shutil.copyfileobj(source, text)
    try:
        yield plain
    finally:
        plain.unlink()


def verify(path: Path, n_events: int, names: Sequence[str]) -> None:
    """Read a written file back.

    :raises StepError: unless the file is complete, with ``n_events`` events and the weights of these names in each
    """
    expected = [f"<wgt id={quoted(name)}>" for name in names]
    n_whole, rest = 0, ""
    with gzip.open(path, "rt", encoding="ascii") as text:
        while chunk := text.read(_CHUNK):
            *whole, rest = (rest + chunk).split("\n</event>\n")
            n_whole += sum(_WEIGHT_TAG.findall(event) == expected for event in whole)
    if not rest.endswith("</LesHouchesEvents>\n") or n_whole != n_events:
        raise StepError(f"{path.name} is damaged: {n_whole} of {n_events} events are complete")


def _header(header: Header) -> str:
    energy = f"{header.beam_energy_gev:.8e}"
    value, error = header.cross_section_pb
    weights = "".join(f"<weight id={quoted(name)}>{escape(name)}</weight>\n" for name in header.benchmarks)
    varied = "".join(f"{line}\n" for group in header.variations for line in lines_of(group))
    settings = "".join(f"# {escape(line)}\n" for line in header.generator)
    return (
        '<LesHouchesEvents version="3.0">\n<header>\n'
        f"<MMCVersion>{__version__}</MMCVersion>\n"
        f"<{header.settings_of}Settings>\n{settings}</{header.settings_of}Settings>\n"
        "<MGRunCard>\n"
        f" {header.n_events} = nevents ! Number of unweighted events\n"
        " average = event_norm ! The mean of the weights is the cross section in pb\n"
        "</MGRunCard>\n"
        "<initrwgt>\n<weightgroup name='mg_reweighting' weight_name_strategy='includeIdInWeightName'>\n"
        f"{weights}</weightgroup>\n{varied}</initrwgt>\n</header>\n"
        f"<init>\n{header.beams[0]} {header.beams[1]} {energy} {energy} 0 0 0 0 -4 1\n"
        f"{value:.10e} {error:.10e} {value:.10e} 1\n</init>\n"
    )


def quoted(name: str) -> str:
    """A name as an XML attribute value, in single quotes as MadGraph writes them."""
    return "'" + escape(name, {"'": "&apos;"}) + "'"
