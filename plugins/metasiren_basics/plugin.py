"""What this package offers; modules are imported when a recipe names a part."""

from __future__ import annotations

from collections.abc import Mapping

from metasiren import hookimpl
