/* Gated random features: the parts that gated*.c share. Internal to src/kernel.
 *
 * Every layer is carried as two images of feature vectors, S with <S(x), S(x')> ~ Sigma and T with <T, T'> ~ Theta:
 *   linear layer   S' = w / sqrt(taps) sum_t P_t S_t + b r,          T' = w / sqrt(taps) sum_t P_t T_t + D S'
 *   activation     S' = phi(W S) / sqrt m,                          T' = phi'(W S) .* (G T) / sqrt m
 * P_t are cyclic shifts where W and G read the sum, random signs elsewhere; W = H D H D H D and G = H D H D with random
 * signs D [Yu et al. 2016; Choromanski et al. 2017].
 * D is 1 but where linear layers follow one another, whose T holds the same S as S': there random signs.
 * As long as nothing random has happened (`raw`), linear layers and residual sums concatenate instead of summing, and stay
 * exact. */
#ifndef NKE_KERNEL_GATED_H
#define NKE_KERNEL_GATED_H

#include "kernel/features_method.h"
#include "kernel/gated_kernels.h"
#include "num/phi.h"

typedef struct nke_gated_plan nke_gated_plan;
typedef struct nke_gated_stage nke_gated_stage;

/* What is known of Theta: 0 before the first linear layer, equal to Sigma after it, its own after the first activation. */
typedef enum nke_theta { NKE_THETA_ZERO, NKE_THETA_IS_SIGMA, NKE_THETA_OWN } nke_theta;

/* One feature vector of `stride` entries (a power of two, at least 16) for each pixel; entries from `width_*` on are 0.
 * Of a layer's image only the rows that the next layer still reads are kept, so that they stay in the cache. */
typedef struct nke_image {
  nke_shape shape;
  nke_gated_stage *from; /* what makes it; NULL: the input */
  int64_t kept;          /* row y is in place y % kept */
  int64_t width_s, width_t;
  int64_t stride;
  int raw;
  nke_theta theta;
  int holds_sigma; /* T is a sum with S in it, or with what S is made of: no activation's projection has come between */
  void *s, *t;     /* t is NULL unless theta is NKE_THETA_OWN */
} nke_image;

/* Weighted sums of input pixels: conv, dense, pooling and flatten alike. */
typedef struct nke_taps {
  int n;
  int64_t out_pixels;
  double scale;
  double bias;
  int32_t *pixel; /* [out_pixels][n], -1 outside the image; where the input image keeps that pixel */
  int32_t *shift; /* [n] */
  void *sign_data; /* [n][stride], or NULL where distinct shifts do */
  const void **sign;
  void *bias_table; /* [stride], or NULL */
} nke_taps;

/* `blocks` blocks of `length` rows, each sqrt(N) (H / sqrt N) D_k ... (H / sqrt N) D_1. */
typedef struct nke_hadamard {
  int64_t length;
  int64_t blocks;
  int stages;
  void *signs; /* [blocks][stages][length] */
} nke_hadamard;

/* How a method maps layers to stages: the builders of gated_activation.c and gated_linear.c, or its own. */
typedef struct nke_gated_variant {
  int splits; /* z = [T ; part of S] after a last linear layer: its length is twice the last width */
  int narrow; /* default widths that grow as pooling shrinks the image; else every width is the last one */
  nke_status (*activation)(nke_gated_plan *plan, const nke_layer *linear, const nke_layer *activation, int pool_h,
                           int pool_w, nke_shape out_shape, const nke_image *in, const nke_image **out);
  nke_status (*linear)(nke_gated_plan *plan, const nke_layer *layer, const nke_image *in, int is_last,
                       const nke_image **out);
} nke_gated_variant;

struct nke_gated_stage {
  /* Row y of the output, or of what is pooled into it. */
  nke_status (*forward)(nke_gated_plan *plan, nke_gated_stage *stage, int64_t y);
  int64_t done; /* such rows of the image in hand */
  /* [y]: of the input, rows from y on look at none before in_begin[y], and rows up to y at none from in_end[y] on. */
  int64_t *in_begin, *in_end;
  /* Block `block` of the features of one pixel, from its pre-activation s and t (NULL without Theta): writes output
   * pixel `to` where it is `fresh`, else adds to it. */
  nke_status (*pixel)(nke_gated_plan *plan, nke_gated_stage *stage, int64_t block, int64_t to, int fresh, void *s,
                      void *t);
  void *own; /* tables of the methods other than random features */
  void (*own_destroy)(void *own);
  const nke_image *in;
  nke_image out; /* owned */
  double flops;
  nke_taps taps;
  int adds_sigma; /* Theta <- Theta + Sigma after the taps: conv and dense */
  void *sigma_sign; /* NULL, or [blocks][stride]: signs of S' where T and S' would add up as one vector */
  int concat;
  int split;      /* the last layer: T' stays beside S' instead of taking it in */
  /* activation */
  const nke_layer *layer;
  int64_t width;
  int pool_h, pool_w;
  nke_hadamard w, g;
  int64_t used_s, used_t;  /* entries of a pre-activation that stage->pixel reads; zeros behind those in use */
  int64_t patch;           /* entries of an input patch, where the projections are dense */
  void *w_dense, *g_dense; /* [out.stride / 16][patch][16], small inputs of many pixels */
  void *out_table;         /* [out.stride]: random signs / (sqrt(width) pool^2) */
  void *phase;             /* [out.stride], exp-normalized only */
  nke_phi *phi;            /* activations without vector code */
  /* residual: the sum of two images */
  const nke_image *other;
  int64_t other_at; /* where its features begin, if the two are side by side */
  void *other_sign; /* [out.stride]; of an activation [2][blocks][length]: signs of S and of T for every block of rows */
};

