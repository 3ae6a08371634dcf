/* ops/logits.h - the guard of losses that take logits */
#ifndef FIG_OPS_LOGITS_H
#define FIG_OPS_LOGITS_H

#include "ops/op.h"

/* False, with the graph marked, when `logits` is the output of a squashing op (sigmoid, tanh, softmax), also through views. */
bool fig__expect_logits(fig_node logits, const char *loss);

#endif
