"""`python -m seewhy` is the `seewhy` command."""

from seewhy.cli import main

main()
