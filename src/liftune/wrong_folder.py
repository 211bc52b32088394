"""What a folder holds that is not what a command takes: a run, a sweep, an adapter, checkpoints, data.

In: a Folder, with what was wanted of it.  Out: what it is, and what to give instead.
Not here: paths that are no folders (wrong_path.py), whose wording goes on from this.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, TypeAlias

from liftune.data.readers.folders import data_files
from liftune.errors import first_of, pasted
from liftune.json_text import parse_json
from liftune.records.reading import ADAPTER_CARD, BUNDLE_CARD, CONTENDER_CARD, RUN_RECORD
from liftune.unfinished import Unfinished

#: What a command wants: a tuned model; a finished run; a pretrained model; any of the models, to be scored; the
#: pretrained model that an adapter was tuned on.
Wanted: TypeAlias = Literal["tuned", "run", "pretrained", "scored", "base"]

CARDS = (ADAPTER_CARD, CONTENDER_CARD, BUNDLE_CARD)
_SPEC, _SWEEP = "spec.json", "sweep.json"
_WEIGHTS = (
    *("adapter_model.safetensors", "adapter_model.bin", "model.safetensors", "model.safetensors.index.json"),
    *("pytorch_model.bin", "pytorch_model.bin.index.json"),
)
#: What is in the hint for a path that is nothing known.
TAKEN: dict[Wanted, str] = {
    "tuned": "give a folder that `liftune tune` or `liftune export` wrote",
    "run": "give a folder that `liftune tune` wrote",
    "pretrained": "give a folder written by save_pretrained, a hub id, or minilm",
    "scored": "give a run, a folder written by save_pretrained, a hub id, or minilm",
    "base": "give the pretrained model that the adapter was tuned on: its folder or hub id",
}
GIVE = "give one of them"
_SHOWN = 3


@dataclass(frozen=True)
class Folder:
    """A path that is not what was wanted."""

    path: Path
    given: str
    wanted: Wanted

    @property
    def typed(self) -> str:
        """The path as it is typed in a command."""
        return pasted(self.given)

    def has(self, *names: str) -> bool:
        """Whether one of these files is in it."""
        return any((self.path / name).is_file() for name in names)

    @property
    def around(self) -> Path | None:
        """The run that it is a part of."""
        return next(
            (each for each in (self.path.parent, self.path.parent.parent) if (each / RUN_RECORD).is_file()), None
        )

    @cached_property
    def inner(self) -> list[Path]:
        """The folders in it, by name."""
        return sorted(each for each in self.path.iterdir() if each.is_dir())

    def named(self, path: Path) -> str:
        """A path below or above it, as it was given."""
        return os.path.normpath(os.path.join(self.given, os.path.relpath(path, self.path)))


_Found: TypeAlias = tuple[str, str] | None


def _sweep(folder: Folder) -> _Found:
    sweep = next((each for each in (folder.path, folder.path.parent) if _is_sweep(each)), None)
    if sweep is None:
        return None
    what = "a sweep" if sweep == folder.path else f"a part of the sweep {folder.named(sweep)}"
    ranking = f"liftune report {pasted(folder.named(sweep))}" if (sweep / _SWEEP).is_file() else None
    return (
        f"{folder.given} is {what}: a sweep keeps the scores of its models, and no model",
        "tune the one that you choose: liftune tune DATA --method NAME; for the ranking: "
        f"{ranking or 'repeat the `liftune sweep`, which is not finished'}",
    )


def _is_sweep(folder: Path) -> bool:
    if (folder / _SWEEP).is_file():
        return True
    try:
        return "methods" in parse_json((folder / _SPEC).read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError):
        return False


def _run(folder: Folder) -> _Found:
    if not folder.has(RUN_RECORD):
        return None
    if folder.wanted in ("pretrained", "base"):
        return f"{folder.given} is a run, not a pretrained model", _from_tuned(folder)
    saved = [
        each
        for each in sorted((folder.path / "contenders").glob("*"))
        if any((each / card).is_file() for card in CARDS)
    ]
    hint = f"restore {pasted(f'{folder.given}/adapter')}, or tune again"
    others = f"; or give another model of it: {pasted(folder.named(saved[0]))}" if saved else ""
    return f"{folder.given} is a run without its tuned model: there is no adapter/liftune.json", f"{hint}{others}"


def _unfinished(folder: Folder) -> _Found:
    can_go_on = Unfinished(folder.path).can_go_on
    if not folder.has(_SPEC) and not can_go_on:
        return None
    return (
        f"{folder.given} is an unfinished run: there is no {RUN_RECORD}",
        f"finish it: liftune tune --resume {folder.typed}"
        if can_go_on
        else "run `liftune tune` again, with another --out or without this folder",
    )


def _part(folder: Folder) -> _Found:
    """Of a run: where a run is wanted, its adapter too."""
    if folder.around is None or (folder.has(*CARDS) and folder.wanted != "run"):
        return None
    run = folder.named(folder.around)
    return f"{folder.given} is a part of the run {run}", f"give the run: {pasted(run)}"


def _saved(folder: Folder) -> _Found:
    if not folder.has(*CARDS):
        return None
    bundle = folder.has(BUNDLE_CARD)
    what = "an exported bundle" if bundle else "a tuned model by itself"
    if folder.wanted == "run":
        whose = "the run that it was exported from" if bundle else "the run that it came from"
        hint = f"give the folder of {whose}; or score it anew: liftune evaluate DATA --model {folder.typed}"
        return f"{folder.given} is {what}: it holds no test rows and no scores", hint
    return f"{folder.given} is {what}, not a pretrained model", _from_tuned(folder)


def _from_tuned(folder: Folder) -> str:
    """How to go on from a tuned model where a pretrained one is wanted."""
    use = f"use it as it is: liftune predict {folder.typed} TEXT"
    if folder.has(BUNDLE_CARD):
        return f"{use}; or export its run with --format merged, and give that folder"
    return f"{use}; or make a model of it: liftune export {folder.typed} --format merged --to DIR, and give DIR"


def _peft(folder: Folder) -> _Found:
    """An adapter of PEFT that liftune did not write, where no model that predicts is wanted."""
    if not folder.has("adapter_config.json"):
        return None
    if folder.wanted == "run":
        return f"{folder.given} is a plain PEFT adapter: it holds no test rows and no scores", _scores_it(folder)
    return (
        f"{folder.given} is a plain PEFT adapter, not a pretrained model",
        f"use it as it is: liftune predict {folder.typed} TEXT; or make a model of it: liftune export {folder.typed} "
        "--format merged --rows FILE --to DIR, and give DIR",
    )


def _scores_it(folder: Folder) -> str:
    return f"give a folder that `liftune tune` wrote; or score it: liftune evaluate DATA --model {folder.typed}"


def of_pretrained(folder: Folder) -> tuple[str, str]:
    """A pretrained model, where a tuned one or a run is wanted."""
    tune, score = f"liftune tune DATA --model {folder.typed}", f"liftune evaluate DATA --model {folder.typed}"
    return f"{folder.given} is a pretrained model, not a run", f"tune it: {tune}; or score it as it is: {score}"


def _untuned(folder: Folder) -> _Found:
    return of_pretrained(folder) if folder.has("config.json") else None


def _checkpoints(folder: Folder) -> _Found:
    """What a Trainer leaves: a folder of checkpoints."""
    found = [each for each in folder.inner if each.name.startswith("checkpoint-")]
    last = max(found, key=lambda each: (len(each.name), each.name), default=None)
    if last is None:
        return None
    inside = Folder(last, folder.named(last), folder.wanted)
    other = _peft(inside) or (_untuned(inside) if folder.wanted in ("tuned", "run") else None)
    hint = other[1] if other else f"{GIVE}: {inside.typed}"
    return f"{folder.given} holds checkpoints of a Trainer: {_few(found)}", hint


def _above(folder: Folder) -> _Found:
    """A folder of several that are wanted."""
    inside = (
        [RUN_RECORD]
        if folder.wanted == "run"
        else [RUN_RECORD, *CARDS, "adapter_config.json"]
        if folder.wanted in ("tuned", "scored")
        else []
    )
    inside += ["config.json"] if folder.wanted in ("pretrained", "base", "scored") else []
    found = [each for each in folder.inner if any((each / name).is_file() for name in inside)]
    if not found:
        return None
    what = "runs" if all((each / RUN_RECORD).is_file() for each in found) else "models"
    return f"{folder.given} holds {what}: {_few(found)}", f"{GIVE}: {pasted(folder.named(found[0]))}"


def _data(folder: Folder) -> _Found:
    files = data_files(folder.path)
    if not files:
        return None
    return f"{folder.given} holds data, not a model: {first_of(files, _SHOWN)}", data_hint(folder, "--in FILE")


def data_hint(folder: Folder, source: str) -> str:
    """How to give data, where they stand in the place of a model."""
    if folder.wanted in ("tuned", "run"):
        predict = f"; or with a tuned model: liftune predict RUN {source}" if folder.wanted == "tuned" else ""
        return f"tune on it first: liftune tune {folder.typed}{predict}"
    verb = "evaluate" if folder.wanted == "scored" else "tune"
    return f"data come first, the model after: liftune {verb} {folder.typed} --model minilm"


def _other(folder: Folder) -> tuple[str, str]:
    if folder.wanted not in ("tuned", "run"):
        return f"{folder.given} is a folder without config.json, not a model", TAKEN[folder.wanted]
    return f"{folder.given} holds no run", TAKEN[folder.wanted]


def _weights(folder: Folder) -> _Found:
    """Weights without what says what they are of."""
    found = next((each for each in _WEIGHTS if folder.has(each)), None)
    if found is None:
        return None
    config = "adapter_config.json" if found.startswith("adapter") else "config.json"
    return (
        f"{folder.given} holds {found} and no {config}, which says what the weights are of",
        f"copy {config} beside it: save_pretrained wrote both",
    )


def _few(folders: Sequence[Path]) -> str:
    return first_of([each.name for each in folders], _SHOWN)


#: The first that fits says what a folder is.
KINDS: tuple[Callable[[Folder], _Found], ...] = (
    _sweep,
    _run,
    _unfinished,
    _part,
    _saved,
    _peft,
    _untuned,
    _checkpoints,
    _above,
    _weights,
    _data,
    _other,
)
