"""Processes of the benchmark: started with threads pinned, their errors brought back whole."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from evalsuite import errors
from evalsuite.benchmark_records import BenchmarkSettings
from evalsuite.errors import EvalsuiteError, Unavailable
from evalsuite.machine_ceilings import Ceilings
from evalsuite.registry import SystemRequest
from evalsuite.threads import THREAD_VARIABLES

__all__ = ["TimingServer", "measure_ceilings_of", "run_worker"]

_WORKER = "evalsuite.benchmark_worker"
#: The first knows torch's matrix products, the second needs numpy alone.
_CEILINGS_WITH_TORCH = "vocoders.roofline"
_CEILINGS = "evalsuite.machine_ceilings"


def run_worker(request: SystemRequest, settings: BenchmarkSettings) -> str:
    """Time one system in a fresh process.

    Returns
    -------
    Its answer, JSON.

    Raises
    ------
    The worker's own error, or VocoderError if it ended without one.
    """
    done = _run([_WORKER], settings.threads, task=_task(request, settings))
    if done.returncode == 0:
        return _last_line(done.stdout)
    raise _error_of_worker(request, done.stdout, done.stderr, done.returncode)


def measure_ceilings_of(device: str, threads: int) -> Ceilings:
    """Measure a device in a fresh process, pinned like the systems.

    Raises
    ------
    Unavailable if the device is not here.
    """
    done = _run([_CEILINGS_WITH_TORCH, device], threads)
    found = _json_object(_last_line(done.stdout))
    if done.returncode and "kind" in found:
        raise _rebuilt(found)
    if done.returncode and device == "cpu":
        done = _run([_CEILINGS], threads)
        found = _json_object(_last_line(done.stdout))
    if done.returncode:
        raise Unavailable(
            f"the ceilings of {device!r} cannot be measured: {_last_line(done.stderr)}",
            wanted="a device that works, and torch installed for any but the CPU",
            do="use --device cpu, or repair what the message names",
        )
    sizes = {int(size): rate for size, rate in found["read_gb_s"].items()}
    return Ceilings(**{**found, "read_gb_s": sizes})


def _run(
    arguments: list[str], threads: int, *, task: str = ""
) -> "subprocess.CompletedProcess[str]":
    """Run a module to its end; numerical libraries in it use so many threads."""
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        input=task,
        capture_output=True,
        text=True,
        env=_environment(threads),
        check=False,
    )


class TimingServer:
    """A process that holds one warm vocoder and times a run whenever it is told to.

    Parameters
    ----------
    settings : with the threads of its libraries.

    Raises
    ------
    As `run_worker`.
    """

    def __init__(self, request: SystemRequest, settings: BenchmarkSettings) -> None:
        self._request = request
        self._process = subprocess.Popen(
            [sys.executable, "-m", _WORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # Never read before the end, so a pipe could fill up and block the process.
            stderr=subprocess.DEVNULL,
            text=True,
            env=_environment(settings.threads),
        )
        self._send(_task(request, settings, serve=True))

    def wait_until_ready(self) -> None:
        """Return when the vocoder is loaded and warm."""
        self._answer("ready")

    @property
    def process_id(self) -> int:
        """Of the operating system."""
        return self._process.pid

    def start(self) -> None:
        """Begin one run; `khz` waits for it."""
        self._send("run")

    def khz(self) -> float:
        """Speed of the run that was started."""
        answer = self._answer("seconds")
        return float(answer["n_samples"]) / (1000 * float(answer["seconds"]))

    def close(self) -> None:
        """End the process."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()
        self._process.terminate()
        self._process.wait()

    def _send(self, line: str) -> None:
        assert self._process.stdin is not None  # a pipe was asked for
        try:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # the answer says why it ended

    def _answer(self, key: str) -> Mapping[str, Any]:
        assert self._process.stdout is not None
        seen = []
        for line in self._process.stdout:
            seen.append(line)
            # A library may print something of its own.
            answer = _json_object(line)
            if key in answer:
                return answer
        code = self._process.wait()
        raise _error_of_worker(self._request, "".join(seen), "", code)


def _task(request: SystemRequest, settings: BenchmarkSettings, *, serve: bool = False) -> str:
    return json.dumps(
        {"request": asdict(request), "settings": settings.model_dump(), "serve": serve}
    )


def _environment(threads: int) -> dict[str, str]:
    return os.environ | dict.fromkeys(THREAD_VARIABLES, str(threads))


def _error_of_worker(
    request: SystemRequest, stdout: str, stderr: str, returncode: int
) -> EvalsuiteError:
    """Rebuild the worker's own error; anything else ended it without a word on stdout."""
    parts = _json_object(_last_line(stdout))
    if "kind" in parts:
        return _rebuilt(parts)
    last = _last_line(stderr) or "no message"
    return errors.VocoderError(
        f"timing {request.label!r} ended with exit code {returncode}: {last}",
        wanted="a vocoder that runs",
        do=f"run it alone: evalsuite vocoders {request.vocoder} --check",
    )


def _rebuilt(parts: Mapping[str, Any]) -> EvalsuiteError:
    kind = getattr(errors, str(parts["kind"]))
    error: EvalsuiteError = kind(parts["got"], wanted=parts["wanted"], do=parts["do"])
    return error


def _json_object(line: str) -> Mapping[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _last_line(text: str) -> str:
    """Return the answer; a library may have printed something of its own before it."""
    return text.strip().splitlines()[-1] if text.strip() else ""
