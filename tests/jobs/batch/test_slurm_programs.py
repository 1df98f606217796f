"""What users read when the programs of Slurm fail."""

from pathlib import Path

import pytest
from mmc.jobs.batch.slurm import Slurm, SlurmError


@pytest.mark.parametrize("program", ["squeue", "scontrol"])
def test_a_slurm_that_is_not_set_up(tmp_path: Path, program: str) -> None:
    (tmp_path / program).write_text("#!/bin/sh\necho 'no configuration source' >&2\nexit 1\n")
    (tmp_path / program).chmod(0o755)
    slurm = Slurm({"PATH": str(tmp_path)})
    said = f"Slurm does not answer: no configuration source; submit where `{program}` works"
    with pytest.raises(SlurmError, match=said):
        slurm.queue("a study") if program == "squeue" else slurm.largest_array()
