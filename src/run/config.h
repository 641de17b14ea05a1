/* The config: YAML text checked against one table of keys, filled into a typed struct.
 *
 * Every key stands in the table of config_keys.c with its type, range, default and meaning; defaults are parsed by the
 * same code as the file. `--set key.path=value` overrides the file; null gives a key (or a whole section) its default.
 */
#ifndef NKE_RUN_CONFIG_H
#define NKE_RUN_CONFIG_H

#include "base/checked.h"
#include "base/status.h"
#include "data/dataset.h"
#include "data/preprocess.h"
#include "data/targets.h"
#include "kernel/features.h"
#include "kernel/network.h"

#include <mpi.h>
#include <stdbool.h>
#include <stdint.h>

enum {
  NKE_CONFIG_MAX_BYTES = 1 << 20, /* of the file */
  NKE_CONFIG_MAX_LIST = 1024,     /* entries of any list */
  NKE_CONFIG_MAX_LAYERS = 1000,   /* of a network, residual parts included */
  NKE_CONFIG_MAX_NESTING = 16     /* residuals inside residuals */
};

typedef enum nke_solver_type {
  NKE_SOLVER_AUTO,
  NKE_SOLVER_CHOLESKY,
  NKE_SOLVER_EIGEN,
  NKE_SOLVER_DUAL,
  NKE_SOLVER_CG,
  NKE_SOLVER_LSQR
} nke_solver_type;

typedef enum nke_select { NKE_SELECT_VALIDATION, NKE_SELECT_LOO, NKE_SELECT_GCV, NKE_SELECT_KFOLD } nke_select;

typedef enum nke_precondition {
  NKE_PRECONDITION_NONE,
  NKE_PRECONDITION_JACOBI,
  NKE_PRECONDITION_NYSTROM,
  NKE_PRECONDITION_SKETCH
} nke_precondition;
extern const char *const nke_precondition_name[]; /* as in solver.precondition */

typedef enum nke_class_weighting {
  NKE_CLASS_WEIGHTS_NONE,
  NKE_CLASS_WEIGHTS_BALANCED, /* n / (classes x rows of the class) */
  NKE_CLASS_WEIGHTS_GIVEN     /* one a class, in ascending order of the labels */
} nke_class_weighting;

typedef enum nke_layout { NKE_LAYOUT_ROWS, NKE_LAYOUT_COLUMNS } nke_layout;

typedef enum nke_input_sketch { NKE_INPUT_AUTO, NKE_INPUT_AS_IT_IS, NKE_INPUT_COUNTSKETCH, NKE_INPUT_OSNAP, NKE_INPUT_SRFT } nke_input_sketch;

/* Lists of the config: n entries. */
typedef struct nke_ints {
  int n;
  int64_t at[NKE_CONFIG_MAX_LIST];
} nke_ints;

typedef struct nke_reals {
  int n;
  double at[NKE_CONFIG_MAX_LIST];
} nke_reals;

typedef struct nke_texts {
  int n;
  const char *at[NKE_CONFIG_MAX_LIST];
} nke_texts;

typedef struct nke_config_run {
  uint64_t seed;
  nke_precision precision;
  const char *out;
  int64_t memory_per_rank; /* bytes */
} nke_config_run;

typedef struct nke_config_augment {
  int64_t copies; /* each training row appears so many times, first as it is */
  int flip;       /* mirrored left-right at random */
  int64_t shift;  /* pixels, each way */
} nke_config_augment;

typedef struct nke_config_sketch {
  nke_input_sketch kind;
  int64_t columns; /* of the sketched rows */
  int64_t period;  /* of an srft that rows have had, 0: none yet; no key */
} nke_config_sketch;

typedef struct nke_config_data {
  nke_data_spec train, test; /* file NULL: not given */
  nke_task task;
  nke_data_spec validation;   /* file NULL: a fraction of the training rows */
  double validation_fraction; /* in (0, 1) */
  int n_preprocess;
  nke_preprocess_step preprocess[NKE_PREPROCESS_MAX_STEPS];
  nke_layout layout;
  nke_config_sketch sketch;
  nke_config_augment augment;
  nke_class_weighting class_weighting;
  nke_reals class_weights; /* NKE_CLASS_WEIGHTS_GIVEN */
} nke_config_data;

