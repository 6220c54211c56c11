"""A GPU for tests on a machine that has none.

Tensors say that they lie on `cuda:0` and are computed on the CPU. What a GPU refuses is refused here: tensors of both
devices in one operation, a generator of the other device, `.numpy()` of a device tensor, a copy to the host while a
graph is captured. Each error names the line. Launches, waits of the host and uploads are counted (`Ledger`), and where
the settings allow TF32, products and convolutions round their factors to its ten bits.

    with emulated_gpu() as ledger:
        run(recipe, device="cuda")

It does not model speed, memory or the order of summation.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from functools import cache, partial
from types import FrameType
from typing import Any

import torch
from devices.captures import Capture
from devices.leaves import leaves, mapped
from devices.ledger import DeviceRuleError, Ledger, site
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes

CUDA = torch.device("cuda", 0)
LEDGER = Ledger()
GENERATORS: dict[int, str] = {}
"""Kind of device by the address of a generator."""

WAITS = {
    "_local_scalar_dense": "a number is read",
    "is_nonzero": "a truth value is read",
    "nonzero": "nonzero", "masked_select": "masked_select", "bincount": "bincount", "equal": "torch.equal",
    "_unique2": "unique", "unique_dim": "unique", "unique_consecutive": "unique",
    "_linalg_check_errors": "an error check of linear algebra", "_linalg_eigh": "an eigendecomposition",
}  # fmt: skip
NO_KERNEL = {
    "detach", "alias", "lift_fresh", "_unsafe_view", "empty", "empty_like", "empty_strided", "new_empty",
    "new_empty_strided", "_local_scalar_dense",
}  # fmt: skip
BOTH_DEVICES = {"_to_copy", "copy_", "index", "index_put", "index_put_", "_index_put_impl_", "set_", "fill_", "resize_"}
NO_SCALARS = {"cat", "stack", "mm", "addmm", "bmm", "index_select", "gather", "scatter", "scatter_add"}
FACTORS = {
    "mm": (0, 1), "bmm": (0, 1), "addmm": (1, 2), "addmm_": (1, 2), "baddbmm": (1, 2), "baddbmm_": (1, 2),
}  # fmt: skip


class EmulatedTensor(torch.Tensor):
    """A tensor of the emulated device; `host` is the CPU tensor that holds its values."""

    host: Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @staticmethod
    def __new__(cls, host: Tensor, requires_grad: bool = False) -> EmulatedTensor:
        """Share the storage of `host`."""
        made = torch.Tensor._make_subclass(cls, host, requires_grad)
        made.host = host
        return made

    def __init__(self, host: Tensor, requires_grad: bool = False) -> None:
        pass

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return dispatch(func, args, kwargs or {})

    device = property(lambda self: CUDA)  # type: ignore[assignment]
    is_cuda = property(lambda self: True)  # type: ignore[assignment]
    is_cpu = property(lambda self: False)  # type: ignore[assignment]

    def get_device(self) -> int:
        return 0

    def __repr__(self, **_: Any) -> str:
        return f"EmulatedTensor({self.host!r})"

    def numpy(self, *_: Any, **__: Any) -> Any:
        raise DeviceRuleError(f"cannot convert a tensor of cuda:0 to numpy, at {site()}")

    def __array__(self, *_: Any, **__: Any) -> Any:
        return self.numpy()

    def tolist(self) -> Any:
        wait("tolist")
        return self.host.tolist()

    def cpu(self, *_: Any, **__: Any) -> Tensor:
        moved: Tensor = _Download.apply(self)
        return moved

    def cuda(self, *_: Any, **__: Any) -> Tensor:
        return self

    def to(self, *args: Any, **kwargs: Any) -> Tensor:
        if args and isinstance(args[0], torch.Tensor):
            args, kwargs = (args[0].device, args[0].dtype), {}
        copy = kwargs.pop("copy", False)
        device, dtype, _, _ = torch._C._nn._parse_to(*map(indexed, args), **{k: indexed(v) for k, v in kwargs.items()})
        out: Tensor = self if dtype in (None, self.dtype) else torch.ops.aten.to.dtype(self, dtype)
        out = out.clone() if copy and out is self else out
        return out.cpu() if device is not None and device.type == "cpu" else out

    def type_as(self, other: Tensor) -> Tensor:
        return self.to(other)

    def new_tensor(self, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
        place, dtype = device or CUDA, dtype or self.dtype
        if isinstance(data, torch.Tensor):
            return data.detach().clone().to(place, dtype).requires_grad_(requires_grad)
        return torch.tensor(data, dtype=dtype, device=place, requires_grad=requires_grad)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        if id(self) not in memo:
            out = EmulatedTensor(self.host.detach().clone())
            parameter = isinstance(self, torch.nn.Parameter)
            memo[id(self)] = (
                torch.nn.Parameter(out, self.requires_grad) if parameter else out.requires_grad_(self.requires_grad)
            )
        return memo[id(self)]


class _Download(torch.autograd.Function):
    """To the host, with a gradient that goes back to the device."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Tensor:
        wait("a tensor is copied to the host")
        with _disable_current_modes():
            copied: Tensor = x.host.clone()
            return copied

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        return EmulatedTensor(grads[0])


