/* nn/embedding.c - a table of vectors, one per symbol */
#include "nn/layer.h"

fig_node fig_embedding(fig_node index, int64_t count, int64_t width, const fig_embedding_opts *opts)
{
    fig_embedding_opts o = opts ? *opts : (fig_embedding_opts){ 0 };
    fig_graph *g = index.graph;
    if (fig__poisoned(index))
        return index;
    if (count < 1 || width < 1)
        return fig_graph_fail(g, "embedding: a table of %lld x %lld; both sizes must be at least 1", (long long)count,
                              (long long)width);
    fig__layer_begin(g, o.label, "embedding");
    /* A row is picked, not mixed: fans say nothing here, so the default is N(0, 0.02^2) as in GPT-2. */
    fig_node table = fig_param(g, "weight", FIG_SHAPE(count, width), fig__init_or(o.init, FIG_INIT_NORMAL));
    if (o.spectral)
        table = fig__spectral(g, table);
    fig_node y = fig_gather(table, index); /* (..., width) */
    fig_scope_pop(g);
    return y;
}
