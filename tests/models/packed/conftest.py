"""Checkpoints and one thread for the tests of the packed encoder."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_models import save_tiny


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Folder of a family's tiny checkpoint without dropout."""

    def no_dropout(config: Any) -> None:
        for name in list(vars(config)):
            if "dropout" in name and isinstance(getattr(config, name), float):
                setattr(config, name, 0.0)

    return functools.cache(lambda family: save_tiny(family, tmp_path_factory.mktemp(family), change=no_dropout))


@pytest.fixture(scope="module")
def lively(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of BERT's tiny checkpoint, dropout as it is."""
    return save_tiny("bert", tmp_path_factory.mktemp("lively"))
