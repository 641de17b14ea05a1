#include "data/targets.h"

#include "base/checked.h"
#include "base/memory.h"
#include "data/sums.h"
#include "dist/split.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct nke_targets {
  nke_task task;
  int64_t count;    /* k */
  int64_t columns;  /* of the file's y */
  int64_t *classes; /* classification: [count] ascending */
  double *means;    /* regression: [count] */
};

/* Rows of y read in one call while fitting. */
enum { FIT_ROWS = 1 << 16 };

/* Labels from this size on do not all have a double of their own: 2^53 may have been 2^53 + 1 in the file. */
#define LABEL_LIMIT 9007199254740992.0

static bool is_label(double y)
{
  return y == rint(y) && fabs(y) < LABEL_LIMIT;
}

void nke_targets_destroy(nke_targets **targets)
{
  nke_targets *t = *targets;
  if (!t) return;
  nke_free(t->classes);
  nke_free(t->means);
  nke_free(t);
  *targets = NULL;
}

/* A sorted set of labels. */
typedef struct label_set {
  int64_t count, *labels;
} label_set;

static int compare(const void *a, const void *b)
{
  const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return (x > y) - (x < y);
}

/* set = set united with labels[n], which gets sorted. */
static nke_status unite(label_set *set, int64_t n, int64_t *labels, const char *path)
{
  int64_t *all = NULL, count = 0, i = 0, j = 0;
  qsort(labels, (size_t)n, sizeof *labels, compare);
  const nke_status st = nke_alloc(set->count + n, sizeof *all, "classes", &all);
  if (st != NKE_OK) return st;
  while (i < set->count || j < n) {
    const bool from_set = j == n || (i < set->count && set->labels[i] <= labels[j]);
    const int64_t next = from_set ? set->labels[i++] : labels[j++];
    if (count == 0 || all[count - 1] != next) all[count++] = next;
  }
  nke_free(set->labels);
  *set = (label_set){count, all};
  if (count > NKE_MAX_CLASSES)
    return nke_fail(NKE_ERR_DATA, "%s: y: more than %d classes: is this regression?", path, NKE_MAX_CLASSES);
  return NKE_OK;
}

/* The classes of this rank's rows. */
static nke_status collect(nke_dataset *train, nke_range rows, label_set *set)
{
  nke_status st = NKE_OK;
  double *y = NULL;
  int64_t *labels = NULL;
  NKE_TRY(nke_alloc(FIT_ROWS, sizeof *y, "labels", &y));
  NKE_TRY(nke_alloc(FIT_ROWS, sizeof *labels, "labels", &labels));
  for (int64_t first = rows.begin; first < rows.end; first += FIT_ROWS) {
    const int64_t n = nke_min(FIT_ROWS, rows.end - first);
    NKE_TRY(nke_dataset_read_range(train, (nke_range){first, first + n}, NULL, y));
    for (int64_t i = 0; i < n; i++) {
      if (!is_label(y[i]))
        NKE_TRY(nke_fail(NKE_ERR_DATA,
                         "%s: y: row %lld: expected a class number%s, got %.17g; other numbers are data.task: regression",
                         nke_dataset_path(train), (long long)(nke_dataset_first_row(train) + first + i),
                         fabs(y[i]) < LABEL_LIMIT ? "" : " of size below 2^53", y[i]));
      labels[i] = (int64_t)y[i];
    }
    NKE_TRY(unite(set, n, labels, nke_dataset_path(train)));
  }
done:
  nke_free(labels);
  nke_free(y);
  return st;
}

/* Make the set the union over the ranks: gathered on rank 0, broadcast. */
static nke_status unite_ranks(MPI_Comm comm, label_set *set, const char *path)
{
  nke_status st = NKE_OK;
  int rank, size, total = 0, count = (int)set->count, *counts = NULL, *offsets = NULL;
  int64_t *all = NULL, sum = 0;
  MPI_Comm_rank(comm, &rank);
  MPI_Comm_size(comm, &size);
  st = nke_calloc(size, sizeof *counts, "class counts", &counts);
  if (st == NKE_OK) st = nke_calloc(size, sizeof *offsets, "class counts", &offsets);
  NKE_TRY(nke_agree(comm, st));
  NKE_TRY_MPI(MPI_Allgather(&count, 1, MPI_INT, counts, 1, MPI_INT, comm));
  for (int r = 0; r < size; r++) {
    offsets[r] = (int)sum;
    sum += counts[r];
    NKE_TRY(nke_to_int(sum, "class labels of all ranks", &total));
  }
  if (rank == 0) st = nke_alloc(total, sizeof *all, "classes", &all);
  NKE_TRY(nke_agree(comm, st));
  NKE_TRY_MPI(MPI_Gatherv(set->labels, count, MPI_INT64_T, all, counts, offsets, MPI_INT64_T, 0, comm));
  if (rank == 0) st = unite(set, total, all, path);
  NKE_TRY(nke_agree(comm, st));
  NKE_TRY_MPI(MPI_Bcast(&set->count, 1, MPI_INT64_T, 0, comm));
  if (rank != 0) {
    nke_free(set->labels);
    set->labels = NULL;
    st = nke_alloc(set->count, sizeof *set->labels, "classes", &set->labels);
  }
  NKE_TRY(nke_agree(comm, st));
  NKE_TRY_MPI(MPI_Bcast(set->labels, (int)set->count, MPI_INT64_T, 0, comm));
done:
  nke_free(all);
  nke_free(offsets);
  nke_free(counts);
  return st;
}

