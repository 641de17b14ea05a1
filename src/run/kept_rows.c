#include "run/kept_rows.h"

#include "base/memory.h"
#include "run/input.h"

#include <string.h>

static const char features[] = "/features", times[] = "/seconds";

static nke_h5type type_of(const nke_kept_rows *k)
{
  return k->precision == NKE_SINGLE ? NKE_H5_F32 : NKE_H5_F64;
}

static nke_status create(MPI_Comm comm, const char *path, const char *identity, const nke_kept_rows *k)
{
  nke_status st = NKE_OK;
  nke_h5file *h5 = NULL;
  NKE_TRY(nke_h5file_create(comm, path, false, &h5));
  NKE_TRY(nke_h5file_put_string(h5, "/", "kind", "feature rows"));
  NKE_TRY(nke_h5file_put_string(h5, "/", "identity", identity));
  NKE_TRY(nke_h5file_create_dataset(h5, features, type_of(k), 2, (const int64_t[]){k->n, k->m}, NULL));
  NKE_TRY(nke_h5file_create_dataset(h5, times, NKE_H5_F64, 1, &k->n, NULL));
  NKE_TRY(nke_h5file_commit(&h5));
done:
  nke_h5file_close(&h5);
  return st;
}

/* NKE_OK: the file at `path` is one that create() would make; NKE_ERR_USAGE: of another identity; NKE_ERR_DATA: none,
 * or damaged. Collective. */
static nke_status check(MPI_Comm comm, const char *path, const char *identity, const nke_kept_rows *k)
{
  nke_h5file *h5 = NULL;
  char *found = NULL;
  nke_status st = NKE_ERR_DATA;
  if (nke_h5file_exists(comm, path)) st = nke_h5file_open(comm, path, &h5);
  if (st == NKE_OK) st = nke_h5file_get_string(h5, "/", "identity", &found);
  if (st == NKE_OK && strcmp(found, identity) != 0)
    st = nke_fail(NKE_ERR_USAGE, "%s: the rows of %s (%s; this run: %s); remove it, or --force to start anew", path,
                  nke_input_other(found, identity), found, identity);
  if (st == NKE_OK) st = nke_h5file_expect(h5, features, 2, (const int64_t[]){k->n, k->m}, NULL);
  if (st == NKE_OK) st = nke_h5file_expect(h5, times, 1, &k->n, NULL);
  nke_free(found);
  nke_h5file_close(&h5);
  return st;
}

bool nke_kept_rows_pay(MPI_Comm comm, double flops, double seconds)
{
  static const double rate = 1e10; /* flops a second of a rank */
  int ranks;
  MPI_Comm_size(comm, &ranks);
  return flops > rate * ranks * seconds;
}

nke_status nke_kept_rows_open(MPI_Comm comm, const char *path, const char *identity, bool replace,
                              nke_precision precision, int64_t n, int64_t m, nke_kept_rows *k)
{
  *k = (nke_kept_rows){.precision = precision, .n = n, .m = m};
  nke_status st = check(comm, path, identity, k);
  if (st == NKE_ERR_USAGE && !replace) goto done;
  if (st != NKE_OK) NKE_TRY(create(comm, path, identity, k));
  st = nke_h5file_update(comm, path, &k->h5);
done:
  return st;
}

void nke_kept_rows_close(nke_kept_rows *k)
{
  nke_h5file_close(&k->h5);
}

nke_status nke_kept_rows_seconds(const nke_kept_rows *k, nke_range range, double *seconds)
{
  const int64_t count = range.end - range.begin;
  const int64_t start = range.begin;
  return nke_h5file_read(k->h5, times, NKE_H5_F64, 1, &start, &count, seconds);
}

nke_status nke_kept_rows_read(const nke_kept_rows *k, nke_range range, void *z)
{
  const int64_t start[2] = {range.begin, 0}, count[2] = {range.end - range.begin, k->m};
  return nke_h5file_read(k->h5, features, type_of(k), 2, start, count, z);
}

nke_status nke_kept_rows_write(const nke_kept_rows *k, nke_range range, const void *z, double seconds)
{
  nke_status st = NKE_OK;
  const int64_t start[2] = {range.begin, 0}, count[2] = {range.end - range.begin, k->m};
  double *each = NULL;
  NKE_TRY(nke_alloc(count[0], sizeof *each, "seconds of the rows", &each));
  for (int64_t i = 0; i < count[0]; i++) each[i] = seconds;
  NKE_TRY(nke_h5file_write(k->h5, features, type_of(k), 2, start, count, z));
  NKE_TRY(nke_h5file_sync(k->h5));
  st = nke_h5file_write(k->h5, times, NKE_H5_F64, 1, start, count, each);
done:
  nke_free(each);
  return st;
}
