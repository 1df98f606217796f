"""Batch systems: submission of the jobs of a run that are missing, and how far they are."""
