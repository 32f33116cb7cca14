"""How a run tells what it does: lines that stay, and one that moves."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

Say = Callable[[str], None]
"""Takes one line of progress."""

SECONDS = 0.5
"""Between two looks at the loss: on a GPU each waits for it."""


@contextmanager
def moving_line(
    name: str, images: int, *, before: str = "", after: int = 0
) -> Iterator[Callable[[torch.Tensor], None]]:
    """A line on a terminal's stderr that tells images/s, loss and time left; else nothing.

    Args:
        name: what is under way.
        images: how many there are to do.
        before: what has come out so far.
        after: how many images come after these; the time left is for all.

    Yields:
        what takes sums so far: of losses, of what is right, of images.
    """
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(),
        TextColumn("{task.fields[figures]}"),
    )  # fmt: skip
    start = shown = time.perf_counter()
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as line:
        task = line.add_task(name, total=images, figures="")

        def tick(totals: torch.Tensor) -> None:
            nonlocal shown
            now = time.perf_counter()
            if line.disable or now - shown < SECONDS:
                return
            shown = now
            loss, _, done = totals.tolist()
            speed = done / (now - start)
            left = timedelta(seconds=round((images - done + after) / speed))
            figures = f"loss {loss / done:.3f}, {speed:.0f} images/s, {left} left{before}"
            line.update(task, completed=done, figures=figures)

        yield tick
