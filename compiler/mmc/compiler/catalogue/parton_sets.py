"""Sets of parton distributions of the proton by LHAPDF's names and numbers."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

MADGRAPHS_OWN: Mapping[str, int] = MappingProxyType(
    {"nn23lo1": 247000, "nn23lo": 246800, "nn23nlo": 244800, "cteq6l1": 10042, "cteq6_m": 10000}
)
"""The sets that MadGraph brings, by its names, with LHAPDF's numbers."""

_LHAPDF = """
10000 cteq6 10042 cteq6l1 10550 cteq66 10800 CT10 11000 CT10nlo 11200 CT10nnlo 13000 CT14nnlo 13100 CT14nlo 13200 CT14lo
13300 CT14qed_proton 14000 CT18NNLO 14100 CT18ZNNLO 14200 CT18ANNLO 14300 CT18XNNLO 14400 CT18NLO 14500 CT18ZNLO
14600 CT18ANLO 14700 CT18XNLO
21000 MSTW2008lo68cl 21100 MSTW2008nlo68cl 21200 MSTW2008nnlo68cl 25000 MMHT2014lo68cl 25100 MMHT2014nlo68cl
25200 MMHT2014nlo68clas118 25300 MMHT2014nnlo68cl 27400 MSHT20nnlo_as118
42560 ABMP16_5_nnlo 42960 ABMP16_5_nlo 61000 HERAPDF20_LO_EIG 61100 HERAPDF20_NLO_EIG 61200 HERAPDF20_NNLO_EIG
82000 LUXqed_plus_PDF4LHC15_nnlo_100 82200 LUXqed17_plus_PDF4LHC15_nnlo_100
90000 PDF4LHC15_nlo_mc_pdfas 90200 PDF4LHC15_nlo_100_pdfas 90400 PDF4LHC15_nlo_30_pdfas 90500 PDF4LHC15_nlo_mc
90700 PDF4LHC15_nlo_100 90900 PDF4LHC15_nlo_30 91000 PDF4LHC15_nnlo_mc_pdfas 91200 PDF4LHC15_nnlo_100_pdfas
91400 PDF4LHC15_nnlo_30_pdfas 91500 PDF4LHC15_nnlo_mc 91700 PDF4LHC15_nnlo_100 91900 PDF4LHC15_nnlo_30
92000 PDF4LHC15_nlo_nf4_30 93100 PDF4LHC21_40 93300 PDF4LHC21_40_pdfas
230000 NNPDF23_nlo_as_0119 244600 NNPDF23_nlo_as_0118_qed 244800 NNPDF23_nlo_as_0119_qed
246800 NNPDF23_lo_as_0119_qed 247000 NNPDF23_lo_as_0130_qed
260000 NNPDF30_nlo_as_0118 260400 NNPDF30_nlo_as_0118_nf_4 261000 NNPDF30_nnlo_as_0118 261400 NNPDF30_nnlo_as_0118_nf_4
262000 NNPDF30_lo_as_0118 262400 NNPDF30_lo_as_0118_nf_4 263000 NNPDF30_lo_as_0130 263400 NNPDF30_lo_as_0130_nf_4
292000 NNPDF30_nlo_nf_4_pdfas 292200 NNPDF30_nlo_nf_5_pdfas 292400 NNPDF30_nnlo_nf_4_pdfas
292600 NNPDF30_nnlo_nf_5_pdfas 303000 NNPDF30_nlo_as_0118_hessian 303200 NNPDF30_nnlo_as_0118_hessian
303400 NNPDF31_nlo_as_0118 303600 NNPDF31_nnlo_as_0118 304200 NNPDF31_nlo_as_0118_hessian
304400 NNPDF31_nnlo_as_0118_hessian 305800 NNPDF31_nlo_hessian_pdfas 306000 NNPDF31_nnlo_hessian_pdfas
315000 NNPDF31_lo_as_0118 315200 NNPDF31_lo_as_0130 320500 NNPDF31_nlo_as_0118_nf_4 320900 NNPDF31_nnlo_as_0118_nf_4
324900 NNPDF31_nlo_as_0118_luxqed 325100 NNPDF31_nnlo_as_0118_luxqed
325300 NNPDF31_nnlo_as_0118_mc_hessian_pdfas 325500 NNPDF31_nnlo_as_0118_nf_4_mc_hessian
331100 NNPDF40_nnlo_as_01180 331700 NNPDF40_nlo_as_01180 331900 NNPDF40_lo_as_01180
"""
"""From LHAPDF's file ``pdfsets.index``: the sets that studies at the LHC use most."""

_WORDS = _LHAPDF.split()
NUMBERS: Mapping[str, int] = MappingProxyType(dict(zip(_WORDS[1::2], map(int, _WORDS[::2]), strict=True)))
"""LHAPDF's number of each set."""


@dataclass(frozen=True)
class Members:
    """The members of a set, as LHAPDF's file ``.info`` of the set says.

    The sets of CTEQ are at 90 % (arXiv:0802.0007, 1007.2241, 1506.07443, 1912.10053), most others at one standard
    deviation.
    """

    number: int
    """The central one included."""
    error_type: str
    """How they combine to an uncertainty, in LHAPDF's words."""
    confidence: float
    """The confidence level of the uncertainty in per cent, ``ErrorConfLevel``; one standard deviation is at 68.27."""


