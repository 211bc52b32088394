"""`liftune predict`: options that contradict each other are refused, texts or a file are predicted.

In: PredictOptions.  Out: Predictions, or the file that they were written to.
Not here: the model (inference/opening.py), files of any size (inference/files.py), arguments and printing
(cli/main.py).
"""

from __future__ import annotations

import contextlib
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from liftune.addresses import Address, addressed, refuse_unread
from liftune.claims import claim_file
from liftune.cluster import parse_address
from liftune.data.readers.formats import missing, path_of
from liftune.data.readers.options import FileOptions
from liftune.errors import EXTRAS, DataError, SpecError, amount, need, pasted
from liftune.files import same_file
from liftune.hardware.pass_notes import PassNote
from liftune.inference.explaining import Asked, Explaining
from liftune.inference.files import PIPE, iter_predictions, predict_file
from liftune.inference.locate import locate_model
from liftune.inference.opening import load_predictor
from liftune.inference.prediction import Prediction
from liftune.inference.predictor import Predictor
from liftune.inference.row_texts import UnclearColumnError
from liftune.inference.writers import check_csv_safe, check_out, holds_objects, write
from liftune.models.foreign.said import NOTHING, Said
from liftune.option_values import joined_fields
from liftune.progress import Progress
from liftune.stopping import saying_what_is_kept
from liftune.workflows.predicted_folders import check_folders, takes_folder
from liftune.wrong_path import is_folder

FRESH_BASE = "the base model's classification head is randomly initialised: its predictions are just guesses"


