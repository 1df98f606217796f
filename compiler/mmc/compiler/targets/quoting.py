"""One quoting function per language, and template environments that refuse a value which has not passed through one.

Each function returns its language's own subclass of :class:`str`. An environment made by :func:`environment` prints
values of that class alone, so a template that forgets a filter, or takes another language's, fails when it is rendered.
"""

import re
import shlex
from collections.abc import Callable, Mapping
from functools import cache
from importlib import resources
from keyword import iskeyword
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined

from mmc.errors import MmcError


class Yaml(str):
    """Text of a YAML document."""

    __slots__ = ()


class Shell(str):
    """Text of a shell script."""

    __slots__ = ()


class Condor(str):
    """Text of a submit description of HTCondor."""

    __slots__ = ()


class Python(str):
    """Text of a Python program."""

    __slots__ = ()


class Markdown(str):
    """Text of a Markdown page."""

    __slots__ = ()


_LINE_LENGTH = 116
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*")
_YAML_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
_CONTROLS = "\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff"
_ESCAPED_IN_YAML = re.compile(f'["\\\\{_CONTROLS}]')
_REFUSED_IN_LINE = re.compile(f"[{_CONTROLS}]")
_WORD = re.compile(r"[A-Za-z0-9_.,:&|*()\[\]=@/+-]+")
_MARKDOWN_PUNCTUATION = re.compile(r"([\\`*_{}\[\]()#+.!|~-])")


def yaml(value: Any) -> Yaml:
    """A value of mappings, lists, texts, whole numbers, booleans and null as one line that YAML 1.1 and 1.2 read back.

    >>> yaml({"files": ["a b", "no", "plain.txt"], "jobs": 3})
    '{files: ["a b", "no", plain.txt], jobs: 3}'
    """
    if isinstance(value, Mapping):
        return Yaml("{" + ", ".join(f"{yaml(key)}: {yaml(item)}" for key, item in value.items()) + "}")
    if isinstance(value, list | tuple):
        return Yaml("[" + ", ".join(map(yaml, value)) + "]")
    if value is None or isinstance(value, bool):
        return Yaml({None: "null", True: "true", False: "false"}[value])
    if isinstance(value, int):
        return Yaml(value)
    if not isinstance(value, str):
        raise TypeError(f"no YAML for {value!r}")
    if _PLAIN.fullmatch(value) and value.lower() not in _YAML_WORDS:
        return Yaml(value)
    return Yaml('"' + _ESCAPED_IN_YAML.sub(lambda match: _yaml_escape(match[0]), value) + '"')


def _yaml_escape(character: str) -> str:
    return "\\" + character if character in '"\\' else f"\\u{ord(character):04x}"


def yaml_block(value: Mapping[str, Any], indent: int) -> Yaml:
    """A mapping as lines of YAML that are indented by so many blanks, long values spread over further lines."""
    return Yaml("".join(f"\n{' ' * indent}{line}" for line in _block_lines(value, indent)))


def _block_lines(value: Any, indent: int) -> list[str]:
    if isinstance(value, list | tuple):
        return [f"- {yaml(item)}" for item in value]
    lines = []
    for key, item in value.items():
        flow = yaml(item)
        if isinstance(item, list | tuple | Mapping) and indent + len(key) + len(flow) > _LINE_LENGTH:
            lines += [f"{yaml(key)}:", *(f"  {line}" for line in _block_lines(item, indent + 2))]
        else:
            lines.append(f"{yaml(key)}: {flow}")
    return lines


def yaml_line(text: str) -> Yaml:
    """A line of a YAML block scalar (``|``), where every character but control characters stands for itself.

    :raises MmcError: when the text holds a control character
    """
    if _REFUSED_IN_LINE.search(text):
        raise MmcError(f"this target cannot name a file with control characters: {text!r}")
    return Yaml(text)


def comment(text: str) -> Yaml:
    """Text as what follows ``#`` on a line of YAML."""
    return Yaml(_one_line(text))


