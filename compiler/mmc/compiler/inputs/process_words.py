"""The words of a process line of MadGraph, with decay chains, excluded particles and orders, without its grammar."""

import re
from collections.abc import Mapping
from types import MappingProxyType

MADGRAPHS_NAMES: Mapping[str, int] = MappingProxyType(
    {
        **{"d": 1, "u": 2, "s": 3, "c": 4, "b": 5, "t": 6, "d~": -1, "u~": -2, "s~": -3, "c~": -4, "b~": -5, "t~": -6},
        **{"e-": 11, "ve": 12, "mu-": 13, "vm": 14, "ta-": 15, "vt": 16},
        **{"e+": -11, "ve~": -12, "mu+": -13, "vm~": -14, "ta+": -15, "vt~": -16},
        **{"g": 21, "a": 22, "z": 23, "w+": 24, "w-": -24, "h": 25},
    }
)
"""The names that MadGraph gives to particles of a model, whatever the model calls them."""
LABELS = frozenset({"p", "j", "l+", "l-", "vl", "vl~", "all"})
"""MadGraph's own multiparticles."""
_ORDER = re.compile(r"\b([A-Za-z_]\w*)\s*(?:\^2)?\s*(?:==|<=|>=|=|<|>(?=\s*\d))\s*[-\d.]+")
_ASIDE = re.compile(r"\[[^\]]*\]|\{[^}]*\}|@\s*\d+|--.*$")
_BETWEEN = re.compile(r"[\s>,()/$|]+")


def orders(line: str) -> list[str]:
    """The names of the coupling orders of a line.

    >>> orders("p p > t t~ QCD=2 NP^2==1, t > w+ b NP<=1")
    ['QCD', 'NP', 'NP']
    """
    return _ORDER.findall(_ASIDE.sub(" ", line))


def words(line: str) -> list[str]:
    """The particles and labels of a line, with those of decays and those that are excluded.

    >>> words("p p > w+{0} z / a QED=2 [noborn=QCD] @1, (w+ > e+ ve)")
    ['p', 'p', 'w+', 'z', 'a', 'w+', 'e+', 've']
    """
    text = _ORDER.sub(" ", _ASIDE.sub(" ", line))
    return [word for word in _BETWEEN.split(text) if word and not word.isdigit()]


def final_state(line: str) -> list[str]:
    """The particles and labels behind the last ``>`` of the process itself, without its decays.

    >>> final_state("p p > z > t t~ j / h QCD=2, t > w+ b")
    ['t', 't~', 'j']
    """
    text = _ORDER.sub(" ", _ASIDE.sub(" ", line.partition(",")[0]))
    last = re.split(r"[/$]", text)[0].rpartition(">")[2]
    return last.split()
