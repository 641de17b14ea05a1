/* Our own files: what goes in comes out, nothing half-written, nothing foreign replaced, damage named. */
#include "sample.h"
#include "support/mpi_main.h"

#include "base/memory.h"
#include "data/h5file.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static int my_rank(void)
{
  int rank;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  return rank;
}

static bool exists(const char *path)
{
  MPI_Barrier(MPI_COMM_WORLD);
  const bool there = access(path, F_OK) == 0;
  MPI_Barrier(MPI_COMM_WORLD);
  return there;
}

static void assert_text(const char *word)
{
  if (!strstr(nke_error_text(), word)) fail_msg("'%s' not in: %s", word, nke_error_text());
}

static nke_h5file *begin(const char *path)
{
  nke_h5file *f = NULL;
  if (nke_h5file_create(MPI_COMM_WORLD, path, false, &f) != NKE_OK) fail_msg("%s", nke_error_text());
  return f;
}

static void finish(nke_h5file **f)
{
  if (nke_h5file_commit(f) != NKE_OK) fail_msg("%s", nke_error_text());
  assert_null(*f);
}

/* Bytes of the largest call of MPI's file layer by which HDF5 writes. */
static int64_t largest_call;

int MPI_File_write_at(MPI_File file, MPI_Offset offset, const void *data, int count, MPI_Datatype type,
                      MPI_Status *status)
{
  int size;
  MPI_Type_size(type, &size);
  if ((int64_t)count * size > largest_call) largest_call = (int64_t)count * size;
  return PMPI_File_write_at(file, offset, data, count, type, status);
}

/* From 2^31 bytes on a call would fail: arrays go in pieces, here by their second and third axis. */
static void test_long_arrays_go_in_pieces(void **state)
{
  (void)state;
  const int64_t dims[3] = {1, 3, 4200001}, count = dims[1] * dims[2], start[3] = {0}, none[3] = {0};
  char path[512];
  double *x = NULL;
  sample_path("long.h5", path);
  assert_int_equal(nke_alloc(count, sizeof *x, "an array", &x), NKE_OK);
  for (int64_t i = 0; i < count; i++) x[i] = (double)i;
  nke_h5file *f = begin(path);
  assert_int_equal(nke_h5file_create_dataset(f, "/long", NKE_H5_F64, 3, dims, NULL), NKE_OK);
  largest_call = 0;
  assert_int_equal(nke_h5file_write(f, "/long", NKE_H5_F64, 3, start, my_rank() == 0 ? dims : none, x), NKE_OK);
  if (my_rank() == 0) assert_in_range(largest_call, 1 << 20, 64 << 20);
  finish(&f);
  memset(x, 0, (size_t)count * sizeof *x);
  assert_int_equal(nke_h5file_open(MPI_COMM_WORLD, path, &f), NKE_OK);
  assert_int_equal(nke_h5file_read(f, "/long", NKE_H5_F64, 3, start, dims, x), NKE_OK);
  for (int64_t i = 0; i < count; i++)
    if (x[i] != (double)i) fail_msg("entry %lld is %g", (long long)i, x[i]);
  nke_h5file_close(&f);
  nke_free(x);
}

static int open_files(void)
{
  return (int)H5Fget_obj_count(H5F_OBJ_ALL, H5F_OBJ_FILE);
}

/* Rows of a chunked array from every rank, some with none; an array that no one writes reads zero. To read, rank 0
 * alone opens the file until another reads rows. */
