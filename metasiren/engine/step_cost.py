"""The cost of a training step, found without computing it: operations, FLOP, bytes moved and memory.

A step of the recipe runs on tensors without contents: for a GPU on torch's `meta` device, for a CPU on fake CPU tensors
(the evaluator works block by block there). Shapes and dtypes are those of the real step; every operation is counted,
and every tensor from its making to its end.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from metasiren.assembly.parts import make_model, make_optimizer
from metasiren.contracts import Batch, Domain, Model
from metasiren.contracts.optimizer import BatchOptimizer, Weighted
from metasiren.engine.averaging import MovingAverage
from metasiren.engine.counting import OperationCount, size_of
from metasiren.engine.jacobian import jacobian_bytes
from metasiren.engine.objective import Objective
from metasiren.engine.sharding import Factors, part_of
from metasiren.recipe import Part, Recipe
from metasiren.registry.catalogue import Catalogue


@dataclass(frozen=True)
class StepCost:
    """The cost of a training step. Sizes are in bytes.

    Attributes:
        trained: numbers that are trained, by part (`encoder`, `decoder`).
        fixed: numbers that are not, by part.
        weights: size of all of them.
        gradients: size of the gradients.
        optimizer: size of the optimiser's state.
        average: size of the moving average.
        batch: size of the step's batch.
        emitted: size of the weights that the decoder emits for the batch; zero where it holds them. Part of
            `activations`.
        activations: the most that everything else takes at once: layers kept for the backward pass, their derivatives
            by coordinates (jets), and temporary results.
        jacobian: size of the linearised residuals, of optimisers that solve for a step.
        kernels: number of operations that compute.
        flops: floating-point operations of matrix products and convolutions.
        traffic: bytes that the operations read and write, each by itself.
        solves: whether the optimiser solves for its steps: that work is not in `kernels`, `flops` and `traffic`.
    """

    trained: Mapping[str, int]
    fixed: Mapping[str, int]
    weights: int
    gradients: int
    optimizer: int
    average: int
    batch: int
    emitted: int
    activations: int
    jacobian: int
    kernels: int
    flops: int
    traffic: int
    solves: bool

    @property
    def constant(self) -> int:
        """The memory that does not depend on the size of the batch."""
        return self.weights + self.gradients + self.optimizer + self.average

    @property
    def variable(self) -> int:
        """The memory that grows with the batch."""
        return self.batch + self.activations + self.jacobian

    @property
    def peak(self) -> int:
        """The most memory that tensors take at once."""
        return self.constant + self.variable


def step_cost(
    recipe: Recipe,
    catalogue: Catalogue,
    domain: Domain,
    constraints: tuple[Weighted, ...],
    batch: Batch,
    *,
    device: torch.device,
    optimizer: Part | None = None,
    model: Model | None = None,
) -> StepCost:
    """The cost of one step of a recipe, as every step after the first takes it.

    Args:
        recipe: with its preset and overrides.
        catalogue: the plugins.
        domain: of the data.
        constraints: those of the stage.
        batch: a step's batch; only its shapes and dtypes count.
        device: for which kind of device; it need not be here.
        optimizer: of the stage; the recipe's where None.
        model: the model, where it is made already.

    Raises:
        Exception: whatever a part raises that must read a tensor's contents. The cost is then unknown.
    """
    model = model if model is not None else _made(recipe, catalogue, domain)
    batch = batch.cast(getattr(torch, recipe.train.dtype))
    pieces = recipe.train.accumulate
    whole = {w.constraint.at for w in constraints if w.constraint.at and not w.constraint.pointwise}
    part, factors = part_of(batch, 0, pieces, whole)
    with _pretended(device.type != "cpu") as place:
        objective = _empty_objective(recipe, model, constraints, place)
        step = _EmptyStep(recipe, catalogue, objective, optimizer, _empty_batch(part, place), factors)
        step.gradients()
        step.update()  # makes the optimiser's state
        emitted = _emitted(step.model, step.part)
        with OperationCount(place) as forward, _flops() as flops:
            step.gradients()
        with OperationCount(place) as after, _flops() as flops_after:
            step.update()
    size = sum(size_of(p) for p in step.trained)
    state, average = tree_leaves(dict(step.optimizer.state)), step.average
    return StepCost(
        trained=_numbers(step.model, trained=True),
        fixed=_numbers(step.model, trained=False),
        weights=sum(map(size_of, [*step.model.parameters(), *step.model.buffers()])),
        gradients=size,
        optimizer=sum(size_of(t) for t in state if isinstance(t, Tensor)),
        average=sum(map(size_of, average.module.parameters())) if average is not None else 0,
        batch=sum(map(size_of, {id(t): t for t in batch.tensors()}.values())),
        emitted=emitted,
        activations=max(forward.peak - size, after.peak, 0),
        jacobian=jacobian_bytes(step.optimizer, step.objective, batch, sum(p.numel() for p in step.trained)),
        kernels=forward.kernels * pieces + after.kernels,
        flops=flops() * pieces + flops_after(),
        traffic=forward.traffic * pieces + after.traffic,
        solves=isinstance(step.optimizer, BatchOptimizer),
    )


def _empty_objective(recipe: Recipe, model: Model, constraints: tuple[Weighted, ...], place: torch.device) -> Objective:
    """The objective of a copy of a model, all of whose tensors have no contents."""
    bf16, triton = recipe.train.precision == "bf16", recipe.train.kernels == "triton"
    return Objective(_emptied(model, place), constraints, bf16=bf16, triton=triton)


def _empty_batch(batch: Batch, place: torch.device) -> Batch:
    return batch._map(lambda t: torch.empty_strided(t.shape, t.stride(), dtype=t.dtype, device=place))


class _EmptyStep:
    """A training step on tensors without contents: the gradients of one part of its batch, and the update.

    Args:
        recipe: with its preset and overrides.
        catalogue: the plugins.
        objective: of a model without contents.
        optimizer: of the stage; the recipe's where None.
        part: of the batch, without contents.
        factors: of the part, see `part_of`.
    """

    def __init__(
        self,
        recipe: Recipe,
        catalogue: Catalogue,
        objective: Objective,
        optimizer: Part | None,
        part: Batch,
        factors: Factors,
    ) -> None:
        self.objective, self.model, self.part, self.factors = objective, objective.model, part, factors
        self.trained = [p for p in self.model.parameters() if p.requires_grad]
        parameters = self.trained or [nn.Parameter(torch.zeros(0))]
        self.optimizer = make_optimizer(recipe, catalogue, parameters, optimizer)
        if any(p.device.type == "meta" for p in self.model.parameters()):
            _as_on_a_gpu(self.optimizer)
        ema = recipe.train.ema
        self.average = MovingAverage(self.model, ema) if ema is not None else None

    def gradients(self) -> None:
        """The forward and the backward pass."""
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.objective(self.part, None, self.factors)["loss"]
        if self.trained:
            loss.backward()

    def update(self) -> None:
        """The optimiser's step and that of the moving average."""
        if not isinstance(self.optimizer, BatchOptimizer):
            self.optimizer.step()
        if self.average is not None:
            self.average.update_parameters(self.model)


