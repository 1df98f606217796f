"""The calibrations of estimated likelihood ratios, which :mod:`mmc.jobs.statistics.calibration` calculates."""

STEPPED = ("histogram", "isotonic")
"""Those that replace the ratio by a step function of itself, which they take from weighted events."""
