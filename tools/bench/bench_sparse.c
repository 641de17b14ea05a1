/* Time to read rows of a CSR file and sketch them by OSNAP against the number of non-zeros, at a fixed length of the
 * sketch. Usage: mpirun -n P bench_sparse FOLDER [MOST [COLUMNS]]: files of 10^5, 10^6, ... to MOST (10^8) non-zeros are
 * written to FOLDER one after the other and removed; each at 1000 non-zeros a row, and again in 1000 rows. */
#include "base/memory.h"
#include "base/rng.h"
#include "base/timer.h"
#include "data/dataset.h"
#include "data/h5file.h"
#include "sketch/sketch.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { PIECE = 1 << 20, ROWS = 256, D = 1 << 20 };

typedef struct file {
  const char *path;
  int64_t n, row; /* rows, and non-zeros of each */
} file;

static void sparse(void *context, int64_t nnz, const int64_t *index, const double *value, double *out)
{
  nke_sketch_apply_sparse(context, nnz, index, value, out);
}

static void dense(void *context, const double *x, double *out)
{
  nke_sketch_apply(context, x, out);
}

static void destroy(void *context)
{
  nke_sketch *sketch = context;
  nke_sketch_destroy(&sketch);
}

/* Entry k of a row of `row` falls into the k-th of as many equal parts of the columns. */
static void fill(const file *f, int64_t first, int64_t count, float *data, int64_t *index)
{
  const int64_t width = D / f->row;
  for (int64_t i = 0; i < count; i++) {
    uint32_t word[4];
    if (i % 4 == 0) nke_random_words(1, nke_stream(NKE_STREAM_TEST, 0), (uint64_t)(first + i), word);
    index[i] = (first + i) % f->row * width + word[i % 4] % width;
    data[i] = (float)word[(i + 1) % 4] * 0x1p-32f;
  }
}

static nke_status write_entries(nke_h5file *h5, const file *f, int64_t entries, float *data, int64_t *index)
{
  nke_status st = NKE_OK;
  for (int64_t first = 0; first < entries; first += PIECE) {
    const int64_t count = nke_min(PIECE, entries - first);
    fill(f, first, count, data, index);
    NKE_TRY(nke_h5file_write(h5, "/x/data", NKE_H5_F32, 1, &first, &count, data));
    NKE_TRY(nke_h5file_write(h5, "/x/indices", NKE_H5_I64, 1, &first, &count, index));
  }
  for (int64_t i = 0, one = 1; i <= f->n; i++) {
    const int64_t at = i * f->row;
    NKE_TRY(nke_h5file_write(h5, "/x/indptr", NKE_H5_I64, 1, &i, &one, &at));
  }
done:
  return st;
}

/* By rank 0. */
static nke_status write(const file *f)
{
  nke_status st = NKE_OK;
  nke_h5file *h5 = NULL;
  float *data = NULL;
  int64_t *index = NULL;
  const int64_t entries = f->n * f->row, pointers = f->n + 1, two = 2, shape[2] = {f->n, D};
  NKE_TRY(nke_alloc(PIECE, sizeof *data, "entries", &data));
  NKE_TRY(nke_alloc(PIECE, sizeof *index, "entries", &index));
  NKE_TRY(nke_h5file_create(MPI_COMM_SELF, f->path, true, &h5));
  NKE_TRY(nke_h5file_create_dataset(h5, "/x/data", NKE_H5_F32, 1, &entries, NULL));
  NKE_TRY(nke_h5file_create_dataset(h5, "/x/indices", NKE_H5_I64, 1, &entries, NULL));
  NKE_TRY(nke_h5file_create_dataset(h5, "/x/indptr", NKE_H5_I64, 1, &pointers, NULL));
  NKE_TRY(nke_h5file_put(h5, "/x/shape", NKE_H5_I64, 1, &two, shape));
  NKE_TRY(write_entries(h5, f, entries, data, index));
  st = nke_h5file_commit(&h5);
done:
  nke_h5file_close(&h5);
  nke_free(data);
  nke_free(index);
  return st;
}

static nke_status open_rows(const file *f, int64_t m, nke_dataset **out)
{
  nke_status st = NKE_OK;
  nke_sketch *sketch = NULL;
  nke_draws draws = {1, 0};
  const nke_data_spec spec = {.file = f->path, .x = "/x", .row_end = -1};
  NKE_TRY(nke_dataset_open(MPI_COMM_WORLD, &spec, out));
  NKE_TRY(nke_agree(MPI_COMM_WORLD, nke_sketch_create(&nke_sketch_osnap, NKE_DOUBLE, D, m, &draws, &sketch)));
  nke_dataset_set_map(*out, (nke_row_map){m, sketch, dense, sparse, destroy});
done:
  return st;
}

static nke_status measure(const file *f, int64_t m, double *seconds, double *cpu)
{
  nke_status st = NKE_OK;
  nke_dataset *rows = NULL;
  double *y = NULL;
  int rank, size;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  NKE_TRY(nke_agree(MPI_COMM_WORLD, rank == 0 ? write(f) : NKE_OK));
  NKE_TRY(open_rows(f, m, &rows));
  NKE_TRY(nke_agree(MPI_COMM_WORLD, nke_alloc(ROWS * m, sizeof *y, "sketches", &y)));
  const nke_range mine = nke_split(f->n, size, rank);
  MPI_Barrier(MPI_COMM_WORLD);
  const double start = nke_seconds();
  const clock_t started = clock();
  for (int64_t i = mine.begin; st == NKE_OK && i < mine.end; i += ROWS)
    st = nke_dataset_read_range(rows, (nke_range){i, nke_min(mine.end, i + ROWS)}, y, NULL);
  NKE_TRY(nke_agree(MPI_COMM_WORLD, st));
  *seconds = nke_seconds() - start;
  *cpu = (double)(clock() - started) / CLOCKS_PER_SEC;
done:
  nke_free(y);
  nke_dataset_close(&rows);
  if (rank == 0) remove(f->path);
  return st;
}

static nke_status bench(const char *folder, int64_t most, int64_t m)
{
  nke_status st = NKE_OK;
  char path[4096];
  int rank, ranks;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  snprintf(path, sizeof path, "%s/bench_sparse.h5", folder);
  for (int64_t nnz = 100000; nnz <= most; nnz *= 10) {
    const file shapes[2] = {{path, nnz / 1000, 1000}, {path, 1000, nnz / 1000}};
    for (int i = 0; i < 2; i++) {
      double seconds, cpu;
      NKE_TRY(measure(&shapes[i], m, &seconds, &cpu));
      if (rank == 0)
        printf("%9lld non-zeros, %6lld rows of %lld columns -> %lld: %.4f s, %.4f s of processor time on rank 0 (%.1f ns a non-zero), peak %lld MiB\n",
               (long long)nnz, (long long)shapes[i].n, (long long)D, (long long)m, seconds,
               cpu, 1e9 * cpu * ranks / (double)nnz, (long long)nke_peak_rss() >> 20);
    }
  }
done:
  return st;
}

int main(int argc, char **argv)
{
  MPI_Init(&argc, &argv);
  nke_status st = argc < 2 ? nke_fail(NKE_ERR_USAGE, "expected a folder")
                           : bench(argv[1], argc > 2 ? atoll(argv[2]) : 100000000, argc > 3 ? atoll(argv[3]) : 1024);
  if (st != NKE_OK) fprintf(stderr, "bench_sparse: %s\n", nke_error_text());
  MPI_Finalize();
  return nke_status_exit_code(st);
}
