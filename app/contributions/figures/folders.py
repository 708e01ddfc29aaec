"""Changes told apart by folder: which folders a look is about, what each row of them is called and leads to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from app.contributions.figures.drawing import About
from app.contributions.figures.look import Look
from app.contributions.figures.paths import below_of, fork_of
from app.contributions.queries.folders import FILES, Folders
from app.modules import queries as modules
from app.modules.rules import ModulePaths, modules_of

_T = TypeVar("_T")
NOTE = "A change counts in every folder that it touches; one whose files are not known is left out."
NEITHER = "Folders are a repository's own: choose a repository or a module."


def folders_of(look: Look) -> Folders | None:
    """The folders right below the one that the address asks for; None where no repository and no module is chosen.

    Where it names none: those at the top of the repository, and of a module those in which its paths part.
    """
    scope = look.scope
    if not scope.repository and not scope.module:
        return None
    below = below_of(look)
    if not below and scope.module:
        found = modules.module_by_key(look.session, scope.module)
        below = fork_of([_plain(glob) for glob in found.paths]) if found else ""
    return Folders(below, scope, look.window)


def held_by_scope(look: Look, by: Folders, found: Mapping[str, _T]) -> dict[str, _T]:
    """The folders that may hold paths of the scope: a change to a module touches other modules' folders, too."""
    if not look.scope.module:
        return dict(found)
    of = modules.paths(look.session)
    return {key: one for key, one in found.items()
            if may_hold(look.scope.module, whole_path(by.below, key), of, deep=key != FILES)}  # fmt: skip


def may_hold(module: str, folder: str, of: list[ModulePaths], *, deep: bool = True) -> bool:
    """Whether paths in a folder may be a module's; unless `deep`, the files right there alone.

    >>> of = [ModulePaths("core", ("csrc/**",)), ModulePaths("ops", ("csrc/ops/**", "csrc/backends/reference/**"))]
    >>> may_hold("ops", "csrc/backends", of), may_hold("core", "csrc/backends", of), may_hold("core", "csrc/ops", of)
    (True, True, False)
    """
    inside = f"{folder}/" if folder else ""
    own = next((one.paths for one in of if one.key == module), ())
    plain = [path for path in map(_plain, own) if path.startswith(inside)]
    return module in modules_of(f"{inside}_", of) or any(deep or "/" not in path[len(inside) :] for path in plain)


def named_folders(look: Look, by: Folders, keys: list[str]) -> dict[str, tuple[str, About | None]]:
    """What each folder's row is called, and the page of its own folders."""
    found: dict[str, tuple[str, About | None]] = {}
    kind, thing = ("repository", look.arguments.get("repository")) if look.scope.repository else (
        "module", look.scope.module)  # fmt: skip
    for key in keys:
        path = whole_path(by.below, key)
        url = look.url("contributions.reviews", path=path, apart="folder") if key != FILES else None
        name = f"{path}/" if key != FILES else f"files right in {path}/" if path else "files at the top"
        found[key] = (name, About(url, kind, thing) if thing else None)
    return found


def whole_path(below: str, key: str) -> str:
    """The way to a folder from the top; of the files right there, of the folder that holds them.

    >>> whole_path("csrc", "ops"), whole_path("", "docs"), whole_path("csrc", FILES)
    ('csrc/ops', 'docs', 'csrc')
    """
    return "/".join(part for part in (below, key) if part)


def _plain(glob: str) -> str:
    """A path that a glob fits, as far as it is written out.

    >>> _plain("csrc/ops/**"), _plain("tests/*_speed.py"), _plain("README.md")
    ('csrc/ops/_', 'tests/_', 'README.md')
    """
    parts = glob.split("/")
    fixed = next((at for at, part in enumerate(parts) if "*" in part), None)
    return glob if fixed is None else "/".join((*parts[:fixed], "_"))
