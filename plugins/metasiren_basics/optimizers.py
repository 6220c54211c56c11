"""Optimisers, in the variants that make one pass over the parameters where PyTorch has them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from metasiren import RecipeError, load_extra

Parameters = Iterable[nn.Parameter]


def _fused(parameters: list[nn.Parameter]) -> bool:
    """Whether PyTorch has a fused step for all of them: a third of the memory traffic of separate passes."""
    return all(p.device.type in ("cpu", "cuda") and p.is_floating_point() for p in parameters)


def _capturable(parameters: list[nn.Parameter]) -> bool:
    """Whether a step may be part of a CUDA graph: all parameters lie on a GPU."""
    return _fused(parameters) and all(p.device.type == "cuda" for p in parameters)


def adam(
    parameters: Parameters, *, lr: float, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8
) -> torch.optim.Optimizer:
    """Adam (Kingma and Ba 2015), the optimiser of all trainings in the paper.

    Args:
        parameters: on their device already.
        lr: learning rate; the schedule multiplies it.
        betas: decay of the first and the second moment.
        eps: added to the root of the second moment.
    """
    return adamw(parameters, lr=lr, betas=betas, eps=eps, weight_decay=0.0)


def adamw(
    parameters: Parameters,
    *,
    lr: float,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.01,
) -> torch.optim.Optimizer:
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019).

    Args:
        parameters: on their device already.
        lr: learning rate; the schedule multiplies it.
        betas: decay of the first and the second moment.
        eps: added to the root of the second moment.
        weight_decay: fraction, times `lr`, by which a step shrinks every parameter.
    """
    chosen = list(parameters)
    # Capturable steps keep their count on the GPU, so that a step may be part of a CUDA graph.
    return torch.optim.AdamW(
        chosen,
        lr=lr,
        betas=betas,
        eps=eps,
        weight_decay=weight_decay,
        fused=_fused(chosen),
        capturable=_capturable(chosen),
    )


def sgd(parameters: Parameters, *, lr: float, momentum: float = 0.0, nesterov: bool = False) -> torch.optim.Optimizer:
    """Gradient descent, with or without momentum.

    Args:
        parameters: on their device already.
        lr: learning rate; the schedule multiplies it.
        momentum: fraction of the last update that is added.
        nesterov: look ahead along it.
    """
    chosen = list(parameters)
    made = torch.optim.SGD(chosen, lr=lr, momentum=momentum, nesterov=nesterov, fused=_fused(chosen))
    # The fused step reads a rate that is a tensor on the device.
    made.param_groups[0]["capturable"] = _capturable(chosen)
    return made


def muon(
    parameters: Parameters,
    *,
    lr: float,
    matrix_lr: float | None = None,
    momentum: float = 0.95,
    betas: tuple[float, float] = (0.9, 0.999),
    weight_decay: float = 0.0,
) -> torch.optim.Optimizer:
    """Muon (Jordan et al. 2024) for hidden matrices, Adam for all else; for SIRENs see arXiv 2512.14366.

    Muon's updates are orthogonal matrices of about the size of Adam's (`match_rms_adamw`), so that one learning rate
    can serve both.

    Args:
        parameters: on their device already.
        lr: learning rate; the schedule multiplies it.
        matrix_lr: learning rate of the matrices; `lr` where left out.
        momentum: of Muon, with Nesterov's look ahead.
        betas: of Adam.
        weight_decay: fraction, times the learning rate, by which a step shrinks every parameter.

    Raises:
        RecipeError: there is no hidden matrix.
    """
    return MuonWithAdam(list(parameters), lr, lr if matrix_lr is None else matrix_lr, momentum, betas, weight_decay)


def soap(
    parameters: Parameters,
    *,
    lr: float,
    betas: tuple[float, float] = (0.95, 0.95),
    weight_decay: float = 0.0,
    precondition_frequency: int = 10,
) -> torch.optim.Optimizer:
    """SOAP (Vyas et al. 2024, arXiv 2409.11321): Adam in the eigenbasis of Shampoo's preconditioner.

    It is that of the package `pytorch-optimizer`; `pip install 'metasiren[soap]'`.

    Args:
        parameters: on their device already.
        lr: learning rate; the schedule multiplies it.
        betas: decay of the moments.
        weight_decay: fraction, times `lr`, by which a step shrinks every parameter.
        precondition_frequency: steps between two updates of the eigenbasis.
    """
    package: Any = load_extra("pytorch_optimizer", extra="soap", where="train.optimizer: soap")
    found: torch.optim.Optimizer = package.SOAP(
        list(parameters), lr=lr, betas=betas, weight_decay=weight_decay, precondition_frequency=precondition_frequency
    )
    return found


