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
/* The weight (out, ..., in) of the layer whose scope is open, divided by its largest singular value (nn/spectral.c). */
fig_node fig__spectral(fig_graph *graph, fig_node weight);
/* Where a model keeps what was made of a weight, so that a network that is called twice makes it once; NULL in a bare graph. */
fig_node *fig__weight_made(fig_graph *graph, fig_node weight);
/* x (rows, in) times the weight (out, in) of the layer whose scope is open, with noise that is learned (nn/variational.c). */
fig_node fig__noisy_product(fig_node x, fig_node weight, fig_weight_noise noise);
/* Notes that a weight has noise: log alpha, of the weight's shape or (1). */
void fig__weight_is_noisy(fig_graph *graph, fig_node weight, fig_node log_alpha);
/* First choice that is not the default. */
static inline fig_init fig__init_or(fig_init init, fig_init_kind kind)
{
    if (init.kind == FIG_INIT_DEFAULT)
        init.kind = kind;
    return init;
}

#endif
