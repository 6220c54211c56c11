"""Find plugins, and make a part by its name.

Entry points are loaded one by one: a plugin that fails is kept apart with its reason, and breaks nothing until a
recipe names one of its parts.
"""

from __future__ import annotations

import inspect
import os
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pluggy

from metasiren.errors import MetasirenError, PluginError, RecipeError, did_you_mean
from metasiren.registry import hookspecs
from metasiren.registry.installed import installed

if TYPE_CHECKING:
    from pydantic import BaseModel

GROUP = "metasiren"
SELECTION = "METASIREN_PLUGINS"
OWN = "metasiren"

# How many leading arguments the core supplies; the rest of a factory's signature is the recipe's to set.
SUPPLIED = {
    "dataset": 0,
    "encoder": 1,
    "decoder": 2,
    "activation": 0,
    "input_encoding": 1,
    "constraint": 0,
    "optimizer": 1,
    "metric": 0,
    "protocol": 0,
    "renderer": 0,
}


@dataclass(frozen=True)
class Plugin:
    """An installed plugin: its entry point's name, its distribution and version, or why it failed."""

    name: str
    module: str
    distribution: str
    version: str
    error: str | None = None


@dataclass(frozen=True)
class Offer:
    """One part that one plugin offers."""

    kind: str
    name: str
    plugin: Plugin
    factory: hookspecs.Factory

    def load(self) -> Callable[..., Any]:
        """The factory itself, imported if it was named by a string.

        Raises:
            PluginError: the import fails, or the attribute is missing.
        """
        if not isinstance(self.factory, str):
            return self.factory
        module, _, attribute = self.factory.partition(":")
        where = f"plugin {self.plugin.name} ({self.plugin.distribution} {self.plugin.version})"
        try:
            found = import_module(module)
            for word in attribute.split("."):
                found = getattr(found, word)
        except (Exception, SystemExit) as error:
            reason = f"{self.kind} {self.name!r} cannot be imported from {self.factory}: {_reason(error)}"
            raise PluginError(where, reason, f"Reinstall or repair {self.plugin.distribution}.") from error
        if not callable(found):
            reason = f"{self.kind} {self.name!r}: {self.factory} is {type(found).__name__}, which cannot be called."
            raise PluginError(where, reason, f"Repair {self.plugin.distribution}.")
        return typing.cast(Callable[..., Any], found)


