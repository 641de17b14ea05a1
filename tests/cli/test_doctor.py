"""`nke doctor`: every check passes, and the BLAS that runs fits the processor.

usage: test_doctor.py PROGRAM
"""
import json
import os
import pathlib
import re
import sys
import unittest

import numpy as np

import program

# Kinds of processor of OpenBLAS's that are older than AVX.
OLD = {"Prescott", "Core2", "Penryn", "Dunnington", "Nehalem", "Athlon", "Opteron", "Opteron_SSE3", "Barcelona", "Bobcat"}


def processor_has(flag):
    return re.search(rf"^flags\s*:.*\b{flag}\b", pathlib.Path("/proc/cpuinfo").read_text(encoding="ascii"), re.M)


class Doctor(program.Case):
    def kind(self, **options):
        return re.search(r"BLAS threads a rank, for (\w+)", self.program.must("doctor", **options)).group(1)

    def test_every_check_passes(self):
        for ranks in (1, 3):
            lines = self.program.must("doctor", ranks=ranks).splitlines()[3:]
            self.assertGreaterEqual(len(lines), 5)
            self.assertEqual([line for line in lines if not line.startswith("ok ")], [])

    def test_dry_runs_try_nothing(self):
        lines = self.program.must("doctor", "--dry-run", ranks=2).splitlines()[3:]
        self.assertEqual([line.split() for line in lines], [["ok", "launch"]])
        self.assertEqual(self.program.must("info", "--dry-run"), self.program.must("info"))

    @unittest.skipUnless((os.cpu_count() or 1) > 1, "more threads than processors are not to be had")
    def test_blas_has_one_thread_unless_asked(self):
        options = self.program.environment()
        for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "GOTO_NUM_THREADS"):
            options.pop(name, None)
        self.program.environment = lambda **more: {**options, **more}
        self.addCleanup(delattr, self.program, "environment")
        program.write_h5(self.folder / "data.h5", x=np.eye(8), y=np.arange(8.0))
        (self.folder / "case.yaml").write_text("data: {train: {file: data.h5, x: /x, y: /y}, task: regression}\n"
                                               "network: [dense: {}, activation: relu, dense: {}]\n"
                                               "embedding: {features: 16}\nsolver: {select: loo}\nrun: {out: out}\n")
        for asked, threads in (({}, 1), ({"OPENBLAS_NUM_THREADS": "2"}, 2), ({"OMP_NUM_THREADS": "2"}, 2)):
            self.assertIn(f" {threads} BLAS threads", self.program.must("doctor", **asked))
            self.program.must("fit", "case.yaml", **asked)
            self.assertEqual(json.loads((self.folder / "out/report.json").read_text())["threads"], threads)

    @unittest.skipUnless(processor_has("avx2"), "the processor has no AVX2")
    def test_blas_is_not_of_an_older_kind_than_the_processor(self):
        self.assertNotIn(self.kind(OPENBLAS_CORETYPE=""), OLD)
        options = self.program.environment()
        options.pop("OPENBLAS_CORETYPE", None)
        self.program.environment = lambda **more: {**options, **more}
        self.addCleanup(delattr, self.program, "environment")
        self.assertNotIn(self.kind(), OLD)

    @unittest.skipUnless(processor_has("sse4_2"), "the processor is none that OpenBLAS calls Nehalem")
    def test_a_given_kind_stays(self):
        self.assertEqual(self.kind(OPENBLAS_CORETYPE="Nehalem"), "Nehalem")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
