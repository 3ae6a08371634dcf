/* nn/layer.h - what the layers share: their scope, and the bias that knows its weight's fan-in */
#ifndef FIG_NN_LAYER_H
#define FIG_NN_LAYER_H

#include "graph/graph.h"
#include <figment/layers.h>

/* Enters the layer's scope: its label, or the next automatic name of its kind ("linear1"). fig_scope_pop leaves it. */
static inline void fig__layer_begin(fig_graph *graph, const char *label, const char *kind)
{
    fig_scope_push(graph, label ? label : fig__scope_auto(graph, kind));
}

/* The parameter "bias" (units). Its default is the model's bias initialiser, with the fan-in of the weight beside it. */
fig_node fig__bias(fig_graph *graph, int64_t units, fig_init init, int64_t fan_in);
/* True while the graph is built to gather batch norm's statistics for weights that no step has seen (train/standing.c). */
bool fig__is_standing(const fig_graph *graph);
/* First choice that is not the default. */
static inline fig_init fig__init_or(fig_init init, fig_init_kind kind)
{
    if (init.kind == FIG_INIT_DEFAULT)
        init.kind = kind;
    return init;
}

#endif
