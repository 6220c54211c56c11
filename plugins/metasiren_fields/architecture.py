"""A network's architecture as plain data, and back: for files that outlive the objects."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

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


def _named(kind: str, part: object) -> dict[str, Any]:
    catalogue = load_catalogue()
    for name in catalogue.names(kind):
        # Plugins that do not import are not the part's.
        with contextlib.suppress(MetasirenError):
            if catalogue.factory(kind, name, "architecture") is type(part):
                own = {k: v for k, v in vars(part).items() if k != "domain" and not k.startswith("_")}
                return {"name": name, **own}
    raise RecipeError("architecture", f"no plugin offers {part!r}.", "Install the package that defines it.")
