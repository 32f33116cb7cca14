"""TorchServe with a worker a core; batching is off, for on a CPU it slows this model down."""

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
FOLDER = Path.cwd()

# 7070 and 7071 are gRPC's; what else listens does so on sockets of this folder.
CONFIG = f"""
inference_address=http://127.0.0.1:{os.environ["PORT"]}
management_address=unix:{FOLDER}/management.sock
metrics_address=unix:{FOLDER}/metrics.sock
default_workers_per_model={os.cpu_count()}
async_logging=true
disable_token_authorization=true
"""


def archive() -> None:
    """Pack the handler, as TorchServe has it; the graph stays where all find it."""
    command = [Path(sys.executable).with_name("torch-model-archiver"), "--model-name", "classify"]
    command += ["--version", "1", "--handler", HERE / "handler.py", "--export-path", FOLDER]
    subprocess.run(command, check=True)


if __name__ == "__main__":
    archive()
    config = FOLDER / "config.properties"
    config.write_text(CONFIG, encoding="utf-8")
    command = ["torchserve", "--foreground", "--ncs", "--ts-config", str(config)]
    command += ["--model-store", str(FOLDER), "--models", "classify.mar"]
    os.execv(Path(sys.executable).with_name("torchserve"), command)  # noqa: S606
