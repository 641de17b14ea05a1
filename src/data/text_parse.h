/* Lines of csv and libsvm text into numbers. Pure functions on one line; inside src/data.
 * Error texts begin with the place in the line; the caller puts file and row before them. */
#ifndef NKE_DATA_TEXT_PARSE_H
#define NKE_DATA_TEXT_PARSE_H

#include "base/status.h"
#include "data/sparse.h"

#include <stdint.h>

/* The number of fields of a csv line (commas plus one, outside double quotes). */
int64_t nke_csv_fields(const char *line);

/* Field `column` of a csv line, without blanks around it and double quotes: its text [*begin, *end). */
void nke_csv_field(const char *line, int64_t column, const char **begin, const char **end);

/* Whether some field of the line is neither a number nor what stands for a missing one: a header. */
int nke_csv_is_header(const char *line);

/* The numbers of a csv line with exactly `columns` fields. */
nke_status nke_csv_parse(const char *line, int64_t columns, double *out);

/* The largest index of libsvm text. */
#define NKE_LIBSVM_MOST (INT64_C(1) << 40)

/* `label index:value index:value ... # comment`, indices ascending from 1. Sets *label and appends the
 * entries to `row`, which the caller ends; indices count from 0 there. An index past columns is an error. */
nke_status nke_libsvm_parse(const char *line, int64_t columns, double *label, nke_sparse *row);

#endif
