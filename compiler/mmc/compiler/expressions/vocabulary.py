"""The vocabulary of observables, cuts and efficiencies: objects, attributes and functions of MadMiner's readers.

MadMiner 0.9.6 evaluates expressions over lists of `MadMinerParticle`, which is a four-vector of the package `vector`.
Tests compare these tables with the classes of both readers where MadMiner is installed. Left out on purpose: methods
that change a particle, methods whose result is not a number or a vector, and names that only one of MadMiner's LHE
parsers or its DelphesReader defines.
"""

# Kinds of value. The first three are `MadMinerParticle` objects, the fourth and fifth plain four-vectors of `vector`.
TRUTH = "particle before smearing"
PARTICLE = "particle"
MET = "missing momentum"
PAIR = "sum of two particles"
FOUND = "pair of particles"
"""An object `pair_of`: the sum of its two particles, which are its attributes `a` and `b`."""
VECTOR4 = "four-vector"
VECTOR3 = "three-vector"
NUMBER = "number"
TRUTH_VALUE = "condition"
UNKNOWN = "unknown"
"""A value with a problem that is already reported."""

MADMINER_PARTICLES = (TRUTH, PARTICLE, MET)
"""To a value of these kinds MadMiner can add only these kinds; else the analysis ends with an AssertionError."""
FOUR_VECTORS = (*MADMINER_PARTICLES, PAIR, FOUND, VECTOR4)
VECTORS = (*FOUR_VECTORS, VECTOR3)

LISTS = {
    "e": PARTICLE,
    "mu": PARTICLE,
    "tau": PARTICLE,
    "j": PARTICLE,
    "a": PARTICLE,
    "l": PARTICLE,
    "v": PARTICLE,
    "p": PARTICLE,
    "p_truth": TRUTH,
}
"""Lists: electrons, muons, taus, jets, photons, leptons (e and mu), neutrinos, all particles, all before smearing."""
SINGLES = {"met": MET, "visible": VECTOR4, "all": VECTOR4}
"""Missing momentum, the sum of the visible particles, and both together; a work-around defines the last two."""
READERS = {
    "lhe": (*LISTS, *SINGLES),
    "delphes": ("e", "mu", "j", "a", "l", *SINGLES),
    "table": (),
    "particles": ("e", "mu", "tau", "j", "a", "l", "met"),
}
"""The objects of each reader; an object has the same kind in all readers. A detector reconstructs taus as jets.
`particles` are those of tables, as far as a sample names their columns."""
CONSTANTS = {"pi": 3.141592653589793}

MATH = {
    **dict.fromkeys(("acos", "asin", "atan", "ceil", "cos", "cosh", "exp", "floor"), (1, 1)),
    **dict.fromkeys(("sin", "sinh", "sqrt", "tan", "tanh"), (1, 1)),
    **dict.fromkeys(("atan2", "pow"), (2, 2)),
    "log": (1, 2),
}
"""The reader's functions from :mod:`math`, with the smallest and largest number of arguments."""
BUILTINS = {
    "abs": (1, 1),
    "float": (1, 1),
    "int": (1, 1),
    "bool": (1, 1),
    "round": (1, 2),
    "min": (2, 100),
    "max": (2, 100),
}
"""The allowed built-in functions of numbers."""
OWN = {"hypot": (2, 2), "sign": (1, 1)}
"""mmc's own functions of numbers. `sign` is 1, 0 or -1."""
TRANSFORM_FUNCTIONS = ("abs", "float", "max", "min", "exp", "log", "sqrt", "pow")
"""The functions of transforms. (Stock MadMiner knows only those that are built into Python when it writes a card.)"""
LIST_FUNCTIONS = ("len", "sum", "prod", "any", "all")
"""Functions of one list."""
ELEMENT = "it"
"""The name of an element in conditions on it, and in the quantity by which elements are compared."""
MEMBERS = ("a", "b")
"""The names of the two particles in conditions on a pair."""
BY_FUNCTIONS = ("sorted", "argmin", "argmax")
"""Functions of a list and of a quantity of its elements, :data:`ELEMENT`: the list by rising quantity, and the element
with the smallest or the largest."""
QUANTITIES: dict[str, tuple[int, tuple[str, ...]]] = {
    **dict.fromkeys(BY_FUNCTIONS, (1, (ELEMENT,))),
    "pair": (1, MEMBERS),
    "neutrino": (3, (ELEMENT,)),
}
"""Functions with quantities of elements: the number of arguments before these, and the names of elements in them. The
last two are those of objects; a study cannot call them."""
PARTICLE_FUNCTIONS = ("without", "transverse_mass")
"""Functions of particles: a list without some of them, and the transverse mass of two."""
FUNCTIONS = (*MATH, *BUILTINS, *OWN, *LIST_FUNCTIONS, *BY_FUNCTIONS, *PARTICLE_FUNCTIONS)

SPATIAL = (
    *("pt", "eta", "phi", "px", "py", "pz", "p", "theta", "costheta", "cottheta", "pseudorapidity"),
    *("x", "y", "z", "rho", "rho2", "mag", "mag2", "pt2", "p2"),
)
TEMPORAL = (
    *("e", "m", "mass", "energy", "E", "M", "e2", "m2", "mass2", "energy2", "E2", "M2", "t", "t2", "tau", "tau2"),
    *("et", "et2", "Et", "Et2", "transverse_energy", "transverse_energy2"),
    *("mt", "mt2", "Mt", "Mt2", "transverse_mass", "transverse_mass2", "beta", "gamma", "rapidity"),
)
FLAVOUR = ("charge", "pdgid")
TAGS = ("tau_tag", "b_tag", "t_tag")