static void test_rows_of_every_rank(void **state)
{
  (void)state;
  enum { M = 7 };
  char path[512];
  int size;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  const int rank = my_rank();
  const int64_t n = 3 * size, dims[2] = {n, M}, chunk[2] = {4, M};
  sample_path("rows.h5", path);
  nke_h5file *f = begin(path);
  assert_int_equal(nke_h5file_create_dataset(f, "/a/features", NKE_H5_F32, 2, dims, chunk), NKE_OK);
  assert_int_equal(nke_h5file_create_dataset(f, "/a/zero", NKE_H5_U8, 1, dims, NULL), NKE_OK);
  /* Rank r writes rows r, r + size, r + 2 size; the last rank leaves its third to rank 0. */
  for (int64_t i = rank; i < n; i += size) {
    float row[M];
    if (i == n - 1) continue;
    for (int64_t j = 0; j < M; j++) row[j] = (float)(i * M + j);
    assert_int_equal(nke_h5file_write(f, "/a/features", NKE_H5_F32, 2, (int64_t[]){i, 0}, (int64_t[]){1, M}, row),
                     NKE_OK);
  }
  const int64_t last = rank == 0 ? 1 : 0;
  double row[M];
  for (int64_t j = 0; j < M; j++) row[j] = (double)((n - 1) * M + j);
  assert_int_equal(nke_h5file_write(f, "/a/features", NKE_H5_F64, 2, (int64_t[]){n - 1, 0}, (int64_t[]){last, M}, row),
                   NKE_OK);
  assert_false(exists(path));
  finish(&f);
  assert_true(exists(path));

  assert_int_equal(nke_h5file_open(MPI_COMM_WORLD, path, &f), NKE_OK);
  assert_true(nke_h5file_has(f, "/a/features"));
  assert_false(nke_h5file_has(f, "/b/features"));
  int stored_rank;
  int64_t stored[NKE_H5_MAX_RANK];
  assert_int_equal(nke_h5file_dims(f, "/a/features", &stored_rank, stored), NKE_OK);
  assert_int_equal(stored_rank, 2);
  assert_int_equal(stored[0], n);
  assert_int_equal(stored[1], M);
  assert_int_equal(nke_h5file_expect(f, "/a/features", 2, dims, chunk), NKE_OK);
  assert_int_equal(nke_h5file_expect(f, "/a/features", 2, dims, NULL), NKE_ERR_DATA);
  assert_int_equal(open_files(), rank == 0);
  for (int64_t i = 0; i < n; i++) {
    unsigned char zero = 1;
    assert_int_equal(nke_h5file_read(f, "/a/features", NKE_H5_F64, 2, (int64_t[]){i, 1}, (int64_t[]){1, M - 1}, row),
                     NKE_OK);
    for (int64_t j = 1; j < M; j++) assert_true(row[j - 1] == (double)(i * M + j));
    assert_int_equal(nke_h5file_read(f, "/a/zero", NKE_H5_U8, 1, &i, (int64_t[]){1}, &zero), NKE_OK);
    assert_int_equal(zero, 0);
  }
  assert_int_equal(nke_h5file_read(f, "/a/features", NKE_H5_F64, 2, (int64_t[]){n - 1, 0}, (int64_t[]){2, M}, row),
                   NKE_ERR_DATA);
  assert_int_equal(nke_h5file_read(f, "/a/features", NKE_H5_F64, 1, (int64_t[]){0}, (int64_t[]){1}, row), NKE_ERR_DATA);
  assert_int_equal(open_files(), 1);
  nke_h5file_close(&f);
}

/* No file system has files as long; what was made before is kept. */
static void test_more_than_a_file_may_have(void **state)
{
  (void)state;
  char path[512];
  sample_path("long.h5", path);
  nke_h5file *f = begin(path);
  const int64_t one[] = {1}, lengths[][2] = {{INT64_MAX / 8 - 1024, 1}, {INT64_MAX / 4, 1}, {INT64_MAX / 4, 16}};
  for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
    assert_int_equal(nke_h5file_create_dataset(f, "/long", NKE_H5_F64, 2, lengths[i], NULL), NKE_ERR_OUTPUT);
    assert_int_equal(nke_h5file_create_dataset(f, "/long", NKE_H5_F64, 2, lengths[i], (int64_t[]){1024, 1}),
                     NKE_ERR_OUTPUT);
    if (strstr(nke_error_text(), "more than a file of this file system may have") == NULL)
      fail_msg("%s", nke_error_text());
  }
  assert_int_equal(nke_h5file_create_dataset(f, "/short", NKE_H5_F64, 1, one, NULL), NKE_OK);
  finish(&f);
  assert_true(exists(path));
}

