"""Point sets are evaluated once, at the highest order asked for; jets can be put together from their public pieces."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import metasiren as ms
import metasiren.contracts.prediction as prediction
from metasiren.contracts import Prediction, orders_of, predict
from metasiren.nn.derivatives import (
    ORDERS,
    activate_columns,
    affine_columns,
    input_columns,
    jet_columns,
    jets,
    read_columns,
)

SIREN = ms.Siren(in_features=2, out_features=3, hidden_features=5, hidden_layers=1, first_omega=3, hidden_omega=2)


class Asks(ms.Constraint):
    def __init__(self, at: str | None, order: str) -> None:
        self.at, self.order = at, order

    def __call__(self, prediction: Prediction) -> Tensor:
        raise NotImplementedError


def batch() -> ms.Batch:
    context = ms.Context.empty(torch.zeros(1, dtype=torch.long), ms.Domain(2, 3))
    return ms.Batch(context, {name: ms.Points(torch.rand(1, 4, 2)) for name in ("interior", "boundary", "unused")})


def test_the_highest_order_of_a_point_set_serves_all_who_name_it() -> None:
    asked = [
        Asks("interior", "gradient"),
        Asks("interior", "laplacian"),
        Asks("boundary", "value"),
        Asks(None, "value"),
    ]
    assert orders_of(asked) == {"interior": "laplacian", "boundary": "value"}
    assert orders_of([]) == {}


def test_each_point_set_is_evaluated_once(monkeypatch: pytest.MonkeyPatch) -> None:
    field, calls = ms.Field(SIREN, SIREN.init()), []
    plain = ms.Field.jet

    def counted(self: ms.Field, coords: Tensor, order: str, **options: Any) -> ms.Jet:
        calls.append(order)
        return plain(self, coords, order, **options)

    monkeypatch.setattr(ms.Field, "jet", counted)
    found = predict(field, torch.zeros(1, 0), batch(), {"interior": "laplacian", "boundary": "value"})
    assert calls == ["laplacian", "value"]
    assert found.jets.keys() == {"interior", "boundary"}
    assert found.jets["interior"].laplacian is not None
    assert found.jets["boundary"].gradient is None


@pytest.mark.parametrize("order", ["value", "gradient", "hessian"])
def test_small_point_sets_of_one_order_are_evaluated_at_once(order: str, monkeypatch: pytest.MonkeyPatch) -> None:
    field, sizes, data = ms.Field(SIREN, SIREN.init()), [], batch()
    plain = ms.Field.jet
    data.points["boundary"] = ms.Points(torch.rand(1, 3, 2))

    def counted(self: ms.Field, coords: Tensor, order: str, **options: Any) -> ms.Jet:
        sizes.append(coords.shape[1])
        return plain(self, coords, order, **options)

    monkeypatch.setattr(ms.Field, "jet", counted)
    orders = {"interior": order, "boundary": order}
    found = predict(field, torch.zeros(1, 0), data, orders).jets
    assert sizes == [7]
    monkeypatch.setattr(prediction, "FEW", 6)
    apart = predict(field, torch.zeros(1, 0), data, orders).jets
    assert sizes == [7, 4, 3]
    assert list(found) == list(apart) == ["interior", "boundary"]
    for at, jet in apart.items():
        for name, tensor in vars(jet).items():
            torch.testing.assert_close(getattr(found[at], name), tensor)


def test_point_sets_of_other_numbers_of_items_are_evaluated_apart() -> None:
    data = batch()
    data.points["boundary"] = ms.Points(torch.rand(2, 3, 2))
    found = predict(ms.Field(SIREN, SIREN.init()), torch.zeros(1, 0), data, {"interior": "value", "boundary": "value"})
    assert found.jets["interior"].value.shape == (1, 4, 3)
    assert found.jets["boundary"].value.shape == (2, 3, 3)


def test_a_point_set_that_is_not_there_is_named() -> None:
    with pytest.raises(ms.RecipeError, match=r"at: edge: the data has no such point set; it has \['boundary'"):
        predict(ms.Field(SIREN, SIREN.init()), torch.zeros(1, 0), batch(), {"edge": "value"})


def test_values_need_no_frequency_folded_into_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    params, x = SIREN.init(), torch.rand(1, 4, 2)
    expected = SIREN(params, x)
    monkeypatch.setattr(jets, "_layers", None)
    assert torch.equal(SIREN.jet(params, x, "value").value, expected)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("layer", [None, {"name": "positional_encoding", "frequencies": 2}])
def test_the_pieces_of_a_jet_make_a_jet(order: str, layer: dict[str, Any] | None) -> None:
    siren = ms.Siren(
        in_features=2, out_features=3, hidden_features=5, hidden_layers=1, input_layer=layer, first_omega=2
    )
    params, x = siren.init(2, dtype=torch.float64), torch.rand(2, 4, 2, dtype=torch.float64)
    columns = jet_columns(order, (1.0, 1.0))
    h = input_columns(siren, params, x, columns)
    for each in siren.layers:
        z = affine_columns(h, params[each.weight], params[each.bias], each.omega)
        h = z if each.last else activate_columns(z, siren.activation, columns)
    found, expected = read_columns(h, order, (1.0, 1.0)), siren.jet(params, x, order)
    for name, value in vars(expected).items():
        if value is None:
            assert getattr(found, name) is None
        else:
            torch.testing.assert_close(getattr(found, name), value, rtol=1e-10, atol=1e-9)
