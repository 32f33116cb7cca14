"""What the command's exit status says."""

from enum import IntEnum


class ExitCode(IntEnum):
    """The exit codes of `seewhy`; 2 is also what the option parser exits with."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    PARTLY = 3
