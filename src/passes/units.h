/* passes/units.h - nodes of a graph gathered into units that run whole
 *
 * Every node starts as a unit of its own; units join where the result can still run in some order. For a fusing
 * pass. */
#ifndef FIG_PASSES_UNITS_H
#define FIG_PASSES_UNITS_H

#include "passes/pass.h"

/* A unit is named by one of its nodes. */
typedef struct fig__units {
    const fig_graph *g;
    int32_t *unit_of;  /* node -> its unit */
    int32_t *next;     /* node -> another member, -1 = no more; the first is the unit's name */
    int32_t *last;     /* unit -> its last member in that list */
    int32_t *place;    /* unit -> place: whatever a unit reads comes from lower places */
    int32_t *reader_start, *reader; /* value -> needed nodes that read it: reader[reader_start[v]] and on */
    int32_t *before, *after;        /* scratch of a join */
    int32_t *mark;                  /* unit -> mark of the current search */
    int32_t now;
} fig__units;

void fig__units_begin(fig__units *units, const fig_graph *graph, const fig__needs *needs);
void fig__units_end(fig__units *units);
/* Makes units a and b one, named a. False, and nothing changes, when something outside would have to run between
 * them (or when finding that out would take too long). a == b is true. */
bool fig__units_join(fig__units *units, int32_t a, int32_t b);
/* All units in an order in which they can run; `order` has room for every node. Returns how many. */
int32_t fig__units_order(const fig__units *units, int32_t *order);
/* The members of a unit, ascending; `members` has room for all. Returns how many. */
int fig__units_members(const fig__units *units, int32_t unit, int32_t *members);

#endif
