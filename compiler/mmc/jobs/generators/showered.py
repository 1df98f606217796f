"""Shower the events of a job, and keep its event file and the showered events in step."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from mmc.compiler.inputs import cards
from mmc.compiler.settings.generation import Merging, Shower
from mmc.errors import StepError
from mmc.jobs.formats import hepmc, les_houches_normalise
from mmc.jobs.formats.hepmc import SHOWERED
from mmc.jobs.formats.les_houches import EVENTS
from mmc.jobs.formats.les_houches_cross_section import NominalWeights, of_written
from mmc.jobs.formats.les_houches_head import without_settings
from mmc.jobs.formats.les_houches_text import number
from mmc.jobs.generators import shower as pythia
from mmc.jobs.job import StepJob


def shower(
    job: StepJob,
    settings: Shower,
    benchmark: str,
    names: Sequence[str],
    *,
    n_events: int,
    trust: Collection[str],
    work: Path,
    nlo: bool = False,
    merging: Merging | None = None,
    n_flavours: int = 0,
) -> int:
    """Shower the events of a job's event file, and drop the events that Pythia could not shower from it.

    :param benchmark: the sampled benchmark
    :param names: the benchmarks whose weights all events have
    :param n_events: the number of events in the file
    :param work: a folder for temporary files
    :param merging: how processes of different numbers of jets are merged; the cross section is then that of the events
        that remain
    :param n_flavours: with merging, the flavours of MadGraph's jets
    :returns: the number of dropped events
    :raises StepError: as :func:`mmc.jobs.generators.shower.run`, or when events are missing
    """
    events, card = job.out / EVENTS, settings.card
    text = None if card is None else job.one(card).read_text(encoding="utf-8", errors="replace")
    lines = pythia.setting_lines(text, settings.settings, nlo, trust=trust, trusts_card=card in trust)
    lines += [] if merging is None else pythia.merging_lines(merging, n_flavours)
    first = [benchmark, *(name for name in names if name != benchmark)]
    scheme = None if merging is None else merging.scheme
    kept = pythia.run(events, job.out / SHOWERED, lines, seed=job.seed, weights=first, scratch=work, merging=scheme)
    lost = set(range(1, n_events + 1)) - kept.keys()
    if lost or scheme is not None:
        before = work / EVENTS
        events.rename(before)
        whole = les_houches_normalise.inspect(before, benchmark, names, may_lack_events=True)
        part = 1.0 if merging is None else len(kept) / n_events  # the mean of the weights is the cross section
        factors = {event: weight * part for event, weight in kept.items()}
        if merging is not None:
            value, error = whole.head.cross_section_pb
            written = _weights(before, factors)
            head = without_settings(whole.head, cards.MERGING)  # what remains is merged
            whole = replace(whole, head=of_written(head, written, whole.factor, error / value))
            (job.out / SHOWERED).rename(work / SHOWERED)
            hepmc.scale_weights(work / SHOWERED, job.out / SHOWERED, part, pythia.COMPRESSION)
        les_houches_normalise.write(before, events, whole, benchmark, names, lost=lost, factors=factors)
    found, expected = hepmc.count(job.out / SHOWERED), n_events - len(lost)
    if found != expected:
        raise StepError(f"{SHOWERED} holds {found} events where {expected} were showered")
    return len(lost)


def _weights(path: Path, factors: Mapping[int, float]) -> NominalWeights:
    """The nominal weights of some events of a file times factors, by the number of the event; the first event is 1."""
    found = NominalWeights()
    for place, event in enumerate(les_houches_normalise.events(path, {}), start=1):
        if place in factors:
            found.add(event.body.split(maxsplit=2)[1], factors[place] * number(event.own))
    return found
