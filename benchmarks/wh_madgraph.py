"""Stands in for MadGraph in studies/wh-smeft: events of its four kinds of processes, in their shape and in little time.

Masses, decays and the shape of the spectra are those of the processes; spins, interference with other diagrams and the
cuts of the run card are left out. The weights of the signal are a square of amplitudes that are linear in the four
coefficients, two of which grow with the energy: so the morphing of the study is exact. `PDF4LHC15_nlo_30` and the
scales are constant factors with a small tilt. It imports nothing but the tests' stand-in.
"""

import gzip
import math
import random
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "jobs"))
import fake_madgraph as simple

del sys.path[0]

Momentum = tuple[float, float, float, float]
"""Energy and momentum in GeV."""
Particle = tuple[int, int, int, int, int, int, Momentum, float]
"""PDG number, status, first and last mother, colours, momentum, mass."""

PARAM_CARD = (
    "Block smeft\n  4 1.0 # cHbox\n  5 1.0 # cHDD\n  7 1.0 # cHW\n  28 1.0 # cHj3\nBlock mass\n  6 172.76\n"
    "  24 80.387\n  25 125.09\nDECAY 25 0.00407\n"
)
RUN_CARD = simple.RUN_CARD + "".join(
    f" 0 = {name}\n"
    for name in (
        *("cut_decays", "ptb", "etab", "ptl", "etal", "drbb", "drbl", "mmbb", "mmbbmax"),
        *("systematics_program", "systematics_arguments"),
    )
)
M_H, M_W, M_T = 125.09, 80.387, 172.76
BOTTOM, TOP, W, HIGGS = 5, 6, 24, 25
CROSS_SECTIONS_PB = {"h": 0.05, "bb": 1.2, "tb": 0.12, "tt": 28.0}
"""Rough ones: of one lepton and one charge."""
MEAN_KINETIC_GEV = {"h": 110.0, "bb": 90.0, "tb": 120.0, "tt": 130.0}
"""How far the partonic energy is above its threshold, on average."""
PDF_SET, FIRST_MEMBER, N_MEMBERS = "PDF4LHC15_nlo_30", 90900, 31
SCALES = (0.5, 1.0, 2.0)


def amplitudes(energy: float, transverse: float, c: Sequence[float]) -> tuple[float, float]:
    """Relative to the Standard Model, for a partonic energy and a transverse momentum in TeV: the one that interferes
    with the Standard Model, and one that does not."""
    box, hdd, hw, hj3 = c
    return 1.0 + 0.06 * box - 0.015 * hdd + (0.35 + 0.8 * transverse**2) * hw + (0.12 + 3.5 * energy**2) * hj3, 0.4 * (
        transverse * hw
    )


def kind(process: str) -> str:
    """Of a process line of the study: `h`, `bb`, `tb` or `tt`.

    >>> kind("p p > h w+ QCD=0 NP<=1, h > b b~, w+ > mu+ vm NP=0"), kind("p p > t~ b, (t~ > w- b~, w- > e- ve~)")
    ('h', 'tb')
    """
    made = process.partition(",")[0].partition(">")[2].split()
    return "h" if "h" in made else "tt" if {"t", "t~"} <= set(made) else "tb" if {"t", "t~"} & set(made) else "bb"


