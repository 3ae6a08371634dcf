/* figment/figment.h - everything. For a model you only use, figment/use.h is enough. */
#ifndef FIGMENT_FIGMENT_H
#define FIGMENT_FIGMENT_H

#include <figment/error.h>
#include <figment/option.h>
#include <figment/graph.h>
#include <figment/layers.h>
#include <figment/plan.h>
#include <figment/data.h>
#include <figment/model.h>
#include <figment/train.h>
#include <figment/use.h>
#include <figment/json.h>

#ifdef __cplusplus
extern "C" {
#endif
FIG_API const char *fig_version(void); /* "0.1.0" */
/* "figment.doctor/1": processor, threads, memory, libraries, kernels, cache folder, findings; heap text. */
FIG_API char *fig_doctor_json(fig_session *session);
#ifdef __cplusplus
}
#endif
#endif
