/* `nke compare`: sketched kernels against the exact one on the same rows. */
#include "run/compare.h"

#include "base/hash.h"
#include "base/memory.h"
#include "data/folder.h"
#include "gram/gram.h"
#include "run/input.h"
#include "run/plan.h"
#include "run/progress.h"
#include "run/signals.h"
#include "solve/library.h"
#include "solve/ridge.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- the list ---- */

/* The config's embedding with method, features and seed of the list. Its widths are for one feature count only. */
static nke_embedding_options options_of(const nke_config *config, int method, int features, int seed)
{
  nke_embedding_options options = config->embedding;
  options.method = config->compare.methods.at[method];
  options.features = config->compare.features.at[features];
  options.seed = (uint64_t)config->compare.seeds.at[seed];
  const int parts = nke_features_parts(config->network, options.kernel);
  if (options.n_widths > 0 && (strcmp(options.method, "random_features") != 0 ||
                               parts * options.widths[options.n_widths - 1] != options.features))
    options.n_widths = 0;
  return options;
}

static nke_status list_cases(nke_compare *c, const nke_config *config)
{
  const nke_config_compare *const list = &config->compare;
  const int64_t count = (int64_t)list->methods.n * list->features.n * list->seeds.n;
  const nke_status st = nke_calloc(count, sizeof *c->cases, "the list of sketches", &c->cases);
  if (st != NKE_OK) return st;
  for (int m = 0; m < list->methods.n; m++)
    for (int f = 0; f < list->features.n; f++)
      for (int s = 0; s < list->seeds.n; s++) c->cases[c->n_cases++].options = options_of(config, m, f, s);
  for (int i = 0; i < c->n_cases; i++)
    if (strcmp(c->cases[i].options.method, "none") == 0)
      return nke_fail(NKE_ERR_USAGE, "%s: compare.methods: expected methods that make features, got none", config->name);
  return NKE_OK;
}

/* The exact kernel and every sketch are planned once before any work: what cannot be is said now. Local. */
static nke_status plan_cases(nke_compare *c)
{
  const nke_config *const config = c->session.config;
  nke_exact *exact = NULL;
  nke_status st = nke_exact_create(config->network, config->run.precision, config->embedding.flip, &exact);
  if (st == NKE_OK) c->flops_per_pair = nke_exact_flops_per_pair(exact);
  nke_exact_destroy(&exact);
  for (int i = 0; i < c->n_cases && st == NKE_OK; i++) {
    nke_compare_case *const one = &c->cases[i];
    nke_features *features = NULL;
    st = nke_features_create(config->network, &one->options, &features);
    if (st != NKE_OK) break;
    one->m = nke_features_length(features);
    one->bytes = nke_features_bytes(features);
    one->flops_per_row = nke_features_flops_per_row(features);
    nke_features_destroy(&features);
  }
  return st;
}

/* ---- memory and work ---- */

/* Of the largest sketch: its plan, its features, those in flight, and what their products take. */
static double features_bytes(const nke_compare *c, const nke_grid *grid)
{
  const nke_session *const s = &c->session;
  const nke_precision precision = s->config->run.precision;
  const double rows = (double)nke_ceil_div(c->n, c->ranks) + NKE_BLOCK_ROWS,
               word = (double)nke_precision_bytes(precision);
  double most = 0;
  for (int i = 0; i < c->n_cases; i++) {
    const nke_slab_size size = nke_slab_size_of(nke_dataset_length(s->train), c->cases[i].m, precision,
                                                s->config->run.memory_per_rank, c->ranks, false);
    const double slab = (double)nke_min(c->n, size.own), m = (double)c->cases[i].m;
    const double row = nke_plan_row(s) + m * word + 8.0 * (double)s->k; /* of a slab, with its scores */
    most = fmax(most, (double)c->cases[i].bytes + rows * m * word + slab * row + 8.0 * NKE_BLOCK_ROWS * m);
  }
  return most + (double)nke_gram_panel_bytes(grid, c->n, 1024, precision);
}

/* Exact kernel, its factor, the sketch's kernel and its eigenvectors; the reduced matrix and an eigenproblem's four
 * more, the vectors of the estimate, or what rates are measured by. Work: pairs, products of features, eigenproblems
 * and factors. */
static void make_plan(void *context, nke_plan *plan)
{
  const nke_compare *const c = context;
  const nke_session *const s = &c->session;
  const nke_grid grid = nke_grid_of(s->comm);
  const double n = (double)c->n, n_test = s->test ? (double)nke_dataset_rows(s->test) : 0;
  const double pairs = n * (n + 1) / 2 + n * n_test, part = (double)nke_gram_matrix_bytes(c->n, c->ranks);
  const double eigenproblem = part + (double)nke_eigen_bytes(&grid, c->n, (int)nke_max(1, s->k));
  const double lanczos = 16 * n * (NKE_COMPARE_ITERATIONS + 1); /* on every rank */
  *plan = nke_plan_begin(s->train, s->validation, s->test);
  snprintf(plan->what, sizeof plan->what, "%lld rows, %d sketches, pairs %.0f of %.2f MFlop", (long long)c->n,
           c->n_cases, pairs, 1e-6 * c->flops_per_pair);
  nke_plan_preprocess(s->config, s->shape, plan);
  plan->slab = features_bytes(c, &grid);
  plan->matrix = 4 * part;
  plan->solve = fmax(fmax(eigenproblem, lanczos), (double)nke_measure_rates_bytes(&grid, s->config->run.precision));
  plan->flops_gram = pairs * c->flops_per_pair;
  for (int i = 0; i < c->n_cases; i++) {
    plan->flops_embed += c->cases[i].flops_per_row * (n + n_test);
    plan->flops_gram += n * n * (double)c->cases[i].m;
  }
  plan->flops_solve = n * n * n * (10 + 30 * (double)c->n_cases);
  plan->file = "kernel.h5";
  plan->file_bytes = 2 * n * (n + n_test) * (double)nke_precision_bytes(s->config->run.precision);
  plan->advice = "more ranks, fewer rows, fewer features, or a larger limit";
}

