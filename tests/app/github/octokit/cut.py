"""Packs GitHub's published examples of webhooks for the tests: `python -m tests.app.github.octokit.cut PACKAGE.tgz`.

The package comes from `npm pack @octokit/webhooks-examples` (MIT, see LICENSE beside this); of it the examples of the
public GitHub are kept, every one of them, as one list of {"event", "payload"} in JSON, compressed by xz.
"""

from __future__ import annotations

import json
import lzma
import sys
import tarfile
from pathlib import Path
from typing import Any

PACKED = Path(__file__).with_name("webhooks.json.xz")


def examples() -> list[tuple[str, dict[str, Any]]]:
    """Every published example as (event, payload)."""
    return [(one["event"], one["payload"]) for one in json.loads(lzma.decompress(PACKED.read_bytes()))]


def cut(package: Path) -> int:
    """Write the packed file anew out of an npm package; how many examples it holds."""
    with tarfile.open(package) as archive:
        file = archive.extractfile("package/api.github.com/index.json")
        assert file is not None, f"{package} holds no package/api.github.com/index.json"
        listed = json.load(file)
    found = [{"event": one["name"], "payload": payload} for one in listed for payload in one["examples"]]
    PACKED.write_bytes(lzma.compress(json.dumps(found, separators=(",", ":")).encode(), preset=9 | lzma.PRESET_EXTREME))
    return len(found)


if __name__ == "__main__":
    print(f"{cut(Path(sys.argv[1]))} examples, {PACKED.stat().st_size:,} bytes")
