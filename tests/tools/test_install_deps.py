"""tools/install-deps with made-up dpkg-query, apt-get, id and sudo: it asks only for what is missing, and only if it may."""
import os
import pathlib
import subprocess
import tempfile
import unittest

TOOL = pathlib.Path(__file__).resolve().parents[2] / "tools" / "install-deps"
KNOWS = "for name; do case $name in -*) ;; {missing}) ;; *) echo \"installed $name\" ;; esac; done\n"


class InstallDeps(unittest.TestCase):
    def run_with(self, missing, uid, apt="exit 0", sudo="exit 1", args=()):
        with tempfile.TemporaryDirectory() as folder:
            log = pathlib.Path(folder, "log")
            log.touch()
            for name, body in {"dpkg-query": KNOWS.format(missing=missing), "id": f"echo {uid}\n",
                               "apt-get": f'echo "$*" >>{log}\n{apt}\n', "sudo": sudo + "\n"}.items():
                path = pathlib.Path(folder, name)
                path.write_text("#!/bin/sh\n" + body)
                path.chmod(0o755)
            done = subprocess.run([TOOL, *args], capture_output=True, text=True, stdin=subprocess.DEVNULL,
                                  env={**os.environ, "PATH": folder + ":" + os.environ["PATH"]})
            return done.returncode, done.stdout, log.read_text().splitlines()

    def test_nothing_missing(self):
        code, out, calls = self.run_with("none", 0)
        self.assertEqual((code, calls), (0, []))
        self.assertIn("every package is there", out)

    def test_root_installs_only_the_missing(self):
        code, _, calls = self.run_with("petsc-dev|munge", 0)
        self.assertEqual((code, len(calls)), (0, 1))
        self.assertTrue(calls[0].endswith("install --no-install-recommends petsc-dev munge"), calls)

    def test_group(self):
        self.assertEqual(self.run_with("munge", 0, args=["build"])[2], [])
        self.assertEqual(self.run_with("munge", 0, args=["slurm"])[2][0].split()[-1], "munge")
        self.assertEqual(self.run_with("none", 0, args=["everything"])[0], 2)

    def test_either_of_two_will_do(self):
        self.assertEqual(self.run_with("python3-h5py", 0)[2], [])
        self.assertEqual(self.run_with("python3-h5py|python3-h5py-mpi", 0)[2][0].split()[-1], "python3-h5py")

    def test_stale_lists_are_refreshed_once(self):
        code, _, calls = self.run_with("munge", 0, apt='case "$*" in *update*) exit 0 ;; esac; exit 100')
        self.assertEqual(code, 100)
        self.assertEqual(["update" in call for call in calls], [False, True, False])

    def test_not_allowed(self):
        code, out, calls = self.run_with("munge", 1000)
        self.assertEqual((code, calls), (1, []))
        self.assertIn("apt-get install --no-install-recommends munge", out)

    def test_sudo(self):
        sudo = '[ "$1" = -n ] && shift; exec "$@"'
        code, _, calls = self.run_with("munge", 1000, sudo=sudo)
        self.assertEqual((code, len(calls)), (0, 1))


if __name__ == "__main__":
    unittest.main()
