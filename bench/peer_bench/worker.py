"""Talks with the processes that run the models."""

import json
import os
import pathlib
import signal
import subprocess


class WorkerError(RuntimeError):
    pass


def peak_kb(process="self"):
    """The largest resident size of a process so far (getrusage would count what ran in it before
    its program did, too)."""
    for line in pathlib.Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    raise WorkerError(f"[process {process}] no VmHWM in /proc")


class Worker:
    """A process that runs one model when told to and is stopped (SIGSTOP) meanwhile: no thread
    pool of an idle runtime spins beside the one that is measured."""

    def __init__(self, name, command, output_path):
        self.name, self.output_path = name, output_path
        # Its messages are read only where it fails.
        self.messages = open(f"{output_path}.log", "w+")
        self.process = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.messages,
            text=True,
        )
        try:
            self.ready = json.loads(self._answer())
        except ValueError as error:
            self.close()
            raise WorkerError(f"[{name}] {error}") from None
        self._pause()

    def _answer(self):
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            self.messages.seek(0)
            lines = self.messages.read().strip().splitlines()
            raise WorkerError(f"[{self.name}] {lines[-1] if lines else 'ended without a word'}")
        return line

    def _pause(self):
        os.kill(self.process.pid, signal.SIGSTOP)

    def run(self, count):
        """The (wall, processor) milliseconds of `count` runs."""
        os.kill(self.process.pid, signal.SIGCONT)
        self.process.stdin.write(f"run {count}\n")
        self.process.stdin.flush()
        numbers = [float(word) for word in self._answer().split()]
        self._pause()
        return list(zip(numbers[::2], numbers[1::2]))

    def memory_mb(self):
        """The peak above what the process took before it loaded the model."""
        return (peak_kb(self.process.pid) - self.ready["empty_kb"]) / 1024

    def close(self):
        self.process.stdin.close()
        if self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGCONT)
        self.process.wait()
        self.messages.close()
