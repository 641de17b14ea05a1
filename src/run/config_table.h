/* The table of config keys and the types of their values. Inside src/run. */
#ifndef NKE_RUN_CONFIG_TABLE_H
#define NKE_RUN_CONFIG_TABLE_H

#include "run/config.h"
#include "run/text.h"
#include "run/yaml.h"

typedef struct nke_value_type nke_value_type;

typedef struct nke_key {
  const char *path;
  const nke_value_type *type;
  size_t offset;        /* of the field in nke_config */
  const char *fallback; /* the default, as YAML */
  const char *doc;
  double min, max;                    /* of a number, or of each entry of a list */
  const char *const *choices;         /* NULL-terminated; of a choice or a list of words */
  int least, most;                    /* entries of a list */
  bool open;                          /* min and max themselves are out of range */
  bool free;                          /* changing it does not change results */
  bool (*hidden)(const nke_config *); /* not part of the resolved config now; NULL: always part */
} nke_key;

/* Keys, ended by one whose path is NULL. A section's keys stand together. */
extern const nke_key nke_config_keys[];

/* One reading of a config: where errors are, and what a network is made from. */
typedef struct nke_reader {
  nke_config *config;
  const char *source; /* file name, or `--set key=value` */
  bool lines;         /* whether line numbers mean something there */
  const char *preset; /* network.preset, NULL: layers are given, or nothing */
  nke_activation activation;
  bool features_given; /* embedding.features */
} nke_reader;

/* A type of value. read: from a node that is null only if the key's default is null. write: YAML in flow style. */
struct nke_value_type {
  const char *name;
  nke_status (*read)(nke_reader *reader, const nke_key *key, const nke_yaml *node, void *field);
  void (*write)(nke_text *text, const nke_config *config, const nke_key *key, const void *field);
};

extern const nke_value_type nke_type_int, nke_type_int32, nke_type_real, nke_type_bytes, nke_type_flag, nke_type_text;
extern const nke_value_type nke_type_choice, nke_type_word, nke_type_ints, nke_type_reals, nke_type_texts,
    nke_type_rows;
extern const nke_value_type nke_type_validation, nke_type_preprocess, nke_type_symmetrize, nke_type_select;
extern const nke_value_type nke_type_class_weights, nke_type_layers, nke_type_preset, nke_type_activation;
extern const nke_value_type nke_type_features;

/* `source:line: path: ` and a line of text. */
nke_status nke_refuse(const nke_reader *reader, int line, const char *path, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The same: expected `what`, got the node. */
nke_status nke_expected(const nke_reader *reader, const char *path, const nke_yaml *node, const char *what);

/* A copy of a text that lives as long as the config. */
nke_status nke_config_keep(nke_config *config, const char *text, const char **out);

/* What a value of the key must be, in words. */
const char *nke_key_range(const nke_key *key, char *text, size_t size);

/* Numbers of a plain scalar within [min, max] (open: without the ends). */
nke_status nke_read_real(const nke_reader *reader, const nke_key *key, const nke_yaml *node, double *out);
nke_status nke_read_int(const nke_reader *reader, const nke_key *key, const nke_yaml *node, int64_t *out);

/* The index of a scalar among NULL-terminated words, -1 if it is none of them. */
int nke_find_word(const char *const *words, const nke_yaml *node);

/* "a, b or c". */
const char *nke_words_text(const char *const *words, char *text, size_t size);

/* NKE_ERR_USAGE if the entries of a map are not all among the words, or one stands twice. */
nke_status nke_check_entries(const nke_reader *reader, const char *path, const nke_yaml *map, const char *const *words);

/* The word nearest to `text`, NULL if none is near. */
typedef struct nke_guess {
  const char *nearest;
  int distance;
} nke_guess;
void nke_guess_try(nke_guess *guess, const char *text, const char *candidate);

/* The activation whose name is nearest, NULL if none is near. */
const char *nke_near_activation(const char *name);

/* An activation: a name, {name: {parameter: value}} or {formula: "..."}. */
nke_status nke_read_activation(const nke_reader *reader, const char *path, const nke_yaml *node, nke_activation *out);
void nke_write_activation(nke_text *text, const nke_activation *activation);

#endif
