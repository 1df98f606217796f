"""Reports on runs: results for programs, and figures and pages for people.

``results`` reads the outputs of jobs, ``pictures`` draws the figures, and ``page`` writes the page. The step ``report``
uses them on its inputs, inside the workflow. ``run_report`` uses them on the folder of a whole run, which
``run_folder`` reads: there also jobs, times, events and the study are known.
"""

from mmc.surroundings import ignore_style_of_folder

ignore_style_of_folder()  # before a module of this room imports matplotlib
