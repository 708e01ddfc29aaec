"""Start the runner: `python -m app.runner --portal URL --hardware KEY --token-file FILE --home FOLDER`."""

import importlib.util
import sys
from pathlib import Path


def _main() -> int:
    if not __package__:  # started as a plain folder: give the package a name, so that its relative imports hold
        here = Path(__file__).resolve().parent
        spec = importlib.util.spec_from_file_location(
            "flambeau_runner", here / "__init__.py", submodule_search_locations=[str(here)]
        )
        assert spec is not None  # noqa: S101 - for the types
        assert spec.loader is not None  # noqa: S101 - for the types
        package = importlib.util.module_from_spec(spec)
        sys.modules["flambeau_runner"] = package
        spec.loader.exec_module(package)
        return int(importlib.import_module("flambeau_runner.command").main())
    return int(importlib.import_module(f"{__package__}.command").main())


if __name__ == "__main__":
    sys.exit(_main())
