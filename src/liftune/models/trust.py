"""Whether a model's own Python code may run: only the user says so, never a file.

In: a card, what the user allowed.  Out: nothing, or a refusal that names the file that asks for it.
Not here: running it (transformers does that), the option (spec.py, cli/options.py).

What lies in a folder may have been written by anyone: a card that says `trust_remote_code`, a config with `auto_map`.
They say that the model needs code, not that it may run.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from liftune.errors import ModelError, first_of
from liftune.records.training import AdapterCard


class CodeRefusedError(ModelError):
    """The model needs code of its own, and the user has not allowed it."""


def refuse_code(name: str, folder: Path, asked_by: str = "") -> CodeRefusedError:
    """The refusal.

    Args:
        name: of the model, as it was asked for.
        folder: where its files are; any path where they are on the hub.
        asked_by: the file that asks for it, and its field; else that is looked for in the folder.
    """
    code = sorted(each.name for each in folder.glob("*.py")) if folder.is_dir() else []
    what = f" ({first_of(code, 3)})" if code else ""
    return CodeRefusedError(
        f"the model {name} needs Python code of its own to be run{what}",
        where=asked_by or _asking(folder),
        hint="read that code; if you trust it, allow it with --trust-remote-code",
    )


def check_code(card: AdapterCard, *, allowed: bool, asked_by: Path | str) -> None:
    """Refuse a model that was tuned with code of its own, unless the user allows it now.

    Args:
        asked_by: the file that the card stands in.

    Raises:
        CodeRefusedError: it was not allowed.
    """
    if card.trust_remote_code and not allowed:
        raise refuse_code(card.base, Path(card.base), f"{asked_by}: trust_remote_code")


def _asking(folder: Path) -> str:
    """The file of a pretrained model that names code of its own."""
    for name in ("config.json", "tokenizer_config.json"):
        with contextlib.suppress(OSError):
            if '"auto_map"' in (folder / name).read_text(encoding="utf-8", errors="replace"):
                return f"{folder / name}: auto_map"
    return str(folder)
