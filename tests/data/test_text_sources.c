/* npy, csv and libsvm: the same rows as written, by any list of rows on any rank, and every refusal. */
#include "sample.h"
#include "support/mpi_main.h"

#include "base/checked.h"
#include "base/memory.h"
#include "data/dataset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { N = 331, D = 6 };

static double value_of(int64_t i, int64_t j)
{
  return (i + j) % 3 == 0 ? 0 : sample_normal(8, (uint64_t)(i * D + j));
}

static double label_of(int64_t i)
{
  return (double)(i % 4) - 1;
}

static nke_status open_spec(const char *name, const char *x, const char *y, nke_dataset **out)
{
  char path[512], second[512];
  sample_path(name, path);
  if (y && strstr(y, ".npy")) {
    sample_path(y, second);
    y = second;
  }
  const nke_data_spec spec = {.file = path, .x = x, .y = y, .row_begin = 0, .row_end = -1};
  return nke_dataset_open(MPI_COMM_WORLD, &spec, out);
}

/* Every rank reads its own lists, forwards and back, against value_of and label_of. */
static void check_rows(const char *name, const char *x_name, const char *y_name, bool with_y)
{
  int rank;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  nke_dataset *d = NULL;
  if (open_spec(name, x_name, y_name, &d) != NKE_OK) fail_msg("%s", nke_error_text());
  assert_int_equal(nke_dataset_rows(d), N);
  assert_int_equal(nke_dataset_length(d), D);
  assert_int_equal(nke_dataset_shape(d).axes, 0);
  assert_int_equal(nke_dataset_targets(d), with_y);
  for (int part = 5; part >= 0; part--) {
    static double x[N * D], y[N];
    int64_t rows[N], n = 0;
    for (int64_t i = part * 40 + rank; i < nke_min(N, part * 40 + 150); i++)
      if (i % 7 != part) rows[n++] = i;
    if (nke_dataset_read(d, n, rows, x, with_y ? y : NULL) != NKE_OK) fail_msg("%s", nke_error_text());
    for (int64_t i = 0; i < n; i++) {
      if (with_y) assert_true(y[i] == label_of(rows[i]));
      for (int64_t j = 0; j < D; j++) assert_true(x[i * D + j] == value_of(rows[i], j));
    }
  }
  nke_dataset_close(&d);
}

/* Room for the text of all rows. */
static char *text;
static size_t used;

static void add(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void add(const char *format, ...)
{
  va_list args;
  va_start(args, format);
  used += (size_t)vsnprintf(text + used, (1 << 20) - used, format, args);
  va_end(args);
}

static void begin_text(void)
{
  assert_int_equal(nke_alloc(1 << 20, 1, "text", &text), NKE_OK);
  used = 0;
}

static void write_text(const char *name, bool packed)
{
  if (!packed) {
    sample_bytes(name, text, used);
  } else {
    char path[512];
    int rank;
    sample_path(name, path);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank == 0) {
      gzFile file = gzopen(path, "wb");
      assert_int_equal(gzwrite(file, text, (unsigned)used), (int)used);
      gzclose(file);
    }
    MPI_Barrier(MPI_COMM_WORLD);
  }
  nke_free(text);
}

static void make_csv(bool header, int target)
{
  begin_text();
  if (header) {
    for (int j = 0; j <= D; j++) add(j == target ? "%s\"the, label\"" : "%s c%d ", j ? "," : "", j);
    add("\n");
  }
  for (int64_t i = 0; i < N; i++) {
    for (int64_t j = 0, k = 0; j <= D; j++) {
      if (j == target)
        add(j ? ",%g" : "%g", label_of(i));
      else
        add(j ? ", %.17g" : "\"%.17g\"", value_of(i, k++));
    }
    add(i % 5 == 0 ? "\r\n" : i % 11 == 0 ? "\n\n# a comment\n" : i == N - 1 ? "" : "\n");
  }
}

static void test_byte_order_mark(void **state)
{
  (void)state;
  for (int header = 0; header < 2; header++) {
    make_csv(header, 0);
    memmove(text + 3, text, used);
    memcpy(text, "\xEF\xBB\xBF", 3);
    used += 3;
    write_text("marked.csv", false);
    check_rows("marked.csv", NULL, header ? "the, label" : "0", true);
  }
}

