"""The names of MadMiner's default observables, known without importing MadMiner."""


def names(
    n_leptons_max: int,
    n_photons_max: int,
    n_jets_max: int,
    *,
    include_met: bool,
    include_visible_sum: bool,
    include_numbers: bool,
) -> tuple[str, ...]:
    """The observables that the readers' ``add_default_observables`` adds, in their order.

    >>> names(1, 0, 0, include_met=True, include_visible_sum=False, include_numbers=False)
    ('et_miss', 'phi_miss', 'e_l1', 'pt_l1', 'eta_l1', 'phi_l1')
    """
    found = []
    if include_met:
        found += ["et_miss", "phi_miss"]
    if include_visible_sum:
        found += ["e_visible", "eta_visible"]
    for symbol, n_max in (("l", n_leptons_max), ("a", n_photons_max), ("j", n_jets_max)):
        if include_numbers:
            found.append(f"n_{symbol}s")
        found += [f"{quantity}_{symbol}{i}" for i in range(1, n_max + 1) for quantity in ("e", "pt", "eta", "phi")]
    return tuple(found)
