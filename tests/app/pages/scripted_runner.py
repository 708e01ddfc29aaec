"""A runner that builds nothing: it leases jobs over HTTP as the real one does, and hands over files made by hand."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask.testing import FlaskClient

from tests.app.index import samples

API = "/api/runner/v1"


@dataclass
class ScriptedRunner:
    """Speaks the runners' API through a test's client; `folder` takes the files that it hands over."""

    client: FlaskClient
    token: str
    folder: Path
    wheel_sha256: str = ""

    def build(self, *, until: str = "", failing: str = "") -> str:
        """Do the next job; stop silently before step `until`, or fail at step `failing`. The job's public id."""
        leased = self._ask("POST", "/lease", self.token, {"isolation": "namespaces"})
        job, token, task = leased["job"], leased["token"], leased["task"]
        offset = 0
        for step in task["steps"]:
            name = step["name"]
            text = f"step {name}\n" + "".join(f"  {name}: line {n} of what the compiler had to say\n" for n in range(4))
            answer = self.client.put(f"{API}/jobs/{job}/log?offset={offset}", data=text, headers=_bearer(token))
            offset = answer.json["next"]
            if name == until:
                self._ask("POST", f"/jobs/{job}/heartbeat", token, {"progress": 0.5, "text": f"{name}, 255 of 412"})
                return job
            if name == failing:
                self._ask("POST", f"/jobs/{job}/finish", token, {"failed": f"step {name} ended with status 1"})
                return job
            files = [self._hand_over(job, token, wanted, task) for wanted in step["produces"] if wanted["least"]]
            report = {"seconds": 12.5, "peak_memory_bytes": 1 << 28, "peak_processes": 3, "artefacts": files,
                      "isolation": "namespaces"}  # fmt: skip
            self._ask("POST", f"/jobs/{job}/steps/{name}", token, report)
        self._ask("POST", f"/jobs/{job}/finish", token, {})
        return job

    def _hand_over(self, job: str, token: str, wanted: dict[str, Any], task: dict[str, Any]) -> dict[str, str]:
        version = _version(task)
        if wanted["kind"] == "wheel":
            path = samples.wheel(self.folder, name="flambeau", version=version)
            self.wheel_sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        elif wanted["kind"] == "sdist":
            path = samples.sdist(self.folder, name="flambeau", version=version)
        else:
            path = self.folder / "conformance-cpu.json"
            path.write_text(json.dumps(self._conformance(task)))
        query = {"kind": wanted["kind"], "filename": path.name}
        answer = self.client.put(
            f"{API}/jobs/{job}/artefacts", data=path.read_bytes(), query_string=query, headers=_bearer(token)
        )
        assert answer.status_code == 200, answer.text
        return {**query, "sha256": answer.json["sha256"]}

    def _conformance(self, task: dict[str, Any]) -> dict[str, Any]:
        about = {"version": _version(task), "commit": task["commit"], "wheel_sha256": self.wheel_sha256}
        device = {"name": "cpu", "backend": "cpu", "hardware": "a scripted processor", "driver": ""}
        counts = {"passed": 1204, "failed": 0, "unsupported": 31, "not_run": 0}
        return {"schema": "flambeau-conformance", "schema_version": 1, "flambeau": about, "device": device,
                "counts": counts, "conforms": True, "seconds": 41.0, "cases": []}  # fmt: skip

    def _ask(self, method: str, path: str, token: str, told: dict[str, Any]) -> dict[str, Any]:
        answer = self.client.open(API + path, method=method, json=told, headers=_bearer(token))
        assert answer.status_code == 200, f"{method} {path}: {answer.status_code} {answer.text}"
        return dict(answer.json or {})


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _version(task: dict[str, Any]) -> str:
    """The version that the recipe stamps into the source."""
    found = re.search(r'__version__ = "(.+?)"', str(task["stamps"]))
    assert found is not None
    return found[1]
