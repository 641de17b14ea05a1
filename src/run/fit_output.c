#include "run/fit_output.h"

#include "base/memory.h"
#include "data/h5file.h"
#include "run/checkpoint.h"
#include "run/fit_plan.h"
#include "run/model.h"
#include "run/report.h"
#include "solve/petsc_options.h"
#include "solve/ridge.h"

#include <stdio.h>

static nke_status model_path(const nke_fit *fit, char *path, size_t size)
{
  return nke_config_out(fit->session.config, "model.h5", path, size);
}

nke_status nke_fit_output_check(const nke_fit *fit)
{
  nke_status st = NKE_OK;
  const nke_session *const s = &fit->session;
  char path[4096];
  NKE_TRY(model_path(fit, path, sizeof path));
  NKE_TRY(nke_session_spare(s, path));
  NKE_TRY(nke_report_check(s->comm, s->config->run.out, "report.json", NULL, s->invocation->force));
  st = nke_h5file_may_create(s->comm, path, s->invocation->force);
done:
  return st;
}

/* A model begun and dropped: finds out now, not after hours, what would stop it from being written. */
nke_status nke_fit_output_try(const nke_fit *fit)
{
  nke_status st = NKE_OK;
  const nke_session *const s = &fit->session;
  nke_h5file *file = NULL;
  char path[4096];
  NKE_TRY(model_path(fit, path, sizeof path));
  st = nke_h5file_create(s->comm, path, s->invocation->force, &file);
done:
  nke_h5file_close(&file);
  return st;
}

/* What a model has as text; it is freed by who asked. */
static nke_status model_text(const nke_session *s, nke_model *model)
{
  const char *const names = nke_dataset_names(s->train);
  const nke_status st = nke_config_print(s->config, &model->config);
  return st == NKE_OK && names ? nke_strdup(names, &model->names) : st;
}

static nke_status write_model(const nke_fit *fit)
{
  nke_status st = NKE_OK;
  const nke_session *const s = &fit->session;
  char path[4096];
  nke_model model = {.shape = s->shape,
                     .preprocess = s->preprocess,
                     .targets = s->targets,
                     .m = s->m,
                     .k = s->k,
                     .rows = s->kernel ? s->train : NULL,
                     .weights = fit->weights,
                     .factor = fit->factor,
                     .lambda_relative = fit->final.lambda,
                     .lambda_absolute = fit->final.shift,
                     .sketch_period = s->config->data.sketch.period};
  NKE_TRY(nke_agree(s->comm, model_text(s, &model)));
  NKE_TRY(model_path(fit, path, sizeof path));
  st = nke_model_save(s->comm, path, s->invocation->force, &model);
done:
  nke_free(model.config);
  nke_free(model.names);
  return st;
}

static json_t *path_json(const nke_fit *fit)
{
  json_t *const list = json_array();
  for (int i = 0; i < fit->n_path; i++) {
    const nke_path_point *const p = &fit->path[i];
    json_t *const row = json_object();
    json_object_set_new(row, "lambda", json_real(p->lambda));
    json_object_set_new(row, "lambda_absolute", json_real(p->shift));
    json_object_set_new(row, "solved", json_boolean(p->solved));
    json_object_set_new(row, "residual", nke_report_number(p->residual));
    json_object_set_new(row, "condition", nke_report_number(p->condition));
    if (p->iterations > 0) json_object_set_new(row, "iterations", json_integer(p->iterations));
    json_object_set_new(row, "validation", nke_report_metrics(&p->validation));
    json_array_append_new(list, row);
  }
  return list;
}

/* 960 images of 32 x 32 x 3 at r = 0.1 have 2.1, and their left-out accuracy is that of test images to 2 %. */
static const double unseen_most = 3;

static double condition_limit(const nke_fit *fit)
{
  const nke_session *const s = &fit->session;
  const nke_precision precision = s->config->run.precision;
  const int64_t n = nke_dataset_rows(s->train);
  if (fit->trainer == &nke_trainer_primal) return nke_ridge_condition_limit(precision, s->m, n);
  return nke_ridge_condition_limit(precision, n, s->exact ? 1 : s->m);
}

/* Whole numbers that are no classes are taken for such where data.task is not said. */
static bool many_classes(const nke_session *s)
{
  enum { FEW = 50, ROWS = 10 }; /* classes; rows a class that a classification has */
  return nke_targets_task(s->targets) == NKE_TASK_CLASSIFICATION && s->k > FEW &&
         nke_dataset_originals(s->train) < ROWS * s->k;
}

