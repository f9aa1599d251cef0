"""Command lines from the two dataclasses of a benchmark: inputs and settings."""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import MISSING, Field, fields
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints


def add(parser: argparse.ArgumentParser, declared: type, *, positional: bool) -> None:
    """An argument for every field of a dataclass: the type says how its text is read.

    Args:
        parser: to add to.
        declared: a dataclass whose fields are text, numbers, bool, tuples of those (written with
            commas between), inputs (see `benchmarks.inputs`), or any of these or None. The help of
            a field is its line under "Attributes:" in the docstring.
        positional: fields without a default are positional arguments, not options.
    """
    types, helps = get_type_hints(declared), descriptions(declared)
    for field in fields(declared):
        required = field.default is MISSING
        name = field.name if required and positional else "--" + field.name.replace("_", "-")
        options: dict[str, Any] = {"help": helps.get(field.name)}
        if types[field.name] is bool:
            parser.add_argument(name, action=argparse.BooleanOptionalAction, default=field.default)
            continue
        options |= {"type": reader(types[field.name]), "metavar": field.name.upper()}
        if not required:
            options["default"] = field.default
        elif not positional:
            options["required"] = True
        parser.add_argument(name, **options)


def taken(declared: type, arguments: argparse.Namespace) -> Any:
    """The dataclass that a parsed command line gives."""
    names: Sequence[Field[Any]] = fields(declared)
    return declared(**{field.name: getattr(arguments, field.name) for field in names})


def reader(kind: Any) -> Callable[[str], Any]:
    """How a text becomes a value of a type.

    >>> reader(tuple[int, ...])("1,4,16")
    (1, 4, 16)
    >>> reader(float | None)("0.5")
    0.5
    """
    if isinstance(kind, UnionType):
        [kind] = [part for part in get_args(kind) if part is not NoneType]
    if get_origin(kind) is tuple:
        one = reader(get_args(kind)[0])
        return lambda text: tuple(one(part) for part in text.split(","))
    return kind  # type: ignore[no-any-return]


def descriptions(declared: type) -> dict[str, str]:
    """The lines under "Attributes:" of a docstring, by name.

    >>> class Settings:
    ...     '''How.
    ...
    ...     Attributes:
    ...         turns: how often, of which
    ...             the fastest counts.
    ...     '''
    >>> descriptions(Settings)
    {'turns': 'how often, of which the fastest counts.'}
    """
    found: dict[str, str] = {}
    name = ""
    _, _, listed = (declared.__doc__ or "").partition("Attributes:")
    for line in listed.splitlines():
        head, colon, rest = line.strip().partition(": ")
        if colon and head.isidentifier():
            name = head
            found[name] = rest
        elif name and line.strip():
            found[name] += " " + line.strip()
    return found
