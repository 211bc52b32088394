"""`liftune check`: every file of a run, a model or a bundle against its seal; and seals for those that have none.

In: a path.  Out: a CheckRecord; with seals, changed cards.
Not here: sweeps (sweeps/check.py), one file's seal (seals.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from liftune.data.audit import fingerprint
from liftune.errors import ArtifactError, LiftuneError, first_of, pasted
from liftune.files import damaged, read_json_object, write_json
from liftune.inference.bundle_card import CARD as BUNDLE_CARD
from liftune.inference.bundle_card import read_bundle_card
from liftune.inference.contenders import read_contender_card
from liftune.inference.locate import find_of_others, locate_model
from liftune.models.foreign.card import card_of as card_of_foreign
from liftune.models.foreign.folders import Foreign
from liftune.models.foreign.said import NOTHING
from liftune.records.base import SealedRecord
from liftune.records.check import CheckRecord, FileState
from liftune.records.reading import NewerSchema, read_record, write_sealed
from liftune.records.training import AdapterCard
from liftune.replacing import FOR_READERS
from liftune.run_folder import ADAPTER_CARD, CONTENDER_CARD, RunFolder, card_of
from liftune.seals import SEAL, check_own_seal, fault_of, files_in, is_sealed

_HINT = "restore it from a copy, or make it again"
#: Files that a message names at most.
_NAMED = 12
#: Of a bundle; it seals itself.
PARITY = "parity.json"
#: Card -> how it is read.
READERS: dict[str, Callable[[Path], SealedRecord]] = {
    ADAPTER_CARD: lambda folder: read_record(folder / ADAPTER_CARD, AdapterCard, "adapter"),
    CONTENDER_CARD: read_contender_card,
    BUNDLE_CARD: read_bundle_card,
}


def check_path(path: Path, *, seal: bool = False) -> CheckRecord:
    """The state of every file.

    Args:
        path: a run, one of its models, an adapter or a bundle.
        seal: give seals to what has none, if nothing is wrong that can be seen.

    Raises:
        ArtifactError: the path is none of these; or it is to be sealed and is damaged.
    """
    record = _look(path)
    if not seal:
        return record
    if record.kind == "foreign":
        raise ArtifactError(
            f"{path} has no card of liftune: there is nothing that a seal could stand in",
            where="--seal",
            hint=f"make a sealed model of it: liftune export {pasted(path)} --format merged --rows FILE --to DIR",
        )
    refuse_damaged(record)
    if record.sealed:
        return record.model_copy(update={"notes": (*record.notes, "it has seals already: nothing was changed")})
    _seal_run(path) if record.kind == "run" else _seal_card(path, _card_in(path))
    return _look(path).model_copy(update={"notes": ("sealed as it was found",)})


def refuse_damaged(record: CheckRecord) -> None:
    """Refuse to go on with what is damaged.

    Raises:
        ArtifactError: naming the files.
    """
    broken, newer = record.damaged, record.newer
    if newer and not broken:
        raise ArtifactError(newer[0].reason, where=f"{record.path}/{newer[0].name}", hint="pip install -U liftune")
    if broken:
        names = first_of([each.name for each in broken], _NAMED)
        raise ArtifactError(
            f"{len(broken):,} of {len(record.files):,} files are damaged: {names}",
            where=record.path,
            hint="restore them from a copy, or make them again; `liftune check` says what is wrong with each",
        )


def _look(path: Path) -> CheckRecord:
    if (path / "record.json").is_file():
        return CheckRecord(path=str(path), kind="run", files=each_once(_run(path)))
    foreign = None if any((path / each).is_file() for each in READERS) else find_of_others(path)
    if foreign is not None:
        return _of_others(path, foreign)
    card = _card_in(path)
    kinds: Mapping[str, Any] = {ADAPTER_CARD: "adapter", CONTENDER_CARD: "contender", BUNDLE_CARD: "bundle"}
    return CheckRecord(path=str(path), kind=kinds[card], files=each_once(described(path, card)))


def _of_others(path: Path, foreign: Foreign) -> CheckRecord:
    """What others saved: what it is taken for, and whether its weights can be read and are numbers."""
    try:
        note = card_of_foreign(foreign, NOTHING).note
    except LiftuneError as error:
        note = f"it cannot be opened as it is: {error.message}; {error.hint}"
    states = (
        FileState(
            name=name, state="unsealed", reason="never read: reading it could run code" if _is_pickled(name) else ""
        )
        for name in files_in(foreign.folder)
        if "/" not in name
    )
    files = each_once((*_weights(foreign.folder, ""), *states))
    return CheckRecord(path=str(path), kind="foreign", files=files, notes=(note,))


def _is_pickled(name: str) -> bool:
    return name.endswith((".bin", ".pt", ".pth", ".pkl"))


def _card_in(path: Path) -> str:
    found = next((card for card in READERS if (path / card).is_file()), None)
    if found is None:
        locate_model(path)  # says what it is instead
        raise ArtifactError(f"{path} is an unfinished run", where="RUN", hint="run `liftune tune` again")
    return found


def _run(path: Path) -> Iterator[FileState]:
    folder = RunFolder(path)
    yield from described(path, "record.json", lambda _: folder.record(), deep=False)
    for name in folder.saved_contenders:
        card = Path(card_of(name))
        yield from described(path / card.parent, card.name, prefix=f"{card.parent.as_posix()}/")
    yield from _contents(folder)


def described(
    folder: Path,
    card: str,
    read: Callable[[Path], SealedRecord] | None = None,
    *,
    prefix: str = "",
    deep: bool = True,
) -> Iterator[FileState]:
    """A card, the files that it seals, and those that it does not.

    Args:
        read: None takes the card's own reader.
        prefix: of the names.
        deep: whether files in folders below are the card's too.
    """
    files: Mapping[str, str] = {}
    sealed, unknown = is_sealed(folder / card), ""
    try:
        files = (read or READERS[card])(folder).files
        yield FileState(name=prefix + card, state="whole" if sealed else "unsealed")
    except LiftuneError as error:
        yield state_of(prefix + card, error)
        unknown = f"{card}, which seals it, cannot be read"
    if not files:
        yield from _weights(folder, prefix)
    yield from against_card(folder, card, files, prefix=prefix)
    for name in files_in(folder):
        if name not in (card, *files) and (deep or "/" not in name or name.startswith(("rows/", "logits/"))):
            yield _beside(folder, name, prefix, unknown if sealed else "")


def _beside(folder: Path, name: str, prefix: str, unknown: str) -> FileState:
    """A file that no card is known to seal.

    Args:
        unknown: why that is not known; empty where it is.
    """
    last = name.rpartition("/")[2]
    if last == PARITY:
        try:
            values = read_json_object(folder / name, hint=_HINT)
            check_own_seal(values, folder / name, hint=_HINT)
        except LiftuneError as error:
            return state_of(prefix + name, error)
        return FileState(name=prefix + name, state="whole" if SEAL in values else "not sealed")
    if last in FOR_READERS:
        return FileState(name=prefix + name, state="not sealed")
    return FileState(name=prefix + name, state="not checked" if unknown else "unsealed", reason=unknown)


def against_card(folder: Path, card: str, files: Mapping[str, str], *, prefix: str = "") -> Iterator[FileState]:
    """The files that a card seals; where none is what it says, the card is more likely another's than all of them."""
    found = [
        state_of(prefix + name, fault_of(folder / name, sha256, card=card, hint=_HINT))
        for name, sha256 in files.items()
    ]
    if len(found) > 1 and all(each.state == "damaged" for each in found):
        reason = f"not one of the {len(found)} files that it seals is what it says: it may be another's"
        yield FileState(name=prefix + card, state="damaged", reason=reason)
    yield from found