static void test_csv(void **state)
{
  (void)state;
  make_csv(true, D);
  write_text("last.csv", false);
  check_rows("last.csv", NULL, NULL, true);
  check_rows("last.csv", "/train/x", "the, label", true);
  make_csv(false, 2);
  write_text("third.csv", false);
  check_rows("third.csv", NULL, "2", true);
  make_csv(true, 0);
  write_text("first.csv.gz", true);
  check_rows("first.csv.gz", NULL, "the, label", true);
  nke_dataset *d = NULL;
  assert_int_equal(open_spec("third.csv", "*", NULL, &d), NKE_OK);
  assert_int_equal(nke_dataset_targets(d), 0);
  assert_int_equal(nke_dataset_length(d), D + 1);
  nke_dataset_close(&d);
}

static void make_libsvm(void)
{
  begin_text();
  for (int64_t i = 0; i < N; i++) {
    add(i % 2 ? "%+g" : " %g", label_of(i));
    for (int64_t j = 0; j < D; j++)
      if (value_of(i, j) != 0) add(" %d:%.17g", (int)j + 1, value_of(i, j));
    add(i % 9 == 0 ? " # note: 3:4\n" : i % 8 == 0 ? " \r\n\n" : "\n");
  }
}

static void test_libsvm(void **state)
{
  (void)state;
  make_libsvm();
  write_text("plain.libsvm", false);
  check_rows("plain.libsvm", NULL, NULL, true);
  check_rows("plain.libsvm", "6", NULL, true);
  make_libsvm();
  write_text("packed.svm.gz", true);
  check_rows("packed.svm.gz", NULL, "y", true);
  nke_dataset *d = NULL;
  assert_int_equal(open_spec("plain.libsvm", "10", NULL, &d), NKE_OK);
  double x[10];
  assert_int_equal(nke_dataset_length(d), 10);
  assert_int_equal(nke_dataset_read_range(d, (nke_range){4, 5}, x, NULL), NKE_OK);
  for (int64_t j = 0; j < 10; j++) assert_true(x[j] == (j < D ? value_of(4, j) : 0));
  nke_dataset_close(&d);
}

/* An npy file: magic, version, padded header, entries. */
static size_t make_npy(char *out, int version, const char *header, const void *data, size_t bytes)
{
  const size_t start = version == 1 ? 10 : 12, length = strlen(header);
  memcpy(out, "\x93NUMPY", 6);
  out[6] = (char)version;
  out[7] = 0;
  memset(out + 8, 0, 4);
  out[8] = (char)(length & 255);
  out[9] = (char)(length >> 8);
  memcpy(out + start, header, length);
  if (bytes > 0) memcpy(out + start + length, data, bytes);
  return start + length + bytes;
}

static void test_npy(void **state)
{
  (void)state;
  static double x[N * D];
  static int16_t y[N];
  static char file[sizeof x + 200];
  for (int64_t i = 0; i < N; i++) {
    y[i] = (int16_t)label_of(i);
    for (int64_t j = 0; j < D; j++) x[i * D + j] = value_of(i, j);
  }
  for (int version = 1; version <= 3; version++) {
    size_t size = make_npy(file, version, "{'descr': '<f8', 'fortran_order': False, 'shape': (331, 6), }   \n", x,
                           sizeof x);
    sample_bytes("x.npy", file, size);
    size = make_npy(file, version, "{'descr': '<i2', 'fortran_order': False, 'shape': (331,), }\n", y, sizeof y);
    sample_bytes("y.npy", file, size);
    check_rows("x.npy", NULL, "y.npy", true);
    check_rows("x.npy", NULL, NULL, false);
  }
  /* Images of bytes. */
  const unsigned char pixels[12] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 254, 255};
  const char *header = "{'descr': '|u1', 'fortran_order': False, 'shape': (3, 2, 2, 1)}\n";
  const size_t size = make_npy(file, 1, header, pixels, 12);
  sample_bytes("pixels.npy", file, size);
  nke_dataset *d = NULL;
  double back[4];
  assert_int_equal(open_spec("pixels.npy", NULL, NULL, &d), NKE_OK);
  assert_int_equal(nke_dataset_shape(d).axes, 2);
  assert_int_equal(nke_dataset_read_range(d, (nke_range){2, 3}, back, NULL), NKE_OK);
  assert_true(back[0] == 8 && back[3] == 255);
  nke_dataset_close(&d);
}

