"""The one writer to terminals and logs: names of files, texts of studies, jobs and servers cannot do anything there.

A control character moves the cursor or hides text, a bidirectional one reorders it, and a line that starts with ``::``
is a command to GitHub. All that mmc prints goes through :func:`say` or :func:`complain`, except the state of a run and
formats for programs, which have escapes of their own.
"""

import re
import sys
from collections.abc import Callable
from typing import TextIO

_WORD = re.compile(r"[^\s\"'<>]+")
"""Words are looked at one by one, so that the time is linear in the text."""
_REPLACED = "\ufffd"


def plain(text: str) -> str:
    """The text in one line, with as many characters, all of which a terminal shows.

    >>> plain("two\\nlines"), plain("a\\x1b[31m"), plain("::error::no")
    ('two lines', 'a [31m', ': error::no')
    """
    if not (text.isascii() and text.isprintable()):
        text = "".join(char if char.isprintable() else _REPLACED if _is_half(char) else " " for char in text)
    if text.lstrip().startswith("::"):
        text = text.replace("::", ": ", 1)
    return text.replace("##[", "# [")


def replace_logins(text: str, replaced: Callable[[str], str]) -> str:
    """The text with user, password and ``@`` of each address replaced; a password may contain ``@`` and ``/``.

    >>> replace_logins("no answer of https://me:a/b@c@host: Errno 1", lambda login: "")
    'no answer of https://host: Errno 1'
    """

    def of_word(found: re.Match[str]) -> str:
        scheme, colon, rest = found[0].partition("://")
        login, at, host = rest.rpartition("@")
        return scheme + colon + replaced(login + at) + host if at else found[0]

    return _WORD.sub(of_word, text) if "://" in text and "@" in text else text


def say(*lines: str) -> None:
    """Write lines to standard output."""
    _write(sys.stdout, lines)


def complain(*lines: str) -> None:
    """Write lines to standard error."""
    _write(sys.stderr, lines)


def _write(stream: TextIO, lines: tuple[str, ...]) -> None:
    stream.write("".join(f"{plain(line)}\n" for line in lines))
    stream.flush()


def _is_half(char: str) -> bool:
    """Whether it stands for a byte of a file name that is not UTF-8."""
    return "\ud800" <= char <= "\udfff"
