"""A network's architecture as plain data, and back: for files that outlive the objects."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from torch import Tensor

from metasiren import Domain, MetasirenError, RecipeError, Siren, load_catalogue


def describe(siren: Siren) -> dict[str, Any]:
    """Plain data from which `build` makes an equal Siren; parts of plugins are named as recipes name them.

    Raises:
        RecipeError: an activation or input encoding that no installed plugin offers, or that its name and attributes
            do not give back; a field that meets conditions exactly.
    """
    siren.demand_plain("architecture")
    plain = {f.name: getattr(siren, f.name) for f in fields(Siren) if f.init and f.name != "exact"}
    if not isinstance(siren.nonlinearity, str):
        plain["nonlinearity"] = _named("activation", siren.activation)
    if siren.encoding is not None:
        plain["input_layer"] = _named("input_encoding", siren.encoding)
        plain["domain"] = asdict(siren.encoding.domain)
    made = build(plain)
    if (made, made.activation, made.encoding) != (siren, siren.activation, siren.encoding):
        found = f"{siren.nonlinearity!r} and {siren.encoding!r} are not given back by their names and attributes."
        raise RecipeError("architecture", found, "Parts keep their options as attributes of the same names.")
    return plain


def build(plain: Mapping[str, Any]) -> Siren:
    """The Siren that `describe` described.

    Raises:
        MetasirenError: a part that no installed plugin offers, or options out of range.
        TypeError: other data.
    """
    options, catalogue = dict(plain), load_catalogue()
    domain = options.pop("domain", None)
    if isinstance(given := options["nonlinearity"], Mapping):
        own = {k: v for k, v in given.items() if k != "name"}
        options["nonlinearity"] = catalogue.make("activation", given["name"], where="nonlinearity", options=own)
    if isinstance(given := options["input_layer"], Mapping):
        own = {k: v for k, v in given.items() if k != "name"}
        known = Domain(**{**domain, "grid": tuple(domain["grid"]) if domain["grid"] else None})
        layer = catalogue.make("input_encoding", given["name"], known, where="input_layer", options=own)
        options["input_layer"] = layer
    return Siren(**options)


def stored(plain: Mapping[str, Any], tensors: Mapping[str, Tensor], instances: int) -> tuple[Siren, dict[str, Tensor]]:
    """The Siren of an untrusted file, and its weights in the order of the layers.

    Args:
        plain: what `describe` gave.
        tensors: the file's weights by name, (instances, ...).
        instances: how many fields the file says that it holds, at least one.

    Raises:
        MetasirenError: a part that no installed plugin offers, or options out of range.
        KeyError, TypeError: other data.
        ValueError: weights that do not fit the architecture, of several dtypes or of one without fractions, or that
            are not finite.
    """
    if not isinstance(instances, int) or instances < 1:
        raise ValueError(f"{instances!r} fields")
    # Before the network is built: its layers are listed one by one.
    if plain["hidden_layers"] > len(tensors):
        raise ValueError(f"hidden_layers is {plain['hidden_layers']}, and the file holds {len(tensors)} tensors")
    siren = build(plain)
    wanted = {name: (instances, *shape) for name, shape in siren.shapes.items()}
    found = {name: tuple(p.shape) for name, p in tensors.items()}
    if found != wanted:
        wrong = sorted(k for k in {*found, *wanted} if found.get(k) != wanted.get(k))
        raise ValueError(
            "; ".join(f"{k} is {found.get(k, 'missing')}, expected {wanted.get(k, 'none')}" for k in wrong[:5])
        )
    if len(dtypes := {p.dtype for p in tensors.values()}) > 1 or not next(iter(dtypes)).is_floating_point:
        raise ValueError(f"weights of {', '.join(sorted(str(d).removeprefix('torch.') for d in dtypes))}")
    for name, p in tensors.items():
        if not p.isfinite().all():
            raise ValueError(f"{name} holds numbers that are not finite")
    return siren, {name: tensors[name] for name in siren.shapes}


def reason(error: BaseException) -> str:
    """One line about an error met while an untrusted file was read."""
    return f"lacks {error}" if isinstance(error, KeyError) else str(error) or type(error).__name__


def _named(kind: str, part: object) -> dict[str, Any]:
    catalogue = load_catalogue()
    for name in catalogue.names(kind):
        # Plugins that do not import are not the part's.
        with contextlib.suppress(MetasirenError):
            if catalogue.factory(kind, name, "architecture") is type(part):
                own = {k: v for k, v in vars(part).items() if k != "domain" and not k.startswith("_")}
                return {"name": name, **own}
    raise RecipeError("architecture", f"no plugin offers {part!r}.", "Install the package that defines it.")
