/* One sketch against the exact kernel. */
#include "run/compare.h"

#include "base/memory.h"
#include "dist/collect.h"
#include "gram/gram.h"
#include "run/fit_store.h"
#include "run/report.h"
#include "run/score.h"

#include <math.h>
#include <stdio.h>

/* Orders up to which all eigenvalues are computed; beyond, the two ends are estimated. */
enum { DENSE_ORDER = 8192 };

typedef struct sketch {
  nke_compare *compare;
  const nke_compare_case *which;
  nke_fit_store store;
  nke_bcmat *kernel;
  nke_eigen *eigen;
  double *alpha, *values, *scales; /* [n, k], [n], [n] */
  nke_cost row;                    /* core-seconds, all ranks */
  double mean_diagonal;
  nke_compare_result result;
  nke_distances distances;
  nke_generalized_range ends, range, scaled; /* Krylov; dense; dense with each row scaled to its exact diagonal */
} sketch;

/* Make the session's embedding this case's. */
static nke_status switch_embedding(nke_compare *c, const nke_compare_case *which)
{
  nke_session *const s = &c->session;
  nke_features_destroy(&s->features);
  s->config->embedding = which->options;
  const nke_status st = nke_session_embedding(s, c->n);
  if (st == NKE_OK) nke_session_ready(s);
  return st;
}

/* Open the file of finished rows where the features would take longer than checkpoint.seconds. */
static nke_status keep_rows(const sketch *k, nke_kept_rows *kept)
{
  const nke_compare *const c = k->compare;
  const nke_session *const s = &c->session;
  const nke_compare_case *const which = k->which;
  char path[4096], identity[512];
  if (!nke_kept_rows_pay(s->comm, which->flops_per_row * (double)c->n, s->config->checkpoint.seconds)) return NKE_OK;
  if (nke_compare_rows_path(c, path, sizeof path) >= (int)sizeof path)
    return nke_fail(NKE_ERR_OUTPUT, "run.out: path too long");
  snprintf(identity, sizeof identity, "config %016llx\nmethod %s\nfeatures %lld\nseed %llu\nrevision %d\n",
           (unsigned long long)c->hash, which->options.method, (long long)which->m,
           (unsigned long long)which->options.seed, NKE_FEATURES_REVISION);
  return nke_kept_rows_open(s->comm, path, identity, true, s->embedder.precision, c->n, s->m, kept);
}

static nke_status embed(sketch *k)
{
  nke_status st = NKE_OK;
  nke_compare *const c = k->compare;
  nke_session *const s = &c->session;
  nke_kept_rows kept = {0};
  NKE_TRY(keep_rows(k, &kept));
  NKE_TRY(nke_fit_store_rows(s, kept.h5 ? &kept : NULL, &k->store));
  k->row = k->store.cost;
  k->result.make_seconds = nke_spread_over_ranks(s->comm, k->row.seconds).max;
  nke_cost_share(s->comm, &k->row);
  const double begun = nke_seconds();
  NKE_TRY(nke_gram_outer(s->comm, k->store.mine.end - k->store.mine.begin, s->m, s->embedder.precision, k->store.z,
                         NULL, &k->kernel));
  k->result.gram_seconds = nke_spread_over_ranks(s->comm, nke_seconds() - begun).max;
done:
  nke_kept_rows_close(&kept);
  return st;
}

static nke_status test_sketch(sketch *k)
{
  nke_status st = NKE_OK;
  nke_compare *const c = k->compare;
  nke_session *const s = &c->session;
  nke_metrics_sum **sums = NULL;
  double *weights = NULL;
  if (!s->test || nke_dataset_targets(s->test) == 0) return NKE_OK;
  const nke_rows rows = nke_rows_all(nke_dataset_rows(s->test));
  st = nke_alloc(s->m * s->k, sizeof *weights, "weights", &weights);
  if (st == NKE_OK) st = nke_score_sums_create(&s->embedder, 1, &sums);
  NKE_TRY(nke_agree(s->comm, st));
  NKE_TRY(nke_fit_store_primal(s, &k->store, s->k, k->alpha, weights));
  NKE_TRY(nke_score_dataset(&s->embedder, s->test, &rows, 0, "compare: test rows", s->m, s->k, 1, weights, sums, NULL,
                            NULL));
  st = nke_score_sums_reduce(&s->embedder, 1, sums, &k->result.test);
done:
  nke_score_sums_destroy(1, &sums);
  nke_free(weights);
  return st;
}

/* Of a sketch that is not positive definite at the lambda of the exact kernel, as one of fewer features than rows may be
 * at a small one: its distances are known all the same. */
