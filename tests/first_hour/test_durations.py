"""Times as a person types them: checked at once, before data are read, in every command that takes one."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from click.testing import Result
from small_runs import small

from metasiren.engine.durations import seconds_of

Typed = Callable[..., Result]


@pytest.mark.parametrize("time", ["0", "-1", "1e9", "abc", "inf", "nan", "1w", "0s"])
def test_no_time_is_refused_before_the_recipe_is_read(typed: Typed, time: str) -> None:
    message = str(typed(f"metasiren run no_such_recipe --max-time={time}").exception)
    assert message.startswith(f"--max-time: '{time}' is no duration above zero.")
    assert "Write 90s, 5m or 1h30m; a number alone is seconds." in message


@pytest.mark.parametrize(
    ("line", "option"),
    [
        ("metasiren run image --preset quick --dry-run --max-time tomorrow", "--max-time"),
        ("metasiren reproduce --time tomorrow", "--time"),
        ("metasiren reproduce --list --time tomorrow", "--time"),
        ("metasiren compare image --over lr=1e-3 --max-time tomorrow", "--max-time"),
        ("metasiren selfcheck --max-time tomorrow", "--max-time"),
    ],
)
def test_every_command_names_its_own_option(typed: Typed, line: str, option: str) -> None:
    assert str(typed(line).exception).startswith(f"{option}: 'tomorrow' is no duration above zero.")


def test_common_spellings_are_understood() -> None:
    assert [seconds_of(word) for word in ("5 min", "5m", " 5 m ", "300", "300 sec")] == [300.0] * 5
    assert seconds_of("1h 30min") == 5400


def test_a_dry_run_says_how_many_steps_fit_into_the_time(typed: Typed) -> None:
    run = ("data.size=16", "data.points=null")
    done = typed("metasiren run image --preset quick --dry-run --max-time 1s", *small(*run, steps=10_000_000))
    assert done.exit_code == 0, done.exception
    assert "# --max-time is 1 s: about " in done.output
    assert " of these steps fit\n" in done.output
    assert "--max-time" not in typed("metasiren run image --preset quick --dry-run", *small(*run)).output


def test_a_step_that_is_longer_than_the_time_is_announced(typed: Typed) -> None:
    line = "metasiren run image --preset quick --dry-run --max-time 0.0000001s"
    done = typed(line, *small("data.size=16", "data.points=null"))
    assert "less than one of these steps, which are not cut: training ends after the first" in done.output
    helped = " ".join(typed("metasiren run --help").output.split())
    assert "A step is not cut: one that takes longer" in helped
