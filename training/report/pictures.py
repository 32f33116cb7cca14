"""Charts as SVG and photos as data, to stand inside an HTML page."""

import base64
from collections.abc import Mapping, Sequence
from io import BytesIO, StringIO

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from training.evaluate import Evaluation
from training.layers import Transfer
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


def accuracy_against_operations(found: Sequence[Measured]) -> str:
    """Accuracy against multiply-adds, the circles' areas as the parameters (an SVG element).

    Canziani et al. 2016, "An analysis of deep neural network models for practical
    applications", figure 2. The bars are one standard error of the accuracy.
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


def thumbnail(crop: npt.NDArray[np.uint8]) -> str:
    """A crop [H, W, 3] as the `src` of an `img` element."""
    jpeg = BytesIO()
    Image.fromarray(crop).save(jpeg, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(jpeg.getvalue()).decode("ascii")


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
