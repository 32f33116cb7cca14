"""Images a second of one model, by the service's engine and by what else could run it."""

import copy
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import count
from pathlib import Path
from threading import Semaphore

import numpy as np
import numpy.typing as npt
import onnxruntime
import torch
from torch import nn

from models.bundle import Bundle
from models.manifest import Graph, Precision
from models.preprocess import preprocess
from service.core.batching import BatchQueue
from service.core.plan import Plan
from service.core.ports import Runner
from service.core.waiting import Answer
from service.runtime import engines
from service.runtime.loading import open_graph
from service.runtime.padding import padded
from service.runtime.providers import Device, Provider
from service.runtime.warming import warm
from training.instrument import Instrumented

CORES = os.cpu_count() or 1
AHEAD = 4
"""So many batches for each session are under way at once."""

Crop = npt.NDArray[np.uint8]
Rate = Callable[[float], float]
"""Runs for so many seconds; images a second."""


def onnxruntime_loop(bundle: Bundle, device: Device, crops: Crop) -> Rate:
    """ONNX Runtime alone, one batch [N, H, W, 3] after the other, in one thread."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    providers = list(engines.remembering(device, bundle, Graph.MODEL).options)
    path = bundle.graph(Graph.MODEL)
    session = onnxruntime.InferenceSession(path, options, providers=providers)
    return repeated(partial(session.run, ["logits"], {"image": crops}), len(crops))


def compiled(network: Instrumented, precision: Precision, device: Device, crops: Crop) -> Rate:
    """PyTorch compiled for one batch [N, H, W, 3], from host memory to host memory."""
    on_gpu = device.provider is not Provider.CPU
    place = torch.device("cuda", device.number) if on_gpu else torch.device("cpu")
    # As the service has it: float32 is not rounded to TensorFloat-32.
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    dtype = torch.float16 if precision is Precision.FP16 else torch.float32
    classifier = _Classifier(network, dtype).to(place)
    if on_gpu:
        classifier = classifier.to(memory_format=torch.channels_last)
    torch.compiler.reset()
    run = torch.compile(classifier, mode="reduce-overhead" if on_gpu else "default")

    def once() -> None:
        with torch.inference_mode():
            run(torch.from_numpy(crops).to(place)).cpu()

    return repeated(once, len(crops))


class _Classifier(nn.Module):
    """From uint8 [N, H, W, 3] to logits, as `model.onnx`."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, network: Instrumented, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype
        self.register_buffer("mean", network.mean.clone())
        self.register_buffer("std", network.std.clone())
        self.module = copy.deepcopy(network.module).to(dtype)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        pixels = image.permute(0, 3, 1, 2).float() / 255
        logits: torch.Tensor = self.module(((pixels - self.mean) / self.std).to(self.dtype))
        return logits.float()


def repeated(run: Callable[[], object], images: int) -> Rate:
    """The rate of what runs so many images at once; it has been run, and is warm."""
    for _ in range(3):
        run()

    def rate(seconds: float) -> float:
        started, runs = time.perf_counter(), 0
        while time.perf_counter() - started < seconds:
            run()
            runs += 1
        return images * runs / (time.perf_counter() - started)

    return rate


class Engine:
    """The service's queue before the sessions of a plan on each device, loaded and warm."""

    def __init__(self, bundle: Bundle, devices: Sequence[Device], plan: Plan) -> None:
        self._bundle, self._plan = bundle, plan
        runners = [self._open(device) for device in devices] * plan.sessions
        self._queue = BatchQueue(
            runners,
            name=str(bundle),
            max_batch=plan.batch,
            capacity=2 * AHEAD * plan.batch * len(runners),
        )
        self._ahead = AHEAD * plan.batch * len(runners)

    def _open(self, device: Device) -> Runner:
        threads = self._plan.threads
        session = open_graph(self._bundle, Graph.MODEL, device, threads=threads)
        session = session.fetching(["logits"])
        sizes = [self._plan.batch]
        warm(session, device, self._bundle.manifest.graphs[Graph.MODEL].inputs, sizes)
        return padded(session, device, sizes)

    def alone(self, crops: Crop) -> Rate:
        """Crops [N, H, W, 3] in memory, handed to the queue one by one from one thread."""
        return partial(self._fed, lambda position: crops[position % len(crops)], 1)

    def decoding(self, photos: Sequence[bytes]) -> Rate:
        """Photos, decoded by a thread a core, as the service decodes them."""
        steps = self._bundle.manifest.preprocessing
        return partial(
            self._fed,
            lambda position: preprocess(photos[position % len(photos)], steps).pixels,
            CORES,
        )

    def close(self) -> None:
        """Answer what is under way, and end."""
        self._queue.close()

    def _fed(self, crop: Callable[[int], Crop], feeders: int, seconds: float) -> float:
        """Images a second, while so many threads keep the queue full."""
        room = Semaphore(self._ahead)
        started = time.perf_counter()

        def feed(first: int) -> list[Future[Answer]]:
            answers = []
            for position in count(first):
                room.acquire()
                answers.append(self._queue.submit({"image": crop(position)[np.newaxis]}))
                answers[-1].add_done_callback(lambda _: room.release())
                if time.perf_counter() - started > seconds:
                    return answers
            raise AssertionError

        with ThreadPoolExecutor(feeders) as threads:
            answers = [answer for fed in threads.map(feed, range(feeders)) for answer in fed]
        for answer in answers:
            answer.result()
        return len(answers) / (time.perf_counter() - started)


def read(folder: Path, most: int = 100) -> list[Path]:
    """The JPEGs of a folder, in order."""
    return sorted(folder.rglob("*.jpg"))[:most]
