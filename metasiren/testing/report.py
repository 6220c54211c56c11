"""What contract checks found: one result per check, and a report of them all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, NoReturn

from metasiren.errors import MetasirenError

Status = Literal["passed", "failed", "expected", "unexpected", "skipped"]


class ContractError(MetasirenError):
    """A part that does not keep its contract."""


class NotApplicable(Exception):  # noqa: N818 (not an error: a check that does not apply to this part)
    """Raised by a check that does not concern a part; the message says why."""


def fail(found: str, advice: str = "") -> NoReturn:
    """End a check.

    Raises:
        ContractError: always; `run_check` adds the part and the check.
    """
    raise ContractError("", found, advice)


def demand(condition: object, found: str, advice: str = "") -> None:
    """Fail unless the condition holds."""
    if not condition:
        fail(found, advice)


@dataclass(frozen=True)
class Result:
    """How one check ended.

    Attributes:
        part: such as `encoder acme_gru`.
        check: its name.
        status: `passed`; `failed`; `expected`, a failure that was declared; `unexpected`, a declared failure that
            did not happen; `skipped`, where the check does not concern the part.
        message: why it failed or was skipped.
        reason: why the failure was declared.
        seconds: what it took.
    """

    part: str
    check: str
    status: Status
    message: str = ""
    reason: str = ""
    seconds: float = 0.0

    @property
    def bad(self) -> bool:
        """Whether something must be repaired: the part, or the declaration."""
        return self.status in ("failed", "unexpected")

    def __str__(self) -> str:
        text = f"{self.status:<10} {self.check}"
        notes = [f"declared: {self.reason}"] if self.reason else []
        notes += self.message.splitlines()
        return "\n".join([text, *(f"    {note}" for note in notes)])


@dataclass(frozen=True)
class Report:
    """The results of all checks of one part."""

    part: str
    results: tuple[Result, ...]

    def __iter__(self) -> Iterator[Result]:
        return iter(self.results)

    def __len__(self) -> int:
        return len(self.results)

    def __getitem__(self, check: str) -> Result:
        return next(result for result in self.results if result.check == check)

    @property
    def failures(self) -> tuple[Result, ...]:
        """Failures that were not declared, and declared ones that did not happen."""
        return tuple(result for result in self.results if result.bad)

    @property
    def summary(self) -> str:
        """One line: `encoder cnn: 17 checks: 16 passed, 1 skipped`."""
        counts = Counter(result.status for result in self.results)
        order: tuple[Status, ...] = ("passed", "failed", "unexpected", "expected", "skipped")
        words = {"expected": "failed as declared", "unexpected": "declared to fail but passed"}
        shown = ", ".join(f"{counts[status]} {words.get(status, status)}" for status in order if counts[status])
        return f"{self.part}: {len(self)} checks: {shown}"

    def rows(self) -> list[dict[str, Any]]:
        """The results as plain data."""
        return [dict(vars(result)) for result in self.results]

    def __str__(self) -> str:
        lines = [str(result) for result in self.results if result.status != "passed"]
        return "\n".join([self.summary, *lines])

    def raise_for_failures(self) -> None:
        """Raise if anything must be repaired.

        Raises:
            ContractError: naming every such check.
        """
        if self.failures:
            found = f"{len(self.failures)} of {len(self)} checks failed."
            raise ContractError(self.part, found, "\n".join(map(str, self.failures)))
