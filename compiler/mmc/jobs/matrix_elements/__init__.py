"""Squared matrix elements at tree level of any UFO model: a model, a process, and its values for events."""

from mmc.jobs.matrix_elements.allowed import Allowed, Decay, Part
from mmc.jobs.matrix_elements.element import MatrixElement
from mmc.jobs.matrix_elements.model import Model, Point

__all__ = ["Allowed", "Decay", "MatrixElement", "Model", "Part", "Point"]
