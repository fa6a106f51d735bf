"""One guarded update of one network's weights."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from evalsuite.errors import TrainingError
from vocoders.training.distributed import average_gradients

__all__ = ["GradientUpdate"]


class GradientUpdate:
    """Backward pass, average over processes, guard, limit, optimiser step.

    An update whose gradients are not all finite is skipped: neither weights nor the optimiser's
    moments change. One bad batch is survivable; many in a row mean that the weights are lost.

    Parameters
    ----------
    optimiser : holds the network's parameters.
    max_norm : gradients are scaled down to this Euclidean norm; None leaves them alone.
    max_skipped_in_a_row : after that many skipped updates the training ends.
    """

    def __init__(
        self,
        optimiser: torch.optim.Optimizer,
        *,
        max_norm: float | None = None,
        max_skipped_in_a_row: int = 10,
    ) -> None:
        self._optimiser = optimiser
        self._max_norm = max_norm
        self._max_skipped_in_a_row = max_skipped_in_a_row
        self._skipped_in_a_row = 0
        self.n_skipped = 0

    def __call__(self, loss: Tensor) -> float:
        """Update by the gradient of a scalar loss and return its norm before the limit.

        Raises
        ------
        TrainingError after too many skipped updates in a row.
        """
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        parameters = self._parameters()
        average_gradients(parameters)
        gradients = [p.grad for p in parameters if p.grad is not None]
        norm = get_total_norm(gradients)
        norm_value = float(norm)
        if norm_value - norm_value != 0:  # NaN or infinite
            self._skip(loss)
            return norm_value
        if self._max_norm is not None:
            clip_grads_with_norm_(parameters, self._max_norm, norm)
        self._optimiser.step()
        self._skipped_in_a_row = 0
        return norm_value

    def state_dict(self) -> dict[str, Any]:
        """Optimiser and counters."""
        return {
            "optimiser": self._optimiser.state_dict(),
            "n_skipped": self.n_skipped,
            "skipped_in_a_row": self._skipped_in_a_row,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over optimiser and counters."""
        self._optimiser.load_state_dict(state["optimiser"])
        self.n_skipped = int(state["n_skipped"])
        self._skipped_in_a_row = int(state["skipped_in_a_row"])

    def _parameters(self) -> list[nn.Parameter]:
        return [p for group in self._optimiser.param_groups for p in group["params"]]

    def _skip(self, loss: Tensor) -> None:
        self.n_skipped += 1
        self._skipped_in_a_row += 1
        if self._skipped_in_a_row < self._max_skipped_in_a_row:
            return
        raise TrainingError(
            f"the gradients of {self._skipped_in_a_row} updates in a row were not finite "
            f"(last loss {float(loss.detach()):.4g})",
            wanted="finite gradients",
            do="go on from the last checkpoint with a lower learning rate, "
            "optimiser.max_gradient_norm, or run.precision: float32",
        )
