"""The only training loop.

Its state is the model, the optimiser, the average, the random generators, what training changed in the data, and the
step: nothing else decides what the next step does, so that a resumed run equals an uninterrupted one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from metasiren.assembly.experiment import Experiment
from metasiren.contracts import Batch, Model
from metasiren.contracts.optimizer import BatchOptimizer, Losses, Problem
from metasiren.engine.averaging import MovingAverage
from metasiren.engine.captured import CapturedStep
from metasiren.engine.devices import precision, reset_peak_memory
from metasiren.engine.distributed import Ranks
from metasiren.engine.errors_at import errors_at
from metasiren.engine.gradients import Gradients
from metasiren.engine.nonfinite import ADVICE, NonFiniteError, Notify, Recovery, demand_finite, demand_finite_gradients
from metasiren.engine.objective import Objective as Objective
from metasiren.engine.objective import evaluating
from metasiren.engine.outcome import Outcome, Stopwatch, Watcher, read_losses
from metasiren.engine.schedule import Items as Items
from metasiren.engine.schedule import learning_rate as learning_rate
from metasiren.engine.schedule import set_learning_rates
from metasiren.engine.serving import demand_served
from metasiren.recipe import Part
from metasiren.runs.checkpoints import Checkpoint, nonfinite, optimizer_tensors, restore_optimizer


@dataclass
class Trainer:
    """An experiment being trained on a device.

    Args:
        experiment: the assembled parts; its model and data set already lie on `device`.
        device: where to train.
        make_optimizer: the optimiser of a stage over the model's parameters, fresh.
        step: steps done.
        seconds: seconds trained.
        metadata: further plain data of checkpoints.
        ranks: this process among those that train together.
    """

    experiment: Experiment
    device: torch.device
    make_optimizer: Callable[[Part], torch.optim.Optimizer]
    step: int = 0
    seconds: float = 0.0
    metadata: dict[str, Any] = field(default_factory=dict)
    ranks: Ranks = field(default_factory=Ranks)

    def __post_init__(self) -> None:
        train = self.experiment.recipe.train
        model = self.experiment.model
        self.generator = torch.Generator(self.device).manual_seed(train.seed)
        self.average = MovingAverage(model, train.ema) if train.ema is not None else None
        self.recovery = Recovery(train.on_nonfinite)
        self._enter(0)

    def _enter(self, number: int) -> None:
        """Begin a stage: its constraints, and a fresh optimiser."""
        train = self.experiment.recipe.train
        self._number, self.stage = number, self.experiment.stages[number]
        bf16, triton = train.precision == "bf16", train.kernels == "triton"
        self.objective = Objective(
            self.experiment.model, self.stage.constraints, bf16=bf16, compile=train.compile, triton=triton
        )
        self.optimizer = self.make_optimizer(self.stage.optimizer)
        demand_served(train, self.stage.optimizer.name, self.optimizer, self.device, self.ranks)
        self._gradients = Gradients(self.objective, self.ranks, pieces=train.accumulate, seed=train.seed)
        self._rates = [group["lr"] for group in self.optimizer.param_groups]

    @property
    def best_model(self) -> Model:
        """The model to evaluate: the average where there is one."""
        return self.average.module if self.average is not None else self.experiment.model  # type: ignore[return-value]

    def train(
        self,
        *,
        watch: Watcher,
        save: Callable[[Checkpoint], None],
        preview: Callable[[int, Model], None] | None = None,
        stop: Callable[[], str | None] = lambda: None,
        notify: Notify = lambda step, batch, reason: None,
    ) -> Outcome:
        """Train to the recipe's last step, or until `stop` gives a reason; either way end with a checkpoint.

        Args:
            watch: called with the losses of logged steps.
            save: writes a checkpoint.
            preview: draws sample pictures.
            stop: gives a reason to stop, or None.
            notify: called with the step, its batch and the reason where a number is not finite.

        Raises:
            TrainingError: a loss or a weight that is not finite, and `train.on_nonfinite` does not go on. No
                checkpoint is written of such weights.
        """
        experiment, train = self.experiment, self.experiment.recipe.train
        steps = experiment.steps
        captured = self._captured()
        items = Items(experiment.dataset.splits["train"], train.batch, train.seed, self.device)
        stopwatch = Stopwatch(self.seconds)
        saved, reason = self.step if self.step else None, None
        experiment.model.train()
        self.recovery.keep(self.checkpoint())
        reset_peak_memory(self.device)
        with precision(train.tf32):
            while self.step < steps:
                # Asking the other processes takes time: not at every step.
                if self.ranks.count == 1 or self.step % 10 == 0:
                    reason = self.ranks.agreed(stop())
                if reason:
                    break
                if self.step == self.stage.stop:
                    self._enter(self._number + 1)
                    captured = self._captured()
                logged = self.step % train.log_every == 0 or self.step + 1 == steps
                batch_items = items.at(self.step)
                losses = self._training_step(batch_items, captured, read=logged, notify=notify)
                if losses is None:
                    continue
                stopwatch.count(len(batch_items))
                if logged:
                    self.seconds, rate = stopwatch.read()
                    watch(self.step, read_losses(losses), self.seconds, rate)
                if self.step % train.checkpoint_every == 0 or self.step == steps:  # before pictures, which may fail
                    save(checkpoint := self.checkpoint())
                    self.recovery.keep(checkpoint)
                    saved = self.step
                if preview and (self.step % train.pictures_every == 0 or self.step == steps):
                    with evaluating(self.best_model) as model:
                        preview(self.step, model)
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        self.seconds = stopwatch.seconds()
        if saved != self.step:
            save(self.checkpoint())
        return Outcome(self.step, self.seconds, reason)

    def _training_step(
        self, items: Tensor, captured: CapturedStep | None, *, read: bool, notify: Notify
    ) -> Losses | None:
        """One step: a batch, the learning rates, the update of the weights, the checks, the moving average.

        Returns:
            the losses before the step; None where a number was not finite and training goes on (`_recover`).
        """
        train = self.experiment.recipe.train
        last = self.step + 1 == self.experiment.steps
        self._set_rates()
        # On a GPU a check waits for the device: there it is made when losses are read anyway.
        check = read or self.device.type == "cpu" or train.on_nonfinite != "stop"
        batch, losses = captured(items) if captured else (self._draw(items), None)
        try:
            if losses is None:
                losses = self._update(batch, check=check)
            elif check:
                demand_finite(self.step + 1, losses)
            if last or (self.step + 1) % train.checkpoint_every == 0:
                self._demand_finite_weights(losses)
        except NonFiniteError as error:
            notify(self.step + 1, batch, error.found)
            self._recover(error)
            return None
        if self.average is not None:
            self.average.count() if captured else self.average.update_parameters(self.experiment.model)
        self.step += 1
        if last and isinstance(self.optimizer, BatchOptimizer):
            self.metadata["dropped_state"] = self.optimizer.drop_state()
        return losses

    def _draw(self, items: Tensor) -> Batch:
        """The batch of this step in the recipe's dtype."""
        experiment, train = self.experiment, self.experiment.recipe.train
        dataset = experiment.dataset.at_progress(self.step / experiment.steps)
        dataset = dataset.at_errors(partial(errors_at, experiment.model, self.stage.constraints, items))
        batch = dataset.batch("train", items, context=train.context, generator=self.generator)
        return batch.cast(getattr(torch, train.dtype))

    def _set_rates(self) -> None:
        """Give the optimiser the learning rates of this step."""
        within, length = self.step - self.stage.start, self.stage.stop - self.stage.start
        factor = self.recovery.rate * learning_rate(self.stage.schedule, within, length)
        set_learning_rates(self.optimizer, [factor * rate for rate in self._rates])

    def _captured(self) -> CapturedStep | None:
        """The stage's step as a CUDA graph, where the recipe asks for one."""
        if not self.experiment.recipe.train.graph:
            return None
        data, size = self.experiment.dataset, self.experiment.recipe.train.batch
        return CapturedStep(
            self._draw,
            self._advance,
            alike=data.draws_alike,
            size=min(size, data.splits["train"]),
            optimizer=self.optimizer,
            generator=self.generator,
        )

    def _advance(self, batch: Batch) -> Losses:
        """All of a step that happens on the device."""
        losses = self._update(batch, check=False)
        if self.average is not None:
            self.average.blend(self.experiment.model)
        return losses

    def _update(self, batch: Batch, *, check: bool) -> Losses:
        """One step of the optimiser; the losses are those before it."""
        objective, clip = self.objective, self.experiment.recipe.train.clip
        losses: Losses
        if isinstance(self.optimizer, BatchOptimizer):
            evaluate = partial(objective, batch, self.generator)
            problem = Problem(self.experiment.model, self.stage.constraints, batch, self.generator, evaluate)
            losses = self.optimizer.step_on(problem)
            if check:
                demand_finite(self.step + 1, losses)
            return losses
        with self.ranks.explained():
            self.optimizer.zero_grad(set_to_none=True)
            losses = self._gradients.fill(batch, self.step, self.generator)
        if check:
            losses = self.ranks.mean(losses)
        if clip is not None:
            nn.utils.clip_grad_norm_([p for p in self.experiment.model.parameters() if p.requires_grad], clip)
        if check:
            demand_finite(self.step + 1, losses)
        if self.recovery.policy != "stop":
            demand_finite_gradients(self.step + 1, self.experiment.model.parameters())
        self.optimizer.step()
        return losses

    def _demand_finite_weights(self, losses: Losses) -> None:
        """Before a checkpoint: the loss, every weight and the optimiser's state are finite."""
        demand_finite(self.step + 1, losses)
        if bad := nonfinite(self.checkpoint()):
            found = f"after it {len(bad)} tensors are not finite, such as {bad[0]}; they are not saved."
            raise NonFiniteError(f"step {self.step + 1}", found, ADVICE)

    def _recover(self, error: NonFiniteError) -> None:
        """Go on after a number that is not finite, where the recipe says so; else raise."""
        weights = (p.detach() for p in self.experiment.model.parameters())
        if self.recovery.policy == "skip" and all(bool(torch.isfinite(w).all()) for w in weights):
            self.optimizer.zero_grad(set_to_none=True)
            self.step += 1
        elif self.recovery.policy == "rollback":
            good = self.recovery.back(error)
            rate, count = self.recovery.rate, self.recovery.rollbacks
            self.restore(good)
            self.recovery.rate, self.recovery.rollbacks = rate, count
        else:
            raise error

    def checkpoint(self) -> Checkpoint:
        """Everything that decides how training goes on."""
        tensors: dict[str, Tensor] = {f"model.{k}": v for k, v in self.experiment.model.state_dict().items()}
        if self.average is not None:
            tensors |= {f"ema.{k}": v for k, v in self.average.state_dict().items()}
        tensors |= {f"data.{k}": v for k, v in self.experiment.dataset.state().items()}
        moments, settings = optimizer_tensors(self.optimizer)
        tensors |= {f"optimizer.{k}": v for k, v in moments.items()}
        tensors["random.cpu"], tensors["random.sampler"] = torch.get_rng_state(), self.generator.get_state()
        if self.device.type == "cuda":
            tensors["random.cuda"] = torch.cuda.get_rng_state(self.device)
        metadata = {
            "optimizer": settings,
            "stage": self._number,
            "seconds": self.seconds,
            "device": self.device.type,
            "recovery": {"rate": self.recovery.rate, "rollbacks": self.recovery.rollbacks},
            **self.metadata,
        }
        return Checkpoint(self.step, tensors, metadata)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go back to a checkpoint. On another kind of device the random streams start anew from the seed."""
        self.experiment.model.load_state_dict(checkpoint.part("model"))
        if self.average is not None:
            self.average.load_state_dict(checkpoint.part("ema"))
        self._enter(checkpoint.metadata.get("stage", 0))
        restore_optimizer(self.optimizer, checkpoint.part("optimizer"), checkpoint.metadata["optimizer"])
        self.experiment.dataset.restore(checkpoint.part("data"))
        recovery = checkpoint.metadata.get("recovery", {})
        self.recovery.rate, self.recovery.rollbacks = recovery.get("rate", 1.0), recovery.get("rollbacks", 0)
        random = checkpoint.part("random")
        torch.set_rng_state(random["cpu"])
        if checkpoint.metadata["device"] == self.device.type:
            self.generator.set_state(random["sampler"])
            if "cuda" in random:
                torch.cuda.set_rng_state(random["cuda"], self.device)
        self.step, self.seconds = checkpoint.step, checkpoint.metadata["seconds"]
