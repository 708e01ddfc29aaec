"""A one-file C++ package with a build backend of its own: it needs a compiler and nothing from any index."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
NAME = "onefile"

PYPROJECT = """[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]

[project]
name = "onefile"
dynamic = ["version"]
"""
SOURCE = r"""
#include <Python.h>
static PyObject *answer(PyObject *, PyObject *) { return PyLong_FromLong(ANSWER); }
static PyMethodDef methods[] = {{"answer", answer, METH_NOARGS, nullptr}, {nullptr, nullptr, 0, nullptr}};
static PyModuleDef module = {PyModuleDef_HEAD_INIT, "_core", nullptr, -1, methods};
PyMODINIT_FUNC PyInit__core() { return PyModule_Create(&module); }
"""
BACKEND = r"""
import base64, gzip, hashlib, io, os, subprocess, sys, sysconfig, tarfile, zipfile
from pathlib import Path

EPOCH = int(os.environ.get("SOURCE_DATE_EPOCH", "1700000000"))
FILES = ["pyproject.toml", "backend.py", "core.cpp"]
FILES += [f"onefile/{name}.py" for name in ("__init__", "_version", "conformance")]
TAG = f"cp{sys.version_info[0]}{sys.version_info[1]}-cp{sys.version_info[0]}{sys.version_info[1]}-linux_x86_64"


def version():
    scope = {}
    exec(Path("onefile/_version.py").read_text(), scope)
    return scope["__version__"]


def metadata():
    return f"Metadata-Version: 2.1\nName: onefile\nVersion: {version()}\nSummary: one file\nRequires-Python: >=3.9\n\n"


def build_sdist(folder, config_settings=None):
    top = f"onefile-{version()}"
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        contents = [(name, Path(name).read_bytes()) for name in FILES] + [("PKG-INFO", metadata().encode())]
        for name, text in contents:
            member = tarfile.TarInfo(f"{top}/{name}")
            member.size, member.mtime = len(text), EPOCH
            tar.addfile(member, io.BytesIO(text))
    with open(Path(folder) / f"{top}.tar.gz", "wb") as raw, gzip.GzipFile("", "wb", 9, raw, EPOCH) as out:
        out.write(data.getvalue())
    return f"{top}.tar.gz"


def build_wheel(folder, config_settings=None, metadata_directory=None):
    library = Path("core.so").absolute()
    command = ["g++", "-O1", "-shared", "-fPIC", "-std=c++20", f"-I{sysconfig.get_paths()['include']}", "core.cpp"]
    subprocess.run([*command, "-o", str(library)], check=True)
    info = f"onefile-{version()}.dist-info"
    files = {name: Path(name).read_bytes() for name in FILES if name.startswith("onefile/")}
    files["onefile/_core" + sysconfig.get_config_var("EXT_SUFFIX")] = library.read_bytes()
    files[f"{info}/METADATA"] = metadata().encode()
    files[f"{info}/WHEEL"] = f"Wheel-Version: 1.0\nGenerator: backend\nRoot-Is-Purelib: false\nTag: {TAG}\n".encode()
    record = ""
    for name, data in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        record += f"{name},sha256={digest},{len(data)}\n"
    files[f"{info}/RECORD"] = (record + f"{info}/RECORD,,\n").encode()
    wheel = f"onefile-{version()}-{TAG}.whl"
    with zipfile.ZipFile(Path(folder) / wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), data)
    return wheel
"""
CONFORMANCE = r"""
import argparse, json, platform
from importlib.metadata import distribution
from onefile import _core, _version

parser = argparse.ArgumentParser()
parser.add_argument("--device")
parser.add_argument("--json")
options = parser.parse_args()
url = json.loads(distribution("onefile").read_text("direct_url.json") or "{}")
right = _core.answer() == 42
counts = {"passed": int(right), "failed": int(not right), "unsupported": 0, "not_run": 0}
report = {
    "schema": "flambeau-conformance", "schema_version": 1,
    "flambeau": {"version": _version.__version__, "commit": _version.__commit__,
                 "wheel_sha256": url.get("archive_info", {}).get("hashes", {}).get("sha256")},
    "device": {"name": options.device, "backend": "cpu", "backend_version": "1", "hardware": platform.machine(),
               "driver": "", "dtypes": ["int64"], "index_dtype": "int64"},
    "seed": 0, "started": "2026-01-01T00:00:00Z", "seconds": 0.1,
    "platform": {"python": platform.python_version(), "system": "Linux", "machine": platform.machine()},
    "conforms": right, "counts": counts,
    "cases": [{"op": "answer", "case": "", "dtype": "int64", "mode": "values",
               "result": "passed" if right else "failed", "error_ulp": None, "bound_ulp": None, "detail": ""}],
}
with open(options.json, "w") as file:
    json.dump(report, file)
