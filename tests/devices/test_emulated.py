"""The emulated GPU refuses what a GPU refuses, and counts what a GPU waits for."""

from __future__ import annotations

import pytest
import torch
from devices.emulated import DeviceRuleError, emulated_gpu, tf32


def test_values_and_gradients_are_those_of_the_cpu() -> None:
    x, w = torch.rand(5, 3), torch.rand(4, 3)
    with emulated_gpu() as ledger:
        there = x.to("cuda").requires_grad_()
        assert there.device == torch.device("cuda", 0)
        (there @ w.cuda().T).sin().sum().backward()
        assert there.grad is not None
        assert there.grad.is_cuda
        found = there.grad.cpu()
        assert ledger.waits
    here = x.clone().requires_grad_()
    (here @ w.T).sin().sum().backward()
    assert torch.equal(found, here.grad)


def test_tensors_of_two_devices_do_not_meet() -> None:
    with emulated_gpu():
        x = torch.ones(3, device="cuda")
        with pytest.raises(DeviceRuleError, match=r"cuda:0 and cpu .*test_emulated.py:\d+"):
            x + torch.ones(3)
        assert float((x + torch.tensor(1.0)).sum()) == 6  # scalars may
        with pytest.raises(DeviceRuleError, match="CPU is indexed"):
            torch.ones(3)[torch.tensor([0], device="cuda")]
        with pytest.raises(DeviceRuleError, match="numpy"):
            x.numpy()


def test_generators_belong_to_a_device() -> None:
    with emulated_gpu():
        torch.rand(2, generator=torch.Generator("cuda"), device="cuda")
        with pytest.raises(DeviceRuleError, match="expected a generator of cuda"):
            torch.rand(2, generator=torch.Generator(), device="cuda")
        with pytest.raises(DeviceRuleError, match="expected a generator of cpu"):
            torch.rand(2, generator=torch.Generator("cuda"))


def test_waits_uploads_and_kernels_are_counted_with_their_line() -> None:
    with emulated_gpu() as ledger:
        x = torch.zeros(4, device="cuda")
        assert (sum(ledger.kernels.values()), ledger.waits, ledger.uploads) == (1, {}, {})
        x.new_tensor([1.0, 2.0])
        torch.tensor([1.0], device="cuda")
        assert ledger.uploads.total() == 2
        x[x > 0]
        float(x.sum())
        x.tolist()
        assert bool((x == 0).all())
        assert {reason for reason, _ in ledger.waits} == {
            "a mask is an index", "a number is read", "tolist", "a truth value is read"
        } or ledger.waits.total() >= 4  # fmt: skip
        assert all("test_emulated.py" in place for _, place in ledger.waits)
        ledger.reset()
        y = x.view(2, 2).T * 2 + 1
        assert y.is_cuda
        assert not ledger.waits
        assert not ledger.uploads


def test_tf32_keeps_ten_bits() -> None:
    x = torch.tensor([1 + 2**-10, 1 + 2**-11, 1 + 3 * 2**-11, -(1 + 2**-12)])
    assert torch.equal(tf32(x), torch.tensor([1 + 2**-10, 1.0, 1 + 2**-9, -1.0]))


def test_products_are_rounded_where_tf32_is_allowed() -> None:
    x = torch.rand(50, 50)
    before = torch.get_float32_matmul_precision()
    with emulated_gpu():
        there = x.cuda()
        torch.set_float32_matmul_precision("highest")
        exact = (there @ there).cpu()
        torch.set_float32_matmul_precision("high")
        rough = (there @ there).cpu()
        torch.set_float32_matmul_precision(before)
    assert torch.equal(exact, x @ x)
    error = float((rough - exact).norm() / exact.norm())
    assert 1e-5 < error < 1e-3


def test_a_captured_graph_computes_on_replay_and_may_not_wait() -> None:
    with emulated_gpu():
        x, count, graph = torch.ones(3, device="cuda"), torch.tensor(1.0), torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            assert torch.cuda.is_current_stream_capturing()
            y = x * 2
            x += count
        count += 5  # a number of the host is that of the capture
        assert x.tolist() == [1.0, 1.0, 1.0]
        assert bool(y.isnan().all())
        graph.replay()
        graph.replay()
        assert (x.tolist(), y.tolist()) == ([3.0, 3.0, 3.0], [4.0, 4.0, 4.0])
        with torch.cuda.graph(torch.cuda.CUDAGraph()), pytest.raises(DeviceRuleError, match="captured"):
            float(x.sum())


def test_a_captured_graph_draws_anew_from_generators_that_it_knows() -> None:
    with emulated_gpu():
        known, other, graph = torch.Generator("cuda"), torch.Generator("cuda"), torch.cuda.CUDAGraph()
        graph.register_generator_state(known.manual_seed(3))
        with torch.cuda.graph(graph):
            x = torch.rand(2, generator=known, device="cuda")
            with pytest.raises(DeviceRuleError, match="does not know"):
                torch.rand(2, generator=other, device="cuda")
        found = []
        for _ in range(3):
            graph.replay()
            found.append(x.tolist())
    plain = torch.Generator().manual_seed(3)
    assert found == [torch.rand(2, generator=plain).tolist() for _ in range(3)]
