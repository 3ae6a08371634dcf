/* graph/scope.c - layer paths, automatic layer names, noise streams
 *
 * Entering a scope opens a frame whose counters start at nothing, so that calling a network function twice under one
 * name yields the same layer names and therefore the same weights. A noise stream is a hash of its layer path and of
 * how many noise nodes were made at that path before: two calls of one network draw different noise, a rebuilt graph
 * the same. */
#include "graph/graph.h"

#include <stdlib.h>
#include <string.h>

static fig__frame *top(fig_graph *g)
{
    return &g->scopes.frame[g->scopes.depth - 1];
}

const char *fig__scope_path(fig_graph *g, const char *name)
{
    const char *path = g->scopes.override_path && !name ? g->scopes.override_path : top(g)->path;
    if (!name)
        return path;
    return *path ? fig__arena_format(g->arena, "%s.%s", path, name) : fig__arena_text(g->arena, name);
}

void fig_scope_push(fig_graph *g, const char *name)
{
    fig__scopes *s = &g->scopes;
    const char *path = s->depth ? fig__scope_path(g, name) : "";
    if (s->depth == s->capacity) {
        s->capacity = s->capacity ? s->capacity * 2 : 8;
        s->frame = fig__realloc(s->frame, sizeof *s->frame * (size_t)s->capacity);
    }
    s->frame[s->depth++] = (fig__frame){.path = path};
}

void fig_scope_pop(fig_graph *g)
{
    if (g->scopes.depth <= 1) {
        fig_graph_fail(g, "scope: popped more often than pushed");
        return;
    }
    fig__index_free(&top(g)->counters);
    g->scopes.depth--;
}

const char *fig__scope_auto(fig_graph *g, const char *kind)
{
    int64_t *count = fig__index_at(&top(g)->counters, fig__hash64(kind, strlen(kind), 2), 0);
    return fig__arena_format(g->arena, "%s%d", kind, (int)++*count);
}

uint64_t fig__next_stream(fig_graph *g)
{
    const char *path = fig__scope_path(g, NULL);
    uint64_t key = fig__hash64(path, strlen(path), 3);
    int64_t occurrence = (*fig__index_at(&g->scopes.streams, key, 0))++;
    return fig__hash64(&occurrence, sizeof occurrence, key);
}
