"""Jets agree with nested autograd, whatever the shapes, the activation, the route and the block size."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

import metasiren.nn.derivatives.blocks
from metasiren import Field, Jet, Params, Siren, feature_jet, jet
from metasiren.errors import RecipeError
from metasiren.nn.activations import ACTIVATIONS
from metasiren.nn.derivatives import ORDERS as ALL_ORDERS
from metasiren.nn.derivatives import highest

# Third and fourth derivatives: tests/equations/test_taylor.py.
ORDERS = ALL_ORDERS[: ALL_ORDERS.index("third")]
SECOND = ORDERS[2:]
INPUTS: list[dict[str, Any] | None] = [
    None,
    {"name": "positional_encoding", "frequencies": 2},
    {"name": "rbf_gaussian", "centres": 6, "sigma": 1.2},
    {"name": "rbf_quartic", "centres": 6, "sigma": 1.2},
]
TOLERANCE = 1e-10


def slope(y: Tensor, x: Tensor) -> Tensor:
    if not y.requires_grad:  # a piecewise linear net's slopes do not depend on the point
        return torch.zeros_like(x)
    return torch.autograd.grad(y.sum(), x, create_graph=True)[0]


def nested(siren: Siren, params: Params, coords: Tensor, weights: Sequence[float] | None = None) -> Jet:
    """The slow reference: nested autograd, one output and one direction at a time."""
    x = coords if coords.dim() == 3 else coords.unsqueeze(0)
    x = x.expand(max(params["0.bias"].shape[0], x.shape[0]), -1, -1)
    x = x if x.requires_grad else x.clone().requires_grad_()
    u = siren(params, x)
    slopes = [slope(u[..., o], x) for o in range(siren.out_features)]
    hessian = torch.stack(
        [torch.stack([slope(g[..., i], x) for i in range(siren.in_features)], -2) for g in slopes], -3
    )
    diagonal = hessian.diagonal(dim1=-2, dim2=-1)
    laplacian = (diagonal * torch.tensor(weights or [1.0] * siren.in_features, dtype=u.dtype)).sum(-1)
    return Jet(u, torch.stack(slopes, -2), laplacian, diagonal, hessian)


def distance(found: Tensor, truth: Tensor) -> float:
    """Relative error in norm."""
    assert found.shape == truth.shape
    return float(((found - truth).norm() / truth.norm().clamp(min=1e-6)).detach())


def gradients(loss: Tensor, inputs: Sequence[Tensor], **options: bool) -> Tensor:
    """All gradients in one vector; zero where the loss does not depend on an input."""
    if not loss.requires_grad:
        return torch.cat([torch.zeros_like(x).flatten() for x in inputs])
    found = torch.autograd.grad(loss, inputs, allow_unused=True, **options)
    return torch.cat([(torch.zeros_like(x) if g is None else g).flatten() for g, x in zip(found, inputs, strict=True)])


def net(d: int, o: int, depth: int = 1, instances: int = 1, **options: Any) -> tuple[Siren, dict[str, Tensor]]:
    siren = Siren(in_features=d, out_features=o, hidden_features=6, hidden_layers=depth, **options)
    return siren, {k: v.requires_grad_() for k, v in siren.init(instances, dtype=torch.float64).items()}


def scatter(sets: int, points: int, d: int) -> Tensor:
    return torch.rand(sets, points, d, dtype=torch.float64) * 2 - 1


def assert_agrees(siren: Siren, params: dict[str, Tensor], coords: Tensor, order: str) -> None:
    """Every field asked for, and the gradient of a random functional of each, equal the truth; the rest is None."""
    weights = [0.5 - i for i in range(siren.in_features)] if order in SECOND else None
    found, truth = jet(siren, params, coords, order, weights=weights), nested(siren, params, coords, weights)
    for name in ORDERS:
        ours, theirs = getattr(found, name), getattr(truth, name)
        if ORDERS.index(name) > ORDERS.index(order):
            assert ours is None
            continue
        assert distance(ours, theirs) < TOLERANCE, name
        probe = torch.randn_like(ours)
        keep = {"retain_graph": True}
        grads = [gradients((probe * u).sum(), list(params.values()), **keep) for u in (ours, theirs)]
        assert distance(*grads) < TOLERANCE, f"parameter gradients of {name}"


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("d", "o"), [(1, 1), (1, 3), (2, 1), (2, 2), (3, 1), (3, 4), (4, 2)])
def test_jets_equal_nested_autograd(d: int, o: int, order: str) -> None:
    siren, params = net(d, o, depth=2)
    assert_agrees(siren, params, scatter(1, 5, d), order)


@pytest.mark.parametrize("depth", [0, 1, 4])
@pytest.mark.parametrize("order", ["gradient", "laplacian", "hessian"])
def test_jets_equal_nested_autograd_at_any_depth(depth: int, order: str) -> None:
    siren, params = net(3, 2, depth)
    assert_agrees(siren, params, scatter(1, 5, 3), order)


@pytest.mark.parametrize("nonlinearity", sorted(ACTIVATIONS))
@pytest.mark.parametrize("spec", INPUTS, ids=lambda spec: spec["name"] if spec else "coordinates")
def test_every_activation_and_input_layer(nonlinearity: str, spec: dict[str, Any] | None) -> None:
    siren, params = net(2, 1, nonlinearity=nonlinearity, input_layer=spec, first_omega=3.0, hidden_omega=3.0)
    for order in ("gradient", "laplacian", "hessian"):
        assert_agrees(siren, params, scatter(1, 4, 2), order)


@settings(deadline=None, max_examples=25, derandomize=True)
@given(
    d=st.integers(1, 4),
    o=st.integers(1, 3),
    depth=st.integers(0, 2),
    instances=st.integers(1, 3),
    shared_params=st.booleans(),
    shared_coords=st.booleans(),
    points=st.integers(1, 5),
    order=st.sampled_from(ORDERS),
    spec=st.sampled_from(INPUTS),
    block=st.sampled_from([1, 2**18]),
)
def test_shapes_and_values_for_any_sizes(
    d: int,
    o: int,
    depth: int,
    instances: int,
    shared_params: bool,
    shared_coords: bool,
    points: int,
    order: str,
    spec: dict[str, Any] | None,
    block: int,
) -> None:
    torch.manual_seed(0)
    siren, params = net(d, o, depth, 1 if shared_params else instances, input_layer=spec)
    coords = scatter(1 if shared_coords else instances, points, d)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(metasiren.nn.derivatives.blocks, "BLOCK", block)
        assert_agrees(siren, params, coords, order)
        found = siren.jet(params, coords, order)
    batch = 1 if shared_params and shared_coords else instances
    shapes = {"value": (), "gradient": (d,), "laplacian": (), "hessian_diagonal": (d,), "hessian": (d, d)}
    for name in ORDERS[: ORDERS.index(order) + 1]:
        assert getattr(found, name).shape == (batch, points, o, *shapes[name])


@pytest.mark.parametrize(("instances", "points"), [(1, 700), (3, 150), (40, 3)])
@pytest.mark.parametrize("order", ["gradient", "laplacian"])
def test_blocks_change_nothing(instances: int, points: int, order: str, monkeypatch: pytest.MonkeyPatch) -> None:
    siren, params = net(2, 1, 1, instances)
    coords = scatter(1, points, 2).requires_grad_()
    results = []
    for block in (2**30, 1):
        monkeypatch.setattr(metasiren.nn.derivatives.blocks, "BLOCK", block)
        found = siren.jet(params, coords, order)
        last = getattr(found, order)
        results.append((last, gradients(last.square().sum(), [coords, *params.values()])))
    assert distance(results[1][0], results[0][0]) < 1e-13
    assert distance(results[1][1], results[0][1]) < 1e-12


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("o", "spec"), [(1, None), (3, None), (1, INPUTS[1]), (1, INPUTS[2])])
def test_gradients_reach_parameters_and_coordinates(o: int, spec: dict[str, Any] | None, order: str) -> None:
    siren = Siren(
        in_features=2, out_features=o, hidden_features=3, hidden_layers=1, first_omega=2, hidden_omega=2,
        input_layer=None if spec is None else {**spec, **({"centres": 3} if "centres" in spec else {"frequencies": 1})},
    )  # fmt: skip
    params = siren.init(1, dtype=torch.float64)
    names, tensors = list(params), [p.requires_grad_() for p in params.values()]
    coords = (0.3 * scatter(1, 2, 2)).requires_grad_()

    def field(coords: Tensor, *values: Tensor) -> tuple[Tensor, ...]:
        found = siren.jet(dict(zip(names, values, strict=True)), coords, order)
        return tuple(u for name in ORDERS if (u := getattr(found, name)) is not None)

    assert torch.autograd.gradcheck(field, (coords, *tensors), fast_mode=True)


@pytest.mark.parametrize(("order", "o"), [("gradient", 1), ("gradient", 2), ("laplacian", 1)])
def test_gradients_may_be_differentiated_again(order: str, o: int) -> None:
    siren = Siren(in_features=2, out_features=o, hidden_features=3, hidden_layers=1, first_omega=2, hidden_omega=2)
    params = siren.init(2, dtype=torch.float64)
    names, tensors = list(params), [p.requires_grad_() for p in params.values()]
    coords = (0.3 * scatter(1, 2, 2)).requires_grad_()

    def field(coords: Tensor, *values: Tensor) -> tuple[Tensor, ...]:
        found = siren.jet(dict(zip(names, values, strict=True)), coords, order)
        return found.value, getattr(found, order)

    assert torch.autograd.gradgradcheck(field, (coords, *tensors), fast_mode=True)


@pytest.mark.parametrize("o", [1, 3])  # both routes
def test_a_first_order_jet_can_be_differentiated_like_any_function(o: int) -> None:
    siren, params = net(3, o)
    coords = scatter(1, 4, 3).requires_grad_()
    first = siren.jet(params, coords, "gradient").gradient
    assert first is not None
    divergence = sum(slope(first[..., i], coords)[..., i] for i in range(3))
    truth = nested(siren, params, coords.detach()).laplacian
    assert isinstance(divergence, Tensor)
    assert truth is not None
    assert distance(divergence, truth.sum(-1)) < TOLERANCE
    inputs = list(params.values())
    grads = gradients(divergence.square().sum(), inputs), gradients(truth.sum(-1).square().sum(), inputs)
    assert distance(*grads) < TOLERANCE


def test_backward_may_run_twice() -> None:
    siren, params = net(2, 1)
    for order in ("gradient", "hessian"):
        u = getattr(siren.jet(params, scatter(1, 4, 2), order), order)
        first = gradients(u.square().sum(), list(params.values()), retain_graph=True)
        assert torch.equal(first, gradients(u.square().sum(), list(params.values())))


def test_function_transforms_go_through() -> None:
    siren, params = net(2, 1)
    frozen = {k: v.detach() for k, v in params.items()}
    coords = scatter(1, 4, 2)

    def residual(params: Params, point: Tensor) -> Tensor:
        found = siren.jet(params, point.reshape(1, 1, 2), "laplacian").laplacian
        assert found is not None
        return found.reshape(())

    rows = torch.func.vmap(torch.func.grad(residual), (None, 0))(frozen, coords[0])
    laplacian = siren.jet(params, coords, "laplacian").laplacian
    assert laplacian is not None
    for k in range(4):
        row = torch.cat([rows[name][k].flatten() for name in params])
        truth = gradients(laplacian[0, k, 0], list(params.values()), retain_graph=True)
        assert distance(row, truth) < TOLERANCE


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("spec", [None, INPUTS[2]])
@pytest.mark.parametrize("chunk_points", [1, 4, 7, 100])
def test_chunks_change_nothing(order: str, spec: dict[str, Any] | None, chunk_points: int) -> None:
    siren, params = net(2, 1, 1, 2, input_layer=spec)
    coords = scatter(2, 7, 2)
    whole, pieces = (siren.jet(params, coords, order, chunk_points=n) for n in (None, chunk_points))
    for name in ORDERS[: ORDERS.index(order) + 1]:
        assert distance(getattr(pieces, name), getattr(whole, name)) < 1e-13


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_evaluation_needs_no_graph(order: str, mode: Callable[[], Any]) -> None:
    siren, params = net(3, 2, 1, 2)
    coords = scatter(1, 5, 3)
    with mode():
        alone = siren.jet(params, coords, order)
    for name in ORDERS[: ORDERS.index(order) + 1]:
        assert not getattr(alone, name).requires_grad
        assert torch.equal(getattr(alone, name), getattr(siren.jet(params, coords, order), name))


@pytest.mark.parametrize("order", ORDERS)
def test_no_points_make_an_empty_jet(order: str) -> None:
    siren, params = net(3, 1, 1, 2)
    last = getattr(siren.jet(params, scatter(1, 0, 3), order), order)
    assert last.shape[:2] == (2, 0)
    assert not gradients(last.sum(), list(params.values())).any()


def test_the_routes_meet() -> None:
    """A gradient by the reverse route is the gradient that comes along with a Laplacian."""
    siren, params = net(3, 1, 2, 2)
    coords = scatter(2, 6, 3)
    reverse, forward = (siren.jet(params, coords, order).gradient for order in ("gradient", "laplacian"))
    assert reverse is not None
    assert forward is not None
    assert distance(reverse, forward) < 1e-13


def test_the_wave_operator_is_a_weighted_laplacian() -> None:
    """A one-layer net sin(30 (k x - w t)) solves u_tt = c^2 u_xx for w = c k: the exact solution leaves no residual."""
    siren = Siren(in_features=2, out_features=1, hidden_features=1, hidden_layers=0)
    k, c = 0.7, 1.3
    params = {name: torch.ones(1, *shape, dtype=torch.float64) for name, shape in siren.shapes.items()}
    params["0.weight"] = torch.tensor([[[-c * k, k]]], dtype=torch.float64)
    coords = scatter(1, 50, 2)
    still, other = (siren.jet(params, coords, "laplacian", weights=(1, -s)).laplacian for s in (c**2, 2 * c**2))
    assert still is not None
    assert other is not None
    assert still.abs().max() < 1e-10 * other.abs().max()


# The derivative of a SIREN is a SIREN with shifted phases (the paper's supplement, section 2).


def shifted(params: Params, layer: int, quarter_turns: int, omega: float) -> dict[str, Tensor]:
    """The parameters with one layer's phases moved by so many times pi / 2."""
    moved = dict(params)
    moved[f"{layer}.bias"] = params[f"{layer}.bias"] + quarter_turns * math.pi / 2 / omega
    return moved


