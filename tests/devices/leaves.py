"""What lies in the arguments of an operation: as torch's pytree sees it, in a tenth of its time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from torch.utils._pytree import tree_map_only

PLAIN = (tuple, list)


def leaves(value: Any) -> Iterator[Any]:
    """All that is neither a tuple, a list nor a dictionary, in order."""
    if isinstance(value, PLAIN):
        for each in value:
            if isinstance(each, (*PLAIN, dict)):
                yield from leaves(each)
            else:
                yield each
    elif isinstance(value, dict):
        yield from leaves(list(value.values()))
    else:
        yield value


def mapped(kind: type, function: Callable[[Any], Any], value: Any) -> Any:
    """The value with the function's results in the places of leaves of a kind."""
    if isinstance(value, kind):
        return function(value)
    plain = type(value)
    if plain is tuple or plain is list:
        return plain([mapped(kind, function, each) for each in value])
    if plain is dict:
        return {name: mapped(kind, function, each) for name, each in value.items()}
    # Named tuples and the like are left to torch, which knows how each is made.
    return tree_map_only(kind, function, value) if isinstance(value, (*PLAIN, dict)) else value
