"""The run folder: which file is where, written so that no finished result is lost.

    RUN/spec.json            the options of the run
    RUN/rows/test.jsonl      id, text, target of each test row, its group and its slices where there are any (and
                            validation.jsonl)
    RUN/rows/train.hashes    8 bytes of each train row's text, by which `liftune evaluate` finds those it is given again
    RUN/logits/NAME.npz      each contender's logits on the test and validation rows, in that order of rows
    RUN/suspects.jsonl       train rows whose label is likely wrong, worst first
    RUN/adapter/             the tuned adapter (a model folder for --method full)
    RUN/contenders/NAME/     every other contender, as it was scored: majority, tfidf, base, probe, contrastive,
                             full
    RUN/README.md            what was found, the command for the recommended contender, what is kept
    RUN/flips.jsonl          rows that tuning fixed and broke; made from the above, as report.html is
    RUN/explained.json       the words that mattered in a few of them
    RUN/record.json          the results, and the seals of the files above but README.md and flips.jsonl; written last,
                             atomically: a folder without it is an unfinished run
    RUN/checkpoint/          until the end: what was worked out so far (workflows/memo.py), and for which request

In: values.  Out: files, and the values again.
Not here: which folder a new run may have (new_run.py), the adapter's own files (models/adapter_io.py).
"""

from __future__ import annotations

import contextlib
import io
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from liftune.data.audit import fingerprint, labels_of
from liftune.data.row_lines import lines_of, split_of
from liftune.data.splits import Split, Splits
from liftune.data.tuned_on import TunedOn, hashes_of
from liftune.errors import ArtifactError, LiftuneError, lacks_memory, shown
from liftune.evaluation.evaluate import Evaluation
from liftune.evaluation.ladder import ContenderLogits
from liftune.files import atomic_write, damaged, disk_errors, write_json, write_text
from liftune.new_run import free_folder
from liftune.option_values import CONTENDERS as CONTENDERS
from liftune.records.data import LabelError
from liftune.records.reading import ADAPTER_CARD as ADAPTER_CARD
from liftune.records.reading import CONTENDER_CARD as CONTENDER_CARD
from liftune.records.reading import RUN_RECORD, read_record
from liftune.records.run import TuneRecord
from liftune.seals import hash_matching, read_sealed
from liftune.spec import RunSpec
from liftune.tasks import task_of
from liftune.types import BoolArray
from liftune.unfinished import Unfinished
from liftune.wrong_path import is_file_in, refusal

#: Contenders that liftune.json describes, as it does a tuned model.
_ADAPTERS = ("start", "tuned", "full")
#: Contenders that read all of a row, however long.
READ_WHOLE_ROWS = ("majority", "tfidf")
#: What record.json seals. Cards seal the files beside them.
SEALED = (
    *("spec.json", "suspects.jsonl", "rows/*.jsonl", "rows/*.hashes", "logits/*.npz"),
    *(f"{folder}/{card}" for folder in ("adapter", "contenders/*") for card in (ADAPTER_CARD, CONTENDER_CARD)),
)
_HASHES = "rows/train.hashes"
#: What to do about a damaged run.
_RESTORE = "restore the files, or run `liftune tune` again"


def card_of(name: str) -> str:
    """Where the card of a saved contender is, seen from its run's folder."""
    folder = "adapter" if name == "tuned" else f"contenders/{name}"
    return f"{folder}/{ADAPTER_CARD if name in _ADAPTERS else CONTENDER_CARD}"


