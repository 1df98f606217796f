"""A short run of the benchmark that kills processes of a run of real jobs."""

import json
import subprocess
import sys

import pytest

from tests.support import ROOT, need


@pytest.mark.engine
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /proc")
def test_killed_processes_lose_double_and_damage_nothing() -> None:
    need("pythia8mc", "steps")
    command = [sys.executable, str(ROOT / "benchmarks" / "kills.py"), "--kills", "4"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert sum(found["kills"].values()) >= 4 and found["finished_runs"] >= 1
    wrong = {name: found[name] for name in ("lost", "doubled", "damaged", "left", "other")}
    assert not any(wrong.values()), found["examples"]
