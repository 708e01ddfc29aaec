"""Makes a PDF of a page that comes on standard input: run as a program of its own, under limits, reaching nothing.

It imports nothing of the portal's: `python -I press.py SECONDS BYTES`, HTML in, PDF out. What goes wrong is one line on
standard error, and the status 1.
"""

from __future__ import annotations

import resource
import sys
from typing import Any


def press(html: str) -> bytes:
    """The page as a PDF; what it asks for from outside is left out, since a report holds all that it needs."""
    from weasyprint import HTML  # optional, and heavy: taken when it is needed

    made: bytes = HTML(string=html, url_fetcher=fetcher()).write_pdf()
    return made


def fetcher() -> Any:
    """Fetches nothing, whatever the protocol."""
    from weasyprint import URLFetcher

    return URLFetcher(allowed_protocols=())


def main(arguments: list[str]) -> int:
    """Press standard input within these limits; gives the exit status."""
    seconds, memory = (int(one) for one in arguments)
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        made = press(sys.stdin.buffer.read().decode())
    except (ImportError, OSError) as problem:
        print(f"WeasyPrint cannot be used here: {problem}", file=sys.stderr)
        return 1
    except MemoryError:
        print(f"the report needs more than {memory >> 20} MiB of memory", file=sys.stderr)
        return 1
    sys.stdout.buffer.write(made)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
