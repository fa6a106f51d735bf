"""An independent training step of MelGAN in double precision, from raw weight_g and weight_v.

Networks are functions of a dict of tensors under official names, gradients come from autograd,
and Adam is written out in numpy. What is computed, and in which order, is read from the release's
training script as described in its source (scripts/train.py), not from the package.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

Array = NDArray[np.float64]
Weights = dict[str, Tensor]


@dataclass(frozen=True)
class Options:
    """What a training is told; the defaults are the release's."""

    ratios: tuple[int, ...] = (8, 8, 2, 2)
    n_residual_layers: int = 3
    n_scales: int = 3
    n_layers: int = 4
    stride: int = 4
    window_based: bool = True
    #: In front of the sum of feature differences.
    feature_matching: float = 10 * 4 / 5 / 3
    stale_real_features: bool = True
    audio_l1: float = 0.0
    learning_rate: float = 1e-4
    betas: tuple[float, float] = (0.5, 0.9)
    #: A wrong order: the generator is updated through the discriminator as it was.
    generator_sees_old_discriminator: bool = False


@dataclass
class Moments:
    """Adam's state of one network."""

    n_steps: int = 0
    first: dict[str, Array] = field(default_factory=dict)
    second: dict[str, Array] = field(default_factory=dict)


def weight(weights: Mapping[str, Tensor], name: str) -> Tensor:
    if f"{name}.weight" in weights:
        return weights[f"{name}.weight"]
    v = weights[f"{name}.weight_v"]
    length = (v**2).sum(dim=(1, 2), keepdim=True).sqrt()
    return weights[f"{name}.weight_g"] * v / length


def reflect(x: Tensor, width: int) -> Tensor:
    return F.pad(x, (width, width), mode="reflect")


def leaky(x: Tensor) -> Tensor:
    return torch.where(x > 0, x, 0.2 * x)


def generate(weights: Mapping[str, Tensor], mel: Tensor, options: Options) -> Tensor:
    def conv(x: Tensor, name: str, dilation: int = 1) -> Tensor:
        return F.conv1d(x, weight(weights, name), weights[f"{name}.bias"], dilation=dilation)

    x, index = conv(reflect(mel, 3), "model.1"), 3
    for ratio in options.ratios:
        name = f"model.{index}"
        bias, padding = weights[f"{name}.bias"], ratio // 2 + ratio % 2
        x = F.conv_transpose1d(
            leaky(x), weight(weights, name), bias, ratio, padding, output_padding=ratio % 2
        )
        for depth in range(options.n_residual_layers):
            name = f"model.{index + 1 + depth}"
            inner = conv(reflect(leaky(x), 3**depth), f"{name}.block.2", 3**depth)
            x = conv(x, f"{name}.shortcut") + conv(leaky(inner), f"{name}.block.4")
        index += options.n_residual_layers + 2
    return torch.tanh(conv(reflect(leaky(x), 3), f"model.{index + 1}"))


def judge(
    weights: Mapping[str, Tensor], audio: Tensor, options: Options
) -> list[tuple[list[Tensor], Tensor]]:
    """(feature maps, logits) of each scale."""
    scales, last = [], options.n_layers + 2
    for scale in range(options.n_scales):
        prefix = f"model.disc_{scale}.model.layer_"
        maps = []
        x = audio
        for layer in range(last + 1):
            name = f"{prefix}{layer}" + {0: ".1", last: ""}.get(layer, ".0")
            taps, bias = weight(weights, name), weights[f"{name}.bias"]
            strided = 1 <= layer <= options.n_layers
            x = reflect(x, 7) if layer == 0 else x
            x = F.conv1d(
                x,
                taps,
                bias,
                stride=options.stride if strided else 1,
                padding=0 if layer == 0 else taps.shape[2] // 2,
                groups=x.shape[1] // taps.shape[1],
            )
            x = x if layer == last else leaky(x)
            maps.append(x)
        logits = maps.pop()
        scales.append((maps, logits if options.window_based else logits.mean(2, keepdim=True)))
        audio = F.avg_pool1d(audio, 4, 2, 1, count_include_pad=False)
    return scales


def adam(weights: Weights, gradients: Weights, moments: Moments, options: Options) -> Weights:
    """Kingma and Ba 2015, algorithm 1; `moments` is changed."""
    (beta_1, beta_2), rate = options.betas, options.learning_rate
    moments.n_steps += 1
    updated = {}
    for name, old in weights.items():
        g = gradients[name].numpy()
        m = moments.first[name] = beta_1 * moments.first.get(name, 0 * g) + (1 - beta_1) * g
        v = moments.second[name] = beta_2 * moments.second.get(name, 0 * g) + (1 - beta_2) * g**2
        m_hat = m / (1 - beta_1**moments.n_steps)
        v_hat = v / (1 - beta_2**moments.n_steps)
        updated[name] = old - torch.from_numpy(rate * m_hat / (np.sqrt(v_hat) + 1e-8))
    return updated


def gradients_of(loss: Tensor, weights: Weights) -> Weights:
    names = list(weights)
    return dict(zip(names, torch.autograd.grad(loss, [weights[n] for n in names]), strict=True))


def double_leaves(weights: Mapping[str, Tensor]) -> Weights:
    return {name: t.detach().double().requires_grad_() for name, t in weights.items()}


def discriminator_step(
    generator: Mapping[str, Tensor],
    discriminator: Mapping[str, Tensor],
    moments: Moments,
    mel: Tensor,
    real: Tensor,
    options: Options,
) -> tuple[Weights, dict[str, float]]:
    """The discriminator's new weights and loss; `moments` is changed."""
    d = double_leaves(discriminator)
    fake = generate(double_leaves(generator), mel, options).detach()
    hinge = sum(
        (1 + f).clamp(min=0).mean() + (1 - r).clamp(min=0).mean()
        for (_, f), (_, r) in zip(judge(d, fake, options), judge(d, real, options), strict=True)
    )
    updated = adam(detached(d), gradients_of(hinge, d), moments, options)
    return updated, {"discriminator/hinge": float(hinge.detach())}


def generator_step(
    generator: Mapping[str, Tensor],
    discriminators: tuple[Mapping[str, Tensor], Mapping[str, Tensor]],
    moments: Moments,
    mel: Tensor,
    real: Tensor,
    options: Options,
) -> tuple[Weights, dict[str, float]]:
    """The generator's new weights and losses; `moments` is changed.

    `discriminators` are those before and after this step's update.
    """
    g = double_leaves(generator)
    old, new = ({n: t.double() for n, t in weights.items()} for weights in discriminators)
    opponent = old if options.generator_sees_old_discriminator else new
    fake = generate(g, mel, options)
    judged_real = judge(old if options.stale_real_features else new, real, options)
    judged_fake = judge(opponent, fake, options)
    adversarial = -sum(logits.mean() for _, logits in judged_fake)
    matching = options.feature_matching * sum(
        (a - b).abs().mean()
        for (fakes, _), (reals, _) in zip(judged_fake, judged_real, strict=True)
        for a, b in zip(fakes, reals, strict=True)
    )
    l1 = options.audio_l1 * (fake - real).abs().mean()
    gradients = gradients_of(adversarial + matching + l1, g)
    losses = {
        "generator/adversarial": float(adversarial.detach()),
        "generator/feature_matching": float(matching.detach()),
    }
    if options.audio_l1:
        losses["generator/audio_l1"] = float(l1.detach())
    return adam(detached(g), gradients, moments, options), losses


def detached(weights: Weights) -> Weights:
    return {name: t.detach() for name, t in weights.items()}
