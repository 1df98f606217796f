"""Labels on plots: which formulas matplotlib draws as math; all other labels are drawn as plain text."""

import re

DEEPEST = 6
"""The most levels of braces in a formula."""
WORDS = frozenset(
    word
    for line in (
        "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi pi varpi rho",
        "varrho sigma varsigma tau upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi",
        "Psi Omega ell hbar infty partial nabla square dagger prime Re Im aleph forall exists emptyset",
        "pm mp times cdot cdots ldots dots div ast star circ bullet oplus otimes leq geq le ge neq ne ll gg equiv sim",
        "simeq approx propto in notin subset cup cap to rightarrow leftarrow leftrightarrow Rightarrow mapsto",
        "sum prod int oint parallel perp mid vert langle rangle left right not backslash degree circledR",
        "hat bar tilde vec dot ddot acute grave check breve overline widehat widetilde",
        "frac dfrac sqrt binom mathrm mathbf mathit mathcal mathsf mathtt mathfrak mathbb mathscr text operatorname",
        "rm bf it cal sf tt quad qquad arccos arcsin arctan arg cos cosh cot coth csc deg det dim exp gcd hom inf ker",
        "lg lim liminf limsup ln log max min Pr sec sin sinh sup tan tanh",
    )
    for word in line.split()
)
"""The commands of TeX that a formula may use."""

_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_PART = re.compile(r"\\(?P<word>[A-Za-z]+)|\\(?P<sign>.)|(?P<brace>[{}])|(?P<dollar>\$)", re.DOTALL)
_SIGNS = r"""$%#&_{}|,;:!/ ><"'`^~.="""


def label_problem(text: str) -> str | None:
    """Why a label is not drawn as it is written; None if it has no formula, or one that matplotlib draws.

    >>> label_problem("$p_T$ in GeV"), label_problem(r"$\\mathcal{O}_{W}$"), label_problem("{" * 40)
    (None, None, None)
    >>> label_problem(r"$\\hspace{99999}$"), label_problem("$x_{1$"), label_problem("5 $")
    ('`\\\\hspace` is not known', 'its braces do not match', 'it has an odd number of `$`')
    """
    if _UNPRINTABLE.search(text):
        return "it contains a control character"
    dollars, depth = 0, 0
    for part in _PART.finditer(text):
        if part["dollar"]:
            dollars += 1
        if dollars % 2 == 0 and not part["dollar"]:
            continue
        depth += {"{": 1, "}": -1}.get(part["brace"], 0)
        if (part["dollar"] and depth != 0) or depth < 0:
            return "its braces do not match"
        if depth > DEEPEST:
            return "its braces are nested too deeply"
        if (part["word"] is not None and part["word"] not in WORDS) or (part["sign"] or "$") not in _SIGNS:
            return f"`{part[0]}` is not known"
    return "it has an odd number of `$`" if dollars % 2 else None


def printable(text: str) -> str:
    """A text with a mark for each character that cannot be drawn."""
    return _UNPRINTABLE.sub("\ufffd", text)
