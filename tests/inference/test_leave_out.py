"""What a word is, and the text without it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liftune.inference.leave_out import passages_of, sentences_of, without, words_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Late again, sorry!", ["Late", "again,", "sorry!"]),
        ("  a\tb\n\nc ", ["a", "b", "c"]),
        ("don't e-mail :-)", ["don't", "e-mail", ":-)"]),
        ("我爱 python 的", ["我", "爱", "python", "的"]),
        ("カタカナ", ["カ", "タ", "カ", "ナ"]),
        ("", []),
        (" \n ", []),
    ],
)
def test_words(text, words):
    assert [part.text for part in words_of(text)] == words


def test_the_words_of_both_texts_of_a_pair():
    parts = words_of(("a b", "b"))
    assert [(part.text, part.start, part.second) for part in parts] == [
        ("a", 0, False),
        ("b", 2, False),
        ("b", 0, True),
    ]
    assert without(("a b", "b"), parts[1:2]) == ("a", "b")
    assert without(("a b", "b"), parts[2:]) == ("a b", "")
    assert without(("a b", "b"), parts[1:]) == ("a", "")


@pytest.mark.parametrize(
    ("text", "place", "left"),
    [
        ("a b c", 0, "b c"),
        ("a b c", 1, "a c"),
        ("a b c", 2, "a b"),
        ("  a  b\n c", 0, "b\n c"),
        ("  a  b\n c", 1, "  a\n c"),
        ("one", 0, ""),
        (" one ", 0, ""),
        ("我爱你", 1, "我你"),
        ("use python ok", 1, "use ok"),
        ("twice twice", 1, "twice"),
    ],
)
def test_the_word_and_the_space_before_it_go(text, place, left):
    assert without(text, [words_of(text)[place]]) == left


@given(st.text(alphabet="ab \n.我", max_size=40))
def test_what_is_left_has_the_other_words_and_no_more(text):
    words = words_of(text)
    assert [text[part.start : part.end] for part in words] == [part.text for part in words]
    for place, word in enumerate(words):
        others = [part.text for i, part in enumerate(words) if i != place]
        left = without(text, [word])
        # Two ideographs' neighbours may touch, and then be one word; no letter is lost or added.
        assert "".join(left.split()) == "".join(others)
    assert without(text, words).strip() == ""
    assert without(text, []) == text


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("It came. Late, though! Why?", ["It came.", "Late, though!", "Why?"]),
        ("version 2.0 is out", ["version 2.0 is out"]),
        ('He said "no." Then left.', ['He said "no."', "Then left."]),
        ("subject: Late\nbody: It came.", ["subject: Late", "body: It came."]),
        ("来了。晚了\uff01", ["来了。", "晚了\uff01"]),
        ("...", ["..."]),
        ("", []),
    ],
)
def test_sentences(text, sentences):
    assert [part.text for part in sentences_of(text)] == sentences


def test_passages_are_of_as_many_words_each_and_of_one_text():
    parts = passages_of(("a b c d e", "f g h"), 4)
    assert [part.text for part in parts] == ["a b", "c d", "e", "f g", "h"]