struct nke_gated_plan {
  const nke_gated_kernels *k;
  nke_precision precision;
  const nke_gated_variant *variant;
  nke_kernel_kind kernel;
  int degree; /* of the polynomial sketches */
  int64_t real_bytes;
  uint64_t seed;
  uint32_t next_stream; /* counts the random objects in the order of the layers */
  nke_image input;
  int n_stages;
  nke_gated_stage **stages; /* owned, in the order of execution */
  const nke_image *result;
  int split; /* z = [T ; part of S]: the last layer is linear */
  int ends;  /* of the activation being built: nothing but poolings and one last linear layer follow */
  int widened;          /* the last activation has more features than its width: z is [T ; a few of S] */
  int64_t sigma_length; /* entries of z that are S, where split */
  nke_hadamard cut;     /* where they are fewer than S has, and not its first ones: projects S onto them */
  int n_widths, used_widths;
  int64_t widths[NKE_MAX_WIDTHS];
  void *work;       /* scratch of work_bytes, shared by the stages */
  int64_t work_bytes;
  int64_t bytes;
};

/* Entry `i` of a vector of the plan's precision. */
static inline void *nke_at(const nke_gated_plan *plan, const void *base, int64_t i)
{
  return (char *)(uintptr_t)base + i * plan->real_bytes;
}

/* Allocation that is counted in plan->bytes; zeroed, `count` entries of the plan's precision. Local. */
nke_status nke_gated_alloc(nke_gated_plan *plan, int64_t count, const char *what, void *out);

/* table[i] = scale * (+-1) for i < n, from the next stream of the plan. Local. */
nke_status nke_gated_signs(nke_gated_plan *plan, int64_t n, double scale, void *table);

/* Whether a layer has weights, and so Theta' = Theta + Sigma behind it: conv and dense. */
static inline int nke_gated_has_weights(const nke_layer *layer)
{
  return layer->kind == NKE_LAYER_CONV || layer->kind == NKE_LAYER_DENSE;
}

/* What is known of Theta behind a linear layer. */
static inline nke_theta nke_gated_theta_after(const nke_gated_plan *plan, const nke_layer *layer, nke_theta before)
{
  if (plan->kernel == NKE_KERNEL_NNGP || !nke_gated_has_weights(layer)) return before;
  return before == NKE_THETA_ZERO ? NKE_THETA_IS_SIGMA : NKE_THETA_OWN;
}

/* Ask for at least this much scratch. */
static inline void nke_gated_need_work(nke_gated_plan *plan, int64_t entries)
{
  plan->work_bytes = nke_max(plan->work_bytes, entries * plan->real_bytes);
}

/* The plan of a method, and what it provides for nke_features_method (features_method.h). */
nke_status nke_gated_create(const nke_gated_variant *variant, const nke_network *network,
                            nke_embedding_options *options, void **out);
void nke_gated_destroy(void *plan);
double nke_gated_flops(const void *plan);
int64_t nke_gated_bytes(const void *plan);
nke_status nke_gated_apply(void *plan, const double *x, void *z);

/* t [n] += s, with the signs `sign` where they are given; plan->work holds the product. */
void nke_gated_add_sigma(const nke_gated_plan *plan, int64_t n, const void *sign, const void *s, void *t);

/* Append a stage that reads `in`; its forward, out and tables are the caller's to set. Local. */
nke_status nke_gated_stage_add(nke_gated_plan *plan, const nke_image *in, nke_gated_stage **out);

/* Allocate the vectors of the rows that are kept, of its stride and theta. Local. */
nke_status nke_image_alloc(nke_gated_plan *plan, nke_image *image);

/* Where an image keeps pixel x of row y. */
static inline int64_t nke_image_place(const nke_image *image, int64_t y, int64_t x)
{
  return y % image->kept * image->shape.width + x;
}

/* gated_rows.c: which rows of which image every row of every stage looks at; the images, with as many rows as that
 * takes. Called once, when all stages are there. Local. */
nke_status nke_gated_rows_create(nke_gated_plan *plan);
/* Rows [0, rows) of an image have been made, those before them that nobody looks at any more thrown away. */
nke_status nke_gated_rows(nke_gated_plan *plan, const nke_image *image, int64_t rows);

/* How the taps of one output meet: side by side or averaged, or summed into one vector, which takes distinct shifts or
 * signs. Shifts are cyclic over the stride: they move entries beyond the width, where those are not read. */
