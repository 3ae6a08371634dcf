/* train/records.c - the lists of optimizers, transforms and controllers, from their .def files */
#include "train/controller.h"
#include "train/optimizer.h"
#include "train/transform.h"

#define FIG_OPTIMIZER(name) extern const fig__optimizer fig__optimizer_##name;
#include "train/optimizers.def"
#undef FIG_OPTIMIZER
const fig__optimizer *const fig__optimizers[] = {
#define FIG_OPTIMIZER(name) &fig__optimizer_##name,
#include "train/optimizers.def"
#undef FIG_OPTIMIZER
    NULL,
};

#define FIG_TRANSFORM(name) extern const fig__transform fig__transform_##name;
#include "train/transforms.def"
#undef FIG_TRANSFORM
const fig__transform *const fig__transforms[] = {
#define FIG_TRANSFORM(name) &fig__transform_##name,
#include "train/transforms.def"
#undef FIG_TRANSFORM
    NULL,
};

#define FIG_CONTROLLER(name, field) extern const fig_controller fig__controller_##name;
#include "train/controllers.def"
#undef FIG_CONTROLLER
const fig__built_in fig__controllers[] = {
#define FIG_CONTROLLER(name, field) { &fig__controller_##name, offsetof(fig__train_options, field) },
#include "train/controllers.def"
#undef FIG_CONTROLLER
    { NULL, 0 },
};
