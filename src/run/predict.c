/* `nke predict MODEL.h5 DATA.h5 --out FILE.h5`: scores, and classes or values, for new rows; metrics where labels exist. */
#include "base/memory.h"
#include "data/h5file.h"
#include "run/input.h"
#include "run/model_session.h"
#include "run/plan.h"
#include "run/score.h"
#include "run/variance.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct predict {
  nke_session session;
  nke_model model;
  nke_h5file *out;
  nke_metrics_sum **sums; /* NULL without labels */
  nke_metrics metrics;
  nke_variance *variance;      /* NULL: the model has no factor */
  nke_preprocess *as_they_are; /* of an exact model's rows */
} predict;

static nke_status create_outputs(predict *p, int64_t n)
{
  nke_status st = NKE_OK;
  const int64_t scores[2] = {n, p->model.k}, classes[1] = {n};
  NKE_TRY(nke_h5file_put_string(p->out, "/", "kind", "predictions"));
  NKE_TRY(nke_h5file_create_dataset(p->out, "/scores", NKE_H5_F64, 2, scores, NULL));
  if (nke_targets_task(p->model.targets) == NKE_TASK_CLASSIFICATION)
    NKE_TRY(nke_h5file_create_dataset(p->out, "/class", NKE_H5_I64, 1, classes, NULL));
  if (p->variance) NKE_TRY(nke_h5file_create_dataset(p->out, "/variance", NKE_H5_F64, 1, classes, NULL));
done:
  return st;
}

/* Classification: scores as they are and the class; regression: /scores in the file's units. */
static nke_status write_rows(const predict *p, const nke_slab *slab, const double *scores)
{
  nke_status st = NKE_OK;
  double *decoded = NULL;
  const int64_t start[2] = {slab->first, 0}, count[2] = {slab->n, p->model.k};
  const int classifies = nke_targets_task(p->model.targets) == NKE_TASK_CLASSIFICATION;
  NKE_TRY(nke_alloc(slab->n * p->model.k, sizeof *decoded, "predictions", &decoded));
  nke_targets_decode(p->model.targets, slab->n, scores, decoded);
  NKE_TRY(nke_h5file_write(p->out, "/scores", NKE_H5_F64, 2, start, count, classifies ? scores : decoded));
  if (classifies) NKE_TRY(nke_h5file_write(p->out, "/class", NKE_H5_F64, 1, start, count, decoded));
done:
  nke_free(decoded);
  return st;
}

/* Collective; its status is this rank's. */
static nke_status write_variance(const predict *p, const nke_slab *slab)
{
  nke_status st = NKE_OK;
  double *variance = NULL;
  NKE_TRY(nke_agree(p->session.comm, nke_alloc(slab->n, sizeof *variance, "posterior variances", &variance)));
  NKE_TRY(nke_variance_apply(p->variance, slab, variance));
  st = nke_h5file_write(p->out, "/variance", NKE_H5_F64, 1, &slab->first, &slab->n, variance);
done:
  nke_free(variance);
  return st;
}

static nke_status sink(void *context, const nke_slab *slab, const double *scores)
{
  const predict *const p = context;
  const nke_status st = nke_agree(p->session.comm, write_rows(p, slab, scores));
  return st == NKE_OK && p->variance ? nke_agree(p->session.comm, write_variance(p, slab)) : st;
}

/* The part of the config whose rows have this name; NULL: none. By default the test rows, else the training rows. */
static const nke_data_spec *part_named(const nke_config *config, const char *x)
{
  const nke_data_spec *const test = config->data.test.file ? &config->data.test : NULL;
  const nke_data_spec *const train = &config->data.train;
  if (!x || !train->x) return test ? test : train; /* rows of a text file have no name */
  if (test && test->x && strcmp(x, test->x) == 0) return test;
  return strcmp(x, train->x) == 0 ? train : NULL;
}

/* The rows of the command line; what it does not name has the names of the model's config, whose targets need not be in
 * another file. Targets are those that belong to the rows there. d: of a row. */
static nke_data_spec rows_asked(const nke_invocation *inv, const nke_config *config, int64_t d)
{
  const nke_data_spec *const names = part_named(config, inv->x);
  const char *const y = names ? names->y : NULL;
  const nke_input_sketch sketch = config->data.sketch.kind;
  nke_data_spec spec = {.file = inv->files[1],
                        .x = inv->x ? inv->x : names->x,
                        .y = inv->y ? inv->y : y,
                        .least = nke_input_least(config, d),
                        .row_begin = inv->rows.begin,
                        .row_end = inv->rows.end};
  if (!inv->y) spec.targets = NKE_TARGETS_IF_THERE;
  if (inv->y && strcmp(inv->y, "none") == 0) spec.targets = NKE_TARGETS_NONE;
  if (sketch == NKE_INPUT_AUTO || sketch == NKE_INPUT_AS_IT_IS) spec.columns = d;
  return spec;
}

