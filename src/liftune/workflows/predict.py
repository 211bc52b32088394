"""What `liftune predict` was asked, refused where it contradicts itself, and answered.

In: a path, texts or a file.  Out: Answers, or the file that they were written to.
Not here: what answers (predict.py), files of any size (bulk.py), arguments and printing (cli.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from liftune.errors import SpecError
from liftune.inference.files import PIPE, Answerer, answer_file, predict_file
from liftune.inference.prediction import Prediction
from liftune.inference.predictor import files_of, open_predictor
from liftune.inference.writers import check_out, write
from liftune.progress import Progress


@dataclass(frozen=True)
class PredictOptions:
    """The options of `liftune predict`, by their names there."""

    run: str
    texts: Sequence[str] = ()
    pairs: Sequence[str] = ()
    """Second texts, one a text; none where the texts stand alone."""
    source: str | None = None
    """--in."""
    out: str | None = None
    resume: bool = False
    text: str | None = None
    text_pair: str | None = None
    with_base: bool = False
    min_precision: float | None = None
    device: str | None = None
    precision: str | None = None

    def check(self) -> None:
        """Refuse what contradicts itself, before anything is loaded.

        Raises:
            SpecError: says what, and what to give instead.
        """
        if bool(self.texts) == bool(self.source):
            raise SpecError("give texts or --in FILE, one of them", hint=f'liftune predict {self.run} "some text"')
        if self.pairs and len(self.pairs) != len(self.texts):
            raise SpecError(
                f"{len(self.texts)} texts but {len(self.pairs)} --pair", hint="give one --pair a text, in order"
            )
        if self.resume and not (self.source and self.out):
            raise SpecError("--resume goes on with a file", where="--resume", hint="give --in FILE and --out FILE")
        if self.out and self.out != PIPE:
            check_out(self.out)

    def open(self) -> Answerer:
        """The run's tuned model, or a bundle."""
        return open_predictor(
            self.run,
            device=self.device,
            with_base=self.with_base,
            precision=self.precision,
            min_precision=self.min_precision,
        )


def predict(asked: PredictOptions, progress: Progress) -> Iterator[Prediction]:
    """Answer, in order; nothing is left to give where the answers went to a file.

    Raises:
        LiftuneError: what was asked contradicts itself, or a model or file cannot be read or written.
    """
    asked.check()
    predictor = asked.open()
    if asked.with_base and predictor.base_head == "fresh":
        progress.log("the base's head is fresh: its answers are chance by construction")
    if asked.source and asked.out:
        _file_to_file(predictor, asked, asked.source, asked.out, progress)
        return iter(())
    if asked.source:
        return answer_file(predictor, asked.source, text=asked.text, text_pair=asked.text_pair, progress=progress)
    rows = list(zip(asked.texts, asked.pairs, strict=True)) if asked.pairs else list(asked.texts)
    answers = predictor.predict(rows)
    if asked.out and asked.out != PIPE:
        write(asked.out, answers)
        progress.log(f"{len(answers):,} rows answered: {asked.out}")
        return iter(())
    return iter(answers)


def _file_to_file(predictor: Answerer, asked: PredictOptions, source: str, out: str, progress: Progress) -> None:
    about = {
        "model": files_of(asked.run),
        "device": asked.device,
        "precision": asked.precision,
        "with_base": asked.with_base,
        "min_precision": asked.min_precision,
    }
    rows, errors = predict_file(
        predictor,
        source,
        out,
        text=asked.text,
        text_pair=asked.text_pair,
        resume=asked.resume,
        about=about,
        progress=progress,
    )
    told = f"; {errors:,} of them have an error, told in their column 'error'" if errors else ""
    progress.log(f"{rows:,} rows answered: {out}{told}")
