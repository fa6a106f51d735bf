"""Several processes with one GPU each (or CPU, for tests), started by ``torchrun``.

Every process holds all weights and a part of each batch; gradients are averaged after every
backward pass, so N processes take the step that one process takes on the whole batch. Plain
averaging instead of `DistributedDataParallel`: an adversarial step sends several passes through
one network per update, which that wrapper's hooks do not allow.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn

__all__ = [
    "Processes",
    "agree_to_stop",
    "average_gradients",
    "average_losses",
    "join_processes",
    "wait_for_all",
]


@dataclass(frozen=True)
class Processes:
    """One process among all.

    Parameters
    ----------
    rank : from 0; process 0 writes files.
    count : of all processes.
    local_rank : on this machine; the number of its GPU.
    """

    rank: int = 0
    count: int = 1
    local_rank: int = 0

    @property
    def is_first(self) -> bool:
        """Whether this process writes."""
        return self.rank == 0

    def own_device(self, device: torch.device) -> torch.device:
        """Give each process of a machine its own GPU."""
        if device.type != "cuda" or self.count == 1:
            return device
        own = torch.device("cuda", self.local_rank)
        torch.cuda.set_device(own)
        return own


@contextmanager
def join_processes(device_type: str) -> Iterator[Processes]:
    """Join the group that ``torchrun`` describes in the environment; alone without it."""
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield Processes()
        return
    backend = "nccl" if device_type == "cuda" else "gloo"
    # The first process decodes the corpus and measures the held-out clips while others wait.
    dist.init_process_group(backend, timeout=timedelta(hours=2))
    try:
        yield Processes(dist.get_rank(), count, int(os.environ.get("LOCAL_RANK", "0")))
        # Nobody leaves while another works. And gloo's threads may hold the tensors of the last
        # message a little longer: if the interpreter ends meanwhile, freeing them aborts the
        # process. The last message is therefore one without tensors.
        wait_for_all()
    finally:
        dist.destroy_process_group()


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Average ``.grad`` over all processes, in one message; nothing happens for one process."""
    if not dist.is_initialized():
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    parts = torch.split(flat, [gradient.numel() for gradient in gradients])
    for gradient, part in zip(gradients, parts, strict=True):
        gradient.copy_(part.view_as(gradient))


def average_losses(losses: Mapping[str, float], device: torch.device) -> dict[str, float]:
    """Average each loss over all processes."""
    if not dist.is_initialized():
        return dict(losses)
    # float32: some devices have no float64.
    values: Tensor = torch.tensor(list(losses.values()), dtype=torch.float32, device=device)
    dist.all_reduce(values)
    return dict(zip(losses, (values / dist.get_world_size()).tolist(), strict=True))


def agree_to_stop(wish: int, device: torch.device) -> int:
    """Return the largest wish of all processes, so that all stop after the same step."""
    if not dist.is_initialized():
        return wish
    common = torch.tensor(wish, device=device)
    dist.all_reduce(common, dist.ReduceOp.MAX)
    return int(common)


def wait_for_all() -> None:
    """Wait until every process is here."""
    if dist.is_initialized():
        dist.barrier()
