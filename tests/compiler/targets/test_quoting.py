"""Whatever a text holds, it means itself in every language that bundles are written in."""

import json
import shlex
import subprocess

import pytest
import yaml as pyyaml
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import UndefinedError
from mmc.compiler.targets import quoting
from mmc.compiler.targets.quoting import Markdown, Shell, Yaml, environment
from mmc.errors import MmcError

from tests.strategies import NASTY, free_text

anything = st.one_of(free_text, st.text(st.characters(blacklist_categories=("Cs",)), max_size=20))
values = st.recursive(
    st.one_of(anything, st.integers(), st.booleans(), st.none()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(anything, inner, max_size=3)),
    max_leaves=8,
)


@given(values)
def test_yaml_reads_back(value: object) -> None:
    text = quoting.yaml(value)
    assert "\n" not in text
    assert pyyaml.safe_load(text) == value


@given(
    st.dictionaries(anything, st.one_of(values, st.lists(anything, min_size=20, max_size=30)), min_size=1, max_size=3)
)
def test_yaml_block_reads_back(value: dict[str, object]) -> None:
    assert pyyaml.safe_load("a:" + quoting.yaml_block(value, 2)) == {"a": value}


@given(values)
@settings(max_examples=50)
def test_yaml_1_2_reads_back(value: object) -> None:
    ruamel = pytest.importorskip("ruamel.yaml")
    assert ruamel.YAML(typ="safe", pure=True).load(quoting.yaml(value)) == value


def test_yaml_keeps_plain_words_plain() -> None:
    assert quoting.yaml(["signal.sm.0", "physics/configure", "No", "1e3", "a:b"]) == (
        '[signal.sm.0, physics/configure, "No", "1e3", "a:b"]'
    )


def test_yaml_refuses_what_it_cannot_say() -> None:
    with pytest.raises(TypeError):
        quoting.yaml(1.5)


@given(anything)
def test_yaml_line_and_comment(text: str) -> None:
    assert pyyaml.safe_load(f"# {quoting.comment(text)}\na: 1") == {"a": 1}
    try:
        line = quoting.yaml_line(text)
    except MmcError:
        return
    assert pyyaml.safe_load(f"a: |\n  x{line}\n") == {"a": f"x{text}\n"}


@given(st.lists(anything.filter(lambda text: "\0" not in text), min_size=1, max_size=5))
@settings(max_examples=20, deadline=None)
def test_shell(words: list[str]) -> None:
    line = " ".join(map(quoting.shell, words))
    assert shlex.split(line) == words
    script = f"# {quoting.shell_comment(' '.join(words))}\nprintf '%s\\0' {line}"
    done = subprocess.run(["sh", "-c", script], capture_output=True, check=True)
    assert done.stdout.decode().split("\0")[:-1] == words


@given(anything)
def test_yadage(text: str) -> None:
    assert quoting.yadage(text).format(text="wrong", **{"0": "wrong"}) == text


@settings(deadline=None)  # the first one imports cwl_utils
@given(st.one_of(anything, st.sampled_from(["\\$(a)", "\\\\${a}", "$$(inputs.x)\\", "$(", "a $( b"])))
def test_cwl(text: str) -> None:
    expression = pytest.importorskip("cwl_utils.expression")
    quoted = quoting.cwl(text)
    meant = text
    if expression.needs_parsing(quoted):
        meant = text.strip()  # what CWL does to every text that it evaluates
        quoted = expression.interpolate(quoted, {"inputs": {"x": "wrong"}}, js_engine=object())
    assert quoted == meant


@pytest.mark.parametrize("text", NASTY)
def test_markdown(text: str) -> None:
    assert "<" not in quoting.markdown(text)
    assert "\n" not in quoting.markdown(text) + quoting.markdown_code(text)


def test_markdown_code_holds_backticks() -> None:
    assert quoting.markdown_code("a`b``c") == "``` a`b``c ```"


@pytest.mark.parametrize("language", [Yaml, Shell, Markdown])
def test_a_forgotten_filter_is_an_error(language: type[str]) -> None:
    template = environment(language).from_string("{{ value }}")
    for value in ("text", 3, *(other("text") for other in (Yaml, Shell, Markdown) if other is not language)):
        with pytest.raises(TypeError, match="has not passed through a filter"):
            template.render(value=value)
    assert template.render(value=language("text")) == "text"


@pytest.mark.parametrize("template", ["{{ missing }}", "{{ missing | yaml }}", "{% if missing %}{% endif %}"])
def test_an_unknown_name_is_an_error(template: str) -> None:
    with pytest.raises((UndefinedError, TypeError)):
        environment(Yaml).from_string(template).render()


def test_filters_are_those_of_the_language() -> None:
    assert environment(Yaml).from_string("{{ x | yaml }} # {{ x | comment }}").render(x="a\nb") == '"a\\u000ab" # a b'
    assert environment(Shell).from_string("{{ x | sh }}").render(x="it's") == "'it'\"'\"'s'"
    assert json.loads(environment(Yaml).from_string("{{ x | yaml }}").render(x='"')) == '"'
