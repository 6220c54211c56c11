"""Contract checks of encoders, decoders, activations, input encodings, data sets, constraints and metrics.

    from metasiren.testing import check_encoder
    report = check_encoder(AcmeGru, options={"latent_dim": 8})

Or as pytest tests, one for each check: see `parametrize_with_checks`. The built-in parts pass the same checks.
"""

from metasiren.testing.marks import parametrize_with_checks
from metasiren.testing.part import Part
from metasiren.testing.report import ContractError, NotApplicable, Report, Result
from metasiren.testing.residuals import check_residual, exact_jet
from metasiren.testing.run import (
    CHECKS,
    check_activation,
    check_constraint,
    check_dataset,
    check_decoder,
    check_encoder,
    check_input_encoding,
    check_metric,
    check_part,
    run_check,
)
from metasiren.testing.signals import Ripples

__all__ = [
    "CHECKS",
    "ContractError",
    "NotApplicable",
    "Part",
    "Report",
    "Result",
    "Ripples",
    "check_activation",
    "check_constraint",
    "check_dataset",
    "check_decoder",
    "check_encoder",
    "check_input_encoding",
    "check_metric",
    "check_part",
    "check_residual",
    "exact_jet",
    "parametrize_with_checks",
    "run_check",
]
