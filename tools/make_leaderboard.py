"""Write docs/leaderboard.md from finished sweeps: python tools/make_leaderboard.py SWEEP_FOLDER ...

In: folders that `liftune sweep` filled, one a data set.  Out: the page, and a picture a data set beside it.
Not here: any number of its own: all of it is read from sweep.json and spec.json.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from liftune.formatting import count, size
from liftune.models.methods.registry import METHODS
from liftune.records.reading import read_record
from liftune.records.sweep import LeaderboardRow, SweepRecord
from liftune.reports.render.text import markdown_table
from liftune.sweeps.plot import draw
from liftune.sweeps.sections import leaderboard_section, leaderboard_sentences, not_run

PAGE = Path(__file__).parents[1] / "docs" / "leaderboard.md"

INTRO = """# Leaderboard

Made by `python tools/make_leaderboard.py` from finished sweeps; do not edit.

Every tuning method of the registry that fits the model, under several seeds, on small samples of published data sets.
With so few rows and epochs the tables say which methods learn quickly at the rate that liftune takes by itself; they
say little of what each would reach in the end. What is tied here may part on more rows.
"""


def page(sweeps: Sequence[tuple[SweepRecord, dict[str, Any]]], note: str = "", pictures: bool = False) -> str:
    """The whole page.

    Args:
        sweeps: each one's record, and what was asked.
        pictures: whether a picture of each stands in leaderboard/ beside the page.
    """
    parts = [INTRO, *([f"{note}\n"] if note else []), *_setting(sweeps), ""]
    parts += _summary([record for record, _ in sweeps])
    for record, _ in sweeps:
        parts += ["", f"## {name_of(record)}", "", *_one(record)]
        if pictures:
            parts += ["", f"![{record.metric} against cost on {name_of(record)}](leaderboard/{name_of(record)}.svg)"]
    return "\n".join(parts) + "\n"


def name_of(record: SweepRecord) -> str:
    """A data set's name: the last part of its path or id."""
    return Path(record.data).name.partition(".")[0].partition("@")[0].removeprefix("sample:")


def _setting(sweeps: Sequence[tuple[SweepRecord, dict[str, Any]]]) -> Iterable[str]:
    yield "| data | train | validation | test | epochs | batch | tokens | seeds | methods | command |"
    yield "|---|---:|---:|---:|---:|---:|---:|---|---|---|"
    for record, asked in sweeps:
        train, rows = asked["run"]["train"], record.rows
        seeds = ",".join(map(str, train["seeds"]))
        counts = f"{rows.train:,} | {rows.validation:,} | {rows.test:,}"
        steps = " | ".join(str(train[name] or "default") for name in ("epochs", "batch_size"))
        rest = f"{steps} | {record.baselines[0].max_length} | {seeds}"
        yield f"| {name_of(record)} | {counts} | {rest} | {methods(asked)} | `{command(record, asked)}` |"
    versions = sweeps[0][0].versions
    yield ""
    yield "Versions: " + ", ".join(f"{name} {version}" for name, version in versions.items()) + "."


def methods(asked: dict[str, Any]) -> str:
    """Which of the registry's methods took part."""
    lacking = [name for name in METHODS if name not in asked["methods"]]
    return "all" if not lacking else f"all but {', '.join(lacking)}"


def command(record: SweepRecord, asked: dict[str, Any]) -> str:
    """What was typed, with the data set by its name."""
    run, train = asked["run"], asked["run"]["train"]
    options = {
        "seeds": ",".join(map(str, train["seeds"])),
        "epochs": train["epochs"],
        "batch-size": train["batch_size"],
        "lr": train["lr"],
        "train-rows": run["data"]["train_rows"],
        "test-rows": run["data"]["test_rows"],
        "max-length": run["model"]["max_length"],
    }
    given = " ".join(f"--{name} {value}" for name, value in options.items() if value is not None)
    which = "all" if methods(asked) == "all" else "NAME,..."
    return f"liftune sweep {name_of(record)} --methods {which} --models {','.join(map(short, asked['models']))} {given}"


def short(model: str) -> str:
    """A model's name without its folder."""
    return Path(model).name


def _summary(records: Sequence[SweepRecord]) -> Iterable[str]:
    """One row a contender over all data sets, by mean score."""
    by_name: dict[str, list[LeaderboardRow | None]] = {}
    for i, record in enumerate(records):
        for each in record.leaderboard:
            by_name.setdefault(each.contender, [None] * len(records))[i] = each
    whole = {
        name: [each for each in found if each is not None and each.score.value is not None]
        for name, found in by_name.items()
    }
    whole = {name: found for name, found in whole.items() if len(found) == len(records)}
    yield "## All sets"
    yield ""
    names = [name_of(record) for record in records]
    yield f"Mean over {len(records)} sets ({', '.join(names)}) of the score, and of the rank by score, on each."
    yield (
        "No interval stands beside a mean over sets: so few sets speak of no others. Each set's own are below. Time, "
        "memory and size are means too."
    )
    yield ""
    yield f"| contender | mean score | mean rank | {' | '.join(names)} | fit s | own MiB | params | adapter |"
    yield f"|---|---:|---:|{'---:|' * len(names)}---:|---:|---:|---:|"
    for name, found in sorted(whole.items(), key=lambda item: -_mean(map(_score, item[1]))):
        scores = " | ".join(f"{_score(each):.3f} ({each.rank})" for each in found)
        costs = [_shown(each, [getattr(one, each) for one in found]) for each in COSTS]
        mean = f"{_mean(map(_score, found)):.3f} | {_mean(each.rank for each in found):.1f}"
        yield f"| `{name}` | {mean} | {scores} | {' | '.join(costs)} |"


COSTS = ("train_seconds", "memory_mib", "trainable_parameters", "adapter_bytes")


def _shown(cost: str, values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "-"
    value = _mean(known)
    return {
        "train_seconds": f"{value:,.1f}",
        "memory_mib": f"{value:,.0f}",
        "trainable_parameters": count(round(value)),
        "adapter_bytes": size(round(value)),
    }[cost]


def _score(row: LeaderboardRow) -> float:
    """Its score, where there is one."""
    assert row.score.value is not None
    return row.score.value


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))


def _one(record: SweepRecord) -> Iterable[str]:
    """One data set's table, and what is to be said of it."""
    for section in (leaderboard_section(record), not_run(record)):
        if section is not None:
            for table in section.tables:
                yield markdown_table(table)
                yield ""
    yield "\n".join(f"- {sentence}" for sentence in (*leaderboard_sentences(record), *record.notes))


def main() -> int:
    """Read the sweeps, write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sweeps", nargs="+", type=Path, metavar="SWEEP")
    parser.add_argument("--note", default="", help="a sentence on the machine, below the introduction")
    parser.add_argument("--no-pictures", action="store_true")
    asked = parser.parse_args()
    sweeps = [
        (
            read_record(path / "sweep.json", SweepRecord, "sweep"),
            json.loads((path / "spec.json").read_text(encoding="utf-8")),
        )
        for path in asked.sweeps
    ]
    PAGE.write_text(page(sweeps, asked.note, not asked.no_pictures), encoding="utf-8")
    if not asked.no_pictures:
        for record, _ in sweeps:
            draw(record, str(PAGE.parent / "leaderboard" / f"{name_of(record)}.svg"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
