"""`liftune doctor`: this machine's measured speed and the training plan, for a model and data where given.

In: a RunSpec.  Out: a Checkup, and its sections.
Not here: measuring (hardware/measure.py), deciding (hardware/plan.py), training.
"""

from __future__ import annotations

import math
from typing import ClassVar

from liftune.data.load import RowsInMemory
from liftune.errors import EXTRAS, need
from liftune.hardware.flops import SMALL_ENCODER, Shapes
from liftune.hardware.measure import MachineFacts, gemm_rate, measure_machine
from liftune.hardware.plan import Plan, make_plan
from liftune.models.attach import attach
from liftune.models.backbone import load_backbone
from liftune.models.linear_shapes import shapes_of
from liftune.models.tokens.collator import Tokens
from liftune.records.base import Choice, Record, StoredRecord
from liftune.reports.base import ReportTable, Section
from liftune.reports.sections.training import plan_table
from liftune.spec import RunSpec
from liftune.spec_text import Asked
from liftune.tasks import TaskKind
from liftune.training.schedule import step_rows
from liftune.types import Row
from liftune.workflows.request import read_rows


class ModelCheck(Record):
    """How a model fits this machine."""

    name: str
    family: str
    linear_weights: int
    """In the linear layers of its blocks."""
    unfit: dict[str, str]
    """Acceleration -> why it does not fit the model; the plan is without it."""
    note: str | None = None
    """Why its arithmetic cannot be counted."""


class EpochCheck(Record):
    """One pass of adapter tuning over train."""

    rows: int
    tokens: int
    """Without padding, cut at the model's length."""
    steps: int
    least_seconds: float | None
    """Its arithmetic at the measured rate of plain products; null where it cannot be counted."""


class Checkup(StoredRecord):
    """A machine, and the plan for it."""

    sections_from: ClassVar[str] = "liftune.workflows.doctor:checkup_sections"
    words_from: ClassVar[str] = "liftune.workflows.doctor:briefly"

    devices: tuple[str, ...]
    processor: str
    threads: int
    bfloat16_speedup: float
    """float32 over bfloat16 time of one matrix product, on one CPU thread."""
    eager_speedup: dict[str, float]
    """dtype -> fused over plain attention time, forward and backward, on one CPU thread."""
    gemm_rates: dict[str, float]
    """dtype -> operations a second of plain matrix products, on all threads of the planned device."""
    gemm_of: str
    """Whose shapes those products have."""
    device: str
    plan: tuple[Choice, ...]
    model: ModelCheck | None = None
    epoch: EpochCheck | None = None


def briefly(checkup: Checkup) -> str:
    """What the machine is and what the plan is for, in a few words."""
    plan = ", ".join(f"{each.choice} {each.value}" for each in checkup.plan)
    model = f"; {checkup.model.name}" if checkup.model else ""
    return f"{checkup.processor}, {checkup.threads} threads; on {checkup.device}: {plan}{model}"


def run_doctor(spec: RunSpec, rows: RowsInMemory | None = None, *, remeasure: bool = False) -> Checkup:
    """Measure the machine; look at the model and the data, where the spec names them itself.

    Args:
        spec: for data without a model, the default model is taken.
        rows: the data, where they are in memory.
        remeasure: ignore earlier measurements.

    Raises:
        LiftuneError: what `tune` would refuse of device, accelerations, model and data.
    """
    need(*EXTRAS["tune"])
    facts = measure_machine(remeasure=remeasure)
    plan = make_plan(facts, device=spec.model.device, accelerations=spec.train.accelerations)
    with_data = "source" in spec.data.model_fields_set
    if not with_data and "name" not in spec.model.model_fields_set:
        return _checkup(facts, plan, SMALL_ENCODER, "a small encoder", remeasure)
    texts: tuple[Row, ...] = ()
    # Without data, the task with the smallest head.
    task: TaskKind = TaskKind.SINGLE_LABEL
    labels: tuple[str, ...] = ("0", "1")
    if with_data:
        splits = read_rows(spec.data, rows, Asked("doctor"))
        task, labels, texts = splits.task, splits.labels, tuple(splits.train.rows)
    backbone = load_backbone(spec.model, task=task, labels=labels, seed=0, plan=plan)
    shapes = shapes_of(backbone)
    base = attach(backbone, None, plan=plan)
    fitted = base.plan
    lost = plan.accelerations - fitted.accelerations
    unfit = {choice.choice: choice.reason for choice in fitted.choices if choice.choice in lost}
    checkup = _checkup(facts, fitted, shapes, spec.model.name, remeasure)
    model = ModelCheck(
        name=spec.model.name,
        family=backbone.family,
        linear_weights=shapes.weights,
        unfit=unfit,
        note=shapes.unsupported_reason or None,
    )
    rate = checkup.gemm_rates.get(plan.dtype)
    batch_size = step_rows(spec.train, len(texts))
    epoch = _epoch(base.encode(texts), shapes, rate, batch_size) if with_data else None
    return checkup.model_copy(update={"model": model, "epoch": epoch})


