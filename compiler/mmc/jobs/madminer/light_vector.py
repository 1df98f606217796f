"""The package ``vector``, imported without awkward and sympy.

It imports them for arrays of any shape and for symbols, of which mmc and MadMiner make no vectors. That takes five
times as long as the import of ``vector`` itself, in every job that reads events.
"""

import sys

_hidden = {name: sys.modules.get(name) for name in ("awkward", "sympy")}
for _name in _hidden:
    sys.modules[_name] = None  # type: ignore[assignment]  # its import fails, which vector allows
try:
    import vector
finally:
    for _name, _module in _hidden.items():
        if _module is None:
            del sys.modules[_name]
        else:
            sys.modules[_name] = _module

__all__ = ["vector"]
