"""What a path is that is not what a command takes, and what to give instead: one wording for every command.

In: a path, and what was wanted of it.  Out: what it is, and a hint that works when it is followed.
Not here: what is in a folder (wrong_folder.py), finding a saved model (inference/locate.py), a pretrained one
(models/checkpoint.py), a run (run_folder.py).
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from liftune.addresses import BRING_FOLDER, is_address, shown
from liftune.data.readers.formats import OPENERS, extension
from liftune.errors import nearest_file, pasted
from liftune.records.reading import RUN_RECORD
from liftune.wrong_folder import CARDS, GIVE, KINDS, TAKEN, Folder, Wanted, data_hint, of_pretrained

_MERGE = (
    "merge it with PEFT, model.merge_and_unload().save_pretrained(DIR) and tokenizer.save_pretrained(DIR), and "
    "{then}; or tune anew: liftune tune DATA --model {base}"
)
_LONGEST = 200


def refusal(
    given: str | Path, wanted: Wanted, *, pretrained: bool = False, lies_in: Path | None = None
) -> tuple[str, str]:
    """What a path is, as far as it can be seen, and what to do.

    Args:
        wanted: of the path.
        pretrained: it is the name of a pretrained model.
        lies_in: the folder in which the files of a name on the hub are.

    Returns:
        message, hint.
    """
    named = shown(given)
    named = named if len(named) <= _LONGEST else f"{named[:_LONGEST]}..."
    if not named.strip():
        return "the path is empty", TAKEN[wanted]
    if is_address(given):
        return f"{named} is an address: only data are read from one, and no model", _fetch_hint(named, wanted)
    folder = Folder(lies_in or Path(os.path.expanduser(given)).absolute(), named, wanted)
    try:
        if pretrained or not folder.path.is_dir():
            message, hint = (of_pretrained if pretrained else _file if folder.path.exists() else _missing)(folder)
        else:
            message, hint = next(found for found in (describe(folder) for describe in KINDS) if found)
    except (OSError, ValueError) as error:  # too long, not to be read, a NUL character
        return f"{named} cannot be read: {getattr(error, 'strerror', None) or error}", TAKEN[wanted]
    return message, hint if wanted != "base" or hint.startswith(GIVE) else TAKEN[wanted]


def _fetch_hint(address: str, wanted: Wanted) -> str:
    """How to come by a model at an address."""
    on_hub = re.match(r"(?:https://huggingface\.co/|hf://(?:models/)?)([\w.-]+/[\w.-]+)", address)
    if on_hub and not on_hub[1].startswith(("datasets/", "spaces/", "buckets/")):
        return f"name it on the hub: {on_hub[1]}"
    return f"{BRING_FOLDER}; {TAKEN[wanted]}"


def is_folder(path: str | Path) -> bool:
    """Whether a path is a folder; one that cannot be a path (too long) is none."""
    try:
        return Path(path).is_dir()
    except OSError:
        return False


def is_file_in(folder: str | Path, name: str) -> bool:
    """Whether a folder holds a file of that name; a path that cannot be one (too long) holds none."""
    try:
        return (Path(folder) / name).is_file()
    except OSError:
        return False


def _missing(folder: Folder) -> tuple[str, str]:
    kinds: dict[Wanted, str] = {"tuned": "run folder", "run": "run folder", "scored": "run or model folder"}
    above = folder.path.parent
    beside = [folder.named(each) for each in above.iterdir() if each.is_dir()] if above.is_dir() else []
    what = kinds.get(folder.wanted, "model folder")
    return f"there is no {what} {folder.given}{nearest_file(folder.given, beside)}", TAKEN[folder.wanted]


def _file(folder: Folder) -> tuple[str, str]:
    above = Folder(folder.path.parent, folder.named(folder.path.parent), folder.wanted)
    known = above.has(*CARDS, RUN_RECORD, "config.json")
    if not known and extension(folder.path.name) in OPENERS:
        return f"{folder.given} is a file of data, not a model", data_hint(folder, f"--in {folder.typed}")
    return f"{folder.given} is a file, not a folder", f"give its folder: {above.typed}" if known else TAKEN[
        folder.wanted
    ]


def merge_hint(base: object, then: str) -> str:
    """What to do with an adapter of PEFT that liftune cannot take as it is.

    Args:
        base: its base model, as far as it is known.
        then: what to do with the merged model, DIR.
    """
    return _MERGE.format(then=then, base=pasted(base) if base else "BASE")
