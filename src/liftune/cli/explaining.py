"""`explain`: the words of a text by how much leaving them out changes the answer, printed for a person.

In: what typer read off the command line; Predictions with explanations.  Out: text or JSON on stdout.
Not here: any work (inference/explaining.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from liftune.cli.options import Base, Device, Json, LabelNames, Precision, Quiet, Task, Trust, Use
from liftune.cli.printing import print_predictions
from liftune.formatting import clipped, visible

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from liftune.inference.explanation import Answer, Explanation
    from liftune.inference.prediction import Prediction

#: Parts that are shown of each answer; --json has all.
_TOP = 10
_MOST_CHARACTERS = 60
#: Parts that are coloured in the text: those with at least this share of the strongest effect.
_TOLD = 0.25
_ALONE = (
    "One {unit} at a time is left out, with the space before it. Those that say the same stand in for each other, "
    "and changes need not add up."
)


def explain(
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="A run, an adapter, a bundle, or a model of others, as for predict.")
    ],
    texts: Annotated[list[str] | None, typer.Argument(metavar="TEXT", help="Texts to explain.")] = None,
    pair: Annotated[
        list[str] | None,
        typer.Option("--pair", metavar="TEXT", help="Second text of each pair, in order; may be repeated."),
    ] = None,
    label: Annotated[
        str | None,
        typer.Option("--for", metavar="LABEL", help="The label that is explained; the predicted ones if not given."),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            "--by", metavar="TEXT", help="word or sentence; words if not given, of more than 200 words sentences."
        ),
    ] = None,
    top: Annotated[int, typer.Option("--top", metavar="N", min=1, help="Show the N strongest; --json has all.")] = _TOP,
    use: Use = None,
    base: Base = None,
    label_names: LabelNames = None,
    task: Task = None,
    device: Device = None,
    precision: Precision = None,
    trust_remote_code: Trust = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Explain predictions: by how much leaving out each word changes the answer."""
    from dataclasses import replace

    from liftune.errors import SpecError, pasted
    from liftune.inference.bases import use_base
    from liftune.inference.explaining import Asked
    from liftune.models.foreign.said import said_of
    from liftune.progress import Progress
    from liftune.workflows.predict import PredictOptions, predict

    if not texts:
        raise SpecError("give a text to explain", where="TEXT", hint=f'liftune explain {pasted(run)} "some text"')
    options = PredictOptions(
        run=run,
        texts=texts,
        pairs=pair or (),
        use=use,
        device=device,
        precision=precision,
        trust_remote_code=trust_remote_code,
        said=said_of(label_names, task),
        explain=Asked(label, by),
    )
    options.check()
    options = replace(options, said=use_base(base, run, use=use, said=options.said))
    predictions = predict(options, Progress(quiet=quiet))
    if as_json:
        print_predictions(predictions, as_json=True)
    else:
        print_explanations(predictions, top=top)


def print_explanations(predictions: Iterable[Prediction], *, top: int = _TOP) -> None:
    """Each prediction, its text with the strongest words coloured in a terminal, and a table of these."""
    from rich.console import Console
    from rich.padding import Padding

    console, unit = Console(highlight=False), ""
    for prediction in predictions:
        found = prediction.explanation
        if found is None:
            continue
        console.print(visible(prediction.summary()), style="bold", markup=False)
        for number, answer in enumerate(found.answers):
            if found.parts and (number == 0 or console.is_terminal):
                console.print(Padding(_coloured(prediction, found, answer), (0, 0, 0, 2)))
            if found.parts:
                console.print(Padding(_table(found, answer, top), (0, 0, 0, 2)))
        for note in _notes(found, top):
            console.print(Padding(visible(note), (0, 0, 0, 2)), style="dim", markup=False)
        console.print()
        unit = unit or found.unit
    if unit:
        console.print(_ALONE.format(unit=unit), style="dim", markup=False)


def _notes(found: Explanation, top: int) -> list[str]:
    notes = list(found.notes)
    if not found.parts:
        notes.insert(0, "There is no word to leave out.")
    elif len(found.parts) > top:
        notes.insert(0, f"The {top} strongest of {len(found.parts):,} {found.unit}s; --json has all.")
    return notes


def _coloured(prediction: Prediction, found: Explanation, answer: Answer) -> Text:
    """The text, its strongest parts green where they speak for the answer and red where against."""
    from rich.text import Text

    least = _TOLD * max((each.strength for each in answer.effects), default=0.0)
    row, shown = prediction.row, Text()
    for second, text in enumerate((row,) if isinstance(row, str) else row):
        shown.append(" | " if second else "")
        at = 0
        for part, effect in zip(found.parts, answer.effects, strict=True):
            if part.second != bool(second) or not effect.strength or effect.strength < least:
                continue
            style = "bold green" if effect.change > 0 or (effect.log_odds or 0.0) > 0 else "bold red"
            shown.append(visible(text[at : part.start])).append(visible(part.text), style=style)
            at = part.end
        shown.append(visible(text[at:]))
    return shown


def _table(found: Explanation, answer: Answer, top: int) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    name = "value" if answer.label is None else answer.label
    table.add_column(found.unit, overflow="fold")
    table.add_column(Text(visible(f"{name} {_number(answer, answer.before)}")), justify="right")
    table.add_column("without it", justify="right")
    if answer.label is not None:
        table.add_column("log odds", justify="right")
    table.add_column("becomes")
    for part, effect in found.strongest(answer, top):
        second = " (second text)" if part.second else ""
        cells: list[Text | str] = [
            Text(visible(clipped(" ".join(part.text.split()), _MOST_CHARACTERS)) + second),
            _signed(answer, effect.change),
            _number(answer, answer.before - effect.change),
        ]
        cells += [] if effect.log_odds is None else [f"{effect.log_odds:+.2f}"]
        table.add_row(*cells, Text(visible(effect.becomes or "")))
    return table


def _number(answer: Answer, value: float) -> str:
    return f"{value:.4g}" if answer.label is None else f"{value:.3f}"


def _signed(answer: Answer, value: float) -> str:
    return f"{value:+.4g}" if answer.label is None else f"{value:+.3f}"
