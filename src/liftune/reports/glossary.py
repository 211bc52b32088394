"""What the terms of a result mean, a line each: the one source of the report's explanations and of the glossary page.

In: nothing.  Out: TERMS; which of them a text mentions.
Not here: how a page shows them (render/terms.py), docs/guide/glossary.md itself (made from this by `make docs`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True)
class Term:
    """A word of the field, or one that liftune uses in its own way."""

    name: str
    meaning: str
    """One line, from a small letter on; `code` in backticks."""
    words: tuple[str, ...] = ()
    """How reports write it, ignoring case; empty for a term that no report needs to explain."""
    see: str = ""
    """A page of the guide that says more: `[title](file.md)`."""

    @property
    def id(self) -> str:
        """For links.

        >>> Term("Brier score", "").id
        'term-brier-score'
        """
        return "term-" + re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")


#: What is to be typed, as sentences quote it.
COMMAND = re.compile(r"`((?:liftune |--)[^`]*)`")

TERMS = (
    Term(
        "abstain",
        "to give no label, because the model is too unsure for the precision you asked for (`--min-precision`)",
        ("abstain", "abstains"),
    ),
    Term("acceleration", "a named way to make tuning faster that can be switched off", see="[Speed](speed.md)"),
    Term("accuracy", "the share of examples whose predicted label is the true one", ("accuracy",)),
    Term("adapter", "the trained weights of a PEFT method, saved apart from the base model; a few megabytes"),
    Term("audit", "the report on the data itself: leaks, duplicates, contradictions, unseen labels"),
    Term(
        "AUC",
        "area under the ROC curve: how often the right one of two scores higher; 0.5 is guessing, 1 is perfect",
        ("AUC",),
    ),
    Term("base", "the pretrained model before tuning; also its row in the table of scores"),
    Term("baseline", "a simple model to beat: `majority`, `tfidf`, `probe`"),
    Term(
        "bootstrap",
        "an interval found by drawing the test examples again and again, with replacement, and scoring each draw",
        ("bootstrap", "bootstraps", "BCa"),
    ),
    Term(
        "Brier score",
        "mean squared distance between predicted probabilities and the truth; lower is better",
        ("Brier score", "Brier scores", "brier"),
    ),
    Term("bundle", "an exported model that runs without torch (ONNX)"),
    Term(
        "calibration",
        "scaling the logits so that a predicted probability of 0.8 is right about 8 times in 10",
        ("calibration", "calibrated"),
    ),
    Term(
        "Clopper-Pearson interval",
        "an exact confidence interval of a share, such as 17 of 20: never too narrow, at times a little wide",
        ("Clopper-Pearson",),
    ),
    Term(
        "confidence interval",
        "the range in brackets; with 95% confidence it covers the true value for new examples of the same kind",
        ("confidence interval", "confidence intervals", "interval", "intervals"),
    ),
    Term("contender", "any model in the table of scores", ("contender", "contenders")),
    Term(
        "contrastive",
        "of few rows a label: an encoder that learned which rows have the same label, and a linear model on its states",
        ("contrastive",),
        see="[Tuning](tuning.md#few-rows-a-label)",
    ),
    Term(
        "coverage",
        "the share of examples that get a label when the model may abstain on the others",
        ("coverage",),
    ),
    Term(
        "distillation",
        "learning partly from the predictions of another model, here the better baseline (`--teacher-share`)",
        ("distillation", "soft labels"),
    ),
    Term(
        "ECE",
        "expected calibration error: the mean gap between confidence and the share that is right, in bins",
        ("ECE", "expected calibration error"),
    ),
    Term(
        "equivalent",
        "neither worse nor better by the margin or more (`--margin`), each tested at 0.05",
        ("equivalent",),
    ),
    Term("F1", "the harmonic mean of precision and recall; high only where both are", ("F1",)),
    Term(
        "Fisher's exact test",
        "a test of two shares, such as 8 of 20 against 60 of 80, that is right for small numbers too",
        ("Fisher's exact test",),
    ),
    Term(
        "flip",
        "a test example whose prediction changed between right and wrong: `fixed` or `broken` by tuning",
        ("flip", "flips"),
    ),
    Term(
        "fold, out of fold",
        "in cross-validation (`--folds K`, or by itself with few rows) the data is divided into K parts; each part is "
        "predicted by a model that was tuned without it",
        ("fold", "folds", "out of fold"),
    ),
    Term("full", "the model with all its parameters tuned (`--with-full`, or `--method full`)", ("full fine-tuning",)),
    Term("group", "rows that belong together, such as those of one author (`--group`)"),
    Term("head", "the last layers of a model, which turn features into scores of labels"),
    Term(
        "Holm's correction",
        "a stricter bound for each of several tests, so that the chance of any false finding among all of them stays "
        "at 5%",
        ("Holm", "Holm's correction", "Holm's method"),
    ),
    Term(
        "leak",
        "a test example whose text is also in train or validation, or whose group is in train",
        ("leak", "leaks", "near leaks"),
    ),
    Term("learning curve", "score against the number of train examples (`--curve`)", ("learning curve",)),
    Term("letters", "in a sweep's table: methods that share a letter are not told apart, methods that share none are"),
    Term(
        "log-loss",
        "minus the logarithm of the probability given to the true label, on average; lower is better",
        ("log-loss", "log_loss"),
    ),
    Term(
        "macro-F1",
        "the F1 of each label, averaged with the same weight for rare and for frequent labels",
        ("macro-F1", "macro_f1"),
    ),
    Term("majority", "the baseline that always predicts the most common label"),
    Term("margin", "the difference that you would accept, named before the test examples are scored (`--margin`)"),
    Term(
        "McNemar test",
        "a test for two models on the same examples; it looks only at those where one is right and the other wrong",
        ("McNemar", "McNemar test"),
    ),
    Term("merged", "the adapter folded into the base model's weights"),
    Term(
        "micro-F1",
        "the F1 of all decisions of all labels together, so that frequent labels count more",
        ("micro-F1", "micro_f1"),
    ),
    Term("near duplicate", "a row that differs from another by a word, a letter, casing or punctuation"),
    Term("packing", "computing several texts end to end without padding"),
    Term(
        "p-value",
        "how often a difference at least as large would be seen if there were none; it is not the probability that the "
        "models are equally good",
        ("p", "p-value", "p-values"),
    ),
    Term("parity", "how close the predictions of an export are to those of the run"),
    Term("Pareto front", "the models that no other model beats in both score and cost"),
    Term("partial", "made with a sample of the rows (`--train-rows`, `--test-rows`); the scores are those of its size"),
    Term(
        "Pearson correlation",
        "how closely predictions lie on a straight line with the true values; 1 is perfectly, 0 not at all",
        ("Pearson correlation", "pearson"),
    ),
    Term("points", "percentage points of accuracy: from 0.45 to 0.54 is 9 points", ("points of accuracy",)),
    Term(
        "power",
        "the share of test sets of this size on which the test finds a true gain of a given size",
        ("power", "detected 80% of the time"),
    ),
    Term("precision", "of the examples predicted as a label, the share that has it", ("precision",)),
    Term(
        "probe",
        "a linear model on the features of the frozen base model; as a method: tuning the head alone",
        ("probe",),
    ),
    Term(
        "randomisation test",
        "a test that swaps the predictions of two models at random, and counts how often the gain is as large as the "
        "one seen",
        ("randomisation test",),
    ),
    Term(
        "randomly initialised head",
        "a new head with random numbers, as the base model's own does not know your labels; its score is guessing. "
        "Called `fresh` in the table of scores and in JSON",
        ("randomly initialised head", "randomly initialised one", "random head"),
    ),
    Term("recall", "of the examples that have a label, the share predicted as it", ("recall",)),
    Term(
        "reliability",
        "whether predicted probabilities come true: of all predictions made with 0.8, about 8 in 10 should be right",
        ("reliability",),
    ),
    Term("residual", "a prediction minus the true value", ("residual", "residuals")),
    Term(
        "RMS calibration error",
        "root of the mean squared gap between confidence and the share that is right; 0 is perfectly calibrated",
        ("RMS calibration error",),
    ),
    Term(
        "RMSE",
        "root of the mean squared error, in the unit of the target; lower is better",
        ("RMSE", "root-mean-square error"),
    ),
    Term("run", "one call of `liftune tune`, and the folder it wrote"),
    Term("seed", "the number that decides row order, dropout and random initialisation", ("seed", "seeds")),
    Term("shift", "test examples that look different from train examples", ("shift",)),
    Term("slice", "the test examples with one value of a column, such as a language (`--slices`)", ("slice", "slices")),
    Term(
        "Spearman rank correlation",
        "how well predictions put the examples in the true order; 1 is the same order, 0 no relation",
        ("Spearman rank correlation", "spearman"),
    ),
    Term(
        "strongest baseline",
        "the model, other than `base` and `tuned`, with the best validation score; `full` counts if it was asked for",
        ("strongest other model",),
    ),
    Term("suspect", "a train example whose label is likely wrong", ("suspect", "suspects")),
    Term("sweep", "many tunings: models by methods by seeds"),
    Term("temperature", "the number that logits are divided by to calibrate them", ("temperature",)),
    Term("tfidf", "a linear model on counts of words and characters: how much the words alone give away", ("tf-idf",)),
    Term(
        "threshold",
        "the probability from which on a label is predicted (multi-label)",
        ("threshold", "thresholds"),
    ),
    Term("tuned", "the model with your adapter"),
    Term("validation", "the examples that choose epoch, settings and strongest baseline; test examples choose nothing"),
    Term("verdict", "`better`, `worse` or `undecided`: the result of the paired test"),
)


@cache
def named(name: str) -> Term | None:
    """The term of exactly that name, such as a contender's."""
    return next((each for each in TERMS if each.name == name), None)


def mentions(text: str) -> Iterator[tuple[int, Term]]:
    """Where in a text a term's mention ends, and the term; of words that overlap the longest, and none in a command.

    >>> [(text_end, term.name) for text_end, term in mentions("An exact McNemar test at 0.05")]
    [(21, 'McNemar test')]
    """
    by_word = _by_word()
    typed = [each.span() for each in COMMAND.finditer(text)]
    for found in _pattern().finditer(text):
        if not any(start <= found.start() < end for start, end in typed):
            yield found.end(), by_word[found[0].casefold()]


@cache
def _by_word() -> dict[str, Term]:
    return {word.casefold(): term for term in TERMS for word in term.words}


@cache
def _pattern() -> re.Pattern[str]:
    words = sorted(_by_word(), key=len, reverse=True)
    return re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, words))})(?![\w-]|\.\w)", re.IGNORECASE)