@dataclass(frozen=True)
class PredictOptions:
    """The options of `liftune predict`, by the same names."""

    run: str
    texts: Sequence[str] = ()
    pairs: Sequence[str] = ()
    """Second texts, one per text; none for single texts."""
    source: str | None = None
    """--in."""
    out: str | None = None
    resume: bool = False
    csv_safe: bool = False
    """Write no cell that a spreadsheet would compute."""
    text: str | None = None
    text_pair: str | None = None
    encoding: str | None = None
    no_header: bool = False
    columns: tuple[str, ...] = ()
    skip_lines: int | None = None
    use: str | None = None
    """Which contender of the run."""
    with_base: bool = False
    min_precision: float | None = None
    device: str | None = None
    precision: str | None = None
    trust_remote_code: bool = False
    said: Said = NOTHING
    """Of a model that others saved."""
    jobs: int | None = None
    """Of a folder: processes at once, each with the model; None is one, on a cluster as many as it holds."""
    cluster: str | None = None
    """Of a folder: the address of a Ray whose processes do the work."""
    explain: Asked | None = None
    """Which explanation each prediction gets; None for none."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "source", None if self.source is None else addressed(self.source))

    def check(self) -> None:
        """Refuse options that contradict each other, before anything is loaded.

        Raises:
            SpecError: which, and what to give instead.
        """
        if bool(self.texts) == bool(self.source):
            raise SpecError("give either texts or --in FILE", hint=f'liftune predict {pasted(self.run)} "some text"')
        if self.reading.given and not self.source:
            raise SpecError(
                f"{' and '.join(self.reading.given)} says how to read a file", hint="name the file with --in FILE"
            )
        named = [f"--{name}" for name, value in (("text", self.text), ("text-pair", self.text_pair)) if value]
        if named and self.source in (None, PIPE):
            raise SpecError(
                f"{' and '.join(named)} names a column of a file",
                where=", ".join(named),
                hint="give the file with --in FILE; texts are given as they are, the second of a pair with --pair",
            )
        if self.pairs and len(self.pairs) != len(self.texts):
            raise SpecError(
                f"{len(self.texts)} texts but {len(self.pairs)} --pair", hint="give one --pair per text, in order"
            )
        if self.resume and not (self.source and self.out):
            raise SpecError("--resume continues a file", where="--resume", hint="give --in FILE and --out FILE")
        if isinstance(self.source, Address):
            refuse_unread(self.source)  # before a model is loaded
        if self.explain is not None:
            self._check_explained()
        if self.takes_folder:
            self._check_folder()
            return
        for option, value in (("--jobs", self.jobs), ("--cluster", self.cluster)):
            if value is not None:
                raise SpecError(
                    f"{option} is for a folder of files, each predicted by one process",
                    where=option,
                    hint="leave it out, or give --in a folder",
                )
        if self.out and self.out != PIPE:
            self._check_there()
            check_out(self.out)
            if self.source and self.source != PIPE and same_file(Path(self.source), Path(self.out)):
                raise SpecError(
                    f"--out would replace the file that is read, {self.source}",
                    where="--out",
                    hint="name another file: it gets every column of this one, and the answers",
                )
        if self.csv_safe:
            check_csv_safe(self.out)

    @property
    def takes_folder(self) -> bool:
        """Whether --in is a folder of files."""
        return self.source != PIPE and takes_folder(self.source)

    def _check_explained(self) -> None:
        """Explanations are objects, which JSON lines hold."""
        if self.takes_folder:
            raise SpecError(
                "the files of a folder are written in their own formats, which do not hold explanations",
                where="--explain",
                hint="give one file with --in FILE and --out FILE.jsonl",
            )
        if self.out is not None and self.out != PIPE and not holds_objects(self.out):
            raise SpecError(
                f"an explanation is an object, which {self.out} cannot hold",
                where="--explain",
                hint="end the name of --out in .jsonl, or leave --explain out",
            )

    def _check_there(self) -> None:
        """Say first that --in is not there, where --out is a folder and so --in was to be one."""
        if self.source in (None, PIPE) or isinstance(self.source, Address) or not is_folder(str(self.out)):
            return
        path = path_of(str(self.source))
        if not path.exists():
            raise missing(path)

    def _check_folder(self) -> None:
        assert self.source is not None
        check_folders(self.source, self.out)
        if self.jobs is not None and self.jobs < 1:
            raise SpecError(f"{self.jobs} processes can do nothing", where="--jobs", hint="give 1 or more")
        if self.cluster is not None:
            parse_address(self.cluster)
            need(*EXTRAS["scale"])

    @property
    def reading(self) -> FileOptions:
        """How to read --in, as far as it was said."""
        return FileOptions(self.encoding, self.no_header, self.columns, skip_lines=self.skip_lines)

    @property
    def about(self) -> dict[str, Any]:
        """What the predictions depend on besides the model and the rows."""
        return {
            "device": self.device,
            "precision": self.precision,
            "with_base": self.with_base,
            "min_precision": self.min_precision,
            **({"explain": [self.explain.label, self.explain.by]} if self.explain else {}),
            **({"said": [list(self.said.label_names), self.said.task]} if self.said != NOTHING else {}),
        }

    def load(self) -> Predictor:
        """The tuned model; it explains itself where that is asked for."""
        predictor = load_predictor(
            self.run,
            use=self.use,
            device=self.device,
            with_base=self.with_base,
            precision=self.precision,
            min_precision=self.min_precision,
            trust_remote_code=self.trust_remote_code,
            said=replace(self.said, pairs=bool(self.pairs or self.text_pair)),
        )
        return predictor if self.explain is None else Explaining(predictor, self.explain)


def predict(options: PredictOptions, progress: Progress) -> Iterator[Prediction]:
    """The predictions, in order; none where they were written to a file.

    Raises:
        LiftuneError: the options contradict each other, or a model or file cannot be read or written.
    """
    options.check()
    to_file = options.out is not None and options.out != PIPE
    if not (options.out and to_file):
        return _predicted(options, progress)
    parent = Path(options.out).absolute().parent
    if not parent.is_dir():
        progress.log(f"there is no folder {parent}: it is made")
    with saying_what_is_kept(), claim_file(Path(options.out)):
        return _predicted(options, progress)


def _predicted(options: PredictOptions, progress: Progress) -> Iterator[Prediction]:
    predictor = options.load()
    if note := predictor.note:
        progress.tell(note)
    if options.with_base and predictor.base_head == "fresh":
        progress.log(FRESH_BASE)
    if options.source and options.out:
        _file_to_file(predictor, options, options.source, options.out, progress)
        return iter(())
    if options.source:
        return _of_file(predictor, options, options.source, progress)
    rows = list(zip(options.texts, options.pairs, strict=True)) if options.pairs else list(options.texts)
    predictions = predictor.predict(rows)
    if options.out and options.out != PIPE:
        write(options.out, predictions, csv_safe=options.csv_safe)
        progress.log(f"predictions for {amount(len(predictions), 'row')}: {options.out}")
        return iter(())
    return iter(predictions)


def _of_file(predictor: Predictor, options: PredictOptions, source: str, progress: Progress) -> Iterator[Prediction]:
    with _whole_command(options):
        yield from iter_predictions(
            predictor,
            source,
            text=options.text,
            text_pair=options.text_pair,
            options=options.reading,
            progress=progress,
        )


@contextmanager
def _whole_command(options: PredictOptions) -> Iterator[None]:
    """A column that is unclear is named by the whole command that takes the likeliest."""
    try:
        yield
    except UnclearColumnError as error:
        given = {"--in": options.source, "--text": options.text, "--text-pair": options.text_pair, "--out": options.out}
        given |= {"--use": options.use, "--encoding": options.encoding, "--columns": joined_fields(options.columns)}
        given |= {"--skip-lines": None if options.skip_lines is None else str(options.skip_lines)}
        words = [word for option, value in given.items() if value for word in (option, value)]
        words += ["--no-header"] * options.no_header
        command = shlex.join(["liftune", "predict", str(options.run), *words])
        hint = f"name it, for example: {command} {error.typed}"
        raise DataError(error.message, where=error.where, hint=hint) from None


def _file_to_file(predictor: Predictor, options: PredictOptions, source: str, out: str, progress: Progress) -> None:
    model = locate_model(options.run, use=options.use, said=options.said).files
    rows, errors = predict_to_file(predictor, options, source, out, {"model": model, **options.about}, progress)
    failed = f"; {amount(errors, 'row has', 'rows have')} no prediction, see the column 'error'" if errors else ""
    progress.log(f"predictions for {rows - errors:,} of {amount(rows, 'row')}: {out}{failed}")


def predict_to_file(
    predictor: Predictor,
    options: PredictOptions,
    source: str,
    out: str,
    about: Mapping[str, Any],
    progress: Progress,
    *,
    or_anew: bool = False,
    counts: Counter[str] | None = None,
) -> tuple[int, int]:
    """Write a file of predictions, and keep a note of what a process that dies of it has to say.

    Args:
        about, or_anew, counts: as of `predict_file`.

    Returns:
        rows, and how many of them have an error.

    Raises:
        LiftuneError: as of `predict_file`; a text column that is unclear is named by the whole command.
    """
    # A later process may have to know it, with --resume or without; it goes when the file is whole.
    note = Path(f"{out}.part.passes.json") if out != PIPE else None
    passes = PassNote(note)
    predictor.note_passes(passes)
    if passes.said:
        progress.log(passes.said)
    with contextlib.nullcontext() if or_anew else _whole_command(options):
        rows, errors = predict_file(
            predictor,
            source,
            out,
            text=options.text,
            text_pair=options.text_pair,
            options=options.reading,
            resume=options.resume or or_anew,
            or_anew=or_anew,
            or_empty=or_anew,
            csv_safe=options.csv_safe,
            about=about,
            progress=progress,
            counts=counts,
        )
    if note:
        note.unlink(missing_ok=True)
    return rows, errors
