"""The command line as a reference, from the commands themselves."""

from collections.abc import Iterator, Mapping
from typing import Any

import typer

from headstart.command_line import app


def command_names() -> list[str]:
    """Every command as it is typed, without the program's name."""
    return [name for name, _ in _commands(_root(), ())]


def commands_part() -> str:
    """One heading for each command, its promise, and its options."""
    return "\n\n".join(_section(name, command) for name, command in _commands(_root(), ()))


def _root() -> Any:
    return typer.main.get_command(app)


def _commands(group: Any, above: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    members: Mapping[str, Any] = group.commands
    for name, command in members.items():
        if hasattr(command, "commands"):
            yield from _commands(command, (*above, name))
        else:
            yield " ".join((*above, name)), command


def _section(name: str, command: Any) -> str:
    head = f"### `headstart {name}`\n\n{command.help}"
    parameters = "\n".join(_parameter(one) for one in command.params)
    return f"{head}\n\n{parameters}" if parameters else head


def _parameter(parameter: Any) -> str:
    is_option = parameter.opts[0].startswith("-")
    name = parameter.opts[0] if is_option else parameter.name.upper()
    told = [str(parameter.help)] if parameter.help else []
    if is_option and parameter.required:
        told.append("Required.")
    if parameter.default not in (None, []):
        told.append(f"Default: `{parameter.default}`.")
    told += [f"At least `{parameter.min}`."] if parameter.min is not None else []
    told += [f"At most `{parameter.max}`."] if parameter.max is not None else []
    return f"- `{name}`: {' '.join(told)}" if told else f"- `{name}`"
