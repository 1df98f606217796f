"""The particles of the hard process in files of showered events, which have the momenta of the generator's file."""

from typing import NamedTuple

from mmc.jobs.formats.les_houches_table import Floats, Ints

CODES = (3, *range(21, 30))
"""The status of particles of the hard process: in older programs, and in Pythia 8 (HepMC's conventions)."""
INCOMING = 21
"""Pythia 8's status of the incoming partons of the hard process, which have the momenta of the generator's file."""


class HardProcess(NamedTuple):
    """The hard processes of all events of a file."""

    energy: Floats
    """The energies in GeV, event after event."""
    counts: Ints
    """How many particles each event has."""
    n_incoming: int = 0
    """The number of events that have incoming partons of Pythia 8."""
