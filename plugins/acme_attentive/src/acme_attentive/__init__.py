"""An attentive set encoder for metasiren."""

from collections.abc import Mapping

from metasiren import hookimpl

METASIREN_API = 1


@hookimpl
def metasiren_encoders() -> Mapping[str, str]:
    """Name in recipes -> where it is; imported when a recipe names it."""
    return {"attentive": "acme_attentive.encoder:AttentiveEncoder"}
