"""Files of options, read under the options of a command.

In: a TOML or JSON file laid out as a run's spec.json, options that were given beside it.  Out: a RunSpec.
Not here: what an option means (spec.py), which options a command takes (command_options.py), writing them
(spec_text.py).
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from liftune.errors import SpecError, choose, pasted
from liftune.option_files import is_toml, nothing_set
from liftune.spec import IN_MEMORY, OPTIONS, RunSpec, read_values
from liftune.spec_text import settings_of


def spec_under(config: str | os.PathLike[str] | None, given: Mapping[str, Any], taken: Collection[str]) -> RunSpec:
    """The spec of a command: its options, and those of a file where none is given.

    Args:
        config: None reads none. A run's own spec.json asks for another run: its `out` is not taken.
        given: options by their flat names; None is none.
        taken: the options that the command has; the file's others are for other commands.

    Raises:
        SpecError: the file cannot be read, has a wrong value or a name out of place, or allows code of a model's.
    """
    options = {name: value for name, value in given.items() if value is not None}
    if config is None:
        return RunSpec.of(**options)
    path = Path(config)
    found = {name: value for name, value in _options_in(config).items() if name in taken}
    if path.name == "spec.json" and "out" in found and Path(found["out"]).resolve() == path.resolve().parent:
        del found["out"]
    if found.get("data") == IN_MEMORY and "data" not in options:
        raise SpecError(
            "the rows of that run were in memory, and are not kept",
            where=str(path),
            hint="give the data too: DATA --config FILE, or in Python the rows and config=FILE",
        )
    if found.get("trust_remote_code") and not options.get("trust_remote_code"):
        raise SpecError(
            "a file cannot allow code that comes with a model",
            where=f"{path}: model.trust_remote_code",
            hint="give --trust-remote-code, once you have read the code",
        )
    if options.get("method", found.get("method")) != found.get("method"):
        found.pop("set", None)  # options of the other method
    elif "set" in options and "set" in found:
        options["set"] = {**found["set"], **RunSpec.of(set=options["set"]).method.options}
    return RunSpec.of(**{**found, **options})


def sound_under(
    config: str | os.PathLike[str] | None, given: Mapping[str, Any], taken: Collection[str]
) -> tuple[RunSpec, tuple[SpecError, ...]]:
    """The same for a dry run, which names all faults: where the file has one, without the file.

    Raises:
        SpecError: the file has one, and only the file could name the data: all that follows would mean something else.
    """
    try:
        return spec_under(config, given, taken), ()
    except SpecError as error:
        if config is None or given.get("data") is None:
            raise
        return spec_under(None, given, taken), (error,)


def _options_in(given: str | os.PathLike[str]) -> dict[str, Any]:
    """Option -> the file's value, where it is not the default.

    Raises:
        SpecError: as `RunSpec.read`; or a name stands outside its section, or the file sets nothing.
    """
    path = Path(given)
    if path.is_dir():
        raise SpecError(f"{path} is a folder", where="--config", hint=f"name the file: {pasted(path / 'spec.json')}")
    values = read_values(os.fspath(given))
    if isinstance(values, dict):
        _check_names(values, path)
        if not any(values.values()):
            raise nothing_set(path)
    spec = RunSpec.checked(values, where=str(path))
    # None where it is not the default is what is typed as none: switched off.
    return {name: "none" if value is None else value for name, value in settings_of(spec).items()}


def _check_names(values: Mapping[str, Any], path: Path) -> None:
    """Refuse names that no section has.

    Raises:
        SpecError: with the section that has it, or the nearest name.
    """
    where = str(path)
    for name, value in values.items():
        homes = _homes(name)
        if name not in RunSpec.model_fields or (homes and not isinstance(value, Mapping)):
            if homes:
                raise SpecError(f"{name} stands outside its section", where=where, hint=_place(homes, path))
            choose(name, RunSpec.model_fields, "section", where)
        fields = [each[1] for each in OPTIONS.values() if len(each) > 1 and each[0] == name]
        for field in value if fields and isinstance(value, Mapping) else ():
            if field not in fields:
                if homes := _homes(field):
                    raise SpecError(f"{field} stands in [{name}]", where=where, hint=_place(homes, path))
                choose(field, fields, f"option in [{name}]", where)


def _homes(name: str) -> list[tuple[str, ...]]:
    """The places of an option in sections, by its name on the command line or in a file."""
    return [home for option, home in OPTIONS.items() if len(home) > 1 and name in (option, home[1])]


def _place(homes: Sequence[tuple[str, ...]], path: Path) -> str:
    """How to write an option where it belongs, in the language of the file."""
    if is_toml(path):
        return "write " + ", or ".join(f"{field} = ... below the line [{section}]" for section, field in homes)
    return "write " + ", or ".join(f'"{section}": {{"{field}": ...}}' for section, field in homes)