def _checkup(facts: MachineFacts, plan: Plan, shapes: Shapes, gemm_of: str, remeasure: bool) -> Checkup:
    """What was measured, and the plan."""
    dtypes = ("float32", "bfloat16") if plan.device == "cpu" else dict.fromkeys(("float32", plan.dtype))
    rates = {
        dtype: gemm_rate(shapes.linears, dtype, device=plan.device, remeasure=remeasure)
        for dtype in dtypes
        if shapes.linears
    }
    return Checkup(
        devices=facts.devices,
        processor=facts.processor,
        threads=facts.threads,
        bfloat16_speedup=facts.bfloat16_speedup,
        eager_speedup=facts.eager_speedup,
        gemm_rates=rates,
        gemm_of=gemm_of,
        device=plan.device,
        plan=plan.choices,
    )


def _epoch(tokens: Tokens, shapes: Shapes, rate: float | None, batch_size: int) -> EpochCheck:
    """Tokens, steps, and the least time of one pass over the rows."""
    least = None
    if rate and not shapes.unsupported_reason:
        least = shapes.flops(tokens.total, tokens.token_pairs) / rate
    steps = math.ceil(len(tokens) / batch_size)
    return EpochCheck(rows=len(tokens), tokens=tokens.total, steps=steps, least_seconds=least)


def checkup_sections(checkup: Checkup) -> list[Section]:
    """The machine, the plan, the model, an epoch: each line with its reason."""
    sections = [_machine(checkup), Section("Plan", (), (plan_table(checkup.plan),))]
    if checkup.model:
        sections.append(_model(checkup.model))
    if checkup.epoch:
        sections.append(_epoch_section(checkup))
    return sections


def _machine(checkup: Checkup) -> Section:
    rows = [
        ("devices", ", ".join(checkup.devices), "usable by torch, best first"),
        ("CPU", checkup.processor, "as the system names it, with its fastest arithmetic"),
        ("threads", str(checkup.threads), "used by torch; OMP_NUM_THREADS changes it"),
        (
            "bfloat16",
            f"{checkup.bfloat16_speedup:.1f}x",
            "speed of a matrix product against float32, measured on one thread",
        ),
    ]
    rows += [
        (f"attention, {dtype}", f"{ratio:.1f}x", "speed of eager against sdpa, measured on one thread")
        for dtype, ratio in checkup.eager_speedup.items()
    ]
    rows += [
        (
            f"matrix products, {dtype}",
            f"{rate / 1e9:,.0f} GFLOP/s",
            f"measured at the shapes of {checkup.gemm_of} on {checkup.device}",
        )
        for dtype, rate in checkup.gemm_rates.items()
    ]
    return Section("Machine", (), (ReportTable(("measured", "value", "meaning"), tuple(rows)),))


def _model(model: ModelCheck) -> Section:
    lines = [f"{model.name}: {model.family}, {model.linear_weights:,} weights in the linear layers of its blocks"]
    lines += [f"{name} does not fit it: {reason}" for name, reason in model.unfit.items()]
    if not model.unfit:
        lines.append("every acceleration of the plan fits it")
    if model.note:
        lines.append(f"its operations cannot be counted: {model.note}")
    return Section("Model", tuple(lines))


def _epoch_section(checkup: Checkup) -> Section:
    epoch = checkup.epoch
    assert epoch is not None
    lines = [f"{epoch.rows:,} train rows, {epoch.tokens:,} tokens without padding, {epoch.steps:,} steps an epoch"]
    if epoch.least_seconds is None:
        lines.append("the least time of an epoch is unknown, as the model's operations cannot be counted")
    else:
        lines.append(
            f"an epoch of adapter tuning takes at least {epoch.least_seconds:,.3g} s: its matrix products alone at the "
            "measured rate; norms, softmax, dropout, the optimizer and validation come on top"
        )
    return Section("Epoch", tuple(lines))
