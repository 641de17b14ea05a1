#include "run/path_file.h"

#include "base/memory.h"

#include <math.h>
#include <string.h>

enum { POINT = 10, LARGEST = 1 << 20 /* bytes of a path */ };

static void pack(const nke_path_point *p, double *v)
{
  const nke_metrics *const m = &p->validation;
  const double values[POINT] = {p->lambda,    p->shift,    p->solved, p->residual, p->condition,
                                (double)m->n, m->accuracy, m->mse,    m->r2,       p->iterations};
  memcpy(v, values, sizeof values);
}

static void unpack(const double *v, nke_path_point *p)
{
  *p = (nke_path_point){
      .lambda = v[0], .shift = v[1], .solved = v[2] != 0, .residual = v[3], .condition = v[4], .iterations = (int)v[9]};
  p->validation = (nke_metrics){.n = (int64_t)v[5], .accuracy = v[6], .mse = v[7], .rmse = sqrt(v[7]), .r2 = v[8]};
}

nke_status nke_path_file_write(nke_h5file *file, const char *name, int64_t n, const nke_path_point *points)
{
  nke_status st = NKE_OK;
  double *v = NULL;
  NKE_TRY(nke_agree(nke_h5file_comm(file), nke_alloc(n * POINT, sizeof *v, "the path", &v)));
  for (int64_t i = 0; i < n; i++) pack(&points[i], v + i * POINT);
  st = nke_h5file_put(file, name, NKE_H5_F64, 2, (const int64_t[]){n, POINT}, v);
done:
  nke_free(v);
  return st;
}

nke_status nke_path_file_read(nke_h5file *file, const char *name, int64_t n, nke_path_point *points)
{
  nke_status st = NKE_OK;
  int64_t dims[2] = {n, POINT};
  double *v = NULL;
  NKE_TRY(nke_h5file_get(file, name, NKE_H5_F64, 2, dims, LARGEST, &v));
  for (int64_t i = 0; i < n; i++) unpack(v + i * POINT, &points[i]);
done:
  nke_free(v);
  return st;
}