@pytest.mark.parametrize("quarter_turns", [1, 2])
def test_the_derivative_of_a_shallow_siren_is_that_siren_with_shifted_phases(quarter_turns: int) -> None:
    siren, params = net(3, 2, depth=0)
    coords, omega, k = scatter(1, 8, 3), siren.first_omega, quarter_turns
    found = siren.jet(params, coords, "hessian_diagonal")
    derivatives = {1: found.gradient, 2: found.hessian_diagonal}[k]
    assert derivatives is not None
    for i in range(3):
        rescaled = shifted(params, 0, k, omega)
        rescaled["1.weight"] = params["1.weight"] * (omega * params["0.weight"][:, None, :, i]) ** k
        rescaled["1.bias"] = torch.zeros_like(params["1.bias"])
        assert distance(derivatives[..., i], siren(rescaled, coords)) < 1e-12


def test_the_derivative_of_a_deep_siren_multiplies_shifted_sirens() -> None:
    """du/dx = W_n diag(h_n) ... W_1 diag(h_1) W_0; h_k is layer k of the SIREN with that layer's phases shifted."""
    siren, params = net(3, 2, depth=2)
    coords = scatter(1, 8, 3)

    def hidden(k: int, params: Params) -> Tensor:
        """Layer k's sines, by a shorter SIREN that ends in the identity."""
        short = Siren(in_features=3, out_features=6, hidden_features=6, hidden_layers=k)
        last = {f"{k + 1}.weight": torch.eye(6).double().unsqueeze(0), f"{k + 1}.bias": torch.zeros(1, 6).double()}
        return short({**{n: p for n, p in params.items() if int(n[0]) <= k}, **last}, coords)

    total = torch.eye(3, dtype=torch.float64).expand(1, 8, 3, 3)
    for layer in siren.layers:
        total = layer.omega * params[layer.weight].unsqueeze(1) @ total
        if not layer.last:
            k = int(layer.name)
            total = hidden(k, shifted(params, k, 1, layer.omega)).unsqueeze(-1) * total
    found = siren.jet(params, coords, "gradient").gradient
    assert found is not None
    assert distance(found, total) < 1e-12


