"""The commands that emitted files say, read back from their text as each engine would; outputs are called
``out/STAGE/JOB`` so that the targets can be compared."""

import copy
import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import yaml

Commands = dict[tuple[str, str], list[str]]

_PRINT_WORDS = '#!/bin/sh\nprintf "%s\\0" mmc "$@"\n'


def yadage_commands(texts: Mapping[str, str]) -> Commands:
    """What Yadage runs: parameters resolved, zipped, pasted into the command, which is given to sh."""
    documents = {name: yaml.safe_load(text) for name, text in texts.items() if name.endswith(".yml")}
    published: dict[str, dict[str, list[dict[str, str]]]] = {}
    commands: Commands = {}
    outputs: dict[str, str] = {}
    for sub in documents["workflow.yml"]["stages"]:
        group = sub["name"]
        given = {key: _select(value, published, group) for key, value in sub["scheduler"]["parameters"].items()}
        published[group] = {"init": [given]}
        for stage in documents[sub["scheduler"]["workflow"]["$ref"]]["stages"]:
            scheduler = stage["scheduler"]
            step = documents["steps.yml"][scheduler["step"]["$ref"].removeprefix("steps.yml#/")]
            parameters = {key: _select(value, published, group) for key, value in scheduler["parameters"].items()}
            runs = _zipped(parameters, scheduler.get("scatter", {"parameters": []})["parameters"])
            published[group][stage["name"]] = []
            for k, run in enumerate(runs):
                scattered = scheduler["scheduler_type"] == "multistep-stage"
                name = f"{stage['name']}_{k}" if scattered else stage["name"]
                values = {
                    key: value.format(workdir=f"/WORK/{group}/{name}") if isinstance(value, str) else value
                    for key, value in run.items()
                }
                pasted = {key: " ".join(v) if isinstance(v, list) else v for key, v in values.items()}
                words = _shell_words(step["process"]["cmd"].format(**pasted))
                publish = {key: v.format(workdir="", **values) for key, v in step["publisher"]["publish"].items()}
                published[group][stage["name"]].append(publish)
                outputs[words[-1]] = f"out/{stage['name']}/{values['job']}"
                commands[stage["name"], values["job"]] = [
                    outputs.get(word, word).removeprefix("/BUNDLE/") for word in words
                ]
    return commands


def _select(value: Any, published: Mapping[str, Any], group: str) -> Any:
    """A parameter's value: itself, or the outputs that a selector names."""
    if not isinstance(value, dict):
        return value
    query = value.get("step") or value["stages"]
    if query == "init" and group not in published:
        return "/BUNDLE"
    where, _, stage = query.rpartition(".")
    found = [step[value["output"]] for step in published[where.removesuffix("[0]") or group][stage]]
    return found if "stages" in value else found[0]


def _zipped(parameters: dict[str, Any], names: list[str]) -> Iterator[dict[str, Any]]:
    if not names:
        yield parameters
        return
    for values in zip(*(parameters[name] for name in names), strict=True):
        yield {**parameters, **dict(zip(names, values, strict=True))}


def _shell_words(command: str) -> list[str]:
    """The words that sh hands to ``mmc``, where the folders of the command are in a scratch folder."""
    with tempfile.TemporaryDirectory() as scratch:
        program = Path(scratch, "mmc")
        program.write_text(_PRINT_WORDS)
        program.chmod(0o755)
        here = re.search(r"^/WORK/(.*)$", command, re.MULTILINE)
        assert here
        Path(scratch, "WORK", here[1]).mkdir(parents=True)
        command = command.replace("/WORK/", f"{scratch}/WORK/")
        done = subprocess.run(
            ["sh", "-c", command], env={"PATH": f"{scratch}:/usr/bin:/bin"}, capture_output=True, check=True
        )
        assert not done.stderr
        assert sorted(p.name for p in Path(scratch).iterdir()) == ["WORK", "mmc"], "the command did something else"
        return done.stdout.decode().split("\0")[:-1]


def cwl_commands(texts: Mapping[str, str]) -> Commands:
    """What a CWL engine runs: inputs linked, scattered and bound in the order of their positions."""
    documents = {name: yaml.safe_load(text) for name, text in texts.items() if name.endswith((".cwl", ".yml"))}
    commands: Commands = {}
    values: dict[str, Any] = {
        name: value if isinstance(value, list) else unquote(value["location"])
        for name, value in documents["job.yml"].items()
    }
    for group, sub in documents["workflow.cwl"]["steps"].items():
        workflow = documents[sub["run"]]
        inner = {name: values[source] for name, source in sub["in"].items()}
        for stage, step in workflow["steps"].items():
            tool = documents[step["run"]]
            inputs = {
                name: source["default"] if isinstance(source, dict) else inner[source]
                for name, source in step["in"].items()
            }
            runs = list(_zipped(inputs, step.get("scatter", [])))
            for run in runs:
                commands[stage, run["job"]] = _bound(tool, run, f"out/{stage}/{run['job']}")
            made = [f"out/{stage}/{run['job']}" for run in runs]
            (output,) = step["out"]
            inner[f"{stage}/{output}"] = made if "scatter" in step else made[0]
        for name, output in workflow["outputs"].items():
            values[f"{group}/{name}"] = inner[output["outputSource"]]
    for output in documents["workflow.cwl"]["outputs"].values():
        assert output["outputSource"] in values
    return commands


def _bound(tool: Mapping[str, Any], run: Mapping[str, Any], out: str) -> list[str]:
    (argument,) = tool["arguments"]
    (output,) = tool["outputs"].values()
    assert argument["valueFrom"] == output["outputBinding"]["glob"]
    bindings = [(item["inputBinding"], run[name]) for name, item in tool["inputs"].items()] + [(argument, out)]
    words = copy.copy(tool["baseCommand"])
    for binding, value in sorted(bindings, key=lambda item: item[0]["position"]):
        words += [binding["prefix"], *(value if isinstance(value, list) else [value])]
    return words
