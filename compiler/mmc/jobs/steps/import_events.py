"""Import existing event files: check that they fit the study, and bring them into the form of generated events."""

import logging
import math
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path

from mmc.compiler.catalogue.stages import DETECT, SIMULATE
from mmc.compiler.inputs import cards
from mmc.compiler.inputs.madgraph_settings import CUTS
from mmc.compiler.settings.generation import ImportEventsSettings
from mmc.errors import StepError
from mmc.jobs.formats import (
    delphes_root,
    event_sketch,
    gzipped,
    hepmc,
    les_houches_normalise,
    les_houches_table,
    same_events,
)
from mmc.jobs.formats.hard_process import HardProcess
from mmc.jobs.formats.hepmc import SHOWERED
from mmc.jobs.formats.les_houches import EVENTS
from mmc.jobs.formats.les_houches_cross_section import of_none_removed, of_one_run, of_written
from mmc.jobs.formats.les_houches_head import Head
from mmc.jobs.formats.les_houches_normalise import Content, Ratios
from mmc.jobs.formats.les_houches_points import check_points
from mmc.jobs.formats.les_houches_table import Floats
from mmc.jobs.formats.les_houches_text import part
from mmc.jobs.formats.multiplicities import check_merged
from mmc.jobs.formats.weight_groups import assumptions, find_nuisance
from mmc.jobs.generators import madgraph_cards, reweighting
from mmc.jobs.job import StepJob, write_json
from mmc.jobs.madminer.setup_file import Benchmarks
from mmc.jobs.matrix_elements.morphing import random_point
from mmc.jobs.readers.delphes import DETECTED
from mmc.reading import shown

log = logging.getLogger(__name__)

_ADVICE = (
    "; let MadGraph's reweighting add it under the benchmark's name, or remove the benchmark; a weight with another "
    "name is named under `weights` beside the file"
)

_MOST_CHANGED = 0.01
"""At most this part of the events may have weights that a shower changed."""
_OF_PARTICLES = re.compile(r"""(?<![\w-])([\w-]{1,20})['"]?\s{0,9}:([^,{}]{1,60})""", re.ASCII)
"""A cut of a kind of particles, as in ``{6: 100}``."""


def run(job: StepJob) -> None:
    """Write ``events.lhe.gz`` and ``simulate.json``; with a HepMC file also ``events.hepmc.gz``; with a Delphes file
    also ``events.root`` and ``detect.json``.

    :raises StepError: when a file is damaged, the numbers of events differ, weights (of benchmarks or of systematic
        uncertainties) are missing or belong to other points, or the weights of a background differ
    """
    settings = job.read(ImportEventsSettings)
    benchmarks = Benchmarks.of(job).benchmarks
    source = job.one(settings.lhe)
    if settings.benchmark not in benchmarks:
        known = ", ".join(benchmarks)
        raise StepError(
            f"{source.name} was sampled at {settings.benchmark!r}, which is not a benchmark; the benchmarks are {known}"
        )
    names, same = [settings.benchmark], list(benchmarks)
    if not settings.background:
        names, same = same, []
    ratios, warnings = _ratios(job, settings, source, benchmarks)
    content = les_houches_normalise.inspect(
        source,
        settings.benchmark,
        names,
        same=same,
        advice=_ADVICE,
        filtered=settings.filtered,
        names=settings.weights,
        ratios=ratios,
    )
    if not settings.background and settings.parameters:
        expected = {
            name: madgraph_cards.card_values(settings.parameters, point)
            for name, point in benchmarks.items()
            if settings.reweight is None or name in settings.compared
        }
        warnings += check_points(content.head.text, settings.benchmark, expected, source.name, settings.weights)
    if not settings.filtered:
        check_merged(content.head.text, content.n_final, source.name)
    warnings += _check_uncertainties(settings, source, content)
    warnings += content.warnings
    if settings.filtered:
        warnings += of_one_run(content.head, source.name) or of_none_removed(
            content.head, content.n_events, source.name
        )
    if content.found_error_pb is not None:
        value, error = content.head.cross_section_pb[0], content.found_error_pb
        warnings.append(
            f"<init> of {source.name} has no cross section: that of the weights is {value:.4g} ± {error:.2g} pb"
        )
    les_houches_normalise.write(
        source,
        job.out / EVENTS,
        _of_remaining(content),
        settings.benchmark,
        names,
        renamed=settings.weights,
        ratios=ratios,
    )
    held = {source.name: content.digests}
    made = {
        "sample": settings.sample,
        "slice": settings.slice,
        "benchmark": settings.benchmark,
        "n_events": content.n_events,
        "n_generated": content.n_generated,
    }
    if settings.hepmc is not None:
        path = job.one(settings.hepmc)
        showered = hepmc.inspect(path)
        _check_count(path, showered.n_events, source, content.n_events)
        warnings += _same_events(path, source.name, job.out / EVENTS, showered.weights, hepmc.hard_process)
        held[path.name] = showered.digests
        _copy_packed(path, job.out / SHOWERED)
    if settings.delphes is not None:
        path = job.one(settings.delphes)
        detected = delphes_root.inspect(path)
        _check_count(path, detected.n_events, source, content.n_events)
        warnings += _same_events(path, source.name, job.out / EVENTS, detected.weights, delphes_root.hard_process)
        if detected.digests is not None:
            held[path.name] = detected.digests
        shutil.copyfile(path, job.out / DETECTED)
        write_json(job.out / DETECT.record, made)
    for name, digests in held.items():
        event_sketch.check_once(digests, name)
    for text in warnings:
        log.warning("%s", text)
    log.info("%d events of %s at %s", content.n_events, settings.sample, settings.benchmark)
    sketches = {name: event_sketch.write(digests) for name, digests in held.items()}
    write_json(
        job.out / SIMULATE.record,
        {
            **made,
            **content.record(),
            "beams": list(content.head.beams),
            "cuts": _cuts(content.head),
            "warnings": warnings,
            "events_of_files": sketches,
        },
    )