# Memory, precision, compilation.


def kept_bytes(compute: Callable[[], Tensor], outside: Sequence[Tensor]) -> int:
    """Memory that a loss keeps for its backward pass, each storage once."""
    known, sizes = {t.untyped_storage().data_ptr() for t in outside}, {}

    def pack(t: Tensor) -> Tensor:
        if t.untyped_storage().data_ptr() not in known:
            sizes[t.untyped_storage().data_ptr()] = t.untyped_storage().nbytes()
        return t

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        loss = compute()
    assert loss.requires_grad
    return sum(sizes.values())


def test_a_laplacian_keeps_less_than_a_third_of_the_memory() -> None:
    siren = Siren(in_features=2, out_features=1, hidden_features=32)
    params = {k: v.requires_grad_() for k, v in siren.init().items()}
    coords = torch.rand(1, 2048, 2)

    def by_autograd() -> Tensor:
        x = coords.clone().requires_grad_()
        first = slope(siren(params, x), x)
        return (slope(first[..., 0], x)[..., 0] + slope(first[..., 1], x)[..., 1]).square().mean()

    def by_jet() -> Tensor:
        found = siren.jet(params, coords, "laplacian").laplacian
        assert found is not None
        return found.square().mean()

    outside = [*params.values(), coords]
    ours, theirs = kept_bytes(by_jet, outside), kept_bytes(by_autograd, outside)
    assert ours <= theirs / 3
    columns, hidden = 4, 3
    layer = 2048 * 32 * 4
    assert ours < (columns * hidden + 1) * layer  # pre-activations of the hidden layers, and little else