typedef struct nke_config_solver {
  nke_solver_type type;
  nke_select select;
  int64_t folds; /* NKE_SELECT_KFOLD */
  nke_precondition precondition;
  nke_reals lambda; /* ascending, relative to the mean diagonal of the kernel; at least one */
} nke_config_solver;

typedef struct nke_config_checkpoint {
  double seconds;
} nke_config_checkpoint;

typedef struct nke_config_compare {
  nke_texts methods;
  nke_ints features, seeds;
  int64_t at_n;
} nke_config_compare;

typedef struct nke_config_kernel {
  const char *file; /* NULL: <run.out>/kernel.h5 */
  int64_t tile;
} nke_config_kernel;

typedef struct nke_config_synth {
  const char *file; /* NULL: <run.out>/synth.h5 */
  int64_t n, d, n_test;
  nke_ints hidden;
  double noise;    /* variance */
  double spectrum; /* p: column scales j^-p in a random rotation; 0: x ~ N(0, 1) */
} nke_config_synth;

typedef struct nke_config {
  nke_config_run run;
  nke_config_data data;
  nke_network *network;            /* owned; not shaped: the caller knows the data. NULL where the config has none */
  nke_embedding_options embedding; /* seed and precision from run; method "none": the exact kernel */
  nke_config_solver solver;
  nke_config_checkpoint checkpoint;
  nke_config_compare compare;
  nke_config_kernel kernel;
  nke_config_synth synth;
  const char *name;               /* of the config file, for error texts */
  struct nke_config_texts *owned; /* the strings that the fields above point to */
} nke_config;

/* What a command cannot do without; bits for nke_config_require(). */
enum { NKE_NEEDS_TRAIN = 1, NKE_NEEDS_NETWORK = 2 };

/* Read the file on rank 0, share its text, parse it on every rank. Collective; the same status and text everywhere.
 * NKE_ERR_USAGE, as `file:line: key: what, expected, got`: unreadable or larger than NKE_CONFIG_MAX_BYTES, not YAML, an
 * unknown or repeated key, a value of the wrong type or out of range. sets: n_sets texts `key.path=value`. */
nke_status nke_config_read(MPI_Comm comm, const char *path, int n_sets, const char *const *sets, nke_config **out);

/* The same for a text at hand; `name` stands for the file in error texts. Local. */
nke_status nke_config_parse(const char *name, const char *text, int n_sets, const char *const *sets, nke_config **out);
void nke_config_destroy(nke_config **config);

/* NKE_ERR_USAGE naming the first key that is missing for what `needs` lists. Local. */
nke_status nke_config_require(const nke_config *config, int needs);

/* The resolved config as YAML: every key, presets as layers. Parsing it gives the same config. The caller frees *text
 * with nke_free. Local. */
nke_status nke_config_print(const nke_config *config, char **text);

/* path <- <run.out>/<name>. NKE_ERR_OUTPUT: longer than `size`. Local. */
nke_status nke_config_out(const nke_config *config, const char *name, char *path, size_t size);

/* The same without the keys that do not change results (run.out, run.memory_per_rank, checkpoint): what a checkpoint
 * must share with the run that resumes it. Local. */
nke_status nke_config_bound(const nke_config *config, char **text);

/* Whether two printed configs differ, and *a and *b <- the first lines in which they do. Local. */
bool nke_config_differs(const char *found, const char *now, const char **a, const char **b);

/* What the line that starts at `line` of a printed config is of, up to a colon: the last line before it that is less
 * indented, itself where it is not; NULL: its section's line is not in the text. Local. */
const char *nke_config_section(const char *text, const char *line);

/* 64-bit FNV-1a of nke_config_bound(). Local. */
nke_status nke_config_hash(const nke_config *config, uint64_t *hash);

/* The table of keys as text: path, type and range, default, meaning. The caller frees *text. Local. */
nke_status nke_config_reference(char **text);

#endif
