"""Training a network, from whatever it knows: its epochs, of which the best is kept.

Small sets undo a network easily, so the defaults are careful: where the head comes from a
linear probe (Kumar et al. 2022, "Fine-tuning can distort pretrained features"), the state
before the first epoch counts too, batch norm keeps its statistics, and rates are low and fall
from block to block towards the input (Howard & Ruder 2018, section 3.2).
"""

import copy
import math
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import torch

from training import features
from training.history import Epoch, History
from training.instrument import Instrumented
from training.learning import checkpoint
from training.learning.batches import Examples
from training.learning.journal import Record, journal
from training.learning.learner import Learned, Learner
from training.learning.processes import Processes
from training.learning.progress import Say, moving_line
from training.learning.rate_finder import Sweep
from training.learning.soup import State, stir
from training.recipe import Recipe
from training.score import Score, score


@dataclass(frozen=True)
class Run:
    """What a run needs beside its recipe.

    Attributes:
        seed: of every random choice.
        folder: where checkpoints and the journal go; None for nowhere.
        identity: what is trained on what; a checkpoint of another run is refused.
        resume: whether to go on from the folder's checkpoint.
        processes: those that train together.
        say: hears of each epoch.
    """

    seed: int = 0
    folder: Path | None = None
    identity: str = ""
    resume: bool = False
    processes: Processes = field(default_factory=Processes.alone)
    say: Say = print


def finetune(
    network: Instrumented, training: Examples, validation: Examples, recipe: Recipe, run: Run
) -> History:
    """Train in place; the network ends as its best epoch left it, or as an average of several.

    Args:
        network: in evaluation mode, its head fitted.
        training: what to learn.
        validation: what says when it is learned.
        recipe: how.
        run: where, and from which seed.

    Raises:
        TrainingError: the recipe does not fit the network, or the checkpoint not the run.
    """
    if run.folder is not None:
        run.folder.mkdir(parents=True, exist_ok=True)
    course = _begun(network, training, validation, recipe, run)
    folder = run.folder if run.processes.first else None
    with journal(folder, course.epochs[-1].number) as record:
        while not _over(course, recipe):
            _advance(course, validation, recipe, run, record)
    states = [state for _, state in course.kept]
    judge = partial(_judged, network, validation, run.processes)
    soup = stir(network.module, states, course.kept[0][0].score, recipe.metric, judge)
    network.module.requires_grad_(requires_grad=True)
    network.to(memory_format=torch.contiguous_format)
    return History(recipe.metric, tuple(course.epochs), course.sweep, soup)


@dataclass(eq=False)
class _Course:
    """How far a run has come; `kept` are its best epochs with their states, the best first."""

    learner: Learner
    sweep: Sweep | None
    epochs: list[Epoch]
    kept: list[tuple[Epoch, State]]


def _begun(
    network: Instrumented, training: Examples, validation: Examples, recipe: Recipe, run: Run
) -> _Course:
    """A run before its first epoch, or after the last one of its checkpoint."""
    saved = checkpoint.load(run.folder, run.identity) if run.resume and run.folder else None
    if recipe.rate is None:
        sweep = Sweep(**saved["sweep"]) if saved else _swept(network, training, recipe, run)
        rate = sweep.chosen
    else:
        sweep, rate = None, recipe.rate
    learner = _learner(network, training, recipe, run, rate)
    if saved is None:
        if run.resume:
            run.say("there is no checkpoint to go on from: training starts at the first epoch")
        first = Epoch(0, math.nan, math.nan, _judged(network, validation, run.processes))
        return _Course(learner, sweep, [first], [(first, _state(network))])
    learner.restore(saved["learner"])
    epochs = [Epoch.of(plain) for plain in saved["epochs"]]
    kept = [(Epoch.of(plain), state) for plain, state in saved["kept"]]
    run.say(f"going on after epoch {epochs[-1].number}")
    return _Course(learner, sweep, epochs, kept)


def _over(course: _Course, recipe: Recipe) -> bool:
    last, best = course.epochs[-1], course.kept[0][0]
    patience = math.inf if recipe.patience is None else recipe.patience
    diverged = not math.isfinite(last.score.loss)
    return diverged or last.number >= recipe.epochs or last.number - best.number >= patience


def _advance(
    course: _Course, validation: Examples, recipe: Recipe, run: Run, record: Record
) -> None:
    """An epoch, and what is kept, written and said of it."""
    number, images = course.epochs[-1].number + 1, course.learner.images
    validated = f"; validation {course.epochs[-1].score.accuracy:.1%} right"
    with moving_line(
        f"epoch {number} of {recipe.epochs}",
        images,
        before=validated,
        after=images * (recipe.epochs - number),
    ) as tick:
        learned = course.learner.epoch(number, tick)
    judged = course.learner.judged
    epoch = Epoch(
        number, learned.loss, learned.accuracy, _judged(judged, validation, run.processes)
    )
    ranked = [*course.kept, (epoch, _state(judged))]
    ranked.sort(key=lambda each: each[0].score.by(recipe.metric), reverse=True)
    course.epochs.append(epoch)
    course.kept = ranked[: recipe.soup]
    speed = {"images_per_second": learned.images_per_second, "waiting": learned.waiting}
    record(number, {**epoch.figures, **speed})
    _save(course, run)
    run.say(_line(epoch, recipe.epochs, learned))
    if not math.isfinite(epoch.score.loss):
        run.say("the weights have diverged; a lower rate may do better")


def _swept(network: Instrumented, training: Examples, recipe: Recipe, run: Run) -> Sweep:
    """The sweep of rates, after which the network is as before."""
    before = _state(network)
    sweep = _learner(network, training, recipe, run, rate=1.0).sweep()
    network.module.load_state_dict(before)
    run.say(f"rate {sweep.chosen:.1e}, found by a sweep of {len(sweep.rates)} steps")
    return sweep


def _learner(
    network: Instrumented, training: Examples, recipe: Recipe, run: Run, rate: float
) -> Learner:
    return Learner(network, training, recipe, rate, seed=run.seed, processes=run.processes)


def _state(network: Instrumented) -> State:
    return copy.deepcopy(network.module.state_dict())


def _save(course: _Course, run: Run) -> None:
    """The checkpoint, where there is a place for it."""
    if run.folder is None or not run.processes.first:
        return
    state = {
        "learner": course.learner.state(),
        "sweep": None if course.sweep is None else asdict(course.sweep),
        "epochs": [asdict(each) for each in course.epochs],
        "kept": [(asdict(each), dict(state)) for each, state in course.kept],
    }
    checkpoint.save(run.folder, run.identity, state)


def _judged(network: Instrumented, validation: Examples, processes: Processes) -> Score:
    """The validation images' score; each process looks at its share of them."""
    images = len(validation.labels)
    own = validation.of(np.arange(processes.rank, images, processes.count))
    logits = processes.gathered(features.logits(network, own.crops), images)
    return score(logits, validation.labels)


def _line(epoch: Epoch, epochs: int, learned: Learned) -> str:
    return (
        f"epoch {epoch.number} of {epochs}: loss {epoch.training_loss:.3f}, validation "
        f"{epoch.score.loss:.3f}, {epoch.score.accuracy:.1%} right, "
        f"{learned.images_per_second:.0f} images/s"
    )
