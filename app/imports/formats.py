"""Each format with its reader, and how people call it."""

from __future__ import annotations

from collections.abc import Callable

from app.imports.rules import FileKind, Parsed
from app.imports.rules.gitdm import read_affiliations, read_aliases, read_group, read_map
from app.imports.rules.others import read_codeowners, read_mailmap, read_stackalytics
from app.imports.yaml_files import read_landscape, read_owners

Reader = Callable[[str, str, str], Parsed]
"""(text, where the file lies, whose group it lists) -> what it claims."""

READERS: dict[FileKind, Reader] = {
    FileKind.GITDM_MAP: lambda text, _name, _organization: read_map(text),
    FileKind.GITDM_ALIASES: lambda text, _name, _organization: read_aliases(text),
    FileKind.GITDM_GROUP: lambda text, _name, organization: read_group(text, organization),
    FileKind.CNCF_AFFILIATIONS: lambda text, _name, _organization: read_affiliations(text),
    FileKind.STACKALYTICS: lambda text, _name, _organization: read_stackalytics(text),
    FileKind.MAILMAP: lambda text, _name, _organization: read_mailmap(text),
    FileKind.CODEOWNERS: lambda text, _name, _organization: read_codeowners(text),
    FileKind.OWNERS: lambda text, name, _organization: read_owners(text, name),
    FileKind.LANDSCAPE: lambda text, _name, _organization: read_landscape(text),
}
CALLED = {
    FileKind.GITDM_MAP: "gitdm: addresses or domains and employers (email-map, domain-map)",
    FileKind.GITDM_ALIASES: "gitdm: aliases",
    FileKind.GITDM_GROUP: "gitdm: a group, all of one organization",
    FileKind.CNCF_AFFILIATIONS: "CNCF: developers_affiliations",
    FileKind.STACKALYTICS: "Stackalytics: default_data.json",
    FileKind.MAILMAP: "git: .mailmap",
    FileKind.CODEOWNERS: "CODEOWNERS",
    FileKind.OWNERS: "Kubernetes: OWNERS",
    FileKind.LANDSCAPE: "Landscape: members (landscape.yml)",
}


def parse(kind: FileKind, text: str, *, name: str = "", organization: str = "") -> Parsed:
    """The claims of a file of this kind; `name` is where it lies, `organization` whose group it lists."""
    return READERS[kind](text, name, organization)
