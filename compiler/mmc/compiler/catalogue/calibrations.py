"""The calibrations of estimated likelihood ratios; :mod:`mmc.jobs.statistics.calibration` calculates them."""

STEPPED = ("histogram", "isotonic")
"""Those that replace the ratio by a step function of itself, which they take from weighted events."""
CALIBRATIONS = ("none", "normalisation", *STEPPED)
