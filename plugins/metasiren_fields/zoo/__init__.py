"""Many signals fitted at once, and the file that holds their weights."""

from metasiren_fields.zoo.file import Zoo, read_zoo
from metasiren_fields.zoo.fit import Fits, fit_together

__all__ = ["Fits", "Zoo", "fit_together", "read_zoo"]
