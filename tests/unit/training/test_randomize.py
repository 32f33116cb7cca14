"""Random weights that let no fault pass."""

import torch
from torch import nn

from training.randomize import randomize


def test_random_weights_leave_no_branch_and_no_norm_unseen() -> None:
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 4, 1))
    for parameter in network[3].parameters():
        nn.init.zeros_(parameter)
    norm = network[1]

    randomize(network.eval(), torch.rand(4, 3, 16, 16))

    for name, tensor in network.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            assert tensor.unique().numel() > 1, name
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.running_var is not None
    assert (norm.running_var > 0).all()
