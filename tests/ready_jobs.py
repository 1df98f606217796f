"""Imported before jobs are forked: mmc's own modules, and MadMiner's as mmc mends them.

To import them, to read and search the table of particles, and to draw a first figure takes each job a quarter of a
second to a second.
"""

from importlib import import_module

from mmc.compiler.catalogue.generators import GENERATORS
from mmc.compiler.catalogue.stages import STAGES
from mmc.jobs.madminer import workarounds

workarounds.apply_reader()

from madminer.utils.interfaces.lhe import get_elementary_pdg_ids  # noqa: E402 - as mended

get_elementary_pdg_ids()
from mmc.jobs.report.figures import axis_label, make_figure, render  # noqa: E402 - after MadMiner is mended

for module in [*(stage.step for stage in STAGES.values()), *GENERATORS["pythia8"].steps.values()]:
    import_module(module)
figure, axes = make_figure(3.0, 3.0)
axes.set_xlabel(axis_label("$x$"))
for image_format in ("png", "svg"):
    render(figure, image_format)
