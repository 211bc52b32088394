"""What a dry run found, as sections.

In: a DryRun.  Out: Sections.  Not here: finding it (dry_run.py), how sections look (reports/render/text.py).
"""

from __future__ import annotations

from liftune.formatting import duration, size
from liftune.records.dry_run import DiskNeed, MemoryNeed
from liftune.reports.base import ReportTable, Section
from liftune.reports.sections.inspection import inspection_sections
from liftune.reports.sections.training import plan_table
from liftune.workflows.dry_run import DryRun
from liftune.workflows.estimate import in_words


def dry_run_sections(found: DryRun) -> list[Section]:
    """The rows as inspect shows them, the plan, memory and disk, time by stage, and whether it would run."""
    sections = inspection_sections(found.data) if found.data else []
    if found.plan:
        sections.append(Section("Plan", (), (plan_table(found.plan),)))
    needs = [*_memory(found.memory), *_disk(found.disk)]
    if needs:
        sections.append(Section("Memory and disk", tuple(needs)))
    if found.seconds is not None:
        rows = tuple((each.stage, in_words(each.seconds), each.counts) for each in found.stages)
        said = f"about {in_words(found.seconds)} in all, as fast as the machine is now, if no training stops early"
        sections.append(Section("Time", (said,), (ReportTable(("stage", "about", "what"), rows, frozenset({1})),)))
    if found.notes:
        sections.append(Section("Notes", found.notes))
    return [*sections, _end(found)]


def _memory(need: MemoryNeed | None) -> list[str]:
    if need is None:
        return []
    lines = [
        f"{need.trainable_parameters:,} trained parameters: {size(need.training_bytes)} with gradients and two moments"
    ]
    if need.step_mib is not None:
        lines.append(f"a step of the longest rows took {need.step_mib:,.0f} MiB, attaching the method included")
    if need.available_mib is not None:
        lines.append(f"before it there were {need.available_mib:,.0f} MiB {need.limit}")
    return lines


def _disk(need: DiskNeed | None) -> list[str]:
    if need is None:
        return []
    kept, peak, free = size(need.kept_bytes), size(need.peak_bytes), size(need.free_bytes)
    return [f"on the disk: about {kept}, with checkpoints up to {peak} while it runs; {free} are free"]


def briefly(found: DryRun) -> str:
    """Whether it would run, and for how long; else its first fault."""
    if found.would_run:
        took = f" for about {duration(found.seconds)}" if found.seconds is not None else ""
        return f"would run{took}{f', in {found.out}' if found.out else ''}"
    more = f", and {len(found.faults) - 1} more" if len(found.faults) > 1 else ""
    return f"would not run: {found.faults[0].message}{more}" if found.faults else "would not run"


def _end(found: DryRun) -> Section:
    if found.would_run:
        where = f" in {found.out}" if found.out else ""
        return Section("It would run", (f"nothing was written; without --dry-run the run would be{where}",))
    lines = []
    for each in found.faults:
        lines.append(f"{each.stage}: {each.message}")
        lines += [f"  where: {each.where}"] if each.where else []
        lines += [f"  hint:  {each.hint}"] if each.hint else []
    count = len(found.faults)
    return Section("It would not run", (f"{count} fault{'s' * (count > 1)}:", *lines))