@dataclass(frozen=True)
class Catalogue:
    """The parts on offer, by kind and name."""

    plugins: tuple[Plugin, ...]
    offers: Mapping[str, Mapping[str, tuple[Offer, ...]]]
    manager: pluggy.PluginManager = field(repr=False)

    def names(self, kind: str) -> list[str]:
        """The names of all parts of a kind."""
        return sorted(self.offers[kind])

    def offer(self, kind: str, name: str, where: str) -> Offer:
        """The one offer of that name.

        Raises:
            RecipeError: no plugin offers it; `where` names the place in the recipe.
            PluginError: two plugins offer it, or the plugin of that name failed.
        """
        offers = self.offers[kind].get(name, ())
        if len(offers) == 1:
            return offers[0]
        if offers:
            owners = " and ".join(f"{o.plugin.name} ({o.plugin.distribution})" for o in offers)
            spare = next((o.plugin for o in offers if o.plugin.distribution != OWN), offers[0].plugin)
            advice = f"Leave one out with --without {self._unmistakable(spare)}, or uninstall one."
            raise PluginError(where, f"two plugins offer {kind} {name!r}: {owners}.", advice)
        failed = [p for p in self.plugins if p.error]
        for plugin in failed:
            if name in (plugin.name, plugin.distribution) or name.startswith((plugin.name, plugin.distribution)):
                advice = f"Repair or reinstall {plugin.distribution}; `metasiren plugins` shows the state."
                raise PluginError(
                    where, f"{kind} {name!r}: plugin {plugin.name} failed to load: {plugin.error}", advice
                )
        advice = f"installed: {', '.join(self.names(kind)) or 'none'}"
        if failed:
            advice += "\nor is it in a plugin that failed to load?"
            advice += "".join(f"\n  {p.name} ({p.distribution} {p.version}): {p.error}" for p in failed)
        question = did_you_mean(name, self.offers[kind])
        raise RecipeError(where, f"no {kind} is called {name!r}. {question}".rstrip(), advice)

    def _unmistakable(self, plugin: Plugin) -> str:
        """The plugin's name, or its distribution's where another plugin has the same name."""
        twins = [p for p in self.plugins if p.name.partition(" (")[0] == plugin.name.partition(" (")[0]]
        return plugin.name if len(twins) == 1 else plugin.distribution

    def factory(self, kind: str, name: str, where: str) -> Callable[..., Any]:
        """The factory of a part; errors as `offer` and `Offer.load`."""
        return self.offer(kind, name, where).load()

    def options(self, kind: str, name: str, given: Mapping[str, Any], where: str) -> dict[str, Any]:
        """The options that a recipe gives to a part, checked and converted to the types of its signature.

        Raises:
            RecipeError: an unknown option, a wrong type, or a required option left out.
        """
        # Imported here: listing plugins and commands needs neither pydantic nor recipes.
        from pydantic import ValidationError

        from metasiren.recipe import explain

        model = options_model(kind, self.factory(kind, name, where))
        try:
            checked = model.model_validate(dict(given))
        except ValidationError as error:
            from metasiren.registry.docstrings import type_name

            types = {option: type_name(info.annotation) for option, info in model.model_fields.items()}
            raise explain(error, f"{where} {name}", model, types=types) from None
        extra = checked.model_extra or {}
        return {**{key: getattr(checked, key) for key in checked.model_fields_set if key not in extra}, **extra}

    def make(self, kind: str, name: str, *supplied: Any, where: str, options: Mapping[str, Any]) -> Any:
        """Make a part: its factory called with what the core supplies and the recipe's checked options.

        Raises:
            RecipeError, PluginError: as `offer`, `options` and `Offer.load`; they name the place `where`.
        """
        return self.factory(kind, name, where)(*supplied, **self.options(kind, name, options, where))

    def versions(self) -> dict[str, str]:
        """Plugin name -> "distribution version" of all that loaded."""
        return {p.name: f"{p.distribution} {p.version}" for p in self.plugins if not p.error}


@lru_cache(maxsize=256)
def options_model(kind: str, factory: Callable[..., Any]) -> type[BaseModel]:
    """The options of a part as a pydantic model, read from the factory's signature."""
    from pydantic import ConfigDict, create_model

    target: Any = inspect.getattr_static(factory, "__init__") if isinstance(factory, type) else factory
    try:
        hints = typing.get_type_hints(target)
    except Exception:  # an annotation that exists for type checkers only: its option is taken as it comes
        hints = {}
    parameters = list(inspect.signature(factory).parameters.values())
    fields: dict[str, Any] = {}
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    supplied = {p.name for p in positional[: SUPPLIED[kind]]}
    free = any(p.kind == p.VAR_KEYWORD for p in parameters)
    for p in parameters:
        if p.name in supplied or p.kind in (p.VAR_KEYWORD, p.VAR_POSITIONAL):
            continue
        annotation = hints.get(p.name, Any)
        fields[p.name] = (annotation, ... if p.default is p.empty else p.default)
    config = ConfigDict(extra="allow" if free else "forbid", arbitrary_types_allowed=True, protected_namespaces=())
    return create_model(f"{getattr(factory, '__name__', kind)}Options", __config__=config, **fields)


def _reason(error: BaseException) -> str:
    text = str(error).strip() or "no message"
    return text if isinstance(error, MetasirenError) else f"{type(error).__name__}: {text}"


