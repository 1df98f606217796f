"""What expressions have instead of names that physicists know from Python, numpy, ROOT and awkward-array.

Every expression in the texts is possible; a test checks it.
"""

from collections.abc import Mapping

MODULES = frozenset(("np", "numpy", "math", "cmath", "ak", "awkward", "scipy", "torch", "vector", "ROOT", "TMath"))
"""Modules whose functions have no prefix in expressions."""

_SORTED = "lists are sorted by pT: `j[0]` is the hardest; another order is `sorted(j, abs(it.eta))`"
_FILTER = "write a loop with a condition, as in `len([x for x in j if x.pt > 30])`"
_LOOP = "write a loop over the list itself, as in `sum(x.pt for x in j)`"
_TAGGED = "b jets are `[x for x in j if x.b_tag]`; an entry of the section objects gives such a list a name"
_PAIRS = "write loops in each other, as in `min(min(x.deltaR(y) for y in l) for x in j)`"
_MEAN = "write `sum(x.pt for x in j) / max(1, len(j))`"
_VECTOR = "add particles, as in `(l[0] + l[1]).m`; new four-vectors cannot be made"
_DIS = (
    "beams are not objects: behind an electron of 18 GeV along z, Q² is `2 * 18 * e[0].e * (1 - e[0].costheta)`; "
    "products with a beam of energy E along z are `18 * (e[0].e - e[0].pz)`"
)
_DEGREES = "angles are in radians: multiply by `180 / pi`, or by `pi / 180`"

INSTEAD: Mapping[str, str] = {
    **dict.fromkeys(("sort", "argsort", "reversed", "leading"), _SORTED),
    **dict.fromkeys(("filter", "select", "compress"), _FILTER),
    **dict.fromkeys(("range", "enumerate", "list", "tuple", "set", "array", "map", "next", "iter"), _LOOP),
    **dict.fromkeys(("zip", "combinations", "product", "permutations"), _PAIRS),
    **dict.fromkeys(("mean", "average", "median", "std", "var"), _MEAN),
    **dict.fromkeys(("TLorentzVector", "LorentzVector", "MomentumObject4D", "obj"), _VECTOR),
    **dict.fromkeys(("degrees", "radians", "deg2rad", "rad2deg"), _DEGREES),
    "where": "write `j[0].pt if j[0].eta > 0 else j[1].pt`",
    "clip": "write `min(max(j[0].pt, 20), 200)`",
    **dict.fromkeys(("copysign", "signbit"), "write `sign(j[0].eta)`"),
    "square": "write `met.pt ** 2`",
    "cbrt": "write `met.pt ** (1 / 3)`",
    **dict.fromkeys(("ln", "log1p"), "the natural logarithm is `log(met.pt)`"),
    "log10": "write `log(met.pt, 10)`",
    "log2": "write `log(met.pt, 2)`",
    "exp2": "write `exp(log(2) * met.pt)`",
    **dict.fromkeys(("isnan", "isfinite", "isinf"), "give the observable a `default` for events without a value"),
    **dict.fromkeys(("logical_and", "logical_or", "logical_not"), "write `and`, `or`, `not`"),
    **dict.fromkeys(("count", "count_nonzero", "num", "size", "njets"), "write `len(j)`"),
    **dict.fromkeys(("deltaR", "delta_r", "DeltaR", "dR"), "write `j[0].deltaR(j[1])`"),
    **dict.fromkeys(("deltaphi", "delta_phi", "DeltaPhi", "deltaPhi", "dphi"), "write `j[0].deltaphi(j[1])`"),
    **dict.fromkeys(("deltaeta", "delta_eta", "DeltaEta", "deltaEta", "deta"), "write `j[0].deltaeta(j[1])`"),
    **dict.fromkeys(("mass", "inv_mass", "invariant_mass", "mll", "mjj"), "write `(l[0] + l[1]).m`"),
    **dict.fromkeys(("mt", "mT", "MT"), "write `transverse_mass(l[0], met)`"),
    **dict.fromkeys(
        ("signed_dphi", "signed_deltaphi", "dphi_signed"), "write `j[0].deltaphi(j[1]) * sign(j[0].eta - j[1].eta)`"
    ),
    **dict.fromkeys(
        ("angle", "opening_angle", "cos_angle"),
        "write `j[0].deltaangle(j[1])`, or its cosine, `cos(j[0].deltaangle(j[1]))`",
    ),
    **dict.fromkeys(("beam", "beams", "beam1", "beam2", "incoming"), _DIS),
    **dict.fromkeys(("ht", "HT", "scalar_ht"), "write `sum(x.pt for x in j)`"),
    **dict.fromkeys(("b", "bjets", "b_jets", "bjet"), _TAGGED),
    **dict.fromkeys(("theta", "cut", "weight"), "observables are computed from particles, as in `met.pt`"),
}
"""A name → a sentence with what to write instead."""
INSTEAD_TRANSFORM: Mapping[str, str] = {
    "square": "write `theta ** 2`",
    "log10": "write `log(theta, 10)`",
    "log2": "write `log(theta, 2)`",
    "ln": "the natural logarithm is `log(theta)`",
    "hypot": "write `sqrt(theta ** 2 + 1)`",
}
"""The same for transforms."""
OPERATORS: Mapping[str, str] = {
    "&&": "write `and`",
    "||": "write `or`",
    "|": "an absolute value is `abs(j[0].eta)`",
    "?": "write `j[0].pt if j[0].eta > 0 else j[1].pt`",
    ";": "an expression is one value, without `;`",
    "!": "write `not`",
}
"""A sign with which Python cannot read an expression → what to write instead; the first that occurs counts."""
