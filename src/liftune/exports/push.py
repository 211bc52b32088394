"""`liftune push`: a run's tuned model on the hub, in one commit.

In: a run, the name of a repository.  Out: the repository, and a Pushed; with a dry run what would be sent.
Not here: the files of a format (formats.py), the card's words (reports/model_card.py), reading it back (models/hub.py).

Never sent: rows, logits, suspects, flips, the report, texts of any kind, and paths of this machine.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from fnmatch import fnmatch
from pathlib import Path, PurePath
from typing import Any, TypeAlias

from liftune.errors import ArtifactError, SpecError, choose
from liftune.exports.licenses import Terms, terms_of
from liftune.exports.run import PARITY, export
from liftune.files import write_json
from liftune.formatting import size
from liftune.inference.bundle_card import BundleCard
from liftune.models.checkpoint import hub_is_reachable
from liftune.models.hub import PATTERNS, hub_errors
from liftune.progress import Progress
from liftune.records.reading import ADAPTER_CARD, BUNDLE_CARD, read_record, write_sealed
from liftune.records.run import TuneRecord
from liftune.records.training import AdapterCard
from liftune.reports.base import ReportTable, Section
from liftune.reports.model_card import Form, to_card
from liftune.reports.render.notebook import notebook_html
from liftune.run_folder import RunFolder
from liftune.seals import read_sealed

README = "README.md"
#: A file's bytes, or where it is.
Content: TypeAlias = bytes | Path
#: What is pushed -> the export format that it takes; None is the adapter as it is.
FORMATS: Mapping[str, str | None] = {"adapter": None, "merged": "merged", "bundle": "onnx"}
_LOGIN = "log in with `hf auth login`, or set HF_TOKEN, to a token with write access"
_MESSAGE = "Push {format} with liftune"


@dataclass(frozen=True, repr=False)
class Pushed:
    """What was sent, or would be."""

    repository: str
    format: str
    private: bool
    license: str | None
    terms: str
    """What the base's licence means for handing it on."""
    files: tuple[tuple[str, int], ...]
    """Name and bytes of each."""
    card: str
    """The card, whole."""
    note: str = ""
    """What the verdict says against this model; else empty."""
    url: str | None = None
    commit: str | None = None
    """None where nothing was sent."""

    def __repr__(self) -> str:
        return f"<Pushed {self.lines()[0].removesuffix('; nothing was sent:')}>"

    __str__ = __repr__

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        files = tuple((name, size(each)) for name, each in self.files)
        said = [f"licence: {self.terms}", *([f"note: {self.note}"] if self.note else ())]
        table = ReportTable(("file", "size"), files, whole=frozenset({0}))
        title = "Sent" if self.commit is not None else "Nothing was sent"
        return notebook_html(repr(self).strip("<>"), [Section(title, tuple(said), (table,))])

    def to_json(self) -> dict[str, Any]:
        """Without the card's text."""
        values = asdict(self)
        del values["card"]
        return {**values, "files": [{"name": name, "bytes": each} for name, each in self.files]}

    def lines(self) -> list[str]:
        """For people; of a dry run with the head of the card."""
        seen = "private" if self.private else "public"
        total = sum(each for _, each in self.files)
        listed = [f"  {name}  {size(each)}" for name, each in self.files]
        said = [f"licence: {self.terms}", *([f"note: {self.note}"] if self.note else ())]
        if self.commit is not None:
            return [
                f"pushed: {self.url} ({seen}, {len(self.files)} files, {size(total)}, commit {self.commit[:12]})",
                *said,
                f'next: liftune predict {self.repository} "some text"',
            ]
        return [
            f"would push to {self.repository} ({seen}, {len(self.files)} files, {size(total)}); nothing was sent:",
            *listed,
            *said,
            f"the head of {README}:",
            self.card.split("\n## ")[0].rstrip(),
        ]


