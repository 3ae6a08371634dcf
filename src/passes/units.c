/* passes/units.c - joining nodes into units while an order among units stays known
 *
 * Two units may become one unless a path leads from one to the other through a third: that one would have to run
 * after the one and before the other. Every unit has a place and all edges go from lower places to higher ones, so
 * the path can only lie between the two places, and a join looks at nothing else:
 *
 *     place   lo ............................................ hi
 *     unit     a    x    A    d    A    x    d    x            b        x: no relatives of a and b
 *
 * A are the ancestors of a and b between lo and hi, d the descendants. When an ancestor reads a or b there is a
 * path. Else the places that all of these hold are given out anew: first A, then the joined unit, then d, each in
 * their old order (dynamic topological order, Pearce and Kelly 2006). Places need not be dense. */
#include "passes/units.h"

#include <stdlib.h>
#include <string.h>

/* Ancestors or descendants after which a join is given up: units that far apart gain nothing from running together, and
 * without a bound a long chain of attempts would be quadratic. */
enum { SEARCH_LIMIT = 3000 };

static void index_readers(fig__units *u, const fig__needs *needs)
{
    const fig_graph *g = u->g;
    u->reader_start = fig__alloc(sizeof *u->reader_start * (size_t)(g->n_values + 2));
    size_t total = 1;
    for (int32_t n = 0; n < g->n_nodes; n++)
        for (int i = 0; fig__node_needed(g, needs, n) && i < g->nodes[n].n_in; i++, total++)
            u->reader_start[g->nodes[n].in[i] + 1]++;
    for (int32_t v = 0; v <= g->n_values; v++)
        u->reader_start[v + 1] += u->reader_start[v];
    u->reader = fig__alloc(sizeof *u->reader * total);
    int32_t *fill = fig__alloc(sizeof *fill * (size_t)(g->n_values + 1));
    for (int32_t n = 0; n < g->n_nodes; n++) {
        for (int i = 0; fig__node_needed(g, needs, n) && i < g->nodes[n].n_in; i++) {
            int32_t v = g->nodes[n].in[i];
            u->reader[u->reader_start[v] + fill[v]++] = n;
        }
    }
    free(fill);
}

void fig__units_begin(fig__units *u, const fig_graph *g, const fig__needs *needs)
{
    size_t bytes = sizeof(int32_t) * (size_t)(g->n_nodes + 1);
    *u = (fig__units){.g = g};
    int32_t **lists[] = {&u->unit_of, &u->next, &u->last, &u->place, &u->before, &u->after, &u->mark};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        *lists[i] = fig__alloc(bytes);
    for (int32_t n = 0; n < g->n_nodes; n++) {
        u->unit_of[n] = u->last[n] = u->place[n] = n;
        u->next[n] = -1;
    }
    index_readers(u, needs);
}

void fig__units_end(fig__units *u)
{
    free(u->unit_of);
    free(u->next);
    free(u->last);
    free(u->place);
    free(u->before);
    free(u->after);
    free(u->mark);
    free(u->reader_start);
    free(u->reader);
}

static bool add(fig__units *u, int32_t unit, int32_t *list, int *count)
{
    if (u->mark[unit] == u->now)
        return true;
    if (*count == SEARCH_LIMIT)
        return false;
    u->mark[unit] = u->now;
    list[(*count)++] = unit;
    return true;
}

/* Ancestors of a and b above place lo, into `before`. False: one of them reads a or b, or there are too many. */
static bool find_before(fig__units *u, int32_t a, int32_t b, int32_t lo, int *count)
{
    const fig_graph *g = u->g;
    *count = 0;
    u->now++;
    for (int at = -2; at < *count; at++) { /* the list grows while it is walked */
        int32_t unit = at == -2 ? a : at == -1 ? b : u->before[at];
        for (int32_t n = unit; n >= 0; n = u->next[n]) {
            for (int i = 0; i < g->nodes[n].n_in; i++) {
                int32_t from = u->unit_of[g->values[g->nodes[n].in[i]].node];
                bool inside = from == a || from == b;
                if (inside && at >= 0)
                    return false;
                if (!inside && u->place[from] > lo && !add(u, from, u->before, count))
                    return false;
            }
        }
    }
    return true;
}

