/* Running a displacement-plane plan: one variant for each precision and instruction set (internal to the exact
 * kernels). */
#ifndef NKE_KERNEL_PLANE_RUN_H
#define NKE_KERNEL_PLANE_RUN_H

#include "kernel/plane.h"

/* One run: a first image with `lanes` second images side by side in the vector lanes, or, `paired`, first image l with
 * second image l in lane l. Values of the second images (of both, if paired) have their lanes innermost:
 *   image [pixel][channel][lane], tables [table entry][lane]. All reals are of the variant's precision. */
typedef struct nke_plane_job {
  const nke_plane_plan *plan;
  const nke_plane_schedule *schedule;
  int paired;
  int same;      /* paired, and both sides are the same images: plane 0 has correlation 1 */
  double *norms; /* same, else NULL: plane 0 fills norms [norm entry][lane] and first_tables (= second_tables) */
  int groups;    /* of lanes in one run; 1 but for vectors, where the groups lie side by side like pixels of a row */
  const void *first_image, *second_image;
  const void *products; /* vectors, not paired: <x, x'> [group][lane] instead of the images */
  void *first_tables;
  const void *second_tables;
  void *work;       /* variant->work_bytes() */
  void *nngp, *ntk; /* [group][lane]; ntk may be NULL */
} nke_plane_job;

typedef struct nke_plane_variant {
  const char *name;
  nke_precision precision;
  int lanes;
  int64_t (*work_bytes)(const nke_plane_plan *plan, const nke_plane_schedule *schedule, int groups);
  nke_status (*run)(const nke_plane_job *job);
  /* table [entries] of one pixel from its variance, `step` reals apart */
  void (*table)(const nke_plane_op *op, double variance, void *table, int step);
} nke_plane_variant;

extern const nke_plane_variant nke_plane_f32_plain, nke_plane_f32_avx2, nke_plane_f32_avx512;
extern const nke_plane_variant nke_plane_f64_plain, nke_plane_f64_avx2, nke_plane_f64_avx512;

/* The variants of a precision that this CPU can run, best first, ended by NULL. */
const nke_plane_variant *const *nke_plane_variants(nke_precision precision);

#endif
