"""Trainings of a comparison as processes of their own: the same numbers, bit for bit, and one table."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import metasiren as ms
from metasiren.engine import devices, processes
from metasiren.engine.processes import Ended, Job, run_command_line, run_jobs
from metasiren.errors import InterruptedRunError, MetasirenError, RecipeError
from metasiren.recipe import load_recipe, read_overrides
from metasiren_studies import commands
from metasiren_studies.comparing import compare

TINY = {"data.size": 16, "siren.hidden_features": 8, "train.steps": 4, "train.log_every": 1, "evaluate.protocol": None}


def job(name: str, code: str, folder: Path) -> Job:
    """A process that runs some Python."""
    return Job(name, folder / name, folder / f"{name}.log", lambda device: [sys.executable, "-c", code, device])


def test_a_queue_runs_one_job_at_a_time_on_each_device(tmp_path: Path) -> None:
    busy: dict[str, int] = {"a": 0, "b": 0}
    most = dict(busy)

    def begun(job: Job, device: str) -> None:
        busy[device] += 1
        most[device] = max(most[device], busy[device])

    def ended(one: Ended) -> None:
        busy[one.device] -= 1

    jobs = [job(f"job{n}", "import sys; print(sys.argv[1])", tmp_path) for n in range(6)]
    found = run_jobs(jobs, ["a", "b"], begun=begun, ended=ended)
    assert sorted(one.job.name for one in found) == [each.name for each in jobs]
    assert {(one.code, one.reason, one.stopped) for one in found} == {(0, "", None)}
    assert most == {"a": 1, "b": 1}
    assert all(one.job.log.read_text().strip() == one.device for one in found)


def test_threads_are_divided_among_the_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.get_num_threads", lambda: 7)
    one = job("one", "import os; print(os.environ['OMP_NUM_THREADS'])", tmp_path)
    run_jobs([one], ["cpu", "cpu", "cpu"])
    assert one.log.read_text().split() == ["2"]


def test_failures_say_why_and_end_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "known").mkdir()
    status = json.dumps({"state": "failed", "reason": "step 3:\n  the loss is nan."})
    write = f"open({str(tmp_path / 'known' / 'status.json')!r}, 'w').write({status!r}); exit(1)"

    def nothing(device: str) -> Sequence[str] | None:
        return None

    def unable(device: str) -> Sequence[str] | None:
        raise ms.RunError("here", "in use.", "Wait.")

    jobs = [
        job("known", write, tmp_path),
        job("said", "print('assembling'); print('data: none.'); print('  Give a path.'); exit(1)", tmp_path),
        job("killed", "import os; os.kill(os.getpid(), 9)", tmp_path),
        job("silent", "exit(3)", tmp_path),
        Job("absent", tmp_path, tmp_path / "absent.log", lambda device: ["/no/such/program"]),
        Job("unable", tmp_path, tmp_path / "unable.log", unable),
        Job("nothing", tmp_path, tmp_path / "nothing.log", nothing),
        job("sound", "pass", tmp_path),
    ]
    reasons = {one.job.name: one.reason for one in run_jobs(jobs, ["cpu", "cpu"])}
    assert "No such file" in reasons.pop("absent")
    assert reasons == {
        "known": "step 3: the loss is nan.",
        "said": "data: none. Give a path.",
        "killed": "ended by SIGKILL",
        "silent": "exit status 3",
        "unable": "here: in use. Wait.",
        "nothing": "",
        "sound": "",
    }


def test_an_earlier_failure_is_not_this_one_s(tmp_path: Path) -> None:
    (tmp_path / "again").mkdir()
    status = tmp_path / "again" / "status.json"
    status.write_text(json.dumps({"state": "failed", "reason": "long ago"}))
    os.utime(status, (1e9, 1e9))
    (tmp_path / "again.log").write_text("an old line\n")
    (one,) = run_jobs([job("again", "exit(2)", tmp_path)], ["cpu"])
    assert one.reason == "exit status 2"


WAITS = "import time; print('ready', flush=True); time.sleep(60)"


@pytest.mark.parametrize(("sent", "passed"), [("SIGINT", 2), ("SIGTERM", 15), ("SIGHUP", 15)])
def test_a_signal_ends_all_and_starts_nothing_more(sent: str, passed: int, tmp_path: Path) -> None:
    """Each process hears of it once, and is waited for."""
    hears = (
        "import signal, sys, time\n"
        "heard = []\n"
        "for each in (signal.SIGINT, signal.SIGTERM): signal.signal(each, lambda number, _: heard.append(number))\n"
        "print('ready', flush=True)\n"
        "while not heard: time.sleep(0.01)\n"
        "time.sleep(0.2)\n"
        "print(heard); sys.exit(1)\n"
    )
    jobs, found = [job(f"job{n}", hears, tmp_path) for n in range(3)], list[Ended]()
    ready = 0

    def poll(seconds: float) -> None:
        nonlocal ready
        if not ready and all(each.log.is_file() and "ready" in each.log.read_text() for each in jobs[:2]):
            ready = 1
            os.kill(os.getpid(), getattr(signal, sent))
        time.sleep(seconds)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(processes, "time", _Clock(poll))
        with pytest.raises(InterruptedRunError, match=f"stopped by {sent}; 0 of 3 runs are done"):
            run_jobs(jobs, ["cpu", "cpu"], ended=found.append)
    assert [(one.job.name, one.stopped, one.reason) for one in sorted(found, key=lambda one: one.job.name)] == [
        ("job0", sent, ""),
        ("job1", sent, ""),
    ]
    assert all(one.job.log.read_text().split("\n")[1] == f"[{passed}]" for one in found)


class _Clock:
    """The module `time`, with another `sleep`."""

    def __init__(self, sleep: Any) -> None:
        self.sleep, self.monotonic, self.time = sleep, time.monotonic, time.time


def test_a_second_signal_waits_for_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a callback fails: no process outlives the queue."""
    one = job("one", "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + WAITS, tmp_path)

    def poll(seconds: float) -> None:
        if one.log.is_file() and "ready" in one.log.read_text():
            raise KeyboardInterrupt
        time.sleep(seconds)

    monkeypatch.setattr(processes, "time", _Clock(poll))
    monkeypatch.setattr(processes, "LAST_SECONDS", 0.2)
    started: list[subprocess.Popen[bytes]] = []
    popen = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda *args, **more: started.append(popen(*args, **more)) or started[-1])
    with pytest.raises(KeyboardInterrupt):
        run_jobs([one], ["cpu"])
    assert started[0].returncode == -signal.SIGKILL


