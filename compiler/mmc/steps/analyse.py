"""Read generated events: detector effects, observables, cuts and efficiencies, as MadMiner's LHEReader defines them."""

import gzip
import logging
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from mmc.errors import StepError
from mmc.steps import column_reader, madminer_compat
from mmc.steps.job import StepJob, read_json, write_json
from mmc.steps.setup import Setup
from mmc.steps.simulate import EVENTS

log = logging.getLogger(__name__)


def run(job: StepJob) -> None:
    """Write ``events.h5`` and ``analyse.json``; only the latter when no event passes."""
    madminer_compat.apply_reader()
    from madminer.lhe import LHEReader

    own = job.settings
    setup = Setup.read(job.one("setup"))
    setup.point(own["benchmark"])
    source = job.pick("events", own["simulate_job"])
    reader = LHEReader(str(setup.path))
    _configure(reader, own)
    try:
        column_reader.analyse(reader, source / EVENTS, own["benchmark"], own["background"])
    except column_reader.NotInColumnsError as reason:
        log.warning("MadMiner reads the events one by one, which takes longer: %s", reason)
        _one_by_one(reader, source / EVENTS, own, job.out / "events.lhe")

    n_passed = 0 if reader.observations is None else len(reader.events_sampling_benchmark_ids)
    n_read = read_json(source / "simulate.json")["n_events"]
    log.info("%d of %d events pass", n_passed, n_read)
    undefined = {}
    if n_passed:
        if not all(np.isfinite(weights).all() for weights in reader.weights.values()):
            raise StepError("some weights are not finite: check the efficiencies")
        # a charge is an exact fraction, which numpy can neither compare nor store
        reader.observations = {name: np.asarray(values, dtype=float) for name, values in reader.observations.items()}
        undefined = {name: int((~np.isfinite(values)).sum()) for name, values in reader.observations.items()}
        reader.save(str(job.out / "events.h5"), shuffle=False)  # the step combine shuffles
    for name, count in undefined.items():
        if count:
            log.warning(
                "the observable %s is not a finite number in %d events; give it a default or make it required",
                name,
                count,
            )
    write_json(
        job.out / "analyse.json",
        {
            "sample": own["sample"],
            "benchmark": own["benchmark"],
            "background": own["background"],
            "n_read": n_read,
            "n_passed": n_passed,
            "undefined": {name: count for name, count in undefined.items() if count},
        },
    )


def _one_by_one(reader: Any, packed: Path, settings: Any, unpacked: Path) -> None:
    """Let MadMiner read the events. It would unpack the file beside the input, which is not ours."""
    with gzip.open(packed) as source, unpacked.open("wb") as text:
        shutil.copyfileobj(source, text)
    reader.add_sample(str(unpacked), settings["benchmark"], is_background=settings["background"])
    reader.analyse_samples()
    unpacked.unlink()


def _configure(reader: Any, settings: Any) -> None:
    """Tell MadMiner's reader what to calculate."""
    for entry in settings["smearing"]:
        resolutions = {
            f"{quantity}_resolution_{kind}": entry[f"{quantity}_resolution_{kind}"]
            for quantity in ("energy", "pt", "eta", "phi")
            for kind in ("abs", "rel")
        }
        if entry["on_shell"] is not None:  # that quantity then follows from the others and the mass
            resolutions[f"{entry['on_shell']}_resolution_abs"] = None
        reader.set_smearing(pdgids=entry["pdgids"], **resolutions)
    reader.set_met_noise(abs_=settings["met_noise"]["abs"], rel=settings["met_noise"]["rel"])
    if settings["default_observables"] is not None:
        reader.add_default_observables(**settings["default_observables"])
    for name, observable in settings["observables"].items():
        reader.add_observable(name, observable["definition"], observable["required"], observable["default"])
    for cut in settings["cuts"]:
        reader.add_cut(cut["definition"], cut["required"])
    for efficiency in settings["efficiencies"]:
        reader.add_efficiency(efficiency["definition"], efficiency["default"])