def _cuts(head: Head) -> dict[str, str]:
    """The cuts that the run card tells."""
    entries = cards.run_card(part(head.text, "MGRunCard") or "")
    return {entry.name: _cut(entry.value) for entry in entries if entry.name in CUTS}


def _cut(text: str) -> str:
    """The value of a cut in one form, whether it has quotes in the card or not. It is 0 where it has no effect, as a
    negative value or one for no particle.

    >>> _cut("20.0d0"), _cut("-1"), _cut("{24: 5, '6':100.0, 5: 0}"), _cut("{}"), _cut("{6: -1}")
    ('20', '0', '24: 5, 6: 100', '0', '0')
    >>> _cut("'True'"), _cut(".true."), _cut("T"), _cut("{'default': F}")
    ('true', 'true', 'true', 'default: false')
    """
    value = cards.number(text)
    if value is not None:
        return f"{max(value, 0.0):g}"
    values = {name: _cut(own.strip()) for name, own in _OF_PARTICLES.findall(text)}
    if values:
        return ", ".join(sorted(f"{name}: {own}" for name, own in values.items() if own != "0")) or "0"
    word = text.strip("'\".{} ").lower()
    return {"": "0", "t": "true", "f": "false"}.get(word, word)


def _check_uncertainties(settings: ImportEventsSettings, source: Path, content: Content) -> list[str]:
    """:returns: warnings
    :raises StepError: when the file does not declare the weights of an uncertainty, or its events lack them
    """
    parameters = find_nuisance(settings.systematics, source)
    for parameter in parameters:
        for weight in parameter.columns.values():
            if weight is not None and weight not in content.names:
                raise StepError(
                    f"{source.name} declares the weight {shown(weight)} for the uncertainty {parameter.systematic}, "
                    "and its events do not have it: give the sample no such uncertainty, or a file with these weights"
                )
    return assumptions(parameters)


