/* module_sample.h - the table that the sample module and its test agree on */
#ifndef MODULE_SAMPLE_H
#define MODULE_SAMPLE_H

#include <figment/error.h>

typedef struct sample_table { fig_status (*twice)(int value, int *out, fig_error *err); } sample_table;

#endif
