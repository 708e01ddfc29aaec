"""The gates of a release, on plain values: what must be built and proved, who must sign, who may publish."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from app.rulebook import Atom, Gate, GateVerdict, Signers, SingleMaintainer, second_person


@dataclass(frozen=True)
class BuildEvidence:
    """One wheel target's build: where it stands, and what the portal found when it looked into the files."""

    target: str
    state: str
    steps_done: frozenset[str] = frozenset()
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class DeviceEvidence:
    """A required hardware target, and what conformance found on its device with the wheel (None: never ran there)."""

    target: str
    device: str
    conforms: bool | None
    passed: int = 0
    failed: int = 0


@dataclass(frozen=True)
class Signature:
    """A sign-off for a module."""

    module: str
    person: str
    name: str
    reason: str


@dataclass(frozen=True)
class ModuleSigners:
    """A module and who may sign for it."""

    key: str
    name: str
    signers: Signers


@dataclass(frozen=True)
class Publication:
    """Somebody's decision to publish."""

    person: str
    name: str
    reason: str


@dataclass(frozen=True)
class Matter:
    """All that the gates of a release look at."""

    builds: tuple[BuildEvidence, ...]
    devices: tuple[DeviceEvidence, ...]
    modules: tuple[ModuleSigners, ...]
    signatures: tuple[Signature, ...]
    single_maintainer: SingleMaintainer
    may_publish: frozenset[str]
    publication: Publication | None = None


@dataclass(frozen=True)
class GateState:
    """A gate of the rules with its verdict."""

    key: str
    title: str
    clause: str
    verdict: GateVerdict = field(repr=False)


def built(matter: Matter) -> list[Atom]:
    """One atom for each wheel that the release consists of."""
    atoms = []
    for build in matter.builds:
        ready = {"sdist", "wheel"} <= build.steps_done
        because = f"The wheel for {build.target} is built from the source distribution."
        if not ready:
            because = f"The wheel for {build.target} is not there: its build is {build.state}."
        elif build.problems:
            because = f"The files for {build.target} cannot be published: {'; '.join(build.problems)}."
        atoms.append(
            Atom(f"built:{build.target}", ready and not build.problems, because, _WAY_OUT.get(build.state, ""))
        )
    return atoms


def tests_passed(matter: Matter) -> list[Atom]:
    """One atom for each wheel: the tests marked `release` ran against it, installed in an empty environment."""
    return [
        Atom(f"tests:{build.target}", True, f"The release tests pass with the installed wheel for {build.target}.")
        if "tests" in build.steps_done
        else Atom(f"tests:{build.target}", False, f"The release tests for {build.target} have not passed.",
                  _WAY_OUT.get(build.state, ""))
        for build in matter.builds
    ]  # fmt: skip


def conformance_on_required_targets(matter: Matter) -> list[Atom]:
    """One atom for each required target: the same bytes conform on its device."""
    atoms = []
    for one in matter.devices:
        if one.conforms is None:
            because = f"Conformance has not run on {one.device}, which {one.target} requires."
            atoms.append(Atom(f"conformance:{one.target}", False, because, "A runner with that device must prove it."))
        elif one.conforms:
            because = f"{one.passed} conformance cases pass on {one.device} ({one.target}), none fails."
            atoms.append(Atom(f"conformance:{one.target}", True, because))
        else:
            because = (
                f"{one.failed} of {one.passed + one.failed} conformance cases fail on {one.device} ({one.target})."
            )
            atoms.append(Atom(f"conformance:{one.target}", False, because, "Mend it and release another commit."))
    return atoms


def sign_off_of_each_module(matter: Matter) -> list[Atom]:
    """One atom for each module: signed by an active maintainer or, where they are too few, under the written rule."""
    return [
        _signed(module, [one for one in matter.signatures if one.module == module.key]) for module in matter.modules
    ]


def second_person_publishes(matter: Matter) -> list[Atom]:
    """One atom: whoever publishes is not alone with it, or the written rule says why that may be."""
    if matter.publication is None:
        return [Atom("second-person", False, "Nobody has decided to publish it yet.")]
    return [may_publish(matter, matter.publication)]


def may_publish(matter: Matter, publication: Publication) -> Atom:
    """Whether this decision to publish would stand."""
    return second_person(
        matter.single_maintainer,
        first=frozenset(one.person for one in matter.signatures),
        person=publication.person,
        eligible=matter.may_publish,
        reason=publication.reason,
    )


NEEDS: Mapping[str, Callable[[Matter], list[Atom]]] = {
    "built": built,
    "tests-passed": tests_passed,
    "conformance-on-required-targets": conformance_on_required_targets,
    "sign-off-of-each-module": sign_off_of_each_module,
    "second-person": second_person_publishes,
}
EVIDENCE_NEEDS = frozenset({"built", "tests-passed", "conformance-on-required-targets"})
_WAY_OUT = {
    "failed": "Look at its log, mend it, and release another commit; or try the build again.",
    "cancelled": "Somebody cancelled it; try it again.",
    "queued": "It waits for a runner.",
    "running": "It is being built.",
    "waiting": "It waits.",
}


def gate(key: str, title: str, clause: str, needs: Sequence[str], matter: Matter) -> GateState:
    """Evaluate one gate of the rules. A need that this portal cannot check keeps the gate closed."""
    atoms: list[Atom] = []
    for need in needs:
        check = NEEDS.get(need)
        if check is None:
            atoms.append(Atom(need, False, f"This portal does not know how to check {need!r}.",
                              f"Known are {', '.join(NEEDS)}."))  # fmt: skip
            continue
        found = check(matter)
        atoms += found or [Atom(need, False, f"There is nothing that shows {need!r}.")]
    return GateState(key, title, clause, Gate(key, atoms).verdict())


def is_evidence(needs: Collection[str]) -> bool:
    """Whether a gate looks at machines' evidence alone, so that people need not be asked before it opens."""
    return set(needs) <= EVIDENCE_NEEDS


def _signed(module: ModuleSigners, signatures: Sequence[Signature]) -> Atom:
    key = f"signed:{module.key}"
    for one in signatures:
        atom = module.signers.may_sign(one.person, reason=one.reason)
        if atom.holds:
            return Atom(key, True, f"{module.name}: signed by {one.name}. {atom.because}")
    if signatures:
        return Atom(key, False, f"{module.name}: the signature of {signatures[-1].name} does not count (any more).",
                    module.signers.because)  # fmt: skip
    return Atom(key, False, f"{module.name}: not signed yet.", module.signers.because)
