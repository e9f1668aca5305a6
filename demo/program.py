"""A program that runs on while a test watches what it prints."""

import contextlib
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

DEADLINE_S = 30.0
END_DEADLINE_S = 15.0  # from the signal, or the last word, to the end


class Program:
    """A command in a process group of its own, a text by a shell; what it prints comes line by line.

    It ends with its `with` block, and so does whatever it started. A line that does not come within DEADLINE_S is
    an AssertionError that has all that it said.
    """

    def __init__(self, command: str | Sequence[str | Path], *, cwd: Path, env: Mapping[str, str]) -> None:
        self.command = command if isinstance(command, str) else " ".join(map(str, command))
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            ["sh", "-c", f"exec env {command}"] if isinstance(command, str) else command,
            cwd=cwd,
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def find(self, pattern: str, count: int = 1) -> list[re.Match[str]]:
        """Where the pattern stands in the first lines that have it, so many of them."""
        deadline = time.monotonic() + DEADLINE_S
        while True:
            ended = not self._reader.is_alive()
            found = [match for line in list(self.lines) if (match := re.search(pattern, line))]
            if len(found) >= count:
                return found[:count]
            if ended or time.monotonic() > deadline:
                said = "\n".join(self.lines)
                raise AssertionError(f"{self.command}: not {count} lines {pattern!r} in:\n{said}")
            time.sleep(0.01)

    def wait(self, pattern: str) -> re.Match[str]:
        """Waits for a line that has it somewhere."""
        return self.find(pattern)[0]

    def line(self, pattern: str) -> re.Match[str]:
        """Waits for a line that is of this form from end to end."""
        return self.find(rf"\A(?:{pattern})\Z")[0]

    def tell(self, text: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(text)
        self.process.stdin.flush()

    def end(self, number: signal.Signals | None = None) -> int:
        """Its exit code, after a signal or by itself. All that it said is in `lines` then."""
        if number is not None:
            self.process.send_signal(number)
        code = self.process.wait(END_DEADLINE_S)
        self._reader.join(DEADLINE_S)
        return code

    def close(self) -> None:
        """Ends it, and whatever it started, if they have not ended."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._reader.join(DEADLINE_S)
        for stream in (self.process.stdin, self.process.stdout):
            assert stream
            with contextlib.suppress(OSError):  # what nobody read of what it was told
                stream.close()

    def __enter__(self) -> "Program":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
