"""What ends every command's help."""

from service.settings import Settings

SOME = (
    "The environment sets what no option does, as in SEEWHY_REPOSITORY=/srv/models; "
    "seewhy serve --help lists all."
)
ALL = "The environment sets what no option does: {}.".format(
    ", ".join(f"SEEWHY_{name.upper()}" for name in Settings.model_fields)
)
CODES = (
    "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 done with errors on some inputs, "
    "130 ended by Ctrl-C."
)


def epilog(example: str, environment: str = SOME) -> str:
    """An example, the environment's variables and the exit codes."""
    return f"Example: {example}\n\n{environment}\n\n{CODES}"
