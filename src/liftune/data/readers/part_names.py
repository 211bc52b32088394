"""What the name of a part says: train, validation or test.

In: names of files, folders, sheets, hub splits, cells.  Out: roles.  Not here: what the user says (split_roles.py).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable

#: Role -> the words in a part's name that give it that role, the usual one first; of other languages without accents.
ROLES: dict[str, tuple[str, ...]] = {
    "train": (
        "train", "training", "trn", "entrainement", "apprentissage", "entrenamiento", "treino", "treinamento",
        "addestramento", "обучение", "обучающая", "тренировочная", "训练", "訓練", "学習", "학습", "훈련",
    ),
    "validation": (
        "validation", "valid", "val", "dev", "development", "devel", "validate", "vali", "validierung", "validacion",
        "validacao", "validazione", "validatie", "валидация", "валидационная", "验证", "驗證", "検証", "검증",
    ),
    "test": (
        "test", "testing", "tests", "tst", "holdout", "heldout", "essai", "prueba", "pruebas", "teste", "тест",
        "тестовая", "测试", "測試", "テスト", "테스트",
    ),
}  # fmt: skip
#: Validation; but test where another part is validation and none is test.
EITHER = ("eval", "evaluation", "evaluate")

#: The column that names each row's sheet, where several are read together.
SHEET = "sheet"

#: What names add to a word: testset, traindata, dev_split, Testdaten.
_ENDINGS = ("set", "sets", "data", "split", "file", "rows", "s", "daten", "sdaten", "satz", "ssatz", "集", "データ")


def _plain(word: str) -> str:
    """A word without accents, which names have or lack."""
    return "".join(each for each in unicodedata.normalize("NFKD", word) if not unicodedata.combining(each))


_WORD_ROLES = {_plain(word): role for role, words in ROLES.items() for word in words}
_WORD_ROLES |= dict.fromkeys(EITHER, EITHER[0])
_PLAIN_ENDINGS = tuple(map(_plain, _ENDINGS))


def words(name: str) -> list[str]:
    """A name's words, in lower case, without numbers.

    >>> words("emotion_TrainSet2-v1"), words("held-out")
    (['emotion', 'train', 'set', 'v'], ['heldout'])
    """
    name = re.sub(r"(?i)\b(held|hold)[ _-]?out", r"\1out", name.strip().replace("_", " "))
    name = re.sub(r"(?<=[^\W\d_])(?<=[a-z])(?=[A-Z])", " ", name)
    return re.findall(r"[^\W\d_]+", name.casefold())


def role_of(name: str) -> str | None:
    """The role that a name says, `eval` for one that may be validation or test, None for another name.

    >>> [role_of(name) for name in ("Dev", "hold-out", "test_matched", "eval", "trainset", "latest", "train-test")]
    ['validation', 'test', 'test', 'eval', 'train', None, None]
    >>> [role_of(name) for name in ("Trainingsdaten", "Validación", "测试集")]
    ['train', 'validation', 'test']
    """
    roles = {role for word in words(name) if (role := _word_role(word))}
    return roles.pop() if len(roles) == 1 else None


def _word_role(word: str) -> str | None:
    word = _plain(word)
    stems = (word.removesuffix(ending) for ending in _PLAIN_ENDINGS if word.endswith(ending))
    return next((_WORD_ROLES[each] for each in (word, *stems) if each in _WORD_ROLES), None)


def either_is(roles: Collection[str | None]) -> str:
    """What `eval` means among parts of these roles."""
    return "test" if "validation" in roles and "test" not in roles else "validation"


def roles_of(names: Iterable[str]) -> dict[str, str | None]:
    """Each name's role among the others.

    >>> roles_of(["train", "eval", "extra"])
    {'train': 'train', 'eval': 'validation', 'extra': None}
    """
    found = {name: role_of(name) for name in names}
    either = either_is(found.values())
    return {name: either if role == EITHER[0] else role for name, role in found.items()}
