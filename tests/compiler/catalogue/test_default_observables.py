from itertools import product

import pytest
from mmc.compiler.catalogue import default_observables


def test_order() -> None:
    assert default_observables.names(0, 1, 1, include_met=False, include_visible_sum=True, include_numbers=True) == (
        *("e_visible", "eta_visible", "n_ls", "n_as"),
        *("e_a1", "pt_a1", "eta_a1", "phi_a1", "n_js", "e_j1", "pt_j1", "eta_j1", "phi_j1"),
    )


@pytest.mark.engine
@pytest.mark.parametrize("reader_name", ["LHEReader", "DelphesReader"])
def test_names_are_those_of_the_readers(tmp_path: str, reader_name: str) -> None:
    from mmc.jobs.madminer import workarounds

    workarounds.apply_delphes_reader()
    from madminer import delphes, lhe
    from madminer.core import MadMiner

    miner = MadMiner()
    miner.add_parameter("contact", 1, "c", "theta")
    miner.add_benchmark({"c": 0.0}, "sm")
    miner.save(f"{tmp_path}/setup.h5")
    switches = ("include_met", "include_visible_sum", "include_numbers")
    for counts, flags in product([(2, 2, 2), (0, 1, 3), (4, 0, 0)], product([True, False], repeat=3)):
        reader = {"LHEReader": lhe.LHEReader, "DelphesReader": delphes.DelphesReader}[reader_name](
            f"{tmp_path}/setup.h5"
        )
        options = dict(zip(switches, flags, strict=True))
        numbers = dict(zip(("n_leptons_max", "n_photons_max", "n_jets_max"), counts, strict=True))
        reader.add_default_observables(**numbers, **options)
        assert default_observables.names(*counts, **options) == tuple(reader.observables)
