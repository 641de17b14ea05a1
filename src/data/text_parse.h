/* Lines of csv and libsvm text into numbers. Pure functions on one line; inside src/data.
 * Error texts begin with the place in the line; the caller puts file and row before them. */
#ifndef NKE_DATA_TEXT_PARSE_H
#define NKE_DATA_TEXT_PARSE_H

#include "base/status.h"

#include <stdint.h>

/* The number of fields of a csv line (commas plus one, outside double quotes). */
int64_t nke_csv_fields(const char *line);

/* Field `column` of a csv line, without blanks around it and double quotes: its text [*begin, *end). */
void nke_csv_field(const char *line, int64_t column, const char **begin, const char **end);

/* Whether some field of the line is not a number: a header. */
int nke_csv_is_header(const char *line);

/* The numbers of a csv line with exactly `columns` fields. */
nke_status nke_csv_parse(const char *line, int64_t columns, double *out);

/* `label index:value index:value ... # comment`, indices ascending from 1. Sets *label and *largest (0 if the row is
 * empty); where x is not NULL, x[columns] is filled, zeros included, and an index past columns is an error. */
nke_status nke_libsvm_parse(const char *line, int64_t columns, double *label, int64_t *largest, double *x);

#endif
