"""A bar on the standard error: how far, how fast, how many failed, how long still."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from service.core.scoring.scoring import Progress as Hears
from service.core.scoring.summary import Summary


@contextmanager
def bar() -> Iterator[Hears]:
    """Show a bar while the block runs; nothing where the standard error is no terminal."""
    console = Console(stderr=True)
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]:.0f} images/s, {task.fields[failed]} errors,"),
        TimeRemainingColumn(),
        TextColumn("left"),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as shown:
        task = shown.add_task("", total=None, speed=0.0, failed=0)

        def advance(summary: Summary, ready: int) -> None:
            speed = shown.tasks[0].speed or 0.0
            shown.update(
                task,
                total=summary.images,
                completed=summary.rows + ready,
                speed=speed,
                failed=summary.failed,
            )

        yield advance
