"""The former home of `load_catalogue`, which packages from earlier versions of `metasiren new` import from here."""

from metasiren.registry.catalogue import Catalogue, load_catalogue

__all__ = ["Catalogue", "load_catalogue"]
