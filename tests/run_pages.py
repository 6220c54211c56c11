"""Run the commands of the README and the pages with an installed metasiren, page by page, each in a folder of its own.

    python tests/run_pages.py ENVIRONMENT [--limit 20s] [--page README.md] [--work FOLDER]

ENVIRONMENT is a virtual environment with metasiren in it (a wheel, not this checkout). Files that readers bring are
small stand-ins. `RUN` is the last run of the page that the command can look at (`RUN RUN` the last two), and `DIR` the
folder of all of them; where a page has none, a small one is made. Without `--limit` a command takes the time that it
takes; with it, trainings stop after that time and are evaluated, and priors over drawn faces see a few of them.

What `not_run.py` names is left out, and so are sentences that repeat a command of a block or a table.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from page_commands import PAGES, ROOT, Command, commands
from stand_ins import make_stand_ins

TIMED = ("run", "compare", "selfcheck")
NAMES = {
    "NAME": "acme-part", "OUT": "out", "FILE.json": "file.json", "FILE.png": "file.png", "FILE": "file", "K": "3",
}  # fmt: skip
DESCRIBED = {"dataset": "picture", "recipe": "image"}
PRIORS = re.compile(
    r"metasiren inpaint|evaluate .*--(?:data|limit|refine|protocol)|on-holiday|mixture.py|packing|packed_"
)
"""Commands that look at a prior over pictures."""

FEW_FACES = " --set data.train=256 --set data.val=32 --set data.test=0"
"""Drawn faces under a time limit: their tables have no limit."""

SMALL = {
    False: "metasiren run image --preset quick --set data.size=32 --set train.steps=20",
    True: "metasiren run celeba_gaussian --preset quick --set data.train=64 --set data.val=16 --set data.test=0"
    " --set encoder.latent_dim=8 --set siren.hidden_features=8 --set decoder.hidden_features=8 --set train.steps=2"
    " --set train.batch=8 --set evaluate.seeds=1 --set evaluate.baseline_images=2",
}
"""The run that is made where a page has none: of one signal, and of a prior."""


@dataclass(frozen=True)
class Outcome:
    """A command, what became of it (`passed`, `failed` or `skipped`), its seconds, its output or why it did not run."""

    command: Command
    state: str
    seconds: float
    words: str


def chosen(page: Path) -> list[Command]:
    """The commands of a page that are run: those without a reason not to, and no repetitions in sentences."""
    standing = {command.name for other in PAGES for command in commands(other) if command.where != "sentence"}
    return [
        command for command in commands(page)
        if not command.reason and (command.where != "sentence" or command.name not in standing)
    ]  # fmt: skip


def run_page(
    page: Path, environment: Path, folder: Path, limit: str | None = None, *, quick: bool = True
) -> Iterator[Outcome]:
    """Run a page's commands in order, in an empty folder, with the programs of a virtual environment.

    Args:
        page: its file.
        environment: the virtual environment.
        folder: is made.
        limit: for each training, such as 20s.
        quick: also run what neither trains nor looks at a run, once.
    """
    folder.mkdir(parents=True)
    make_stand_ins(folder)
    for name in ("recipes", "benchmarks", "tests"):
        (folder / name).symlink_to(ROOT / name)
    runs: list[str] = []
    done: set[str] = set()
    for command in chosen(page):
        if command.quick and (not quick or command.name in done):
            continue
        done.add(command.name)
        if shell := missing_shell(command.text):
            yield Outcome(command, "skipped", 0.0, f"{shell} is not installed")
            continue
        began = time.monotonic()
        code, output = 0, ""
        prior = PRIORS.search(command.text) is not None
        while code == 0 and len(suitable(runs, prior)) < wanted(command.text):
            code, output = _shell(SMALL[prior], environment, folder)
            runs += [output.strip().splitlines()[-1]] * (code == 0)
        if code == 0:
            text = completed(command.text, suitable(runs, prior), limit)
            code, output = _app(text, environment, folder) if starts_app(text) else _shell(text, environment, folder)
        last = output.strip().splitlines()[-1:]
        if code == 0 and last and last[0] not in runs and (folder / last[0] / "environment.json").is_file():
            runs.append(last[0])
        yield Outcome(command, "failed" if code else "passed", time.monotonic() - began, output)


def wanted(text: str) -> int:
    """How many runs a command looks at; a run and its own results are one."""
    return 1 if "RUN/" in text else text.count("RUN")


def suitable(runs: list[str], prior: bool) -> list[str]:
    """The runs of priors over pictures alone, or all."""
    return [run for run in runs if "celeba" in run] if prior else runs


def missing_shell(text: str) -> str:
    """The shell that a line of completion needs, where it is not installed."""
    shell = re.search(r"_METASIREN_COMPLETE=(\w+)_source", text)
    return shell[1] if shell and shutil.which(shell[1]) is None else ""


def starts_app(text: str) -> bool:
    """Whether a command starts the app, which ends only when it is stopped; `--preset app` does not."""
    return re.match(r"metasiren app\b", text) is not None


def completed(text: str, runs: list[str], limit: str | None) -> str:
    """A command with what a page leaves to its reader, and with a time limit for its training; searches are short."""
    if "RUN/" in text:
        text = re.sub(r"\bRUN\b", shlex.quote(runs[-1]), text)
    for run in runs[-text.count("RUN") :] if "RUN" in text else []:
        text = re.sub(r"\bRUN\b", shlex.quote(run), text, count=1)
    text = re.sub(r"\bDIR\b", "runs", text)
    text = re.sub(r"describe (\w+) NAME\b", lambda found: f"describe {found[1]} {DESCRIBED[found[1]]}", text)
    text = re.sub(r"(metasiren render .*)\bFILE$", r"\1file.png", text)
    for blank, filled in NAMES.items():
        text = re.sub(rf"(?<= ){re.escape(blank)}(?= |$)", filled, text)
    if limit and "--list" not in text:
        text = re.sub(r" --(?:max-)?time \w+", "", text)
        text = re.sub(rf"metasiren ({'|'.join(TIMED)})\b", rf"metasiren \1 --max-time {limit}", text)
        if text.startswith("metasiren compare") and "--tune-steps" not in text:
            text = re.sub(r" --tune(?= |$)", " --tune --tune-steps 64", text)
        if re.match(r"metasiren run\b.* celeba_", text) and "data." not in text:
            text += FEW_FACES
        text = re.sub(r"metasiren reproduce\b", f"metasiren reproduce --time {limit}", text)
    return text


def _environment(environment: Path) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "METASIREN", "PIP", "VIRTUAL"))}
    return {**kept, "PATH": f"{environment / 'bin'}{os.pathsep}{os.environ['PATH']}", "VIRTUAL_ENV": str(environment)}


def _shell(text: str, environment: Path, folder: Path) -> tuple[int, str]:
    shell = "fish" if "fish_source" in text else "zsh" if "zsh_source" in text else "bash"
    done = subprocess.run(
        [shell, "-c", text], cwd=folder, env=_environment(environment), text=True, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    return done.returncode, done.stdout


def _app(text: str, environment: Path, folder: Path) -> tuple[int, str]:
    """Start the app, wait for its address, and stop it as Ctrl-C does."""
    process = subprocess.Popen(
        shlex.split(text), cwd=folder, env=_environment(environment), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert process.stdout is not None
    line = ""
    for line in process.stdout:
        if "http://" in line:
            process.send_signal(signal.SIGINT)
            process.wait(60)
            return 0, line
    return process.wait() or 1, line


def main() -> None:
    """Run the pages that were asked for, print what became of each command, and exit with 1 if one failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("environment", type=Path)
    parser.add_argument("--limit", help="for each training, such as 20s")
    parser.add_argument("--page", action="append", help="a page's file name; may be given again")
    parser.add_argument("--work", type=Path, help="where the pages' folders are made")
    given = parser.parse_args()
    names = [page.name for page in PAGES]
    if unknown := [name for name in given.page or () if name not in names]:
        parser.error(f"no page is called {', '.join(unknown)}; there are {', '.join(names)}")
    work, counts = given.work or Path(tempfile.mkdtemp(prefix="pages-")), {"passed": 0, "failed": 0, "skipped": 0}
    for page in PAGES:
        if given.page and page.name not in given.page:
            continue
        for outcome in run_page(page, given.environment.absolute(), work / page.stem, given.limit):
            counts[outcome.state] += 1
            print(f"{outcome.state.upper():8}{outcome.seconds:7.1f} s  {outcome.command}", flush=True)
            if outcome.state != "passed":
                print("\n".join("    " + line for line in outcome.words.strip().splitlines()[-12:]), flush=True)
    print(f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped; in {work}")
    sys.exit(1 if counts["failed"] else 0)


if __name__ == "__main__":
    main()
