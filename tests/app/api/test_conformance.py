"""Every operation against the document that describes it: schemathesis asks, with right and with hostile values."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from hypothesis.strategies import SearchStrategy
from schemathesis import Case, GenerationMode

from app.api.document import parameters_of
from app.api.operations import examples, operations
from app.contributions.figures import FIGURES
from tests.app.api.conftest import Portal

EXAMPLES = 12


@pytest.fixture(scope="session")
def document(portal: Portal) -> Any:
    """The portal's own document, asked through WSGI."""
    return schemathesis.openapi.from_wsgi("/api/v1/openapi.json", portal.app)


@pytest.fixture(scope="session")
def known(portal: Portal) -> dict[str, str]:
    """For each part of a path, an id that is somebody's."""
    with portal.app.app_context(), portal.db.read() as session:
        return examples(session)


def use_what_is_there(case: Case, known: dict[str, str]) -> None:
    """What no schema can say of right values: ids that exist, a cursor that was given out, days in their order."""
    for name in case.path_parameters or {}:
        if name not in ("figure", "year"):
            case.path_parameters[name] = known[name]
    query = case.query or {}
    query.pop("cursor", None)
    for name, key in (("author", "person"), ("employer", "organization")):
        if name in query:
            query[name] = known[key]
    for name in {"repository", "person", "organization", "module", "commit"} & query.keys():
        query[name] = known[name]
    if "rule" in (case.path_parameters or {}):
        for name in {"present", "all", "entire"} & query.keys():
            del query[name]  # as many at least as voted, and as one another
    if "since" in query and "until" in query and query["since"] > query["until"]:
        query["since"], query["until"] = query["until"], query["since"]
    if "figure" in (case.path_parameters or {}):
        scopes = FIGURES[case.path_parameters["figure"]].scopes
        for name in {"repository", "person", "organization", "module"} & query.keys():
            if name not in scopes:
                del query[name]
        if "everything" not in scopes and not {"person", "organization", "module"} & query.keys():
            needed = next(name for name in scopes if name != "repository")
            query[needed] = known[needed]
            case.query = query
    if case.operation.path in ("/figures/{figure}", "/data-quality"):
        if query.get("since", "1970") < "1970" or query.get("since", "") > "2026-01-15":
            query.pop("since", None)
            query.pop("until", None)
        if query.get("until", "2020") < "1970":
            del query["until"]


@pytest.mark.slow
@pytest.mark.parametrize("path", [one.path for one in operations()])
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_what_is_answered_is_what_the_document_says(
    path: str, mode: GenerationMode, document: Any, known: dict[str, str]
) -> None:
    try:
        cases = document[path]["GET"].as_strategy(generation_mode=mode)
        _hold(cases, known if mode is GenerationMode.POSITIVE else None)
    except Unsatisfiable:
        assert not parameters(path)  # nothing can be wrong where nothing is asked


def _hold(cases: SearchStrategy[Case], known: dict[str, str] | None) -> None:
    @given(case=cases)
    @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, database=None,
              suppress_health_check=list(HealthCheck))  # fmt: skip
    def hold(case: Case) -> None:
        if known is not None:
            use_what_is_there(case, known)
        case.call_and_validate(headers={"Accept-Encoding": "identity"})

    hold()


def parameters(path: str) -> list[dict[str, Any]]:
    return next(parameters_of(one) for one in operations() if one.path == path)


def test_the_document_holds_every_operation(portal: Portal) -> None:
    document = portal.client.get("/api/v1/openapi.json").get_json()
    assert document["openapi"] == "3.1.0"
    assert set(document["paths"]) == {one.path for one in operations()}
    routes = {rule.rule for rule in portal.app.url_map.iter_rules() if rule.endpoint.startswith("api.")}
    described = {"/api/v1" + path.replace("{", "<").replace("}", ">") for path in document["paths"]}
    assert routes == described | {"/api/", "/api/v1/openapi.json"}
