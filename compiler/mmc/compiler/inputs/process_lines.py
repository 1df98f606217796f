"""Process lines in MadGraph's syntax: ``p p > h w+ QCD=0 / a, w+ > mu+ vm``."""

import re
from collections.abc import Iterator, Mapping, Sequence
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

_ORDER = re.compile(r"([A-Za-z][A-Za-z0-9]*)\s*(?:<=|=(?!=))\s*([0-9]+)")
_OTHER_ORDER = re.compile(r"([A-Za-z][A-Za-z0-9]*)\s*(==|>=?)\s*[0-9]+")
_NUMBER = re.compile(r"@\s*([0-9]+)")
_EXCLUSIONS = re.compile(r"(\$\$|\$|/)")
_NOT_SUPPORTED = {
    "|": "required resonances (`|`)",
    "[": "loops and next-to-leading order (`[…]`)",
    "^2": "orders of the squared amplitude (`QCD^2`)",
    "{": "polarised particles (`{…}`)",
}
_MOST_OUTGOING, _DEEPEST = 4, 8
MOST_FINAL = 6
"""The largest number of outgoing particles after all decays."""


@dataclass(frozen=True)
class ProcessLine:
    """A process, or a decay, between labels of particles or multiparticles."""

    incoming: tuple[str, ...]
    """Two; for a decay one."""
    outgoing: tuple[str, ...]
    orders: Mapping[str, int]
    """The largest power of each coupling order in a diagram, such as ``{"QED": 2}``; empty for MadGraph's default."""
    without: tuple[str, ...] = ()
    """Particles that are not inside diagrams (``/``)."""
    without_s: tuple[str, ...] = ()
    """Particles that are not in an s-channel (``$$``)."""
    off_shell: tuple[str, ...] = ()
    """Particles that are not on their mass shell in an s-channel (``$``)."""
    decays: tuple["ProcessLine", ...] = ()
    """Decays of outgoing particles."""
    number: int = 0
    """Equal processes with different numbers (``@1``) are different processes."""

    def every(self) -> Iterator["ProcessLine"]:
        """The process itself and all decays, also those of decay products."""
        yield self
        for decay in self.decays:
            yield from decay.every()

    def labels(self) -> Iterator[str]:
        """All labels, also of excluded particles."""
        for part in self.every():
            yield from (*part.incoming, *part.outgoing, *part.without, *part.without_s, *part.off_shell)


def parse(line: str) -> ProcessLine:
    """Read a process line.

    As in MadGraph, ``QED=2`` and ``QED<=2`` are upper limits.

    :raises ValueError: the line is not a process of two particles, has too many outgoing particles, or uses a part of
        MadGraph's syntax that is not supported
    """
    for mark, what in _NOT_SUPPORTED.items():
        if mark in line:
            raise ValueError(f"the generator ufo does not support {what}")
    numbers = _NUMBER.findall(line)
    if len(numbers) > 1:
        raise ValueError("it has more than one number (`@`)")
    if re.search(r"@\s*[0-9]+[^,]*[=<>]", line):
        raise ValueError(
            "the generator ufo does not support orders of a whole chain (after `@`): name those of each part"
        )
    core, *decays = _separated(_NUMBER.sub(" ", line))
    found = _part(core, tuple(_decay(text) for text in decays), int(numbers[0]) if numbers else 0)
    if len(found.incoming) != 2:
        raise ValueError(f"two particles collide, not {len(found.incoming)}")
    if not 1 <= len(found.outgoing) <= _MOST_OUTGOING:
        count = len(found.outgoing)
        raise ValueError(f"the final state has 2 to {_MOST_OUTGOING} particles before decays, not {count}")
    if len(found.outgoing) == 1 and not found.decays:
        raise ValueError("one outgoing particle has to decay: `p p > z, z > l+ l-`")
    return found


