"""How exactly matrix products are computed: in float32, or faster with rounded factors."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from trainable.errors import InputError

Precision = Literal["float32", "bf16", "tf32"]
"""float32. bf16: factors rounded to 8 significant bits. tf32: factors rounded to 11."""

EMULATE = "BENCHSWEEP_EMULATE_BF16"
"""Environment variable; if it is 1, processors that cannot compute in bf16 imitate it."""

Product = Callable[[Tensor, Tensor, Tensor, float], Tensor]
"""product(out, a, b, scale) writes scale * a @ b to `out`, float32, and returns it."""


class UnsupportedPrecision(InputError):
    """A precision that the device does not have."""


def processor_bf16() -> str | None:
    """The instructions by which this processor multiplies in bf16: "AMX" or "AVX512-BF16"; None without."""
    # torch says so from 2.10 on.
    flags = getattr(torch.cpu, "get_capabilities", _flags)()
    for flag, name in (("amx_bf16", "AMX"), ("avx512_bf16", "AVX512-BF16")):
        if flags.get(flag):
            return name
    return None


def _flags() -> dict[str, bool]:
    """The processor's flags, as Linux names them."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return {}
    flags = next((line for line in lines if line.startswith("flags")), "")
    return dict.fromkeys(flags.partition(":")[2].split(), True)


def check(precision: Precision, device: torch.device) -> None:
    """Raises UnsupportedPrecision if the device would be slower with it than in float32."""
    emulate = os.environ.get(EMULATE) == "1"
    if precision == "bf16" and device.type == "cpu" and not emulate and processor_bf16() is None:
        raise UnsupportedPrecision(
            'precision must be one that the processor has, but is "bf16", and it has neither AMX nor '
            "AVX512-BF16: it would have to imitate bf16, which is slower than float32",
            f'set precision = "float32", or the environment variable {EMULATE}=1 to imitate it all the same',
        )
    if precision == "tf32" and not _has_tf32(device):
        raise UnsupportedPrecision(
            f'precision must be one that the device has, but is "tf32" on {device}: only NVIDIA GPUs from '
            "Ampere (2020) on compute in tf32",
            'set precision = "float32", or "bf16"',
        )


def _has_tf32(device: torch.device) -> bool:
    return device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0)


@contextmanager
def settings(precision: Precision, device: torch.device) -> Iterator[None]:
    """With torch's own settings for this precision; afterwards they are as before."""
    owners: list[Any] = []
    chosen = "none"
    backends: Any = torch.backends
    if device.type == "cuda":
        owners = [backends.cuda.matmul, backends.cudnn.conv]
        # Also for float32, which cuDNN otherwise takes for tf32.
        chosen = "tf32" if precision == "tf32" else "ieee"
    elif precision == "bf16" and device.type == "cpu":
        owners, chosen = [backends.mkldnn.matmul, backends.mkldnn.conv], "bf16"
    before = [owner.fp32_precision for owner in owners]
    for owner in owners:
        owner.fp32_precision = chosen
    try:
        yield
    finally:
        for owner, value in zip(owners, before, strict=True):
            owner.fp32_precision = value


def product(precision: Precision, device: torch.device) -> Product:
    """How matrices are multiplied under `settings`."""
    if precision == "bf16" and device.type != "cpu":
        return _in_bf16
    if precision == "bf16" and processor_bf16() is None:
        return _imitated
    return _plain


def _plain(out: Tensor, a: Tensor, b: Tensor, scale: float) -> Tensor:
    # With beta 0, nothing is read of the first argument.
    return torch.addmm(out, a, b, beta=0, alpha=scale, out=out)


def _imitated(out: Tensor, a: Tensor, b: Tensor, scale: float) -> Tensor:
    return torch.addmm(out, a.bfloat16().float(), b.bfloat16().float(), beta=0, alpha=scale, out=out)


def _in_bf16(out: Tensor, a: Tensor, b: Tensor, scale: float) -> Tensor:
    return out.copy_(torch.mm(a.bfloat16(), b.bfloat16())).mul_(scale)