def shell(value: str | int) -> Shell:
    """A word of a POSIX shell."""
    return Shell(shlex.quote(str(value)))


def shell_comment(text: str) -> Shell:
    """Text as what follows ``#`` on a line of a shell script."""
    return Shell(_one_line(text))


def shell_line(text: str) -> Shell:
    """A part of a comment of a shell script that another program reads: letters, digits and marks, no blanks.

    :raises ValueError: when the text holds something else
    """
    if not _WORD.fullmatch(text):
        raise ValueError(f"{text!r} cannot stand in a comment for another program")
    return Shell(text)


def condor(text: str) -> Condor:
    """The value of a command of a submit description, where ``$(`` would begin a macro."""
    return Condor(_one_line(text).replace("$", "$(DOLLAR)"))


def condor_comment(text: str) -> Condor:
    """Text as what follows ``#`` on a line; a backslash at its end would join the next line."""
    return Condor(_one_line(text).rstrip("\\"))


def python(value: str | int) -> Python:
    """A text or a whole number as a literal of Python."""
    return Python(ascii(value))


def python_name(text: str) -> Python:
    """A name in a Python program.

    :raises ValueError: when the text is not one
    """
    if not text.isidentifier() or iskeyword(text):
        raise ValueError(f"{text!r} is not a name of Python")
    return Python(text)


def python_comment(text: str) -> Python:
    """Text as what follows ``#`` on a line of a Python program."""
    return Python(_one_line(text))


def cwl(text: str) -> str:
    """Text that stands for itself where CWL 1.2 evaluates expressions: ``$(`` and ``${`` begin none.

    >>> print(cwl("costs $5, not $(inputs.price)"))
    costs $5, not \\$(inputs.price)
    """
    if "$(" not in text and "${" not in text:
        return text
    return re.sub(r"\\|\$(?=[({])", lambda match: "\\" + match[0], text)


def yadage(text: str) -> str:
    """Text that stands for itself in Yadage's interpolation, which is Python's ``str.format``."""
    return text.replace("{", "{{").replace("}", "}}")


def markdown(text: str) -> Markdown:
    """Text on a line of a Markdown page."""
    escaped = _one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return Markdown(_MARKDOWN_PUNCTUATION.sub(r"\\\1", escaped))


def markdown_code(text: str) -> Markdown:
    """Text as a code span of Markdown."""
    line = _one_line(text)
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", line)), default=0))
    pad = " " if "`" in line else ""
    return Markdown(f"{fence}{pad}{line}{pad}{fence}")


def _one_line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


FILTERS: Mapping[type[str], Mapping[str, Callable[..., str]]] = {
    Yaml: {"yaml": yaml, "block": yaml_block, "line": yaml_line, "comment": comment},
    Shell: {"sh": shell, "comment": shell_comment, "line": shell_line},
    Condor: {"value": condor, "comment": condor_comment},
    Python: {"py": python, "name": python_name, "comment": python_comment},
    Markdown: {"md": markdown, "code": markdown_code},
}


@cache
def environment(language: type[str]) -> Environment:
    """The template environment of a language: its filters, and nothing printed that is not of its class."""

    def finalize(value: Any) -> str:
        if not isinstance(value, language):
            raise TypeError(f"{value!r} has not passed through a filter of {language.__name__}")
        return value

    made = Environment(
        loader=FunctionLoader(lambda name: (resources.files("mmc.templates") / name).read_text(encoding="utf-8")),
        undefined=StrictUndefined,
        finalize=finalize,
        comment_start_string="{##",  # "{#" is common in bash
        comment_end_string="##}",
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # finalize refuses whatever is not quoted, which is stricter
    )
    made.filters.update(FILTERS[language])
    return made


def render(language: type[str], template: str, **values: Any) -> str:
    """A template of ``templates/`` with these values.

    :raises TypeError: when the template prints a value that has not passed through a filter of the language
    """
    return environment(language).get_template(template).render(values)