@contextmanager
def _pretended(gpu: bool) -> Iterator[torch.device]:
    """Where tensors without contents lie."""
    if gpu:
        with _autocast_on_meta():
            yield torch.device("meta")
        return
    from torch._subclasses.fake_tensor import FakeTensorMode

    with FakeTensorMode(allow_non_fake_inputs=True), warnings.catch_warnings():
        # torch.optim.swa_utils copies a model, for which torch looks at the addresses of its tensors.
        warnings.filterwarnings("ignore", "Accessing the data pointer of FakeTensor")
        yield torch.device("cpu")


@contextmanager
def _autocast_on_meta() -> Iterator[None]:
    """Let parts write `torch.autocast(x.device.type, ...)`, which torch refuses for `meta`: there it does nothing."""
    autocast, enabled = torch.autocast, torch.is_autocast_enabled

    def on_any(device_type: str, *args: Any, **options: Any) -> Any:
        return nullcontext() if device_type == "meta" else autocast(device_type, *args, **options)

    with (
        patch.object(torch, "autocast", on_any),
        patch.object(torch, "is_autocast_enabled", lambda *a: a != ("meta",) and enabled(*a)),
    ):
        yield


def _made(recipe: Recipe, catalogue: Catalogue, domain: Domain) -> Model:
    with torch.device("meta"):
        return make_model(recipe, catalogue, domain)


def _emptied(model: Model, place: torch.device) -> Model:
    """A copy of a model all of whose tensors have no contents."""

    def empty(tensor: Tensor, memo: dict[int, Any]) -> Tensor:
        if id(tensor) not in memo:
            made = torch.empty(tensor.shape, dtype=tensor.dtype, device=place)
            parameter = isinstance(tensor, nn.Parameter)
            memo[id(tensor)] = nn.Parameter(made, tensor.requires_grad) if parameter else made
        found: Tensor = memo[id(tensor)]
        return found

    with patch.object(Tensor, "__deepcopy__", empty), patch.object(nn.Parameter, "__deepcopy__", empty):
        return copy.deepcopy(model).train()


def _as_on_a_gpu(optimizer: torch.optim.Optimizer) -> None:
    """Update all tensors together, as torch's optimisers do on a GPU by default."""
    for group in optimizer.param_groups:
        if group.get("foreach", False) is None and not group.get("fused"):
            group["foreach"] = True


def _emitted(model: Model, part: Batch) -> int:
    held = {p.untyped_storage() for p in model.parameters()}
    with torch.no_grad():
        latent = model.encoder(part.context, model.decoder)
        return sum(size_of(p) for p in model.decoder.field(latent).params.values() if p.untyped_storage() not in held)


def _numbers(model: Model, *, trained: bool) -> dict[str, int]:
    named = {"encoder": model.encoder, "decoder": model.decoder}
    return {
        name: sum(p.numel() for p in part.parameters() if p.requires_grad == trained) for name, part in named.items()
    }


@contextmanager
def _flops() -> Iterator[Callable[[], int]]:
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        yield counter.get_total_flops
