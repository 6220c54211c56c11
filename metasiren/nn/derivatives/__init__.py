"""Values and derivatives of a SIREN in one pass, and the pieces of that pass.

A jet passes the layers as columns, (instances, columns, points, features): the value, first derivatives, then sums of
second derivatives. `jet_columns` says which, `input_columns` starts them, `affine_columns` and `activate_columns` take
them through a layer, and `read_columns` names them. Optimisers that linearise a network layer by layer use these.
"""

from metasiren.nn.derivatives.columns import Columns
from metasiren.nn.derivatives.elementwise import demand_kernels, fused
from metasiren.nn.derivatives.elementwise import run_on as kernels_run_on
from metasiren.nn.derivatives.forward import activate_columns, affine_columns
from metasiren.nn.derivatives.jets import feature_jet, input_columns, jet, jet_columns, order_for, read_columns
from metasiren.nn.derivatives.orders import ORDERS, Jet, Order, SecondSums, UpTo, highest

__all__ = [
    "ORDERS",
    "Columns",
    "Jet",
    "Order",
    "SecondSums",
    "UpTo",
    "activate_columns",
    "affine_columns",
    "demand_kernels",
    "feature_jet",
    "fused",
    "highest",
    "input_columns",
    "jet",
    "jet_columns",
    "kernels_run_on",
    "order_for",
    "read_columns",
]
