"""Whether the hub can be reached, checked once and quickly.

In: the environment.  Out: a context in which `huggingface_hub` and `datasets` do not wait for an absent network.
Not here: what is fetched (hub.py, lengths.py).
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from urllib.parse import urlparse


@contextmanager
def offline_if_unreachable() -> Iterator[None]:
    """If the hub is unreachable, look in the cache at once: `huggingface_hub` would first retry for half a minute."""
    import huggingface_hub.constants as constants

    with ExitStack() as settings:
        if not constants.HF_HUB_OFFLINE and not _reachable(constants.ENDPOINT):
            settings.enter_context(_offline(constants))
            if "datasets.config" in sys.modules:  # it keeps a copy
                settings.enter_context(_offline(sys.modules["datasets.config"]))
        yield


@contextmanager
def _offline(settings: Any) -> Iterator[None]:
    before = settings.HF_HUB_OFFLINE
    settings.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        settings.HF_HUB_OFFLINE = before


def _reachable(endpoint: str) -> bool:
    names = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
    if any(os.environ.get(name) for name in names):
        return True  # the proxy resolves names, not this machine
    try:
        socket.getaddrinfo(urlparse(endpoint).hostname, None)
    except OSError:
        return False
    return True