static void test_small_values(void **state)
{
  (void)state;
  char path[512], longest[100001];
  memset(longest, 'x', sizeof longest - 1);
  longest[sizeof longest - 1] = '\0';
  sample_path("small.h5", path);
  nke_h5file *f = begin(path);
  const double array[6] = {1, 2, 3, 0.1, -5, 1e-300};
  assert_int_equal(nke_h5file_put(f, "/model/w", NKE_H5_F64, 2, (int64_t[]){2, 3}, my_rank() == 0 ? array : NULL),
                   NKE_OK);
  assert_int_equal(nke_h5file_put(f, "/model/none", NKE_H5_I64, 1, (int64_t[]){0}, array), NKE_OK);
  assert_int_equal(nke_h5file_put_double(f, "/model", "lambda", my_rank() == 0 ? 0.1 : 7), NKE_OK);
  assert_int_equal(nke_h5file_put_int(f, "/new/group", "seed", 1), NKE_OK);
  assert_int_equal(nke_h5file_put_int(f, "/new/group", "seed", INT64_MAX), NKE_OK);
  assert_int_equal(nke_h5file_put_string(f, "/model/w", "config", "a: \"b\"\n\xc3\xa9"), NKE_OK);
  assert_int_equal(nke_h5file_put_string(f, "/", "long", longest), NKE_OK);
  assert_int_equal(nke_h5file_put_string(f, "/", "nothing", ""), NKE_OK);
  finish(&f);

  assert_int_equal(nke_h5file_open(MPI_COMM_WORLD, path, &f), NKE_OK);
  double *w = NULL, lambda;
  int64_t dims[2] = {2, -1}, seed;
  char *text = NULL;
  assert_int_equal(nke_h5file_get(f, "/model/w", NKE_H5_F64, 2, dims, 48, &w), NKE_OK);
  assert_int_equal(dims[1], 3);
  assert_memory_equal(w, array, sizeof array);
  nke_free(w);
  assert_int_equal(nke_h5file_get_double(f, "/model", "lambda", &lambda), NKE_OK);
  assert_true(lambda == 0.1);
  assert_int_equal(nke_h5file_get_int(f, "/new/group", "seed", &seed), NKE_OK);
  assert_true(seed == INT64_MAX);
  assert_int_equal(nke_h5file_get_string(f, "/model/w", "config", &text), NKE_OK);
  assert_string_equal(text, "a: \"b\"\n\xc3\xa9");
  nke_free(text);
  assert_int_equal(nke_h5file_get_string(f, "/", "long", &text), NKE_OK);
  assert_string_equal(text, longest);
  nke_free(text);
  assert_int_equal(nke_h5file_get_string(f, "/", "nothing", &text), NKE_OK);
  assert_string_equal(text, "");
  nke_free(text);

  w = NULL;
  assert_int_equal(nke_h5file_get(f, "/model/w", NKE_H5_F64, 2, (int64_t[]){2, 4}, 1 << 20, &w), NKE_ERR_DATA);
  assert_text("corrupt: /model/w: dimension 1: expected 4, got 3");
  assert_int_equal(nke_h5file_get(f, "/model/w", NKE_H5_F64, 1, (int64_t[]){-1}, 1 << 20, &w), NKE_ERR_DATA);
  assert_text("expected 1 dimensions, got 2");
  assert_int_equal(nke_h5file_get(f, "/model/w", NKE_H5_F64, 2, (int64_t[]){-1, -1}, 47, &w), NKE_ERR_DATA);
  assert_text("larger");
  assert_int_equal(nke_h5file_get(f, "/model/v", NKE_H5_F64, 2, (int64_t[]){-1, -1}, 47, &w), NKE_ERR_DATA);
  assert_null(w);
  assert_int_equal(nke_h5file_get_int(f, "/model", "lambda", &seed), NKE_ERR_DATA);
  assert_text("wrong type");
  assert_int_equal(nke_h5file_get_string(f, "/model", "lambda", &text), NKE_ERR_DATA);
  assert_int_equal(nke_h5file_get_double(f, "/model", "mu", &lambda), NKE_ERR_DATA);
  assert_text("no attribute mu");
  assert_int_equal(nke_h5file_get_double(f, "/nowhere", "mu", &lambda), NKE_ERR_DATA);
  nke_h5file_close(&f);
}

