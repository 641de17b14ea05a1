/* The random finite network and the rows of `nke synth`. Inside src/run. */
#ifndef NKE_RUN_SYNTH_TEACHER_H
#define NKE_RUN_SYNTH_TEACHER_H

#include "run/config.h"

/* Rows are made by blocks of so many, whatever is kept of them, so that a row has the same bits in any file. */
enum { NKE_SYNTH_BLOCK = 64 };

/* Which rows: training and test rows are numbered apart. */
typedef enum nke_synth_part { NKE_SYNTH_TRAIN, NKE_SYNTH_TEST } nke_synth_part;

typedef struct nke_teacher {
  uint64_t seed;
  int64_t d;
  int layers;          /* hidden ones and the output */
  int64_t width[66];   /* width[0] = d, ..., width[layers] = 1 */
  double *weights[65]; /* [width[l], width[l + 1]] */
  double *rotation;    /* spectrum: [d, d], row j the direction of scale j^-p; else NULL */
  double noise;        /* its deviation */
  double mean, deviation;
  double *hidden[2]; /* work space */
} nke_teacher;

/* Whether there can be such a network. NKE_ERR_USAGE: spectrum with more than 8192 columns. Local. */
nke_status nke_teacher_check(const nke_config *config);

/* Draw the network; its outputs are standardised by the first 65,536 training rows (all of them in smaller sets).
 * Collective, the same network on every rank. NKE_ERR_USAGE: spectrum with more than 8192 columns; NKE_ERR_NUMERIC:
 * outputs that do not vary. Memory: the weights and the rotation, on every rank. */
nke_status nke_teacher_create(MPI_Comm comm, const nke_config *config, nke_teacher **out);
void nke_teacher_destroy(nke_teacher **teacher);

/* Rows [first, first + NKE_SYNTH_BLOCK) of a part, first a multiple of the block: x [block, d] and y [block], y with
 * its noise. They depend on seed, d, hidden and spectrum only. Local. */
nke_status nke_teacher_block(nke_teacher *teacher, nke_synth_part part, int64_t first, double *x, double *y);

/* Floating-point operations of one row; bytes of the network on every rank. Local. */
double nke_teacher_flops_per_row(const nke_config *config);
double nke_teacher_bytes(const nke_config *config);

#endif
