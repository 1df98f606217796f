# ruff: noqa: F821  # of an example, which nobody imports
w__plus__ = Particle(pdg_code=24, name="W+", antiname="W-", spin=3)
H = Particle(pdg_code=25, name="H", antiname="H", spin=1)
e__minus__ = Particle(pdg_code=11, name="e-", antiname="e+", spin=2)