/* Until the commit the old file stays; a file given up leaves nothing. */
static void test_replace_is_atomic(void **state)
{
  (void)state;
  char path[512], part[600];
  int64_t version;
  sample_path("atomic.h5", path);
  snprintf(part, sizeof part, "%s.nke-part", path);
  nke_h5file *f = begin(path), *old = NULL;
  assert_int_equal(nke_h5file_put_int(f, "/", "version", 1), NKE_OK);
  finish(&f);
  for (int commit = 0; commit < 2; commit++) {
    f = begin(path);
    assert_true(exists(part));
    assert_int_equal(nke_h5file_put_int(f, "/", "version", 2), NKE_OK);
    assert_int_equal(nke_h5file_open(MPI_COMM_WORLD, path, &old), NKE_OK);
    assert_int_equal(nke_h5file_get_int(old, "/", "version", &version), NKE_OK);
    assert_int_equal(version, 1);
    nke_h5file_close(&old);
    if (commit)
      finish(&f);
    else
      nke_h5file_close(&f);
    assert_false(exists(part));
  }
  assert_int_equal(nke_h5file_open(MPI_COMM_WORLD, path, &old), NKE_OK);
  assert_int_equal(nke_h5file_get_int(old, "/", "version", &version), NKE_OK);
  assert_int_equal(version, 2);
  nke_h5file_close(&old);
}

/* The second of two writers is refused, and leaves alone what the first has begun. */
static void test_two_writers(void **state)
{
  (void)state;
  char path[512];
  int64_t version;
  sample_path("two.h5", path);
  nke_h5file *first = begin(path), *second = NULL;
  assert_int_equal(nke_h5file_create(MPI_COMM_WORLD, path, true, &second), NKE_ERR_OUTPUT);
  assert_text("another run is writing it");
  assert_int_equal(nke_h5file_put_int(first, "/", "version", 1), NKE_OK);
  finish(&first);
  assert_int_equal(nke_h5file_open(MPI_COMM_WORLD, path, &second), NKE_OK);
  assert_int_equal(nke_h5file_get_int(second, "/", "version", &version), NKE_OK);
  assert_int_equal(version, 1);
  nke_h5file_close(&second);
}

static void test_foreign_files_need_force(void **state)
{
  (void)state;
  char path[512];
  double x[2] = {1, 2};
  sample_write("foreign.h5", "/x", H5T_IEEE_F64LE, 1, (hsize_t[]){2}, NULL, 0, x);
  sample_bytes("foreign.txt", "text", 4);
  const char *names[] = {"foreign.h5", "foreign.txt"};
  for (int i = 0; i < 2; i++) {
    nke_h5file *f = NULL;
    sample_path(names[i], path);
    assert_int_equal(nke_h5file_create(MPI_COMM_WORLD, path, false, &f), NKE_ERR_USAGE);
    assert_text("--force");
    assert_null(f);
    assert_int_equal(nke_h5file_open(MPI_COMM_WORLD, path, &f), NKE_ERR_DATA);
    assert_int_equal(nke_h5file_create(MPI_COMM_WORLD, path, true, &f), NKE_OK);
    finish(&f);
    assert_int_equal(nke_h5file_create(MPI_COMM_WORLD, path, false, &f), NKE_OK); /* ours now */
    nke_h5file_close(&f);
  }
  nke_h5file *f = NULL;
  assert_int_equal(nke_h5file_create(MPI_COMM_WORLD, sample_folder(), true, &f), NKE_ERR_USAGE);
  assert_text("folder");
}

