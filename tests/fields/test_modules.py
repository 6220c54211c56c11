"""A field as an ordinary module is the same function, and comes back as the same field."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import metasiren as ms
from metasiren import from_module

OTHERS = ["relu", "tanh", "softplus", "elu", "selu", "sigmoid"]


def field(**options: object) -> ms.Field:
    siren = ms.Siren(in_features=2, out_features=3, hidden_features=16, hidden_layers=2, **options)
    return ms.Field(siren, siren.init(generator=torch.Generator().manual_seed(1), dtype=torch.float64))


@pytest.fixture
def coords() -> torch.Tensor:
    return torch.rand(50, 2, generator=torch.Generator().manual_seed(2), dtype=torch.float64) * 2 - 1


@pytest.mark.parametrize("fold", [False, True])
@pytest.mark.parametrize("nonlinearity", ["sine", *OTHERS])
def test_a_module_has_the_fields_values(nonlinearity: str, fold: bool, coords: torch.Tensor) -> None:
    u = field(nonlinearity=nonlinearity, first_omega=20.0)
    torch.testing.assert_close(u.as_module(fold=fold)(coords), u(coords)[0], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "layer", [{"name": "positional_encoding", "frequencies": 3}, {"name": "rbf_gaussian", "centres": 8}]
)
def test_input_layers_travel_with_the_module(layer: dict[str, object], coords: torch.Tensor) -> None:
    u = field(nonlinearity="relu", input_layer=layer)
    torch.testing.assert_close(u.as_module()(coords), u(coords)[0], rtol=1e-12, atol=1e-12)


def test_the_state_dict_is_the_params_without_their_instance_dimension() -> None:
    u = field()
    state = u.as_module().state_dict()
    assert list(state) == list(u.params)
    assert all(torch.equal(state[name], value[0]) for name, value in u.params.items())


def test_folding_multiplies_weights_and_biases_by_their_frequency() -> None:
    u = field(first_omega=20.0, hidden_omega=10.0)
    state = u.as_module(fold=True).state_dict()
    for name, factor in {"0.weight": 20, "0.bias": 20, "1.weight": 10, "2.bias": 10, "3.weight": 1}.items():
        torch.testing.assert_close(state[name], factor * u.params[name][0])


@pytest.mark.parametrize("fold", [False, True])
@pytest.mark.parametrize("nonlinearity", ["sine", "tanh"])
def test_there_and_back_is_the_same_field(nonlinearity: str, fold: bool, coords: torch.Tensor) -> None:
    u = field(nonlinearity=nonlinearity)
    back = from_module(u.as_module(fold=fold))
    torch.testing.assert_close(back.jet(coords, "hessian").hessian, u.jet(coords, "hessian").hessian)


@pytest.mark.parametrize("fold", [False, True])
def test_the_state_dict_loads_into_plain_linear_layers(fold: bool, coords: torch.Tensor) -> None:
    u = field(first_omega=20.0, hidden_omega=10.0)
    layers = nn.ModuleList([nn.Linear(2, 16), nn.Linear(16, 16), nn.Linear(16, 16), nn.Linear(16, 3)]).double()
    layers.load_state_dict(u.as_module(fold=fold).state_dict())
    omegas = (1.0, 1.0, 1.0) if fold else (20.0, 10.0, 10.0)
    x = coords
    for omega, layer in zip(omegas, layers, strict=False):
        x = torch.sin(omega * layer(x))
    torch.testing.assert_close(layers[-1](x), u(coords)[0], rtol=1e-12, atol=1e-12)


def test_the_function_and_the_method_are_one() -> None:
    u = field()
    assert repr(ms.as_module(u, fold=True)) == repr(u.as_module(fold=True))


def test_a_module_does_not_share_its_weights() -> None:
    u = field()
    before = u.params["0.weight"].clone()
    with torch.no_grad():
        u.as_module().get_parameter("0.weight").zero_()
    assert torch.equal(u.params["0.weight"], before)


def test_one_of_several_instances_is_chosen_by_its_index(coords: torch.Tensor) -> None:
    siren = ms.Siren(in_features=2, out_features=1, hidden_features=8, hidden_layers=1)
    u = ms.Field(siren, siren.init(3, dtype=torch.float64))
    torch.testing.assert_close(u.as_module(instance=2)(coords), u(coords)[2])
    with pytest.raises(ValueError, match="holds 3 instances"):
        u.as_module()
    with pytest.raises(ValueError, match="counted from 0"):
        u.as_module(instance=3)


def test_modules_of_torch_alone_become_fields(coords: torch.Tensor) -> None:
    plain = nn.Sequential(nn.Linear(2, 12), nn.ReLU(), nn.Linear(12, 12), nn.ReLU(), nn.Linear(12, 1)).double()
    torch.testing.assert_close(from_module(plain)(coords)[0], plain(coords))


class Written(nn.Module):
    """Sines in `forward`, where no module says so."""

    def __init__(self, power: int = 1) -> None:
        super().__init__()
        self.a, self.b, self.power = nn.Linear(2, 12), nn.Linear(12, 1, bias=False), power

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.b(torch.sin(30 * self.a(x)) ** self.power)


def test_frequencies_can_be_given(coords: torch.Tensor) -> None:
    written = Written().double()
    made = from_module(written, nonlinearity="sine", first_omega=30.0, hidden_omega=30.0)
    torch.testing.assert_close(made(coords)[0], written(coords))


def test_what_is_not_known_is_asked_for() -> None:
    with pytest.raises(ms.RecipeError, match="nonlinearity cannot be read"):
        from_module(Written())
    with pytest.raises(ms.RecipeError, match="no frequency is given"):
        from_module(Written(), nonlinearity="sine")


@pytest.mark.parametrize(("power", "omega"), [(1, 29.0), (2, 30.0)])
def test_a_field_that_is_not_the_module_is_refused(power: int, omega: float) -> None:
    with pytest.raises(ms.RecipeError, match="differ from the field's"):
        from_module(Written(power), nonlinearity="sine", first_omega=omega, hidden_omega=30.0)


@pytest.mark.parametrize(
    "module",
    [
        nn.Linear(2, 3),
        nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 9), nn.ReLU(), nn.Linear(9, 1)),
        nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 1)),
        nn.Sequential(nn.Linear(2, 8), nn.ELU(0.5), nn.Linear(8, 1)),
    ],
    ids=["one layer", "unequal widths", "two nonlinearities", "another alpha"],
)
def test_other_architectures_are_refused(module: nn.Module) -> None:
    with pytest.raises(ms.RecipeError, match="from_module"):
        from_module(module)
