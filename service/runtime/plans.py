"""Plans that were measured, remembered beside the bundle or in the user's cache.

A plan holds for one bundle on one device with one version of the libraries; whatever
changes, the name of its file changes, and the plan is measured anew.
"""

import hashlib
import json
import logging
import os
from dataclasses import asdict, fields
from pathlib import Path

import onnxruntime

from models.bundle import Bundle
from service.core.plan import Plan
from service.runtime import caches, hardware, tuning
from service.runtime.providers import Device
from service.runtime.tuning import Tuning

logger = logging.getLogger(__name__)


def plan_for(
    bundle: Bundle, device: Device, effort: Tuning, *, threads: int, max_batch: int
) -> Plan:
    """The remembered plan, or a measured one, remembered from then on if nothing disturbed it.

    Args:
        bundle: its files are taken to be verified.
        device: from `providers.choose`.
        effort: `OFF` neither measures nor remembers; a plan found with `FULL` effort is
            good for `QUICK` too.
        threads: of one session on the CPU; 0 to choose.
        max_batch: the largest batch.

    Raises:
        RuntimeFailure: ONNX Runtime cannot load or run `model.onnx`.
    """
    if effort is Tuning.OFF:
        return tuning.standard(device, threads=threads, max_batch=max_batch)
    folders = caches.folders(bundle)
    conditions = _conditions(bundle, device, threads, max_batch)
    sufficient = [Tuning.FULL] if effort is Tuning.FULL else [Tuning.FULL, Tuning.QUICK]
    for found in sufficient:
        for folder in folders:
            if plan := _read(folder / f"{conditions}-{found}.json"):
                return plan
    tuned = tuning.tune(bundle, device, effort, threads=threads, max_batch=max_batch)
    if tuned.undisturbed:
        _write(folders, f"{conditions}-{effort}.json", tuned.plan)
    else:
        logger.warning(
            "the plan is measured again at the next start, for other work took the cores meanwhile"
        )
    return tuned.plan


def _conditions(bundle: Bundle, device: Device, threads: int, max_batch: int) -> str:
    """A hash of all that a plan depends on."""
    facts = {
        "files": dict(sorted(bundle.manifest.sha256.items())),
        "providers": device.options,
        "device": hardware.name(device),
        "cores": hardware.cores(),
        "onnxruntime": onnxruntime.__version__,
        "threads": threads,
        "max_batch": max_batch,
        "plan": [field.name for field in fields(Plan)],
    }
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]


def _read(path: Path) -> Plan | None:
    try:
        return Plan(**json.loads(path.read_bytes()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        logger.warning("the plan %s is measured again, for it cannot be read: %s", path, error)
        return None


def _write(folders: list[Path], name: str, plan: Plan) -> None:
    """Write into the first folder that can be written; a reader sees all of it or nothing."""
    for folder in folders:
        temporary = folder / f".{name}.{os.getpid()}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            temporary.write_text(json.dumps(asdict(plan)), encoding="utf-8")
            temporary.replace(folder / name)
        except OSError as error:
            logger.info("plans cannot be remembered in %s: %s", folder, error.strerror)
        else:
            return
    logger.warning("the plan is not remembered, and will be measured at the next start")
