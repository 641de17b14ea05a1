/* Reading HDF5 data sets: every type and shape, row lists with gaps, chunks, ranges, and every refusal. */
#include "sample.h"
#include "support/mpi_main.h"

#include "base/memory.h"
#include "data/dataset.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Small whole numbers, so that every type holds them. */
static double value_of(int64_t i)
{
  return (double)((i * 37) % 101);
}

static double *values(int64_t count)
{
  double *v = NULL;
  assert_int_equal(nke_alloc(count, sizeof *v, "values", &v), NKE_OK);
  for (int64_t i = 0; i < count; i++) v[i] = value_of(i);
  return v;
}

static nke_status open_rows(const char *name, const char *x, const char *y, int64_t begin, int64_t end,
                            nke_dataset **out)
{
  char path[512];
  sample_path(name, path);
  const nke_data_spec spec = {.file = path, .x = x, .y = y, .row_begin = begin, .row_end = end};
  return nke_dataset_open(MPI_COMM_WORLD, &spec, out);
}

static nke_dataset *open_good(const char *name, const char *x, const char *y)
{
  nke_dataset *d = NULL;
  if (open_rows(name, x, y, 0, -1, &d) != NKE_OK) fail_msg("%s", nke_error_text());
  return d;
}

static void test_every_type(void **state)
{
  (void)state;
  const hid_t types[] = {H5T_STD_U8LE,  H5T_STD_I8LE,  H5T_STD_U16LE, H5T_STD_I16BE, H5T_STD_I32LE,
                         H5T_STD_U32BE, H5T_STD_I64LE, H5T_STD_U64LE, H5T_IEEE_F32LE, H5T_IEEE_F64BE};
  double *v = values(7 * 3), x[21], y[7];
  for (int t = 0; t < 10; t++) {
    char name[32], set[2][32];
    snprintf(name, sizeof name, "types.h5");
    snprintf(set[0], sizeof set[0], "/t%d/x", t);
    snprintf(set[1], sizeof set[1], "/t%d/y", t);
    sample_write(name, set[0], types[t], 2, (hsize_t[]){7, 3}, NULL, 0, v);
    sample_write(name, set[1], types[t], 1, (hsize_t[]){7}, NULL, 0, v);
    nke_dataset *d = open_good(name, set[0], set[1]);
    assert_int_equal(nke_dataset_rows(d), 7);
    assert_int_equal(nke_dataset_targets(d), 1);
    assert_int_equal(nke_dataset_targets_integral(d), t < 8);
    assert_int_equal(nke_dataset_read_range(d, (nke_range){0, 7}, x, y), NKE_OK);
    assert_memory_equal(x, v, sizeof x);
    assert_memory_equal(y, v, sizeof y);
    nke_dataset_close(&d);
  }
  nke_free(v);
}

static void test_shapes(void **state)
{
  (void)state;
  double *v = values(5 * 24);
  sample_write("shapes.h5", "/vector", H5T_STD_U8LE, 2, (hsize_t[]){5, 24}, NULL, 0, v);
  sample_write("shapes.h5", "/signal", H5T_STD_U8LE, 3, (hsize_t[]){5, 12, 2}, NULL, 0, v);
  sample_write("shapes.h5", "/image", H5T_STD_U8LE, 4, (hsize_t[]){5, 2, 4, 3}, NULL, 0, v);
  sample_write("shapes.h5", "/y", H5T_IEEE_F32LE, 2, (hsize_t[]){5, 3}, NULL, 0, v);
  const char *names[] = {"/vector", "/signal", "/image"};
  const nke_shape expected[] = {{0, 1, 1, 24}, {1, 1, 12, 2}, {2, 2, 4, 3}};
  for (int i = 0; i < 3; i++) {
    nke_dataset *d = open_good("shapes.h5", names[i], "/y");
    const nke_shape shape = nke_dataset_shape(d);
    assert_int_equal(shape.axes, expected[i].axes);
    assert_int_equal(shape.height, expected[i].height);
    assert_int_equal(shape.width, expected[i].width);
    assert_int_equal(shape.channels, expected[i].channels);
    assert_int_equal(nke_dataset_length(d), 24);
    assert_int_equal(nke_dataset_targets(d), 3);
    double x[24], y[3];
    assert_int_equal(nke_dataset_read_range(d, (nke_range){3, 4}, x, y), NKE_OK);
    assert_memory_equal(x, v + 3 * 24, sizeof x);
    assert_memory_equal(y, v + 3 * 3, sizeof y);
    nke_dataset_close(&d);
  }
  nke_free(v);
}

