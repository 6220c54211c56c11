"""Where a recipe names parts: the one walk that assembly, runs, descriptions, the schema and studies share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Form = Literal["part", "keyed", "beside"]


@dataclass(frozen=True)
class Place:
    """A place in a recipe where parts of one kind are named.

    Attributes:
        kind: of the parts, as the catalogue calls it.
        path: dotted key of the place; `*` stands for every stage.
        form: `part` is a word, or a mapping with a `name` and options; `keyed` is a mapping of parts whose key is
            their name unless they say otherwise; `beside` is a mapping that holds the name under the kind's own
            word, with the options beside it.
        own: keys of a part that are no options of it.
    """

    kind: str
    path: str
    form: Form = "part"
    own: tuple[str, ...] = ("name",)


PLACES = (
    Place("dataset", "data"),
    Place("encoder", "encoder"),
    Place("decoder", "decoder"),
    Place("activation", "siren.nonlinearity"),
    Place("input_encoding", "siren.input_layer"),
    Place("constraint", "constraints", "keyed", ("name", "weight")),
    Place("optimizer", "train.optimizer"),
    Place("optimizer", "train.stages.*.optimizer"),
    Place("protocol", "evaluate", "beside", ("protocol", "metrics")),
    Place("metric", "evaluate.metrics", "keyed"),
)


@dataclass(frozen=True)
class NamedPart:
    """A part as a recipe names it.

    Attributes:
        place: where such parts stand.
        key: dotted key of this one, such as `constraints.mse` or `train.stages.warm.optimizer`.
        name: the part's name in the catalogue.
        options: what the recipe sets of it.
    """

    place: Place
    key: str
    name: str
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """The kind of the part, as the catalogue calls it."""
        return self.place.kind

    @property
    def where(self) -> str:
        """The place as messages name it: errors of options add the part's name."""
        return "evaluate: metrics" if self.kind == "metric" else self.place.path.replace("stages.*.", "")


def parts_of(tree: Mapping[str, Any]) -> list[NamedPart]:
    """The parts that a recipe's tree (or a preset's) names, in the order of `PLACES`.

    Args:
        tree: plain data as YAML gives it, in short or long forms, complete or not.

    Returns:
        one entry for each part. Where every stage has an optimiser of its own, the default optimiser is left out:
        nothing uses it.
    """
    found = [part for place in PLACES for part in _at(place, tree)]
    stages = _stages(tree)
    if stages and all(isinstance(s, Mapping) and s.get("optimizer") for s in stages):
        found = [part for part in found if part.key != "train.optimizer"]
    return found


def _stages(tree: Mapping[str, Any]) -> list[Any]:
    train = tree.get("train")
    stages = train.get("stages") if isinstance(train, Mapping) else None
    return list(stages) if isinstance(stages, list) else []


def _at(place: Place, tree: Mapping[str, Any]) -> Iterator[NamedPart]:
    for key, value in _values(tree, place.path.split("."), ""):
        if place.form == "keyed":
            for name, each in value.items() if isinstance(value, Mapping) else ():
                yield from _named(place, f"{key}.{name}", each, default=name)
        elif place.form == "beside":
            yield from _named(place, f"{key}.{place.kind}", value, word=place.kind)
        else:
            yield from _named(place, key, value)


def _values(tree: Any, path: list[str], key: str) -> Iterator[tuple[str, Any]]:
    """(dotted key, value) of all that stands at a path; a stage's key is its name."""
    if not path:
        yield key, tree
    elif path[0] == "*":
        for number, each in enumerate(tree if isinstance(tree, list) else []):
            name = each.get("name", number) if isinstance(each, Mapping) else number
            yield from _values(each, path[1:], f"{key}.{name}")
    elif isinstance(tree, Mapping) and tree.get(path[0]) is not None:
        yield from _values(tree[path[0]], path[1:], f"{key}.{path[0]}" if key else path[0])


def _named(
    place: Place, key: str, value: Any, *, default: str | None = None, word: str = "name"
) -> Iterator[NamedPart]:
    if isinstance(value, str) and default is None:
        yield NamedPart(place, key, value)
    elif isinstance(value, Mapping):
        name = value.get(word) or default
        if name is not None:
            yield NamedPart(place, key, str(name), {k: v for k, v in value.items() if k not in place.own})
    elif default is not None:
        yield NamedPart(place, key, default)
