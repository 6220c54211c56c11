"""The reference of Burgers: it agrees with more nodes, satisfies the equation, and starts as -sin(πx)."""

from __future__ import annotations

import numpy as np

from metasiren_physics.reference.cole_hopf import burgers_wave

T, X = np.meshgrid(np.linspace(0, 1, 11), np.linspace(-1, 1, 129), indexing="ij")
NU = 0.01 / np.pi


def test_more_nodes_change_nothing() -> None:
    assert abs(burgers_wave(T, X) - burgers_wave(T, X, nodes=400)).max() < 1e-10


def test_it_starts_as_a_sine_and_is_odd_with_fixed_ends() -> None:
    wave = burgers_wave(T, X)
    np.testing.assert_allclose(wave[0], -np.sin(np.pi * X[0]), atol=1e-14)
    np.testing.assert_allclose(wave, -wave[:, ::-1], atol=1e-12)
    np.testing.assert_allclose(wave[:, [0, -1]], 0, atol=1e-12)


def test_it_leaves_no_residual() -> None:
    """By differences of order four, away from the layer where steps would have to be finer."""
    nu, h = 0.05, 1e-3
    t, x = np.array([0.2, 0.5, 0.9, 0.7]), np.array([0.3, -0.6, 0.12, 0.02])

    def u(dt: float = 0, dx: float = 0) -> np.ndarray:
        return np.asarray(burgers_wave(t + dt, x + dx, nu, 400))

    def first(f: object) -> np.ndarray:
        return (8 * (f(h) - f(-h)) - (f(2 * h) - f(-2 * h))) / (12 * h)  # type: ignore[operator]

    u_t, u_x = first(lambda d: u(dt=d)), first(lambda d: u(dx=d))
    u_xx = (16 * (u(dx=h) + u(dx=-h)) - (u(dx=2 * h) + u(dx=-2 * h)) - 30 * u()) / (12 * h * h)
    assert abs(u_t + u() * u_x - nu * u_xx).max() < 1e-5
    assert abs(u_t - u() * u_x - nu * u_xx).max() > 0.1