static void test_places_that_cannot_be_written(void **state)
{
  (void)state;
  char path[512], deep[600];
  nke_h5file *f = NULL;
  sample_bytes("plain", "x", 1);
  sample_path("plain", path);
  snprintf(deep, sizeof deep, "%s/below/model.h5", path);
  assert_int_equal(nke_h5file_create(MPI_COMM_WORLD, deep, false, &f), NKE_ERR_OUTPUT);
  assert_text("cannot");
  assert_int_equal(nke_make_folders(MPI_COMM_WORLD, "/proc/nke/out"), NKE_ERR_OUTPUT);
  assert_int_equal(nke_h5file_create(MPI_COMM_WORLD, "/proc/model.h5", false, &f), NKE_ERR_OUTPUT);
  assert_null(f);
  sample_path("one", path);
  snprintf(deep, sizeof deep, "%s/two/three", path);
  assert_int_equal(nke_make_folders(MPI_COMM_WORLD, deep), NKE_OK);
  assert_int_equal(nke_make_folders(MPI_COMM_WORLD, deep), NKE_OK);
  assert_true(exists(deep));
  MPI_Barrier(MPI_COMM_WORLD);
  if (my_rank() == 0) {
    rmdir(deep);
    *strrchr(deep, '/') = '\0';
    rmdir(deep);
    rmdir(path);
  }
}

/* Bytes of our own file cut off or overwritten: one line that says corrupt, or an honest read; never a crash. */
static void test_damage(void **state)
{
  (void)state;
  char path[512];
  double array[512];
  for (int i = 0; i < 512; i++) array[i] = i;
  sample_path("damaged.h5", path);
  struct stat info;
  nke_h5file *f = begin(path);
  assert_int_equal(nke_h5file_put(f, "/w", NKE_H5_F64, 1, (int64_t[]){512}, array), NKE_OK);
  finish(&f);
  MPI_Barrier(MPI_COMM_WORLD);
  assert_int_equal(stat(path, &info), 0);
  MPI_Barrier(MPI_COMM_WORLD);
  for (int i = 1; i < 8; i++) {
    if (my_rank() == 0) assert_int_equal(truncate(path, info.st_size * (8 - i) / 8), 0);
    MPI_Barrier(MPI_COMM_WORLD);
    assert_int_equal(nke_h5file_open(MPI_COMM_WORLD, path, &f), NKE_ERR_DATA);
    assert_text("corrupt");
    assert_int_equal(nke_h5file_update(MPI_COMM_WORLD, path, &f), NKE_ERR_DATA);
    assert_null(f);
  }
  /* One bit of the stored numbers. */
  sample_path("flipped.h5", path);
  f = begin(path);
  assert_int_equal(nke_h5file_put(f, "/w", NKE_H5_F64, 1, (int64_t[]){512}, array), NKE_OK);
  finish(&f);
  if (my_rank() == 0) {
    FILE *file = fopen(path, "r+b");
    unsigned char bytes[8192], number[8];
    const double wanted = 300;
    const size_t size = fread(bytes, 1, sizeof bytes, file);
    memcpy(number, &wanted, 8);
    long at = -1;
    for (size_t i = 0; at < 0 && i + 8 <= size; i++)
      if (memcmp(bytes + i, number, 8) == 0) at = (long)i;
    assert_true(at > 0);
    number[0] ^= 1;
    fseek(file, at, SEEK_SET);
    fwrite(number, 1, 8, file);
    fclose(file);
  }
  MPI_Barrier(MPI_COMM_WORLD);
  double *w = NULL;
  assert_int_equal(nke_h5file_open(MPI_COMM_WORLD, path, &f), NKE_OK);
  assert_int_equal(nke_h5file_get(f, "/w", NKE_H5_F64, 1, (int64_t[]){512}, 1 << 20, &w), NKE_ERR_DATA);
  assert_text("corrupt: /w does not match its checksum");
  assert_null(w);
  nke_h5file_close(&f);

  sample_path("absent.h5", path);
  assert_int_equal(nke_h5file_open(MPI_COMM_WORLD, path, &f), NKE_ERR_DATA);
  assert_text("No such file");
}

