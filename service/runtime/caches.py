"""Where what was measured or built for a bundle is kept, to be found again at the next start."""

import os
from pathlib import Path

from models.bundle import Bundle

FOLDER = ".plans"


def folders(bundle: Bundle) -> list[Path]:
    """Beside the bundle's versions, and in the user's cache where that cannot be written."""
    return [bundle.directory.parent / FOLDER, _user_cache() / FOLDER.removeprefix(".")]


def _user_cache() -> Path:
    """Where this user's programs keep what they can make again (XDG base directories)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "seewhy"
