"""Run the program as a user would, and make the small data sets that the tests here read."""
import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import h5py
import numpy as np

ENVIRONMENT = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OMPI_MCA_rmaps_base_oversubscribe": "1",
    "OMPI_MCA_mpi_yield_when_idle": "1", "OMPI_MCA_hwloc_base_binding_policy": "none",
    "OMPI_MCA_btl_vader_single_copy_mechanism": "none", "OPENBLAS_NUM_THREADS": "1", "PMIX_MCA_gds": "hash",
    "OMPI_MCA_odls_base_sigkill_timeout": "0",  # mpirun waits 2 s at the end of every failed run otherwise
}


class Program:
    """The program at `path`, run in `folder`."""

    def __init__(self, path, folder):
        self.path = pathlib.Path(path).resolve()
        self.folder = pathlib.Path(folder)

    def environment(self, **more):
        """What the program is started with: relative paths are those of the test, whatever NKE_DATA says."""
        return {**{key: value for key, value in os.environ.items() if key != "NKE_DATA"}, **ENVIRONMENT, **more}

    def run(self, *args, ranks=1, launcher=True, timeout=120, **environment):
        """The finished process (exit code, stdout, stderr); a hang is an error."""
        command = [str(self.path), *map(str, args)]
        if launcher:
            command = ["mpirun", "-n", str(ranks), *command]
        return subprocess.run(command, cwd=self.folder, env=self.environment(**environment), text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout)

    def start(self, *args, ranks=1, **environment):
        """The process, not waited for."""
        return subprocess.Popen(["mpirun", "-n", str(ranks), str(self.path), *map(str, args)], cwd=self.folder,
                                env=self.environment(**environment), text=True, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def must(self, *args, **options):
        """The same, for runs that have to succeed; returns stdout."""
        done = self.run(*args, **options)
        assert done.returncode == 0, f"{args}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout


class Case(unittest.TestCase):
    """Tests of the program named first on the command line, in a scratch folder that lasts as long as their class."""

    @classmethod
    def setUpClass(cls):
        scratch = tempfile.TemporaryDirectory()
        cls.addClassCleanup(scratch.cleanup)
        cls.folder = pathlib.Path(scratch.name)
        cls.program = Program(sys.argv[1], cls.folder)


def ranks_of(process):
    """Process ids of the ranks of this mpirun that run: those that ended and that it has not reaped yet are left out."""
    found = subprocess.run(["ps", "-o", "pid=,state=", "--ppid", str(process.pid)], capture_output=True, text=True)
    children = (line.split() for line in found.stdout.splitlines())
    return [pid for pid, state in children if state != "Z"]


def kill_rank(process, rank):
    """SIGKILL for one rank of this mpirun; whether it was there: not yet started and ended ones are not."""
    try:
        os.kill(int(ranks_of(process)[rank]), signal.SIGKILL)
    except (IndexError, ProcessLookupError):
        return False
    return True


def wait_for_ranks(process, seconds=30):
    """Until a run that lost a rank has ended. Seldom mpirun itself hangs once all its ranks have ended, whether it has
    reaped them or not, in a lock of the PMIx library that it closes: then it is ended."""
    end, gone = time.monotonic() + seconds, 0
    while process.poll() is None:
        assert time.monotonic() < end, f"ranks {ranks_of(process)} left after {seconds} s"
        time.sleep(0.2)
        gone = 0 if ranks_of(process) else gone + 1
        if gone > 25:
            process.kill()
            process.wait()


def write_h5(path, **arrays):
    """An HDF5 file; names with __ for /: train__x -> /train/x."""
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file[name.replace("__", "/")] = array


@contextlib.contextmanager
def changed(path, name):
    """While it lasts the first row of an array is another one."""
    with h5py.File(path, "r+") as file:
        before = file[name][0]
        file[name][0] = 1 - before
    try:
        yield
    finally:
        with h5py.File(path, "r+") as file:
            file[name][0] = before


def images(n, classes=3, size=6, seed=0):
    """n images [n, size, size, 1] of uint8 whose class shows as a bright row; and their labels."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % classes
    x = rng.integers(0, 100, (n, size, size, 1))
    x[np.arange(n), y] += 120
    return x.astype(np.uint8), y.astype(np.uint8)
