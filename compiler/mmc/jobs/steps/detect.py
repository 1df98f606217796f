"""Simulate the detector: pass showered events through Delphes."""

import logging
import shutil
from pathlib import Path

from mmc.compiler.catalogue.stages import DETECT, SIMULATE
from mmc.compiler.inputs import cards
from mmc.compiler.inputs.delphes_card import card_refusals
from mmc.compiler.inputs.installations import Installation, find_delphes
from mmc.compiler.inputs.refusals import untrusted
from mmc.compiler.settings.reading import DetectSettings
from mmc.errors import StepError
from mmc.jobs.formats import delphes_root, hepmc
from mmc.jobs.formats.hepmc import SHOWERED
from mmc.jobs.generators import program
from mmc.jobs.job import StepJob, read_json, write_json
from mmc.jobs.readers.delphes import DETECTED

log = logging.getLogger(__name__)

_CARDS = "cards"
_PROGRESS = "** ["


def run(job: StepJob) -> None:
    """Write ``events.root`` and ``detect.json``.

    :raises StepError: when Delphes fails, or writes fewer or more events than it read
    """
    settings = job.read(DetectSettings)
    delphes = find_delphes(settings.installation)
    job.programs["Delphes"] = delphes.version
    source = job.counterpart("events")
    events, expected = source / SHOWERED, read_json(source / SIMULATE.record)["n_events"]
    if not events.is_file():
        raise StepError(f"{job.name} has no {SHOWERED}: Delphes needs showered events")
    version = hepmc.version(events)
    words = [delphes.programs[f"DelphesHepMC{version}"], _prepare_card(job, settings, delphes), job.out / DETECTED]
    finished = program.run(words, job.out, delphes.environment(), feed=events, skip=_PROGRESS)
    if finished.code != 0 or not (job.out / DETECTED).is_file():
        raise StepError(f"Delphes fails{_reason(finished.lines)}")
    n_events = delphes_root.count(job.out / DETECTED)
    if n_events != expected:
        raise StepError(f"Delphes writes {n_events} of the {expected} events of {job.name}{_reason(finished.lines)}")
    shutil.rmtree(job.out / _CARDS)
    log.info("%d events of %s at %s", n_events, settings.sample, settings.benchmark)
    write_json(
        job.out / DETECT.record,
        {
            "sample": settings.sample,
            "slice": settings.slice,
            "benchmark": settings.benchmark,
            "n_events": n_events,
            "delphes": delphes.version,
        },
    )


def _prepare_card(job: StepJob, settings: DetectSettings, delphes: Installation) -> Path:
    """Write a copy of the card with the job's seed, beside the files that Delphes' cards include.

    :raises StepError: when the installation lacks the card, or a line of the study's card may not reach Delphes
    """
    folder = job.out / _CARDS
    assert delphes.cards is not None
    shutil.copytree(delphes.cards, folder)
    if settings.card is not None:
        source = job.one(settings.card)
    else:
        source = delphes.cards / str(settings.shipped_card)
        if not source.is_file():
            known = ", ".join(sorted(path.name for path in delphes.cards.glob("delphes_card_*.tcl")))
            raise StepError(f"Delphes has no card {settings.shipped_card!r}; its cards are {known}")
    try:
        text = source.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise StepError(f"the card {source.name} is not UTF-8 text") from error
    card = folder / "mmc_card.tcl"
    text = seeded(text, job.seed)
    refused = None if settings.card is None else untrusted(card_refusals(text), settings.trust, settings.card)
    if refused is not None:
        raise StepError(f"the card {source.name}: {refused.reason}")
    card.write_text(text, encoding="utf-8")
    return card


def seeded(card: str, seed: int) -> str:
    """The card with this seed; without a seed Delphes uses the clock."""
    seeds = {entry.line for entry in cards.delphes_seeds(card)}
    kept = [line for number, line in enumerate(card.splitlines(), start=1) if number not in seeds]
    return "\n".join([f"set RandomSeed {seed}", *kept, ""])


def _reason(lines: tuple[str, ...]) -> str:
    """The last error that Delphes printed, as the end of a sentence."""
    error = next((line for line in reversed(lines) if "error" in line.lower()), None)
    return f": {error.removeprefix('** ')}" if error else "; see the log"
