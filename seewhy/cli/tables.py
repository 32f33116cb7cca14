"""Tables on the terminal."""

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table


def headed(*headings: str) -> Table:
    """An empty table; what is too long for its column goes on in the next line."""
    table = Table(box=SIMPLE_HEAD)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def show(table: Table) -> None:
    """Print a table, its cells as they are: `photo[1].jpg` is no markup."""
    Console(markup=False, emoji=False, highlight=False).print(table)