def _weights(folder: Path, prefix: str) -> Iterator[FileState]:
    """What can be seen of weights without a seal: whether they can be read, and are numbers."""
    paths = sorted(folder.glob("*.safetensors"))
    if paths and not find_spec("torch"):
        for path in paths:
            reason = "reading weights takes the extra [tune]"
            yield FileState(name=prefix + path.name, state="not checked", reason=reason)
        return
    from safetensors import SafetensorError

    from liftune.models.finite import first_not_finite_in

    for path in paths:
        try:
            broken = first_not_finite_in(path)
        except (OSError, SafetensorError) as error:
            yield state_of(prefix + path.name, damaged(path, str(error), hint=_HINT))
        else:
            if broken is not None:
                yield state_of(prefix + path.name, damaged(path, f"{broken} is not finite", hint=_HINT))


def state_of(name: str, fault: LiftuneError | None) -> FileState:
    """Whole, or what is wrong."""
    if fault is None:
        return FileState(name=name, state="whole")
    return FileState(name=name, state="newer" if isinstance(fault, NewerSchema) else "damaged", reason=fault.message)


def each_once(states: Iterable[FileState]) -> tuple[FileState, ...]:
    """Every file once, by name: a card seals itself, and may be sealed by its run too. Damage counts before all, and
    whatever is known before what is not."""
    found: dict[str, FileState] = {}
    for each in states:
        known = found.get(each.name)
        if (
            known is None
            or (each.state == "damaged" and known.state != "damaged")
            or (known.state in ("unsealed", "not checked") and each.state not in ("unsealed", "not checked"))
        ):
            found[each.name] = each
    return tuple(found[name] for name in sorted(found))


def _contents(folder: RunFolder) -> Iterator[FileState]:
    """What the files of a run say of each other; only what is wrong."""
    try:
        record = folder.record()
    except LiftuneError:
        return  # which was said
    checks: list[tuple[str, Callable[[], object]]] = [("spec.json", folder.spec)]
    checks += [("rows/test.jsonl", lambda: _same_rows(folder, record.data_fingerprint))]
    checks += [("rows/validation.jsonl", lambda: folder.split("validation"))]
    for each in record.contenders:
        checks.append((f"logits/{each.name}.npz", partial(folder.evaluation, each.name)))
        checks.append((f"logits/{each.name}.npz", partial(folder.logits, each.name, "validation")))
    for name, look in checks:
        try:
            look()
        except LiftuneError as error:
            yield state_of(_blamed(error, name), error)


def _blamed(error: LiftuneError, name: str) -> str:
    """The file that an error names, where it is one of the run; else the one that was looked at."""
    found = next((each for each in ("rows/test.jsonl", "spec.json") if each.rpartition("/")[2] in error.message), None)
    return found or name


def _same_rows(folder: RunFolder, expected: str) -> None:
    if fingerprint(folder.split("test")) != expected:
        raise ArtifactError("it holds other rows than record.json was made of: their fingerprint differs")


def _seal_run(path: Path) -> None:
    folder = RunFolder(path)
    for name in folder.saved_contenders:
        card = path / card_of(name)
        _seal_card(card.parent, card.name)
    folder.save_record(folder.record())


def _seal_card(folder: Path, card: str) -> None:
    """Write a card again with its seal; a bundle's has always had those of its files."""
    if is_sealed(folder / card):
        return
    found = READERS[card](folder)
    if card == BUNDLE_CARD:
        write_json(folder / card, found.to_json())
    else:
        write_sealed(folder / card, found)