def push(
    run: str | Path,
    to: str,
    *,
    format: str = "adapter",
    public: bool = False,
    accept_license: bool = False,
    dry_run: bool = False,
    trust_remote_code: bool = False,
    progress: Progress | None = None,
) -> Pushed:
    """Send a run's tuned model to the hub, as one commit; a later push replaces it.

    Args:
        to: `ORG/NAME`; made where there is none.
        format: adapter, merged or bundle.
        public: make a new repository that everybody sees.
        accept_license: go on where the base's licence forbids to hand it on, or nobody knows.
        dry_run: send nothing.
        trust_remote_code: run Python code of the model's own, where exporting it needs some.

    Raises:
        SpecError: an unknown format, or a name that no repository can have.
        ArtifactError: no run, a damaged one, an adapter whose base nobody else has, a licence that is in the way; or
            what the hub refuses.
    """
    progress = progress or Progress(quiet=True)
    choose(format, FORMATS, "format", where="--format")
    _check_name(to)
    folder = RunFolder.open(run)
    record = folder.record()
    if "tuned" not in folder.saved_contenders:
        raise ArtifactError("the run has no tuned model", where=str(run), hint="restore its folder adapter")
    folder.check_card("tuned")
    adapter = read_record(folder.adapter / ADAPTER_CARD, AdapterCard, "adapter")
    _check_base(adapter, format)
    record = record.model_copy(update={"base_license": record.base_license or _license_on_hub(record.base_model)})
    terms = terms_of(record.base_license)
    if not terms.allowed and not accept_license and not dry_run:
        raise _refused_license(terms, adapter)
    with tempfile.TemporaryDirectory(prefix="liftune-push-") as place:
        export_format = FORMATS[format]
        if export_format is None:
            files = _adapter(folder, adapter)
        else:
            files = _exported(folder, Path(place) / "model", export_format, trust_remote_code, progress)
        card = _card(record, adapter, format, to)
        files[README] = card.encode("utf-8", "backslashreplace")
        listed = tuple((name, _bytes_of(content)) for name, content in sorted(files.items()))
        pushed = Pushed(to, format, not public, record.base_license, terms.said, listed, card, _note(record))
        return pushed if dry_run else _send(pushed, files, progress)


def _bytes_of(content: Content) -> int:
    return content.stat().st_size if isinstance(content, Path) else len(content)


def _note(record: TuneRecord) -> str:
    better = record.default_contender
    return (
        "" if better == "tuned" else f"the verdict says that the tuned model is worse than {better}; its card says so"
    )


def _license_on_hub(base: str) -> str | None:
    """The licence that the base's card on the hub names: runs do not load that card."""
    from huggingface_hub import HfApi

    if not base or not hub_is_reachable():
        return None
    try:
        with hub_errors(base):
            data = HfApi().model_info(base).card_data
    except ArtifactError:
        return None
    named = data.get("license") if data is not None else None
    return named if isinstance(named, str) else None


def _check_name(to: str) -> None:
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined] # it is in its documentation

    try:
        if to.count("/") != 1:
            raise HFValidationError("the name has no owner" if "/" not in to else "it has more than two parts")
        validate_repo_id(to)
    except HFValidationError as error:
        raise SpecError(
            f"{to!r} is no name of a repository: {str(error).splitlines()[0]}",
            where="TO",
            hint="give ORG/NAME: your user name or organisation, and letters, digits and . _ -",
        ) from None


def _check_base(adapter: AdapterCard, format: str) -> None:
    whole = adapter.method == "full"
    if format == "adapter" and not whole and PurePath(adapter.base).is_absolute():
        raise ArtifactError(
            f"the adapter's base model is a folder of this machine ({adapter.base}), which nobody else has",
            where="--format adapter",
            hint="push all of the model: --format merged; or tune on the base's hub id",
        )
    if format == "merged" and adapter.trust_remote_code:
        raise ArtifactError(
            "the model needs code of its own, and no code is pushed",
            where="--format merged",
            hint="push the adapter: --format adapter",
        )


def _refused_license(terms: Terms, adapter: AdapterCard) -> ArtifactError:
    return ArtifactError(
        terms.said,
        where=PurePath(adapter.base).name if PurePath(adapter.base).is_absolute() else adapter.base,
        hint="read the base model's licence; if you may hand on what was made of it: --accept-license",
    )


def _adapter(folder: RunFolder, card: AdapterCard) -> dict[str, Content]:
    """The adapter folder as it was sealed: nothing that somebody put there later."""
    names: dict[str, str | None] = {**card.files} or {each.name: None for each in folder.adapter.iterdir()}
    hint = "restore the folder, or tune again"
    files: dict[str, Content] = {
        name: read_sealed(folder.adapter / name, sha256, card=ADAPTER_CARD, hint=hint)
        for name, sha256 in names.items()
        if any(fnmatch(name, pattern) for pattern in PATTERNS) and name != ADAPTER_CARD
    }
    left = sorted(set(card.files) - set(files))
    if left:
        raise ArtifactError(
            f"{left[0]} is neither weights nor a file of a tokenizer, and is not pushed",
            where=str(folder.adapter / left[0]),
            hint="push all of the model: --format merged",
        )
    named = card.model_copy(update={"base": _named(card.base)})  # of a whole model, which needs no base
    return {**files, ADAPTER_CARD: json.dumps(named.to_json(), ensure_ascii=False, indent=2).encode()}