/* As numpy saves the columns of a table, or an array that was transposed: the first index runs fastest. */
static void test_npy_in_fortran_order(void **state)
{
  (void)state;
  static double x[N * D];
  static char file[sizeof x + 200];
  for (int64_t i = 0; i < N; i++)
    for (int64_t j = 0; j < D; j++) x[j * N + i] = value_of(i, j);
  const size_t size = make_npy(file, 1, "{'descr': '<f8', 'fortran_order': True, 'shape': (331, 6), }\n", x, sizeof x);
  sample_bytes("columns.npy", file, size);
  check_rows("columns.npy", NULL, NULL, false);
  /* [3, 2, 3, 2] bytes, each entry its place in C order. */
  unsigned char pixels[36];
  int at = 0;
  for (int c = 0; c < 2; c++)
    for (int w = 0; w < 3; w++)
      for (int h = 0; h < 2; h++)
        for (int i = 0; i < 3; i++) pixels[at++] = (unsigned char)(((i * 2 + h) * 3 + w) * 2 + c);
  const char *header = "{'descr': '|u1', 'fortran_order': True, 'shape': (3, 2, 3, 2)}\n";
  sample_bytes("pixels.npy", file, make_npy(file, 1, header, pixels, sizeof pixels));
  nke_dataset *d = NULL;
  double back[24];
  assert_int_equal(open_spec("pixels.npy", NULL, NULL, &d), NKE_OK);
  assert_int_equal(nke_dataset_read_range(d, (nke_range){1, 3}, back, NULL), NKE_OK);
  for (int i = 0; i < 24; i++) assert_true(back[i] == 12 + i);
  nke_dataset_close(&d);
}

/* Open and read all; either may refuse, with the word in its line. */
static void assert_refused(const char *name, const void *bytes, size_t size, const char *x, const char *y,
                           const char *word)
{
  nke_dataset *d = NULL;
  double *all = NULL, *targets = NULL;
  sample_bytes(name, bytes, size);
  nke_status st = open_spec(name, x, y, &d);
  if (st == NKE_OK) {
    const int64_t n = nke_dataset_rows(d);
    assert_int_equal(nke_alloc(n * nke_dataset_length(d), sizeof *all, "x", &all), NKE_OK);
    assert_int_equal(nke_alloc(n, sizeof *targets, "y", &targets), NKE_OK);
    st = nke_dataset_read_range(d, (nke_range){0, n}, all, nke_dataset_targets(d) ? targets : NULL);
  }
  if (st != NKE_ERR_DATA) fail_msg("%s: status %d, expected a refusal: %s", name, st, word);
  if (!strstr(nke_error_text(), word) || !strstr(nke_error_text(), name))
    fail_msg("'%s' not in: %s", word, nke_error_text());
  nke_free(targets);
  nke_free(all);
  nke_dataset_close(&d);
}

static void refuse_text(const char *name, const char *content, const char *y, const char *word)
{
  assert_refused(name, content, strlen(content), NULL, y, word);
}

static void test_refused_csv(void **state)
{
  (void)state;
  refuse_text("a.csv", "", NULL, "no rows");
  refuse_text("b.csv", "a,b\n", NULL, "no rows");
  refuse_text("c.csv", "1\n2\n", NULL, "at least two columns");
  refuse_text("d.csv", "a,b\n1,2\n3\n", NULL, "row 1: expected 2 fields, got 1");
  refuse_text("e.csv", "1,2\n3,4,5\n", NULL, "row 1: expected 2 fields, got 3");
  refuse_text("f.csv", "1,2\n3,x\n", NULL, "row 1: column 1: expected a number, got 'x'");
  refuse_text("g.csv", "1,2\n,4\n", NULL, "row 1: column 0: expected a number, got ''");
  refuse_text("h.csv", "1,2\n3,nan\n", NULL, "row 1");
  refuse_text("i.csv", "1,2\ninf,4\n", NULL, "row 1, column 0: expected a finite number, got inf");
  refuse_text("j.csv", "1,2\n3,4\n", "price", "no column price among 2; there is no header line");
  refuse_text("k.csv", "1,2\n3,4\n", "2", "no column 2 among 2");
  refuse_text("m.csv", "1,NA\n3,4\n", NULL, "row 0: column 1: expected a number, got 'NA'"); /* no header */
  refuse_text("n.csv", "?,null,3\n3,4,5\n", NULL, "row 0: column 0: expected a number, got '?'");
  refuse_text("l.csv", "1,2\n3,4\"\n", NULL, "row 1: column 1");
  refuse_text("m.csv", "1,2\n\"3,4\n", NULL, "row 1");
  assert_refused("zero.csv", "1,2\n3,\0004\n", 9, NULL, NULL, "zero byte");
}

