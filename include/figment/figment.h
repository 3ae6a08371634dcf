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

#endif
