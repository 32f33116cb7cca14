"""Why something failed, in words for a line that names the file itself."""


def reason(error: Exception) -> str:
    """What an error says; of an operating system's error, neither its number nor its file."""
    return (isinstance(error, OSError) and error.strerror) or str(error)
