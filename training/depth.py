"""The blocks of a network from its input to its head, and how many of them are trained."""

from collections.abc import Iterator
from enum import StrEnum

from torch import nn

from models.errors import TrainingError
from training.instrument import last_linear

CONTAINERS = (nn.Sequential, nn.ModuleList)

Depth = int | None
"""How many blocks below the head are trained; None for all of them."""


class Named(StrEnum):
    """Depths that have a name."""

    HEAD = "head"
    FULL = "full"


def parse(text: str) -> Depth:
    """`head`, `full` or a number of blocks.

    Raises:
        TrainingError: it is neither.
    """
    if text == Named.FULL:
        return None
    if text == Named.HEAD:
        return 0
    if text.isdecimal():
        return int(text)
    raise TrainingError(f"a depth is head, full or a number of blocks, not {text!r}")


def name(depth: Depth) -> str:
    """The inverse of `parse`."""
    return Named.FULL if depth is None else Named.HEAD if depth == 0 else str(depth)


def check(module: nn.Module, text: str) -> None:
    """Refuse a depth that a network does not have.

    Raises:
        TrainingError: it is no depth, or more blocks than there are below the head.
    """
    depth, most = parse(text), len(_from_head(module)) - 1
    if depth is not None and depth > most:
        raise TrainingError(
            f"a depth is head, full or at most {most} of this network's blocks, not {depth}"
        )


def trained(module: nn.Module, depth: Depth) -> list[list[nn.Parameter]]:
    """Freeze all parameters but those of the head and of the blocks next to it.

    Returns:
        the parameters that are trained, by block, the head's first.
    """
    chosen = _from_head(module)[: None if depth is None else 1 + depth]
    module.requires_grad_(requires_grad=False)
    for block in chosen:
        for parameter in block:
            parameter.requires_grad_()
    return chosen


def _from_head(module: nn.Module) -> list[list[nn.Parameter]]:
    """The head's parameters, then those of each block below it, the nearest first."""
    head = list(module.get_submodule(last_linear(module)).parameters())
    in_head = set(map(id, head))
    below = [
        [parameter for parameter in block if id(parameter) not in in_head]
        for block in blocks(module)
    ]
    return [head, *(block for block in below[::-1] if block)]


def blocks(module: nn.Module) -> list[list[nn.Parameter]]:
    """The parameters of each block, from the input to the head.

    A block is what the network's author wrote as one module: a layer, or what stands in the
    stages' lists, such as a residual block. A norm belongs to the layer before it.
    """
    found: list[list[nn.Parameter]] = []
    for block in _blocks(module, sum(p.numel() for p in module.parameters())):
        if found and all(parameter.ndim <= 1 for parameter in block):
            found[-1].extend(block)
        else:
            found.append(block)
    return found


def _blocks(module: nn.Module, total: int) -> Iterator[list[nn.Parameter]]:
    own = list(module.parameters(recurse=False))
    if own:
        yield own
    for child in module.children():
        parameters = list(child.parameters())
        size = sum(parameter.numel() for parameter in parameters)
        # Some authors wrap the whole body in one module of their own.
        wraps = 2 * size > total and any(isinstance(c, CONTAINERS) for c in child.children())
        if isinstance(child, CONTAINERS) or wraps:
            yield from _blocks(child, total)
        elif parameters:
            yield parameters
