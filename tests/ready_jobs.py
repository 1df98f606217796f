"""Imported before jobs are forked: mmc's own modules, and MadMiner's as mmc mends them.

To import them, to read and search the table of particles, to read what Pythia knows, to draw a first figure and to
compile the templates of pages takes each job a quarter of a second to a second.
"""

from importlib import import_module
from importlib.resources import files
from typing import Any

import pythia8mc
from mmc.compiler.catalogue.generators import GENERATORS
from mmc.compiler.catalogue.stages import STAGES
from mmc.jobs.madminer import workarounds

workarounds.apply_reader()

from madminer.utils.interfaces.lhe import get_elementary_pdg_ids  # noqa: E402 - as mended

get_elementary_pdg_ids()
from mmc.jobs.madminer import flow_workarounds, systematics_workarounds  # noqa: E402 - after MadMiner is mended
from mmc.jobs.report import page  # noqa: E402
from mmc.jobs.report.figures import axis_label, make_figure, render  # noqa: E402
from mmc.jobs.versions import versions  # noqa: E402

systematics_workarounds.apply_setup()
workarounds.apply_training()
flow_workarounds.apply()
versions(["mmc"])

new_pythia = pythia8mc.Pythia
unused = {("", False): new_pythia("", False)}


def pythia(*words: Any) -> Any:
    """The first Pythia of a job was made before the fork; Pythia reads its tables when it is made."""
    return unused.pop(words, None) or new_pythia(*words)


pythia8mc.Pythia = pythia
for template in files("mmc.templates").joinpath("report").iterdir():
    if template.name.endswith(".j2"):
        page._environment().get_template(template.name)
for module in (
    *(stage.step for stage in STAGES.values()),
    *GENERATORS["pythia8"].steps.values(),
    "mmc.jobs.steps.asking",
    "mmc.jobs.steps.runner",
    "mmc.jobs.steps.tasks",
    "torch.fx.experimental.symbolic_shapes",  # as the first training does
    "torch.utils.serialization",
):
    import_module(module)
figure, axes = make_figure(3.0, 3.0)
axes.set_xlabel(axis_label("$x$"))
for image_format in ("png", "svg"):
    render(figure, image_format)
