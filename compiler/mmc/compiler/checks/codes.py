"""All diagnostic codes, collected from the modules that declare them, for ``mmc explain``, documentation and SARIF."""

from mmc.compiler import checks
from mmc.compiler.expressions import calls, checker, parts
from mmc.compiler.language import bases, document, yaml_nodes
from mmc.compiler.language.diagnostics import Code

FAMILIES = {
    "0": "reading",
    "1": "schema",
    "2": "names and points",
    "3": "events",
    "4": "expressions",
    "5": "methods and evaluation",
    "6": "files and execution",
}
_DECLARE_CODES = (yaml_nodes, document, bases, parts, calls, checker, checks, *checks.RULE_MODULES)

CODES: dict[str, Code] = {
    code.id: code
    for code in sorted(code for module in _DECLARE_CODES for code in vars(module).values() if isinstance(code, Code))
}
"""The codes by their ids, in order."""


def family(code: str) -> str:
    """The family of a code.

    >>> family("MMC401")
    'expressions'
    """
    return FAMILIES[code[3]]
