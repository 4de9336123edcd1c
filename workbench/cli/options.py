"""Options of commands from configuration dataclasses: type, default and help from their fields.

The help of an option is the description of the attribute in the class's docstring.
"""

import re
from collections.abc import Callable, Mapping
from inspect import getdoc
from types import UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

import click

Command = Callable[..., Any]
Decorator = Callable[[Command], Command]


def decorated(*decorators: Decorator) -> Decorator:
    """Decorator that adds several click options, in the order in which help shows them."""

    def decorate(command: Command) -> Command:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return decorate


def names_of(_: click.Context, __: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    """Names with commas between, as the callback of an option; None where there is no value."""
    return None if value is None else tuple(filter(None, value.replace(" ", "").split(",")))


def numbers_of(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> tuple[int, ...] | None:
    """Whole numbers with commas between, as `names_of`."""
    try:
        names = names_of(context, parameter, value)
        return None if names is None else tuple(int(name) for name in names)
    except ValueError as error:
        raise click.BadParameter(f"whole numbers with commas between, found {value!r}") from error


def options_of(config: Any, *names: str, **special: Mapping[str, Any]) -> tuple[Decorator, ...]:
    """Options for some fields of a configuration, whose values are the defaults.

    Args:
        config: instance of a dataclass.
        names: names of its fields, in the order in which help shows them.
        special: arguments of `click.option` that replace those derived, by the name of the field;
            "flags" is the option's declaration, where it is not the field's name.
    """
    kinds, words = get_type_hints(type(config)), attributes_of(type(config))
    options = []
    for name in names:
        value = getattr(config, name)
        settings = {"default": value, "help": words[name], **_typed(kinds[name])}
        settings |= {"show_default": value is not None and "is_flag" not in settings}
        settings |= special.get(name, {})
        flags = settings.pop("flags", f"--{name.replace('_', '-')}")
        options.append(click.option(flags, name, **settings))
    return tuple(options)


def attributes_of(kind: type[Any]) -> dict[str, str]:
    """Descriptions of attributes in the docstrings of a class and its bases, as sentences of help.

    Backticks are removed; the meaning of a missing value ("None: …") is left out.
    """
    found: dict[str, str] = {}
    for each in reversed(kind.__mro__):
        _, _, block = (getdoc(each) or "").partition("\nAttributes:\n")
        for name, text in re.findall(r"^    (\w+): (.*(?:\n {5,}.*)*)", block, re.MULTILINE):
            words = re.sub(r"; None: [^.;]*", "", " ".join(text.split())).replace("`", "")
            found[name] = words[:1].upper() + words[1:] if words[1:2].isalpha() else words
    return found


def _typed(kind: Any) -> dict[str, Any]:
    """Arguments of `click.option` for values of a type."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin is UnionType:
        return _typed(inner[0])
    if origin is Literal:
        return {"type": click.Choice(inner)}
    if origin is tuple and inner[-1] is ...:
        return {"type": inner[0], "multiple": True}
    if origin is tuple:
        return {"type": inner}
    return {"is_flag": True} if kind is bool else {"type": kind}