/* Descendants of a and b below place hi, into `after`. */
static bool find_after(fig__units *u, int32_t a, int32_t b, int32_t hi, int *count)
{
    const fig_graph *g = u->g;
    *count = 0;
    u->now++;
    for (int at = -2; at < *count; at++) {
        int32_t unit = at == -2 ? a : at == -1 ? b : u->after[at];
        for (int32_t n = unit; n >= 0; n = u->next[n]) {
            int32_t first = g->nodes[n].first_out, end = first + g->nodes[n].n_out;
            for (int32_t i = u->reader_start[first]; i < u->reader_start[end]; i++) {
                int32_t to = u->unit_of[u->reader[i]];
                if (to != a && to != b && u->place[to] < hi && !add(u, to, u->after, count))
                    return false;
            }
        }
    }
    return true;
}

typedef struct ranked { int32_t place, unit; } ranked;

static int by_place(const void *x, const void *y)
{
    int32_t a = ((const ranked *)x)->place, b = ((const ranked *)y)->place;
    return (a > b) - (a < b);
}

static void rank_units(const fig__units *u, const int32_t *list, int count, ranked *out)
{
    for (int i = 0; i < count; i++)
        out[i] = (ranked){u->place[list[i]], list[i]};
    qsort(out, (size_t)count, sizeof *out, by_place);
}

/* Gives the places of all concerned out anew: before, then a (with b), then after. */
static void place_anew(fig__units *u, int32_t a, int32_t b, int n_before, int n_after)
{
    int total = n_before + 2 + n_after;
    ranked *units = fig__alloc(sizeof *units * (size_t)total), *places = fig__alloc(sizeof *places * (size_t)total);
    rank_units(u, u->before, n_before, units);
    units[n_before].unit = a;
    units[n_before + 1].unit = b;
    rank_units(u, u->after, n_after, units + n_before + 2);
    for (int i = 0; i < total; i++)
        places[i].place = u->place[units[i].unit];
    qsort(places, (size_t)total, sizeof *places, by_place);
    for (int i = 0; i < total; i++)
        u->place[units[i].unit] = places[i].place;
    free(units);
    free(places);
}

bool fig__units_join(fig__units *u, int32_t a, int32_t b)
{
    int n_before, n_after;
    if (a == b)
        return true;
    int32_t lo = u->place[a] < u->place[b] ? u->place[a] : u->place[b], hi = u->place[a] + u->place[b] - lo;
    if (!find_before(u, a, b, lo, &n_before) || !find_after(u, a, b, hi, &n_after))
        return false;
    place_anew(u, a, b, n_before, n_after);
    for (int32_t n = b; n >= 0; n = u->next[n])
        u->unit_of[n] = a;
    u->next[u->last[a]] = b;
    u->last[a] = u->last[b];
    return true;
}

int32_t fig__units_order(const fig__units *u, int32_t *order)
{
    int32_t count = 0;
    ranked *units = fig__alloc(sizeof *units * (size_t)(u->g->n_nodes + 1));
    for (int32_t n = 0; n < u->g->n_nodes; n++)
        if (u->unit_of[n] == n)
            units[count++] = (ranked){u->place[n], n};
    qsort(units, (size_t)count, sizeof *units, by_place);
    for (int32_t i = 0; i < count; i++)
        order[i] = units[i].unit;
    free(units);
    return count;
}

int fig__units_members(const fig__units *u, int32_t unit, int32_t *members)
{
    int count = 0;
    for (int32_t n = unit; n >= 0; n = u->next[n]) {
        int at = count++;
        for (; at > 0 && members[at - 1] > n; at--)
            members[at] = members[at - 1];
        members[at] = n;
    }
    return count;
}
