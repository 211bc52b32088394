"""Compare two records value by value: python tools/compare_records.py OLD NEW [--allow KEY ...] [--tolerance X]

In: two run or sweep folders, or files of `--json` output or of JSON lines. OLD is upgraded to today's schema first.
Out: each difference as `path: old -> new`, then the words that changed, then a count. The exit code is 1 where a
number, a label, a verdict, an id or any other string that is not prose differs; 2 where a file cannot be read.
Not here: whether a difference is right. Times, rates and memory differ from run to run and are not compared.
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import sys
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

#: Keys of what depends on the machine, the time and the place. They and what is below them are never compared.
NOT_COMPARED = frozenset(
    {
        *("seconds", "train_seconds", "evaluate_seconds", "least_seconds", "started", "run", "sweep", "versions"),
        *("rows_per_second", "tokens_per_second", "gemm_rate", "gemm_rates", "gemm_fraction"),
        *("bfloat16_speedup", "eager_speedup", "peak_mib", "memory_mib", "fronts"),
    }
)
#: Keys of prose, or of lists of prose: a change is shown, but does not count as a difference.
WORDS = frozenset({"notes", "note", "reason", "stopped", "task_reason", "why"})
ABSENT = "absent"
#: Characters of a value that are shown.
SHOWN = 200

Upgrade = Callable[[dict[str, Any], str], dict[str, Any]]


@dataclass
class Comparison:
    """Walks two values and keeps what differs.

    Attributes:
        allowed: more keys that are not compared.
        tolerance: largest gap of two numbers that counts as none; relative to the larger one where that is above 1.
        differences, words: `path: old -> new`.
        compared: how many single values were looked at.
    """

    allowed: Collection[str] = ()
    tolerance: float = 0.0
    differences: list[str] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    compared: int = 0

    def compare(self, old: Any, new: Any, path: str = "", *, prose: bool = False) -> None:
        """A key that only one side has differs, unless it holds null or an empty list or object."""
        if isinstance(old, dict) and isinstance(new, dict):
            for key in dict.fromkeys((*old, *new)):
                one_side = key not in old or key not in new
                if key in NOT_COMPARED or key in self.allowed or (one_side and _is_empty({**old, **new}[key])):
                    continue
                words = prose or key in WORDS or _names_a_choice(path, key)
                below = f"{path}.{key}" if path else key
                self.compare(old.get(key, ABSENT), new.get(key, ABSENT), below, prose=words)
        elif isinstance(old, list) and isinstance(new, list):
            if len(old) != len(new):
                self._differ(f"{len(old)} items", f"{len(new)} items", path, prose)
            for i, (one, other) in enumerate(zip(old, new, strict=False)):
                self.compare(one, other, f"{path}[{i}]", prose=prose)
        else:
            self.compared += 1
            if not self._same(old, new):
                self._differ(old, new, path, prose and not (_is_number(old) or _is_number(new)))

    def _same(self, old: Any, new: Any) -> bool:
        if _is_number(old) and _is_number(new):
            if math.isnan(old) or math.isnan(new):
                return math.isnan(old) and math.isnan(new)
            return bool(old == new or abs(old - new) <= self.tolerance * max(1.0, abs(old), abs(new)))
        return type(old) is type(new) and bool(old == new)

    def _differ(self, old: Any, new: Any, path: str, prose: bool) -> None:
        shown = (each if isinstance(each, str) else json.dumps(each, ensure_ascii=False) for each in (old, new))
        line = f"{path}: {' -> '.join(each[:SHOWN] for each in shown)}"
        (self.words if prose else self.differences).append(line)

    def lines(self) -> Iterator[str]:
        """For a person."""
        yield from self.differences
        if self.words:
            yield "words changed:"
            yield from (f"  {each}" for each in self.words)
        yield f"{len(self.differences)} differences, {len(self.words)} words changed, {self.compared} values compared"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_empty(value: Any) -> bool:
    return value is None or value == [] or value == {}


def _names_a_choice(path: str, key: str) -> bool:
    """Whether it is the name of a choice of the plan; what was chosen, `value`, is compared."""
    return key == "choice" and path.rpartition(".")[2].startswith("plan[")


def read(path: Path) -> Any:
    """A folder's record.json or sweep.json; a file's JSON, or its JSON lines as a list."""
    if path.is_dir():
        record, sweep = path / "record.json", path / "sweep.json"
        path = sweep if sweep.is_file() else record
    text = path.read_text(encoding="utf-8")
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        lines = [line for line in text.splitlines() if line.strip()]
        if len(lines) < 2:
            raise
        return [json.loads(line) for line in lines]


def upgraded(values: Any, kind: str | None = None, upgrade: Upgrade | None = None) -> Any:
    """Values in today's schema; those without a schema stay as they are.

    Args:
        kind: what `upgrade` is told; None takes "sweep" for a sweep, else "record".
        upgrade: None takes the library's; where it has none, values stay as they are.
    """
    if not isinstance(values, dict) or "schema" not in values:
        return values
    return (upgrade or _library_upgrade())(values, kind or ("sweep" if "standings" in values else "record"))


def _library_upgrade() -> Upgrade:
    name = "liftune.records.upgrade"
    try:
        upgrade: Upgrade = importlib.import_module(name).upgrade
    except ModuleNotFoundError as error:
        if error.name not in (name, "liftune.records"):
            raise
        return lambda values, kind: values
    return upgrade


def main(argv: list[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("old", type=Path, metavar="OLD")
    parser.add_argument("new", type=Path, metavar="NEW")
    parser.add_argument("--allow", nargs="+", default=[], metavar="KEY", help="keys, at any depth, not to compare")
    parser.add_argument("--tolerance", type=float, default=0.0, help="of numbers, relative to those above 1; default 0")
    parser.add_argument("--kind", help="what the upgrade is told that the files are; by their keys if not given")
    asked = parser.parse_args(argv)
    try:
        old, new = read(asked.old), read(asked.new)
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        parser.error(str(error))
    # Two files of one age: both are brought to the same schema.
    same_age = isinstance(old, dict) and isinstance(new, dict) and old.get("schema") == new.get("schema")
    comparison = Comparison(asked.allow, asked.tolerance)
    comparison.compare(upgraded(old, asked.kind), upgraded(new, asked.kind) if same_age else new)
    print("\n".join(comparison.lines()))
    return 1 if comparison.differences else 0


if __name__ == "__main__":
    sys.exit(main())