def _exported(folder: RunFolder, to: Path, format: str, trusted: bool, progress: Progress) -> dict[str, Content]:
    """An export of the tuned model, whose card names its base without a path."""
    export(folder.path, to, format=format, use="tuned", trust_remote_code=trusted, progress=progress)
    for name in (PARITY, README):
        (to / name).unlink()
    if (to / BUNDLE_CARD).is_file():
        bundle = read_record(to / BUNDLE_CARD, BundleCard, "bundle")
        write_json(to / BUNDLE_CARD, bundle.model_copy(update={"base": _named(bundle.base)}).to_json())
    else:
        card = read_record(to / ADAPTER_CARD, AdapterCard, "adapter")
        write_sealed(to / ADAPTER_CARD, card.model_copy(update={"base": _named(card.base)}))
    names = [each.name for each in to.iterdir() if any(fnmatch(each.name, pattern) for pattern in PATTERNS)]
    return {name: to / name for name in names}


def _named(base: str) -> str:
    return PurePath(base).name if PurePath(base).is_absolute() else base


def _card(record: TuneRecord, adapter: AdapterCard, format: str, to: str) -> str:
    form: Form = "adapter" if format == "adapter" else "merged" if format == "merged" else "bundle"
    return to_card(record, adapter, to, form=form)


def _send(pushed: Pushed, files: Mapping[str, Content], progress: Progress) -> Pushed:
    """One commit: what is new or changed is added, what is no longer part of the model is removed."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, constants, get_token

    to = pushed.repository
    if get_token() is None:
        raise ArtifactError("there is no token for the hub", where=to, hint=_LOGIN)
    if not hub_is_reachable():
        raise ArtifactError(
            "the hub cannot be reached",
            where=constants.ENDPOINT,
            hint="check the network (HF_HUB_OFFLINE, HTTPS_PROXY, HF_ENDPOINT), and run the command again",
        )
    with hub_errors(to):
        api = HfApi(library_name="liftune")
        api.whoami()  # a token that is refused is said to be, before anything is made
        api.create_repo(to, private=pushed.private, exist_ok=True)
        info = api.model_info(to)
        _check_visibility(pushed, private=bool(info.private))
        there = {each.rfilename for each in info.siblings or ()}
        old = _old_files(there, to) - set(files)
        progress.log(f"sending {len(files)} files to {to}")
        done = api.create_commit(
            to,
            [
                *(CommitOperationAdd(name, content) for name, content in sorted(files.items())),
                *(CommitOperationDelete(name) for name in sorted(old)),
            ],
            commit_message=_MESSAGE.format(format=pushed.format),
            parent_commit=info.sha,
        )
    return Pushed(**{**pushed.__dict__, "url": f"{constants.ENDPOINT}/{to}", "commit": done.oid})


def _check_visibility(pushed: Pushed, *, private: bool) -> None:
    """A push changes nothing about who sees a repository."""
    if private == pushed.private:
        return
    if not private:
        raise ArtifactError(
            f"{pushed.repository} is public, and a push is private unless you say so",
            where=pushed.repository,
            hint="push with --public, or give another name",
        )
    raise ArtifactError(
        f"{pushed.repository} is private, and stays so",
        where="--public",
        hint="leave --public out; or make it public in its settings on the hub first",
    )


def _old_files(there: set[str], to: str) -> set[str]:
    """What an earlier push left; a repository of other things is not touched."""
    beside = {".gitattributes", README}
    if not there - beside:
        return set()
    if not there & {ADAPTER_CARD, BUNDLE_CARD}:
        raise ArtifactError(
            f"{to} holds something that liftune did not push: {', '.join(sorted(there - beside)[:3])}",
            where=to,
            hint="give a name of your own that is new",
        )
    return {name for name in there - beside if any(fnmatch(name, pattern) for pattern in PATTERNS)}