@pytest.mark.parametrize("second", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_second_signal_ends_the_processes_at_once(second: str, tmp_path: Path) -> None:
    """Whichever it is: the queue waits for its processes, which do not go on without it."""
    waits = "import signal, time\nsignal.signal(signal.SIGINT, lambda *_: print('heard', flush=True))\n" + (
        "print('ready', flush=True)\nfor _ in range(600): time.sleep(0.1)"
    )
    folder = tmp_path / "queue"
    code = (
        "import sys\nfrom pathlib import Path\nfrom metasiren.engine.processes import Job, run_jobs\n"
        f"job = Job('one', Path({str(folder)!r}), Path({str(folder)!r}) / 'one.log', "
        f"lambda _: [sys.executable, '-c', {waits!r}])\n"
        "print('queue', flush=True)\n"
        "run_jobs([job], ['cpu'], ended=lambda one: print('ended', one.code, one.stopped, flush=True))\n"
    )
    log = folder / "one.log"

    def until(word: str) -> None:
        while not (log.is_file() and word in log.read_text()):
            assert queue.poll() is None, f"ended before {word}"
            time.sleep(0.05)

    words = [sys.executable, "-c", code]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as queue:
        try:
            until("ready")
            queue.send_signal(signal.SIGINT)
            until("heard")
            queue.send_signal(getattr(signal, second))
            out, errors = queue.communicate(timeout=30)
        finally:
            queue.kill()
    assert out.split("\n")[1] == "ended -15 SIGINT"
    assert "stopped by SIGINT; 0 of 1 runs are done." in errors


def test_the_message_of_an_interruption_names_the_failed(tmp_path: Path) -> None:
    jobs = [job(name, code, tmp_path) for name, code in [("good", "pass"), ("bad", "exit(3)"), ("worse", "exit(4)")]]
    jobs.append(job("last", WAITS, tmp_path))

    def begun(job: Job, device: str) -> None:
        if job.name == "last":
            os.kill(os.getpid(), signal.SIGTERM)

    found = "stopped by SIGTERM; 1 of 4 runs are done; 2 failed: bad, worse."
    with pytest.raises(InterruptedRunError, match=found):
        run_jobs(jobs, ["cpu"], begun=begun)


def test_signals_that_this_process_ignores_stay_ignored(tmp_path: Path) -> None:
    """As under nohup, or after `&` in a shell without job control."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        (one,) = run_jobs([job("one", "pass", tmp_path)], ["cpu"], begun=lambda *_: os.kill(os.getpid(), signal.SIGHUP))
    finally:
        assert signal.signal(signal.SIGHUP, before) is signal.SIG_IGN
    assert (one.code, one.stopped) == (0, None)


def test_the_words_of_a_run_say_what_its_recipe_is(tmp_path: Path) -> None:
    changes = {"train.optimizer.lr": 1e-5, "siren.input_layer": None, "data.title": "a, b: 'c'\nd", "train.clip": 2}
    words = run_command_line(
        "image", tmp_path / "x", device="cpu", preset="quick", changes=changes, without=["physics"]
    )
    assert words[1:6] == ["-m", "metasiren", "--without", "physics", "run"]
    pairs = [words[n + 1] for n, word in enumerate(words) if word == "--set"]
    assert read_overrides(pairs) == changes


@pytest.mark.parametrize(
    ("words", "gpus", "meant"),
    [
        ("cpu", 0, ("cpu",)),
        ("cpu, cpu", 0, ("cpu", "cpu")),
        ("all", 0, ("cpu",)),
        ("all", 3, ("cuda:0", "cuda:1", "cuda:2")),
        ("auto", 0, ("cpu",)),
        ("auto,auto", 0, ("cpu", "cpu")),
        ("cuda:1,cuda:0", 2, ("cuda:1", "cuda:0")),
    ],
)
def test_devices_are_named(words: str, gpus: int, meant: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    _with(monkeypatch, gpus)
    assert devices.pick_devices(words) == meant


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (",", "no device"),
        ("tpu", "'tpu' is no device"),
        ("cuda:0,cuda:2", "'cuda:2' is not here; torch finds 2 GPUs"),
        ("all,cpu", "names all and others"),
        ("cuda,cuda", "does not say which GPU"),
        ("auto,auto", "does not say which GPU"),
        ("auto,cuda", "does not say which GPU"),
        ("cpu,cpu,cpu", "3 processes on a CPU of 2 cores"),
    ],
)
def test_devices_that_are_not_here_are_errors(words: str, found: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _with(monkeypatch, 2)
    with pytest.raises(RecipeError, match=f"--devices: .*{found}"):
        devices.pick_devices(words)


def _with(monkeypatch: pytest.MonkeyPatch, gpus: int) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: gpus > 0)
    monkeypatch.setattr("torch.cuda.device_count", lambda: gpus)
    monkeypatch.setattr(devices, "cores", lambda: 2)


def test_device_and_devices_exclude_each_other(tmp_path: Path) -> None:
    given = ["image", "--over", "lr=1e-3,1e-4", "--devices", "cpu", "--device", "cpu", "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(commands.compare, given)
    assert isinstance(done.exception, RecipeError)
    assert "--devices: given beside --device." in str(done.exception)


def test_two_processes_give_the_numbers_of_one_bit_for_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights, optimiser and losses; and one that fails in its process is the same row."""
    monkeypatch.setenv("METASIREN_NO_REPORT", "1")
    monkeypatch.setattr(devices, "cores", lambda: 2)
    over, one, two = ["lr=1e-3,1e30"], tmp_path / "one", tmp_path / "two"
    shared: dict[str, Any] = {"preset": "quick", "overrides": TINY, "seed": 3}
    _, alone = compare("image", over, one, **shared)
    _, spread = compare("image", over, two, devices=devices.pick_devices("cpu,cpu"), **shared)
    first, second = ms.open_run(one / "lr=0.001"), ms.open_run(two / "lr=0.001")
    assert first.recipe == second.recipe
    same = ("recipe", "preset", "changes", "seed", "device")
    assert {key: first.environment[key] for key in same} == {key: second.environment[key] for key in same}
    tensors, others = first.checkpoint().tensors, second.checkpoint().tensors
    assert tensors.keys() == others.keys()
    assert all(bool((tensor == others[name]).all()) for name, tensor in tensors.items())
    assert [line["loss"] for line in first.losses()] == [line["loss"] for line in second.losses()]
    assert [row.metrics["loss"] for row in alone.rows] == [row.metrics["loss"] for row in spread.rows]
    assert alone.rows[1].note.startswith("failed: step ")
    assert [row.note for row in spread.rows] == ["on cpu", f"on cpu; {alone.rows[1].note}"]
    assert sorted(path.name for path in (two / "logs").iterdir()) == ["lr=0.001.log", "lr=1e+30.log"]


def test_recipes_without_presets_and_seeds_and_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the queue is asked to run, without running it."""
    asked: list[list[str]] = []

    def run_jobs(jobs: Sequence[Job], places: Sequence[str], *, ended: Any, **_: Any) -> None:
        for each in reversed(jobs):
            asked.append(list(each.command("cpu") or []))
            ended(Ended(each, "cpu", 1, reason="no"))

    monkeypatch.setattr("metasiren_studies.spread.run_jobs", run_jobs)
    path = tmp_path / "own.yaml"
    path.write_text(load_recipe("image", preset="quick", overrides=TINY).to_yaml())
    with pytest.raises(MetasirenError, match="no variant could be trained"):
        compare(path, ["lr=1e-3,1e-4"], tmp_path / "out", seeds=2, max_time="90s", devices=("cpu",))
    assert all("--preset" not in words for words in asked)
    assert [words[words.index("--seed") + 1] for words in asked] == ["1", "0", "1", "0"]
    assert all(words[words.index("--max-time") + 1] == "90.000000000s" for words in asked)
    rows = json.loads((tmp_path / "out" / "comparison.json").read_text())["rows"]
    assert [row["note"] for row in rows] == ["on cpu; 2 of 2 seeds failed; failed: no"] * 2
