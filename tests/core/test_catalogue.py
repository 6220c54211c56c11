"""Plugins: found, checked, isolated when broken, named when in conflict."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata
from types import ModuleType, SimpleNamespace
from typing import Any, Literal

import pytest
from torch import nn

from metasiren import PluginError, RecipeError, hookimpl
from metasiren.registry.catalogue import load_catalogue


class Thing(nn.Module):
    """A part with options of several types."""

    def __init__(
        self, domain: object, *, size: int, kind: Literal["a", "b"] = "a", pair: tuple[int, int] = (1, 2)
    ) -> None:
        super().__init__()
        self.given = (domain, size, kind, pair)


def plugin(name: str, **hooks: Any) -> ModuleType:
    module = ModuleType(name)
    for hook, value in hooks.items():
        setattr(module, hook, value)
    return module


def offering(**parts: Any) -> Any:
    @hookimpl
    def metasiren_encoders() -> dict[str, Any]:
        return parts

    return metasiren_encoders


def test_the_built_ins_come_through_entry_points() -> None:
    names = {e.name for e in metadata.entry_points(group="metasiren") if e.dist and e.dist.name == "metasiren"}
    assert {"basics", "images"} <= names
    loaded = load_catalogue()
    assert {"cnn", "set", "partial_conv", "fixed", "gaussian"} <= set(loaded.names("encoder"))
    assert {"hypernetwork", "free"} <= set(loaded.names("decoder"))
    assert not [p for p in loaded.plugins if p.error]


def test_every_built_in_part_can_be_imported() -> None:
    loaded = load_catalogue()
    for named in loaded.offers.values():
        for offers in named.values():
            assert callable(offers[0].load())


def test_a_part_is_made_with_its_checked_options() -> None:
    loaded = load_catalogue(extra=[plugin("acme", metasiren_encoders=offering(thing=Thing))])
    made = loaded.make("encoder", "thing", "the domain", where="r: encoder", options={"size": 3, "pair": [4, 5]})
    assert made.given == ("the domain", 3, "a", (4, 5))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"size": 1, "knd": "a"}, "Did you mean 'kind'"),
        ({"size": "many"}, "size: "),
        ({}, "size: missing"),
        ({"size": 1, "kind": "c"}, "'a' or 'b'"),
    ],
)
def test_wrong_options_name_the_key_and_what_would_work(options: dict[str, Any], expected: str) -> None:
    loaded = load_catalogue(extra=[plugin("acme", metasiren_encoders=offering(thing=Thing))])
    with pytest.raises(RecipeError) as caught:
        loaded.make("encoder", "thing", None, where="r: encoder", options=options)
    assert expected in str(caught.value)


def test_a_misspelt_part_is_suggested() -> None:
    with pytest.raises(RecipeError, match=r"no encoder is called 'cn'. Did you mean 'cnn'\?\n  installed: .*cnn"):
        load_catalogue().factory("encoder", "cn", "recipes/celeba.yaml: encoder")


def test_two_owners_of_a_name_are_both_named() -> None:
    extra = [plugin("one", metasiren_encoders=offering(x=Thing)), plugin("two", metasiren_encoders=offering(x=Thing))]
    with pytest.raises(PluginError, match=r"one .* and two"):
        load_catalogue(extra=extra).factory("encoder", "x", "r")


def test_a_misspelt_hook_fails_that_plugin_with_a_suggestion() -> None:
    @hookimpl
    def metasiren_encodrs() -> dict[str, Any]:
        return {}

    loaded = load_catalogue(extra=[plugin("acme", metasiren_encodrs=metasiren_encodrs)])
    (failed,) = [p for p in loaded.plugins if p.error]
    assert failed.name == "acme"
    assert "Did you mean 'metasiren_encoders'" in str(failed.error)
    assert "cnn" in loaded.names("encoder")


def test_a_hook_without_its_mark_fails_that_plugin() -> None:
    loaded = load_catalogue(extra=[plugin("acme", metasiren_encoders=lambda: {})])
    assert "@hookimpl" in str(next(p.error for p in loaded.plugins if p.name == "acme"))


def test_another_interface_version_is_refused() -> None:
    loaded = load_catalogue(extra=[plugin("acme", METASIREN_API=99, metasiren_encoders=offering(x=Thing))])
    assert "99" in str(next(p.error for p in loaded.plugins if p.name == "acme"))


def test_a_hook_that_raises_is_kept_apart() -> None:
    @hookimpl
    def metasiren_encoders() -> dict[str, Any]:
        raise OSError("no licence file")

    loaded = load_catalogue(extra=[plugin("acme", metasiren_encoders=metasiren_encoders)])
    assert "no licence file" in str(next(p.error for p in loaded.plugins if p.name == "acme"))
    with pytest.raises(PluginError, match="no licence file"):
        loaded.factory("encoder", "acme", "r: encoder")


class _Broken:
    name, value, dist = "acme", "acme_module", SimpleNamespace(name="acme", version="1.0")

    @staticmethod
    def load() -> None:
        raise ImportError("libacme.so is missing")


def test_an_import_that_fails_breaks_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    real = metadata.entry_points(group="metasiren")
    monkeypatch.setattr(metadata, "entry_points", lambda group: [_Broken(), *real])
    loaded = load_catalogue()
    assert "cnn" in loaded.names("encoder")
    with pytest.raises(PluginError, match=r"libacme.so is missing"):
        loaded.factory("encoder", "acme_gru", "r: encoder")


def test_a_factory_string_that_leads_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = load_catalogue(extra=[plugin("acme", metasiren_encoders=offering(x="acme_nowhere:X"))])
    with pytest.raises(PluginError, match="cannot be imported"):
        loaded.factory("encoder", "x", "r")


def test_plugins_can_be_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    extra = [plugin("acme", metasiren_encoders=offering(x=Thing))]
    assert "x" not in load_catalogue(extra=extra, without=["acme"]).names("encoder")
    monkeypatch.setenv("METASIREN_PLUGINS", "")
    loaded = load_catalogue(extra=extra)
    assert "x" not in loaded.names("encoder")
    assert "cnn" in loaded.names("encoder")
    monkeypatch.setenv("METASIREN_PLUGINS", "acme")
    assert "x" in load_catalogue(extra=extra).names("encoder")


def test_listing_plugins_imports_no_torch() -> None:
    code = "import sys; from metasiren import load_catalogue; load_catalogue(); print('torch' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"
