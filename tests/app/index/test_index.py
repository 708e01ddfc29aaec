"""The index as pip and uv read it: names, formats, hashes, metadata, yanking, and what is sent elsewhere."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from app.index import queries, rules
from app.index.queries import AlreadyPublishedError
from app.store import Store
from tests.app.index import samples

JSON = "application/vnd.pypi.simple.v1+json"


@pytest.fixture
def published(app, db, settings, tmp_path: Path):
    """flambeau 0.1.0 as a wheel and a source distribution."""
    folder = tmp_path / "made"
    folder.mkdir()
    paths = [samples.wheel(folder), samples.sdist(folder)]
    with db.write() as session:
        for path in paths:
            queries.publish(session, Store(settings.folder("artefacts")), path, path.name)
    return paths


def test_html_and_json_come_from_one_record(client, published):
    wheel = published[0]
    sha256 = hashlib.sha256(wheel.read_bytes()).hexdigest()
    page = client.get("/simple/flambeau/")
    assert page.content_type == "text/html; charset=utf-8"
    assert f'href="/files/{sha256}/{wheel.name}#sha256={sha256}"' in page.text
    assert 'data-requires-python="&gt;=3.9"' in page.text
    told = client.get("/simple/flambeau/", headers={"Accept": JSON})
    assert told.content_type == JSON
    assert told.json["meta"]["api-version"] == "1.1"
    assert told.json["versions"] == ["0.1.0"]
    file = next(file for file in told.json["files"] if file["filename"] == wheel.name)
    assert file["hashes"] == {"sha256": sha256}
    assert file["size"] == wheel.stat().st_size
    assert file["yanked"] is False


def test_a_file_never_changes_and_says_so(client, published):
    wheel = published[0]
    address = f"/files/{hashlib.sha256(wheel.read_bytes()).hexdigest()}/{wheel.name}"
    with client.get(address) as answer:
        assert answer.data == wheel.read_bytes()
        assert "immutable" in answer.headers["Cache-Control"]
    with client.get(address, headers={"If-None-Match": answer.headers["ETag"]}) as again:
        assert again.status_code == 304
    with client.get(address, headers={"Range": "bytes=0-3"}) as start:
        assert start.data == wheel.read_bytes()[:4]


def test_metadata_is_served_beside_the_wheel_with_the_hash_announced(client, published):
    files = client.get("/simple/flambeau/", headers={"Accept": JSON}).json["files"]
    told = next(file for file in files if file["filename"].endswith(".whl"))
    with client.get(told["url"] + ".metadata") as metadata:
        assert metadata.text == samples.metadata()
        assert told["core-metadata"] == {"sha256": hashlib.sha256(metadata.data).hexdigest()}
        assert "dist-info-metadata" not in told, "pip 23.0 breaks on it (PEP 714)"


@pytest.mark.parametrize(
    "path", ["/files/{zero}/{name}", "/files/{sha}/other.whl", "/files/{sha}/..%2f..%2fflambeau.db"]
)
def test_a_file_is_found_by_name_and_hash_together_or_not_at_all(client, published, path):
    name = published[0].name
    sha = hashlib.sha256(published[0].read_bytes()).hexdigest()
    assert client.get(path.format(zero="0" * 64, sha=sha, name=name)).status_code == 404


def test_names_are_compared_as_every_tool_does(client, published):
    answer = client.get("/simple/Flam.beau_x/")
    assert (answer.status_code, answer.headers["Location"]) == (301, "/simple/flam-beau-x/")
    assert client.get("/simple/FLAMBEAU/").headers["Location"] == "/simple/flambeau/"


def test_a_foreign_name_is_sent_to_the_machines_index_and_ours_never(app, client, published, settings):
    app.extensions["flambeau"].settings = settings.model_copy(update={"upstream_index": "http://u:p@other.test/simple"})
    answer = client.get("/simple/numpy/")
    assert (answer.status_code, answer.headers["Location"]) == (302, "http://other.test/simple/numpy/")
    assert client.get("/simple/flambeau/").status_code == 200


@pytest.mark.parametrize("upstream", [None, "file:///srv/simple", "http://127.0.0.1:8000/simple/", "nonsense"])
def test_without_another_index_a_foreign_name_is_not_found(upstream):
    assert rules.upstream_address(upstream, "numpy", own="http://127.0.0.1:8000") is None


def test_a_name_that_is_none_is_not_passed_on(client):
    assert client.get("/simple/%20x/").status_code == 404
    assert client.get("/simple/<script>/").status_code == 404


def test_the_same_file_twice_is_one_file_and_other_bytes_are_refused(db, settings, tmp_path, published):
    store = Store(settings.folder("artefacts"))
    with db.write() as session:
        queries.publish(session, store, published[0], published[0].name)
        assert len(queries.files(session, 1)) == 2
    other = samples.wheel(tmp_path, files={"more.py": b"x"})
    with pytest.raises(AlreadyPublishedError, match="never changes"), db.write() as session:
        queries.publish(session, store, other, other.name)


def test_a_yanked_version_stays_with_its_reason(client, db, published):
    with db.write() as session:
        queries.yank(session, "flambeau", "0.1.0", 'Wrong "sums" on Tuesdays')
    files = client.get("/simple/flambeau/", headers={"Accept": JSON}).json["files"]
    assert [file["yanked"] for file in files] == ['Wrong "sums" on Tuesdays'] * 2
    assert 'data-yanked="Wrong &quot;sums&quot; on Tuesdays"' in client.get("/simple/flambeau/").text


def test_a_page_is_asked_again_cheaply(client, published):
    answer = client.get("/simple/flambeau/")
    again = client.get("/simple/flambeau/", headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    assert answer.headers["Vary"].startswith("Accept")
    assert client.get("/simple/flambeau/", headers={"Accept": "image/png"}).status_code == 406


def test_publishing_works_on_every_database(db_each, tmp_path):
    path = samples.wheel(tmp_path)
    with db_each.write() as session:
        queries.publish(session, Store(tmp_path / "store"), path, path.name)
    with db_each.read() as session:
        assert queries.names(session) == ["flambeau"]


def test_the_recipes_project_is_ours_before_anything_was_released(client, governed):
    answer = client.get("/simple/flambeau/", headers={"Accept": JSON})
    assert (answer.status_code, answer.json["files"]) == (200, [])
