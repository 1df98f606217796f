"""A small UFO model, and the folders with models of others."""

import os
from pathlib import Path
from textwrap import dedent

import pytest

FILES = {
    "particles": """
        from object_library import all_particles, Particle
        import parameters as Param
        q = Particle(pdg_code=1, name="q", antiname="q~", spin=2, color=1, mass=Param.ZERO, width=Param.ZERO)
        q__tilde__ = q.anti()
        k = Particle(pdg_code=2, name="k", antiname="k~", spin=2, color=1, mass=Param.ZERO, width=Param.ZERO)
        k__tilde__ = k.anti()
        v = Particle(pdg_code=23, name="v", antiname="v", spin=3, color=1, mass=Param.MV, width=Param.ZERO)
        h = Particle(pdg_code=25, name="h", antiname="h", spin=1, color=1, mass=Param.MH, width=Param.ZERO)
    """,
    "parameters": """
        from object_library import all_parameters, Parameter
        ZERO = Parameter(name="ZERO", nature="internal", type="real", value="0.0")
        MV = Parameter(name="MV", nature="external", type="real", value=80.0, lhablock="MASS", lhacode=[23])
        MH = Parameter(name="MH", nature="external", type="real", value=125.0, lhablock="MASS", lhacode=[25])
        even = Parameter(name="even", nature="external", type="real", value=1.0, lhablock="NEW", lhacode=[1])
        odd = Parameter(name="odd", nature="external", type="real", value=1.0, lhablock="NEW", lhacode=[2])
        self = Parameter(name="quartic", nature="external", type="real", value=1.0, lhablock="NEW", lhacode=[3])
        twice = Parameter(name="twice", nature="internal", type="real", value="2*quartic")
    """,
    "coupling_orders": """
        from object_library import all_orders, CouplingOrder
        SM = CouplingOrder(name="SM", expansion_order=99, hierarchy=1)
        NP = CouplingOrder(name="NP", expansion_order=99, hierarchy=1)
    """,
    "couplings": """
        from object_library import all_couplings, Coupling
        CURRENT = Coupling(name="CURRENT", value="0.3*complex(0,1)", order={"SM": 1})
        EVEN = Coupling(name="EVEN", value="50*even*complex(0,1)", order={"SM": 1})
        ODD = Coupling(name="ODD", value="0.01*odd*complex(0,1)", order={"NP": 1})
        FOUR = Coupling(name="FOUR", value="-0.7*complex(0,1)", order={"SM": 2})
        NEW_FOUR = Coupling(name="NEW_FOUR", value="twice*complex(0,1)", order={"NP": 1})
    """,
    "lorentz": """
        from object_library import all_lorentz, Lorentz
        FFV = Lorentz(name="FFV", spins=[2, 2, 3], structure="Gamma(3,2,-1)*ProjM(-1,1)")
        VVS = Lorentz(name="VVS", spins=[3, 3, 1], structure="Metric(1,2)")
        VVS_ODD = Lorentz(name="VVS_ODD", spins=[3, 3, 1], structure="Epsilon(1,2,-1,-2)*P(-1,1)*P(-2,2)")
        SSSS = Lorentz(name="SSSS", spins=[1, 1, 1, 1], structure="1")
    """,
    "vertices": """
        from object_library import all_vertices, Vertex
        import particles as P
        import couplings as C
        import lorentz as L
        V_1 = Vertex(name="V_1", particles=[P.q__tilde__, P.q, P.v], color=["1"], lorentz=[L.FFV],
                     couplings={(0, 0): C.CURRENT})
        V_2 = Vertex(name="V_2", particles=[P.k__tilde__, P.k, P.v], color=["1"], lorentz=[L.FFV],
                     couplings={(0, 0): C.CURRENT})
        V_3 = Vertex(name="V_3", particles=[P.v, P.v, P.h], color=["1"], lorentz=[L.VVS, L.VVS_ODD],
                     couplings={(0, 0): C.EVEN, (0, 1): C.ODD})
        V_4 = Vertex(name="V_4", particles=[P.h, P.h, P.h, P.h], color=["1"], lorentz=[L.SSSS],
                     couplings={(0, 0): [C.FOUR, C.NEW_FOUR]})
    """,
}
"""Two massless fermions q and k with a left-handed current, its boson v, and a scalar h: it couples to v, with an
operator that conserves CP and one that does not, and to itself, with two couplings in a list."""


def write(folder: Path, **replaced: str) -> Path:
    """Write the small model, with other texts for some files."""
    folder.mkdir()
    for name, text in (FILES | replaced).items():
        (folder / f"{name}.py").write_text(dedent(text), encoding="utf-8")
    return folder


def installed(name: str) -> Path:
    """A model of someone else; the test is skipped where it is missing."""
    folder = Path(os.environ.get("MMC_UFO_PATH", "/nowhere")) / name
    if not folder.is_dir():
        pytest.skip(f"needs the model {name}, in the folder that MMC_UFO_PATH names")
    return folder
