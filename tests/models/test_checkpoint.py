"""Whether the hub can be asked."""

from __future__ import annotations

import pytest
from huggingface_hub import constants

from liftune.models.checkpoint import hub_is_reachable


def test_the_hub_is_asked_again_once_the_switch_to_offline_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert not hub_is_reachable()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    assert hub_is_reachable()


def test_a_name_that_does_not_resolve_is_no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object) -> object:
        raise OSError("no such name")

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "https://nowhere.invalid")
    monkeypatch.setattr("urllib.request.getproxies", dict)
    monkeypatch.setattr("socket.getaddrinfo", unknown)
    assert not hub_is_reachable()