def _check(module: ModuleType | object, manager: pluggy.PluginManager) -> None:
    """Refuse what pluggy would ignore silently: a foreign interface version, a misspelt or unmarked hook."""
    version = getattr(module, "METASIREN_API", hookspecs.API_VERSION)
    if version != hookspecs.API_VERSION:
        raise PluginError(
            "METASIREN_API",
            f"written for plugin interface {version!r}, this metasiren has {hookspecs.API_VERSION}.",
            "Install versions of both that match.",
        )
    known = [name for name in vars(hookspecs) if name.startswith("metasiren_")]
    for name in dir(module):
        marked = manager.parse_hookimpl_opts(module, name) is not None
        if marked and name not in known:
            raise PluginError(name, "no hook has that name.", did_you_mean(name, known) or f"hooks: {', '.join(known)}")
        if name in known and not marked and callable(getattr(module, name)):
            raise PluginError(name, "a hook that is not marked.", "Decorate it with @hookimpl from metasiren.")


def _selected(name: str, distribution: str, selection: str | None, without: Sequence[str]) -> bool:
    if name in without or (distribution in without and distribution != OWN):
        return False
    if selection is None or distribution == OWN:
        return True
    return name in selection.split(",") or distribution in selection.split(",")


def _checked(parts: Any) -> dict[str, hookspecs.Factory]:
    """What a hook returned, where it is what hooks return.

    Raises:
        TypeError: it is not.
    """
    for name, factory in dict(parts).items():
        if not isinstance(name, str) or not name:
            raise TypeError(f"{name!r} is not a part's name; expected a text")
        if not (callable(factory) or (isinstance(factory, str) and ":" in factory)):
            raise TypeError(f"{name}: {factory!r} is neither a factory nor 'module:attribute'"[:300])
    return dict(parts)


def _itself(module: Any) -> Any:
    return module


def load_catalogue(*, without: Sequence[str] = (), extra: Iterable[ModuleType | object] = ()) -> Catalogue:
    """Load every installed plugin.

    The environment variable METASIREN_PLUGINS restricts third-party plugins: empty means none, else a
    comma-separated list of names. The built-ins come through the same entry points and are always taken,
    unless `without` names them.

    Args:
        without: plugin or distribution names to leave out.
        extra: further plugin modules or objects, for tests and notebooks.

    Raises:
        PluginError: `without` names a plugin that is not installed.
    """
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    plugins: dict[str, Plugin] = {}
    selection = os.environ.get(SELECTION)
    found = installed(GROUP)
    given = "given in Python"
    found += [(getattr(m, "__name__", repr(m)), given, given, "-", partial(_itself, m)) for m in extra]
    known = {name for name, *_ in found} | {distribution for _, _, distribution, *_ in found}
    for name in without:
        if name not in known:
            advice = f"{did_you_mean(name, known)}\ninstalled: {', '.join(sorted({n for n, *_ in found}))}".strip()
            raise PluginError("--without", f"no plugin is called {name!r}.", advice)
    for name, value, distribution, version, load in sorted(found, key=lambda item: item[0]):
        if not _selected(name, distribution, selection, without):
            continue
        error, label = None, name if name not in plugins else f"{name} ({distribution})"
        try:
            module = load()
            _check(module, manager)
            manager.register(module, name=label)
        except (Exception, SystemExit) as problem:
            error = _reason(problem)
        plugins[label] = Plugin(label, value, distribution, version, error)
    offers: dict[str, dict[str, tuple[Offer, ...]]] = {kind: {} for kind in SUPPLIED}
    for kind in SUPPLIED:
        for implementation in getattr(manager.hook, f"metasiren_{kind}s").get_hookimpls():
            plugin = plugins[implementation.plugin_name]
            try:
                parts = _checked(implementation.function())
            except (Exception, SystemExit) as problem:
                reason = f"hook metasiren_{kind}s: {_reason(problem)}"
                plugins[plugin.name] = Plugin(plugin.name, plugin.module, plugin.distribution, plugin.version, reason)
                continue
            for name, factory in parts.items():
                offers[kind][name] = (*offers[kind].get(name, ()), Offer(kind, name, plugin, factory))
    return Catalogue(tuple(plugins.values()), offers, manager)
