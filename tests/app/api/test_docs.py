"""The examples of docs/api.md run against a portal that serves."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from werkzeug.serving import make_server

from tests.app.api.conftest import Portal

TEXT = (Path(__file__).resolve().parents[3] / "docs/api.md").read_text(encoding="utf-8")
PYTHON = re.findall(r"```python\n(.*?)```", TEXT, re.S)
CURL = [line for block in re.findall(r"```sh\n(.*?)```", TEXT, re.S) for line in block.splitlines()]


@pytest.fixture(scope="module")
def address(portal: Portal) -> Iterator[str]:
    """The portal, served by a thread."""
    server = make_server("127.0.0.1", 0, portal.app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(("block", "said"), list(zip(PYTHON, ["people, the employer of", "304"], strict=True)))
def test_a_python_example_runs(block: str, said: str, address: str) -> None:
    program = block.replace("http://127.0.0.1:8000", address)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert said in done.stdout


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("line", CURL)
def test_a_curl_example_runs(line: str, address: str) -> None:
    asked = shlex.split(line.replace("http://127.0.0.1:8000", address))
    done = subprocess.run([*asked, "--max-time", "30", "-w", "\n%{http_code}"], capture_output=True, text=True)
    body, _, status = done.stdout.rpartition("\n")
    assert status == ("422" if "limit=0" in line else "200"), body
    assert "text/csv" in line or json.loads(body)


def test_the_page_names_every_operation(portal: Portal) -> None:
    document = portal.client.get("/api/v1/openapi.json").json
    told = set(re.findall(r"`(/[a-z/{}-]+)[`?]", TEXT))
    shape = {re.sub(r"\{\w+\}", "{}", path) for path in told}
    assert {re.sub(r"\{\w+\}", "{}", path) for path in document["paths"]} - shape == set()
