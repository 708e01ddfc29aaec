"""What a change must keep: rules over some of its arguments, and everything that is broken told at once.

A rule names the arguments that it looks at. Where one of them is not known, because a form's field could not be read
say, the rule is silent and all the others still speak.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import update_wrapper
from inspect import Parameter, signature
from typing import Any, Generic, NamedTuple, ParamSpec, TypeVar

_P = ParamSpec("_P")
_R = TypeVar("_R")
Broken = Iterable[tuple[str, str]]
"""What a rule gives back: (the argument, what is wrong with it and what to do), or nothing."""
Rule = Callable[..., Broken]


class Problem(NamedTuple):
    """One thing wrong with a form, file or change: where, and what to do."""

    where: str
    text: str


class RefusedError(ValueError):
    """A change that cannot be made; `problems` has every reason with its argument."""

    def __init__(self, problems: Broken) -> None:
        self.problems = [Problem(*one) for one in problems]
        super().__init__("; ".join(f"{where}: {text}" for where, text in self.problems))

    @property
    def told(self) -> str:
        """All reasons as one line, for a terminal or a log."""
        return "; ".join(f"{where.replace('_', ' ')} {text}" for where, text in self.problems)


class UnfoundError(ValueError):
    """What somebody named is not there, or not the only one; the text says so and what to write instead."""


class Checked(Generic[_P, _R]):
    """A change with its rules: called, it checks all of them first; `broken` checks those whose arguments are known."""

    def __init__(self, function: Callable[_P, _R], rules: Collection[Rule], refusal: type[RefusedError]) -> None:
        self.act = function
        self.refusal = refusal
        self._signature = signature(function)
        self._rules = [(rule, tuple(signature(rule).parameters)) for rule in rules]
        for rule, names in self._rules:
            if unknown := set(names) - set(self.parameters):
                raise TypeError(f"{rule.__name__} looks at {', '.join(sorted(unknown))}, which is no argument here")
        update_wrapper(self, function)

    def __call__(self, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        """Make the change. Raises: the refusal, with every problem, when a rule is broken."""
        found = self.broken(self._signature.bind(*args, **kwargs).arguments)
        if found:
            raise self.refusal(found)
        return self.act(*args, **kwargs)

    def also(self, *rules: Rule) -> Checked[_P, _R]:
        """The same change with more rules, such as those of who asks for it."""
        return Checked(self.act, [*(rule for rule, _names in self._rules), *rules], self.refusal)

    @property
    def parameters(self) -> Collection[str]:
        """The names of the change's arguments."""
        return self._signature.parameters

    def broken(self, given: Mapping[str, Any], *, unreadable: Collection[str] = ()) -> list[Problem]:
        """Every problem that can be told from what is given.

        An argument that is not given has its default, unless what was sent for it is `unreadable`.
        """
        defaults = {
            name: one.default for name, one in self._signature.parameters.items() if one.default is not Parameter.empty
        }
        known = {name: value for name, value in {**defaults, **given}.items() if name not in unreadable}
        return [
            Problem(*one)
            for rule, names in self._rules
            if all(name in known for name in names)
            for one in rule(**{name: known[name] for name in names})
        ]


def checked(*rules: Rule, refusal: type[RefusedError] = RefusedError) -> Callable[[Callable[_P, _R]], Checked[_P, _R]]:
    """Give a function that changes something the rules that it must keep.

    >>> def ends_after_it_starts(starts: int, ends: int | None) -> Broken:
    ...     if ends is not None and ends < starts:
    ...         yield "ends", f"is before {starts}"
    >>> def is_named(name: str) -> Broken:
    ...     return () if name else [("name", "is empty")]
    >>> @checked(ends_after_it_starts, is_named)
    ... def book(name: str, starts: int, ends: int | None = None) -> str:
    ...     return f"{name} {starts}"
    >>> book("Ada", 3), book.broken({"name": "", "ends": 2}, unreadable=["starts"])
    ('Ada 3', [Problem(where='name', text='is empty')])
    """
    return lambda function: Checked(function, rules, refusal)


def has_reason(reason: str) -> Broken:
    """A rule ready to use: a decision says why."""
    if not reason.strip():
        yield "reason", "is empty; write why, others can read it"


def ends_after_it_starts(starts_on: Any, ends_on: Any) -> Broken:
    """A rule ready to use: the last day is not before the first."""
    if ends_on is not None and ends_on < starts_on:
        yield "ends_on", f"is before the first day, {starts_on}"
