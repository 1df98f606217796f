"""What the generator ``ufo`` knows of MadGraph's run card: cuts on the final state, and entries for decay chains."""

from collections.abc import Mapping

_KINDS = {"j": "light jet (g, u, d, s, c)", "b": "b quark", "a": "photon", "l": "charged lepton"}
_PAIRS = ("jj", "bb", "ll", "aa", "bj", "aj", "jl", "ab", "bl", "al")


def _cuts() -> dict[str, str]:
    found = {}
    for letter, kind in _KINDS.items():
        found[f"pt{letter}"] = f"Smallest transverse momentum of each {kind}."
        found[f"pt{letter}max"] = f"Largest transverse momentum of each {kind}."
        found[f"e{letter}"] = f"Smallest energy of each {kind}."
        found[f"e{letter}max"] = f"Largest energy of each {kind}."
        found[f"eta{letter}"] = f"Largest |rapidity| of each {kind}."
        found[f"eta{letter}min"] = f"Smallest |rapidity| of each {kind}."
    for pair in _PAIRS:
        one, other = (_KINDS[letter].partition(" (")[0] for letter in pair)
        found[f"dr{pair}"] = f"Smallest distance ΔR of each {one} and {other}."
        found[f"dr{pair}max"] = f"Largest distance ΔR of each {one} and {other}."
    for letter in "jbal":
        what = "lepton and its antiparticle" if letter == "l" else f"pair of {_KINDS[letter].partition(' (')[0]}s"
        found[f"mm{letter * 2}"] = f"Smallest invariant mass of each {what}."
        found[f"mm{letter * 2}max"] = f"Largest invariant mass of each {what}."
    found["mmnl"] = "Smallest invariant mass of all leptons and neutrinos together."
    found["mmnlmax"] = "Largest invariant mass of all leptons and neutrinos together."
    found["ptllmin"] = "Smallest transverse momentum of each lepton pair: with its antiparticle or a neutrino."
    found["ptllmax"] = "Largest transverse momentum of each lepton pair: with its antiparticle or a neutrino."
    found["ptheavy"] = "Smallest transverse momentum of the hardest particle above 10 GeV of mass."
    found["misset"] = "Smallest transverse momentum of all neutrinos together."
    found["missetmax"] = "Largest transverse momentum of all neutrinos together."
    return found


CUTS: Mapping[str, str] = _cuts()
"""What each cut does. A largest value below zero does not cut, as in MadGraph."""

RANGES: tuple[tuple[str, str], ...] = (
    *((name, f"{name}max") for name in CUTS if f"{name}max" in CUTS),
    *((f"{name}min", name) for name in CUTS if f"{name}min" in CUTS),
    ("ptllmin", "ptllmax"),
)
"""The names of the smallest and the largest value of the same quantity."""

DECAYS: Mapping[str, str] = {
    "bwcutoff": (
        "The mass of a decaying particle in a decay chain is at most this many widths away from its nominal mass (15 "
        "by default). A resonance within this distance is written to the event file."
    ),
    "cut_decays": "Whether cuts apply to the decay products of decay chains. By default they do not, as in MadGraph.",
}
"""Other entries of the run card that the generator ``ufo`` knows."""
