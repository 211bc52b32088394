"""Names of modules and parameters, as torch makes them: a path of parts with dots between.

In: names.  Out: whether one lies within another.
Not here: which modules there are (families.py, methods/targets.py). Nothing imports torch.
"""

from __future__ import annotations

from collections.abc import Iterable


def within(name: str, modules: Iterable[str]) -> bool:
    """Whether a module or parameter is one of these modules, or lies in one.

    >>> within("bert.pooler.dense.weight", ["classifier", "bert.pooler"]), within("classifier_2.weight", ["classifier"])
    (True, False)
    """
    return any(name == module or name.startswith(f"{module}.") for module in modules)
