"""The settings of Pythia 8 that a study may set: physics, as numbers and switches.

Some settings of Pythia load libraries (``Init:plugins``), others read or write files
(``MultipartonInteractions:initFile``). So a setting passes only if its family is in the list, its name does not speak
of files, and its value is a number, a list of numbers or a switch.
"""

import re
from collections.abc import Iterator
from typing import Any

from mmc.compiler.inputs import cards
from mmc.compiler.inputs.refusals import Refusal, words

IGNORED = ("main:", "hepmcoutput:", "syscalc:", "lhefinputs:", "jetmatching:", "merging:", "init:show")
"""The starts of names, in lower case, of settings that never reach Pythia: those of MadGraph's own shower program, of
merging (off), and of listings. Cards of MadGraph and of Pythia's examples have them."""

FAMILIES = words(
    """
    beamremnants boseeinstein bottomonium bottomoniumshower charmonium charmoniumshower check closepacking
    colourreconnection contactinteractions dm deuteronproduction diffraction enhancements event excitedfermion
    extradimensionsg* extradimensionsled extradimensionstev extradimensionsunpart fourthbottom fourthgeneration
    fourthpair fourthtop fragmentation fragmentationsystems hadronlevel hadronvertex hardqcd hiddenvalley higgs higgsa3
    higgsbsm higgsh1 higgsh2 higgshchg higgssm leftrightsymmmetry leptoquark leshouches lowenergyqcd
    ministringfragmentation multipartoninteractions newgaugeboson next onia oniashower particledata particledecays
    partonlevel partonshowers partonvertex pdf pdfinprocess phasespace photon photoncollision photonparton photonphoton
    print processlevel promptphoton rhadrons rescattering resonancedecayfilter resonancewidths ropewalk slha susy
    susyresonance sdm secondhard sigmacombined sigmadiffractive sigmaelastic sigmaprocess sigmatotal softqcd spaceshower
    standardmodel stat stringflav stringfragmentation stringpt stringz taudecays timeshower top topthreshold tune
    uncertaintybands variationfrag vincia weakbosonandparton weakbosonexchange weakdoubleboson weakshower
    weaksingleboson weakz0 weights wprime zp zprime
    """
)
"""The families of settings, in lower case: the part of a name before its first colon."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9*]*(?::[A-Za-z0-9()\[\]*+-]+)+")
_FILES = re.compile(r"(?<!pro)file|path|plugin|reuse|readfrom|lhef|lhapdf", re.IGNORECASE)
"""Words in the names of settings that read or write files, or load code."""
_ITEM = r"(?:[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?|on|off|yes|no|true|false|ok)"
_PLAIN = re.compile(rf"{_ITEM}(?:\s*,\s*{_ITEM})*|\{{\s*{_ITEM}(?:\s*,\s*{_ITEM})*\s*\}}", re.ASCII | re.IGNORECASE)
_PARTICLE = re.compile(r"[0-9]{1,10}(?::[0-9]{1,4})?:([A-Za-z0-9]+)")
_PROPERTIES = words(
    """
    name antiname names spintype chargetype coltype m0 mwidth mmin mmax tau0 isresonance maydecay taucalc
    doexternaldecay varwidth isvisible doforcewidth hasanti new all onechannel addchannel rescalebr bratio memode
    products onmode onifany onifall onifmatch onposifany onposifall onposifmatch onnegifany onnegifall onnegifmatch
    offifany offifall offifmatch
    """
)
"""The properties of particles and of their decay channels, in lower case."""
_PARTICLE_VALUE = re.compile(r"[A-Za-z0-9_.+*()~ \t-]+")
LONGEST = 500
"""The longest value, in characters."""


def word(value: Any) -> str:
    """A value of a study as Pythia writes it."""
    return ("on" if value else "off") if isinstance(value, bool) else str(value)


def is_ignored(name: str) -> bool:
    """Whether a setting never reaches Pythia."""
    return name.lower().startswith(IGNORED) and not name.lower().startswith("main:subrun")


def refusal(name: str, value: str, line: int = 0) -> Refusal | None:
    """Why a setting may not reach Pythia; None if it may, or if it never does.

    >>> refusal("TimeShower:pTmin", "0.5"), refusal("25:onMode", "off")
    (None, None)
    >>> refusal("Init:plugins", "{lib.so::E}").reason
    '`Init:plugins` is not in the list of settings that mmc passes on'
    """
    reason = None if is_ignored(name) else (_of_particle if name[:1].isdigit() else _of_setting)(name, value)
    return None if reason is None else Refusal(line, name, reason)


def _of_particle(name: str, value: str) -> str | None:
    particle = _PARTICLE.fullmatch(name)
    if particle is None or particle[1].lower() not in _PROPERTIES:
        return f"`{name[:60]}` is not a property of a particle"
    if len(value) > LONGEST or _PARTICLE_VALUE.fullmatch(value) is None:
        return f"the value of `{name[:60]}` is not made of numbers and plain words"
    return None


def _of_setting(name: str, value: str) -> str | None:
    family = name.partition(":")[0].lower()
    if _NAME.fullmatch(name) is None or family not in FAMILIES or _FILES.search(name):
        return f"`{name[:60]}` is not in the list of settings that mmc passes on"
    if len(value) > LONGEST or _PLAIN.fullmatch(value) is None:
        return f"the value of `{name[:60]}` is neither a number, nor a list of numbers, nor on or off"
    return None


def card_refusals(text: str) -> Iterator[Refusal]:
    """The lines of a Pythia card, or of MadGraph's shower card, that may not reach Pythia."""
    for entry in cards.pythia(text):
        found = refusal(entry.name, entry.value, entry.line)
        if found is not None:
            yield found