static json_t *warnings_json(const nke_fit *fit)
{
  const nke_session *const s = &fit->session;
  json_t *const list = json_array();
  char line[256], option[256];
  if (fit->made) {
    snprintf(line, sizeof line,
             "%.150s: features already: network, preprocess and embedding of the config are not applied to them", fit->made);
    json_array_append_new(list, json_string(line));
  }
  if (nke_dataset_names(s->train) && *nke_dataset_names(s->train) == '\n')
    json_array_append_new(list,
                          json_string("column 0 of x has no name: an index, as pandas writes it? It is used as x; "
                                      "to_csv(index=False) leaves it out"));
  if (many_classes(s)) {
    snprintf(line, sizeof line, "%lld classes in %lld rows: are these numbers to be fitted? data.task: regression",
             (long long)s->k, (long long)nke_dataset_originals(s->train));
    json_array_append_new(list, json_string(line));
  }
  if (nke_preprocess_unseen(s->preprocess) > unseen_most) {
    snprintf(
        line, sizeof line,
        "data.preprocess: zca of %lld rows of %lld entries: other rows come out with about %.1f times their squares, "
        "and rows held out of these say little about them; a larger {zca: r} helps",
        (long long)nke_dataset_originals(s->train), (long long)nke_shape_length(s->shape),
        nke_preprocess_unseen(s->preprocess));
    json_array_append_new(list, json_string(line));
  }
  if (fit->failed_lambda >= 0) {
    snprintf(line, sizeof line, "lambda %g was too small for %s; %g was taken", fit->failed_lambda,
             nke_fit_is_iterative(fit) ? "the iteration" : "a Cholesky factor", fit->final.lambda);
    json_array_append_new(list, json_string(line));
  }
  if (fit->resumed_folds > 0 || (fit->checkpoint && fit->checkpoint->resumed))
    json_array_append_new(list, json_string("this run went on from a checkpoint: seconds are those since then"));
  if (fit->checkpoint && fit->checkpoint->warning[0]) json_array_append_new(list, json_string(fit->checkpoint->warning));
  if (fit->test_error) json_array_append_new(list, json_string(fit->test_error));
  if (nke_petsc_options_unread(sizeof option, option) == NKE_OK && option[0]) {
    snprintf(line, sizeof line, "%.200s: no solver of this fit has read it", option);
    json_array_append_new(list, json_string(line));
  }
  if (fit->final.condition > condition_limit(fit)) {
    snprintf(line, sizeof line, "condition estimate %.1e: lambda %g is small for the precision%s", fit->final.condition,
             fit->final.lambda, s->config->run.precision == NKE_SINGLE ? "; run.precision: double takes smaller ones" : "");
    json_array_append_new(list, json_string(line));
  }
  if (fit->n_path > 1 && fit->best == 0)
    json_array_append_new(list, json_string("the smallest lambda of the path validates best; try smaller ones"));
  if (fit->n_path > 1 && fit->best == fit->n_path - 1)
    json_array_append_new(list, json_string("the largest lambda of the path validates best; try larger ones"));
  return list;
}

static json_t *ratio_json(const nke_ratio *r)
{
  json_t *const out = json_object();
  json_object_set_new(out, "value", nke_report_number(r->value));
  json_object_set_new(out, "interval", json_pack("[o, o]", nke_report_number(r->low), nke_report_number(r->high)));
  return out;
}

static json_t *certificate_json(const nke_certificate *c)
{
  json_t *const out = json_object();
  json_object_set_new(out, "pairs", json_integer(c->pairs));
  json_object_set_new(out, "relative_frobenius", ratio_json(&c->frobenius));
  json_object_set_new(out, "relative_product", ratio_json(&c->product));
  json_object_set_new(out, "seconds", json_real(c->seconds));
  return out;
}