/* Update in place: tiles of several ranks, a mark, another process's view after the flush. */
static void test_update(void **state)
{
  (void)state;
  char path[512];
  int size;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  const int rank = my_rank();
  const int64_t n = 2 * size, dims[2] = {n, n};
  sample_path("kernel.h5", path);
  nke_h5file *f = begin(path);
  assert_int_equal(nke_h5file_create_dataset(f, "/train/ntk", NKE_H5_F32, 2, dims, NULL), NKE_OK);
  assert_int_equal(nke_h5file_create_dataset(f, "/done", NKE_H5_U8, 1, dims, NULL), NKE_OK);
  finish(&f);
  assert_int_equal(nke_h5file_update(MPI_COMM_WORLD, path, &f), NKE_OK);
  const float tile[4] = {1, 2, 3, (float)rank};
  const unsigned char one = 1;
  const int64_t corner[2] = {2 * rank, 2 * rank}, square[2] = {2, 2};
  assert_int_equal(nke_h5file_write(f, "/train/ntk", NKE_H5_F32, 2, corner, square, tile), NKE_OK);
  assert_int_equal(nke_h5file_flush(f), NKE_OK);
  assert_int_equal(nke_h5file_write(f, "/done", NKE_H5_U8, 1, (int64_t[]){rank}, (int64_t[]){1}, &one), NKE_OK);
  assert_int_equal(nke_h5file_flush(f), NKE_OK);
  nke_h5file_close(&f);
  assert_true(exists(path));
  assert_int_equal(nke_h5file_open(MPI_COMM_WORLD, path, &f), NKE_OK);
  for (int r = 0; r < size; r++) {
    float back[4];
    unsigned char done[2];
    assert_int_equal(nke_h5file_read(f, "/train/ntk", NKE_H5_F32, 2, (int64_t[]){2 * r, 2 * r}, square, back), NKE_OK);
    assert_true(back[0] == 1 && back[1] == 2 && back[2] == 3 && back[3] == (float)r);
    assert_int_equal(nke_h5file_read(f, "/done", NKE_H5_U8, 1, (int64_t[]){r}, (int64_t[]){1}, done), NKE_OK);
    assert_int_equal(done[0], 1);
  }
  nke_h5file_close(&f);
}

/* A file system of 1 MiB: every way to run out of room ends in one line, with no file and no part file. */
static void test_full_disk(void **state)
{
  (void)state;
  enum { LENGTH = 1 << 17 };
  char folder[512], path[600], part[700];
  static double array[LENGTH];
  int mounted = 0;
  sample_path("small", folder);
  if (my_rank() == 0) mounted = mkdir(folder, 0777) == 0 && mount("none", folder, "tmpfs", 0, "size=1m") == 0;
  MPI_Bcast(&mounted, 1, MPI_INT, 0, MPI_COMM_WORLD);
  if (!mounted) {
    if (my_rank() == 0) rmdir(folder);
    skip(); /* only root may mount */
  }
  snprintf(path, sizeof path, "%s/full.h5", folder);
  snprintf(part, sizeof part, "%s.nke-part", path);
  for (int64_t length = LENGTH; length > LENGTH - 2048; length -= 97) { /* fails in the array, the index, the flush */
    nke_h5file *f = begin(path);
    nke_status st = nke_h5file_put(f, "/x", NKE_H5_F64, 1, &length, array);
    for (int i = 0; st == NKE_OK && i < 20; i++) {
      char name[16];
      snprintf(name, sizeof name, "/y%d", i);
      st = nke_h5file_put(f, name, NKE_H5_F64, 1, (int64_t[]){200}, array);
    }
    if (st == NKE_OK)
      st = nke_h5file_commit(&f);
    else
      nke_h5file_close(&f);
    assert_int_equal(st, NKE_ERR_OUTPUT);
    assert_text("full.h5");
    assert_false(exists(path));
    assert_false(exists(part));
  }
  nke_h5file *f = begin(path);
  finish(&f);
  assert_true(exists(path));
  if (my_rank() == 0) {
    unlink(path);
    umount(folder);
    rmdir(folder);
  }
}

static int remove_samples(void **state)
{
  (void)state;
  sample_remove();
  return 0;
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_rows_of_every_rank),
    cmocka_unit_test(test_long_arrays_go_in_pieces),
    cmocka_unit_test(test_more_than_a_file_may_have),
    cmocka_unit_test(test_small_values),
    cmocka_unit_test(test_replace_is_atomic),
    cmocka_unit_test(test_two_writers),
    cmocka_unit_test(test_foreign_files_need_force),
    cmocka_unit_test(test_places_that_cannot_be_written),
    cmocka_unit_test(test_damage),
    cmocka_unit_test(test_update),
    cmocka_unit_test_teardown(test_full_disk, remove_samples),
};

NKE_TEST_MAIN(tests)
