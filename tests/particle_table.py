"""Imported before jobs are forked: reading the table of particles takes each of them half a second."""

from particle import Particle

Particle.all()