class Event:
    """An event that is filled from the incoming partons to the final state."""

    def __init__(self, numbers: random.Random) -> None:
        self.numbers = numbers
        self.particles: list[Particle] = []

    def collide(self, mass: float, incoming: tuple[int, int]) -> Momentum:
        """Add two partons that collide with a mass; their momentum."""
        y = min(max(self.numbers.gauss(0.0, 0.9), -2.2), 2.2)
        up, down = 0.5 * mass * math.exp(y), 0.5 * mass * math.exp(-y)
        for number, energy, sign, colours in zip(incoming, (up, down), (1.0, -1.0), ((501, 0), (0, 501)), strict=True):
            self.particles.append((number, -1, 0, 0, *colours, (energy, 0.0, 0.0, sign * energy), 0.0))
        return up + down, 0.0, 0.0, up - down

    def decay(self, parent: Momentum, mother: int, numbers: Sequence[int], masses: Sequence[float]) -> list[Momentum]:
        """Add two particles into which a momentum decays, in all directions alike; their momenta.

        :param mother: the line of the decaying particle, from 1; 0 for the two partons
        """
        mass = math.sqrt(max(parent[0] ** 2 - sum(p * p for p in parent[1:]), 0.0))
        first = 0.5 * (mass**2 + masses[0] ** 2 - masses[1] ** 2) / mass
        size = math.sqrt(max(first**2 - masses[0] ** 2, 0.0))
        z, angle = self.numbers.uniform(-1.0, 1.0), self.numbers.uniform(0.0, 2.0 * math.pi)
        across = math.sqrt(1.0 - z * z)
        q = (size * across * math.cos(angle), size * across * math.sin(angle), size * z)
        there = [boosted((first, *q), parent, mass), boosted((mass - first, *(-p for p in q)), parent, mass)]
        mothers = (mother, mother) if mother else (1, 2)
        for number, momentum, m in zip(numbers, there, masses, strict=True):
            status = 2 if abs(number) in (TOP, W, HIGGS) else 1
            colours = (502, 0) if 0 < number <= TOP else (0, 502) if -TOP <= number < 0 else (0, 0)
            self.particles.append((number, status, *mothers, *colours, momentum, m))
        return there

    def text(self, weight: float, scale: float, weights: Iterator[tuple[str, float]]) -> str:
        lines = [f"<event>\n {len(self.particles)} 1 {weight:+.7e} {scale:.8e} 7.8e-03 1.1e-01"]
        for number, status, first, last, colour, anti, (e, x, y, z), mass in self.particles:
            lines.append(
                f" {number} {status} {first} {last} {colour} {anti} {x:+.10e} {y:+.10e} {z:+.10e} {e:.10e} {mass:.4e} "
                "0.0e+00 9.0e+00"
            )
        extra = [f"<wgt id='{name}'> {value:+.7e} </wgt>" for name, value in weights]
        return "\n".join([*lines, *(["<rwgt>", *extra, "</rwgt>"] if extra else []), "</event>", ""])


def boosted(q: Momentum, parent: Momentum, mass: float) -> Momentum:
    """A momentum in the rest frame of its parent, in the frame in which the parent moves."""
    energy, *p = parent
    along = sum(a * b for a, b in zip(q[1:], p, strict=True))
    factor = along / (mass * (energy + mass)) + q[0] / mass
    x, y, z = (a + b * factor for a, b in zip(q[1:], p, strict=True))
    return (energy * q[0] + along) / mass, x, y, z


def make(process: str, numbers: random.Random) -> tuple[Event, float, float]:
    """An event of a process, its partonic energy in GeV, and the transverse momentum of its first W boson or top."""
    sort, event = kind(process), Event(numbers)
    sign = 1 if re.search(r"w\+ > (?:mu|e)", process) else -1  # of the W boson that decays to leptons
    lepton = (-13, 14) if " mu" in process else (-11, 12)
    leptons = [sign * number for number in lepton]
    m_bb = 50.0 * 5.0 ** numbers.random()
    heavy = {"h": (M_H, M_W), "bb": (m_bb, M_W), "tb": (M_T, 0.0), "tt": (M_T, M_T)}[sort]
    energy = sum(heavy) + 1.0 + numbers.expovariate(1.0 / MEAN_KINETIC_GEV[sort])
    whole = event.collide(energy, (2, -1) if sign > 0 else (1, -2))
    if sort == "h":
        higgs, w = event.decay(whole, 0, (HIGGS, sign * W), heavy)
        event.decay(higgs, 3, (BOTTOM, -BOTTOM), (0.0, 0.0))
        event.decay(w, 4, leptons, (0.0, 0.0))
        leading = w
    elif sort == "bb":
        gluon, w = event.decay(whole, 0, (21, sign * W), heavy)
        event.particles[2] = (21, 2, *event.particles[2][2:])
        event.decay(gluon, 3, (BOTTOM, -BOTTOM), (0.0, 0.0))
        event.decay(w, 4, leptons, (0.0, 0.0))
        leading = w
    else:
        other = -sign * (TOP if sort == "tt" else BOTTOM)
        top, rest = event.decay(whole, 0, (sign * TOP, other), heavy)
        w, _ = event.decay(top, 3, (sign * W, sign * BOTTOM), (M_W, 0.0))
        event.decay(w, 5, leptons, (0.0, 0.0))
        leading = top
        if sort == "tt":
            w, _ = event.decay(rest, 4, (-sign * W, -sign * BOTTOM), (M_W, 0.0))
            event.decay(w, len(event.particles) - 1, (1, -2) if sign > 0 else (2, -1), (0.0, 0.0))
    return event, energy, math.hypot(leading[1], leading[2])


