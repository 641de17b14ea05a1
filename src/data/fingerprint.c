/* Checksums that tell the rows of one data set from those of another. */
#include "base/checked.h"
#include "base/memory.h"
#include "data/dataset.h"
#include "data/dataset_impl.h"
#include "data/h5file.h"

/* At most so many rows; fewer, but some, where they are long; and columns of a long one that are read at once. */
enum { MOST_ROWS = 64, LEAST_ROWS = 4, MOST_VALUES = 1 << 23, PIECE = 1 << 20 };

typedef struct sample {
  nke_sparse sparse;
  double *x, *y;
} sample;

/* Continue checksum `sum` by `bytes` more. */
static int64_t add(int64_t sum, int64_t bytes, const void *data)
{
  const int64_t both[2] = {sum, nke_h5file_checksum(bytes, data)};
  return nke_h5file_checksum(sizeof both, both);
}

/* Rows longer than a rank's memory are read by columns. */
static bool in_pieces(const nke_dataset *d)
{
  return nke_dataset_has_columns(d) && nke_shape_length(d->source.shape) > PIECE;
}

static nke_status add_pieces(nke_dataset *d, int64_t row, sample *s, int64_t *sum)
{
  nke_status st = NKE_OK;
  const int64_t length = nke_shape_length(d->source.shape);
  for (int64_t begin = 0; begin < length; begin += PIECE) {
    const nke_range columns = {begin, nke_min(begin + PIECE, length)};
    NKE_TRY(d->source.class->read_columns(&d->source, row, columns, s->x));
    *sum = add(*sum, 8 * (columns.end - columns.begin), s->x);
  }
done:
  return st;
}

/* Row `row` of the file, as the file has it: a sketch of it may have other last bits on another machine. */
static nke_status add_row(nke_dataset *d, int64_t row, sample *s, nke_fingerprint *sum)
{
  nke_status st = NKE_OK;
  const nke_source_class *const class = d->source.class;
  const bool targets = d->source.targets > 0;
  if (d->source.entries > 0) {
    NKE_TRY(class->read_sparse(&d->source, row, 1, &s->sparse, targets ? s->y : NULL));
    sum->x = add(sum->x, 8 * s->sparse.start[1], s->sparse.index);
    sum->x = add(sum->x, 8 * s->sparse.start[1], s->sparse.value);
  } else if (in_pieces(d)) {
    NKE_TRY(add_pieces(d, row, s, &sum->x));
    if (targets) NKE_TRY(class->read(&d->source, row, 1, NULL, s->y));
  } else {
    NKE_TRY(class->read(&d->source, row, 1, s->x, targets ? s->y : NULL));
    sum->x = add(sum->x, 8 * nke_shape_length(d->source.shape), s->x);
  }
  if (targets) sum->y = add(sum->y, 8 * d->source.targets, s->y);
done:
  return st;
}

static nke_status sum_here(nke_dataset *d, nke_fingerprint *sum)
{
  nke_status st = NKE_OK;
  sample s = {0};
  const int64_t n = nke_dataset_originals(d), length = nke_shape_length(d->source.shape);
  const int64_t count = nke_min(n, nke_max(LEAST_ROWS, nke_min(MOST_ROWS, MOST_VALUES / length)));
  if (d->source.entries == 0) NKE_TRY(nke_alloc(in_pieces(d) ? PIECE : length, sizeof *s.x, "a row", &s.x));
  NKE_TRY(nke_alloc(nke_max(1, d->source.targets), sizeof *s.y, "targets of a row", &s.y));
  sum->x = sum->y = add(0, sizeof n, &n);
  for (int64_t i = 0; i < count; i++) {
    const int64_t row = count > 1 ? (int64_t)((double)i * (double)(n - 1) / (double)(count - 1)) : 0;
    NKE_TRY(add_row(d, d->rows.begin + row, &s, sum));
  }
done:
  nke_free(s.x);
  nke_free(s.y);
  nke_sparse_clear(&s.sparse);
  return st;
}

nke_status nke_dataset_fingerprint(MPI_Comm comm, nke_dataset *d, nke_fingerprint *out)
{
  nke_status st = NKE_OK;
  int rank;
  if (!d->fingerprinted) {
    MPI_Comm_rank(comm, &rank);
    NKE_TRY(nke_agree(comm, rank == 0 ? sum_here(d, &d->fingerprint) : NKE_OK));
    int64_t sums[2] = {d->fingerprint.x, d->fingerprint.y};
    NKE_TRY_MPI(MPI_Bcast(sums, 2, MPI_INT64_T, 0, comm));
    nke_dataset_set_fingerprint(d, (nke_fingerprint){sums[0], sums[1]});
  }
  *out = d->fingerprint;
done:
  return st;
}

void nke_dataset_set_fingerprint(nke_dataset *d, nke_fingerprint fingerprint)
{
  d->fingerprint = fingerprint;
  d->fingerprinted = true;
}