static void no_scores(sketch *k)
{
  const nke_embedding_options *const options = &k->which->options;
  k->result.loo = k->result.test = NKE_METRICS_UNKNOWN;
  k->result.solve_seconds = k->result.condition = NAN;
  if (k->compare->rank == 0)
    fprintf(stderr, "warning: %s, %lld features, seed %llu: no scores at lambda %g: %s\n", options->method,
            (long long)k->which->m, (unsigned long long)options->seed, k->compare->lambda, nke_error_text());
}

static nke_status solve(sketch *k)
{
  nke_status st = NKE_OK;
  nke_compare *const c = k->compare;
  double trace;
  NKE_TRY(nke_bcmat_trace(k->kernel, &trace));
  k->mean_diagonal = trace / (double)c->n;
  NKE_TRY(nke_eigen_create(k->kernel, (int)c->session.k, c->targets, NULL, &k->eigen));
  st = nke_compare_solve(c, k->kernel, k->eigen, c->lambda * k->mean_diagonal, k->alpha, &k->result);
  if (st == NKE_OK) return test_sketch(k);
  if (st != NKE_ERR_NUMERIC) return st;
  no_scores(k);
  st = NKE_OK;
done:
  return st;
}

static nke_status spectra(sketch *k)
{
  nke_status st = NKE_OK;
  nke_compare *const c = k->compare;
  const int64_t n = c->n;
  const nke_generalized_range unknown = {.min = NAN, .max = NAN};
  k->range = k->scaled = unknown;
  NKE_TRY(nke_distances_of(c->kernel, k->kernel, &k->distances));
  NKE_TRY(nke_generalized_ends(c->against, k->kernel, 0.01, NKE_COMPARE_ITERATIONS, &k->ends));
  if (n > DENSE_ORDER) goto done;
  NKE_TRY(nke_generalized_values(c->against, k->kernel, NULL, k->values));
  k->range = (nke_generalized_range){.min = k->values[0], .max = k->values[n - 1]};
  NKE_TRY(nke_bcmat_diagonal(k->kernel, k->scales));
  for (int64_t i = 0; i < n; i++) k->scales[i] = k->scales[i] > 0 ? sqrt(c->diagonal[i] / k->scales[i]) : 0;
  NKE_TRY(nke_generalized_values(c->against, k->kernel, k->scales, k->values));
  k->scaled = (nke_generalized_range){.min = k->values[0], .max = k->values[n - 1]};
done:
  return st;
}

/* ---- the row ---- */

static void put(json_t *row, const char *key, double value)
{
  json_object_set_new(row, key, nke_report_number(value));
}

static json_t *cost_json(const nke_cost *cost)
{
  json_t *const out = json_object();
  put(out, "mean", nke_cost_mean(cost));
  put(out, "min", cost->least);
  put(out, "max", cost->most);
  return out;
}

static json_t *range_json(const nke_generalized_range *range)
{
  return json_pack("[o, o]", nke_report_number(range->min), nke_report_number(range->max));
}

static double eps(const nke_generalized_range *range)
{
  return fmax(1 - range->min, range->max - 1) + 0 * (range->min + range->max); /* NaN stays */
}

static json_t *stages_json(const nke_compare_result *r, double cores)
{
  json_t *const out = json_object();
  put(out, "make", r->make_seconds * cores);
  put(out, "gram", r->gram_seconds * cores);
  put(out, "solve", r->solve_seconds * cores);
  return out;
}

static double total(const nke_compare_result *r)
{
  return r->make_seconds + r->gram_seconds + r->solve_seconds;
}

static void put_quality(json_t *row, const char *which, const nke_compare_result *r)
{
  char key[64];
  const nke_metrics *const held_out = r->test.n > 0 ? &r->test : &r->loo;
  const struct {
    const char *name;
    double value;
  } numbers[] = {{"accuracy", held_out->accuracy}, {"mse", held_out->mse}, {"loo_accuracy", r->loo.accuracy},
                 {"loo_mse", r->loo.mse}, {"statistical_dimension", r->dimension}, {"condition", r->condition},
                 {"seconds", total(r)}};
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
    snprintf(key, sizeof key, "%s_%s", numbers[i].name, which);
    put(row, key, numbers[i].value);
  }
}

/* Core-seconds for n rows at one lambda: every pair of the exact kernel, over embedding, Gram matrix and factor. */
static double speedup_at(const nke_compare *c, const sketch *k, double n)
{
  const double m = (double)k->which->m;
  const double exact = n * (n + 1) / 2 * nke_cost_mean(&c->pair);
  return exact / (n * nke_cost_mean(&k->row) + n * m * m / c->gram_rate + m * m * m / 3 / c->factor_rate);
}

