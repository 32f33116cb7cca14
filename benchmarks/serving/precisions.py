"""What fewer bits bring and cost: one model in fp32, fp16 and int8, served and held to the truth.

    python -m benchmarks.serving.precisions CALIBRATION LABELLED [--environments FOLDER]

int8 takes its ranges from the photos in the folders of CALIBRATION; accuracy is that on LABELLED,
whose folders bear the indices of their classes and which shares no photo with it. Every round
serves each precision, and two peers that serve the fp32 file; the medians of the rounds are printed
as Markdown. Needs wrk.
"""

import argparse
import shutil
import statistics
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import foolbox
import numpy as np
import numpy.typing as npt

from benchmarks.serving import servers
from benchmarks.serving.closed_loop import conditions, measure, medians
from benchmarks.serving.servers import BUNDLE, Server
from models import bundle as bundles
from models import folder as photos
from models.bundle import Bundle
from models.manifest import Graph, Precision
from models.preprocess import preprocess
from models.repository import Repository
from service.runtime.providers import Provider, choose
from service.runtime.session import open_session
from training import gate
from training.compression import compress, serving_size
from training.precision_loss import precision_loss

PEERS = {"FastAPI handler": "fastapi_handler", "MLServer": "mlserver"}
"""The quickest of `closed_loop`'s."""

CONNECTIONS = (1, 16)

Crops = npt.NDArray[np.uint8]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("calibration", type=Path)
    parser.add_argument("labelled", type=Path)
    parser.add_argument("--photos", type=Path, default=Path(foolbox.__file__).parent / "data")
    parser.add_argument("--environments", type=Path, default=Path("build/peers"))
    parser.add_argument("--seconds", type=int, default=8, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    paths = sorted(given.photos.rglob("*.jpg"))[:100]
    print(conditions(paths, medians(given.rounds, given.seconds)))
    with tempfile.TemporaryDirectory() as folder:
        made = compressed(Repository(Path(folder)), crops_of(images(given.calibration)))
        accuracy(made, given.labelled)
        compared = [seewhy(bundle) for bundle in made.values()]
        compared += [servers.peer(name, at, given.environments) for name, at in PEERS.items()]
        speed(compared, paths, given.rounds, given.seconds)


def compressed(repository: Repository, crops: Crops) -> dict[Precision, Bundle]:
    """The default bundle in each precision, published under names of their own."""
    made = {}
    for precision in Precision:
        with tempfile.TemporaryDirectory() as folder:
            staged = Path(folder) / "staged"
            shutil.copytree(BUNDLE, staged)
            fields = bundles.read(BUNDLE).manifest.model_dump(exclude={"sha256"})
            renamed = bundles.write_manifest(staged, {**fields, "name": precision.value})
            if precision is not Precision.FP32:
                compress(renamed, precision, crops, seed=0)
            made[precision] = repository.publish(staged)
    return made


def accuracy(made: Mapping[Precision, Bundle], labelled: Path) -> None:
    """Print what each precision answers differently, and loses."""
    paths = images(labelled)
    labels = np.array([int(path.parent.name) for path in paths])
    crops = crops_of(paths)
    device = choose(Provider.CPU)
    logits = {
        precision: gate.logits(open_session(bundle.graph(Graph.MODEL), device), crops)
        for precision, bundle in made.items()
    }
    sizes = {precision: serving_size(bundle) for precision, bundle in made.items()}
    exact = logits[Precision.FP32]
    right = float(np.mean(exact.argmax(axis=1) == labels))
    print(f"fp32 has {right:.1%} of {len(labels)} photos right.\n")
    print("| precision | MB | answers as fp32 | points lost (95% interval) |")
    print("| --- | ---: | ---: | ---: |")
    for precision, found in logits.items():
        loss = precision_loss(
            exact,
            found,
            labels,
            precision=precision,
            sizes=(sizes[Precision.FP32], sizes[precision]),
        )
        low, high = loss.interval
        print(
            f"| {precision} | {sizes[precision] / 1e6:.1f} | {loss.agreement:.1%} "
            f"| {loss.drop:.1f} ({low:.1f} to {high:.1f}) |"
        )
    print(flush=True)


def seewhy(bundle: Bundle) -> Server:
    """The service with one bundle for its default model."""
    name = bundle.manifest.name
    repository = str(bundle.directory.parents[1])
    server = servers.seewhy({"SEEWHY_REPOSITORY": repository, "SEEWHY_DEFAULT_MODEL": name})
    return replace(server, name=f"SeeWhy, {name}")


def speed(compared: Sequence[Server], paths: Sequence[Path], rounds: int, seconds: int) -> None:
    """Print the medians of all rounds, and each rate beside the best peer's of the same round."""
    rows: dict[tuple[str, int], list[dict[str, float]]] = defaultdict(list)
    for _ in range(rounds):
        for server in compared:
            for connections, found in measure(server, CONNECTIONS, seconds, paths).items():
                rows[server.name, connections].append(found)
    print("| server | connections | photos/s | of the best peer, fp32 | p50 ms | p99 | CPU ms |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for (name, connections), row in rows.items():
        best = [max(rows[peer, connections][n]["rate"] for peer in PEERS) for n in range(rounds)]
        ratio = statistics.median(one["rate"] / b for one, b in zip(row, best, strict=True))
        middle = {key: statistics.median(one[key] for one in row) for key in row[0]}
        print(
            f"| {name} | {connections} | {middle['rate']:.0f} | {ratio:.2f} "
            f"| {middle['p50']:.1f} | {middle['p99']:.1f} | {middle['cpu']:.1f} |"
        )


def images(folder: Path) -> list[Path]:
    """The images in the folders of a folder, which may be links."""
    return [path for child in sorted(folder.iterdir()) for path in photos.images(child)]


def crops_of(paths: Sequence[Path]) -> Crops:
    """What the default bundle's graph takes of photos: [N, H, W, 3]."""
    steps = bundles.read(BUNDLE).manifest.preprocessing
    return np.stack([preprocess(path.read_bytes(), steps).pixels for path in paths])


if __name__ == "__main__":
    main()
