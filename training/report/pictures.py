"""Charts as SVG and photos as data, to stand inside an HTML page."""

import base64
from collections.abc import Mapping, Sequence
from io import BytesIO, StringIO

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image

from service.core.robustness.geometry import Axis
from training.evaluate import Evaluation
from training.history import History
from training.layers import Transfer
from training.learning.rate_finder import Sweep
from training.robustness.measurement import Sensitivity
from training.selection import Measured

INCHES = 3.6
BLUE, ORANGE, GREY = "#1f6f9f", "#d9822b", "#999999"

LARGEST = 900
"""Area of the largest network's circle, in square points."""


def reliability(uncalibrated: Evaluation, calibrated: Evaluation) -> str:
    """Accuracy against confidence, before and after temperature scaling (an SVG element)."""
    figure, axes = _chart("confidence", "share of right answers")
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1)
    for found, colour, name in (
        (uncalibrated, ORANGE, "as trained"),
        (calibrated, BLUE, "calibrated"),
    ):
        confidence = [part.confidence for part in found.reliability]
        accuracy = [part.accuracy for part in found.reliability]
        axes.plot(confidence, accuracy, "o-", color=colour, label=name, markersize=4)
    axes.set_aspect("equal")
    axes.legend(frameon=False)
    return _svg(figure)


def risk_coverage(found: Evaluation) -> str:
    """The error rate among the most confident answers (an SVG element)."""
    figure, axes = _chart("share of images answered", "share of wrong answers")
    axes.plot(found.risk_coverage.coverage, found.risk_coverage.risk, color=BLUE)
    axes.set_ylim(bottom=0)
    return _svg(figure)


def learning_curves(history: History) -> str:
    """The losses of training and validation against the epoch (an SVG element)."""
    figure, axes = _chart("epoch", "loss")
    learned = [epoch for epoch in history.epochs if epoch.number]
    curves = (
        ("training", ORANGE, learned, [epoch.training_loss for epoch in learned]),
        ("validation", BLUE, history.epochs, [epoch.score.loss for epoch in history.epochs]),
    )
    for name, colour, epochs, losses in curves:
        numbers = [epoch.number for epoch in epochs]
        axes.plot(numbers, losses, "o-", color=colour, label=name, markersize=4)
    axes.axvline(history.best.number, color=GREY, linewidth=1, linestyle=":", label="best")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False)
    return _svg(figure)


def sweep(found: Sweep) -> str:
    """The loss against the learning rate, and the rate that was taken (an SVG element)."""
    figure, axes = _chart("learning rate", "loss, smoothed")
    axes.semilogx(found.rates, found.losses, color=BLUE)
    axes.axvline(found.chosen, color=GREY, linewidth=1, linestyle=":", label="taken")
    axes.legend(frameon=False)
    return _svg(figure)


def rotation(found: Sensitivity) -> str:
    """Accuracy against the angle by which images are turned (an SVG element)."""
    figure, axes = _chart("turned counter-clockwise, in degrees", "share of right answers")
    axes.plot(found.amounts, found.accuracy, "o-", color=BLUE, markersize=4)
    axes.set_ylim(0, 1.05)
    return _svg(figure)


def shift(found: Mapping[Axis, Sensitivity]) -> str:
    """Accuracy against the share of the side by which images are shifted (an SVG element)."""
    figure, axes = _chart("shifted right or down, in shares of the side", "share of right answers")
    styles = ((BLUE, "o-"), (ORANGE, "o--"))  # where one lies on the other, both are seen
    for (axis, each), (colour, style) in zip(found.items(), styles, strict=True):
        name = axis.name.lower()
        axes.plot(each.amounts, each.accuracy, style, color=colour, label=name, markersize=4)
    axes.set_ylim(0, 1.05)
    axes.legend(frameon=False, loc="lower center")
    return _svg(figure)