static void put_costs(json_t *row, const nke_compare *c, const sketch *k)
{
  const double cores = c->ranks;
  put(row, "core_seconds_exact", total(&c->exact) * cores);
  put(row, "core_seconds_sketch", total(&k->result) * cores);
  json_object_set_new(row, "stages_exact", stages_json(&c->exact, cores));
  json_object_set_new(row, "stages_sketch", stages_json(&k->result, cores));
  json_object_set_new(row, "exact_measured", json_boolean(c->kernel_measured));
  put(row, "seconds_exact_per_pair", nke_cost_mean(&c->pair));
  json_object_set_new(row, "spread_exact_per_pair", cost_json(&c->pair));
  put(row, "seconds_sketch_per_row", nke_cost_mean(&k->row));
  json_object_set_new(row, "spread_sketch_per_row", cost_json(&k->row));
  put(row, "speedup_measured", total(&c->exact) / total(&k->result));
  put(row, "speedup_at_n", speedup_at(c, k, (double)c->session.config->compare.at_n));
  json_object_set_new(row, "at_n", json_integer(c->session.config->compare.at_n));
  put(row, "gram_rate", c->gram_rate);
  put(row, "factor_rate", c->factor_rate);
}

static json_t *row_json(const nke_compare *c, const sketch *k, double peak)
{
  json_t *const row = json_object();
  json_object_set_new(row, "method", json_string(k->which->options.method));
  json_object_set_new(row, "features", json_integer(k->which->m));
  json_object_set_new(row, "seed", json_integer((json_int_t)k->which->options.seed));
  json_object_set_new(row, "n", json_integer(c->n));
  put(row, "lambda", c->lambda);
  put(row, "lambda_absolute", c->shift);
  put(row, "relative_frobenius", k->distances.raw);
  put(row, "relative_frobenius_scaled", k->distances.scaled);
  put(row, "relative_frobenius_centred", k->distances.centred);
  put(row, "spectral_eps", eps(&k->range));
  put(row, "spectral_eps_krylov", eps(&k->ends));
  put(row, "spectral_eps_scaled", eps(&k->scaled));
  json_object_set_new(row, "eigenvalue_range", range_json(&k->range));
  json_object_set_new(row, "eigenvalue_range_krylov", range_json(&k->ends));
  json_object_set_new(row, "eigenvalue_range_scaled", range_json(&k->scaled));
  json_object_set_new(row, "krylov_iterations", json_integer(k->ends.iterations));
  put(row, "statistical_dimension", c->exact.dimension);
  put_quality(row, "exact", &c->exact);
  put_quality(row, "sketch", &k->result);
  put_costs(row, c, k);
  put(row, "peak_rss_bytes_exact", (double)c->exact_peak);
  put(row, "peak_rss_bytes", peak);
  return row;
}

/* Eigenvalues in descending order, as pictures show them. */
static json_t *spectrum_json(int64_t n, const double *values)
{
  json_t *const out = json_array();
  for (int64_t i = n - 1; i >= 0; i--) json_array_append_new(out, nke_report_number(values[i]));
  return out;
}

static void record(nke_compare *c, const sketch *k, double peak)
{
  if (!c->json) return;
  json_t *const spectra = json_object_get(c->json, "spectra"), *const one = json_object();
  if (!json_object_get(spectra, "exact")) {
    json_object_set_new(spectra, "exact", spectrum_json(c->n, c->spectrum));
    json_object_set_new(spectra, "sketch", json_array());
  }
  json_object_set_new(one, "method", json_string(k->which->options.method));
  json_object_set_new(one, "features", json_integer(k->which->m));
  json_object_set_new(one, "seed", json_integer((json_int_t)k->which->options.seed));
  json_object_set_new(one, "eigenvalues", spectrum_json(c->n, nke_eigen_values(k->eigen)));
  json_array_append_new(json_object_get(spectra, "sketch"), one);
  json_array_append_new(json_object_get(c->json, "rows"), row_json(c, k, peak));
}

nke_status nke_compare_sketch(nke_compare *c, const nke_compare_case *which)
{
  nke_status st = NKE_OK;
  nke_session *const s = &c->session;
  sketch k = {.compare = c, .which = which, .result = {.loo = NKE_METRICS_UNKNOWN, .test = NKE_METRICS_UNKNOWN}};
  st = nke_alloc(c->n * s->k, sizeof *k.alpha, "dual weights", &k.alpha);
  if (st == NKE_OK) st = nke_alloc(c->n, sizeof *k.values, "eigenvalues", &k.values);
  if (st == NKE_OK) st = nke_alloc(c->n, sizeof *k.scales, "scales of rows", &k.scales);
  NKE_TRY(nke_agree(s->comm, st));
  NKE_TRY(switch_embedding(c, which));
  NKE_TRY(embed(&k));
  NKE_TRY(solve(&k));
  NKE_TRY(spectra(&k));
  record(c, &k, nke_spread_over_ranks(s->comm, (double)nke_peak_rss()).max);
done:
  nke_eigen_destroy(&k.eigen);
  nke_bcmat_destroy(&k.kernel);
  nke_fit_store_clear(&k.store);
  nke_free(k.scales);
  nke_free(k.values);
  nke_free(k.alpha);
  return st;
}
