"""Processes of UFO models: time to the first event, and events per second.

    python benchmarks/ufo.py [NAME ...]

For each process: the seconds from loading the model to the first unweighted event, with a cross section to one per
cent; the cross section in pb with its error; and unweighted events per second after that. Processes of SMEFTsim and
EWdim6 need these models in a folder of ``MMC_UFO_PATH``. Prints one JSON object.
"""

import json
import sys
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from mmc.compiler.inputs import ufo_model
from mmc.jobs.matrix_elements import Model
from mmc.jobs.scattering.collision import Collider, Differential
from mmc.jobs.scattering.integration import Channelled, accepted, integrate
from mmc.jobs.scattering.partons import Partons
from mmc.jobs.scattering.subprocesses import subprocesses

SMEFT = {"model": "SMEFTsim_topU3l_MwScheme_UFO", "restriction": "massless", "values": {"smeft all": 0.0}}
SM: Mapping[str, Any] = {"model": "ufo_sm"}
EWDIM6: Mapping[str, Any] = {"model": "EWdim6", "values": {"dim6 all": 0.0, "decay 25": 0.00407}}
PROCESSES: Mapping[str, tuple[Mapping[str, Any], str, float, Mapping[str, float]]] = {
    "ee_mumu": (SM, "e- e+ > mu- mu+", 250.0, {}),
    "ee_zh": (SM, "e- e+ > z h", 250.0, {}),
    "ee_tth": (SM, "e- e+ > t t~ h", 1000.0, {}),
    "ee_hmumu_smeft": (SMEFT, "e- e+ > h mu- mu+ NP=1", 250.0, {"mmll": 60.0}),
    "pp_mumu": (SM, "p p > mu+ mu-", 13_000.0, {"mmll": 60.0}),
    "pp_ww": (SM, "p p > w+ w-", 13_000.0, {}),
    "pp_hmuv_smeft": (SMEFT, "p p > h mu+ vm NP=1", 13_000.0, {}),
    "uu_za": (SM, "u u~ > z a", 13_000.0, {"pta": 20.0, "etaa": 2.5}),
    "gu_zu": (SM, "g u > z u", 13_000.0, {"ptj": 30.0}),
    "pp_hbb_muv_smeft": (SMEFT, "p p > h w+ QCD=0 NP=1, h > b b~, w+ > mu+ vm NP=0", 13_000.0, {}),
    "ud_udaa": (EWDIM6, "u d > u d h / a z QCD=0 NP=2, h > a a QCD=0 NP=0", 13_000.0, {"ptj": 20.0, "drjj": 0.4}),
    "ud_udh": (EWDIM6, "u d > u d h QCD=0", 13_000.0, {"ptj": 20.0, "mmjj": 100.0}),
}
"""Model, process, energy of the collision in GeV, cuts."""
PARTONS = frozenset((21, *range(1, 5), *range(-4, 0)))
N_EVENTS = 1_000


def measured(which: Mapping[str, Any], process: str, energy: float, cuts: Mapping[str, float]) -> dict[str, float]:
    """What the benchmark prints of one process."""
    start = time.perf_counter()
    random = np.random.default_rng(1)
    options = {key: value for key, value in which.items() if key != "model"}
    model = Model.load(ufo_model.installed(which["model"]) or which["model"], **options)
    leptons = process.startswith("e- e+")
    collider = Collider(
        energy,
        ("e-", "e+") if leptons else ("p", "p"),
        None if leptons else Partons("NNPDF23_lo_as_0130_qed"),
        cuts,
        None if leptons else 91.188,
    )
    beams = (frozenset({11}), frozenset({-11})) if leptons else (PARTONS, PARTONS)
    found = subprocesses([process], {}, model, [{}], energy=energy, beams=beams)
    differentials = [Differential(model, one, collider, {}, [{}]) for one in found]
    value, error, parts = integrate(differentials, 0.01, random)
    channels = [Channelled(p.subprocess, p.channel, p.grid.edges.tolist(), p.largest()) for p in parts]
    n_events, tries, first = 0, 100, 0.0
    while n_events < N_EVENTS:
        n_events += sum(len(batch.weights) for batch in accepted(differentials, channels, random, tries))
        if not first:
            first = time.perf_counter()
            n_events, tries = 0, 2_000
    seconds = time.perf_counter() - first
    return {
        "seconds_to_first_event": first - start,
        "cross_section_pb": value,
        "error_pb": error,
        "channels": len(parts),
        "events_per_second": n_events / seconds,
    }


if __name__ == "__main__":
    chosen = sys.argv[1:] or list(PROCESSES)
    print(json.dumps({name: measured(*PROCESSES[name]) for name in chosen}, indent=1))
