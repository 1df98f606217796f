"""The generator ``ufo`` beside MadGraph: squared matrix elements point by point, cross sections and times.

    MADGRAPH=FOLDER python benchmarks/madgraph.py elements|cross_sections [NAME ...] [--work FOLDER]

``MADGRAPH`` is the folder of a MadGraph 2.6 or later, with gfortran; ``MADGRAPH_PYTHON`` is the Python that runs it, if
it is another one. The models are MadGraph's own, and others in a folder of ``MMC_UFO_PATH``; both programs read the
same files and the same param card. Prints one JSON object a process:

- ``elements``: ratios of |M|² of mmc and of MadGraph's standalone output at twenty points of phase space
- ``cross_sections``: cross sections in pb with errors, and the CPU seconds of 100 and of 10,000 events
"""

import argparse
import json
import math
import os
import re
import resource
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
from mmc.compiler.inputs import ufo_model
from mmc.jobs.matrix_elements import Model
from mmc.jobs.scattering.collision import Collider, Differential
from mmc.jobs.scattering.integration import Channelled, accepted, integrate
from mmc.jobs.scattering.partons import Partons
from mmc.jobs.scattering.subprocesses import Subprocess, subprocesses

N_POINTS = 20
PARTONS = frozenset((21, 22, *range(1, 6), *range(-5, 0)))
CONTENTS = {"lepton": (frozenset({11}), frozenset({-11})), "parton": (PARTONS, PARTONS)}

SM, EWDIM6, SMEFT = "sm", "EWdim6", "SMEFTsim_topU3l_MwScheme_UFO-massless"
SMEFT_WHOLE = "SMEFTsim_topU3l_MwScheme_UFO-full"
"""With CP-odd operators, which the restriction leaves out."""


class Case(NamedTuple):
    """A process in both programs."""

    model: str
    """As MadGraph imports it: the name of the folder, and a restriction."""
    process: str
    energy: float = 1_000.0
    """Of the collision in GeV."""
    values: Mapping[str, float] = {}
    """Entries of the param card that differ from the model's."""
    operators: float = 0.0
    """The size of the values that all coefficients of operators have: entry n of a block is cos(7 n) times this."""
    cuts: Mapping[str, float] = {}
    hadrons: bool = False
    """Whether protons collide; else the incoming particles themselves do, as with MadGraph's ``lpp = 0``."""


_NO_WIDTHS = {f"decay {pdg}": 0.0 for pdg in (6, 23, 24, 25)}
"""For particles in a t-channel: their width is left out there by mmc and by MadGraph since 2.8, not before."""

_MASSLESS = {f"{block} {pdg}": 0.0 for block in ("mass", "yukawa") for pdg in (1, 2, 3, 4, 11, 13, 15)}

