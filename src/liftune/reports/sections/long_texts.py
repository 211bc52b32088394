"""How long texts are read, and where that was chosen, what each way scored, what the choice cost and brought.

In: a LongChoice, or a rule.  Out: sentences for the notes of a run; a few words for cards and pages.
Not here: choosing (workflows/long_texts.py).
"""

from __future__ import annotations

from liftune.formatting import duration, gain, number, p_value
from liftune.records.long_texts import LongChoice, LongContrast
from liftune.types import LongRule


def long_sentences(choice: LongChoice) -> tuple[str, ...]:
    """What was chosen, by which scores and tests, and what it costs."""
    many = f"{choice.longer:,} train examples ({choice.share:.0%})"
    longer = f"Long texts: {many} have more than {choice.max_length:,} tokens."
    untried = [each.rule for each in choice.tried if each.score is None]
    dear = "would have read more than 30% of the tokens that a run that cuts reads at least"
    if len(untried) == len(choice.tried):
        others = " and ".join(each for each in untried if each != "cut")
        asks = " or ".join(f"--long {each}" for each in untried if each != "cut")
        return (f"{longer} They are cut. Whether {others} are better was not tried: that {dear}. {asks} asks for one.",)
    skipped = tuple(f"{each} was not tried: that {dear}. --long {each} asks for it." for each in untried)
    scores = ", ".join(f"{each.rule} {number(each.score, 3)}" for each in choice.tried if each.score is not None)
    where = f"{choice.rows:,} {choice.judged_on} examples"
    every = round(choice.longer / choice.share) if choice.share else 0
    if choice.judged_on == "train" and choice.rows < every:
        where = f"{choice.rows:,} of {every:,} train examples, drawn so that the choice costs little, and"
    where += " that each fit left out" if choice.judged_on == "train" else ""
    by_score = {each.rule: each for each in choice.tried}
    tokens, cut = by_score[choice.rule].tokens, by_score["cut"].tokens
    return (
        f"{longer} Chosen: {choice.rule}, by a linear model on the untuned model's features. {choice.metric} on "
        f"{where}: {scores}.",
        f"{'; '.join(_contrast(each, choice.metric) for each in choice.contrasts)} (paired tests, Holm over "
        f"{len(choice.contrasts)}).",
        f"{choice.rule} reads {tokens:,} tokens of train an epoch, {tokens / cut:.1f} times those of cut. The choice "
        f"took {duration(choice.seconds)}, and read {choice.cost_share:.0%} of the tokens that a run that cuts reads "
        "at least. --long cut, head-tail or windows leaves it out.",
        *skipped,
    )


def reading(max_length: int | str, long: LongRule, of_each: str = "per text") -> str:
    """What is read of each text, in a few words.

    >>> reading(512, "cut"), reading(512, "windows")
    ('at most 512 tokens per text', 'texts of more than 512 tokens in windows')
    """
    if long == "cut":
        return f"at most {max_length} tokens {of_each}"
    how = "in windows" if long == "windows" else "by their first and last part"
    return f"texts of more than {max_length} tokens {how}"


def _contrast(each: LongContrast, metric: str) -> str:
    return f"{each.b} against {each.a}: {gain(metric, each.gain, each.low, each.high)}, {p_value(each.p_value)}"
