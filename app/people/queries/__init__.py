"""What other rooms ask of people: intern identities, resolve them, decide about them, and who worked where when."""

from app.people.queries.affiliations import StatementError, said_already, state, withdraw
from app.people.queries.basis import Grounds, grounds
from app.people.queries.changes import on_change
from app.people.queries.decisions import decide, merge, persons_of, split, undo
from app.people.queries.employment import Domain, counted_employers, domain_changed, provide_domains
from app.people.queries.identities import Wording, intern_identities, link_identities, note_activity
from app.people.queries.organizations import OrganizationName, organization_names, provide_organizations
from app.people.queries.persons import (
    canonical,
    canonical_id,
    create_person,
    enter_person,
    hide,
    known_person,
    names_of,
    person_by_public_id,
    rename,
    shown_name,
)
from app.people.queries.reading import (
    addresses_of,
    count_people,
    find_person,
    kept_apart,
    list_people,
    one_person,
    one_shown_person,
    people_of,
    proposals,
    record_of,
)
from app.people.queries.resolution import resolve

__all__ = [
    "Domain",
    "Grounds",
    "OrganizationName",
    "StatementError",
    "Wording",
    "addresses_of",
    "canonical",
    "canonical_id",
    "count_people",
    "counted_employers",
    "create_person",
    "decide",
    "domain_changed",
    "enter_person",
    "find_person",
    "grounds",
    "hide",
    "intern_identities",
    "kept_apart",
    "known_person",
    "link_identities",
    "list_people",
    "merge",
    "names_of",
    "note_activity",
    "on_change",
    "one_person",
    "one_shown_person",
    "organization_names",
    "people_of",
    "person_by_public_id",
    "persons_of",
    "proposals",
    "provide_domains",
    "provide_organizations",
    "record_of",
    "rename",
    "resolve",
    "said_already",
    "shown_name",
    "split",
    "state",
    "undo",
    "withdraw",
]
