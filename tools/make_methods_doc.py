"""Write docs/methods.md from the registry: python tools/make_methods_doc.py

In: METHODS, and the model minilm to count on.  Out: a page of what every method is, takes and trains.
Not here: any fact of its own. With --check nothing is written, and the exit code is 1 if the page is not current.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from liftune.models.methods import options
from liftune.models.methods.options import Options
from liftune.models.methods.registry import METHODS, Method

PAGE = Path(__file__).parents[1] / "docs" / "methods.md"
LABELS = ("anger", "fear", "joy", "love", "sadness", "surprise")

INTRO = """# Methods

Made by `python tools/make_methods_doc.py` from the registry; do not edit.

`liftune tune --method NAME --set KEY=VALUE` takes any of these. *Families* are transformers' `model_type`s on which the
method is known to be right, and to come back from disk as it was; elsewhere it is refused. *Mergeable* weights can be
folded into the model's own. *Rate* is the learning rate that is taken when none is asked for. *Trained* counts the
parameters on `minilm` with six labels and the defaults, the head included.

`all-linear` stands for every linear layer from the first repeated block on: attention, feed-forward, a trained pooler.
XLNet's attention is made of bare parameters, which no adapter wraps: there it is the feed-forward alone.
"""


def page(trained: Callable[[Method], int]) -> str:
    """The whole page, given how to count a method's trained parameters."""
    return "\n".join([INTRO, *_methods(trained), "", *_options()]) + "\n"


def without_counts(text: str) -> str:
    """The page with its counts blanked, which need no model to compare."""
    return re.sub(r"\| [\d,]+ \|$", "| |", text, flags=re.MULTILINE)


def count_on_minilm(method: Method) -> int:
    """Trained parameters, as `liftune tune` would train them."""
    from liftune.models.attach import attach
    from liftune.models.backbone import load_backbone
    from liftune.spec import ModelSpec
    from liftune.tasks import TaskKind

    backbone = load_backbone(ModelSpec(), task=TaskKind.SINGLE_LABEL, labels=LABELS, seed=0)
    return attach(backbone, method, total_steps=100).trainable_parameters()


def _methods(trained: Callable[[Method], int]) -> Iterable[str]:
    yield "| name | what it learns | families | mergeable | rate | trained |"
    yield "|---|---|---|---|---|---:|"
    for method in METHODS.entries():
        mergeable = "yes" if method.mergeable else "no"
        rate = f"{method.learning_rate:g}"
        cells = [f"`{method.name}`", method.summary, str(method.families), mergeable, rate, f"{trained(method):,}"]
        yield f"| {' | '.join(cells)} |"


def _options() -> Iterable[str]:
    yield "## Options"
    meanings = _meanings()
    shared: dict[type[Options], list[str]] = {}
    for method in METHODS.entries():
        if method.options.model_fields:
            shared.setdefault(method.options, []).append(method.name)
    for kind, names in shared.items():
        yield f"\n### {', '.join(names)}\n"
        yield "| option | default | takes | meaning |"
        yield "|---|---|---|---|"
        schema = kind.model_json_schema()["properties"]
        for name, field in kind.model_fields.items():
            meaning = next(meanings[base.__name__, name] for base in kind.__mro__ if (base.__name__, name) in meanings)
            yield f"| `{name}` | {_shown(field.default)} | {_taken(schema[name])} | {meaning} |"


def _meanings() -> dict[tuple[str, str], str]:
    """(class, option) -> the docstring below the option, or nothing where its name says all."""
    found = {}
    for node in ast.parse(inspect.getsource(options)).body:
        if isinstance(node, ast.ClassDef):
            for field, after in zip(node.body, [*node.body[1:], None], strict=True):
                if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                    found[node.name, field.target.id] = " ".join(_text(after).split())
    return found


def _text(node: ast.stmt | None) -> str:
    """The docstring that a statement is; empty where it is another one, or none."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return str(node.value.value)
    return ""


def _shown(default: Any) -> str:
    if default is None:
        return "automatic"
    if isinstance(default, tuple):
        return f"`{','.join(default)}`"
    return f"`{default}`" if isinstance(default, str) else f"`{default:g}`"


def _taken(schema: dict[str, Any]) -> str:
    """A field's type and range in words."""
    schema = next((each for each in schema.get("anyOf", []) if each["type"] != "null"), schema)
    if "enum" in schema:
        return " or ".join(f"`{each}`" for each in schema["enum"])
    words = {"integer": "integer", "number": "number", "array": "names, comma between"}[schema["type"]]
    bounds = {"exclusiveMinimum": "above", "minimum": "from", "exclusiveMaximum": "below"}
    ranges = [f"{word} {schema[key]:g}" for key, word in bounds.items() if key in schema]
    return " ".join([words, *ranges])


def main() -> int:
    """Write the page, or compare it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if the page is not current")
    check = parser.parse_args().check
    made = page(count_on_minilm)
    if not check:
        PAGE.write_text(made, encoding="utf-8")
        return 0
    current = PAGE.exists() and PAGE.read_text(encoding="utf-8") == made
    return 0 if current else 1


if __name__ == "__main__":
    sys.exit(main())
