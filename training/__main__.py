"""`torchrun … -m training` is `seewhy train` in several processes."""

import sys

from seewhy.cli import run

sys.exit(run(["train", *sys.argv[1:]]))
