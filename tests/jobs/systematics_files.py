"""Event files with the weights that MadGraph 3.5.7's systematics program writes: one per pair of scale factors, and one
per member of a PDF set. What it writes for sure is compared in ``test_madgraph_systematics``."""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

FACTORS = (0.5, 1.0, 2.0)
NOMINAL_PDF = 247000


@dataclass(frozen=True)
class PdfSet:
    """A set of LHAPDF, as MadGraph declares it."""

    name: str
    number: int
    members: int
    """The central one included."""
    error_type: str
    description: str = "a set; mem=0 .gt. central"


def with_systematics(
    text: str, factors: Sequence[float] = FACTORS, pdf_sets: Sequence[PdfSet] = (), seed: int = 5
) -> str:
    """An event file with the weights of varied scales and PDFs before its others, within 20 % of an event's own."""
    numbers = random.Random(seed)
    declared, n_weights = declarations(factors, pdf_sets)
    if "<initrwgt>" in text:
        text = text.replace("<initrwgt>", f"<initrwgt>\n{declared}", 1)
    else:
        text = text.replace("</header>", f"<initrwgt>\n{declared}</initrwgt>\n</header>", 1)

    def event(match: re.Match[str]) -> str:
        own = float(match[0].split("\n")[1].split()[2])
        lines = [f"<wgt id='{i + 1}'> {own * numbers.uniform(0.8, 1.2):+13.7e} </wgt>\n" for i in range(n_weights)]
        return match[0].replace("<rwgt>\n", "<rwgt>\n" + "".join(lines), 1)

    return re.sub(r"<event>.*?</event>", event, text, flags=re.DOTALL)


def declarations(factors: Sequence[float] = FACTORS, pdf_sets: Sequence[PdfSet] = ()) -> tuple[str, int]:
    """What the head of the file says of the weights, and how many there are."""
    text, number = "", 0

    def weight(mur: float, muf: float, pdf: int, info: str) -> str:
        nonlocal number
        number += 1
        return f'<weight id="{number}" MUR="{mur}"  MUF="{muf}"  PDF="{pdf}" > {info} </weight>\n'

    text += '<weightgroup name="Central scale variation" combine="envelope">\n'
    for mur, muf in product(factors, factors):
        if (mur, muf) != (1.0, 1.0):
            info = "".join(f"{name}={value} " for name, value in (("MUR", mur), ("MUF", muf)) if value != 1.0)
            text += weight(mur, muf, NOMINAL_PDF, info)
    text += "</weightgroup> # scale\n"
    for pdf_set in pdf_sets:
        text += f'<weightgroup name="{pdf_set.name}" combine="{pdf_set.error_type}"> '
        text += f"# {pdf_set.number}: {pdf_set.description}\n"
        for member in range(pdf_set.members):
            own = pdf_set.number + member == NOMINAL_PDF
            info = "" if own else f"PDF={pdf_set.number} MemberID={member}"
            text += weight(1.0, 1.0, pdf_set.number + member, info)
        text += "</weightgroup>" + (" # PDFSET to PDFSET\n" if pdf_set is not pdf_sets[-1] else "\n")
    return text, number