ATTRIBUTES = {
    TRUTH: {**dict.fromkeys((*SPATIAL, *TEMPORAL, *FLAVOUR, "spin"), NUMBER), **dict.fromkeys(TAGS, TRUTH_VALUE)},
    PARTICLE: {**dict.fromkeys((*SPATIAL, *TEMPORAL, *FLAVOUR), NUMBER), **dict.fromkeys(TAGS, TRUTH_VALUE)},
    MET: dict.fromkeys((*SPATIAL, *TEMPORAL), NUMBER),
    PAIR: {**dict.fromkeys((*SPATIAL, *TEMPORAL, "charge"), NUMBER), **dict.fromkeys(TAGS, TRUTH_VALUE)},
    FOUND: {
        **dict.fromkeys((*SPATIAL, *TEMPORAL, "charge"), NUMBER),
        **dict.fromkeys(TAGS, TRUTH_VALUE),
        **dict.fromkeys(MEMBERS, PARTICLE),
    },
    VECTOR4: dict.fromkeys((*SPATIAL, *TEMPORAL), NUMBER),
    VECTOR3: dict.fromkeys(SPATIAL, NUMBER),
}
"""The attributes of each kind of vector. After smearing there is no spin; missing momentum has no flavour; a sum has
no PDG code."""

SAME_KIND = "same"
FOUR, THREE, ANY, SCALAR = "four", "three", "any", "scalar"
METHODS: dict[str, tuple[tuple[str, ...], str]] = {
    **dict.fromkeys(("deltaphi", "deltaeta", "deltaR", "deltaR2", "deltaangle"), ((ANY,), NUMBER)),
    **dict.fromkeys(("deltaRapidityPhi", "deltaRapidityPhi2"), ((FOUR,), NUMBER)),
    **dict.fromkeys(("is_parallel", "is_antiparallel", "is_perpendicular"), ((SAME_KIND,), TRUTH_VALUE)),
    **dict.fromkeys(("is_timelike", "is_spacelike", "is_lightlike"), ((), TRUTH_VALUE)),
    "dot": ((SAME_KIND,), NUMBER),
    "boost": ((ANY,), SAME_KIND),
    **dict.fromkeys(("boost_p4", "boostCM_of_p4"), ((FOUR,), VECTOR4)),
    **dict.fromkeys(("boost_beta3", "boostCM_of_beta3"), ((THREE,), VECTOR4)),
    "boostCM_of": ((ANY,), VECTOR4),
    **dict.fromkeys(("boostX", "boostY", "boostZ"), ((SCALAR,), VECTOR4)),
    **dict.fromkeys(("rotateX", "rotateY", "rotateZ", "scale"), ((SCALAR,), VECTOR4)),
    "unit": ((), VECTOR4),
    **dict.fromkeys(("to_beta3", "to_Vector3D", "to_3D"), ((), VECTOR3)),
}
"""Methods of four-vectors: the arguments (a number, or a vector of the same or of any dimension) and the result.

The result of `boost` has the charge and flavour of the particle; results of other methods have neither.
"""
METHODS3: dict[str, tuple[tuple[str, ...], str]] = {
    **{name: METHODS[name] for name in ("deltaphi", "deltaeta", "deltaR", "deltaR2", "deltaangle")},
    **{name: METHODS[name] for name in ("is_parallel", "is_antiparallel", "is_perpendicular")},
    "dot": ((THREE,), NUMBER),
    "cross": ((THREE,), VECTOR3),
    **dict.fromkeys(("rotateX", "rotateY", "rotateZ", "scale"), ((SCALAR,), VECTOR3)),
    "unit": ((), VECTOR3),
}
"""Methods of three-vectors, likewise."""

RESERVED = frozenset((*LISTS, *SINGLES, *CONSTANTS, *FUNCTIONS, "n_particles", "scale", "alpha_qed", "alpha_qcd"))
"""Names that the reader defines. Objects and definitions cannot have such a name, and an observable that has one cannot
be used in expressions."""

OFTEN_WRITTEN = {
    **dict.fromkeys(("jet", "jets"), "j"),
    **dict.fromkeys(("electron", "electrons", "el"), "e"),
    **dict.fromkeys(("muon", "muons", "m"), "mu"),
    "taus": "tau",
    **dict.fromkeys(("photon", "photons", "gamma"), "a"),
    **dict.fromkeys(("lepton", "leptons", "lep"), "l"),
    **dict.fromkeys(("neutrino", "neutrinos", "nu"), "v"),
    **dict.fromkeys(("particle", "particles"), "p"),
    **dict.fromkeys(("MET", "ETmiss", "etmiss", "missing_et"), "met"),
    **dict.fromkeys(("arccos", "acosh"), "acos"),
    **dict.fromkeys(("arcsin", "asinh"), "asin"),
    **dict.fromkeys(("arctan", "atanh"), "atan"),
    "arctan2": "atan2",
    "fabs": "abs",
    "pdg_id": "pdgid",
    "pid": "pdgid",
    **dict.fromkeys(("boostCM", "boost_to_rest_of", "boost_to_rest_frame", "rest_frame"), "boostCM_of"),
    "deltaEta": "deltaeta",
    "deltaPhi": "deltaphi",
    "delta_phi": "deltaphi",
    "delta_eta": "deltaeta",
    "delta_r": "deltaR",
    "deltar": "deltaR",
    "DeltaR": "deltaR",
    "invariant_mass": "mass",
    "Pt": "pt",
    "pT": "pt",
    "y": "rapidity",
}
"""Common names → the reader's names."""
