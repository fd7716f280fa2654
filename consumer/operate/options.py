"""Options that several commands have in common, written once."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

Option = tuple[Any, Any]
"""What a command's parameter is annotated with, and what it is where nobody gives it."""


def also(called: Callable[..., Any], function: Callable[..., Any], options: Mapping[str, Option]) -> Callable[..., Any]:
    """`called` as a command with the parameters of `function` and these options behind them."""
    signature = inspect.signature(function)
    more = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
        for name, (kind, default) in options.items()
    ]
    called.__signature__ = signature.replace(parameters=[*signature.parameters.values(), *more])  # type: ignore[attr-defined]
    called.__annotations__ = {**function.__annotations__, **{name: kind for name, (kind, _) in options.items()}}
    return called


def replaced(
    called: Callable[..., Any], function: Callable[..., Any], place: str, options: Mapping[str, Option]
) -> Callable[..., Any]:
    """`called` as a command with the parameters of `function`, these options in the place of the one of that name."""
    parameters: list[inspect.Parameter] = []
    for each in inspect.signature(function).parameters.values():
        if each.name == place:
            parameters += [
                each.replace(name=n, default=default, annotation=kind) for n, (kind, default) in options.items()
            ]
        else:
            parameters.append(each)
    called.__signature__ = inspect.signature(function).replace(parameters=parameters)  # type: ignore[attr-defined]
    called.__annotations__ = {each.name: each.annotation for each in parameters}
    return called