typedef enum nke_taps_mix { NKE_TAPS_APART, NKE_TAPS_SUMMED, NKE_TAPS_SUMMED_IN_PLACE } nke_taps_mix;

/* gated_taps.c: the taps of a linear layer on an image of shape `in` (conv, dense, avgpool, global_avgpool, flatten);
 * NULL is the identity. Vectors have `width` entries in use of `stride`. */
nke_status nke_taps_create(nke_gated_plan *plan, const nke_layer *layer, nke_shape in, nke_shape out, int64_t stride,
                           int64_t width, nke_taps_mix mix, nke_taps *taps);
void nke_taps_clear(nke_taps *taps);
/* out [stride] = the sum of the taps of output pixel `pixel`, of the feature image `data`, every vector of which is
 * multiplied by `signs` (NULL: none); without the bias. */
void nke_taps_sum(const nke_gated_plan *plan, const nke_taps *taps, int64_t stride, const void *data, const void *signs,
                  int64_t pixel, void *out);
/* out [n * width (+ 1)] = the taps side by side, then the bias where there is one. */
void nke_taps_concat(const nke_gated_plan *plan, const nke_taps *taps, int64_t stride, int64_t width, const void *data,
                     int64_t pixel, void *out);
/* Entries of such a vector. */
int64_t nke_taps_concat_width(const nke_taps *taps, int64_t width);
/* The features of Theta side by side, then, where the layer adds Sigma, s [width_s]; and their number. */
void nke_taps_concat_theta(const nke_gated_plan *plan, const nke_taps *taps, const nke_image *in, int adds_sigma,
                           int64_t pixel, const void *s, int64_t width_s, void *t);
int64_t nke_taps_concat_theta_width(const nke_taps *taps, const nke_image *in, int adds_sigma, int64_t width_s);

/* The features of Theta before a layer (Sigma's where the two are equal), and their width. */
static inline const void *nke_image_theta(const nke_image *in)
{
  return in->theta == NKE_THETA_OWN ? in->t : in->s;
}
static inline int64_t nke_image_theta_width(const nke_image *in)
{
  return in->theta == NKE_THETA_OWN ? in->width_t : in->width_s;
}
/* Whether the features of Theta and Sigma are so alike that their sum is not that of independent ones. */
static inline int nke_image_entwined(const nke_image *in)
{
  return in->theta == NKE_THETA_IS_SIGMA || in->holds_sigma;
}
static inline int64_t nke_image_width(const nke_image *in)
{
  return nke_max(in->width_s, nke_image_theta_width(in));
}

/* gated_linear.c: stages without an activation. Each returns its output image. */
nke_status nke_gated_linear(nke_gated_plan *plan, const nke_layer *layer, const nke_image *in, int is_last,
                            const nke_image **out);
nke_status nke_gated_layernorm(nke_gated_plan *plan, const nke_layer *layer, const nke_image *in, const nke_image **out);
nke_status nke_gated_sum(nke_gated_plan *plan, const nke_layer *layer, const nke_image *a, const nke_image *b,
                         const nke_image **out);

/* gated_activation.c: [linear], activation, [average pooling] in one stage. `linear` may be NULL; pool_h x pool_w is the
 * window of the pooling that follows (1 x 1: none), `out_shape` the shape after it. */
nke_status nke_gated_activation(nke_gated_plan *plan, const nke_layer *linear, const nke_layer *activation, int pool_h,
                                int pool_w, nke_shape out_shape, const nke_image *in, const nke_image **out);

/* Its parts, for other methods: a stage with taps and an output image, where `concat` puts the taps side by side,
 * *d entries of Sigma in vectors of *length; the signs and weights of the output; signs that set the blocks of more rows
 * than the input is long apart; and the walk over pixels and blocks that calls stage->pixel. */
nke_status nke_gated_activation_begin(nke_gated_plan *plan, const nke_layer *linear, const nke_layer *activation,
                                      int pool_h, int pool_w, nke_shape out_shape, const nke_image *in, int concat,
                                      nke_gated_stage **out, int64_t *d, int64_t *length);
nke_status nke_gated_out_table(nke_gated_plan *plan, nke_gated_stage *stage);
nke_status nke_gated_block_signs(nke_gated_plan *plan, nke_gated_stage *stage);
nke_status nke_gated_forward(nke_gated_plan *plan, nke_gated_stage *stage, int64_t y);
/* Theta' = Sigma' before the activation. */
int nke_gated_theta_is_sigma(const nke_gated_stage *stage);

/* gated_projection.c */
nke_status nke_hadamard_create(nke_gated_plan *plan, int64_t length, int64_t rows, int stages, nke_hadamard *h);
/* out [length] = block `block` of rows applied to in [length], which may be out. */
void nke_hadamard_apply(const nke_gated_plan *plan, const nke_hadamard *h, int64_t block, const void *in, void *out);
double nke_hadamard_flops(const nke_hadamard *h);
/* Rows of norms distributed as those of Gaussian vectors, orthogonal in blocks of d: matrix
 * [rows / 16][d][16], rows a multiple of 16. */
nke_status nke_orthogonal_create(nke_gated_plan *plan, int64_t rows, int64_t d, void **matrix);

#endif
