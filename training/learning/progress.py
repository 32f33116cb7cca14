"""How a run tells what it does: lines that stay, and one that moves."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

Say = Callable[[str], None]
"""Takes one line of progress."""

SECONDS = 0.5
"""Between two looks at the loss: on a GPU each waits for it."""


@contextmanager
def moving_line(name: str, images: int) -> Iterator[Callable[[torch.Tensor], None]]:
    """A line on a terminal's stderr that tells images/s, loss and time left; else nothing.

    Args:
        name: what is under way.
        images: how many there are to do.

    Yields:
        what takes sums so far: of losses, of what is right, of images.
    """
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(),
        TextColumn("{task.fields[figures]}"), TimeRemainingColumn(),
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
            figures = f"loss {loss / done:.3f}, {done / (now - start):.0f} images/s"
            line.update(task, completed=done, figures=figures)

        yield tick