def _ratios(
    job: StepJob, settings: ImportEventsSettings, source: Path, benchmarks: Mapping[str, Mapping[str, float]]
) -> tuple[Ratios, list[str]]:
    """Weights at the benchmarks relative to the nominal weight, where the study asks for them, and warnings.

    :raises StepError: as :func:`mmc.jobs.generators.reweighting.ratios`, or the study does not trust the model
    """
    if settings.reweight is None:
        return {}, []
    model = reweighting.load(job, settings.reweight, settings.trust)
    points = {name: madgraph_cards.card_values(settings.parameters, point) for name, point in benchmarks.items()}
    morphed, powers = None, settings.powers
    if powers is not None:
        basis = dict(islice(benchmarks.items(), powers.basis))
        morphed = random_point(basis, powers.max_powers, powers.max_overall_power, job.seed)
    at = None if morphed is None else (morphed, madgraph_cards.card_values(settings.parameters, morphed.values))
    return reweighting.ratios(
        source,
        model,
        settings.reweight,
        points,
        settings.benchmark,
        names=settings.weights,
        compared=settings.compared,
        morphed=at,
    )


def _of_remaining(content: Content) -> Content:
    """The content with the cross sections of the events that remain after a filter, for a head that fits them.

    With n of N events, the relative error ε of the cross section becomes that of a file of n events,
    √(ε² + 1/n - 1/N): a file does not contain N.
    """
    n_events, n_generated = content.n_events, content.n_generated
    value, error = content.head.cross_section_pb
    if n_events == n_generated or not value > 0.0:
        return content
    relative = math.sqrt((error / value) ** 2 + 1.0 / n_events - 1.0 / n_generated)
    return replace(content, head=of_written(content.head, content.nominal, content.factor, relative))


def _check_count(path: Path, n_events: int, source: Path, expected: int) -> None:
    """:raises StepError: when a file and the file with its weights have different numbers of events"""
    if n_events != expected:
        raise StepError(
            f"{path.name} holds {n_events} events and {source.name} {expected}: the two files must hold the same "
            "events; where a shower rejects events, remove them from the Les Houches file too, and write "
            "`filtered: true` beside it"
        )


def _same_events(
    path: Path,
    source: str,
    events: Path,
    weights: Floats | None,
    hard_process: Callable[[Path], HardProcess | None],
) -> list[str]:
    """Check that a file has the events of its Les Houches file, in the same order, by the weights in both or, if these
    do not contain them, by the energies of the incoming partons.

    :param events: the Les Houches file in its normal form
    :returns: a warning if that is not known, or if a part of the energies or a few weights differ
    :raises StepError: when they are other events, or their weights were changed
    """
    generated = les_houches_table.read(events)
    if weights is not None:
        _check_unchanged(path, source, generated, weights)
    compared = None if weights is None else same_events.compare(generated, weights)
    if compared is None and (hard := hard_process(path)) is not None:
        compared = same_events.compare_hard(generated, hard)
    if compared is not None and not compared.is_same and not compared.is_doubtful:
        raise StepError(
            f"{path.name} holds other events than {source}, or the same events in another order: {compared.told}"
        )
    if compared is None:
        return [
            f"mmc cannot check that {path.name} has the events of {source} in the same order: no weight that both have "
            "differs from event to event, and not both have the incoming partons"
        ]
    if not compared.is_same:
        return [
            f"{path.name} may hold other events than {source}: {compared.told}. A shower may change some of them, as "
            "Pythia does where it gives massless quarks a mass"
        ]
    if compared.has_others:
        return [f"{path.name} may hold some other events than {source}: {compared.told}"]
    return []


def _check_unchanged(path: Path, source: str, generated: les_houches_table.EventTable, weights: Floats) -> None:
    """:raises StepError: when the weights of the same events are other ones in a file of a shower"""
    n = same_events.n_changed(generated, weights)
    if n > _MOST_CHANGED * len(weights):
        raise StepError(
            f"{n:,} of {len(weights):,} events in {path.name} have other weights than in {source}, which mmc uses: "
            "where a shower gives events weight 0, remove them from both files and write `filtered: true`; where it "
            f"changes events by weights, multiply all weights in {source} by these, and its cross section by their mean"
        )


def _copy_packed(source: Path, out: Path) -> None:
    if gzipped.is_packed(source):
        shutil.copyfile(source, out)
        return
    with gzipped.reading(source) as content, gzipped.writing(out) as sink:
        shutil.copyfileobj(content, sink)
