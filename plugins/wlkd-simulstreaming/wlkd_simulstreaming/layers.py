"""The layers that encoder and token decoder are built from, in float or, on the CPU, with int8 weights."""

from __future__ import annotations

import functools
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


class Linear(ABC):
    """A matrix product with bias: (…, in) to (…, out)."""

    @abstractmethod
    def __call__(self, x: Tensor) -> Tensor: ...


class FloatLinear(Linear):
    """On weights (out, in) as they are."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        self._weight = weight
        self._bias = bias

    def __call__(self, x: Tensor) -> Tensor:
        return F.linear(x, self._weight, self._bias)


class Int8Linear(Linear):
    """On int8 weights, scaled per output, and inputs quantised as they come, scaled per row. CPU only.

    A step reads every weight of the decoder once per token: at a quarter of the size they stay in the cache. A row's
    result depends on nothing but the row, so a stream says in a batch what it says alone.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        self._packed = _packed(weight.float())
        self._bias = None if bias is None else bias.float()
        self._product = _x86_product if torch.backends.quantized.engine in ("x86", "fbgemm") else _portable_product

    def __call__(self, x: Tensor) -> Tensor:
        scale = x.abs().amax(-1, keepdim=True).clamp(min=1e-8)
        product = self._product(x / scale, self._packed)
        return product * scale if self._bias is None else torch.addcmul(self._bias, product, scale)


def _packed(weight: Tensor) -> torch.ScriptObject:
    scales = (torch.maximum(weight.amax(1), -weight.amin(1)) / 127).clamp(min=1e-8)
    with warnings.catch_warnings():
        # PyTorch announces that these functions will move; this kernel cannot be reached in another way yet.
        warnings.simplefilter("ignore", UserWarning)
        quantized = torch.quantize_per_channel(
            weight, scales, torch.zeros(len(scales), dtype=torch.long), 0, torch.qint8
        )
    packed: torch.ScriptObject = torch.ops.quantized.linear_prepack(quantized, None)
    return packed


def _x86_product(x: Tensor, packed: torch.ScriptObject, steps: int | None = None) -> Tensor:
    """`x` within -1 and 1, (…, in) to (…, out). `steps`: see `input_steps`, which also is the default."""
    steps = steps or input_steps()
    product: Tensor = torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32(x, 1 / steps, steps + 1, packed)
    return product


@functools.cache
def input_steps() -> int:
    """Steps on each side of zero of what `_x86_product` quantises. Eight bits are twice as exact as seven, but a CPU
    without VNNI adds up their products in 16 bits, which is too few for the greatest."""
    ones = torch.ones(1, 64)
    return 127 if torch.allclose(_x86_product(ones, _packed(ones), 127), torch.tensor(64.0), rtol=0.01) else 63


def _portable_product(x: Tensor, packed: torch.ScriptObject) -> Tensor:
    """The same where the processor's library finds the range itself, over all rows: one more row is as wide as any."""
    rows = x.reshape(-1, x.shape[-1])
    widest = torch.zeros_like(rows[:1])
    widest[0, 0], widest[0, 1] = 1, -1
    product: Tensor = torch.ops.quantized.linear_dynamic(torch.cat([widest, rows]), packed, True)
    return product[1:].reshape(*x.shape[:-1], -1)


MakeLinear = Callable[[Tensor, Tensor | None], Linear]


@dataclass(frozen=True)
class Norm:
    """Layer normalisation over the last dimension."""

    weight: Tensor
    bias: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, self.weight.shape, self.weight, self.bias)


class Weights(Mapping[str, Tensor]):
    """One network's weights in a checkpoint, each converted when it is asked for.

    It is needed only while its layer is made, and all of them at once in float32 would take twice what they take in the
    checkpoint.
    """

    def __init__(
        self, checkpoint: Mapping[str, Tensor], network: str, device: torch.device, dtype: torch.dtype
    ) -> None:
        """`network` is the first part of their names in `checkpoint`, which they do not have here."""
        prefix = f"{network}."
        self._stored = {
            name.removeprefix(prefix): weight for name, weight in checkpoint.items() if name.startswith(prefix)
        }
        self._device = device
        self._dtype = dtype

    def __getitem__(self, name: str) -> Tensor:
        return self._stored[name].to(self._device, self._dtype)

    def linear(self, name: str, make: MakeLinear) -> Linear:
        """The product `name`, made by `make`; some have no bias."""
        return make(self[f"{name}.weight"], self.get(f"{name}.bias"))

    def norm(self, name: str) -> Norm:
        """The normalisation `name`."""
        return Norm(self[f"{name}.weight"], self[f"{name}.bias"])

    def __iter__(self) -> Iterator[str]:
        return iter(self._stored)

    def __len__(self) -> int:
        return len(self._stored)


class FeedForward:
    """The second half of a layer, the encoder's and the decoder's: (…, width) to the same."""

    def __init__(self, weights: Weights, prefix: str, make: MakeLinear) -> None:
        self._norm = weights.norm(f"{prefix}mlp_ln")
        self._widen = weights.linear(f"{prefix}mlp.0", make)
        self._narrow = weights.linear(f"{prefix}mlp.2", make)

    def __call__(self, x: Tensor) -> Tensor:
        return x + self._narrow(F.gelu(self._widen(self._norm(x))))


class Block:
    """One layer of the decoder, by the checkpoint's names."""

    def __init__(self, weights: Weights, prefix: str, make: MakeLinear) -> None:
        self.self_norm = weights.norm(f"{prefix}attn_ln")
        self.self_qkv = make(*stacked(weights, prefix + "attn.", ("query", "key", "value")))
        self.self_out = weights.linear(f"{prefix}attn.out", make)
        self.cross_norm = weights.norm(f"{prefix}cross_attn_ln")
        self.cross_query = weights.linear(f"{prefix}cross_attn.query", make)
        self.cross_out = weights.linear(f"{prefix}cross_attn.out", make)
        self.feed_forward = FeedForward(weights, prefix, make)


def stacked(weights: Weights, prefix: str, names: tuple[str, ...]) -> tuple[Tensor, Tensor]:
    """Weights and biases of several layers on one input, one above the other; Whisper's keys have no bias."""
    stack = [weights[f"{prefix}{name}.weight"] for name in names]
    biases = [
        weights.get(f"{prefix}{name}.bias", torch.zeros_like(weight[:, 0]))
        for name, weight in zip(names, stack, strict=True)
    ]
    return torch.cat(stack), torch.cat(biases)