/* ---- the run ---- */

static nke_status compare_all(nke_compare *c)
{
  nke_status st = NKE_OK;
  nke_progress progress;
  nke_signals_catch();
  nke_progress_begin(&progress, c->session.comm, "compare", "sketches", c->n_cases);
  for (int i = 0; i < c->n_cases; i++) {
    if (nke_compare_has(c, &c->cases[i])) continue;
    if (nke_signals_agree(c->session.comm)) {
      st = nke_fail(NKE_STOPPED, "stopped by a signal; the same command goes on with sketch %d of %d", i + 1, c->n_cases);
      goto done;
    }
    NKE_TRY(nke_compare_sketch(c, &c->cases[i]));
    NKE_TRY(nke_compare_keep(c));
    nke_progress_update(&progress, i + 1);
  }
  c->session.config->embedding = c->given;
  st = nke_compare_finish(c);
done:
  nke_progress_end(&progress);
  nke_signals_release();
  return st;
}

/* c->hash, of the config, goes on over the data and the revision of the features. Collective. */
static nke_status hash_data(nke_compare *c)
{
  nke_status st = NKE_OK;
  const nke_session *const s = &c->session;
  const int revision = NKE_FEATURES_REVISION;
  char data[NKE_INPUT_FINGERPRINT];
  NKE_TRY(nke_input_fingerprint(s->comm, s->train, s->validation, s->test, true, data, sizeof data));
  c->hash = nke_hash(c->hash, strlen(data), data);
  c->hash = nke_hash(c->hash, sizeof revision, &revision);
done:
  return st;
}

static nke_status run(nke_compare *c)
{
  nke_status st = NKE_OK;
  int folder = -1;
  nke_session *const s = &c->session;
  if (nke_dataset_targets(s->train) == 0)
    return nke_fail(NKE_ERR_DATA, "%s: no targets to fit: expected data.train.y", nke_dataset_path(s->train));
  if (s->config->data.class_weighting != NKE_CLASS_WEIGHTS_NONE)
    return nke_fail(NKE_ERR_USAGE, "%s: data.class_weights: expected none, as `compare` weighs all rows alike",
                    s->config->name);
  if (s->config->data.augment.copies != 1)
    return nke_fail(NKE_ERR_USAGE,
                    "%s: data.augment.copies: expected 1, as `compare` takes the rows as they are, got %lld",
                    s->config->name, (long long)s->config->data.augment.copies);
  NKE_TRY(nke_session_check_targets(s));
  const nke_grid grid = nke_grid_of(s->comm);
  NKE_TRY(nke_agree(s->comm, plan_cases(c)));
  NKE_TRY(nke_plan_session(s, make_plan, c));
  NKE_TRY(nke_eigen_check(&grid, c->n));
  NKE_TRY(nke_compare_output_check(c));
  NKE_TRY(nke_compare_exact_check(c));
  if (s->invocation->dry_run) goto done;
  NKE_TRY(nke_solve_init(s->comm, 0, NULL));
  NKE_TRY(nke_make_folders(s->comm, s->config->run.out));
  NKE_TRY(nke_folder_hold(s->comm, s->config->run.out, &folder));
  NKE_TRY(hash_data(c));
  NKE_TRY(nke_session_fit(s));
  NKE_TRY(nke_compare_resume(c));
  NKE_TRY(nke_compare_exact(c));
  st = compare_all(c);
done:
  nke_folder_release(&folder);
  return st;
}

nke_status nke_compare_run(const nke_invocation *invocation)
{
  nke_status st = NKE_OK;
  nke_compare *c = NULL;
  nke_config *const config = invocation->config;
  NKE_TRY(nke_agree(invocation->comm, nke_calloc(1, sizeof *c, "the comparison", &c)));
  MPI_Comm_rank(invocation->comm, &c->rank);
  MPI_Comm_size(invocation->comm, &c->ranks);
  c->exact.loo = c->exact.test = NKE_METRICS_UNKNOWN;
  NKE_TRY(nke_agree(invocation->comm, nke_config_hash(config, &c->hash)));
  NKE_TRY(nke_agree(invocation->comm, list_cases(c, config)));
  c->given = config->embedding;
  config->embedding = c->cases[0].options;
  NKE_TRY(nke_session_open(invocation, &c->session));
  c->n = nke_dataset_rows(c->session.train);
  st = run(c);
done:
  if (c) {
    nke_generalized_destroy(&c->against);
    nke_bcmat_destroy(&c->kernel);
    nke_free(c->spectrum);
    nke_free(c->diagonal);
    nke_free(c->targets);
    nke_free(c->cases);
    json_decref(c->json);
    nke_session_close(&c->session);
  }
  nke_free(c);
  nke_solve_finalize();
  return st;
}
