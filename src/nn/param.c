/* nn/param.c - named states: weights, buffers, and any other value that outlives a step
 *
 * A state's name is the layer path it was made under. Asking twice gives the same node, which is how a network that is
 * called twice shares its weights. The model of the graph (graph->owner.model) lists every state with its initialiser;
 * a bare graph, without a model, simply has the state: its owner fills the store. */
#include "nn/layer.h"
#include "nn/model.h"
#include <string.h>

static fig_model *model_of(const fig_graph *graph) { return graph->owner.model; }

bool fig_is_training(const fig_graph *graph)
{
    const fig_model *model = model_of(graph);
    return model && model->purpose == FIG_FOR_TRAINING;
}

bool fig__is_standing(const fig_graph *graph)
{
    const fig_model *model = model_of(graph);
    return model && model->standing;
}

/* Weights are stored (out, kernel..., in): what flows in is the rest of the shape, what flows out is the first axis times
 * the kernel's area. */
static void fill_fans(fig_init *init, const fig_type *type)
{
    int64_t area = 1;
    for (int i = 1; i < type->rank - 1; i++)
        area *= type->dim[i];
    int64_t out = type->rank > 0 ? type->dim[0] : 1, in = type->rank > 1 ? type->dim[type->rank - 1] : out;
    if (!init->fan_in)
        init->fan_in = in * area;
    if (!init->fan_out)
        init->fan_out = out * area;
}

static fig_init resolve(const fig_model *model, fig_init init, const fig_type *type)
{
    if (init.kind == FIG_INIT_DEFAULT) {
        int64_t fan_in = init.fan_in, fan_out = init.fan_out;
        init = model->default_weight;
        init.fan_in = fan_in;
        init.fan_out = fan_out;
    }
    fill_fans(&init, type);
    return init;
}

static fig__weight *find_weight(const fig_model *model, const char *name)
{
    for (int i = 0; i < model->n_weights; i++)
        if (strcmp(model->weights[i].name, name) == 0)
            return &model->weights[i];
    return NULL;
}

static fig__weight *weight_of(const fig_graph *graph, fig_node node)
{
    const fig_model *model = model_of(graph);
    for (int i = 0; model && i < model->n_weights; i++)
        if (model->weights[i].node.id == node.id)
            return &model->weights[i];
    return NULL;
}

fig_node *fig__weight_made(fig_graph *graph, fig_node weight)
{
    fig__weight *known = weight_of(graph, weight);
    return known ? &known->made : NULL;
}

void fig__weight_is_noisy(fig_graph *graph, fig_node weight, fig_node log_alpha)
{
    fig__weight *known = weight_of(graph, weight);
    if (known)
        known->log_alpha = log_alpha;
}

static fig__weight *add_weight(fig_model *model)
{
    if (model->n_weights == model->cap_weights) {
        int capacity = model->cap_weights ? 2 * model->cap_weights : 64;
        fig__weight *grown = FIG_NEW_ARRAY(model->graph->arena, fig__weight, capacity);
        if (model->n_weights)
            memcpy(grown, model->weights, sizeof *grown * (size_t)model->n_weights);
        model->weights = grown;
        model->cap_weights = capacity;
    }
    return &model->weights[model->n_weights++];
}

static fig_node declare_state(fig_graph *graph, const fig_state_decl *decl)
{
    const char *path = fig__scope_path(graph, decl->name);
    fig_model *model = model_of(graph);
    fig__weight *known = model ? find_weight(model, path) : NULL;
    if (known && !fig__types_equal(&known->type, &decl->type)) {
        char had[128], wants[128];
        fig__type_text(&known->type, had);
        fig__type_text(&decl->type, wants);
        return fig_graph_fail(graph, "state \"%s\" is %s, but is asked for again as %s; give one of the layers a label",
                              path, had, wants);
    }
    if (known)
        return known->node;
    fig_node node = fig_state(graph, path, decl->type);
    if (model && !fig__poisoned(node)) {
        fig__weight *w = add_weight(model);
        *w = (fig__weight){ .name = path,
                            .type = decl->type,
                            .init = resolve(model, decl->init, &decl->type),
                            .trained = decl->trained,
                            .exported = decl->exported,
                            .reset = decl->reset,
                            .combine = decl->combine,
                            .node = node };
    }
    return node;
}

fig_node fig_param(fig_graph *graph, const char *name, fig_type type, fig_init init)
{
    return declare_state(
        graph, &(fig_state_decl){ .name = name, .type = type, .init = init, .trained = true, .exported = true });
}

fig_node fig__bias(fig_graph *graph, int64_t units, fig_init init, int64_t fan_in)
{
    const fig_model *model = model_of(graph);
    if (init.kind == FIG_INIT_DEFAULT && model)
        init = model->default_bias;
    if (!init.fan_in)
        init.fan_in = fan_in;
    return fig_param(graph, "bias", FIG_SHAPE(units), fig__init_or(init, FIG_INIT_ZEROS));
}

fig_node fig_buffer(fig_graph *graph, const char *name, fig_type type, fig_init init)
{
    if (init.kind == FIG_INIT_DEFAULT)
        init.kind = FIG_INIT_ZEROS;
    return declare_state(graph, &(fig_state_decl){ .name = name, .type = type, .init = init, .exported = true });
}

fig_node fig_model_state(fig_model *model, const fig_state_decl *decl)
{
    fig_state_decl copy = *decl;
    if (copy.init.kind == FIG_INIT_DEFAULT && !copy.trained)
        copy.init.kind = FIG_INIT_ZEROS;
    return declare_state(model->graph, &copy);
}
