"""GLSL of a small field, compiled and run by whatever renderer there is."""

from __future__ import annotations

import struct
from typing import Any

import pytest
import torch

import metasiren as ms
from metasiren_fields.export import glsl

from .conftest import small_field

EVERYWHERE = "#version 330\nin vec2 at; void main() { gl_Position = vec4(at, 0.0, 1.0); }"
SHADER = """#version 330
{source}
uniform sampler2D coords;
out vec4 values;
void main() {{
  values = vec4(0.0);
  values.{channels} = field(texelFetch(coords, ivec2(gl_FragCoord.xy), 0).{axes});
}}
"""


@pytest.fixture(scope="module")
def renderer() -> Any:
    moderngl = pytest.importorskip("moderngl", reason="NO RENDERER: moderngl is not installed")
    for options in ({"backend": "egl"}, {}):
        try:
            return moderngl.create_standalone_context(**options)
        except Exception as error:
            reason = error
    pytest.skip(f"NO RENDERER: no OpenGL context can be made: {reason}")


def rendered(renderer: Any, source: str, coords: torch.Tensor, outputs: int) -> torch.Tensor:
    """Values of the shader's function: one pixel for each point, coordinates in a texture."""
    points, axes = coords.shape
    text = SHADER.format(source=source, channels="xyzw"[:outputs], axes="xyzw"[:axes])
    program = renderer.program(vertex_shader=EVERYWHERE, fragment_shader=text)
    padded = torch.nn.functional.pad(coords, (0, 4 - axes))
    renderer.texture((points, 1), 4, padded.numpy().tobytes(), dtype="f4").use(0)
    target = renderer.framebuffer([renderer.texture((points, 1), 4, dtype="f4")])
    target.use()
    corners = renderer.buffer(struct.pack("6f", -1, -1, 3, -1, -1, 3))
    renderer.vertex_array(program, [(corners, "2f", "at")]).render(renderer.TRIANGLES)
    values = struct.unpack(f"{points * 4}f", target.read(components=4, dtype="f4"))
    return torch.tensor(values).reshape(points, 4)[:, :outputs]


@pytest.mark.parametrize("nonlinearity", list(glsl.EXPRESSIONS))
@pytest.mark.parametrize(("inputs", "outputs"), [(1, 1), (2, 3), (3, 1), (4, 4)])
def test_a_renderer_has_the_fields_values(renderer: Any, nonlinearity: str, inputs: int, outputs: int) -> None:
    u = small_field(inputs, outputs, width=18, nonlinearity=nonlinearity, first_omega=10.0)
    coords = torch.rand(64, inputs, generator=torch.Generator().manual_seed(0)) * 2 - 1
    found = rendered(renderer, glsl.source(u), coords, outputs)
    # A renderer's sine may be off by 1e-4 or so: GLSL asks for no more.
    torch.testing.assert_close(found, u(coords)[0], rtol=0, atol=1e-3 * float(u(coords).abs().amax()))


def test_numbers_are_those_of_float32() -> None:
    for value in torch.randn(100, generator=torch.Generator().manual_seed(0)).tolist():
        assert torch.tensor(float(glsl._number(value))) == torch.tensor(value)
    assert glsl._number(3.0) == "3.0"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"inputs": 5}, "at most four"),
        ({"outputs": 5}, "at most four"),
        ({"width": 256}, "weights"),
        ({"nonlinearity": "selu"}, "selu"),
        ({"nonlinearity": "relu", "input_layer": {"name": "positional_encoding", "frequencies": 2}}, "input layer"),
    ],
)
def test_what_a_shader_cannot_hold_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ms.RecipeError, match=message):
        glsl.source(small_field(**options))


@pytest.mark.parametrize("name", ["2d", "gl_field", "a b", "a__b", ""])
def test_a_function_has_an_identifiers_name(name: str) -> None:
    with pytest.raises(ms.RecipeError, match="name of a function"):
        glsl.source(small_field(), name)
