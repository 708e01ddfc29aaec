"""Makes a PDF of a page that comes on standard input: run as a program of its own, under limits, reaching nothing.

It imports nothing of the portal's: `python -I press.py SECONDS BYTES`, HTML in, PDF out. What goes wrong is one line on
standard error, and the status 1.
"""

from __future__ import annotations

import resource
import sys
from typing import Any


class Unreachable(ValueError):
    """A page asked for something from outside."""


def refuse(url: str, *_: Any, **__: Any) -> Any:
    """What happens when the page asks for anything: a report holds all that it needs."""
    raise Unreachable(f"a report fetches nothing, and this one asked for {url[:200]}")


def press(html: str) -> bytes:
    """The page as a PDF; what it asks for from outside is left out."""
    from weasyprint import HTML, URLFetcher  # optional, and heavy: taken when it is needed

    class Nothing(URLFetcher):  # type: ignore[misc]  # WeasyPrint has no types
        """Fetches nothing, whatever the protocol."""

        def fetch(self, url: str, headers: Any = None) -> Any:
            """Refuse."""
            return refuse(url)

    made: bytes = HTML(string=html, url_fetcher=Nothing()).write_pdf()
    return made


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