raise SystemExit(not right)
"""
RECIPE = {
    "project": NAME,
    "version": "0.1.0.dev{commits}",
    "stamps": [
        {
            "path": "onefile/_version.py",
            "text": '__version__ = "{version}"\n__commit__ = "{commit}"\n__origin__ = "{origin}"\n',
        }
    ],
    "steps": {
        "sdist": 'touch "$WORK/sdist-begun"\n"$PYTHON" -c "import backend; backend.build_sdist(\'$OUT\')"\n'
        'touch "$WORK/sdist-half"\nsleep 0.3\ntouch "$WORK/sdist-done"\n',
        "wheel": 'touch "$WORK/wheel-begun"\n[ -d "$WORK/env" ] || "$PYTHON" -m venv "$WORK/env"\n'
        'touch "$WORK/wheel-half"\n'
        '"$WORK/env/bin/pip" wheel -q --no-cache-dir --no-deps --no-index --wheel-dir "$OUT" "$INPUTS"/*.tar.gz\n'
        'touch "$WORK/wheel-done"\n',
        "conformance": 'touch "$WORK/conformance-begun"\n[ -d "$WORK/env" ] || "$PYTHON" -m venv "$WORK/env"\n'
        '"$WORK/env/bin/pip" install -q --no-index "$INPUTS"/*.whl\ntouch "$WORK/conformance-half"\ncd "$WORK"\n'
        '"$WORK/env/bin/python" -m onefile.conformance --device cpu --json "$OUT/conformance-cpu.json" || true\n'
        'touch "$WORK/conformance-done"\n',
        "tests": 'touch "$WORK/tests-begun"\n[ -d "$WORK/env" ] || { "$PYTHON" -m venv "$WORK/env"; '
        '"$WORK/env/bin/pip" install -q --no-index "$INPUTS"/*.whl; }\n'
        'touch "$WORK/tests-half"\nsleep 0.3\ncd "$WORK"\n'
        '"$WORK/env/bin/python" -c "from onefile import answer; assert answer() == 42"\n'
        'touch "$WORK/tests-done"\nsleep 0.3\n',
    },
    "limits": {"time_s": 120, "memory_mib": 4096, "processes": 128, "log_mib": 1, "disk_mib": 512},
}


def write_governance(folder: Path, **changes: object) -> Path:
    """A copy of governance/ whose recipe builds the sample; `changes` replace parts of the recipe."""
    shutil.copytree(ROOT / "governance", folder, dirs_exist_ok=True)
    (folder / "builds.yaml").write_text(yaml.safe_dump({**RECIPE, **changes}))
    return folder


def write_repository(folder: Path, *, answer: int = 42) -> str:
    """A git repository with the sample; gives back its one commit."""
    files = {
        "pyproject.toml": PYPROJECT,
        "backend.py": BACKEND,
        "core.cpp": f"#define ANSWER {answer}\n{SOURCE}",
        "onefile/__init__.py": "from onefile._core import answer\n",
        "onefile/_version.py": '__version__ = "0"\n__commit__ = None\n',
        "onefile/conformance.py": CONFORMANCE,
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    git(folder, "init", "--quiet", "--initial-branch=main")
    return commit(folder, "onefile: the answer")


def commit(folder: Path, message: str) -> str:
    """Commit everything; gives back the hash."""
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--signoff", "--message", message)
    return git(folder, "rev-parse", "HEAD")


def git(folder: Path, *arguments: str) -> str:
    """Run git with a fixed author and date, and none of the machine's settings."""
    who = {"NAME": "Ada Sample", "EMAIL": "ada@sample.example", "DATE": "2026-01-02T03:04:05Z"}
    environment = os.environ | {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
    for key, value in who.items():
        environment |= {f"GIT_AUTHOR_{key}": value, f"GIT_COMMITTER_{key}": value}
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True, env=environment
    )
    return done.stdout.strip()
