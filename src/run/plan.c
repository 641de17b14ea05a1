#include "run/plan.h"

#include "base/memory.h"

#include <math.h>
#include <stdio.h>

static const double mib = 1048576;

static double held_by(const nke_dataset *dataset)
{
  return dataset ? (double)nke_dataset_bytes(dataset) : 0;
}

nke_plan nke_plan_begin(const nke_dataset *train, const nke_dataset *validation, const nke_dataset *test)
{
  return (nke_plan){.program = (double)nke_peak_rss(),
                    .data = held_by(train) + held_by(validation) + held_by(test),
                    .advice = "more ranks, fewer features, or a larger limit"};
}

void nke_plan_preprocess(const nke_config *config, nke_shape shape, nke_plan *plan)
{
  const nke_config_data *const data = &config->data;
  const double d = (double)nke_shape_length(shape);
  plan->preprocess_fit = (double)nke_preprocess_fit_bytes(data->n_preprocess, data->preprocess, shape);
  for (int i = 0; i < data->n_preprocess; i++)
    if (data->preprocess[i].kind == NKE_PREPROCESS_ZCA) plan->preprocess += 8 * d * d;
}

nke_slab_size nke_plan_slab_size(const nke_session *s, int ranks)
{
  const nke_precision precision = s->exact ? NKE_DOUBLE : s->config->run.precision;
  return nke_slab_size_of(nke_shape_length(s->shape), s->m, precision, s->config->run.memory_per_rank, ranks,
                          s->exchanged);
}

double nke_plan_row(const nke_session *s)
{
  const int64_t columns =
      nke_max(s->train ? nke_dataset_targets(s->train) : 0, s->test ? nke_dataset_targets(s->test) : 0);
  return 8 * (double)nke_shape_length(s->shape) + 16 + 8 * (double)(columns + s->k);
}

void nke_plan_slab(const nke_session *s, int ranks, nke_plan *plan)
{
  const double word = s->exact ? 8 : (double)nke_precision_bytes(s->config->run.precision);
  plan->slab += (double)nke_plan_slab_size(s, ranks).own * (nke_plan_row(s) + (double)s->m * word);
  plan->embedding = s->features ? (double)nke_features_bytes(s->features) : 0;
  if (!s->exact) return;
  plan->slab += (double)s->config->run.memory_per_rank / 8 +
                (double)nke_exact_block_bytes(s->exact, NKE_BLOCK_ROWS, NKE_BLOCK_ROWS);
}

/* A block of features in double to score, and the scores. */
void nke_plan_scores(const nke_session *s, int ranks, int n_sets, nke_plan *plan)
{
  plan->slab += 8.0 * NKE_BLOCK_ROWS * (double)s->m + 8.0 * (double)(nke_plan_slab_size(s, ranks).own * s->k * n_sets);
}

/* Bytes of a rank at the peak. */
static double peak_of(const nke_plan *plan)
{
  /* The embedding's tables were made before this point and are part of the program's resident size. */
  const double later = plan->preprocess + plan->slab + plan->matrix + plan->solve + plan->weights;
  return plan->program + plan->data + fmax(later, plan->preprocess_fit);
}

bool nke_plan_fits(MPI_Comm comm, const nke_config *config, const nke_plan *plan)
{
  int all = peak_of(plan) <= (double)config->run.memory_per_rank;
  MPI_Allreduce(MPI_IN_PLACE, &all, 1, MPI_INT, MPI_MIN, comm);
  return all;
}

static void print_plan(const nke_invocation *invocation, const nke_config *config, const nke_plan *plan,
                       const char *text)
{
  printf("%s\n# %s\n", text, plan->what);
  if (invocation->ranks > 0) printf("# for %lld ranks\n", (long long)invocation->ranks);
  printf("# memory of a rank, MiB: peak %.0f of %.0f allowed\n", peak_of(plan) / mib,
         (double)config->run.memory_per_rank / mib);
  printf(
      "#   program and embedding %.0f (embedding %.0f), data sets %.0f, preprocessing %.0f (its fit %.0f), rows in "
      "flight %.0f\n",
      plan->program / mib, plan->embedding / mib, plan->data / mib, plan->preprocess / mib, plan->preprocess_fit / mib,
      plan->slab / mib);
  printf("#   matrix %.0f, factor and right-hand sides %.0f, weights %.0f\n", plan->matrix / mib, plan->solve / mib,
         plan->weights / mib);
  printf("# work, GFlop in all: embedding %.0f, Gram matrix %.0f, solves %.0f\n", plan->flops_embed * 1e-9,
         plan->flops_gram * 1e-9, plan->flops_solve * 1e-9);
  if (plan->flops_pass > 0) printf("#   each pass of an iteration again: %.0f\n", plan->flops_pass * 1e-9);
  printf("# file: %s, %.1f MiB\n", plan->file, plan->file_bytes / mib);
  if (plan->factor_bytes > 0)
    printf("#   of it %.1f MiB the factor for the posterior variance\n", plan->factor_bytes / mib);
  if (plan->messages_gram > 0)
    printf("# a rank receives, for the Gram matrix: %.0f MiB in %.0f messages\n", plan->bytes_gram / mib,
           plan->messages_gram);
  fflush(stdout);
}

nke_status nke_plan_settle(const nke_invocation *invocation, const nke_config *config, const nke_plan *plan)
{
  nke_status st = NKE_OK;
  char *text = NULL;
  int rank;
  MPI_Comm_rank(invocation->comm, &rank);
  if (invocation->dry_run) {
    NKE_TRY(nke_agree(invocation->comm, nke_config_print(config, &text)));
    if (rank == 0) print_plan(invocation, config, plan, text);
  }
  if (!nke_plan_fits(invocation->comm, config, plan))
    st = nke_fail(
        NKE_ERR_USAGE,
        "run.memory_per_rank: a rank needs about %.0f MiB (program %.0f, data sets %.0f, preprocessing %.0f, rows "
        "in flight %.0f, matrix %.0f, factor %.0f), got %.0f MiB; use %s",
        peak_of(plan) / mib, plan->program / mib, plan->data / mib, fmax(plan->preprocess, plan->preprocess_fit) / mib,
        plan->slab / mib, plan->matrix / mib, plan->solve / mib, (double)config->run.memory_per_rank / mib,
        plan->advice);
done:
  nke_free(text);
  return st;
}

nke_status nke_plan_session(nke_session *s, nke_planner *make, void *context)
{
  nke_status st = NKE_OK;
  nke_plan plan;
  s->k = nke_dataset_targets(s->train);
  make(context, &plan);
  if (nke_plan_fits(s->comm, s->config, &plan)) {
    NKE_TRY(nke_session_fit_targets(s));
    make(context, &plan);
  }
  st = nke_plan_settle(s->invocation, s->config, &plan);
done:
  return st;
}
