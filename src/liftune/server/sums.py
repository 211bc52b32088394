"""Metrics of several processes as those of one server.

In: what each process has counted.  Out: the sums, and their text for a scraper.
Not here: what is counted (metrics.py), how it comes from another process (workers.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

#: A sample's name, and its labels in order.
Key = tuple[str, tuple[tuple[str, str], ...]]
#: Gauges that are the same in every process.
_SAME = frozenset({"liftune_models"})


@dataclass
class Family:
    """One metric: its samples by name and labels."""

    text: str
    kind: str
    samples: dict[Key, float] = field(default_factory=dict)


Snapshot = dict[str, Family]
"""Name of a metric -> what a process has counted."""


def snapshot_of(registry: CollectorRegistry) -> Snapshot:
    """What a registry holds, as it can be sent to another process."""
    return {
        metric.name: Family(
            metric.documentation,
            metric.type,
            {(each.name, tuple(sorted(each.labels.items()))): each.value for each in metric.samples},
        )
        for metric in registry.collect()
    }


def summed(snapshots: Iterable[Snapshot]) -> Snapshot:
    """Counters, histograms and most gauges added up; of when a counter began, the earliest."""
    total: Snapshot = {}
    for snapshot in snapshots:
        for name, family in snapshot.items():
            samples = total.setdefault(name, Family(family.text, family.kind)).samples
            for key, value in family.samples.items():
                samples[key] = _joined(name, key[0], samples[key], value) if key in samples else value
    return total


def _joined(metric: str, sample: str, one: float, other: float) -> float:
    if sample.endswith("_created"):
        return min(one, other)
    return max(one, other) if metric in _SAME else one + other


def of_the_dead(snapshot: Snapshot) -> Snapshot:
    """What stays of a process that has ended: everything but its gauges."""
    return {name: family for name, family in snapshot.items() if family.kind != "gauge"}


def without(snapshot: Snapshot, labels: Mapping[str, str]) -> Snapshot:
    """A snapshot without the samples of these labels, so that old names do not pile up."""
    gone = set(labels.items())
    return {
        name: Family(
            family.text, family.kind, {key: value for key, value in family.samples.items() if not gone & set(key[1])}
        )
        for name, family in snapshot.items()
    }


class _Fixed(Collector):
    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterator[Metric]:
        for name, family in self._snapshot.items():
            metric = Metric(name, family.text, family.kind)
            for (sample, labels), value in family.samples.items():
                metric.add_sample(sample, dict(labels), value)
            yield metric


def page_of(snapshot: Snapshot) -> bytes:
    """In Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(_Fixed(snapshot))
    return generate_latest(registry)