def accuracy_against_operations(found: Sequence[Measured]) -> str:
    """Accuracy against multiply-adds, the circles' areas as the parameters (an SVG element).

    Canziani et al. 2016, "An analysis of deep neural network models for practical
    applications", figure 2. The bars are one standard error of the accuracy; a cross is what
    training to a depth leaves.
    """
    figure, axes = _chart("multiply-adds, millions", "share of right answers")
    most = max(each.parameters for each in found)
    for number, each in enumerate(found):
        place, colour = (each.multiply_adds / 1e6, each.accuracy), f"C{number}"
        area = LARGEST * each.parameters / most
        axes.scatter(*place, s=area, color=colour, alpha=0.5, linewidth=0)
        axes.errorbar(
            *place, yerr=each.layers[-1].error, fmt=".", color=colour, label=each.candidate
        )
        for trained in each.trained:
            accuracy = trained.score.accuracy
            axes.plot(place[0], accuracy, "x", color=colour)
            axes.annotate(
                trained.depth, (place[0], accuracy), xytext=(5, 0), textcoords="offset points",
                fontsize=7, va="center",
            )  # fmt: skip
    axes.margins(0.2)
    axes.set_xlim(left=0)
    figure.legend(loc="outside upper left", frameon=False, fontsize=8)
    return _svg(figure)


def accuracy_by_depth(curves: Mapping[str, Sequence[Transfer]]) -> str:
    """How far each network's layers serve, from the input to the head (an SVG element).

    As figure 2 of Yosinski et al. 2014, "How transferable are features in deep neural
    networks?", with probes.
    """
    figure, axes = _chart("share of the blocks", "share of right answers")
    for name, layers in curves.items():
        depth = [layer.blocks / layer.of for layer in layers]
        axes.plot(depth, [layer.accuracy for layer in layers], "o-", label=name, markersize=4)
    axes.set_xlim(0, 1.02)
    figure.legend(loc="outside upper left", frameon=False, fontsize=8)
    return _svg(figure)


def accuracy_against_eps(found: Mapping[str, Sequence[float]], eps: Sequence[str]) -> str:
    """What attacks leave of the accuracy at each eps, a curve for each (an SVG element).

    Args:
        found: shares [E], by attack; `worst`, under all of them, is drawn in black.
        eps: E radii as text, evenly spaced on the axis.
    """
    figure, axes = _chart("eps, Linf", "share that is right and stays so")
    for name, shares in found.items():
        axes.plot(eps, shares, "ko--" if name == "worst" else "o-", markersize=4, label=name)
    axes.set_ylim(0, 1.05)
    axes.legend(frameon=False)
    return _svg(figure)


def smallest_perturbations(distances: npt.NDArray[np.floating], norm: str) -> str:
    """The share of images whose smallest perturbation is longer than x (an SVG element).

    Args:
        distances: [N]; inf where none was found.
        norm: its name.
    """
    figure, axes = _chart(f"length of the perturbation, {norm}", "share that stands")
    found = np.sort(distances[np.isfinite(distances)])
    standing = 1 - np.arange(1, len(found) + 1) / len(distances)
    axes.step([0, *found], [1, *standing], where="post", color=BLUE)
    axes.set_xlim(left=0)
    axes.set_ylim(0, 1.05)
    return _svg(figure)


def certified_accuracy(found: Mapping[float, float]) -> str:
    """The share that is certified to be right, against the L2 radius (an SVG element)."""
    figure, axes = _chart("radius, L2", "share certified to be right")
    axes.plot(list(found), list(found.values()), "o-", color=BLUE, markersize=4)
    axes.set_ylim(0, 1.05)
    return _svg(figure)


def thumbnail(crop: npt.NDArray[np.uint8]) -> str:
    """A crop [H, W, 3] as the `src` of an `img` element."""
    return _source(crop, "jpeg", quality=80)


def lossless(image: npt.NDArray[np.uint8]) -> str:
    """An image [H, W, 3], every pixel as it is, as the `src` of an `img` element."""
    return _source(image, "png", optimize=True)


def _source(image: npt.NDArray[np.uint8], kind: str, **options: int) -> str:
    encoded = BytesIO()
    Image.fromarray(image).save(encoded, kind, **options)
    return f"data:image/{kind};base64," + base64.b64encode(encoded.getvalue()).decode("ascii")


def _chart(across: str, up: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(INCHES, INCHES), layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _svg(figure: Figure) -> str:
    """The same chart gives the same bytes: no date, and no random ids."""
    text = StringIO()
    with mpl.rc_context({"svg.hashsalt": "seewhy"}):
        figure.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue().partition("<svg")[1] + text.getvalue().partition("<svg")[2]
