"""The particles of the hard process in files of showered events, with the momenta of the generator's file.

Pythia 8 may give massless quarks and leptons a mass (``LesHouches:setQuarkMass``, ``setLeptonMass``) and match the
incoming partons to the changed outgoing ones (``LesHouches:matchInOut``), so these momenta may change by about 1e-3.
"""

from typing import NamedTuple

from mmc.jobs.formats.les_houches_table import Floats, Ints

CODES = (3, *range(21, 30))
"""The status of particles of the hard process: in older programs, and in Pythia 8 (HepMC's conventions)."""
INCOMING = 21
"""Pythia 8's status of the incoming partons of the hard process."""


class HardProcess(NamedTuple):
    """The hard processes of all events of a file."""

    energy: Floats
    """The energies in GeV, event after event."""
    counts: Ints
    """How many particles each event has."""
    n_incoming: int = 0
    """The number of events that have incoming partons of Pythia 8."""