static void test_refused_libsvm(void **state)
{
  (void)state;
  refuse_text("a.svm", "# only a comment\n\n", NULL, "no rows");
  refuse_text("b.svm", "1 0:2\n", NULL, "row 0: expected index:value with an index from 1, got '0:2'");
  refuse_text("c.svm", "1 1:2\n1 2:1 2:3\n", NULL, "row 1: index 2 after 2");
  refuse_text("d.svm", "1 3:1 2:3\n", NULL, "ascending");
  refuse_text("e.svm", "1 1:\n", NULL, "index 1: expected a number");
  refuse_text("f.svm", "1 1: 2\n", NULL, "index 1: expected a number");
  refuse_text("g.svm", "x 1:2\n", NULL, "expected a label, got 'x'");
  refuse_text("h.svm", "1,2 1:2\n", NULL, "expected a label, got '1,2'; is it csv?");
  refuse_text("i.svm", "1 qid:3 1:2\n", NULL, "got 'qid:3'");
  refuse_text("j.svm", "1 99999999999999999999:2\n", NULL, "expected index:value");
  refuse_text("k.svm", "1 -1:2\n", NULL, "expected index:value");
  refuse_text("l.svm", "1\n2\n", NULL, "no index:value");
  refuse_text("m.svm", "1 1:2\nnan 1:2\n", NULL, "row 1");
  refuse_text("n.svm", "1 1:2\n1 1:inf\n", NULL, "row 1, column 0: expected a finite number, got inf");
  refuse_text("o.svm", "1 1:2x\n", NULL, "index 1: expected a number, got '2x'");
  assert_refused("p.svm", "1 4:2\n", 6, "3", NULL, "index 4: expected at most 3");

  /* A gzip file cut short. */
  char path[512];
  static unsigned char packed[1 << 18];
  make_libsvm();
  write_text("whole.svm.gz", true);
  sample_path("whole.svm.gz", path);
  FILE *file = fopen(path, "rb");
  const size_t size = fread(packed, 1, sizeof packed, file);
  fclose(file);
  assert_refused("cut.svm.gz", packed, size / 2, NULL, NULL, "truncated or damaged");
  assert_refused("noise.svm.gz", packed + 40, size - 40, NULL, NULL, "");
}

