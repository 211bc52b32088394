"""Tuned models on the hub: which repository a name means, its files in the cache, and the hub's faults in words.

In: `ORG/NAME[@REVISION]`.  Out: a local folder with what liftune or PEFT wrote; LiftuneErrors with hints.
Not here: what a folder holds (inference/locate.py), pretrained models (checkpoint.py), sending (exports/push.py).

Only data are fetched: weights as safetensors or ONNX, JSON, and the files of tokenizers. No code, and no pickles.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from liftune.errors import ArtifactError, LiftuneError
from liftune.files import read_json_object
from liftune.models.checkpoint import hub_is_reachable
from liftune.models.foreign.folders import classifies
from liftune.records.reading import ADAPTER_CARD, BUNDLE_CARD
from liftune.wrong_path import refusal

#: What is fetched, and what may be sent. `.model` files hold the pieces of a tokenizer.
PATTERNS = ("*.safetensors", "*.json", "*.txt", "*.onnx", "*.model")
#: One of these makes a repository a tuned model, as a config.json does that names a trained head.
_CARDS = (ADAPTER_CARD, BUNDLE_CARD, "adapter_config.json")
_ID = re.compile(
    r"(https://huggingface\.co/)?(?P<id>[A-Za-z0-9][\w.-]{0,95}/[\w.-]{1,96})((@|/tree/)(?P<revision>[\w][\w./-]*))?"
)
_LOGIN = "log in with `hf auth login`, or set HF_TOKEN"
#: What was found in this process: asked once, so that all of a command sees one revision.
_FETCHED: dict[tuple[str, str | None], Path] = {}


class HubUnreachable(ArtifactError):  # noqa: N818 - "unreachable" says that it is an error
    """The hub does not answer, or only that it cannot."""


@dataclass(frozen=True)
class OnHub:
    """What the hub has under a name."""

    folder: Path | None = None
    """The files in the cache; None where it has no tuned model of that name, or cannot be asked."""
    fault: LiftuneError | None = None
    """Why not, where the name can mean a repository."""


def repository_of(path: str | Path) -> tuple[str, str | None] | None:
    """The repository and revision that a name means; None for one that can only mean a folder here.

    What is here comes first: the name itself, and a folder ORG, in which NAME is looked for and not on the hub.

    >>> repository_of("org/name@v1"), repository_of("./org/name"), repository_of("a/b/c"), repository_of("name")
    (('org/name', 'v1'), None, None, None)
    >>> repository_of("https://huggingface.co/org/name/tree/main")
    ('org/name', 'main')
    """
    if not isinstance(path, str):
        return None
    match = _ID.fullmatch(path)
    if match is None or os.path.lexists(path) or os.path.isdir(match["id"].split("/")[0]):
        return None
    return match["id"], match["revision"]


def find_on_hub(path: str | Path) -> OnHub:
    """What a name means on the hub, downloaded if it is a tuned model."""
    named = repository_of(path)
    if named is None:
        return OnHub()
    if named in _FETCHED and _FETCHED[named].is_dir():
        return OnHub(_FETCHED[named])
    try:
        folder = _fetch(*named)
    except LiftuneError as fault:
        return OnHub(fault=fault)
    _FETCHED[named] = folder
    return OnHub(folder)


def at_hand(path: str | Path) -> str | Path:
    """The folder of a tuned model on the hub; any other path as it is."""
    return find_on_hub(path).folder or path


def readme_of(path: str | Path, folder: Path) -> str | None:
    """The README.md of a tuned model, for its scores; None where there is none or it cannot be had.

    Args:
        path: as the user gave it.
        folder: where the model lies; of one on the hub its files in the cache, to which the card is added.
    """
    readme = folder / "README.md"
    if not readme.is_file() and repository_of(path) in _FETCHED and hub_is_reachable():
        readme = _fetched_readme(str(path), folder) or readme
    try:
        return readme.read_text(encoding="utf-8", errors="replace") if readme.is_file() else None
    except OSError:
        return None


def _fetched_readme(path: str, folder: Path) -> Path | None:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError

    repository = (repository_of(path) or ("", None))[0]
    try:
        with hub_errors(path), _no_bars():
            try:
                return Path(hf_hub_download(repository, "README.md", revision=folder.name))
            except EntryNotFoundError:
                return None
    except ArtifactError:
        return None


def _fetch(repository: str, revision: str | None) -> Path:
    from huggingface_hub import HfApi, snapshot_download

    name = repository + (f"@{revision}" if revision else "")
    if not hub_is_reachable():
        return _cached(repository, revision, name)
    try:
        with hub_errors(name):
            info = HfApi().model_info(repository, revision=revision)
    except HubUnreachable:
        return _cached(repository, revision, name)
    with hub_errors(name), _no_bars():
        files = {each.rfilename for each in info.siblings or ()}
        if not files & set(_CARDS) and not ("config.json" in files and _is_classifier(repository, revision)):
            message, hint = refusal(name, "tuned", pretrained="config.json" in files)
            raise ArtifactError(
                message if "config.json" in files else f"{name} on the hub holds no tuned model", where="RUN", hint=hint
            )
        # What a Trainer uploads beside its last model, and other forms of a model that is read as safetensors.
        left = ["checkpoint-*/*", *(["*.onnx"] if not files & set(_CARDS) else [])]
        return Path(
            snapshot_download(repository, revision=revision, allow_patterns=list(PATTERNS), ignore_patterns=left)
        )


def _is_classifier(repository: str, revision: str | None) -> bool:
    """Whether a pretrained model has a head that classifies rows, by its config.json."""
    from huggingface_hub import hf_hub_download

    return _says_classifier(Path(hf_hub_download(repository, "config.json", revision=revision)))


def _says_classifier(config: Path) -> bool:
    return classifies(read_json_object(config, hint="give another revision"))


def _cached(repository: str, revision: str | None, name: str) -> Path:
    """What an earlier call has downloaded."""
    from huggingface_hub import try_to_load_from_cache

    found = (try_to_load_from_cache(repository, card, revision=revision) for card in _CARDS)
    folder = next((Path(each).parent for each in found if isinstance(each, str)), None)
    config = None if folder else try_to_load_from_cache(repository, "config.json", revision=revision)
    if isinstance(config, str) and _says_classifier(Path(config)):
        folder = Path(config).parent
    if folder is None:
        message, hint = refusal(name, "tuned")
        raise ArtifactError(
            f"{message}, and the hub cannot be reached to look there",
            where="RUN",
            hint=f"{hint}; or connect to the network (HF_HUB_OFFLINE, HTTPS_PROXY)",
        )
    return folder


@contextmanager
def _no_bars() -> Iterator[None]:
    """Bars of what is downloaded are for terminals."""
    from huggingface_hub import utils

    bars: Any = utils  # which names them in no __all__
    if sys.stderr.isatty() or bars.are_progress_bars_disabled():
        yield
        return
    bars.disable_progress_bars()
    try:
        yield
    finally:
        bars.enable_progress_bars()


@contextmanager
def hub_errors(name: str) -> Iterator[None]:
    """Turn what `huggingface_hub` raises into an ArtifactError.

    Args:
        name: of the repository.
    """
    from huggingface_hub import constants, errors

    try:
        yield
    except LiftuneError:
        raise
    except errors.HFValidationError as error:
        hint = "give it as ORG/NAME: letters, digits and . _ -"
        raise ArtifactError(f"{name} is no name of a repository: {_first(error)}", where=name, hint=hint) from None
    except errors.GatedRepoError:
        hint = f"accept its terms at {constants.ENDPOINT}/{name}, then {_LOGIN}"
        raise ArtifactError(f"{name} is gated", where=name, hint=hint) from None
    except errors.RepositoryNotFoundError:
        message, hint = refusal(name, "tuned")
        raise ArtifactError(
            f"{message}, and no repository of that name on the hub that you may see",
            where=name,
            hint=f"check the name; if it is private, {_LOGIN}",
        ) from None
    except errors.RevisionNotFoundError:
        hint = f"check the revision, or leave @REVISION out: {name.partition('@')[0]}"
        raise ArtifactError(f"{name}: the repository has no such revision", where=name, hint=hint) from None
    except errors.HfHubHTTPError as error:
        raise _refused(error, name) from None
    except errors.OfflineModeIsEnabled:
        hint = "unset HF_HUB_OFFLINE and TRANSFORMERS_OFFLINE"
        raise ArtifactError("the hub is switched off on this machine", where=name, hint=hint) from None
    except Exception as error:  # of httpx or of requests, as the version of huggingface_hub has it
        network = type(error).__module__.partition(".")[0].startswith(("httpx", "requests", "urllib3"))
        if not network and not isinstance(error, ConnectionError | TimeoutError | errors.LocalEntryNotFoundError):
            raise
        raise HubUnreachable(
            f"the hub cannot be reached: {_first(error)}",
            where=constants.ENDPOINT,
            hint="check the network (HTTPS_PROXY, HF_ENDPOINT), and run the command again",
        ) from None


def _refused(error: Exception, name: str) -> ArtifactError:
    """What an answer of the hub other than 200 means."""
    status = getattr(getattr(error, "response", None), "status_code", 0)
    owner = name.partition("/")[0]
    said = {
        401: ("the hub does not take the token", _LOGIN),
        403: (
            f"the token may not write to {owner}",
            f"take one with write access to {owner} (https://huggingface.co/settings/tokens), then {_LOGIN}; "
            "or give a name of your own",
        ),
        409: (f"{name} was being changed by somebody else", "run the command again"),
        412: (f"{name} was being changed by somebody else", "run the command again"),
        413: ("the files are too large for the hub", "push a smaller format: --format adapter"),
        429: ("the hub takes no more requests for now", "wait some minutes, and run the command again"),
    }
    message, hint = said.get(
        status,
        (f"the hub failed with status {status}", "see https://status.huggingface.co, and run the command again"),
    )
    kind = HubUnreachable if status == 429 or status >= 500 else ArtifactError
    return kind(message, where=name, hint=hint)


def _first(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
