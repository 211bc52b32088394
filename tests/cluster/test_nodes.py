"""What a cluster's nodes are asked, and what is said of one that does not answer."""

from types import SimpleNamespace
from typing import Any

import pytest

from liftune.cluster import Cluster
from liftune.errors import SpecError


class _Silent:
    """A Ray of one node, whose work does not end, or ends in an error."""

    def __init__(self, error: Exception) -> None:
        self.error, self.limits = error, list[float]()
        self.util = SimpleNamespace(scheduling_strategies=SimpleNamespace(NodeAffinitySchedulingStrategy=dict))

    def nodes(self) -> list[dict[str, Any]]:
        return [{"NodeID": "71a4c37e00", "NodeManagerAddress": "10.0.0.7", "Alive": True}]

    def remote(self, work: Any) -> Any:
        return SimpleNamespace(options=lambda **given: SimpleNamespace(remote=lambda *given: None))

    def get(self, ref: Any, timeout: float) -> Any:
        self.limits.append(timeout)
        raise self.error


def test_a_ray_that_liftune_started_has_minutes_and_a_hint_that_can_be_followed() -> None:
    ray = _Silent(TimeoutError("Get timed out: some object(s) not ready."))
    with pytest.raises(SpecError, match=r"liftune started on this machine .* no answer within 300 s") as caught:
        Cluster(ray, "auto", started=True).on_each(print)
    assert ray.limits == [300.0]
    assert "leave --cluster out" in (caught.value.hint or "")
    assert "ray stop" not in str(caught.value.hint)


def test_a_node_of_another_cluster_is_named() -> None:
    ray = _Silent(TimeoutError("Get timed out: some object(s) not ready."))
    with pytest.raises(SpecError, match=r"10\.0\.0\.7 \(node 71a4c37e\).*no answer within 60 s") as caught:
        Cluster(ray, "10.0.0.7:6379", started=False).on_each(print)
    assert "ray stop" in (caught.value.hint or "")
    with pytest.raises(SpecError, match="does not do what it is asked: no room"):
        Cluster(_Silent(ValueError("no room")), "10.0.0.7:6379", started=False).on_each(print)