ELEMENTS: Mapping[str, Case] = {
    "uu_tt": Case(SM, "u u~ > t t~"),
    "gg_tt": Case(SM, "g g > t t~", values=_NO_WIDTHS),
    "gg_gg": Case(SM, "g g > g g"),
    "gg_bbh": Case(SM, "g g > b b~ h"),
    "gu_zu": Case(SM, "g u > z u"),
    "uu_zgg": Case(SM, "u u~ > z g g"),
    "ee_tth": Case(SM, "e- e+ > t t~ h"),
    "ee_hhz": Case(SM, "e- e+ > h h z"),
    "ee_wwz": Case(SM, "e- e+ > w+ w- z", values=_NO_WIDTHS),
    "ee_eezz": Case(SM, "e- e+ > z z a"),
    "uu_uuww": Case(SM, "u u > d d w+ w+ QCD=0", values=_NO_WIDTHS),
    "ud_udh": Case(SM, "u d > u d h QCD=0", values=_NO_WIDTHS),
    "tt_chain": Case(SM, "u u~ > t t~, (t > w+ b, w+ > mu+ vm), t~ > w- b~"),
    "ee_zzll": Case(SM, "e- e+ > z z, z > mu- mu+, z > e- e+"),
    "ewdim6_ud_udh": Case(EWDIM6, "u d > u d h QCD=0", values=_NO_WIDTHS, operators=10.0),
    "ewdim6_uu_ww": Case(EWDIM6, "u u~ > w+ w- NP=2", operators=10.0),
    "ewdim6_uu_wwz": Case(EWDIM6, "u u~ > w+ w- z NP=2", values=_NO_WIDTHS, operators=10.0),
    "ewdim6_ee_ha": Case(EWDIM6, "e- e+ > h a NP=2", operators=10.0),
    "ewdim6_ee_hww": Case(EWDIM6, "e- e+ > h w+ w- NP=2", values=_NO_WIDTHS, operators=10.0),
    "smeft_ud_hmuv": Case(SMEFT, "u d~ > h mu+ vm NP=1 QCD=0", operators=1.0),
    "smeft_ee_mumu": Case(SMEFT, "e- e+ > mu- mu+ NP=1", operators=1.0),
    "smeft_ee_tt": Case(SMEFT, "e- e+ > t t~ NP=1", operators=1.0),
    "smeft_ee_tth": Case(SMEFT, "e- e+ > t t~ h NP=1", operators=1.0),
    "smeft_ee_hhz": Case(SMEFT, "e- e+ > h h z NP=1", operators=1.0),
    "smeft_uu_dd": Case(SMEFT, "u u~ > d d~ NP=1", values=_NO_WIDTHS, operators=1.0),
    "smeft_uu_uu": Case(SMEFT, "u u > u u NP=1", values=_NO_WIDTHS, operators=1.0),
    "smeft_uu_ww": Case(SMEFT, "u u~ > w+ w- NP=1", operators=1.0),
    "smeft_gu_zu": Case(SMEFT, "g u > z u NP=1", operators=1.0),
    "smeft_gg_tt": Case(SMEFT, "g g > t t~ NP=1", values=_NO_WIDTHS, operators=1.0),
    "smeft_gg_gh": Case(SMEFT, "g g > g h NP=1", operators=1.0),
    "smeft_ee_hmumu_odd": Case(SMEFT_WHOLE, "e- e+ > h mu- mu+ NP=1", values=_MASSLESS, operators=1.0),
    "smeft_ud_udh": Case(SMEFT, "u d > u d h NP=1 QCD=0", values=_NO_WIDTHS, operators=1.0),
}

CROSS_SECTIONS: Mapping[str, Case] = {
    "ee_zh": Case(SM, "e- e+ > z h", 250.0),
    "ee_mumu": Case(SM, "e- e+ > mu- mu+", 200.0),
    "ud_hmuv_smeft": Case(SMEFT, "u d~ > h mu+ vm QCD=0 NP=1", operators=0.1),
    "uu_ww": Case(SM, "u u~ > w+ w-", 500.0),
    "ud_wh_decays": Case(SM, "u d~ > w+ h, w+ > mu+ vm, h > b b~"),
    "uu_zh_ewdim6": Case(EWDIM6, "u u~ > z h QCD=0 NP=2", operators=10.0),
    "pp_mumu": Case(SM, "p p > mu+ mu-", 13_000.0, cuts={"mmll": 60.0, "ptl": 20.0, "etal": 2.5}, hadrons=True),
    "pp_wh": Case(SM, "p p > w+ h", 13_000.0, hadrons=True),
    "pp_tt": Case(SM, "p p > t t~", 13_000.0, hadrons=True),
}
PDF, SCALE = "NNPDF23_lo_as_0130_qed", 91.188
"""MadGraph's ``nn23lo1``, and the scale of processes with protons, fixed in GeV."""
N_EVENTS = (100, 10_000)

OPERATORS = ("dim6", "smeft", "smeftcpv")
"""The blocks of the coefficients of operators."""

DRIVER = """      program driver
      implicit none
      include 'nexternal.inc'
      integer i, j, n
      double precision p(0:3, nexternal), value
      call setpara('param_card.dat')
      read (*, *) n
      do j = 1, n
        do i = 1, nexternal
          read (*, *) p(0, i), p(1, i), p(2, i), p(3, i)
        end do
        call smatrix(p, value)
        write (*, '(A,E25.16)') 'VALUE ', value
      end do
      end
"""