def shampoo(
    parameters: Parameters, *, lr: float, eps: float = 1e-6, precondition_frequency: int = 1
) -> torch.optim.Optimizer:
    """Shampoo (Gupta, Koren and Singer 2018, arXiv 1802.09568).

    The gradient G of a matrix becomes L^(-1/4) G R^(-1/4), L and R being the sums of all G G^T and G^T G so far.

    It is that of the package `pytorch-optimizer`, without momentum: the package's momentum keeps the preconditioned
    update in place of the gradient, and multiplies it by the preconditioner again in each step. Where the
    preconditioner is kept for several steps, that grows without bound. `pip install 'metasiren[soap]'`.

    Args:
        parameters: on their device already.
        lr: learning rate; the schedule multiplies it.
        eps: L and R start as this multiple of the identity.
        precondition_frequency: steps between two updates of the roots; nothing moves before the first of them.
    """
    package: Any = load_extra("pytorch_optimizer", extra="soap", where="train.optimizer: shampoo")
    found: torch.optim.Optimizer = package.Shampoo(
        list(parameters), lr=lr, matrix_eps=eps, preconditioning_compute_steps=precondition_frequency
    )
    return found


class MuonWithAdam(torch.optim.Optimizer):
    """Muon and Adam as one optimiser, each on its own parameters."""

    def __init__(
        self,
        parameters: list[nn.Parameter],
        lr: float,
        matrix_lr: float,
        momentum: float,
        betas: tuple[float, float],
        weight_decay: float,
    ) -> None:
        # A matrix is hidden where neither side is as small as a signal's dimension or channels.
        hidden = [p for p in parameters if p.ndim == 2 and min(p.shape) > _SIGNAL]
        if not hidden and any(p.numel() > 1 for p in parameters):
            found = f"no parameter is a matrix of more than {_SIGNAL} rows and columns; Muon is for those."
            raise RecipeError("train.optimizer: muon", found, "Use adam, or the decoder `free` with wider layers.")
        rest = [p for p in parameters if not any(p is h for h in hidden)]
        self.parts: list[torch.optim.Optimizer] = []
        if hidden:
            self.parts.append(
                torch.optim.Muon(
                    hidden, lr=matrix_lr, momentum=momentum, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw"
                )
            )
            self.parts[0].param_groups[0]["capturable"] = _capturable(hidden)
        if rest:
            self.parts.append(adamw(rest, lr=lr, betas=betas, weight_decay=weight_decay))
        super().__init__(parameters, {"lr": lr})
        # The schedule writes into these groups; the parts read the same dictionaries.
        self.param_groups = [group for part in self.parts for group in part.param_groups]

    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One step of each."""
        for part in self.parts:
            if isinstance(part, torch.optim.Muon) and isinstance(part.param_groups[0]["lr"], Tensor):
                _muon_step(part)
            else:
                part.step()

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Set the gradients to None."""
        for part in self.parts:
            part.zero_grad(set_to_none)

    def state_dict(self) -> dict[str, Any]:
        """The state of both, parameters numbered through."""
        state: dict[int, Any] = {}
        groups: list[dict[str, Any]] = []
        first = 0
        for part in self.parts:
            own = part.state_dict()
            count = sum(len(group["params"]) for group in own["param_groups"])
            state |= {first + index: entries for index, entries in own["state"].items()}
            groups += [{**g, "params": [first + i for i in g["params"]]} for g in own["param_groups"]]
            first += count
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""
        first, position = 0, 0
        for part in self.parts:
            own = part.state_dict()["param_groups"]
            count = sum(len(group["params"]) for group in own)
            groups = state_dict["param_groups"][position : position + len(own)]
            part.load_state_dict(
                {
                    "state": {i - first: e for i, e in state_dict["state"].items() if first <= i < first + count},
                    "param_groups": [{**g, "params": [i - first for i in g["params"]]} for g in groups],
                }
            )
            first, position = first + count, position + len(own)
        self.param_groups = [group for part in self.parts for group in part.param_groups]


@torch.no_grad()
def _muon_step(muon: torch.optim.Muon) -> None:
    """Muon's step with a rate that is a tensor, which torch's own would read on the host.

    From zero, with rate 1 and without decay, a step gives the update alone, and both are linear in the rate.
    """
    (group,) = muon.param_groups
    rate, decay = group["lr"], group["weight_decay"]
    weights = [p for p in group["params"] if p.grad is not None]
    before = [weight.clone() for weight in weights]
    for weight in weights:
        weight.zero_()
    group |= {"lr": 1.0, "weight_decay": 0.0}
    try:
        muon.step()  # type: ignore[no-untyped-call]
    finally:
        group |= {"lr": rate, "weight_decay": decay}
    for weight, old in zip(weights, before, strict=True):
        weight.mul_(rate).add_(old * (1 - rate * decay))


# Signals have at most so many dimensions and channels; hidden layers are wider.
_SIGNAL = 12