/* Rows [begin, end) of a compressed file whose chunks divide neither rows nor columns; each rank its own list. */
static void test_row_lists(void **state)
{
  (void)state;
  enum { N = 997, D = 5, BEGIN = 13 };
  int rank;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  double *v = values(N * D), *x = values(N * D), *y = values(N);
  int64_t rows[N];
  sample_write("lists.h5", "/x", H5T_STD_I16LE, 2, (hsize_t[]){N, D}, (hsize_t[]){64, 2}, 4, v);
  sample_write("lists.h5", "/y", H5T_STD_I16LE, 1, (hsize_t[]){N}, (hsize_t[]){100}, 4, v);
  nke_dataset *d = NULL;
  assert_int_equal(open_rows("lists.h5", "/x", "/y", BEGIN, N - 1, &d), NKE_OK);
  assert_int_equal(nke_dataset_rows(d), N - 1 - BEGIN);
  assert_int_equal(nke_dataset_first_row(d), BEGIN);
  for (int step = 1; step < 9; step++) { /* dense, one in ten missing, one in `step` only, far apart */
    int64_t n = 0;
    for (int64_t i = rank; i < nke_dataset_rows(d); i++)
      if (step == 8 ? i % 300 == 7 : step == 7 ? i % 10 != 3 : i % step == 0) rows[n++] = i;
    assert_int_equal(nke_dataset_read(d, n, rows, x, y), NKE_OK);
    for (int64_t i = 0; i < n; i++) {
      assert_true(y[i] == v[BEGIN + rows[i]]);
      for (int64_t j = 0; j < D; j++) assert_true(x[i * D + j] == v[(BEGIN + rows[i]) * D + j]);
    }
  }
  assert_int_equal(nke_dataset_read(d, 0, rows, x, y), NKE_OK);
  assert_int_equal(nke_dataset_read(d, 2, (int64_t[]){4, 4}, x, y), NKE_ERR_INTERNAL);
  assert_int_equal(nke_dataset_read(d, 1, (int64_t[]){N - 1 - BEGIN}, x, y), NKE_ERR_INTERNAL);
  nke_dataset_close(&d);
  nke_free(y);
  nke_free(x);
  nke_free(v);
}

/* A filter that changes nothing and counts the chunks that are read. */
enum { COUNTING_FILTER = 300 };
static int64_t chunks_read;

static size_t count_chunk(unsigned flags, size_t n, const unsigned *values_, size_t bytes, size_t *room, void **buffer)
{
  (void)n, (void)values_, (void)room, (void)buffer;
  if (flags & H5Z_FLAG_REVERSE) chunks_read++;
  return bytes;
}

/* In a file of its own: [n] numbers, in chunks that the filter counts. */
static void write_counted(hid_t file, const char *name, hid_t type, hsize_t n, hsize_t chunk, const double *v)
{
  const hid_t space = H5Screate_simple(1, &n, NULL), layout = H5Pcreate(H5P_DATASET_CREATE);
  H5Pset_chunk(layout, 1, &chunk);
  H5Pset_filter(layout, COUNTING_FILTER, H5Z_FLAG_MANDATORY, 0, NULL);
  const hid_t set = H5Dcreate2(file, name, type, space, H5P_DEFAULT, layout, H5P_DEFAULT);
  assert_true(H5Dwrite(set, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, v) >= 0);
  H5Dclose(set);
  H5Pclose(layout);
  H5Sclose(space);
}

