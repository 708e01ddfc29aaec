"""Installs Debian's Chromium for the browser tests where that is allowed: `python -m tests.chromium`.

Returns at once if it is there. Where it cannot be installed (no root, no apt, no network) it says so and exits 0:
the browser tests then report themselves as skipped, with this reason.
"""

import os
import shutil
import subprocess

PACKAGES = ("chromium", "chromium-driver")


def missing() -> str:
    """The reason why no browser test can run here, or an empty text."""
    if shutil.which("chromium") and shutil.which("chromedriver"):
        return ""
    return "Chromium is not installed; on Debian: apt-get install " + " ".join(PACKAGES)


def install() -> str:
    """Try to install; gives the reason if there is still no browser."""
    if missing() and os.geteuid() == 0 and shutil.which("apt-get"):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", *PACKAGES]):
            done = subprocess.run(["apt-get", *command], env=environment, capture_output=True, text=True, check=False)
            if done.returncode:
                return f"{missing()} (apt-get {command[0]} failed: {done.stderr.strip().splitlines()[-1:]})"
    return missing()


if __name__ == "__main__":
    reason = install()
    if reason:
        print(f"browser tests will be skipped: {reason}")
