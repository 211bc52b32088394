"""What is told of the processor: two of one name that compute differently have different names here."""

from __future__ import annotations

import pytest

from liftune.hardware import processor
from liftune.hardware.processor import processor_name


@pytest.mark.parametrize(
    ("flags", "name"),
    [
        ("fpu sse2 avx avx2", "A CPU (AVX2)"),
        ("fpu avx2 avx512f avx512_bf16", "A CPU (AVX512-BF16)"),
        ("fpu avx2 avx512f avx512_bf16 amx_bf16 amx_tile", "A CPU (AMX-BF16)"),
        ("fpu sse2", "A CPU"),
    ],
)
def test_a_name_tells_the_fastest_arithmetic(flags: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processor, "_cpu_info", {"flags": flags, "model name": "A CPU"}.get)
    assert processor_name() == name


def test_where_the_system_says_nothing_the_architecture_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processor, "_cpu_info", lambda _: "")
    monkeypatch.setattr(processor.platform, "processor", lambda: "")
    monkeypatch.setattr(processor.platform, "machine", lambda: "arm64")
    assert processor_name() == "arm64"