class RunFolder:
    """One run on disk."""

    def __init__(self, path: Path, *, seals: Callable[[], Mapping[str, tuple[str, str]]] | None = None) -> None:
        """A folder by its path.

        Args:
            seals: name -> sha256 of the files in it, and what says so; None takes those of record.json.
        """
        self.path, self._seals_of = path, seals

    @classmethod
    def create(cls, out: str | None, *, name: str, overwrite: bool | None = None) -> RunFolder:
        """A folder for a new run, as of `free_folder`; nothing is left on disk until the first result is saved."""
        return cls(free_folder(out, name=name, overwrite=overwrite))

    @classmethod
    def open(cls, path: str | Path, *, where: str = "RUN") -> RunFolder:
        """A folder that holds a finished run.

        Args:
            where: the name of the argument, for the message.

        Raises:
            ArtifactError: it holds none.
        """
        if not is_file_in(path, RUN_RECORD):
            raise _no_run(path, where)
        return cls(Path(path))

    @property
    def unfinished(self) -> Unfinished:
        """What a run keeps until it ends."""
        return Unfinished(self.path)

    @property
    def has_record(self) -> bool:
        """Whether all but the report is there."""
        return (self.path / RUN_RECORD).is_file()

    @property
    def adapter(self) -> Path:
        """The folder of the tuned adapter."""
        return self.path / "adapter"

    def contender(self, name: str) -> Path:
        """The folder of a saved contender, whether there is one or not."""
        return (self.path / card_of(name)).parent

    @property
    def saved_contenders(self) -> tuple[str, ...]:
        """Those that are on disk; of an earlier liftune's run the tuned one alone."""
        return tuple(name for name in CONTENDERS if (self.path / card_of(name)).is_file())

    def saved_bytes(self, name: str) -> int | None:
        """Of a contender's weights, and of what else was fitted; None where it is not on disk."""
        if name not in self.saved_contenders:
            return None
        pattern = "*" if (self.contender(name) / CONTENDER_CARD).is_file() else "*.safetensors"
        return sum(path.stat().st_size for path in self.contender(name).glob(pattern))

    def save_inputs(self, spec: RunSpec, splits: Splits, *, before: frozenset[bytes] = frozenset()) -> None:
        """The options, and the rows that contenders are compared on.

        Args:
            before: hashes of rows that the model was tuned on in an earlier run.
        """
        with disk_errors(self.path):
            (self.path / "rows").mkdir(parents=True, exist_ok=True)
            write_text(self.path / "spec.json", spec.model_dump_json(indent=2) + "\n")
            for name, split in (("test", splits.test), ("validation", splits.validation)):
                with atomic_write(self.path / "rows" / f"{name}.jsonl") as file:
                    file.writelines(line.encode() for line in lines_of(split))
            with atomic_write(self.path / _HASHES) as file:
                file.write(hashes_of(splits.train.rows, before))

    def save_logits(
        self,
        name: str,
        *,
        test: NDArray[np.float32],
        validation: NDArray[np.float32],
        unanswered: BoolArray | None = None,
    ) -> None:
        """One contender's logits: (N, C) on test, (M, C) on validation; (N,) test rows that it gave no answer for."""
        more: dict[str, Any] = {} if unanswered is None else {"unanswered": unanswered}
        with atomic_write(self.path / "logits" / f"{name}.npz") as file:
            np.savez_compressed(file, test=test, validation=validation, **more)

    def save_suspects(self, listed: Iterable[LabelError]) -> None:
        """Train rows whose label is likely wrong, worst first."""
        with atomic_write(self.path / "suspects.jsonl") as file:
            file.writelines((each.model_dump_json() + "\n").encode() for each in listed)

    def save_record(self, record: TuneRecord) -> TuneRecord:
        """The end of a run: all of record.json or nothing of it, as it is returned.

        Raises:
            ArtifactError: the disk is full or read-only.
        """
        with disk_errors(self.path):
            record = record.model_copy(update={"files": hash_matching(self.path, *SEALED)})
        write_json(self.path / "record.json", record.to_json())
        return record

    def record(self) -> TuneRecord:
        """The results.

        Raises:
            ArtifactError: record.json is damaged, or of a newer liftune.
        """
        return read_record(self.path / "record.json", TuneRecord, "record")

    def spec(self) -> RunSpec:
        """The options of the run."""
        self.read("spec.json")
        return RunSpec.read(self.path / "spec.json")

    def split(self, name: str) -> Split:
        """The test or validation rows."""
        path = self.path / "rows" / f"{name}.jsonl"
        with _reading(path):
            return split_of(self.read(f"rows/{name}.jsonl"))

    def tuned_on(self) -> TunedOn:
        """The rows that the run's models were fitted on and chosen by.

        Raises:
            ArtifactError: what is kept of them is damaged.
        """
        if not (self.path / _HASHES).is_file():
            return TunedOn(unknown=f"{self.path} has no {_HASHES}, which runs of an earlier liftune did not keep")
        with _reading(self.path / _HASHES):
            return TunedOn.of(self.read(_HASHES), self.split("validation").rows)

    def logits(self, name: str, split: str = "test") -> NDArray[np.float32]:
        """A contender's logits on the test or validation rows, (N, C)."""
        path = self.path / "logits" / f"{name}.npz"
        with _reading(path), np.load(io.BytesIO(self.read(f"logits/{name}.npz"))) as file:
            logits = np.asarray(file[split], dtype=np.float32)
            if not np.isfinite(logits).all():
                raise ValueError(f"logits of the {split} rows are not all finite")
            return logits

    def unanswered(self, name: str) -> BoolArray | None:
        """(N,) test rows that a contender gave no answer for; None where it answers all."""
        path = self.path / "logits" / f"{name}.npz"
        with _reading(path), np.load(io.BytesIO(self.read(f"logits/{name}.npz"))) as file:
            return np.asarray(file["unanswered"], dtype=bool) if "unanswered" in file.files else None

    def check_card(self, name: str) -> None:
        """Refuse a saved contender that is not the one that the run wrote: another run's may be whole in itself."""
        if (self.path / "record.json").is_file():
            self.read(card_of(name))

    def read(self, name: str) -> bytes:
        """A file of the folder, held against its seal where it has one.

        Raises:
            ArtifactError: it is missing or not as it was written, or the record is damaged.
        """
        if self._seals_of is not None:
            sha256, card = self._seals_of().get(name, (None, ""))
            return read_sealed(self.path / name, sha256, card=card, hint=_RESTORE)
        files = self.seals()
        return read_sealed(self.path / name, files.get(name), card=RUN_RECORD, needed=bool(files), hint=_RESTORE)

    def seals(self) -> Mapping[str, str]:
        """Name -> sha256 of the files that decide what is reported; none before the run is done, or of schema 3."""
        return self.record().files if (self.path / "record.json").is_file() else {}

    def evaluation(self, contender: str, *, name: str | None = None) -> Evaluation:
        """A finished run's contender on the test rows: the one way from disk to what is scored, compared and shown.

        It has the thresholds that the run decided its labels by (of several seeds, those of the seed that was kept) and
        the groups of its rows; its scores are in the record.

        Args:
            name: what to call it; None is the contender's own name.

        Raises:
            ArtifactError: the record has no such contender, a file is missing or damaged, or files do not belong
                together.
        """
        record, test, logits = self.record(), self.split("test"), self.logits(contender)
        scored = next((each for each in record.contenders if each.name == contender), None)
        if scored is None:
            raise self._mismatch(f"record.json has no contender {contender!r}")
        if odd := [each for each in test.targets if not task_of(record.task).is_target(each)]:
            raise self._mismatch(f"test.jsonl holds a target that is none of {record.task}: {shown(odd[0])}")
        outputs = task_of(record.task).outputs(record.labels)
        outside, unanswered = scored.outside, self.unanswered(contender)
        if unanswered is not None and unanswered.shape != (len(test),):
            raise self._mismatch(f"{contender}.npz says of {len(unanswered):,} rows, which have no answer")
        if logits.shape != (len(test), outputs) or len(test) != record.rows.test:
            raise self._mismatch(
                f"{contender}.npz holds logits of shape {logits.shape}, test.jsonl {len(test):,} rows, "
                f"record.json speaks of {record.rows.test:,} rows and {outputs} outputs"
            )
        unseen = tuple(sorted(record.audit.unseen_labels))
        unknown = sorted(labels_of(test) - {*record.labels, *unseen}) if task_of(record.task).outputs_labels else ()
        if unknown:
            raise self._mismatch(f"test.jsonl holds labels that record.json does not know, the first is {unknown[0]!r}")
        if not record.files and fingerprint(test) != record.data_fingerprint:  # with seals it is these bytes
            raise self._mismatch("test.jsonl holds other rows than record.json was made of: their fingerprint differs")
        return Evaluation(
            name=name or contender,
            task=record.task,
            labels=record.labels,
            unseen=unseen,
            ids=test.ids,
            logits=logits,
            targets=task_of(record.task).encode(test.targets, (*record.labels, *unseen)),
            fingerprint=record.data_fingerprint,
            max_length=None if contender in READ_WHOLE_ROWS or outside else record.max_length,
            groups=test.groups,
            texts=test.rows,
            thresholds=scored.decisions.thresholds if scored.decisions else None,
            unanswered=unanswered,
            sure=outside is not None and not outside.probabilities,
            kept=test.kept,
        )

    def unrecorded_evaluation(self, contender: str, splits: Splits, metric: str) -> Evaluation:
        """The same of a folder without a record, such as a model's in a sweep.

        Args:
            splits: the rows in memory.
            metric: by which thresholds are chosen from the contender's validation logits, as the ladder chose them.
        """
        logits = ContenderLogits(self.logits(contender, "validation"), self.logits(contender), 0.0)
        thresholds = logits.with_thresholds(splits, metric).threshold_values
        return Evaluation.of(contender, logits.test, splits, thresholds=thresholds)

    def _mismatch(self, what: str) -> ArtifactError:
        return ArtifactError(what, where=str(self.path), hint=_RESTORE)


def _no_run(path: str | Path, where: str) -> LiftuneError:
    """What a path is instead; what the hub has under a name is a model, and no run."""
    from liftune.models.hub import find_on_hub

    found = find_on_hub(path)
    if found.fault is not None:
        return found.fault
    message, hint = refusal(path, "run", lies_in=found.folder)
    return ArtifactError(message, where=where, hint=hint)


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        if lacks_memory(error):
            raise
        reason = error.message if isinstance(error, LiftuneError) else str(error)
        raise damaged(path, reason or type(error).__name__, hint=_RESTORE) from None


def run_around(folder: Path) -> Path:
    """The run that an adapter's or another contender's folder lies in."""
    return folder.parent.parent if folder.parent.name == "contenders" else folder.parent


def adapter_folder(path: str | Path) -> Path | None:
    """The adapter that a path names, by itself or through its run; None where there is none."""
    path = Path(path)
    return next((each for each in (path / "adapter", path) if is_file_in(each, ADAPTER_CARD)), None)