static void fill_report(const nke_fit *fit, json_t *json)
{
  const nke_session *const s = &fit->session;
  json_object_set_new(json, "n_train", json_integer(nke_dataset_originals(s->train)));
  json_object_set_new(json, "copies", json_integer(s->config->data.augment.copies));
  json_object_set_new(json, "n_test", json_integer(s->test ? nke_dataset_rows(s->test) : 0));
  json_object_set_new(json, "d", json_integer(nke_shape_length(s->shape)));
  json_object_set_new(json, "features", json_integer(s->m));
  json_object_set_new(json, "solver", json_string(fit->trainer->name));
  json_object_set_new(json, "precondition", json_string(nke_precondition_name[s->config->solver.precondition]));
  if (fit->trainer == &nke_trainer_exact_cg)
    json_object_set_new(json, "kernel_kept", json_boolean(!fit->recompute));
  if (fit->trainer == &nke_trainer_cg || fit->trainer == &nke_trainer_lsqr)
    json_object_set_new(json, "features_kept", json_boolean(!fit->recompute));
  json_object_set_new(json, "lambda", json_real(fit->final.lambda));
  json_object_set_new(json, "lambda_absolute", json_real(fit->final.shift));
  json_object_set_new(json, "residual", nke_report_number(fit->final.residual));
  json_object_set_new(json, "condition", nke_report_number(fit->final.condition));
  if (fit->final.iterations > 0) json_object_set_new(json, "iterations", json_integer(fit->final.iterations));
  json_t *const metrics = json_object(), *const widths = json_array();
  json_object_set_new(metrics, "train", nke_report_metrics(&fit->train));
  json_object_set_new(metrics, "validation", nke_report_metrics(&fit->validation));
  json_object_set_new(metrics, "test", nke_report_metrics(&fit->test));
  json_object_set_new(json, "metrics", metrics);
  json_object_set_new(json, "path", path_json(fit));
  int64_t width[NKE_MAX_WIDTHS];
  for (int i = 0, n = s->features ? nke_features_widths(s->features, width) : 0; i < n; i++)
    json_array_append_new(widths, json_integer(width[i]));
  json_object_set_new(json, "widths", widths);
  if (fit->checkpoint) {
    json_object_set_new(json, "checkpoints", json_integer(fit->checkpoint->written));
    json_object_set_new(json, "checkpoint_seconds", json_real(fit->checkpoint->seconds)); /* the last one took */
  }
  if (fit->certificate.pairs > 0) json_object_set_new(json, "certificate", certificate_json(&fit->certificate));
  json_object_set_new(json, "warnings", warnings_json(fit));
}

static void print_metrics(const char *name, const nke_metrics *m)
{
  if (m->n == 0) return;
  printf("  %-11s %9lld rows", name, (long long)m->n);
  if (!isnan(m->accuracy)) printf("   accuracy %7.3f %%", 100 * m->accuracy);
  printf("   mse %.6g", m->mse);
  if (!isnan(m->r2)) printf("   rmse %.6g   r2 %.5f", m->rmse, m->r2);
  printf("\n");
}

static void print_table(const nke_fit *fit, const json_t *json)
{
  printf("%s: %lld %s, %s\n", fit->session.config->run.out, (long long)fit->session.m,
         fit->session.exact ? "training rows" : "features", fit->trainer->name);
  if (fit->n_path > 1) printf("  lambda        validation mse   accuracy\n");
  for (int i = 0; i < fit->n_path && fit->n_path > 1; i++) {
    const nke_path_point *const p = &fit->path[i];
    if (!p->solved) {
      printf("  %-12g  not positive definite\n", p->lambda);
      continue;
    }
    printf("  %-12g  %-14.8g", p->lambda, p->validation.mse);
    if (!isnan(p->validation.accuracy)) printf("   %7.3f %%", 100 * p->validation.accuracy);
    printf("%s\n", i == fit->best ? "   chosen" : "");
  }
  print_metrics("train", &fit->train);
  print_metrics("validation", &fit->validation);
  print_metrics("test", &fit->test);
  const nke_certificate *const c = &fit->certificate;
  if (c->pairs > 0)
    printf("  against the exact kernel, %lld pairs: relative Frobenius error %.4f, 95 %% interval %.4f .. %.4f\n",
           (long long)c->pairs, c->frobenius.value, c->frobenius.low, c->frobenius.high);
  printf("  seconds    ");
  const char *name;
  json_t *value;
  json_object_foreach(json_object_get(json, "seconds"), name, value)
    printf(" %s %.1f", name, json_real_value(value));
  printf("\n");
  size_t index;
  json_array_foreach(json_object_get(json, "warnings"), index, value) printf("  warning: %s\n", json_string_value(value));
}

nke_status nke_fit_output_write(nke_fit *fit)
{
  nke_status st = NKE_OK;
  nke_session *const s = &fit->session;
  json_t *json = NULL;
  nke_stage_begin(&s->stats, NKE_STAGE_WRITE);
  st = write_model(fit);
  nke_stage_end(&s->stats, NKE_STAGE_WRITE);
  if (st != NKE_OK) goto done;
  nke_stage_end(&s->stats, NKE_STAGE_TOTAL);
  NKE_TRY(nke_report_create(s->comm, "fit", s->config, &s->stats, &json));
  if (json) fill_report(fit, json);
  NKE_TRY(nke_report_write(s->comm, s->config->run.out, "report.json", json));
  if (json && !s->invocation->quiet) print_table(fit, json);
  fflush(stdout);
done:
  json_decref(json);
  return st;
}