static nke_status fit_classes(MPI_Comm comm, nke_dataset *train, nke_range rows, nke_targets *t)
{
  nke_status st = NKE_OK;
  label_set set = {0};
  if (t->columns != 1)
    return nke_fail(NKE_ERR_DATA,
                    "%s: y: expected one class number a row, got %lld columns; of one-hot rows save y.argmax(axis=1), "
                    "of several targets set data.task: regression",
                    nke_dataset_path(train), (long long)t->columns);
  NKE_TRY(nke_agree(comm, collect(train, rows, &set)));
  NKE_TRY(unite_ranks(comm, &set, nke_dataset_path(train)));
  if (set.count < 2)
    NKE_TRY(nke_fail(NKE_ERR_DATA, "%s: y: expected at least two classes, got %lld", nke_dataset_path(train),
                     (long long)set.count));
  t->count = set.count;
  t->classes = set.labels;
  set.labels = NULL;
done:
  nke_free(set.labels);
  return st;
}

static nke_status add_columns(nke_dataset *train, nke_range rows, int64_t k, nke_dd *sums)
{
  nke_status st = NKE_OK;
  double *y = NULL;
  const int64_t most = nke_max(1, FIT_ROWS / k);
  NKE_TRY(nke_alloc(most * k, sizeof *y, "targets", &y));
  for (int64_t first = rows.begin; first < rows.end; first += most) {
    const int64_t n = nke_min(most, rows.end - first);
    NKE_TRY(nke_dataset_read_range(train, (nke_range){first, first + n}, NULL, y));
    for (int64_t i = 0; i < n; i++)
      for (int64_t j = 0; j < k; j++) sums[j] = nke_dd_add_double(sums[j], y[i * k + j]);
  }
done:
  nke_free(y);
  return st;
}

static nke_status fit_means(MPI_Comm comm, nke_dataset *train, nke_range rows, nke_targets *t)
{
  nke_status st = NKE_OK;
  nke_dd *sums = NULL;
  t->count = t->columns;
  st = nke_calloc(t->count, sizeof *t->means, "target means", &t->means);
  if (st == NKE_OK) st = nke_calloc(t->count, sizeof *sums, "target sums", &sums);
  if (st == NKE_OK) st = add_columns(train, rows, t->count, sums);
  NKE_TRY(nke_agree(comm, st));
  NKE_TRY(nke_dd_allreduce(comm, t->count, sums));
  for (int64_t j = 0; j < t->count; j++) {
    t->means[j] = nke_dd_round(sums[j]) / (double)nke_dataset_originals(train);
    if (!isfinite(t->means[j]))
      NKE_TRY(nke_fail(NKE_ERR_NUMERIC, "%s: y: column %lld: the mean overflows", nke_dataset_path(train),
                       (long long)j));
  }
done:
  nke_free(sums);
  return st;
}

nke_status nke_targets_fit(MPI_Comm comm, nke_dataset *train, nke_task task, nke_targets **out)
{
  nke_targets *t = NULL;
  int rank, size;
  *out = NULL;
  MPI_Comm_rank(comm, &rank);
  MPI_Comm_size(comm, &size);
  const nke_range rows = nke_split(nke_dataset_originals(train), size, rank);
  nke_status st = nke_calloc(1, sizeof *t, "targets", &t);
  NKE_TRY(nke_agree(comm, st));
  t->task = task;
  t->columns = nke_dataset_targets(train);
  if (t->columns == 0) NKE_TRY(nke_fail(NKE_ERR_DATA, "%s: no targets: y is not given", nke_dataset_path(train)));
  if (task == NKE_TASK_CLASSIFICATION)
    NKE_TRY(fit_classes(comm, train, rows, t));
  else
    NKE_TRY(fit_means(comm, train, rows, t));
  *out = t;
  t = NULL;
done:
  nke_targets_destroy(&t);
  return st;
}

nke_task nke_targets_task(const nke_targets *t) { return t->task; }
int64_t nke_targets_count(const nke_targets *t) { return t->count; }
int64_t nke_targets_columns(const nke_targets *t) { return t->columns; }

