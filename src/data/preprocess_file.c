#include "data/preprocess_steps.h"

#include <stdbool.h>
#include <stdio.h>

static const char group[] = "/preprocess";

typedef struct step_names {
  char group[64], mean[64], scale[64], matrix[64];
} step_names;

static step_names names_of(int i)
{
  step_names n;
  snprintf(n.group, sizeof n.group, "%s/step%d", group, i);
  snprintf(n.mean, sizeof n.mean, "%s/step%d/mean", group, i);
  snprintf(n.scale, sizeof n.scale, "%s/step%d/scale", group, i);
  snprintf(n.matrix, sizeof n.matrix, "%s/step%d/matrix", group, i);
  return n;
}

static nke_status save_step(const nke_fitted_step *f, int i, nke_h5file *file)
{
  nke_status st = NKE_OK;
  const step_names n = names_of(i);
  const int64_t square[2] = {f->length, f->length};
  NKE_TRY(nke_h5file_put_int(file, n.group, "kind", f->step.kind));
  NKE_TRY(nke_h5file_put_double(file, n.group, "eps", f->step.eps));
  if (f->mean) NKE_TRY(nke_h5file_put(file, n.mean, NKE_H5_F64, 1, &f->length, f->mean));
  if (f->scale) NKE_TRY(nke_h5file_put(file, n.scale, NKE_H5_F64, 1, &f->length, f->scale));
  if (f->matrix) NKE_TRY(nke_h5file_put(file, n.matrix, NKE_H5_F64, 2, square, f->matrix));
done:
  return st;
}

nke_status nke_preprocess_save(const nke_preprocess *p, nke_h5file *file)
{
  nke_status st = NKE_OK;
  NKE_TRY(nke_h5file_put_int(file, group, "steps", p->n_steps));
  NKE_TRY(nke_h5file_put_int(file, group, "axes", p->shape.axes));
  NKE_TRY(nke_h5file_put_int(file, group, "height", p->shape.height));
  NKE_TRY(nke_h5file_put_int(file, group, "width", p->shape.width));
  NKE_TRY(nke_h5file_put_int(file, group, "channels", p->shape.channels));
  for (int i = 0; i < p->n_steps; i++) NKE_TRY(save_step(&p->steps[i], i, file));
done:
  return st;
}

static bool all_finite(int64_t n, const double *v)
{
  double sum = 0;
  for (int64_t i = 0; i < n; i++) sum += 0 * v[i];
  return sum == 0;
}

static nke_status load_array(nke_h5file *file, const char *name, int rank, int64_t length, double **out)
{
  int64_t dims[2] = {length, length};
  const int64_t count = rank == 2 ? length * length : length;
  const nke_status st = nke_h5file_get(file, name, NKE_H5_F64, rank, dims, 8 * count, out);
  if (st == NKE_OK && !all_finite(count, *out))
    return nke_fail(NKE_ERR_DATA, "%s: corrupt: %s is not finite", nke_h5file_path(file), name);
  return st;
}

static nke_status load_step(nke_h5file *file, nke_preprocess *p, int i)
{
  nke_status st = NKE_OK;
  int64_t kind;
  const step_names n = names_of(i);
  nke_fitted_step *f = &p->steps[i];
  NKE_TRY(nke_h5file_get_int(file, n.group, "kind", &kind));
  NKE_TRY(nke_h5file_get_double(file, n.group, "eps", &f->step.eps));
  f->step.kind = (nke_preprocess_kind)kind;
  switch (kind) {
    case NKE_PREPROCESS_STANDARDIZE:
      f->length = nke_standardize_length(p->shape);
      NKE_TRY(load_array(file, n.mean, 1, f->length, &f->mean));
      NKE_TRY(load_array(file, n.scale, 1, f->length, &f->scale));
      break;
    case NKE_PREPROCESS_LAYERNORM:
      break;
    case NKE_PREPROCESS_ZCA:
      f->length = nke_shape_length(p->shape);
      if (f->length > NKE_ZCA_MAX_LENGTH)
        NKE_TRY(nke_fail(NKE_ERR_DATA, "%s: corrupt: %s is larger than it can be", nke_h5file_path(file), n.matrix));
      NKE_TRY(load_array(file, n.mean, 1, f->length, &f->mean));
      NKE_TRY(load_array(file, n.matrix, 2, f->length, &f->matrix));
      break;
    default:
      st = nke_fail(NKE_ERR_DATA, "%s: corrupt: %s: unknown kind %lld", nke_h5file_path(file), n.group,
                    (long long)kind);
  }
done:
  return st;
}

static nke_status check_shape(nke_h5file *file, nke_shape shape)
{
  nke_status st = NKE_OK;
  int64_t axes, height, width, channels;
  char trained[NKE_SHAPE_CHARS], got[NKE_SHAPE_CHARS];
  NKE_TRY(nke_h5file_get_int(file, group, "axes", &axes));
  NKE_TRY(nke_h5file_get_int(file, group, "height", &height));
  NKE_TRY(nke_h5file_get_int(file, group, "width", &width));
  NKE_TRY(nke_h5file_get_int(file, group, "channels", &channels));
  if (axes != shape.axes || height != shape.height || width != shape.width || channels != shape.channels)
    st = nke_fail(NKE_ERR_DATA, "%s: trained on rows %s, got %s", nke_h5file_path(file),
                  nke_shape_text((nke_shape){(int)axes, height, width, channels}, trained), nke_shape_text(shape, got));
done:
  return st;
}

nke_status nke_preprocess_load(nke_h5file *file, nke_shape shape, nke_preprocess **out)
{
  nke_status st = NKE_OK;
  nke_preprocess *p = NULL;
  int64_t steps = 0;
  *out = NULL;
  NKE_TRY(nke_agree(nke_h5file_comm(file), nke_preprocess_create(shape, &p)));
  NKE_TRY(check_shape(file, shape));
  NKE_TRY(nke_h5file_get_int(file, group, "steps", &steps));
  if (steps < 0 || steps > NKE_PREPROCESS_MAX_STEPS)
    NKE_TRY(nke_fail(NKE_ERR_DATA, "%s: corrupt: %s: %lld steps", nke_h5file_path(file), group, (long long)steps));
  for (int i = 0; i < (int)steps; i++) NKE_TRY(load_step(file, p, i));
  p->n_steps = (int)steps;
  *out = p;
  p = NULL;
done:
  nke_preprocess_destroy(&p);
  return st;
}
