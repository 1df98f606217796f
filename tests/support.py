"""Places that tests share."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
STUDIES = ROOT / "studies"
SHARED_DATA = ROOT.parent / "shared" / "data"
"""Real inputs beside the checkout; tests that need them skip, saying why, where they are absent."""

REANA = """
execution:
  images: {physics: "registry.example/mmc/physics:0.1.0", learning: "registry.example/mmc/learning:0.1.0"}
  resources:
    simulate: {memory: 2 GiB, time: 1 h}
    train: {cpus: 2, memory: 4 GiB, time: 90 min}
  reana:
    cvmfs: [sft.cern.ch]
    retention_days: {"cwl/**": 14}
    jobs: {kubernetes_uid: 500, htcondor_accounting_group: group_u_ATLAS.u_zp}
    stages:
      train: {compute_backend: htcondorcern, kerberos: true}
      report: {kubernetes_memory_limit: 3Gi}
"""
"""What a study can say of REANA."""


def reana_study(folder: Path, study: str = "drell-yan/tiny") -> Path:
    """A study of ``studies/`` with what REANA needs, in a folder."""
    file = folder / "study.yaml"
    file.write_text((STUDIES / f"{study}.yaml").read_text(encoding="utf-8") + REANA, encoding="utf-8")
    return file