class MadGraph:
    """A MadGraph that is installed."""

    def __init__(self, folder: Path, python: str) -> None:
        self.folder, self._python = folder, python

    def run(self, text: str, work: Path) -> str:
        """What MadGraph prints for a script."""
        (work / "script.mg5").write_text(text, encoding="utf-8")
        done = subprocess.run(
            [self._python, str(self.folder / "bin" / "mg5_aMC"), "script.mg5"],
            cwd=work,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    def model(self, name: str) -> Path:
        """The folder of a model: MadGraph's own, else one of ``MMC_UFO_PATH``."""
        own = self.folder / "models" / name
        found = own if own.is_dir() else ufo_model.installed(name)
        if found is None:
            raise SystemExit(f"no model {name}: neither MadGraph nor a folder of {ufo_model.SEARCHED} has it")
        return found


def loaded(case: Case, program: MadGraph, card: Path) -> tuple[str, Model]:
    """The line with which MadGraph imports the model, and the model with the values of the param card."""
    name, _, restriction = case.model.partition("-")
    folder = program.model(name)
    line = f"import model {folder}" + (f"-{restriction}" if restriction else "")
    restriction = "none" if restriction == "full" else restriction
    return line, Model.load(folder, restriction=restriction or None, card=card if card.exists() else None)


def changed_card(text: str, case: Case) -> str:
    """A param card with the values of the case."""
    block, lines = "", []
    for line in text.splitlines():
        words = line.split("#")[0].lower().split()
        block = words[1] if words[:1] == ["block"] else block
        *entry, _ = (words if words[:1] == ["decay"] else [block, *words]) or [""]
        value = case.values.get(" ".join(entry))
        if value is None and block in OPERATORS and len(entry) == 2 and entry[1].isdigit():
            value = case.operators * math.cos(7 * int(entry[1]))
        place = f"DECAY {entry[1]}" if entry[:1] == ["decay"] else " ".join(["", *entry[1:]])
        lines.append(line if value is None else f"{place} {value:.10e}")
    return "\n".join(lines) + "\n"


def first(case: Case, model: Model) -> Subprocess:
    """The subprocess of a process between particles."""
    beams = CONTENTS["lepton" if case.process.startswith("e- e+") else "parton"]
    (found,) = subprocesses([case.process], {}, model, [{}], energy=case.energy, beams=beams)
    return found


def elements(case: Case, program: MadGraph, work: Path) -> dict[str, Any]:
    """Ratios of |M|² at random points of phase space."""
    output = work / "standalone"
    card = output / "Cards" / "param_card.dat"
    line, _ = loaded(case, program, card)
    program.run(f"{line}\ngenerate {case.process}\noutput standalone {output}\n", work)
    card.write_text(changed_card(card.read_text(encoding="utf-8"), case), encoding="utf-8")
    _, model = loaded(case, program, card)
    subprocess_ = first(case, model)
    collider = Collider(case.energy, ("e-", "e+"), None, {}, None)
    differential = Differential(model, subprocess_, collider, {}, [{}])
    random = np.random.default_rng(11)
    channel = differential.channels[0]
    points = channel.points(random.random((4 * N_POINTS, channel.dimension)))
    momenta = points.momenta[points.volume > 0.0][:N_POINTS]
    ours = differential.squared(momenta, {}) * subprocess_.symmetry
    theirs = standalone(output, momenta)
    ratios = ours / theirs
    return {
        "largest_difference": float(np.abs(ratios - 1.0).max()),
        "median_ratio": float(np.median(ratios)),
        "diagrams": len(differential.diagrams),
    }


def standalone(output: Path, momenta: np.ndarray) -> np.ndarray:
    """|M|² of MadGraph's standalone code."""
    (folder,) = (output / "SubProcesses").glob("P*")
    (folder / "check_sa.f").unlink()
    (folder / "check_sa.f").write_text(DRIVER, encoding="utf-8")
    subprocess.run(["make", "check"], cwd=folder, check=True, capture_output=True)
    (folder / "param_card.dat").write_bytes((output / "Cards" / "param_card.dat").read_bytes())
    lines = [str(len(momenta)), *(" ".join(f"{x:.17e}" for x in p) for event in momenta for p in event)]
    done = subprocess.run(
        ["./check"], cwd=folder, input="\n".join(lines) + "\n", capture_output=True, text=True, check=True
    )
    return np.array([float(x) for x in re.findall(r"VALUE\s+(\S+)", done.stdout)])


def cross_sections(case: Case, program: MadGraph, work: Path) -> dict[str, Any]:
    """Cross sections of both programs, and their CPU seconds for some and for many events."""
    output = work / "events"
    card = output / "Cards" / "param_card.dat"
    line, _ = loaded(case, program, card)
    start = _children()
    program.run(f"{line}\ngenerate {case.process}\noutput {output}\n", work)
    card.write_text(changed_card(card.read_text(encoding="utf-8"), case), encoding="utf-8")
    made = _children() - start
    theirs = {f"seconds_of_{n}": made + launched(case, program, output, n) for n in N_EVENTS}
    ours = sampled(case, loaded(case, program, card)[1])
    line = next((output / "Events" / f"n{N_EVENTS[-1]}").glob("*banner.txt")).read_text(encoding="utf-8")
    (value,) = re.findall(r"Integrated weight \(pb\)\s*:\s*(\S+)", line)
    results = (output / "SubProcesses" / "results.dat").read_text(encoding="utf-8").split()
    theirs |= {"cross_section_pb": float(value), "error_pb": float(results[1])}
    pull = (ours["cross_section_pb"] - theirs["cross_section_pb"]) / math.hypot(ours["error_pb"], theirs["error_pb"])
    return {"mmc": ours, "madgraph": theirs, "errors_apart": pull}


def launched(case: Case, program: MadGraph, output: Path, n_events: int) -> float:
    """The CPU seconds in which MadGraph integrates and makes so many events."""
    settings: dict[str, object] = {
        "nevents": n_events,
        "iseed": 5,
        "lpp1": int(case.hadrons),
        "lpp2": int(case.hadrons),
        "ebeam1": case.energy / 2,
        "ebeam2": case.energy / 2,
        "pdlabel": "nn23lo1",
        "fixed_ren_scale": "True",
        "fixed_fac_scale": "True",
        "scale": SCALE,
        "dsqrt_q2fact1": SCALE,
        "dsqrt_q2fact2": SCALE,
        "use_syst": "False",
    }
    lines = [f"launch {output} -n n{n_events}", "set no_parton_cut"]
    lines += [f"set run_card {key} {value}" for key, value in {**settings, **case.cuts}.items()]
    start = _children()
    program.run("\n".join([*lines, "done", ""]), output.parent)
    return _children() - start


def sampled(case: Case, model: Model) -> dict[str, float]:
    """The cross section of the generator ``ufo``, and its CPU seconds."""
    start = time.process_time()
    beams = CONTENTS["lepton" if case.process.startswith("e- e+") else "parton"]
    definitions = {"p": "g u c d s u~ c~ d~ s~"}
    found = subprocesses([case.process], definitions, model, [{}], energy=case.energy, beams=beams)
    collider = Collider(case.energy, ("p", "p"), Partons.of_pythia(PDF) if case.hadrons else None, case.cuts, SCALE)
    differentials = [Differential(model, one, collider, {}, [{}]) for one in found]
    random = np.random.default_rng(1)
    value, error, parts = integrate(differentials, 0.002, random)
    channels = [Channelled(p.subprocess, p.channel, p.grid.edges.tolist(), p.largest()) for p in parts]
    times, n_events, tries = {}, 0, 200
    for wanted in N_EVENTS:
        while n_events < wanted:
            made = sum(len(batch.weights) for batch in accepted(differentials, channels, random, tries))
            n_events, tries = n_events + made, 5_000
        times[f"seconds_of_{wanted}"] = time.process_time() - start
    return {**times, "cross_section_pb": value, "error_pb": error}


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main(arguments: Sequence[str]) -> None:
    """Compare what the command line names."""
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["elements", "cross_sections"])
    parser.add_argument("names", nargs="*")
    given = parser.parse_args(arguments)
    if "MADGRAPH" not in os.environ:
        print("skipped: MADGRAPH does not name the folder of a MadGraph")
        return
    program = MadGraph(Path(os.environ["MADGRAPH"]).resolve(), os.environ.get("MADGRAPH_PYTHON", sys.executable))
    cases, compare = (ELEMENTS, elements) if given.what == "elements" else (CROSS_SECTIONS, cross_sections)
    for name in given.names or cases:
        with TemporaryDirectory() as work:
            print(json.dumps({name: compare(cases[name], program, Path(work))}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