/* The config, network and embedding come from the model; the rows from the command line. */
static nke_status open_all(const nke_invocation *inv, predict *p)
{
  nke_status st = NKE_OK;
  nke_session *const s = &p->session;
  const nke_shape *const asked = &p->model.shape;
  char text[NKE_SHAPE_CHARS], trained[NKE_SHAPE_CHARS];
  NKE_TRY(nke_model_load(inv->comm, inv->files[0], &p->model));
  NKE_TRY(nke_model_session(inv->files[0], &p->model, s, &p->as_they_are));
  NKE_TRY(nke_variance_open(inv->files[0], &p->model, s, &p->variance));
  const nke_data_spec spec = rows_asked(inv, s->config, nke_shape_length(p->model.shape));
  NKE_TRY(nke_input_open(inv->comm, s->config, &spec, &s->test));
  const nke_shape got = nke_dataset_shape(s->test);
  if (!nke_shape_same(got, *asked))
    NKE_TRY(nke_fail(NKE_ERR_DATA, "%s: rows %s, but %s was trained on %s", nke_dataset_path(s->test),
                     nke_shape_text(got, text), inv->files[0], nke_shape_text(*asked, trained)));
  st = nke_dataset_check_names(s->test, p->model.names, inv->files[0]);
done:
  return st;
}

static const char *out_of(const nke_invocation *inv)
{
  return inv->out ? inv->out : "predictions.h5";
}

/* Not over the model or the rows. */
static nke_status check_output(const nke_invocation *inv, const predict *p)
{
  nke_status st = NKE_OK;
  const char *const out = out_of(inv);
  int rank;
  MPI_Comm_rank(inv->comm, &rank);
  if (rank == 0 && nke_same_file(out, inv->files[0])) st = nke_input_in_use(out, "--out");
  NKE_TRY(nke_agree(inv->comm, st));
  NKE_TRY(nke_input_spare(inv->comm, p->session.test, out, "--out"));
  st = nke_h5file_may_create(inv->comm, out, inv->force);
done:
  return st;
}

static nke_plan plan_of(const nke_invocation *inv, const predict *p)
{
  const nke_session *const s = &p->session;
  const double n = (double)nke_dataset_rows(s->test), m = (double)s->m;
  nke_plan plan = nke_plan_begin(s->train, NULL, s->test); /* the model, read by now, is of the program */
  int ranks;
  MPI_Comm_size(inv->comm, &ranks);
  snprintf(plan.what, sizeof plan.what, "rows %.0f, entries a row %lld, features %.0f, targets %lld", n,
           (long long)nke_shape_length(s->shape), m, (long long)p->model.k);
  nke_plan_slab(s, ranks, &plan);
  nke_plan_scores(s, ranks, 1, &plan);
  plan.flops_embed = s->embedder.flops_per_row * n;
  plan.advice = "more ranks";
  plan.file = out_of(inv);
  plan.file_bytes = 8 * n * (double)(p->model.k + 1 + (p->variance ? 1 : 0));
  if (!p->variance) return plan;
  plan.solve = (double)nke_variance_bytes(p->variance, s->embedder.slab.own);
  plan.flops_solve = m * m * n;
  return plan;
}

static void print_result(const predict *p)
{
  const nke_metrics *const m = &p->metrics;
  printf("%s: %lld rows", nke_h5file_path(p->out), (long long)nke_dataset_rows(p->session.test));
  if (p->session.targets) {
    if (!isnan(m->accuracy)) printf(", accuracy %.3f %%", 100 * m->accuracy);
    printf(", mse %.10g", m->mse);
    if (!isnan(m->r2)) printf(", rmse %.10g, r2 %.8f", m->rmse, m->r2);
  }
  printf("\n");
  fflush(stdout);
}

static nke_status run(const nke_invocation *inv, predict *p)
{
  nke_status st = NKE_OK;
  nke_session *const s = &p->session;
  int rank;
  MPI_Comm_rank(inv->comm, &rank);
  NKE_TRY(open_all(inv, p));
  s->targets = nke_dataset_targets(s->test) > 0 ? p->model.targets : NULL;
  nke_session_ready(s);
  const nke_plan plan = plan_of(inv, p);
  NKE_TRY(nke_plan_settle(inv, s->config, &plan));
  NKE_TRY(check_output(inv, p));
  if (inv->dry_run) goto done;
  NKE_TRY(nke_h5file_create(inv->comm, out_of(inv), inv->force, &p->out));
  const nke_rows all = nke_rows_all(nke_dataset_rows(s->test));
  NKE_TRY(create_outputs(p, all.n));
  NKE_TRY(nke_agree(inv->comm, nke_score_sums_create(&s->embedder, 1, &p->sums)));
  NKE_TRY(nke_score_dataset(&s->embedder, s->test, &all, 0, "predict", s->m, p->model.k, 1, p->model.weights, p->sums,
                            sink, p));
  NKE_TRY(nke_score_sums_reduce(&s->embedder, 1, p->sums, &p->metrics));
  if (rank == 0) print_result(p);
  st = nke_h5file_commit(&p->out);
done:
  return st;
}

nke_status nke_predict_run(const nke_invocation *invocation)
{
  predict p = {.session = {.comm = invocation->comm, .invocation = invocation}};
  const nke_status st = run(invocation, &p);
  nke_h5file_close(&p.out);
  nke_variance_close(&p.variance);
  nke_score_sums_destroy(1, &p.sums);
  nke_model_session_close(&p.session, &p.as_they_are);
  nke_model_clear(&p.model);
  return st;
}