static void test_refused_npy(void **state)
{
  (void)state;
  static const double x[6] = {1, 2, 3, 4, 5, 6};
  const struct {
    int version;
    const char *header, *word;
    size_t bytes;
  } bad[] = {
      {1, "{'descr': '<f8', 'fortran_order': False, 'shape': (3, 2)}\n", "truncated", 47},
      {4, "{'descr': '<f8', 'fortran_order': False, 'shape': (3, 2)}\n", "version 4", 48},
      {1, "{'descr': '<f8', 'fortran_order': True, 'shape': (3, 2)}\n", "truncated", 47},
      {1, "{'descr': '<f8', 'fortran_order': Maybe, 'shape': (3, 2)}\n", "no fortran_order", 48},
      {1, "{'descr': '>f8', 'fortran_order': False, 'shape': (3, 2)}\n", "big-endian", 48},
      {1, "{'descr': '<c8', 'fortran_order': False, 'shape': (3, 2)}\n", "<c8", 48},
      {1, "{'descr': '|O', 'fortran_order': False, 'shape': (3, 2)}\n", "got '|O': number the classes", 48},
      {1, "{'descr': '<f2', 'fortran_order': False, 'shape': (3, 2)}\n", "got '<f2': save .astype('float32')", 48},
      {1, "{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (3, 2)}\n", "a type of several fields", 48},
      {1, "{'descr': '<f8', 'fortran_order': False, 'shape': (6,)}\n", "got 1 dimension", 48},
      {1, "{'descr': '<f8', 'fortran_order': False, 'shape': (0, 2)}\n", "empty", 48},
      {1, "{'descr': '<f8', 'fortran_order': False, 'shape': (3, 2, 1, 1, 1)}\n", "at most 4", 48},
      {1, "{'descr': '<f8', 'fortran_order': False, 'shape': (4611686018427387904, 4)}\n", "", 48},
      {1, "{'descr': '<f8', 'fortran_order': False, 'shape': (3, -2)}\n", "bad shape", 48},
      {1, "{'descr': '<f8', 'fortran_order': False}\n", "no shape", 48},
      {1, "{}\n", "descr", 48},
  };
  char file[400], name[32];
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    snprintf(name, sizeof name, "bad%d.npy", (int)i);
    const size_t size = make_npy(file, bad[i].version, bad[i].header, x, bad[i].bytes);
    assert_refused(name, file, size, NULL, NULL, bad[i].word);
  }
  assert_refused("short.npy", "\x93NUMPY\x01\x00", 8, NULL, NULL, "not an npy file");
  assert_refused("long.npy", "\x93NUMPY\x01\x00\xff\xff{}\n     ", 18, NULL, NULL, "truncated or damaged");
}

static void test_missing(void **state)
{
  (void)state;
  const char *names[] = {"none.csv", "none.svm", "none.npy", "none.txt.gz"};
  for (int i = 0; i < 4; i++) {
    nke_dataset *d = NULL;
    assert_int_equal(open_spec(names[i], NULL, NULL, &d), NKE_ERR_DATA);
    assert_null(d);
    assert_non_null(strstr(nke_error_text(), "No such file"));
  }
}

/* The shared w8a, where the data folder is given. */
static void test_w8a(void **state)
{
  (void)state;
  const char *folder = getenv("NKE_DATA");
  if (!folder) {
    print_message("NKE_DATA is not set: w8a is not read\n");
    skip();
  }
  const nke_data_spec spec = {.file = "w8a.libsvm.gz", .x = NULL, .y = NULL, .row_begin = 0, .row_end = -1};
  nke_dataset *d = NULL;
  if (nke_dataset_open(MPI_COMM_WORLD, &spec, &d) != NKE_OK) fail_msg("%s", nke_error_text());
  const int64_t n = nke_dataset_rows(d), columns = nke_dataset_length(d);
  assert_int_equal(n, 49749);
  assert_int_equal(columns, 300);
  double *x = NULL, *y = NULL, sum = 0, positive = 0;
  assert_int_equal(nke_alloc(1000 * columns, sizeof *x, "x", &x), NKE_OK);
  assert_int_equal(nke_alloc(1000, sizeof *y, "y", &y), NKE_OK);
  for (int64_t first = 0; first < n; first += 1000) {
    const int64_t rows = nke_min(1000, n - first);
    assert_int_equal(nke_dataset_read_range(d, (nke_range){first, first + rows}, x, y), NKE_OK);
    for (int64_t i = 0; i < rows * columns; i++) sum += x[i];
    for (int64_t i = 0; i < rows; i++) positive += y[i] > 0;
  }
  assert_true(sum == 579586);
  assert_true(positive == 1479);
  nke_free(y);
  nke_free(x);
  nke_dataset_close(&d);
}

static int remove_samples(void **state)
{
  (void)state;
  sample_remove();
  return 0;
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_csv),
    cmocka_unit_test(test_byte_order_mark),
    cmocka_unit_test(test_libsvm),
    cmocka_unit_test(test_npy),
    cmocka_unit_test(test_npy_in_fortran_order),
    cmocka_unit_test(test_refused_csv),
    cmocka_unit_test(test_refused_libsvm),
    cmocka_unit_test(test_refused_npy),
    cmocka_unit_test(test_missing),
    cmocka_unit_test_teardown(test_w8a, remove_samples),
};

NKE_TEST_MAIN(tests)