def indexed(value: Any) -> Any:
    """`cuda` as `cuda:0`, for without an index torch asks the driver."""
    if (isinstance(value, torch.device) and value.type == "cuda") or (
        isinstance(value, str) and value.startswith("cuda")
    ):
        return CUDA
    return value


class FunctionMode(TorchFunctionMode):
    """Gives devices their index, and remembers whether the function under way was given device tensors."""

    inside = False

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is torch.device:
            return indexed(func(*args, **kwargs))
        if func is torch.Tensor.cuda:
            return args[0].to(CUDA)
        if func is torch.Tensor.to and len(args) > 1:
            if isinstance(args[0], EmulatedTensor):
                return args[0].to(*args[1:], **kwargs)
            if isinstance(args[1], EmulatedTensor):
                return args[0].to(CUDA, args[1].dtype)
        before = FunctionMode.inside
        FunctionMode.inside = any(isinstance(x, EmulatedTensor) for x in leaves((args, kwargs)))
        try:
            return func(*map(indexed, args), **{name: indexed(value) for name, value in kwargs.items()})
        finally:
            FunctionMode.inside = before


class DispatchMode(TorchDispatchMode):
    """Sees operations without device tensors: those that make or upload one."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return dispatch(func, args, kwargs or {})


def wait(reason: str) -> None:
    """The host waits for the device here, which it may not do while a graph is captured."""
    LEDGER.wait(reason)
    Capture.refuse(reason)


def upload() -> None:
    """Pageable host memory is copied to the device here."""
    LEDGER.uploads[site()] += 1
    Capture.refuse("an upload")


def dispatch(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """Check one operation against the device's rules, count it, and compute it on the CPU."""
    name = _name(func)
    flat = list(leaves((args, kwargs)))
    tensors = [x for x in flat if isinstance(x, Tensor)]
    there = [x for x in tensors if isinstance(x, EmulatedTensor)]
    on_device = _lands_on_device(name, args, kwargs, tensors, there)
    _check_devices(name, func, args, tensors, there)
    for generator in (x for x in flat if isinstance(x, torch._C.Generator)):
        # Dispatch hands over a bare generator: its address tells which one it is.
        wanted, found = ("cuda" if on_device else "cpu"), GENERATORS.get(generator._cdata, "cpu")
        if found != wanted:
            raise DeviceRuleError(f"expected a generator of {wanted}, found one of {found}, at {site()}")
        if on_device and Capture.current is not None and not Capture.current.knows(generator):
            raise DeviceRuleError(f"a generator that the captured graph does not know draws, at {site()}")
    _count(name, func, args, kwargs, there, on_device)
    args, kwargs = mapped(EmulatedTensor, lambda x: x.host, (args, kwargs))
    if kwargs.get("device") is not None:
        kwargs["device"] = torch.device("cpu")
    kwargs.pop("pin_memory", None)
    capture = Capture.current if on_device and not _is_view(func) else None
    if capture is not None:
        capture.prepare(func, args, kwargs)
    out = func(*(_rounded(name, args) if there else args), **kwargs)
    if capture is not None:
        # A number of the host stays as it is now, whatever becomes of it there.
        numbers = {id(x): x.clone() for x in tensors if not isinstance(x, EmulatedTensor) and not x.dim()}
        args, kwargs = mapped(Tensor, lambda x: numbers.get(id(x), x), (args, kwargs))
        capture.record(partial(_computed, func, name), args, kwargs, out)
    if name in _RESHAPES and isinstance(tensors[0], EmulatedTensor):
        with torch._C._DisableTorchDispatch():
            func(tensors[0], *args[1:], **kwargs)  # the wrapper's own shape
    if not on_device and name != "copy_":
        return out
    known = {id(x.host if isinstance(x, EmulatedTensor) else x): x for x in tensors}
    return mapped(Tensor, lambda o: known.get(id(o)) if id(o) in known else EmulatedTensor(o), out)


_RESHAPES = ("squeeze_", "unsqueeze_", "transpose_", "t_", "as_strided_", "swapaxes_", "swapdims_")


@cache
def _name(func: Any) -> str:
    return str(func._schema.name.split("::")[-1])


@cache
def _is_view(func: Any) -> bool:
    return any(r.alias_info is not None and not r.alias_info.is_write for r in func._schema.returns)


