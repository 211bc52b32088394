"""Explanations are exact: they say what the model predicts without each word, for every kind of task."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest

from liftune.errors import SpecError
from liftune.inference.explaining import MOST_PARTS, Asked, Explaining, explained, log_odds
from liftune.inference.leave_out import without
from liftune.inference.predictor import Predictor
from liftune.records.base import Interval
from liftune.records.calibration import Cutoff
from liftune.tasks import TaskKind

SINGLE, MULTI, NUMBER = TaskKind.SINGLE_LABEL, TaskKind.MULTI_LABEL, TaskKind.REGRESSION
WEIGHTS = {"good": (3.0, -1.0, 0.0), "bad": (-2.5, 2.0, 0.0), "not": (0.5, -0.5, 0.25), "very": (0.1, 0.1, 0.0)}


class Words(Predictor):
    """A model that adds up weights of words; it notes how many rows it is asked at once."""

    def __init__(self, task=SINGLE, *, labels=("pos", "neg", "other"), pairs=False, thresholds=None, most=None):
        labels = labels if task is not NUMBER else ()
        accuracy = Interval(value=0.95, low=0.9, high=1.0)
        cutoffs = (Cutoff(above=0.9, rows=9, share=0.9, accuracy=accuracy),)
        card = SimpleNamespace(
            task=task, labels=labels, pairs=pairs, columns=None, thresholds=thresholds, cutoffs=cutoffs
        )
        super().__init__(card)
        self.asked: list[int] = []
        self._most = most

    def _logits(self, rows):
        self.asked.append(len(rows))
        outputs = len(self.labels) or 1
        found = np.zeros((len(rows), outputs), dtype=np.float32)
        for i, row in enumerate(rows):
            words = (row if isinstance(row, str) else " ".join(row)).split()[: self._most]
            for word in words:
                found[i] += np.array(WEIGHTS.get(word, (0.0, 0.0, 0.0))[:outputs], dtype=np.float32)
        return found

    def note_passes(self, note):
        pass

    def as_read(self, row):
        return tuple((row if isinstance(row, str) else " ".join(row)).split()[: self._most])


def one(model, row, **asked):
    (found,) = explained(model, [row], Asked(**asked))
    return found


def test_each_effect_is_the_difference_to_the_text_without_the_word():
    model, text = Words(), "not very good , good"
    found = one(model, text).explanation
    (answer,) = found.answers
    assert answer.label == "pos"
    for part, effect in zip(found.parts, answer.effects, strict=True):
        (other,) = model.predict([without(text, [part])])
        assert effect.change == pytest.approx(answer.before - other.probabilities["pos"], abs=1e-12)
    assert [part.text for part, _ in found.strongest(answer, 2)] == ["good", "good"]
    assert found.strongest(most=2) == found.strongest(answer, 2)
    assert answer.effects[3].change == 0.0


def test_log_odds_tell_words_apart_where_probabilities_do_not():
    text = " ".join(["good"] * 30 + ["not"])
    (answer,) = one(Words(), text).explanation.answers
    assert answer.before == 1.0
    assert answer.effects[0].change == pytest.approx(0.0, abs=1e-12)
    assert answer.effects[0].log_odds > answer.effects[-1].log_odds > 0.2
    logits = np.array([[100.0, 0.0, 0.0]])
    assert log_odds(logits, SINGLE)[0, 0] == pytest.approx(100.0 - math.log(2.0))
    assert log_odds(logits, MULTI).tolist() == logits.tolist()


def test_it_says_what_is_predicted_without_the_word_where_that_is_another_label():
    (answer,) = one(Words(), "good bad").explanation.answers
    assert [effect.becomes for effect in answer.effects] == [None, "pos"]


def test_several_labels_are_explained_one_by_one_or_the_one_that_is_asked_for():
    model = Words(MULTI)
    found = one(model, "good bad not")
    assert found.labels == ("pos", "neg", "other")
    assert [each.label for each in found.explanation.answers] == ["pos", "neg", "other"]
    assert found.explanation.answers[0].effects[0].log_odds == pytest.approx(3.0)
    assert found.explanation.answers[0].effects[0].becomes == "neg, other"
    assert [each.label for each in one(model, "good bad", label="other").explanation.answers] == ["other"]
    none = one(Words(MULTI, thresholds=(0.99, 0.99, 0.99)), "very").explanation
    assert [each.label for each in none.answers] == ["pos"]
    assert "no label is predicted: the likeliest, pos" in none.notes[0]


def test_a_number_changes_in_its_own_unit():
    (answer,) = one(Words(NUMBER), "good bad").explanation.answers
    assert (answer.label, answer.before) == (None, 0.5)
    assert [(effect.change, effect.log_odds) for effect in answer.effects] == [(3.0, None), (-2.5, None)]


def test_of_a_pair_the_words_of_both_texts_are_left_out():
    found = one(Words(pairs=True), ("good", "very bad")).explanation
    assert [(part.text, part.second) for part in found.parts] == [("good", False), ("very", True), ("bad", True)]
    assert found.to_json()["answers"][0]["parts"][1]["of"] == "text_pair"


@pytest.mark.parametrize(("text", "parts"), [("", 0), ("  ", 0), ("good", 1)])
def test_texts_of_one_word_or_none(text, parts):
    found = one(Words(), text).explanation
    assert len(found.parts) == len(found.answers[0].effects) == parts


def test_a_long_text_is_explained_by_sentence_and_one_sentence_by_passage():
    sentences = one(Words(), "good one. " * 150 + "bad. " * 3).explanation
    assert (sentences.unit, len(sentences.parts)) == ("sentence", 153)
    assert "by sentence; --by word" in sentences.notes[0]
    passages = one(Words(), "good " * 500).explanation
    assert (passages.unit, len(passages.parts)) == ("passage", 167)
    assert one(Words(), "good " * 500, by="word").explanation.unit == "word"
    assert one(Words(), "good one. Bad two.", by="sentence").explanation.notes == ()
    assert one(Words(), "good " * MOST_PARTS).explanation.unit == "word"


def test_words_that_the_model_does_not_read_are_told():
    found = one(Words(most=3), "good bad not very very very very").explanation
    assert "the last 4 words are not read" in found.notes[-1]
    assert one(Words(most=3), "good bad not very very").explanation.notes == (), "two are few"
    assert one(Words(), "x y z v").explanation.notes == (), "a model to which no word matters reads them all the same"


def test_words_that_change_nothing_are_unread_only_where_the_model_says_so():
    """Words that a model does not know change nothing either, and it reads them."""
    assert one(Words(), "good bad zzqx qqzz xxyy kkww").explanation.notes == ()
    of_words = Words(most=3)
    of_words.as_read = lambda row: None
    assert one(of_words, "good bad not very very very very").explanation.notes == ()


def test_rows_are_batched_and_never_all_at_once():
    model = Words()
    list(explained(model, ["good " * 60] * 40))
    assert max(model.asked) < 1_024 + 61
    assert [each for each in model.asked if each > 40] == [1_037, 1_037, 366]


@pytest.mark.parametrize(
    ("model", "asked", "says"),
    [
        (Words(), Asked("pso"), "unknown label 'pso', did you mean pos"),
        (Words(NUMBER), Asked("pos"), "predicts a number"),
        (Words(), Asked(by="letter"), "unknown part 'letter'"),
    ],
)
def test_what_cannot_be_explained_is_refused(model, asked, says):
    with pytest.raises(SpecError, match=says):
        list(explained(model, ["good"], asked))


def test_a_model_that_explains_itself_predicts_as_before():
    model = Words()
    rows = ["good", "bad bad", ""]
    plain, told = model.predict(rows), Explaining(model).predict(rows)
    assert [each.probabilities for each in plain] == [each.probabilities for each in told]
    assert all(each.explanation for each in told)
    unsure = Explaining(model).predict(["very"], min_precision=0.9)[0]
    assert unsure.abstained
    assert unsure.explanation is not None


def test_the_object_has_parts_in_the_order_of_the_text():
    found = one(Words(), "not good").to_json()["explanation"]
    assert found["unit"] == "word"
    (answer,) = found["answers"]
    assert answer["label"] == "pos"
    part = answer["parts"][1]
    assert (part["text"], part["start"], part["end"]) == ("good", 4, 8)
    assert list(part) == ["text", "start", "end", "change", "log_odds"]
