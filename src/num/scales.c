#include "num/scales.h"

#include "base/memory.h"
#include "num/dual_loops.h"
#include "num/simd.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

/* Cells kept at a time; nodes of a cell. */
enum { CELLS = 128, NODES = NKE_DUAL_NODES, MOMENTS = 4 };

typedef enum cell_state { CELL_EMPTY, CELL_GOOD, CELL_BAD } cell_state;

typedef struct cell {
  cell_state state;
  int64_t index;
  double span;  /* of the moments, the largest at the nodes */
  double *data; /* [NODES, 2 terms + MOMENTS] */
} cell;

struct nke_scales {
  nke_phi *phi;
  int terms;
  double tolerance;
  double width;                      /* of a cell in ln q */
  double node[NODES], weight[NODES]; /* on [-1, 1]; barycentric weights */
  nke_dual_mix *mix;
  double *spare; /* [2, 2 terms + MOMENTS] */
  cell cells[CELLS];
};

static int64_t row_length(const nke_scales *s)
{
  return 2 * s->terms + MOMENTS;
}

nke_status nke_scales_create(nke_phi *phi, int terms, double tolerance, nke_scales **out)
{
  nke_status st = NKE_OK;
  nke_scales *s = NULL;
  nke_dual_mix *const variant[NKE_SIMD_COUNT] = {nke_dual_mix_plain, nke_dual_mix_avx2, nke_dual_mix_avx512};
  *out = NULL;
  NKE_TRY(nke_calloc(1, sizeof *s, "scales of an activation", &s));
  s->phi = phi;
  s->terms = terms;
  s->tolerance = tolerance;
  s->mix = variant[nke_simd_best()];
  /* c_l oscillates in ln sigma with frequencies up to l, so that half a cell is to hold about one radian */
  s->width = terms > 128 ? 8.0 / terms : 12.0 / terms;
  NKE_TRY(nke_alloc(2 * row_length(s), sizeof(double), "scales of an activation", &s->spare));
  for (int j = 0; j < NODES; j++) {
    const double angle = 3.14159265358979323846 * (2 * j + 1) / (2 * NODES);
    s->node[j] = cos(angle);
    s->weight[j] = j % 2 ? -sin(angle) : sin(angle);
  }
  *out = s;
done:
  if (st != NKE_OK) nke_scales_destroy(&s);
  return st;
}

void nke_scales_destroy(nke_scales **scales)
{
  if (*scales == NULL) return;
  for (int i = 0; i < CELLS; i++) nke_free((*scales)->cells[i].data);
  nke_free((*scales)->spare);
  nke_free(*scales);
  *scales = NULL;
}

/* One row: coefficients of phi, of phi', moments. */
static nke_status exact(nke_scales *s, double q, double *row, double *span)
{
  nke_status st = NKE_OK;
  nke_hermite_moments m;
  NKE_TRY(nke_hermite_at(s->phi, sqrt(q), s->terms - 1, row, row + s->terms, &m));
  double *moments = row + 2 * s->terms;
  moments[0] = m.second;
  moments[1] = m.second_dot;
  moments[2] = m.rest;
  moments[3] = m.rest_dot;
  *span = m.span;
done:
  return st;
}

static void interpolate(const nke_scales *s, const cell *held, double q, double *row)
{
  const double t = 2 * (log(q) / s->width - (double)held->index) - 1;
  double w[NODES], sum = 0;
  for (int j = 0; j < NODES; j++) {
    const double gap = t - s->node[j];
    w[j] = s->weight[j] / (fabs(gap) < 1e-14 ? 1e-14 : gap);
    sum += w[j];
  }
  for (int j = 0; j < NODES; j++) w[j] /= sum;
  s->mix(row_length(s), w, held->data, row);
}

/* The variance at place t in [-1, 1] of a cell. */
static double variance(const nke_scales *s, int64_t index, double t)
{
  return exp(((double)index + 0.5 * (t + 1)) * s->width);
}

static nke_status check(nke_scales *s, cell *held)
{
  nke_status st = NKE_OK;
  static const double place[2] = {0.97, 0.13}; /* away from the nodes, where the error is largest and typical */
  double *want = s->spare, *got = want + row_length(s), span;
  held->state = CELL_GOOD;
  for (int i = 0; i < 2; i++) {
    const double q = variance(s, held->index, place[i]);
    NKE_TRY(exact(s, q, want, &span));
    interpolate(s, held, q, got);
    const double *second = want + 2 * s->terms;
    for (int l = 0; l < 2 * s->terms; l++)
      if (!(fabs(got[l] - want[l]) <= 0.01 * s->tolerance * sqrt(second[l >= s->terms]))) held->state = CELL_BAD;
    for (int m = 0; m < MOMENTS; m++)
      if (!(fabs(got[2 * s->terms + m] - second[m]) <= 0.01 * s->tolerance * second[m % 2])) held->state = CELL_BAD;
  }
done:
  return st;
}

/* A node that fails (a formula that overflows further up) only makes the cell unusable; the variance asked for may be
 * fine. */
static nke_status build(nke_scales *s, cell *held, int64_t index)
{
  nke_status st = NKE_OK;
  const int64_t length = row_length(s);
  held->state = CELL_EMPTY;
  held->index = index;
  held->span = 0;
  if (held->data == NULL) NKE_TRY(nke_alloc(NODES * length, sizeof(double), "cell of scales", &held->data));
  for (int j = 0; j < NODES; j++) {
    double span;
    if (exact(s, variance(s, index, s->node[j]), held->data + j * length, &span) != NKE_OK) {
      held->state = CELL_BAD;
      return NKE_OK;
    }
    held->span = fmax(held->span, span);
  }
  if (check(s, held) != NKE_OK) held->state = CELL_BAD;
done:
  return st;
}

nke_status nke_scales_at(nke_scales *s, double q, double *c, nke_hermite_moments *moments)
{
  nke_status st = NKE_OK;
  if (q < 1e-300) return nke_hermite_at(s->phi, sqrt(q), s->terms - 1, c, c + s->terms, moments);
  const int64_t index = (int64_t)floor(log(q) / s->width);
  cell *held = &s->cells[((index % CELLS) + CELLS) % CELLS];
  if (held->state == CELL_EMPTY || held->index != index) NKE_TRY(build(s, held, index));
  if (held->state == CELL_BAD) return nke_hermite_at(s->phi, sqrt(q), s->terms - 1, c, c + s->terms, moments);
  double *row = s->spare;
  interpolate(s, held, q, row);
  memcpy(c, row, sizeof(double) * 2 * (size_t)s->terms);
  const double *m = row + 2 * s->terms;
  *moments = (nke_hermite_moments){m[0], m[1], fmax(m[2], 1e-15 * m[0]), fmax(m[3], 1e-15 * m[1]), held->span};
done:
  return st;
}
