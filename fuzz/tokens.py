"""The dictionary: pieces that break readers, as bytes of text and as JSON values.

Not here: where they are put (mutations.py).
"""

from __future__ import annotations

from typing import Any

DEEP = 60_000
_HUGE = "1" * 401

#: Pieces of text: what stands between separators, or is put anywhere.
TOKENS: tuple[bytes, ...] = (
    b"", b"\0", b"\n", b"\r", b"\r\n", b"\t", b'"', b"'", b",", b";", b"|", b"\\", b"/", b"..", b"#", b"=", b"+", b"-", b"@",
    b"[", b"]", b"{", b"}", b"[]", b"{}", b"()", b"(" * 300, b"[" * 2_000, b"[" * DEEP, b'{"a":' * 2_000, b"[[[['a',]]",
    b"null", b"true", b"false", b"NaN", b"nan", b"Infinity", b"-inf", b"None", b"N/A", b"0", b"-1", b"-0.0", b"007", b"1.10",
    b"1e308", b"-1e308", b"1e309", b"1e-400", b"1.2.3", b"0x10", b"1_000", b"1,5", b"1,000", b"9" * 19, b"9" * 20,
    _HUGE.encode(), b"1" * 5_000, b"0." + b"1" * 5_000, b"1" + b"0" * 308, "٣".encode(), "½".encode(), "²".encode(),
    b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf", b"\xff\xfe\0\0", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\x80", b"\x1a", b"\x1b[31m",
    b"\x1b]0;x\x07", "\u202e".encode(), "\u2028".encode(), "\u0085".encode(), "\u200d".encode(), "\ufeff".encode(),
    "e\u0301".encode(), "\U0001f1e9\U0001f1ea".encode(), b"\\ud800", b"\\u0000", b"a" * 70_000, b"a b " * 20_000, b"<html>",
    b"version https://git-lfs.github.com/spec/v1", b"PK\x03\x04", b"\x1f\x8b", b"PAR1", b"ARROW1", b"sep=;", b"text", b"label",
    b"split", b"train", b"test", b"id", b"text,text", b"__proto__", b"%s%n", b"${HOME}", b"__import__('os')", b"1;2;3", b"a|b|c",
    b"['a', 'b']", b'["a"', b"[0 1 0]", b"['a' 'b']", b"array([1])", b"set()", b"{'a': 1}", b"np.float64(" * 50,
)  # fmt: skip

#: Values to put into JSON in place of others.
VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 3, 7, 0.5, -0.5, 1e308, -1e308, float("nan"), float("inf"), 2**31, 2**63, 2**64, 10**30, 10**307,
    10**400, "", "a", "[", "0", "nan", "\0", "\ud800", "\x1b[31m", "../../etc/passwd", "/dev/null", "a" * 70_000, "a" * 300, [], {}, [[]],
    [None], [0], [1, 2, 3], ["a"], ["a", "a"], {"a": 1}, {"[": 3}, {"": ""}, [[[[[]]]]], "tuned", "base", "single_label", "regression",
    "multi_label", "lora", "float64", "auto", "none", ".", "(", "*", "\u202e",
)  # fmt: skip


def deep(depth: int) -> Any:
    """Lists in lists."""
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value
