"""The pages that readers follow step by step: their code and commands, carried out in order.

In: a page, a folder to work in, what stands in for what.  Out: what each step printed.
Not here: assertions, data (tests/project/test_lessons.py).
"""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from liftune.cli.main import main

DOCS = Path(__file__).parents[2] / "docs"
#: Of what a shell is told, besides liftune: nothing is learnt of liftune by carrying it out.
FOREIGN = ("pip", "head", "curl")


class Step(NamedTuple):
    """A command with its arguments, or Python without any."""

    text: str
    arguments: list[str]


def steps(page: str) -> Iterator[Step]:
    """What a reader is told to do, in order."""
    text = (DOCS / page).read_text(encoding="utf-8")
    for language, body in re.findall(r"^```(python|console)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        if language == "python":
            yield Step(body, [])
        else:
            lines = re.findall(r"^ *\$ (.+)$", body, re.MULTILINE)
            yield from (Step(line, shlex.split(line, comments=True)) for line in lines)


def follow(
    page: str,
    *,
    replaced: Mapping[str, str],
    tune: list[str],
    before: Mapping[str, Callable[[], None]] | None = None,
    left_out: tuple[str, ...] = (),
) -> dict[str, str]:
    """Carry out a page in the working folder; text of a step -> what it printed on stdout.

    Args:
        replaced: texts of steps, and what stands in their place.
        tune: arguments added to every `liftune tune`.
        before: text in a step -> what happens before it that the page leaves to its reader.
        left_out: texts of steps that are not carried out.

    Raises:
        AssertionError: a command ended with another code than 0.
    """
    found: dict[str, str] = {}
    names: dict[str, Any] = {}
    for step in steps(page):
        if (step.arguments[:1] and step.arguments[0] in FOREIGN) or any(each in step.text for each in left_out):
            continue
        for _, act in (each for each in (before or {}).items() if each[0] in step.text):
            act()
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            if not step.arguments:
                exec(compile(_with(step.text, replaced), page, "exec"), names)
            else:
                program, *arguments = [_with(each, replaced) for each in step.arguments]
                assert program == "liftune", f"{page}: who carries out {step.text!r}?"
                code = main([*arguments, *tune] if arguments[0] == "tune" else arguments)
                assert code == 0, f"{page}: {step.text!r} ended with {code}:\n{err.getvalue()}"
        found[step.text] = out.getvalue()
    return found


def _with(text: str, replaced: Mapping[str, str]) -> str:
    for old, new in replaced.items():
        text = text.replace(old, new)
    return text
