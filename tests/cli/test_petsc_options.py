"""What stands behind `--`, in PETSC_OPTIONS and in files of options: what PETSc cannot read ends every rank with one line.

usage: test_petsc_options.py PROGRAM
"""
import json
import subprocess
import sys
import unittest

import numpy as np

import program

CONFIG = """\
run: {out: out, precision: double}
data:
  train: {file: data.h5, x: /x, y: /y}
  task: regression
network: {preset: fc2, activation: relu}
embedding: {features: 32}
solver: {type: cg, lambda: [1e-2]}
"""
FILES = {"word": "nke_ksp_rtol 1e-3\n", "two": "-nke_ksp_rtol 1e-3 -log_view\n", "nested": "-options_file word\n",
         "bad.yaml": "a: [\n", "good": "-nke_ksp_rtol 1e-3 # enough\n\n",
         "typo": "-nke_ksp_tpye cg\n"}


class Options(program.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        rng = np.random.default_rng(3)
        x = rng.standard_normal((60, 5))
        program.write_h5(cls.folder / "data.h5", x=x, y=np.tanh(x[:, 0]))
        (cls.folder / "case.yaml").write_text(CONFIG)
        for name, text in FILES.items():
            (cls.folder / name).write_text(text)

    def fit(self, *options, ranks=3, sets=(), **environment):
        words = [word for each in sets for word in ("--set", each)]
        return self.program.run("fit", "case.yaml", "--force", *words, "--", *options, ranks=ranks, timeout=60,
                                **environment)

    def refused(self, done, code, *parts):
        lines = [line for line in done.stderr.splitlines() if "PETSC ERROR" in line or line.startswith("nke: ")]
        self.assertEqual((done.returncode, len(lines)), (code, 1), done.stderr)
        for part in parts:
            self.assertIn(part, lines[0])

    def test_what_petsc_cannot_read(self):
        for options, environment, part in ((["-options_file", "word"], {}, "word line 1"),
                                           (["-options_file", "two"], {}, "two line 1"),
                                           (["-OPTIONS_FILE", "nested"], {}, "word line 1"),
                                           (["-options_file", "none"], {}, "'none'"),
                                           (["-options_file"], {}, "expected a file that can be read"),
                                           (["-options_file_yaml", "bad.yaml"], {}, "YAML"),
                                           (["-prefix_pop"], {}, "prefixes"),
                                           ([], {"PETSC_OPTIONS": "-options_file word"}, "word line 1"),
                                           ([], {"PETSC_OPTIONS": "-prefix_push"}, "prefix")):
            with self.subTest(options=options, **environment):
                self.refused(self.fit(*options, **environment), 2, part)

    def test_what_it_can(self):
        """Read, of whichever source; not ~/.petscrc, whatever the options say."""
        (self.folder / ".petscrc").write_text("-log_view\n")
        for options, environment, part in ((["-options_file", "good", "-log_view"], {}, "Performance Summary"),
                                           (["-skip_petscrc", "false"], {}, ""), (["-malloc_debug"], {}, ""),
                                           ([], {"PETSC_OPTIONS": "-options_file good -log_view"}, "Performance Summary")):
            with self.subTest(options=options, **environment):
                done = self.fit(*options, HOME=str(self.folder), **environment)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertEqual("Performance Summary" in done.stdout, bool(part))

    def test_what_cannot_be_written(self):
        """Before any work: PETSc would find out after it, and hang."""
        for options, environment, name in ((["-log_view", ":none/log"], {}, "-log_view"),
                                           (["-nke_ksp_view", "ascii:none/view:ascii_info"], {}, "-nke_ksp_view"),
                                           (["-nke_ksp_view_solution", "binary:."], {}, "-nke_ksp_view_solution"),
                                           ([], {"PETSC_OPTIONS": "-log_view :none/log"}, "-log_view")):
            with self.subTest(options=options, **environment):
                self.refused(self.fit(*options, **environment), 2, f"{name}: expected a file that can be written")
        done = self.fit("-log_view", ":log.txt:ascii_info_detail", "-nke_ksp_view", "ascii:view.txt")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("Stage", (self.folder / "log.txt").read_text())
        self.assertIn("KSP Object: (nke_) 3 MPI", (self.folder / "view.txt").read_text())

    def test_files_of_the_first_rank(self):
        """A file within a file of options that the folders of the other ranks lack."""
        first, other = self.folder / "first", self.folder / "other"
        first.mkdir()
        other.mkdir()
        (first / "outer").write_text("-options_file inner\n")
        (first / "inner").write_text("-nke_ksp_view :view.txt\n")
        words = [self.program.path, "fit", self.folder / "case.yaml", "--force", "--set", f"run.out={self.folder}/apart",
                 "--set", f"data.train.file={self.folder}/data.h5", "--", "-options_file", "outer"]
        done = subprocess.run(["mpirun", "-n", "1", "-wdir", first, *words, ":", "-n", "2", "-wdir", other, *words],
                              env=self.program.environment(), capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("3 MPI processes", (first / "view.txt").read_text())

    def test_what_cannot_be_done(self):
        """Unknown methods, other values than asked for, and what asks for more of a matrix than its products."""
        for kind, options, code, part in (("cg", ["-nke_ksp_type", "foo"], 2, "KSP type foo"),
                                          ("cg", ["-nke_pc_type", "foo"], 2, "PC type foo"),
                                          ("cg", ["-nke_ksp_rtol", "abc"], 2, "abc has no numeric value"),
                                          ("cg", ["-nke_pc_type", "kaczmarz"], 2, "PC type kaczmarz; there are -nke_ksp_type"),
                                          ("cg", ["-nke_pc_type", "ksp", "-nke_ksp_pc_type", "ilu"], 2, "PC type ilu"),
                                          ("cg", ["-nke_ksp_type", "stcg"], 2, "KSP type stcg"),
                                          ("cg", ["-nke_ksp_view_diagonal_scale"], 2, "expected -nke_ksp_diagonal_scale"),
                                          ("lsqr", ["-nke_pc_type", "jacobi"], 2, "-nke_pc_type: expected none"),
                                          ("lsqr", ["-nke_ksp_type", "bicg"], 2, "expected lsqr or cgls"),
                                          ("cg", ["-nke_ksp_error_if_not_converged", "-nke_ksp_max_it", "2"], 4,
                                           "not converged")):
            with self.subTest(kind, options=options):
                self.refused(self.fit(*options, sets=[f"solver.type={kind}"]), code, part)

    def test_what_nothing_reads(self):
        """Named before any work, by a dry run too."""
        for options, environment, name in ((["-nke_ksp_tpye", "cg"], {}, "-nke_ksp_tpye"),
                                           (["-nke_ksp_monitor", "-NKE_ksp_rtoll", "1e-3"], {}, "-NKE_ksp_rtoll"),
                                           (["-nke_nystrom_rnk", "8"], {}, "-nke_nystrom_rnk"),
                                           (["-nke_ksp_gmres_restart", "8"], {}, "-nke_ksp_gmres_restart"),
                                           (["-options_file", "typo"], {}, "-nke_ksp_tpye"),
                                           ([], {"PETSC_OPTIONS": "-nke_pc_tpye jacobi"}, "-nke_pc_tpye")):
            with self.subTest(options=options, **environment):
                self.refused(self.fit(*options, **environment), 2, f"{name}: expected an option")
        self.refused(self.program.run("fit", "case.yaml", "--dry-run", "--", "-nke_ksp_tpye", "cg"), 2, "-nke_ksp_tpye")

    def test_what_something_reads(self):
        """Without our prefix PETSc's own; of the other method, of what the options choose, and of solvers within it."""
        within = ["-nke_pc_type", "ksp", "-nke_ksp_ksp_type", "cg", "-nke_ksp_pc_type", "none", "-nke_ksp_ksp_max_it", "3"]
        for options, says in ((["-nke_ksp_lsqr_exact_mat_norm", "-nke_nystrom_rank", "8"], ""),
                              (["-nke_ksp_type", "gmres", "-nke_ksp_gmres_restart", "20"], ""), (within, ""),
                              (["-nke_pc_type", "jacobi", "-nke_ksp_monitor"], "Residual norms"),
                              (["-nke_ksp_converged_reason", "-nke_ksp_view"], "converged due to"),
                              (["-unknown", "-ksp_rtol", "1e-1"], "")):
            with self.subTest(options):
                done = self.fit(*options)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertIn(says, done.stdout)

    def test_what_this_fit_does_not_read_is_a_warning(self):
        for kind in ("cholesky", "cg"):
            done = self.fit("-nke_ksp_rtol", "1e-9", sets=[f"solver.type={kind}"])
            self.assertEqual(done.returncode, 0, done.stderr)
            warnings = json.loads((self.folder / "out/report.json").read_text())["warnings"]
            self.assertEqual(any("-nke_ksp_rtol" in line for line in warnings), kind == "cholesky", warnings)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
