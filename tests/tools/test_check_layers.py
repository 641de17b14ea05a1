"""tools/check_layers finds each kind of violation, names file and line, and is silent about what is allowed."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

TOOL = pathlib.Path(__file__).resolve().parents[2] / "tools" / "check_layers"


def run(files):
    """Exit code and output of check_layers on a made-up source tree {path: text}."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            path = pathlib.Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        done = subprocess.run([sys.executable, TOOL, folder], capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr


LOW = {"base/status.h": "int nke_x(void);\n", "gram/gram.h": "", "run/run.h": "", "nke.h": ""}


class CheckLayers(unittest.TestCase):
    def refused(self, path, text, *words):
        code, output = run({**LOW, path: text})
        self.assertEqual(code, 1, output)
        self.assertEqual(len(output.splitlines()), 1, output)
        for word in (path + ":",) + words:
            self.assertIn(word, output)

    def accepted(self, path, text):
        code, output = run({**LOW, path: text})
        self.assertEqual(code, 0, output)

    def test_upward_include(self):
        self.refused("base/a.c", '#include "base/status.h"\n#include "gram/gram.h"\n', ":2:", "gram/gram.h")
        self.refused("num/a.h", '  #  include "run/run.h"\n', ":1:")
        self.refused("kernel/a.c", '#include "../gram/gram.h"\n', "src/kernel may include base, num, sketch")
        self.accepted("solve/a.c", '#include "gram/gram.h"\n#include "base/status.h"\n')

    def test_public_header(self):
        self.refused("gram/a.c", '#include "nke.h"\n')
        self.accepted("run/a.c", '#include "nke.h"\n')
        self.accepted("main.c", '#include "run/run.h"\n')

    def test_unknown(self):
        self.refused("base/a.c", '#include "base/none.h"\n', "not under src/")
        self.refused("extra/a.c", "\n", "not on the ladder")

    def test_header_homes(self):
        for header, home in [("hdf5.h", "data"), ("petscmat.h", "solve"), ("cblas.h", "num"),
                             ("fftw3-mpi.h", "sketch"), ("jansson.h", "run"), ("libfyaml.h", "run"),
                             ("Random123/philox.h", "base"), ("zlib.h", "data")]:
            with self.subTest(header):
                self.refused("gram/a.c", f"#include <{header}>\n", "src/" + home)
                self.accepted(home + "/a.c", f"#include <{header}>\n")

    def test_call_homes(self):
        for call, home in [("malloc", "base/memory.c"), ("strdup", "base/memory.c"), ("MPI_Init", "main.c"),
                           ("MPI_Wtime", "base/timer.c"), ("fprintf", "run/a.c"), ("cblas_sgemm", "num/blas.c"),
                           ("dpotrf_", "num/blas.c"), ("LAPACKsyev_", "num/blas.c"), ("pdpotrf_", "solve/a.c")]:
            with self.subTest(call):
                self.refused("gram/a.c", f"int f(void)\n{{\n  {call} (1);\n}}\n", ":3:", call)
                self.accepted(home, f"  {call}(1);\n")
        self.refused("run/a.c", 'system("ls");\n')

    def test_comments_and_strings_are_not_code(self):
        self.accepted("gram/a.c", '/* malloc(1)\n printf(2) */\nint x; // free, malloc(3)\nchar *s = "a\\"malloc(4)";\n'
                                  "snprintf(s, 1, s); nke_malloc(3);\n")

    def test_nothing_to_check(self):
        self.assertEqual(run({"base/readme.txt": ""})[0], 2)


if __name__ == "__main__":
    unittest.main()
