"""The average of several states of one network, where it is better than each of them."""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import nn

from training.recipe import Metric
from training.score import Score

State = Mapping[str, torch.Tensor]


def stir(
    module: nn.Module,
    states: Sequence[State],
    best: Score,
    metric: Metric,
    judge: Callable[[], Score],
) -> Score | None:
    """Leave the network with the best state, or with a better average of some.

    The greedy soup of Wortsman et al. (2022, "Model soups", recipe 1): each state in turn is
    added where the average is the better for it.

    Args:
        module: takes the states.
        states: the best first.
        best: the first one's score.
        metric: says what is better.
        judge: tells the score of the module as it is.

    Returns:
        the average's score; None where the first state alone is left.
    """
    taken = [states[0]]
    for state in states[1:]:
        module.load_state_dict(_mean([*taken, state]))
        found = judge()
        if found.by(metric) > best.by(metric):
            taken, best = [*taken, state], found
    module.load_state_dict(_mean(taken))
    return best if len(taken) > 1 else None


def _mean(states: Sequence[State]) -> State:
    """The mean of each tensor of real numbers; of others (a count) the first one's."""
    return {
        name: torch.stack([state[name] for state in states]).mean(dim=0)
        if value.is_floating_point()
        else value
        for name, value in states[0].items()
    }
