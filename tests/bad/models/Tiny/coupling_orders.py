# ruff: noqa: F821  # of an example, which nobody imports
QCD = CouplingOrder(name="QCD", expansion_order=99)
