"""MadGraph's own systematics program, with a double of LHAPDF: its files are read, and are as the tests' own say."""

import gzip
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mmc.compiler.settings.uncertainties import PdfUncertainty, ScaleUncertainty
from mmc.jobs.formats import les_houches_table
from mmc.jobs.formats.weight_groups import find_nuisance

from tests.jobs.event_files import HEADER
from tests.jobs.systematics_files import NOMINAL_PDF, PdfSet, declarations

MADGRAPH = os.environ.get("MMC_MADGRAPH_DIR")
pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(MADGRAPH is None, reason="MMC_MADGRAPH_DIR is not set: no MadGraph to compare with"),
]

PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
from madgraph.various import systematics

class Set:
    def __init__(self, name, number, size, error_type):
        self.name, self.lhapdfID, self.size, self.errorType = name, number, size, error_type
        self.description = "a set; mem=0 > central"
    def mkPDFs(self):
        return [Pdf(self, member) for member in range(self.size)]
    def uncertainty(self, values):
        return type("Uncertainty", (), {"central": values[0], "errplus": 0.0, "errminus": 0.0})

class Pdf:
    def __init__(self, owner, member):
        self.owner, self.memberID, self.lhapdfID = owner, member, owner.lhapdfID + member
    def __eq__(self, other):
        return isinstance(other, Pdf) and other.lhapdfID == self.lhapdfID
    __hash__ = None
    def set(self):
        return self.owner
    def xfxQ(self, pdg, x, scale):
        factor = (1.0 + 0.01 * self.memberID * abs(pdg)) * (2.0 if self.owner is SETS[1] else 1.0)
        return x * factor * scale ** (-0.1 * x)
    def alphasQ(self, scale):
        return 0.118

SETS = [Set("NNPDF23_lo_as_0130_qed", 247000, 101, "replicas"), Set("toy_set", 900000, 5, "hessian")]

class Lhapdf:
    @staticmethod
    def setVerbosity(level):
        pass
    @staticmethod
    def mkPDF(name, member=0):
        for owner in SETS:
            if name in (owner.name, owner.lhapdfID):
                return Pdf(owner, member)
        raise ValueError(name)

systematics.misc.import_python_lhapdf = lambda config: Lhapdf
arguments = sys.argv[2:4] + ["--mur=0.5,1,2", "--muf=0.5,1,2", "--together=mur,muf", "--dyn=-1"]
# without `central` MadGraph 3.5.7 asks LHAPDF for the nominal set by an object, which LHAPDF does not take
arguments.append("--pdf=central,toy_set")
systematics.call_systematics(arguments)
"""
N_EVENTS = 20
EVENT = """<event>
 4      1 +{weight:.7e} {scale:.8e} 7.81860800e-03 1.18000000e-01
        2 -1    0    0  501    0 +0.0 +0.0 +1.0e+02 1.0e+02 0.0e+00 0.0e+00 -1.0e+00
       -1 -1    0    0    0  501 +0.0 +0.0 -1.0e+02 1.0e+02 0.0e+00 0.0e+00 1.0e+00
      -13  1    1    2    0    0 +6.0e+01 +0.0 +8.0e+01 1.0e+02 0.0e+00 0.0e+00 1.0e+00
       14  1    1    2    0    0 -6.0e+01 +0.0 -8.0e+01 1.0e+02 0.0e+00 0.0e+00 -1.0e+00
<mgrwt>
<rscale>  0 {scale:.8E}</rscale>
<asrwt>0</asrwt>
<pdfrwt beam="1">  1        2 {x:.8E} {scale:.8E}</pdfrwt>
<pdfrwt beam="2">  1       -1 0.20000000E+00 {scale:.8E}</pdfrwt>
<totfact> 0.10000000E+01</totfact>
</mgrwt>
</event>
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Events that were generated with another set than is varied."""
    return varied(tmp_path_factory.mktemp("other"), " nn23lo1 = pdlabel\n")


def varied(folder: Path, run_card: str) -> Path:
    """Events of a leading-order process as MadGraph hands them to its systematics program, and what that adds."""
    assert MADGRAPH is not None
    beams = "<init>\n2212 2212 6.5e+03 6.5e+03 0 0 247000 247000 -4 1\n1.0 0.1 1.0 1\n</init>\n"
    text = HEADER.format(n=N_EVENTS, norm="average").replace("<init>\n</init>\n", beams)
    text = text.replace("</MGRunCard>", f"{run_card}</MGRunCard>")
    for number in range(1, N_EVENTS + 1):
        text += EVENT.format(x=0.01 * number, scale=50.0 + 10.0 * number, weight=0.1 * number)
    (folder / "events.lhe").write_text(f"{text}</LesHouchesEvents>\n")
    words = [MADGRAPH, str(folder / "events.lhe"), str(folder / "varied.lhe")]
    done = subprocess.run([sys.executable, "-c", PROGRAM, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (folder / "varied.lhe.gz").write_bytes(gzip.compress((folder / "varied.lhe").read_bytes()))
    return folder / "varied.lhe.gz"


def test_declarations_are_those_of_the_tests(file: Path) -> None:
    text = gzip.decompress(file.read_bytes()).decode()
    declared = text.partition("<initrwgt>")[2].partition("</initrwgt>")[0].strip()
    ours, _ = declarations(pdf_sets=(PdfSet("toy_set", 900000, 5, "hessian", "a set; mem=0 .gt. central"),))
    assert declared == ours.strip()
    assert f'PDF="{NOMINAL_PDF}"' in declared


@pytest.mark.parametrize("nominal", ["other", "the same"])
def test_the_weights_are_found(file: Path, tmp_path: Path, nominal: str) -> None:
    """Those of the members follow from the double: 1 + 0.01 m |pdg| for each beam; scales from the PDFs alone."""
    if nominal == "the same":
        file = varied(tmp_path, " lhapdf = pdlabel\n 900000 = lhaid\n")
    own = 1.0 if nominal == "the same" else 4.0  # the central weight over the event's own
    table = les_houches_table.read(file)
    systematics = {
        "mu": ScaleUncertainty(effect="scale", scale="mu", variations=(0.5, 1.0, 2.0)),
        "pdf": PdfUncertainty(effect="pdf", variation="toy_set"),
    }
    scale, *members = find_nuisance(systematics, file)
    x = 0.01 * np.arange(1, N_EVENTS + 1)
    for factor, weight in zip((2.0, 0.5), scale.weights.values(), strict=True):
        expected = table.own_weights * factor ** (-0.1 * (x + 0.2))
        np.testing.assert_allclose(table.weights[str(weight)], expected, rtol=1e-6)
    assert len(members) == 2
    for index, parameter in enumerate(members):
        for k, weight in enumerate(parameter.weights.values()):
            member = 1 + 2 * index + k
            ratio = table.weights[str(weight)] / table.weights[str(parameter.central)]
            np.testing.assert_allclose(ratio, (1.0 + 0.02 * member) * (1.0 + 0.01 * member), rtol=1e-5)
            np.testing.assert_allclose(table.weights[str(parameter.central)], own * table.own_weights, rtol=1e-6)
