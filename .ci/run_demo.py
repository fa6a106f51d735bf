"""Run the README's demo command in a folder until the rating app answers; then stop it.

The command is the one a new user types, so nothing is added to it. It ends by serving the app;
this script waits for the printed link, asks the server whether it is ready, sends Ctrl-C and
checks that the result files are there.
"""

import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

LIMIT_S = 900
RESULTS = ("report.html", "tables/table3.md", "tables/table3.csv", "ratings.csv")


def read_until_link(process: subprocess.Popen[str]) -> tuple[str, float]:
    """Echo the output until a link appears; give it and the time of the demo's first line."""
    assert process.stdout
    started = 0.0
    for line in process.stdout:
        print("  |", line, end="", flush=True)
        started = started or (time.monotonic() if "evalsuite demo" in line else 0.0)
        found = re.search(r"http://localhost:\d+", line)
        if found:
            return found.group(), started
    raise SystemExit(f"the demo ended with {process.wait()} before it printed a link")


def wait_until_ready(url: str) -> None:
    """Ask until the server answers: it prints the link just before it listens."""
    for _ in range(300):
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.2)
    raise SystemExit(f"{url} did not answer")


def main(folder: Path, command: str) -> None:
    """Run it; leave with a message if anything is missing."""
    process = subprocess.Popen(
        ["bash", "-c", command], cwd=folder, text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ, "NO_COLOR": "1"},
    )  # fmt: skip
    signal.signal(signal.SIGALRM, lambda *_: sys.exit("the demo took too long"))
    signal.alarm(LIMIT_S)
    try:
        link, started = read_until_link(process)
        if started:
            print(f"the chain took {time.monotonic() - started:.0f} s")
        wait_until_ready(f"{link}/readyz")
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
            process.wait(30)
    missing = [name for name in RESULTS if not (folder / "evalsuite-demo" / name).is_file()]
    if missing:
        raise SystemExit(f"the demo did not write {missing}")
    print("the demo ran, the app answered, the results are there")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
