"""What the tests of the programs share: where these are, how to run them, where the data is."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[1]
BIN = pathlib.Path(os.environ.get("LAYERWISE_BIN", ROOT / "build/release/bin"))
DATA = ROOT.parent / "shared" / "data"
DEMO = ROOT / "demo"
SKIPPED = 77  # the exit status by which ctest knows a skipped test


def skip_without(*needed):
    """Ends the script where something that its tests need is missing."""
    for path in needed:
        if not path.exists():
            print(f"skipped: {path} is missing")
            sys.exit(SKIPPED)


class ProgramCase(unittest.TestCase):
    """A test that works in an empty folder of its own."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def run_program(self, program, *words, status=0):
        """Runs it and compares the exit status; gives (standard output, standard error)."""
        done = subprocess.run(
            [BIN / program, *map(str, words)],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,
        )
        self.assertEqual(done.returncode, status, f"{program} {words}\n{done.stdout}{done.stderr}")
        return done.stdout, done.stderr

    def assert_refused(self, program, *words, says=(), status=1):
        """It ends with one line that begins with its name and the thing at fault in brackets."""
        out, err = self.run_program(program, *words, status=status)
        self.assertEqual(out, "")
        self.assertRegex(err, rf"\A{program}: \[[^\n]+\] [^\n]+\n\Z")
        for text in (says,) if isinstance(says, str) else says:
            self.assertIn(text, err)

    def path(self, name):
        return self.folder / name

    def write(self, name, content=""):
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def read_json(self, name):
        return json.loads(self.path(name).read_text())

    def files(self, folder="."):
        found = self.path(folder).rglob("*")
        return sorted(str(f.relative_to(self.folder)) for f in found if f.is_file())
