"""The keys of a recipe, typed and validated. Imports no torch."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, field_validator, model_validator

from metasiren.recipe.parts import NamedPart, parts_of
from metasiren.recipe.yaml_text import dump_yaml


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Part(BaseModel):
    """A named part with its options; `encoder: cnn` is short for `encoder: {name: cnn}`."""

    model_config = ConfigDict(extra="allow", frozen=True)
    name: str

    @model_validator(mode="before")
    @classmethod
    def _from_word(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value

    @property
    def options(self) -> dict[str, Any]:
        """Everything but the name."""
        return dict(self.model_extra or {})


class ConstraintPart(BaseModel):
    """A constraint's weight and options; its key in the recipe is its name unless `name` says otherwise."""

    model_config = ConfigDict(extra="allow", frozen=True)
    name: str | None = None
    weight: float = Field(1.0, ge=0, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _from_weight(cls, value: Any) -> Any:
        return {"weight": value} if isinstance(value, int | float) else value

    @property
    def options(self) -> dict[str, Any]:
        """Everything but name and weight."""
        return dict(self.model_extra or {})


class SirenOptions(_Strict):
    """What a person decides of the SIREN; its inputs and outputs follow from the data."""

    hidden_features: int = Field(256, ge=1)
    hidden_layers: int = Field(3, ge=0, le=1000)
    first_omega: Annotated[float, Field(gt=0)] | Literal["auto"] = 30.0
    hidden_omega: float = Field(30.0, gt=0)
    nonlinearity: str | Part = "sine"
    input_layer: dict[str, Any] | None = None
    init_scale: float = Field(1.0, gt=0)

    @field_validator("first_omega", mode="before")
    @classmethod
    def _a_number_or_auto(cls, value: Any) -> Any:
        # One message rather than one for each type of the union.
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if value != "auto" and not (number and value > 0):
            raise ValueError("expected a number above 0, or auto")
        return value

    @field_validator("input_layer", mode="before")
    @classmethod
    def _from_word(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value

    @field_validator("input_layer")
    @classmethod
    def _has_a_name(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        if value is not None and not isinstance(value.get("name"), str):
            raise ValueError("no name; write {name: positional_encoding, frequencies: 7}")
        return value


class Schedule(_Strict):
    """Learning rate over training: linear warm-up, then constant, or a cosine to `final` times the start."""

    name: Literal["constant", "cosine"] = "constant"
    warmup: int = Field(0, ge=0)
    final: float = Field(0.0, ge=0)

    @model_validator(mode="before")
    @classmethod
    def _from_word(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value


class Stage(_Strict):
    """A part of the training, with a fresh optimiser, and perhaps with some of the constraints only."""

    name: str
    steps: int = Field(ge=1)
    optimizer: Part | None = None
    schedule: Schedule | None = None
    constraints: list[str] | None = Field(None, min_length=1)


class Train(_Strict):
    """How the parts are trained."""

    epochs: float | None = Field(None, gt=0)
    steps: int | None = Field(None, ge=0)
    stages: list[Stage] | None = Field(None, min_length=1)
    batch: int = Field(1, ge=1)
    optimizer: Part = Part(name="adam")
    schedule: Schedule = Schedule()
    context: tuple[int, int] | None = None
    clip: float | None = Field(None, gt=0)
    ema: float | None = Field(None, gt=0, lt=1)
    precision: Literal["fp32", "bf16"] = "fp32"
    tf32: bool = False
    deterministic: bool = False
    compile: bool = False
    kernels: Literal["plain", "triton"] = "plain"
    graph: bool = False
    accumulate: int = Field(1, ge=1)
    dtype: Literal["float32", "float64"] = "float32"
    seed: int = Field(0, ge=0, lt=2**32)
    log_every: int = Field(50, ge=1)
    checkpoint_every: int = Field(1000, ge=1)
    pictures_every: int = Field(1000, ge=1)
    on_nonfinite: Literal["stop", "skip", "rollback"] = "stop"

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        given = [word for word in ("epochs", "steps", "stages") if getattr(self, word) is not None]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} exclude each other; give one")
        if not given:
            raise ValueError("give epochs or steps (or stages)")
        names = [stage.name for stage in self.stages or []]
        if len(set(names)) < len(names):
            raise ValueError(f"stages must have names of their own; found {', '.join(names)}")
        if self.compile and self.kernels == "triton":
            raise ValueError("compile and kernels: triton exclude each other; the compiler makes kernels of its own")
        if self.context is not None and not 0 <= self.context[0] <= self.context[1]:
            raise ValueError(f"context is {list(self.context)}; expected [least, most] with 0 <= least <= most")
        return self


class MetricPart(BaseModel):
    """A metric's options; its key in the recipe is its name unless `name` says otherwise."""

    model_config = ConfigDict(extra="allow", frozen=True)
    name: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_nothing(cls, value: Any) -> Any:
        return {} if value is None else value

    @property
    def options(self) -> dict[str, Any]:
        """Everything but the name."""
        return dict(self.model_extra or {})


class Evaluate(BaseModel):
    """The protocol that evaluates the model, with its options, and metrics by name."""

    model_config = ConfigDict(extra="allow", frozen=True)
    protocol: str | None = None
    metrics: dict[str, MetricPart] = Field(default_factory=dict)

    @property
    def options(self) -> dict[str, Any]:
        """Everything but the protocol's name and the metrics."""
        return dict(self.model_extra or {})


class Recipe(_Strict):
    """A validated recipe, its preset and overrides applied. See docs/recipes.md for every key."""

    data: Part
    siren: SirenOptions = SirenOptions()
    encoder: Part = Part(name="fixed")
    decoder: Part = Part(name="free")
    constraints: dict[str, ConstraintPart] = Field(min_length=1)
    train: Train
    evaluate: Evaluate = Evaluate()

    @model_validator(mode="after")
    def _stages_name_constraints(self) -> Self:
        for stage in self.train.stages or []:
            for name in stage.constraints or []:
                if name not in self.constraints:
                    known = ", ".join(self.constraints)
                    raise ValueError(f"train.stages: {stage.name}: no constraint is called {name!r}; known: {known}")
        return self

    _name: str = PrivateAttr("recipe")
    _preset: str | None = PrivateAttr(None)
    _changes: dict[str, Any] = PrivateAttr(default_factory=dict)

    @property
    def name(self) -> str:
        """The file's stem."""
        return self._name

    @property
    def preset(self) -> str | None:
        """The preset that was applied."""
        return self._preset

    @property
    def changes(self) -> dict[str, Any]:
        """What was changed beside the preset: dotted keys to values."""
        return self._changes

    def parts(self) -> list[NamedPart]:
        """Every part that the recipe names, with its key, kind, name and options."""
        return parts_of(self.model_dump())

    def to_yaml(self) -> str:
        """The resolved recipe, which `load_recipe` reads back unchanged."""
        return dump_yaml(self.model_dump(mode="json"))