_INFO = """
hessian 29 HERAPDF20_NLO_EIG HERAPDF20_NNLO_EIG
hessian 41 MSTW2008lo68cl MSTW2008nlo68cl MSTW2008nnlo68cl
hessian 51 MMHT2014lo68cl MMHT2014nlo68cl MMHT2014nlo68clas118 MMHT2014nnlo68cl
hessian 65 MSHT20nnlo_as118
symmhessian 30 ABMP16_5_nnlo ABMP16_5_nlo
symmhessian 31 PDF4LHC15_nlo_30 PDF4LHC15_nnlo_30 PDF4LHC15_nlo_nf4_30
symmhessian 41 PDF4LHC21_40
symmhessian 101 PDF4LHC15_nlo_100 PDF4LHC15_nnlo_100 NNPDF30_nlo_as_0118_hessian NNPDF30_nnlo_as_0118_hessian
symmhessian 101 NNPDF31_nlo_as_0118_hessian NNPDF31_nnlo_as_0118_hessian NNPDF31_nnlo_as_0118_nf_4_mc_hessian
symmhessian+as 33 PDF4LHC15_nlo_30_pdfas PDF4LHC15_nnlo_30_pdfas
symmhessian+as 43 PDF4LHC21_40_pdfas
symmhessian+as 103 PDF4LHC15_nlo_100_pdfas PDF4LHC15_nnlo_100_pdfas NNPDF31_nlo_hessian_pdfas
symmhessian+as 103 NNPDF31_nnlo_hessian_pdfas NNPDF31_nnlo_as_0118_mc_hessian_pdfas
replicas 101 PDF4LHC15_nlo_mc PDF4LHC15_nnlo_mc NNPDF23_nlo_as_0119 NNPDF23_nlo_as_0118_qed NNPDF23_nlo_as_0119_qed
replicas 101 NNPDF23_lo_as_0119_qed NNPDF23_lo_as_0130_qed NNPDF30_nlo_as_0118 NNPDF30_nlo_as_0118_nf_4
replicas 101 NNPDF30_nnlo_as_0118 NNPDF30_nnlo_as_0118_nf_4 NNPDF30_lo_as_0118 NNPDF30_lo_as_0118_nf_4
replicas 101 NNPDF30_lo_as_0130 NNPDF30_lo_as_0130_nf_4 NNPDF31_nlo_as_0118 NNPDF31_nnlo_as_0118 NNPDF31_lo_as_0118
replicas 101 NNPDF31_lo_as_0130 NNPDF31_nlo_as_0118_nf_4 NNPDF31_nnlo_as_0118_nf_4 NNPDF31_nlo_as_0118_luxqed
replicas 101 NNPDF31_nnlo_as_0118_luxqed NNPDF40_nnlo_as_01180 NNPDF40_nlo_as_01180 NNPDF40_lo_as_01180
replicas+as 103 PDF4LHC15_nlo_mc_pdfas PDF4LHC15_nnlo_mc_pdfas NNPDF30_nlo_nf_4_pdfas NNPDF30_nlo_nf_5_pdfas
replicas+as 103 NNPDF30_nnlo_nf_4_pdfas NNPDF30_nnlo_nf_5_pdfas
"""
"""``ErrorType`` and ``NumMembers`` of the sets with errors at one standard deviation, each with its names."""
_INFO_90 = """
hessian 41 cteq6
hessian 45 cteq66
hessian 51 CT10nnlo
hessian 53 CT10 CT10nlo
hessian 57 CT14nnlo CT14nlo
hessian 59 CT18NNLO CT18ZNNLO CT18ANNLO CT18XNNLO CT18NLO CT18ZNLO CT18ANLO CT18XNLO
"""
"""The same of sets with errors at a confidence level of 90 %."""
ONE_SIGMA = 68.27
MEMBERS: Mapping[str, Members] = MappingProxyType(
    {
        name: Members(int(number), error_type, confidence)
        for confidence, text in ((ONE_SIGMA, _INFO), (90.0, _INFO_90))
        for error_type, number, *names in map(str.split, text.strip().splitlines())
        for name in names
    }
)
"""The members of the sets of which they are known here; of others a file must say how they combine."""


def number_of(named: str | int) -> int | None:
    """LHAPDF's number of a set; None if the name is unknown here.

    >>> number_of("NNPDF31_nnlo_as_0118"), number_of(303600), number_of("unknown")
    (303600, 303600, None)
    """
    return named if isinstance(named, int) else NUMBERS.get(named)


def name_of(named: str | int) -> str | None:
    """LHAPDF's name of a set; None if the number is unknown here, or that of another member than the central one.

    >>> name_of(247000), name_of("my_set"), name_of(247001)
    ('NNPDF23_lo_as_0130_qed', 'my_set', None)
    """
    if isinstance(named, str):
        return named
    return next((name for name, number in NUMBERS.items() if number == named), None)
