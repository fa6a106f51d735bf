"""Vector quantisation with a learnt codebook.

Van den Oord, Vinyals and Kavukcuoglu 2017, arXiv 1711.00937: eq. (3) for the losses, appendix A.1
for the codebook that follows moving averages. Restarts of unused codes are those of Dhariwal et
al. 2020, arXiv 2005.00341, section 3.1.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from pydantic import ConfigDict
from torch import Tensor, nn
from torch.nn import functional

from evalsuite.errors import ConfigError

__all__ = ["Quantized", "QuantizerConfig", "VectorQuantizer", "perplexity"]

# A code whose share of the moving average fell below this has had no vector for a thousand
# batches; what remains of it are rounding errors.
_NO_SHARE = 1e-5


@dataclass(frozen=True)
class QuantizerConfig:
    """Settings of a quantiser.

    Parameters
    ----------
    n_codes : size of the codebook; 512 in Kumar et al. 2019, section 3.5.
    commitment : weight that pulls the encoder towards its codes, beta of eq. (3).
    update : ``ema`` moves each code to the moving average of its vectors; ``loss`` trains the
        codebook by the second term of eq. (3).
    decay : of the moving averages, per batch.
    restart_below : a code with fewer vectors per batch than this, in the moving average, becomes
        a random vector of the batch; None leaves unused codes alone, as the 2017 paper does.

    Raises
    ------
    ConfigError naming the setting that is out of range.
    """

    # Unknown keys of a configuration file are errors in here too.
    __pydantic_config__ = ConfigDict(extra="forbid")

    n_codes: int = 512
    commitment: float = 0.25
    update: Literal["ema", "loss"] = "ema"
    decay: float = 0.99
    restart_below: float | None = None

    def __post_init__(self) -> None:
        rules = (
            (self.n_codes >= 2, f"n_codes {self.n_codes}", "at least 2 codes"),
            (self.commitment >= 0, f"commitment {self.commitment}", "0 or more"),
            (0 <= self.decay < 1, f"decay {self.decay}", "a decay in [0, 1)"),
            (
                self.restart_below is None or self.restart_below > 0,
                f"restart_below {self.restart_below}",
                "more than 0 vectors per batch, or null",
            ),
        )
        for holds, got, wanted in rules:
            if not holds:
                raise ConfigError(f"quantiser: {got}", wanted=wanted, do="correct the setting")


@dataclass(frozen=True, eq=False)
class Quantized:
    """What the quantiser made of a batch.

    Parameters
    ----------
    values : the chosen codes, shape (batch, channels, time); gradients pass to the input unchanged.
    codes : their indices, int64, shape (batch, time).
    loss : to be minimised beside the reconstruction, scalar.
    perplexity : effective number of codes in use in this batch, from 1 to n_codes.
    """

    values: Tensor
    codes: Tensor
    loss: Tensor
    perplexity: Tensor


class VectorQuantizer(nn.Module):
    """Replaces each vector by the nearest of a codebook.

    Parameters
    ----------
    n_channels : of each vector.
    config : the settings. The codebook begins uniform in ±1 / n_codes, as in the authors' release
        (deepmind/sonnet, vqvae.py).
    """

    codebook: Tensor
    cluster_size: Tensor
    cluster_sum: Tensor

    def __init__(self, n_channels: int, config: QuantizerConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or QuantizerConfig()
        bound = 1 / config.n_codes
        codebook = torch.empty(config.n_codes, n_channels).uniform_(-bound, bound)
        if config.update == "ema":
            self.register_buffer("codebook", codebook)
        else:
            self.codebook = nn.Parameter(codebook)
        # Each code begins as the mean of one vector: itself.
        self.register_buffer("cluster_size", torch.ones(config.n_codes))
        self.register_buffer("cluster_sum", codebook.clone())

    def forward(self, x: Tensor, generator: torch.Generator | None = None) -> Quantized:
        """Quantise; in training mode also move the codebook.

        The nearest codes are those before the move; all is float32 also under autocast.

        Parameters
        ----------
        x : shape (batch, channels, time).
        generator : source of restarts.
        """
        with torch.autocast(x.device.type, enabled=False):
            x = x.float()
            codes = self.nearest_codes(x)
            chosen = self.look_up(codes)
            loss = self.config.commitment * functional.mse_loss(x, chosen.detach())
            if self.config.update == "loss":
                loss = loss + functional.mse_loss(chosen, x.detach())
            counts = torch.bincount(codes.flatten(), minlength=self.config.n_codes).to(x.dtype)
            if self.training:
                self._follow(_as_rows(x.detach()), codes.flatten(), counts, generator)
            # Straight through: the code on the way forward, the identity on the way back.
            return Quantized(x + (chosen - x).detach(), codes, loss, perplexity(counts))

    def nearest_codes(self, x: Tensor) -> Tensor:
        """Indices of shape (batch, time) of the codes with the least Euclidean distance.

        Parameters
        ----------
        x : shape (batch, channels, time).
        """
        # Half precision, or a GPU's TF32, would confuse neighbouring codes.
        vectors, codebook = _as_rows(x.detach()).double(), self.codebook.detach().double()
        # |x - e|^2 without |x|^2, which is the same for every code.
        distances = torch.addmm((codebook**2).sum(1), vectors, codebook.T, alpha=-2)
        return distances.argmin(1).view(x.shape[0], x.shape[2])

    def look_up(self, codes: Tensor) -> Tensor:
        """Vectors of shape (batch, channels, time) for indices of shape (batch, time)."""
        return functional.embedding(codes, self.codebook).transpose(1, 2)

    @torch.no_grad()
    def _follow(
        self, vectors: Tensor, codes: Tensor, counts: Tensor, generator: torch.Generator | None
    ) -> None:
        """Move the averages, the codes that live by them, and restart those without vectors."""
        sums = torch.zeros_like(self.cluster_sum).index_add_(0, codes, vectors)
        new = torch.cat([counts[:, None], sums], dim=1)
        _sum_over_processes(new)
        # A batch that overflowed is skipped by the optimisers; it must not reach the averages.
        old = torch.cat([self.cluster_size[:, None], self.cluster_sum], dim=1)
        averages = torch.where(new.isfinite().all(), old.lerp(new, 1 - self.config.decay), old)
        self.cluster_size.copy_(averages[:, 0])
        self.cluster_sum.copy_(averages[:, 1:])
        if self.config.update == "ema":
            alive = (self.cluster_size > _NO_SHARE)[:, None]
            size = self.cluster_size.clamp(min=_NO_SHARE)[:, None]
            self.codebook.copy_(torch.where(alive, self.cluster_sum / size, self.codebook))
        if self.config.restart_below is not None:
            self._restart(vectors, self.config.restart_below, generator)

    def _restart(
        self, vectors: Tensor, restart_below: float, generator: torch.Generator | None
    ) -> None:
        # One candidate for every code, needed or not: no wait for the GPU, and a draw that does
        # not depend on the state.
        shape = (self.config.n_codes,)
        picks = torch.randint(len(vectors), shape, generator=generator, device=vectors.device)
        candidates = vectors[picks]
        _copy_from_first_process(candidates)
        unused = (self.cluster_size < restart_below) & candidates.isfinite().all(1)
        self.codebook.copy_(torch.where(unused[:, None], candidates, self.codebook))
        # Just alive: without a vector in the next batch it is drawn anew, because a young encoder
        # moves away from its codes faster than the averages follow.
        size = torch.full_like(self.cluster_size, restart_below)
        self.cluster_size.copy_(torch.where(unused, size, self.cluster_size))
        new_sum = candidates * size[:, None]
        self.cluster_sum.copy_(torch.where(unused[:, None], new_sum, self.cluster_sum))


def _as_rows(x: Tensor) -> Tensor:
    """Turn (batch, channels, time) into (batch * time, channels)."""
    return x.transpose(1, 2).flatten(end_dim=1)


def perplexity(counts: Tensor) -> Tensor:
    """Effective number of codes, ``exp(-sum p ln p)``, of how often each was chosen."""
    entropy: Tensor = torch.special.entr(counts / counts.sum()).sum()
    return entropy.exp()


def _sum_over_processes(tensor: Tensor) -> None:
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.all_reduce(tensor)


def _copy_from_first_process(tensor: Tensor) -> None:
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.broadcast(tensor, src=0)
