"""Meta-learning of initial weights: weights from which few gradient steps fit any signal of a set.

With phi_i the weights after some steps of gradient descent on the loss L_i of signal i, all begun at theta, the outer
gradient at theta is

    mean_i grad L_i(phi_i)     first-order MAML (Finn, Abbeel and Levine 2017, section 5.2),
    mean_i (theta - phi_i)     Reptile (Nichol, Achiam and Schulman 2018, arXiv 1803.02999, algorithm 2),

and Adam takes its step along it. Tancik et al. 2021, "Learned Initializations for Optimizing Coordinate-Based Neural
Representations", begin the fits of pictures, shapes and scenes with such weights.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import torch
from torch import Tensor, nn

from metasiren import BatchOptimizer, Field, Problem, RecipeError
from metasiren.contracts import orders_of, predict
from metasiren_basics.free import FreeDecoder

WHERE = "train.optimizer: meta_adam"


class MetaAdam(torch.optim.Adam, BatchOptimizer):
    """Adam on the initial weights that the items of a batch share: each item takes a few steps from them.

    The decoder is `free`, and the batch has several signals. All of them take their steps in one batched evaluation.
    Logged losses are those of the shared weights; `adapted` is the loss after the steps, averaged over items.

    Args:
        parameters: all parameters of the model.
        lr: Adam's learning rate for the shared weights; the schedule multiplies it.
        method: `maml` (first order: the steps are not differentiated through) or `reptile`.
        inner_steps: steps of gradient descent that each signal takes.
        inner_lr: their learning rate.
        betas: decay of Adam's first and second moment.
        eps: added to the root of the second moment.

    Raises:
        RecipeError: an option outside its range.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        *,
        lr: float,
        method: Literal["maml", "reptile"] = "maml",
        inner_steps: int = 5,
        inner_lr: float = 1e-2,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ) -> None:
        if inner_steps < 1:
            raise RecipeError(f"{WHERE}: inner_steps", f"{inner_steps}.", "Give one or more.")
        if not inner_lr > 0:
            raise RecipeError(f"{WHERE}: inner_lr", f"{inner_lr}.", "Give a number above 0, such as 0.01.")
        torch.optim.Adam.__init__(self, list(parameters), lr=lr, betas=betas, eps=eps)
        self.method, self.inner_steps, self.inner_lr = method, inner_steps, inner_lr

    def step_on(self, problem: Problem) -> dict[str, Tensor]:
        """One step; returns the losses before it, and `adapted`.

        Raises:
            RecipeError: a decoder other than `free`.
        """
        decoder = problem.model.decoder
        if not isinstance(decoder, FreeDecoder):
            found = f"the decoder is {type(decoder).__name__}."
            raise RecipeError(WHERE, found, "It learns the weights of the decoder `free`, with the encoder `fixed`.")
        shared = dict(zip(decoder.siren.shapes, decoder.weights, strict=True))
        count = len(problem.batch.context.items)
        with torch.no_grad():
            losses = {name: value.detach() for name, value in problem.losses().items()}
        own = {name: w.detach().expand(count, *w.shape).clone().requires_grad_() for name, w in shared.items()}
        for _ in range(self.inner_steps):
            _, slopes = _slopes(problem, own)
            # Losses are means over items: each item's own loss has `count` times their gradient.
            own = {n: (p.detach() - count * self.inner_lr * slopes[n]).requires_grad_() for n, p in own.items()}
        losses["adapted"], slopes = _slopes(problem, own)
        for name, w in shared.items():
            w.grad = slopes[name].sum(0) if self.method == "maml" else (w - own[name]).mean(0).detach()
        self.step()
        return losses


def _slopes(problem: Problem, params: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
    """The weighted loss, a mean over items, with weights (items, ...) of their own; and its gradient by them."""
    model, batch = problem.model, problem.batch
    latent = model.encoder(batch.context, model.decoder)
    orders = orders_of(each.constraint for each in problem.constraints)
    prediction = predict(Field(model.decoder.siren, params), latent, batch, orders)
    loss = torch.stack([each.weight * each.constraint(prediction) for each in problem.constraints]).sum()
    found = torch.autograd.grad(loss, list(params.values()), materialize_grads=True)
    return loss.detach(), dict(zip(params, found, strict=True))
