"""Named objects and definitions: their parts, what they use, their static values, and the expressions that jobs read.

The study's `objects` are short forms of expressions. A selection is a loop, `[it for it in j if it.b_tag]`. The two
others call functions that only they use: `pair(list, condition, quantity)` and `neutrino(lepton, met, mass, quantity)`.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from mmc.compiler.expressions.checker import DEFINITION, checked
from mmc.compiler.expressions.parts import MMC405, UNKNOWN_VALUE, ExpressionProblem, Value, free_names, parsed
from mmc.compiler.expressions.scope import LIST, Scope
from mmc.compiler.expressions.vocabulary import (
    ELEMENT,
    FOUND,
    FOUR_VECTORS,
    MEMBERS,
    MET,
    PARTICLE,
    TRUTH,
    UNKNOWN,
    VECTORS,
)
from mmc.compiler.language.quantities import parse_quantity

MAX_CHAIN = 50
"""The longest chain of definitions that use each other."""
CHOICES = {"smallest": f"abs({ELEMENT}.pz)", "largest": f"-abs({ELEMENT}.pz)"}
"""The quantity that is smallest for the chosen solution of a neutrino."""
Entry = str | Mapping[str, Any]
"""A definition, or an object as the study writes it."""


class Part(NamedTuple):
    """An expression inside an object or definition."""

    keys: tuple[str, ...]
    """Where it is in the entry."""
    text: str
    kind: str
    """"list", "particle", or a kind of :func:`mmc.compiler.expressions.checker.checked`."""
    bound: tuple[str, ...] = ()
    """The names that mean elements of the list."""


def parts(entry: Entry) -> Iterator[Part]:
    """The expressions of an entry; those that are not text are left out, as the schema reports them."""
    if isinstance(entry, str):
        yield Part((), entry, DEFINITION)
        return
    for keys, kind, bound in _PARTS["neutrino" if "neutrino" in entry else "pair_of" if "pair_of" in entry else "from"]:
        value: Any = entry
        for key in keys:
            value = value.get(key) if isinstance(value, Mapping) else None
        if isinstance(value, str):
            yield Part(keys, value, kind, bound)


_PARTS: Mapping[str, Sequence[tuple[tuple[str, ...], str, tuple[str, ...]]]] = {
    "from": (
        (("from",), "list", ()),
        (("where",), "condition", (ELEMENT,)),
        (("by",), "quantity", (ELEMENT,)),
    ),
    "neutrino": (
        (("neutrino", "lepton"), "particle", ()),
        (("neutrino", "met"), "particle", ()),
        (("neutrino", "min"), "quantity", (ELEMENT,)),
    ),
    "pair_of": (
        (("pair_of",), "list", ()),
        (("where",), "condition", MEMBERS),
        (("min",), "quantity", MEMBERS),
    ),
}
"""The expressions of each kind of object: their keys, what they are, and the names of elements in them."""


def expression(entry: Entry) -> str:
    """The expression that jobs evaluate.

    >>> expression({"from": "j", "where": "it.b_tag"})
    '[it for it in (j) if (it.b_tag)]'
    >>> expression({"pair_of": "l", "where": "a.pdgid == -b.pdgid", "min": "abs((a + b).m - 91.19)"})
    'pair((l), (a.pdgid == -b.pdgid), (abs((a + b).m - 91.19)))'
    """
    if isinstance(entry, str):
        return entry
    if "neutrino" in entry:
        solved = entry["neutrino"]
        mass = parse_quantity(solved["mass"], "energy")
        quantity = solved.get("min", CHOICES[solved.get("choose", "smallest")])
        return f"neutrino(({solved['lepton']}), ({solved['met']}), {mass!r}, ({quantity}))"
    if "pair_of" in entry:
        return f"pair(({entry['pair_of']}), ({entry.get('where', 'True')}), ({entry.get('min', '0')}))"
    chosen = f"[{ELEMENT} for {ELEMENT} in ({entry['from']}) if ({entry.get('where', 'True')})]"
    return f"sorted({chosen}, ({entry['by']}))" if "by" in entry else chosen


def names_in(entry: Entry) -> dict[str, None]:
    """The names that an entry uses, without those that mean its elements, in order."""
    found: dict[str, None] = {}
    for part in parts(entry):
        tree = parsed(part.text)
        if tree is not None:
            found |= dict.fromkeys(free_names(tree, frozenset(part.bound)))
    return found


@dataclass
class Naming:
    """What is known of the objects and definitions of a study without events."""

    values: dict[str, Value] = field(default_factory=dict)
    problems: list[tuple[str, Part, ExpressionProblem]] = field(default_factory=list)
    """The problems of each part, with the name of its entry."""
    cycles: list[tuple[str, ...]] = field(default_factory=list)
    """Names that are defined by each other: each uses the next, the last is the first."""
    too_deep: list[str] = field(default_factory=list)
    """Names at the end of a chain that is too long."""


def named(entries: Mapping[str, Entry], observables: Mapping[str, str | None], scope: Scope) -> Naming:
    """The static values of objects and definitions, and their problems.

    :param entries: the objects and definitions by name
    :param observables: the definitions of the observables; None for one that jobs know otherwise
    :param scope: the names of the event reader
    """
    naming = Naming()
    every: dict[str, Entry] = {name: text for name, text in observables.items() if text is not None}
    every |= entries
    uses = {
        name: [other for other in names_in(entry) if other in every and other not in scope.variables]
        for name, entry in every.items()
    }
    order, naming.cycles = _ordered(uses)
    depths: dict[str, int] = {}
    for name in order:
        depths[name] = 1 + max((depths[other] for other in uses[name]), default=0)
    naming.too_deep = [name for name, depth in depths.items() if depth == MAX_CHAIN + 1]
    naming.values = dict.fromkeys(entries, UNKNOWN_VALUE)
    names = frozenset(observables)
    for name in order:
        if name in entries:
            naming.values[name] = _value(name, entries[name], scope, names, naming)
    return naming


def _ordered(uses: Mapping[str, Sequence[str]]) -> tuple[list[str], list[tuple[str, ...]]]:
    """The names in an order in which each comes after those that it uses, and the cycles among the others."""
    order: list[str] = []
    waiting = {name: len(others) for name, others in uses.items()}
    users: dict[str, list[str]] = {name: [] for name in uses}
    for name, others in uses.items():
        for other in others:
            users[other].append(name)
    ready = [name for name, count in waiting.items() if count == 0]
    while ready:
        name = ready.pop()
        order.append(name)
        for user in users[name]:
            waiting[user] -= 1
            if waiting[user] == 0:
                ready.append(user)
    left = dict.fromkeys(name for name, count in waiting.items() if count > 0)
    cycles = []
    while left:
        path: dict[str, None] = {}
        name = next(iter(left))
        while name not in path:
            path[name] = None
            following = [other for other in uses[name] if other in left]
            if not following:
                break
            name = following[0]
        else:
            walked = list(path)
            cycles.append((*walked[walked.index(name) :], name))
        for seen in path:
            left.pop(seen)
    return order, cycles


def _value(name: str, entry: Entry, scope: Scope, observables: frozenset[str], naming: Naming) -> Value:
    scope = with_names(scope, naming.values)
    element: Value | None = None
    for part in parts(entry):
        inside = scope
        if part.bound:
            bound = dict.fromkeys(part.bound, _bound(entry, element))
            inside = scope._replace(variables={**scope.variables, **bound})
        kind = DEFINITION if part.kind in ("list", "particle") else part.kind
        problems, value = checked(part.text, kind, inside, observables - set(part.bound))
        reason = None if problems else _unfit(part, value, entry)
        if reason is not None:
            problems = [ExpressionProblem(MMC405, *reason, 0, len(part.text))]
        naming.problems += [(name, part, problem) for problem in problems]
        if isinstance(entry, str):
            return UNKNOWN_VALUE if problems else value
        if part.kind == "list":
            element = UNKNOWN_VALUE if problems else value
    if "neutrino" in entry:
        return Value(MET)
    if "pair_of" in entry:
        return Value(FOUND)
    return UNKNOWN_VALUE if element is None or element.kind == UNKNOWN else element._replace(lazy=False)


def _bound(entry: Entry, found: Value | None) -> Value:
    """The value of an element: of the list, or a solution for the neutrino."""
    if "neutrino" in entry:
        return Value(MET)
    return UNKNOWN_VALUE if found is None else Value(found.element or UNKNOWN)


def _unfit(part: Part, value: Value, entry: Entry) -> tuple[str, str] | None:
    """Message and help if the value is of the wrong kind."""
    if part.kind == "particle" and value.kind not in (*FOUR_VECTORS, UNKNOWN):
        help_text = "take an element, as in `l[0]`" if value.is_list else "write a particle, such as `l[0]`"
        return f"`{part.keys[-1]}` is a particle; this is a {value}", help_text
    accepted: Collection[str] = (TRUTH, PARTICLE) if "pair_of" in entry else (*VECTORS,)
    if part.kind == "list" and value.kind != UNKNOWN and (value.kind != LIST or value.element not in accepted):
        return f"`{part.keys[-1]}` is a list of particles; this is a {value}", "write a list, such as `j`"
    return None


def with_names(scope: Scope, values: Mapping[str, Value]) -> Scope:
    """A scope with objects and definitions; the reader's names keep their meaning."""
    return scope._replace(variables={**values, **scope.variables})