class SinesAndCosines(TorchDispatchMode):
    """Counts the tensors whose sine or cosine is computed."""

    count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += func.overloadpacket in (torch.ops.aten.sin, torch.ops.aten.cos)
        return func(*args, **(kwargs or {}))


def test_a_gradient_computes_each_sine_once_and_keeps_less_than_autograd() -> None:
    siren = Siren(in_features=2, out_features=1, hidden_features=32)
    params = {k: v.requires_grad_() for k, v in siren.init().items()}
    coords = torch.rand(1, 2048, 2)

    def by_autograd() -> Tensor:
        x = coords.clone().requires_grad_()
        return slope(siren(params, x), x).square().mean()

    def by_jet() -> Tensor:
        found = siren.jet(params, coords, "gradient").gradient
        assert found is not None
        return found.square().mean()

    with SinesAndCosines() as seen:
        by_jet().backward()
    assert seen.count == 2 * (1 + siren.hidden_layers)
    outside = [*params.values(), coords]
    assert kept_bytes(by_jet, outside) < kept_bytes(by_autograd, outside)


@pytest.mark.parametrize("order", ORDERS)
def test_autocast_rounds_nothing(order: str) -> None:
    siren = Siren(in_features=2, out_features=1, hidden_features=8, hidden_layers=1)
    params = {k: v.requires_grad_() for k, v in siren.init().items()}
    coords = torch.rand(1, 6, 2)

    plain = getattr(siren.jet(params, coords, order), order)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = getattr(siren.jet(params, coords, order), order)
    assert mixed.dtype == torch.float32
    assert torch.equal(plain, mixed)
    grads = [gradients(last.square().sum(), list(params.values())) for last in (plain, mixed)]
    assert torch.equal(*grads)


