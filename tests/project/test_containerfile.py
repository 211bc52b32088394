"""The Containerfile names what is there: paths, extras, options. It is not built here."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest
import typer

from liftune.cli.main import app

ROOT = Path(__file__).parents[2]
STEPS = ("FROM", "WORKDIR", "COPY", "RUN", "USER", "EXPOSE", "ENTRYPOINT")


def steps() -> list[tuple[str, str]]:
    """Instructions and what follows them, lines that go on joined, comments left out."""
    text = (ROOT / "Containerfile").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(line.partition(" ")[0], line.partition(" ")[2]) for line in joined.splitlines()]


def copied() -> list[str]:
    return [path for name, rest in steps() if name == "COPY" for path in shlex.split(rest)[:-1]]


def installed() -> tuple[list[str], list[str]]:
    """Extras and constraint files of the pip lines."""
    runs = " ".join(rest for name, rest in steps() if name == "RUN")
    (extras,) = re.findall(r"'\.\[([a-z,]+)\]'", runs)
    return extras.split(","), re.findall(r"--constraint (\S+)", runs)


def test_every_instruction_is_known() -> None:
    assert [name for name, _ in steps() if name not in STEPS] == []
    assert steps()[0][0] == "FROM"


@pytest.mark.parametrize("path", copied())
def test_every_path_exists_and_is_let_through(path: str) -> None:
    assert (ROOT / path).exists()
    ignored = (ROOT / ".containerignore").read_text(encoding="utf-8").split()
    assert ignored[0] == "*"
    assert f"!{path}" in ignored
    assert not any(fnmatch(path, rule) for rule in ignored[1:] if not rule.startswith("!"))


def test_what_the_build_needs_is_copied() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    needed = {"pyproject.toml", project["project"]["readme"], *project["project"]["license-files"]}
    needed |= set(project["tool"]["setuptools"]["packages"]["find"]["where"]) | set(installed()[1])
    assert needed <= set(copied())


def test_the_extras_exist_and_bring_no_torch() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    chosen = installed()[0]
    assert {"runtime", "serve"} == set(chosen)
    brought = " ".join(each for extra in chosen for each in extras[extra])
    assert not re.search(r"torch|transformers|peft|liftune\[", brought)


def test_every_package_of_the_extras_is_pinned() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").lower().replace("_", "-")
    for package in (re.split(r"[<>=]", each)[0] for extra in installed()[0] for each in extras[extra]):
        assert f"\n{package}==" in pins


def test_the_command_is_liftune_serve_with_options_that_it_has() -> None:
    (entry,) = [json.loads(rest) for name, rest in steps() if name == "ENTRYPOINT"]
    assert entry[:2] == ["liftune", "serve"]
    options = {name: each for each in typer.main.get_command(app).commands["serve"].params for name in each.opts}
    assert {each for each in entry if each.startswith("--")} <= set(options)
    (port,) = [rest for name, rest in steps() if name == "EXPOSE"]
    assert entry[entry.index("--port") + 1] == port
    assert "LIFTUNE_TOKEN" in str(options["--token"].envvar)
