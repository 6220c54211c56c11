"""A low-rank decoder for metasiren."""

from collections.abc import Mapping

from metasiren import hookimpl

METASIREN_API = 1


@hookimpl
def metasiren_decoders() -> Mapping[str, str]:
    """Name in recipes -> where it is; imported when a recipe names it."""
    return {"lowrank": "acme_lowrank.decoder:LowRankDecoder"}