@pytest.mark.parametrize("order", ["gradient", "hessian"])  # both routes
def test_a_backward_pass_under_autocast_rounds_nothing(order: str) -> None:
    siren = Siren(in_features=2, out_features=1, hidden_features=8, hidden_layers=1)
    params = {k: v.requires_grad_() for k, v in siren.init().items()}
    last = getattr(siren.jet(params, torch.rand(1, 6, 2), order), order).sum()
    plain = gradients(last, list(params.values()), retain_graph=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(plain, gradients(last, list(params.values())))


def test_low_precision_parameters_are_raised_to_float32() -> None:
    siren = Siren(in_features=2, out_features=1, hidden_features=8, hidden_layers=1)
    params = siren.init(dtype=torch.bfloat16)
    found = siren.jet(params, torch.rand(5, 2), "laplacian").laplacian
    assert found is not None
    assert found.dtype == torch.float32


@pytest.mark.parametrize(
    ("order", "spec"), [("gradient", None), ("laplacian", None), ("hessian", None), ("laplacian", INPUTS[1])]
)
def test_a_loss_of_the_jet_is_one_graph_for_the_compiler(order: str, spec: dict[str, Any] | None) -> None:
    torch._dynamo.reset()
    siren, params = net(3, 1, 1, 2, input_layer=spec)
    coords = scatter(1, 5, 3)

    def loss(params: Params, coords: Tensor) -> Tensor:
        found = siren.jet(params, coords, order)
        return torch.stack([u.square().mean() for name in ORDERS if (u := getattr(found, name)) is not None]).sum()

    whole = torch.compile(loss, fullgraph=True, backend="aot_eager")
    results = [gradients(f(params, coords), list(params.values())) for f in (loss, whole)]
    assert distance(*results) < TOLERANCE


@pytest.mark.gpu
@pytest.mark.parametrize("order", ORDERS)
def test_a_training_step_is_captured_as_a_cuda_graph(order: str) -> None:
    siren = Siren(in_features=3, out_features=1, hidden_features=32)
    params = {k: v.requires_grad_() for k, v in siren.init(device="cuda").items()}
    coords = torch.rand(1, 128, 3, device="cuda")

    def step() -> Tensor:
        return gradients(getattr(siren.jet(params, coords, order), order).square().mean(), list(params.values()))

    side = torch.cuda.Stream()
    with torch.cuda.stream(side):
        for _ in range(3):
            step()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        captured = step()
    coords.copy_(torch.rand(1, 128, 3, device="cuda"))
    graph.replay()
    assert distance(captured, step()) < 1e-5


@pytest.mark.gpu
@pytest.mark.parametrize("order", ["value", "gradient", "laplacian"])
@pytest.mark.parametrize("spec", [None, {"name": "positional_encoding", "frequencies": 4}])
def test_the_first_layer_stays_exact_where_tf32_is_allowed(order: str, spec: dict[str, Any] | None) -> None:
    siren = Siren(in_features=2, out_features=1, input_layer=spec)
    params = siren.init(device="cuda", generator=torch.Generator("cuda").manual_seed(0))
    coords = (torch.rand(4096, 2, generator=torch.Generator().manual_seed(0)) * 200 - 100).cuda()
    exact = {k: v.double() for k, v in params.items()}
    truth = getattr(siren.jet(exact, coords.double(), order), order)
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        rounded = getattr(siren.jet(params, coords, order), order)
    finally:
        torch.set_float32_matmul_precision(before)
    assert distance(rounded.double(), truth) < 1e-2


# Asking.


def test_the_highest_order_includes_all_others() -> None:
    for a, b in product(ORDERS, ORDERS):
        assert highest([a, b]) == ORDERS[max(ORDERS.index(a), ORDERS.index(b))]
    assert highest([]) == "value"


def test_a_field_and_a_siren_answer_alike() -> None:
    siren, params = net(2, 1)
    coords = scatter(1, 4, 2)
    field = Field(siren, params)
    a, b = field.jet(coords, "laplacian", weights=(1, 2)), siren.jet(params, coords, "laplacian", weights=(1, 2))
    assert a.laplacian is not None
    assert b.laplacian is not None
    assert torch.equal(a.laplacian, b.laplacian)
    assert distance(field.jet(coords, "value").value, field(coords)) == 0
    assert distance(a.value, field(coords)) < 1e-13


@pytest.mark.parametrize(
    ("order", "options", "match"),
    [
        ("laplace", {}, "Did you mean 'laplacian'"),
        ("laplacian", {"weights": (1.0,)}, "1 weights for 2 coordinates"),
        ("gradient", {"weights": (1.0, 1.0)}, "an order from laplacian on"),
        ("value", {"chunk_points": 0}, "below one"),
    ],
)
def test_wrong_questions_are_told_apart(order: str, options: dict[str, Any], match: str) -> None:
    siren, params = net(2, 1)
    with pytest.raises(RecipeError, match=match):
        siren.jet(params, scatter(1, 4, 2), order, **options)


def test_an_unknown_order_among_many_is_named() -> None:
    with pytest.raises(RecipeError, match="no order is called 'curl'"):
        highest(["value", "curl"])


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("hidden_layers", [0, 2])
@pytest.mark.parametrize("encoded", [False, True])
def test_the_field_is_linear_in_what_its_output_layer_sees(order: str, hidden_layers: int, encoded: bool) -> None:
    layer = {"name": "rbf_gaussian", "centres": 4, "sigma": 1.0} if encoded else None
    siren = Siren(in_features=2, out_features=3, hidden_features=5, hidden_layers=hidden_layers, input_layer=layer)
    params = siren.init(2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x = torch.rand(2, 7, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    names = list(siren.shapes)
    whole, features = siren.jet(params, x, order), feature_jet(siren, params, x, order)
    for name, expected in vars(whole).items():
        if expected is None:
            assert getattr(features, name) is None
            continue
        found = torch.einsum("bnf...,bof->bno...", getattr(features, name), params[names[-2]])
        if name == "value":
            found = found + params[names[-1]].unsqueeze(1)
        torch.testing.assert_close(found, expected)
