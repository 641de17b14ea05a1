"""`nke doctor`: every check passes, and the BLAS that runs fits the processor.

usage: test_doctor.py PROGRAM
"""
import pathlib
import re
import sys
import unittest

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