int64_t nke_targets_find(const nke_targets *t, double label)
{
  if (!is_label(label)) return -1;
  const int64_t key = (int64_t)label;
  const int64_t *at = bsearch(&key, t->classes, (size_t)t->count, sizeof key, compare);
  return at ? at - t->classes : -1;
}

nke_status nke_targets_encode(const nke_targets *t, const nke_dataset *dataset, int64_t n, const int64_t *rows,
                              const double *y, double *out)
{
  const int64_t k = t->count;
  if (nke_dataset_targets(dataset) != t->columns)
    return nke_fail(NKE_ERR_DATA, "%s: y: expected %lld target columns as in training, got %lld",
                    nke_dataset_path(dataset), (long long)t->columns, (long long)nke_dataset_targets(dataset));
  for (int64_t i = 0; i < n; i++) {
    if (t->task == NKE_TASK_REGRESSION) {
      for (int64_t j = 0; j < k; j++) out[i * k + j] = y[i * k + j] - t->means[j];
      continue;
    }
    const int64_t class = nke_targets_find(t, y[i]);
    if (class < 0)
      return nke_fail(NKE_ERR_DATA, "%s: y: row %lld: expected one of the %lld classes of the training rows, got %.17g",
                      nke_dataset_path(dataset),
                      (long long)(nke_dataset_first_row(dataset) + rows[i] % nke_dataset_originals(dataset)),
                      (long long)k, y[i]);
    for (int64_t j = 0; j < k; j++) out[i * k + j] = (j == class) - 1 / (double)k;
  }
  return NKE_OK;
}

int64_t nke_targets_largest(int64_t k, const double *scores)
{
  int64_t best = 0;
  for (int64_t j = 1; j < k; j++)
    if (scores[j] > scores[best]) best = j;
  return best;
}

void nke_targets_decode(const nke_targets *t, int64_t n, const double *scores, double *out)
{
  const int64_t k = t->count;
  for (int64_t i = 0; i < n; i++) {
    if (t->task == NKE_TASK_REGRESSION) {
      for (int64_t j = 0; j < k; j++) out[i * k + j] = scores[i * k + j] + t->means[j];
      continue;
    }
    out[i] = (double)t->classes[nke_targets_largest(k, scores + i * k)];
  }
}

nke_status nke_targets_save(const nke_targets *t, nke_h5file *file)
{
  nke_status st = NKE_OK;
  NKE_TRY(nke_h5file_put_int(file, "/targets", "task", t->task));
  NKE_TRY(nke_h5file_put_int(file, "/targets", "columns", t->columns));
  if (t->task == NKE_TASK_CLASSIFICATION)
    NKE_TRY(nke_h5file_put(file, "/targets/classes", NKE_H5_I64, 1, &t->count, t->classes));
  else
    NKE_TRY(nke_h5file_put(file, "/targets/means", NKE_H5_F64, 1, &t->count, t->means));
done:
  return st;
}

static nke_status check_loaded(const nke_targets *t, const char *path)
{
  bool ok = t->count > 0;
  if (t->task == NKE_TASK_CLASSIFICATION) {
    ok = ok && t->columns == 1 && t->count >= 2;
    for (int64_t j = 1; j < t->count; j++) ok = ok && t->classes[j - 1] < t->classes[j];
  } else {
    ok = ok && t->columns == t->count;
    for (int64_t j = 0; j < t->count; j++) ok = ok && isfinite(t->means[j]);
  }
  return ok ? NKE_OK : nke_fail(NKE_ERR_DATA, "%s: corrupt: /targets is damaged", path);
}

nke_status nke_targets_load(nke_h5file *file, nke_targets **out)
{
  nke_status st = NKE_OK;
  nke_targets *t = NULL;
  int64_t task = 0, most = (int64_t)1 << 30;
  *out = NULL;
  NKE_TRY(nke_agree(nke_h5file_comm(file), nke_calloc(1, sizeof *t, "targets", &t)));
  t->count = -1;
  NKE_TRY(nke_h5file_get_int(file, "/targets", "task", &task));
  NKE_TRY(nke_h5file_get_int(file, "/targets", "columns", &t->columns));
  t->task = task == NKE_TASK_CLASSIFICATION ? NKE_TASK_CLASSIFICATION : NKE_TASK_REGRESSION;
  if (t->task == NKE_TASK_CLASSIFICATION)
    NKE_TRY(nke_h5file_get(file, "/targets/classes", NKE_H5_I64, 1, &t->count, NKE_MAX_CLASSES * 8, &t->classes));
  else
    NKE_TRY(nke_h5file_get(file, "/targets/means", NKE_H5_F64, 1, &t->count, most, &t->means));
  NKE_TRY(check_loaded(t, nke_h5file_path(file)));
  *out = t;
  t = NULL;
done:
  nke_targets_destroy(&t);
  return st;
}
