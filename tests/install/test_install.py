"""Installed as a user would, into a folder of its own: a program is built against it by find_package and by pkg-config,
runs on 1 and 2 ranks, and predicts what `nke predict` does. test_install.py BUILD MPIRUN..."""
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

import h5py
import numpy as np

HERE = pathlib.Path(__file__).resolve().parent


def run(*args, **options):
    done = subprocess.run([str(arg) for arg in args], capture_output=True, text=True, stdin=subprocess.DEVNULL, **options)
    if done.returncode != 0:
        raise AssertionError(f"{args}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


class Install(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.root = pathlib.Path(cls.temporary.name)
        cls.prefix = cls.root / "prefix"
        run("cmake", "--install", BUILD, "--prefix", cls.prefix)

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    def found(self, name):
        paths = [path for path in self.prefix.rglob(name) if not path.is_symlink()]
        self.assertEqual(len(paths), 1, f"{name}: {paths}")
        return paths[0]

    def consume(self, program):
        """Run on 1 and 2 ranks; compare with the installed program's predictions."""
        library = self.found("nke.pc").parent.parent
        # The program may have chosen OpenBLAS's kind of processor, as a program of one's own would have to.
        kind = re.search(r"BLAS threads a rank, for (\w+)", run(self.prefix / "bin/nke", "doctor")).group(1)
        environment = {**os.environ, "LD_LIBRARY_PATH": str(library), "OPENBLAS_CORETYPE": kind}
        for method in ("random_features", "none"):
            with self.subTest(method):
                self.compare_with_the_program(program, method, environment)

    def compare_with_the_program(self, program, method, environment):
        scores = []
        for ranks in (1, 2):
            out = self.root / f"{program.parent.name}-{method}-{ranks}"
            out.mkdir()
            said = run(*MPIRUN, "-n", ranks, program, out, method, env=environment, cwd=self.root)
            self.assertEqual(said, "")  # the library prints no results
            x, score, label = (np.fromfile(out / name) for name in ("x", "scores", "class"))
            with h5py.File(out / "new.h5", "w") as file:
                file["test/x"] = x.reshape(-1, 6)
            run(self.prefix / "bin/nke", "predict", out / "model.h5", out / "new.h5", "--x", "/test/x", "--out",
                out / "predicted.h5")
            with h5py.File(out / "predicted.h5") as file:
                np.testing.assert_array_equal(file["scores"][:].ravel(), score)
                np.testing.assert_array_equal(file["class"][:], label)
            scores.append(score)
        np.testing.assert_allclose(scores[0], scores[1], atol=1e-4)

    def test_by_find_package(self):
        build = self.root / "by-cmake"
        run("cmake", "-S", HERE / "consumer", "-B", build, f"-DCMAKE_PREFIX_PATH={self.prefix}")
        run("cmake", "--build", build)
        self.consume(build / "consumer")

    def test_find_package_without_c_says_what_to_write(self):
        source = self.root / "cxx"
        source.mkdir()
        (source / "CMakeLists.txt").write_text(
            "cmake_minimum_required(VERSION 3.20)\nproject(mine LANGUAGES NONE)\nfind_package(nke REQUIRED)\n")
        done = subprocess.run(["cmake", "-S", source, "-B", source / "build", f"-DCMAKE_PREFIX_PATH={self.prefix}"],
                              capture_output=True, text=True)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("add C to the languages of project()", done.stderr)

    def test_by_pkg_config_after_a_move(self):
        moved = self.root / "moved"
        run("cp", "-a", self.prefix, moved)
        environment = {**os.environ, "PKG_CONFIG_PATH": str(moved / self.found("nke.pc").parent.relative_to(self.prefix))}
        flags = run("pkg-config", "--cflags", "--libs", "nke", env=environment).split()
        self.assertIn(f"-I{moved}/include", [os.path.normpath(flag) for flag in flags])
        build = self.root / "by-pkg-config"
        build.mkdir()
        run("mpicc", "-Wall", "-Wextra", "-Werror", HERE / "consumer/consumer.c", "-o", build / "consumer", *flags, "-lm")
        self.consume(build / "consumer")

    def test_exports_what_the_header_declares_and_nothing_else(self):
        header = (self.prefix / "include/nke.h").read_text()
        declared = set(re.findall(r"^[a-z0-9_ ]*[ *](nke_\w+)\(", header, re.M))
        listed = run("nm", "-D", "--defined-only", self.found("libnke.so.*"))
        self.assertEqual({line.split()[-1].split("@")[0] for line in listed.splitlines() if " T " in line}, declared)


if __name__ == "__main__":
    BUILD, MPIRUN = sys.argv[1], sys.argv[2:]
    unittest.main(argv=sys.argv[:1])
