"""VJP of max pooling: each window's gradient goes to its first maximum, as in PyTorch.

That is the first pixel with the maximum of its row, in the first row that holds the window's
maximum: so one axis follows the other, in a few operators on whole grids. The positions that
the operator itself can give are no help: the runtime looks for them pixel by pixel, and has to
leave the layout of its convolutions for that in the forward pass too.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import onnx_ir as ir

from training.gradient.convolution import RANK, Geometry
from training.gradient.elementwise import Gradients, above
from training.gradient.tape import Tape, input_of, ints, static


def max_pool(tape: Tape, node: ir.Node, dy: ir.Value) -> Gradients:
    """In the layout [N, H, W, C], where a slice along H or W copies whole runs of memory."""
    x = input_of(node, 0)
    geometry = Geometry(node, kernel=ints(node, "kernel_shape", ()))
    channels, width = static(x, 1), geometry.output_size[1]
    down, across = _Axis(geometry, 0, (width, channels)), _Axis(geometry, 1, (channels,))
    pixels = across.seen(tape, tape.op("Transpose", x, perm=[0, 2, 3, 1]), like=x)
    row_maxima = tape.op("Max", *pixels)
    rows = down.seen(tape, row_maxima, like=x)
    maxima = tape.op("Max", *rows)
    windows = tape.op("Transpose", dy, perm=[0, 2, 3, 1])
    to_rows = down.put_back(tape, _to_the_first(tape, rows, maxima, windows))
    to_pixels = across.put_back(tape, _to_the_first(tape, pixels, row_maxima, to_rows))
    yield x, tape.op("Transpose", to_pixels, perm=[0, 3, 1, 2])


def _to_the_first(
    tape: Tape, candidates: Sequence[ir.Value], maximum: ir.Value, dy: ir.Value
) -> list[ir.Value]:
    """For each candidate, `dy` where it is the first that equals the maximum, else 0."""
    shares = []
    for candidate in candidates[:-1]:
        left = tape.op("Mul", dy, above(tape, tape.op("Sub", maximum, candidate), 0))
        shares.append(tape.op("Sub", dy, left))
        dy = left
    return [*shares, dy]  # where no other equals it, the last does


@dataclass(frozen=True)
class _Axis:
    """Pooling along one axis of [N, H, W, C].

    `side` is 0 for H and 1 for W; `behind` are the sizes of the axes behind it.
    """

    geometry: Geometry
    side: int
    behind: tuple[int, ...]

    @property
    def axis(self) -> int:
        return 1 + self.side

    @property
    def stride(self) -> int:
        return self.geometry.strides[self.side]

    @property
    def windows(self) -> int:
        return self.geometry.output_size[self.side]

    @property
    def starts(self) -> list[int]:
        """Where each position of the kernel first lies, in the padded grid."""
        geometry = self.geometry
        return [i * geometry.dilations[self.side] for i in range(geometry.kernel[self.side])]

    @property
    def span(self) -> int:
        """The size of the padded grid: no more than the windows cover."""
        return (self.windows - 1) * self.stride + self.starts[-1] + 1

    def seen(self, tape: Tape, grid: ir.Value, like: ir.Value) -> list[ir.Value]:
        """What each position of the kernel sees, over all windows; padding is never the maximum."""
        begin, size = self.geometry.begin[self.side], self.geometry.input_size[self.side]
        lowest = tape.constant(-float("inf"), like)
        around = {self.axis: (begin, self.span - begin - size)}
        padded = tape.surround(grid, around, RANK, fill=lowest)
        reach = (self.windows - 1) * self.stride + 1
        return [
            tape.op(
                "Slice",
                padded,
                *(tape.constant([n]) for n in (start, start + reach, self.axis, self.stride)),
            )
            for start in self.starts
        ]

    def put_back(self, tape: Tape, shares: Sequence[ir.Value]) -> ir.Value:
        """Add up what each position of the kernel has over all windows, at its place in the grid.

        Positions that are a multiple of the stride apart meet in the same pixels: a phase.
        """
        phases: dict[int, list[ir.Value]] = {phase: [] for phase in range(self.stride)}
        length = -(-self.span // self.stride)
        for start, share in zip(self.starts, shares, strict=True):
            shift, phase = divmod(start, self.stride)
            around = {self.axis: (shift, length - shift - self.windows)}
            phases[phase].append(tape.surround(share, around, RANK))
        grids = [tape.total(parts) if parts else None for parts in phases.values()]
        grid = self._interleaved(tape, grids)
        begin, size = self.geometry.begin[self.side], self.geometry.input_size[self.side]
        around = {self.axis: (-begin, size + begin - length * self.stride)}
        return tape.surround(grid, around, RANK)

    def _interleaved(self, tape: Tape, grids: Sequence[ir.Value | None]) -> ir.Value:
        """One grid of the phases, whose pixels alternate; None is all zero."""
        first = next(grid for grid in grids if grid is not None)
        if len(grids) == 1:
            return first
        zero = tape.op("Sub", first, first) if None in grids else first
        behind = tape.constant([self.axis + 1])
        columns = [tape.op("Unsqueeze", grid or zero, behind) for grid in grids]
        shape = [0] * self.axis + [-1, *self.behind]
        alternating = tape.op("Concat", *columns, axis=self.axis + 1)
        return tape.op("Reshape", alternating, tape.constant(shape))