def _lands_on_device(name: str, args: Any, kwargs: Any, tensors: list[Tensor], there: list[Any]) -> bool:
    if name == "copy_":
        return isinstance(args[0], EmulatedTensor)
    device = kwargs.get("device")
    if device is None:
        return bool(there)
    if torch.device(device).type == "cuda":
        return True
    # C++ takes device tensors for the CPU's: the constants, casts and zero gradients that it makes for them are theirs.
    from_cpp = (not tensors and FunctionMode.inside) or (there and (name == "_to_copy" or _from_autograd()))
    return bool(from_cpp)


def _from_autograd() -> bool:
    frame: FrameType | None = sys._getframe(1)
    ours = ("emulated.py", "_compile.py", "eval_frame.py")
    while frame is not None and frame.f_code.co_filename.endswith(ours):
        frame = frame.f_back
    return frame is not None and frame.f_code.co_name == "_engine_run_backward"


def _check_devices(name: str, func: Any, args: Any, tensors: list[Tensor], there: list[Any]) -> None:
    here = [x for x in tensors if not isinstance(x, EmulatedTensor)]
    if there and here and name not in BOTH_DEVICES and (name in NO_SCALARS or any(x.dim() for x in here)):
        raise DeviceRuleError(f"expected all tensors on one device, found cuda:0 and cpu ({func}), at {site()}")
    if name.lstrip("_").startswith("index") and name in BOTH_DEVICES:
        if not isinstance(args[0], EmulatedTensor) and there:
            raise DeviceRuleError(f"a tensor of the CPU is indexed or filled by one of cuda:0, at {site()}")
        if there and len(args) > 2 and not isinstance(args[2], EmulatedTensor) and args[2].dim():
            raise DeviceRuleError(f"a tensor of cuda:0 is filled by one of the CPU, at {site()}")


def _count(name: str, func: Any, args: Any, kwargs: Any, there: list[Any], on_device: bool) -> None:
    if name in ("_to_copy", "copy_"):
        source = args[0] if name == "_to_copy" else args[1]
        if isinstance(source, EmulatedTensor) and not on_device:
            wait("a tensor is copied to the host")
        elif not isinstance(source, EmulatedTensor) and on_device:
            upload()
    if name.lstrip("_").startswith("index") and name in BOTH_DEVICES and isinstance(args[0], EmulatedTensor):
        for index in (i for i in args[1] if i is not None):
            if not isinstance(index, EmulatedTensor):
                upload()
            if index.dtype in (torch.bool, torch.uint8):
                wait("a mask is an index")
    if there and name in WAITS:
        wait(WAITS[name])
    if name == "repeat_interleave" and on_device and kwargs.get("output_size") is None:
        wait("repeat_interleave without output_size")
    if on_device and name not in NO_KERNEL and not _is_view(func):
        LEDGER.kernels[name] += 1


def _computed(func: Any, name: str, args: Any, kwargs: Any) -> Any:
    """An operation's result on tensors of the host."""
    return func(*_rounded(name, args), **kwargs)


def tf32(x: Tensor) -> Tensor:
    """Rounded to TF32's ten bits of mantissa, to nearest, ties to even."""
    bits = x.contiguous().view(torch.int32)
    return (((bits + 0xFFF + ((bits >> 13) & 1)) >> 13) << 13).view(torch.float32)


def _rounded(name: str, args: tuple[Any, ...]) -> tuple[Any, ...]:
    places: tuple[int, ...] = ()
    if name in FACTORS and torch.get_float32_matmul_precision() != "highest":
        places = FACTORS[name]
    if name in ("convolution", "convolution_backward") and torch.backends.cudnn.allow_tf32:
        places = (0, 1) if name == "convolution" else (0, 1, 2)
    return tuple(tf32(x) if i in places and x.dtype == torch.float32 else x for i, x in enumerate(args))


@contextlib.contextmanager
def emulated_gpu() -> Iterator[Ledger]:
    """Make `torch.cuda` offer one emulated GPU; gives the ledger of what happens on it."""
    from devices.cuda_calls import patched_cuda

    LEDGER.reset()
    GENERATORS.clear()
    torch._C._set_only_lift_cpu_tensors(True)  # so that torch.tensor(list, device="cuda") is seen to upload
    overwrite = torch.__future__.get_overwrite_module_params_on_conversion()
    torch.__future__.set_overwrite_module_params_on_conversion(True)  # a parameter's class cannot change in place
    try:
        with patched_cuda(), DispatchMode(), FunctionMode():
            yield LEDGER
    finally:
        torch.__future__.set_overwrite_module_params_on_conversion(overwrite)
        torch._C._set_only_lift_cpu_tensors(False)
