/* exec/choices.h - which kernel computes which node, by measurement
 *
 * A table from a node's key (what it computes, on what machine) to the name of the kernel that measured fastest. Rows come
 * from the cache file in the user's cache folder, from a checkpoint, or from timing (exec/tune.c). Compiling looks a node up;
 * a node without a row gets the fixed choice, the first kernel of kernels.def that accepts it. */
#ifndef FIG_EXEC_CHOICES_H
#define FIG_EXEC_CHOICES_H

#include "graph/index.h"
#include "kernels/kernel.h"
#include <figment/plan.h>
#include <pthread.h>

enum { FIG__KEY_LENGTH = 32, FIG__CHOICES_MAX = 20000 }; /* rows: some MB as a file; a large model has a few hundred */

typedef struct fig__choice {
    char key[FIG__KEY_LENGTH + 1];
    char kernel[48];
    bool used;  /* by a plan that was compiled with this table: belongs into its checkpoint */
    bool fresh; /* measured now: belongs into the cache file */
} fig__choice;

struct fig_choices {
    pthread_mutex_t lock; /* samplers of one session may compile in several threads */
    fig__choice *row;
    int count, capacity;
    fig__index rows;      /* hash of a key -> row */
    bool frozen;          /* nothing is measured any more */
    double spent, flops;  /* seconds of timing so far; operations of the plans seen, for the time that may be spent */
};

fig_choices *fig__choices_new(void);
void fig__choices_free(fig_choices *choices);
/* Text of lines "KEY KERNEL". Whatever is not such a line is passed over; more than FIG__CHOICES_MAX rows are not kept. */
void fig__choices_read(fig_choices *choices, const char *text, size_t length);
/* The rows that plans have used, as such text (heap). */
char *fig__choices_text(const fig_choices *choices);
/* The cache file: read into an empty table; fresh rows added to what the file holds by now. Both do nothing when it cannot be. */
void fig__choices_load(fig_choices *choices);
void fig__choices_save(fig_choices *choices);

/* Key of a node; false for nodes that are not measured (attributes with pointers mean nothing in another process). */
bool fig__choice_key(const fig_kernel_query *q, char key[FIG__KEY_LENGTH + 1]);
const fig__choice *fig__choices_find(const fig_choices *choices, const char *key);
void fig__choices_set(fig_choices *choices, const char *key, const char *kernel, bool fresh);

#endif