/* The same of sparse rows, whose chunks are larger than HDF5's own cache. */
static void test_each_chunk_of_sparse_rows_is_unpacked_once(void **state)
{
  (void)state;
  enum { N = 4000, ROW = 100, ENTRIES = N * ROW, CHUNK = 150000, BLOCK = 100 };
  const H5Z_class2_t filter = {H5Z_CLASS_T_VERS, COUNTING_FILTER, 1, 1, "count", NULL, NULL, count_chunk};
  char path[512];
  int rank;
  H5Zregister(&filter);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  sample_path("csr.h5", path);
  double *index = values(ENTRIES), *start = values(N + 1), *x = values(BLOCK * ROW);
  for (int64_t i = 0; i < ENTRIES; i++) index[i] = (double)(i % ROW);
  for (int64_t i = 0; i <= N; i++) start[i] = (double)(i * ROW);
  if (rank == 0) {
    const hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    H5Gclose(H5Gcreate2(file, "/s", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    write_counted(file, "/s/data", H5T_IEEE_F64LE, ENTRIES, CHUNK, index);
    write_counted(file, "/s/indices", H5T_STD_I64LE, ENTRIES, CHUNK, index);
    write_counted(file, "/s/indptr", H5T_STD_I64LE, N + 1, N + 1, start);
    H5Fclose(file);
  }
  MPI_Barrier(MPI_COMM_WORLD);
  const nke_data_spec spec = {.file = path, .x = "/s", .row_end = -1};
  nke_dataset *d = NULL;
  assert_int_equal(nke_dataset_open(MPI_COMM_WORLD, &spec, &d), NKE_OK);
  assert_int_equal(nke_dataset_length(d), ROW);
  assert_true(nke_dataset_bytes(d) >= 2 * 8 * CHUNK && nke_dataset_bytes(d) <= 5 * 2 * 8 * CHUNK);
  chunks_read = 0;
  for (int64_t first = 0; first < N; first += BLOCK) {
    assert_int_equal(nke_dataset_read_range(d, (nke_range){first, first + BLOCK}, x, NULL), NKE_OK);
    assert_true(x[0] == 0 && x[BLOCK * ROW - 1] == ROW - 1);
  }
  assert_int_equal(chunks_read, 2 * 3 + 1);
  nke_dataset_close(&d);
  nke_free(x);
  nke_free(start);
  nke_free(index);
}

/* A sweep in blocks of rows with gaps, over chunks of a few columns, unpacks every chunk once. */
static void test_each_chunk_is_unpacked_once(void **state)
{
  (void)state;
  enum { N = 20000, D = 40, CHUNK_ROWS = 7000, CHUNK_COLUMNS = 3, BLOCK = 640 }; /* a band: twice HDF5's own cache */
  int rank;
  char path[512];
  const H5Z_class2_t filter = {H5Z_CLASS_T_VERS, COUNTING_FILTER, 1, 1, "count", NULL, NULL, count_chunk};
  H5Zregister(&filter);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  sample_path("count.h5", path);
  double *v = values(N * D), *x = values(BLOCK * D);
  if (rank == 0) {
    const hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    const hid_t space = H5Screate_simple(2, (hsize_t[]){N, D}, NULL), layout = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_chunk(layout, 2, (hsize_t[]){CHUNK_ROWS, CHUNK_COLUMNS});
    H5Pset_filter(layout, COUNTING_FILTER, H5Z_FLAG_MANDATORY, 0, NULL);
    const hid_t set = H5Dcreate2(file, "/x", H5T_IEEE_F64LE, space, H5P_DEFAULT, layout, H5P_DEFAULT);
    assert_true(H5Dwrite(set, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, v) >= 0);
    H5Dclose(set);
    H5Pclose(layout);
    H5Sclose(space);
    H5Fclose(file);
  }
  MPI_Barrier(MPI_COMM_WORLD);
  /* A cache of just a band, and of one byte less: none, and every read unpacks the chunks it needs. */
  const int64_t band = (int64_t)CHUNK_ROWS * CHUNK_COLUMNS * 14 * 8, chunk = band / 14;
  const struct {
    int64_t cache, least_bytes, most_bytes;
    int every_time;
  } cases[] = {{0, band, band + 4 * chunk, 0}, {band, band, band + 4 * chunk, 0}, {band - 1, 0, 4 * chunk, 1}};
  for (int k = 0; k < 3; k++) {
    const nke_data_spec spec = {.file = path, .x = "/x", .row_end = -1, .cache = cases[k].cache};
    nke_dataset *d = NULL;
    int64_t wanted = 0;
    assert_int_equal(nke_dataset_open(MPI_COMM_WORLD, &spec, &d), NKE_OK);
    assert_true(nke_dataset_bytes(d) >= cases[k].least_bytes && nke_dataset_bytes(d) <= cases[k].most_bytes);
    chunks_read = 0;
    for (int64_t first = 0; first < N; first += BLOCK) {
      int64_t rows[BLOCK], n = 0;
      for (int64_t i = first; i < first + BLOCK && i < N; i++)
        if (i % 10 != 3) rows[n++] = i;
      wanted += 14 * (rows[n - 1] / CHUNK_ROWS - rows[0] / CHUNK_ROWS + 1);
      assert_int_equal(nke_dataset_read(d, n, rows, x, NULL), NKE_OK);
      assert_true(x[0] == v[rows[0] * D] && x[n * D - 1] == v[rows[n - 1] * D + D - 1]);
    }
    assert_int_equal(chunks_read, cases[k].every_time ? wanted : 3 * 14);
    nke_dataset_close(&d);
  }
  nke_free(x);
  nke_free(v);
}

static void assert_refused(const char *name, const char *x, const char *y, int64_t begin, int64_t end,
                           nke_status expected, const char *word)
{
  nke_dataset *d = NULL;
  assert_int_equal(open_rows(name, x, y, begin, end, &d), expected);
  assert_null(d);
  if (!strstr(nke_error_text(), word) || !strstr(nke_error_text(), name))
    fail_msg("'%s' or '%s' not in: %s", name, word, nke_error_text());
}

static void test_refusals(void **state)
{
  (void)state;
  double *v = values(60);
  sample_write("bad.h5", "/x", H5T_STD_U8LE, 2, (hsize_t[]){10, 6}, NULL, 0, v);
  sample_write("bad.h5", "/y", H5T_STD_U8LE, 1, (hsize_t[]){10}, NULL, 0, v);
  sample_write("bad.h5", "/y9", H5T_STD_U8LE, 1, (hsize_t[]){9}, NULL, 0, v);
  sample_write("bad.h5", "/y3d", H5T_STD_U8LE, 3, (hsize_t[]){10, 1, 1}, NULL, 0, v);
  sample_write("bad.h5", "/flat", H5T_STD_U8LE, 1, (hsize_t[]){10}, NULL, 0, v);
  sample_write("bad.h5", "/scalar", H5T_STD_U8LE, 0, NULL, NULL, 0, v);
  sample_write("bad.h5", "/deep", H5T_STD_U8LE, 5, (hsize_t[]){10, 1, 1, 1, 6}, NULL, 0, v);
  sample_write("bad.h5", "/none", H5T_STD_U8LE, 2, (hsize_t[]){0, 6}, NULL, 0, NULL);
  sample_write("bad.h5", "/thin", H5T_STD_U8LE, 2, (hsize_t[]){10, 0}, NULL, 0, NULL);
  sample_write("bad.h5", "/text", H5T_C_S1, 2, (hsize_t[]){10, 6}, NULL, 0, NULL);
  sample_bytes("text.h5", "not HDF5 at all", 15);
  sample_bytes("empty.h5", "", 0);
  sample_bytes("table.xls", "", 0);
  assert_refused("missing.h5", "/x", NULL, 0, -1, NKE_ERR_DATA, "No such file");
  assert_refused("text.h5", "/x", NULL, 0, -1, NKE_ERR_DATA, "not an HDF5 file");
  assert_refused("empty.h5", "/x", NULL, 0, -1, NKE_ERR_DATA, "not an HDF5 file");
  assert_refused("table.xls", "/x", NULL, 0, -1, NKE_ERR_DATA, "unknown file type");
  assert_refused("bad.h5", NULL, NULL, 0, -1, NKE_ERR_USAGE, "x: expected the name");
  assert_refused(
      "bad.h5", "/no", NULL, 0, -1, NKE_ERR_DATA,
      "no data set /no; x and y name those of the file: /deep, /flat, /none, /scalar, /text, /thin, /x, /y, /y3d, /y9");
  assert_refused("bad.h5", "/no/where", NULL, 0, -1, NKE_ERR_DATA, "no data set /no/where");
  assert_refused("bad.h5", "/x", "/no", 0, -1, NKE_ERR_DATA, "no data set /no");
  assert_refused("bad.h5", "/", NULL, 0, -1, NKE_ERR_DATA, "/");
  assert_refused("bad.h5", "/flat", NULL, 0, -1, NKE_ERR_DATA, "got 1 dimension");
  assert_refused("bad.h5", "/scalar", NULL, 0, -1, NKE_ERR_DATA, "dimension");
  assert_refused("bad.h5", "/deep", NULL, 0, -1, NKE_ERR_DATA, "got 5");
  assert_refused("bad.h5", "/none", NULL, 0, -1, NKE_ERR_DATA, "empty");
  assert_refused("bad.h5", "/thin", NULL, 0, -1, NKE_ERR_DATA, "empty");
  assert_refused("bad.h5", "/text", NULL, 0, -1, NKE_ERR_DATA, "integer or floating type, got text");
  assert_refused("bad.h5", "/x", "/y9", 0, -1, NKE_ERR_DATA, "expected 10 rows as in x, got 9");
  assert_refused("bad.h5", "/x", "/y3d", 0, -1, NKE_ERR_DATA, "[n] or [n, k]");
  assert_refused("bad.h5", "/x", "/y", 0, 11, NKE_ERR_DATA, "inside 0:10");
  assert_refused("bad.h5", "/x", "/y", 5, 5, NKE_ERR_DATA, "rows 5:5");
  assert_refused("bad.h5", "/x", "/y", -1, 5, NKE_ERR_DATA, "rows -1:5");
  nke_dataset *d = open_good("bad.h5", "/x", NULL);
  assert_int_equal(nke_dataset_targets(d), 0);
  double y;
  assert_int_equal(nke_dataset_read_range(d, (nke_range){0, 1}, NULL, &y), NKE_ERR_DATA);
  nke_dataset_close(&d);
  nke_free(v);
}

static void test_bad_numbers_are_named(void **state)
{
  (void)state;
  double v[40] = {0}, x[40], y[10];
  v[4 * 7 + 2] = INFINITY;
  sample_write("inf.h5", "/x", H5T_IEEE_F32LE, 2, (hsize_t[]){10, 4}, NULL, 0, v);
  v[4 * 7 + 2] = 0;
  v[9] = NAN;
  sample_write("inf.h5", "/y", H5T_IEEE_F64LE, 1, (hsize_t[]){10}, NULL, 0, v);
  nke_dataset *d = NULL;
  assert_int_equal(open_rows("inf.h5", "/x", "/y", 1, 10, &d), NKE_OK);
  assert_int_equal(nke_dataset_read_range(d, (nke_range){0, 9}, x, NULL), NKE_ERR_DATA);
  assert_non_null(strstr(nke_error_text(), "/x: row 7, column 2: expected a finite number, got inf"));
  assert_int_equal(nke_dataset_read_range(d, (nke_range){0, 9}, NULL, y), NKE_ERR_DATA);
  assert_non_null(strstr(nke_error_text(), "/y: row 9, column 0"));
  assert_int_equal(nke_dataset_read(d, 8, (int64_t[]){0, 1, 2, 3, 4, 5, 7, 8}, x, NULL), NKE_OK); /* not row 7 */
  nke_dataset_close(&d);
}

/* A file cut short, and one whose compressed chunk is overwritten: refused, not crashed. */
static void test_damaged_files(void **state)
{
  (void)state;
  enum { N = 400, D = 40 };
  char path[512];
  double *v = NULL, *x = NULL;
  assert_int_equal(nke_alloc(N * D, sizeof *v, "v", &v), NKE_OK);
  assert_int_equal(nke_alloc(N * D, sizeof *x, "x", &x), NKE_OK);
  for (int64_t i = 0; i < N * D; i++) v[i] = sample_normal(3, (uint64_t)i);
  sample_write("cut.h5", "/x", H5T_IEEE_F64LE, 2, (hsize_t[]){N, D}, (hsize_t[]){100, D}, 6, v);
  sample_write("spoilt.h5", "/x", H5T_IEEE_F64LE, 2, (hsize_t[]){N, D}, (hsize_t[]){100, D}, 6, v);
  int rank;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  if (rank == 0) {
    sample_path("cut.h5", path);
    assert_int_equal(truncate(path, 60000), 0);
    sample_path("spoilt.h5", path);
    const int fd = open(path, O_WRONLY);
    char zeros[20000] = {0};
    assert_int_equal(pwrite(fd, zeros, sizeof zeros, 60000), (ssize_t)sizeof zeros);
    close(fd);
  }
  MPI_Barrier(MPI_COMM_WORLD);
  assert_refused("cut.h5", "/x", NULL, 0, -1, NKE_ERR_DATA, "truncated");
  nke_dataset *d = open_good("spoilt.h5", "/x", NULL);
  assert_int_equal(nke_dataset_read_range(d, (nke_range){0, N}, x, NULL), NKE_ERR_DATA);
  assert_non_null(strstr(nke_error_text(), "damaged"));
  nke_dataset_close(&d);
  nke_free(x);
  nke_free(v);
}

static void test_relative_paths(void **state)
{
  (void)state;
  double *v = values(6);
  sample_write("relative.h5", "/x", H5T_STD_U8LE, 2, (hsize_t[]){3, 2}, NULL, 0, v);
  setenv("NKE_DATA", sample_folder(), 1);
  const nke_data_spec spec = {.file = "relative.h5", .x = "/x", .y = NULL, .row_begin = 0, .row_end = -1};
  nke_dataset *d = NULL;
  assert_int_equal(nke_dataset_open(MPI_COMM_WORLD, &spec, &d), NKE_OK);
  nke_dataset_close(&d);
  unsetenv("NKE_DATA");
  assert_int_equal(nke_dataset_open(MPI_COMM_WORLD, &spec, &d), NKE_ERR_DATA);
  nke_free(v);
}

/* Bytes [begin, end) of the file that are in memory. */
static int64_t resident(const char *path, int64_t begin, int64_t end)
{
  const int64_t page = sysconf(_SC_PAGESIZE), first = begin / page, pages = (end - 1) / page + 1 - first;
  const int fd = open(path, O_RDONLY);
  void *const map = mmap(NULL, (size_t)(pages * page), PROT_READ, MAP_SHARED, fd, first * page);
  unsigned char *in = calloc((size_t)pages, 1);
  int64_t count = 0;
  assert_true(map != MAP_FAILED);
  assert_int_equal(mincore(map, (size_t)(pages * page), in), 0);
  for (int64_t i = 0; i < pages; i++) count += in[i] & 1;
  munmap(map, (size_t)(pages * page));
  free(in);
  close(fd);
  return count * page;
}

static void forget(const char *path)
{
  const int fd = open(path, O_RDONLY);
  fdatasync(fd);
  posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
  close(fd);
}

/* The rows that will be read, and few others, come into memory by themselves. */
static void test_reading_ahead(void **state)
{
  (void)state;
  enum { ROWS = 4096, LENGTH = 256, BYTES = ROWS * LENGTH * 8 };
  char path[512];
  int rank, size;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  if (size > 1) skip(); /* one rank's reads would be the other's */
  double *v = values(ROWS * LENGTH);
  sample_path("ahead.h5", path);
  sample_write("ahead.h5", "/piece", H5T_IEEE_F64LE, 2, (hsize_t[]){ROWS, LENGTH}, NULL, 0, v);
  sample_write("ahead.h5", "/chunks", H5T_IEEE_F64LE, 2, (hsize_t[]){ROWS, LENGTH}, (hsize_t[]){64, 128}, 0, v);
  const char *names[] = {"/piece", "/chunks"};
  for (int i = 0; i < 2; i++) {
    nke_dataset *d = open_good("ahead.h5", names[i], NULL);
    forget(path);
    if (resident(path, 0, 2 * BYTES) > BYTES / 4) {
      print_message("the file system keeps what it is told to forget: not tested here\n");
      skip();
    }
    nke_dataset_ahead(d, (nke_range){1024, 3072});
    for (int tenth = 0; tenth < 50 && resident(path, 0, 2 * BYTES) < BYTES / 2; tenth++) usleep(100000);
    assert_in_range(resident(path, 0, 2 * BYTES), BYTES / 2, BYTES);
    nke_dataset_ahead(d, (nke_range){0, ROWS + 1}); /* not its rows: nothing happens */
    nke_dataset_close(&d);
  }
  nke_free(v);
}

/* A failed allocation on one rank: the same status everywhere, no hang. */
static void test_failed_allocation(void **state)
{
  (void)state;
  int rank, size;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  double *v = values(6);
  sample_write("memory.h5", "/x", H5T_STD_U8LE, 2, (hsize_t[]){3, 2}, NULL, 0, v);
  nke_status st = NKE_ERR_MEMORY;
  int k = 0;
  while (st != NKE_OK) {
    nke_dataset *d = NULL;
    if (rank == size - 1) nke_alloc_fail_at(++k);
    st = open_rows("memory.h5", "/x", NULL, 0, -1, &d);
    nke_alloc_fail_at(0);
    assert_true(st == NKE_OK || st == NKE_ERR_MEMORY);
    nke_dataset_close(&d);
  }
  if (rank == size - 1) assert_true(k > 3);
  nke_free(v);
}

static int remove_samples(void **state)
{
  (void)state;
  sample_remove();
  return 0;
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(test_every_type),
  cmocka_unit_test(test_shapes),
  cmocka_unit_test(test_row_lists),
  cmocka_unit_test(test_each_chunk_is_unpacked_once),
  cmocka_unit_test(test_each_chunk_of_sparse_rows_is_unpacked_once),
  cmocka_unit_test(test_refusals),
  cmocka_unit_test(test_bad_numbers_are_named),
  cmocka_unit_test(test_damaged_files),
  cmocka_unit_test(test_relative_paths),
  cmocka_unit_test(test_reading_ahead),
  cmocka_unit_test_teardown(test_failed_allocation, remove_samples),
};

NKE_TEST_MAIN(tests)
