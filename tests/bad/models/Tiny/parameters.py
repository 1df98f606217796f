# ruff: noqa: F821  # of an example, which nobody imports
CWL2 = Parameter(name="CWL2", nature="external", lhablock="DIM6", lhacode=[2])
CPWL2 = Parameter(name="CPWL2", nature="external", lhablock="DIM6", lhacode=[5])
