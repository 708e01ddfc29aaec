"""`python -m app.demo.scale`: fills an empty portal with a foundation of any size that does not exist."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from pathlib import Path

from app import create_app
from app.demo.scale.foundation import Scale
from app.demo.scale.generating import NotEmptyError, generate
from app.settings import ROOT, Settings, SettingsError

SEED = 20_260_101


def main(arguments: list[str] | None = None) -> int:
    """Generate; gives the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m app.demo.scale",
        description="Synthetic rows at scale, in the empty portal that FLAMBEAU_HOME and DATABASE_URL name.",
    )
    parser.add_argument("--people", type=int, default=20_000, help="everything else follows in proportion")
    parser.add_argument("--events", type=int, help="more or fewer events than 250 for each person")
    parser.add_argument("--seed", type=int, default=SEED)
    options = parser.parse_args(arguments)
    if options.people < 20 or (options.events or 1) < 1:
        parser.error("there must be at least 20 people and one event")
    scale = Scale.of(options.people)
    if options.events:
        scale = Scale(scale.people, scale.organizations, scale.repositories, options.events)
    home = Path(os.environ.get("FLAMBEAU_HOME") or ROOT / "var" / "scale").absolute()
    begun = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - begun:6.1f} s  {text}", flush=True)

    try:
        settings = Settings.from_environment({**os.environ, "FLAMBEAU_HOME": str(home), "FLAMBEAU_SYNTHETIC": "yes"})
        app = create_app(settings)
        logging.disable(logging.INFO)
        app.extensions["flambeau"].db.upgrade()
        generate(app, scale, seed=options.seed, say=say)
    except (NotEmptyError, SettingsError) as problem:
        print(f"python -m app.demo.scale: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
