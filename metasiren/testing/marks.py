"""Contract checks as pytest tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metasiren.testing.part import Part, seeded
from metasiren.testing.report import ContractError, NotApplicable
from metasiren.testing.run import checks_of

if TYPE_CHECKING:
    import pytest


class Case:
    """One check of one part, to be called by a test."""

    def __init__(self, part: Part, name: str) -> None:
        self.part, self.name = part, name

    def __call__(self) -> None:
        """Run the check; skips where it does not concern the part.

        Raises:
            ContractError: the part does not keep its contract.
        """
        import pytest

        try:
            with seeded(0):
                checks_of(self.part)[self.name](self.part)
        except NotApplicable as why:
            pytest.skip(str(why))
        except ContractError as error:
            raise ContractError(f"{self.part.label}: {self.name}", error.found, error.advice) from None

    def __repr__(self) -> str:
        return f"{self.part.label}: {self.name}"


def parametrize_with_checks(*parts: Part) -> pytest.MarkDecorator:
    """A pytest decorator that makes one test of every check of every part.

        @parametrize_with_checks(Part("encoder", AcmeGru, {"latent_dim": 8}))
        def test_contract(check):
            check()

    Declared failures are marked as strictly expected: one that does not happen fails the test.
    """
    import pytest

    cases = []
    for part in parts:
        for name in checks_of(part):
            reason = part.expected_failures.get(name)
            marks = [pytest.mark.xfail(reason=reason, strict=True)] if reason else []
            cases.append(pytest.param(Case(part, name), id=f"{part.kind}-{part.name}-{name}", marks=marks))
    return pytest.mark.parametrize("check", cases)
