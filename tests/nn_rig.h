/* tests/nn_rig.h - a model built by a function, its weights in a store, and a plan over chosen outputs */
#ifndef NN_RIG_H
#define NN_RIG_H

#include "nn/model.h"
#include "test.h"
#include <figment/figment.h>

typedef struct nn_rig {
    fig_session *session;
    fig_store *store;
    fig_model *model;
    fig_plan *plan;
    fig_error err;
} nn_rig;

typedef struct nn_network {
    fig_status (*build)(fig_model *model, void *user, fig_error *err);
    void *user;
} nn_network;

static inline fig_status nn_build(fig_model *model, const void *options, const fig_data_spec *data, fig_error *err)
{
    (void)data;
    const nn_network *network = options;
    return network->build(model, network->user, err);
}

/* Builds and initialises; the plan comes later, when the outputs are known. The network must outlive the rig. */
static inline bool nn_begin(nn_rig *r, const nn_network *network, fig_purpose purpose, int64_t batch)
{
    static const fig_recipe recipe = { .name = "rig", .build = nn_build };
    *r = (nn_rig){ 0 };
    fig_session_new(&(fig_session_opts){ .threads = 1 }, &r->session, &r->err);
    fig_store_new(r->session, &r->store, &r->err);
    if (fig__model_build(&recipe, network, NULL, purpose, batch, &r->model, &r->err) == FIG_OK)
        return fig__model_initialise(r->model, r->store, 7, &r->err) == FIG_OK;
    return false;
}

static inline bool nn_compile(nn_rig *r, const fig_node *outputs, int count)
{
    fig_status status = fig_plan_compile(r->model->graph, r->store,
                                         &(fig_plan_opts){ .outputs = outputs, .n_outputs = count }, &r->plan, &r->err);
    if (status != FIG_OK)
        TEST_FAIL("compile: %s", r->err.message);
    return status == FIG_OK;
}

static inline void nn_run(nn_rig *r, uint64_t step)
{
    CHECK_OK(fig_plan_run(r->plan, &(fig_run_opts){ .seed = 3, .step = step }, &r->err), r->err);
}
static inline const float *nn_output(nn_rig *r, int i) { return fig_plan_output(r->plan, i, NULL); }
static inline float *nn_input(nn_rig *r, const char *name) { return fig_plan_input(r->plan, name, NULL); }
static inline float *nn_state(nn_rig *r, const char *name)
{
    return fig_store_data(r->store, fig_store_find(r->store, name));
}

static inline void nn_end(nn_rig *r)
{
    fig_plan_free(r->plan);
    fig__model_free(r->model);
    fig_store_free(r->store);
    fig_session_free(r->session);
}

#endif
