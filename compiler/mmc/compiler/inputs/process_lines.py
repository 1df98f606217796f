"""Process lines in MadGraph's syntax: ``p p > h mu+ vm QED=2``."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

MULTIPARTICLES: Mapping[str, str] = MappingProxyType(
    {
        "p": "g u c d s u~ c~ d~ s~",
        "j": "g u c d s u~ c~ d~ s~",
        "l+": "e+ mu+",
        "l-": "e- mu-",
        "vl": "ve vm vt",
        "vl~": "ve~ vm~ vt~",
    }
)
"""MadGraph's own labels."""

_ORDER = re.compile(r"([A-Za-z][A-Za-z0-9]*)\s*(?:<=|==|=)\s*([0-9]+)")
_NUMBER = re.compile(r"@\s*[0-9]+")
_NOT_SUPPORTED = {
    ",": "decay chains: write the decay products as the final state, `p p > h mu+ vm`",
    "$": "excluded resonances (`$`)",
    "/": "excluded particles (`/`)",
    "|": "required resonances (`|`)",
    "[": "loops and next-to-leading order (`[…]`)",
    "^2": "orders of the squared amplitude (`QCD^2`)",
    "{": "polarised particles (`{…}`)",
}
_MOST_OUTGOING = 4


@dataclass(frozen=True)
class ProcessLine:
    """A process between labels of particles or multiparticles."""

    incoming: tuple[str, str]
    outgoing: tuple[str, ...]
    orders: Mapping[str, int]
    """The largest power of each coupling order in a diagram, such as ``{"QED": 2}``; others are not limited."""


def parse(line: str) -> ProcessLine:
    """Read a process line.

    As in MadGraph, ``QED=2`` and ``QED<=2`` are upper limits, and ``@1`` is a number without effect.

    :raises ValueError: the line is not a process of two particles to two, three or four, or uses a part of MadGraph's
        syntax that is not supported
    """
    for mark, what in _NOT_SUPPORTED.items():
        if mark in line:
            raise ValueError(f"the generator ufo does not support {what}")
    text = _NUMBER.sub(" ", line)
    orders = {name: int(power) for name, power in _ORDER.findall(text)}
    sides = [side.split() for side in _ORDER.sub(" ", text).replace("->", ">").split(">")]
    if len(sides) == 3:
        raise ValueError("the generator ufo does not support a required resonance (`a b > z > c d`)")
    if len(sides) != 2:
        raise ValueError("it has no `>`: write the initial and the final state, as in `p p > e+ e-`")
    incoming, outgoing = sides
    if len(incoming) != 2:
        raise ValueError(f"two particles collide, not {len(incoming)}")
    if not 2 <= len(outgoing) <= _MOST_OUTGOING:
        raise ValueError(f"the final state has 2 to {_MOST_OUTGOING} particles, not {len(outgoing)}")
    if strange := [word for word in (*incoming, *outgoing) if re.search(r"[=<>@!#;]", word)]:
        raise ValueError(f"`{strange[0]}` is not a particle")
    return ProcessLine((incoming[0], incoming[1]), tuple(outgoing), orders)


def particles_of(label: str, definitions: Mapping[str, str]) -> tuple[str, ...]:
    """The particles of a label: a multiparticle of the study, one of MadGraph's, or the particle itself.

    :param definitions: the study's labels, each with particles and labels
    :raises ValueError: a label is defined by itself
    """
    return tuple(dict.fromkeys(_particles(label, {**MULTIPARTICLES, **definitions}, ())))


def _particles(label: str, known: Mapping[str, str], inside: tuple[str, ...]) -> list[str]:
    if label in inside:
        raise ValueError(f"the label `{label}` is defined by itself")
    if label not in known:
        return [label]
    words = known[label].split("/")[0].split()
    removed = {
        word
        for part in known[label].split("/")[1:]
        for outer in part.split()
        for word in _particles(outer, known, (*inside, label))
    }
    return [word for outer in words for word in _particles(outer, known, (*inside, label)) if word not in removed]