def variations(weight: float, energy: float) -> Iterator[tuple[str, float]]:
    """The weights of scales and of the members of the set, by their numbers in the file."""
    tilt = math.log(energy / 300.0)
    for index, factor in enumerate(SCALES):
        yield str(index + 1), weight * factor ** (-0.03 - 0.02 * tilt)
    for member in range(N_MEMBERS):
        yield str(len(SCALES) + 1 + member), weight * (1.0 + 0.004 * math.sin(member) * (1.0 + tilt)) ** (member > 0)


def declared() -> str:
    """The names of the weights of :func:`variations`, as MadGraph's systematics program declares them."""
    scales = [
        f"<weight id='{index + 1}' MUR='{factor}' MUF='{factor}' PDF='{FIRST_MEMBER}'> x </weight>"
        for index, factor in enumerate(SCALES)
    ]
    members = [
        f"<weight id='{len(SCALES) + 1 + member}' MUR='1.0' MUF='1.0' PDF='{FIRST_MEMBER + member}'> x </weight>"
        for member in range(N_MEMBERS)
    ]
    return "\n".join(
        [
            "<initrwgt>\n<weightgroup name='Central scale variation' combine='envelope'>",
            *scales,
            f"</weightgroup>\n<weightgroup name='{PDF_SET}' combine='symmhessian'> # {FIRST_MEMBER}: a Hessian set",
            *members,
            "</weightgroup>\n</initrwgt>\n",
        ]
    )


def launch(folder: Path) -> None:
    """Write the events that the cards ask for."""
    cards = folder / "Cards"
    process = (cards / "proc_card_mg5.dat").read_text()
    run_card = (cards / "run_card.dat").read_text()
    card = simple.settings(cards / "run_card.dat")
    varied = card["use_syst"] == "True"
    points: dict[str, list[float]] = {}
    reweighting = cards / "reweight_card.dat"
    if reweighting.is_file():
        for name, body in re.findall(r"launch --rwgt_name=(\w+)\n((?:  set .*\n)*)", reweighting.read_text()):
            points[name] = [float(line.split()[-1]) for line in body.splitlines()]
    here = [float(value) for value in re.findall(r"^ *(?:4|5|7|28) +(\S+)", slha_block(cards), re.MULTILINE)]
    cross_section = CROSS_SECTIONS_PB[kind(process)]
    numbers = random.Random(int(card["iseed"]))
    out = folder / "Events" / "run_01" / "unweighted_events.lhe.gz"
    out.parent.mkdir(parents=True)
    with gzip.open(out, "wt", compresslevel=1) as lines:
        lines.write(
            f"<LesHouchesEvents version='3.0'>\n<header>\n<MGRunCard>\n<![CDATA[\n{run_card}]]>\n</MGRunCard>\n<slha>\n"
            f"{(cards / 'param_card.dat').read_text()}</slha>\n{declared() if varied else ''}</header>\n<init>\n2212 "
            f"2212 6.5e+03 6.5e+03 0 0 247000 247000 -4 1\n{cross_section:e} {0.002 * cross_section:e} "
            f"{cross_section:e} 1\n</init>\n"
        )
        for _ in range(int(card["nevents"])):
            event, energy, transverse = make(process, numbers)
            weights = {name: relative(energy, transverse, c, here) * cross_section for name, c in points.items()}
            more = [*(variations(cross_section, energy) if varied else ()), *weights.items()]
            lines.write(event.text(cross_section, energy, iter(more)))
        lines.write("</LesHouchesEvents>\n")


def slha_block(cards: Path) -> str:
    """The block with the coefficients."""
    return re.split(r"(?i)^block +", (cards / "param_card.dat").read_text(), flags=re.MULTILINE)[1]


def relative(energy: float, transverse: float, there: Sequence[float], here: Sequence[float]) -> float:
    """The weight at a point relative to that at the generated one; energies in GeV."""
    above, below = (sum(part**2 for part in amplitudes(energy / 1e3, transverse / 1e3, c)) for c in (there, here))
    return above / below


def main(commands: list[str]) -> None:
    process = ""
    for command in commands:
        word, _, rest = command.partition(" ")
        simple.say(command)
        if word == "generate":
            process = rest
        elif word == "output":
            simple.output(Path(rest), PARAM_CARD, RUN_CARD)
            (Path(rest) / "Cards" / "proc_card_mg5.dat").write_text(process)
        elif word == "launch":
            launch(Path(rest.split()[0]))


if __name__ == "__main__":
    main(Path(sys.argv[1]).read_text().splitlines())
