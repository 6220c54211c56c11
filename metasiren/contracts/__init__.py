"""The data types that plugins and core share, and the interfaces that plugins implement.

batch -> encoder(context) -> latent -> decoder(latent) -> field -> constraints -> backward. One path for all.
"""

from metasiren.contracts.data import Batch, Context, Dataset, Points
from metasiren.contracts.field import Field
from metasiren.contracts.model import Decoder, Encoder, Model
from metasiren.contracts.objective import Constraint, Fit, Metric, Prediction
from metasiren.contracts.optimizer import BatchOptimizer, Losses, Problem, Weighted
from metasiren.contracts.output import FULL_EVALUATION, EvaluationOptions, Protocol, Renderer
from metasiren.contracts.prediction import orders_of, predict
from metasiren.contracts.residual import Residual
from metasiren.nn.domain import Domain

__all__ = [
    "FULL_EVALUATION",
    "Batch",
    "BatchOptimizer",
    "Constraint",
    "Context",
    "Dataset",
    "Decoder",
    "Domain",
    "Encoder",
    "EvaluationOptions",
    "Field",
    "Fit",
    "Losses",
    "Metric",
    "Model",
    "Points",
    "Prediction",
    "Problem",
    "Protocol",
    "Renderer",
    "Residual",
    "Weighted",
    "orders_of",
    "predict",
]  # fmt: skip