def _separated(text: str) -> list[str]:
    """The parts between commas that are not in parentheses.

    :raises ValueError: parentheses do not match, or are nested too deeply
    """
    parts, depth = [""], 0
    for character in text:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if depth < 0:
            break
        if depth > _DEEPEST:
            raise ValueError("its decays are nested too deeply")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    if depth != 0:
        raise ValueError("the parentheses do not match")
    return [part.strip() for part in parts]


def _decay(text: str) -> ProcessLine:
    chain = text.startswith("(") and text.endswith(")")
    core, *decays = _separated(text[1:-1] if chain else text)
    found = _part(core, tuple(_decay(one) for one in decays), 0)
    if len(found.incoming) != 1 or len(found.outgoing) < 2:
        raise ValueError(f"`{core}` is not a decay of one particle into two or more, such as `w+ > mu+ vm`")
    if found.off_shell:
        raise ValueError("the generator ufo supports `$` in the process itself, not in its decays")
    return found


def _part(text: str, decays: tuple[ProcessLine, ...], number: int) -> ProcessLine:
    if "(" in text or ")" in text:
        raise ValueError("a decay in parentheses comes after a comma: `p p > t t~, (t > w+ b, w+ > mu+ vm)`")
    if other := _OTHER_ORDER.search(text):
        name, sign = other.groups()
        raise ValueError(f"the generator ufo supports upper limits of orders alone (`{name}<=2`), not `{sign}`")
    orders = {name: int(power) for name, power in _ORDER.findall(text)}
    process, *excluded = _EXCLUSIONS.split(_ORDER.sub(" ", text).replace("->", ">"))
    sides = [side.split() for side in process.split(">")]
    if len(sides) == 3:
        raise ValueError(
            "the generator ufo does not support a required resonance (`a b > z > c d`): write its decay, "
            "`a b > z, z > c d`"
        )
    if len(sides) != 2:
        raise ValueError("it has no `>`: write the initial and the final state, as in `p p > e+ e-`")
    marks: dict[str, tuple[str, ...]] = {}
    for mark, names in zip(excluded[::2], excluded[1::2], strict=True):
        if mark in marks or not names.split():
            raise ValueError(f"after `{mark}` come the excluded particles, once for all")
        marks[mark] = tuple(names.split())
    incoming, outgoing = sides
    words = [*incoming, *outgoing, *(name for names in marks.values() for name in names)]
    if strange := [word for word in words if re.search(r"[=<>@!#;]", word)]:
        raise ValueError(f"`{strange[0]}` is not a particle")
    return ProcessLine(
        tuple(incoming),
        tuple(outgoing),
        orders,
        marks.get("/", ()),
        marks.get("$$", ()),
        marks.get("$", ()),
        decays,
        number,
    )


def require(line: ProcessLine, definitions: Mapping[str, str]) -> None:
    """Check what depends on the particles behind the labels.

    :raises ValueError: a label is defined by itself, a decaying particle is not among the outgoing ones, or the final
        state has too many particles
    """
    for label in line.labels():
        particles_of(label, definitions)
    for part in line.every():
        there = {name for label in part.outgoing for name in particles_of(label, definitions)}
        for decay in part.decays:
            (label,) = decay.incoming
            if there.isdisjoint(particles_of(label, definitions)):
                outgoing = " ".join(part.outgoing)
                raise ValueError(f"`{label}` decays, but is not among the outgoing particles `{outgoing}`")
    n_final = largest_final(line, definitions)
    if n_final > MOST_FINAL:
        raise ValueError(f"the final state has 2 to {MOST_FINAL} particles, not {n_final}")


def largest_final(line: ProcessLine, definitions: Mapping[str, str]) -> int:
    """The largest number of particles after all decays, if each decay is used for all particles that it is for."""

    def of(label: str, decays: Sequence[ProcessLine]) -> int:
        names = set(particles_of(label, definitions))
        fitting = [decay for decay in decays if names & set(particles_of(decay.incoming[0], definitions))]
        return max((sum(of(one, decay.decays) for one in decay.outgoing) for decay in fitting), default=1)

    return sum(of(label, line.decays) for label in line.outgoing)


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
