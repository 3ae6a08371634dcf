/* split.c - keeping items aside for validation and test, with what is alike on one side
 *
 * Which items are kept aside is a fixed random choice that depends on the number of items alone, so that every run on the same
 * data keeps the same ones. Pictures that are the same or nearly (alike.c) go together: a copy of a training picture would
 * make scores on it too good. A group that is larger than the part itself stays in train. */
#include "data/prepared.h"
#include <math.h>
#include <stdlib.h>

enum { TRAIN, VALIDATION, TEST };

typedef struct choice {
    int64_t items;
    const int32_t *group; /* first item that is like this one; NULL = each stands alone */
    int32_t *size, *next; /* of groups, by their first item: members; chain of members, -1 ends */
    uint8_t *part;
} choice;

static void chain_groups(choice *c)
{
    c->size = fig__alloc((size_t)c->items * sizeof *c->size);
    c->next = fig__alloc((size_t)c->items * sizeof *c->next);
    int32_t *last = fig__alloc((size_t)c->items * sizeof *last);
    for (int64_t i = 0; i < c->items; i++) {
        int32_t first = c->group ? c->group[i] : (int32_t)i;
        if (c->size[first]++)
            c->next[last[first]] = (int32_t)i;
        last[first] = (int32_t)i;
        c->next[i] = -1;
    }
    free(last);
}

/* Goes on along the order until the part is full; returns its size. */
static int64_t fill_part(choice *c, const fig__permutation *order, int64_t *place, int64_t wanted, uint8_t part)
{
    int64_t found = 0;
    for (; *place < c->items && found < wanted; ++*place) {
        int64_t item = (int64_t)fig__permutation_at(order, (uint64_t)*place);
        int32_t first = c->group ? c->group[item] : (int32_t)item;
        if (c->part[item] != TRAIN || (c->size[first] > 1 && c->size[first] > wanted))
            continue;
        for (int32_t member = first; member >= 0; member = c->next[member])
            c->part[member] = part;
        found += c->size[first];
    }
    return found;
}

static void make_index(fig_data *data, const choice *c, fig_split split, uint8_t part, int64_t count)
{
    int32_t *index = fig__alloc((size_t)count * sizeof *index + 1);
    int64_t used = 0;
    for (int64_t i = 0; i < c->items; i++)
        if (c->part[i] == part)
            index[used++] = (int32_t)i;
    data->index[split] = index;
    data->from[split] = FIG_TRAIN_SPLIT;
    data->count[split] = count;
}

static int64_t part_of(int64_t items, double fraction)
{
    int64_t count = (int64_t)floor((double)items * fraction + 0.5);
    return fraction <= 0 ? 0 : count < 1 ? 1 : count;
}

static fig_status keep_aside(fig_data *data, double validation, double test, fig_error *err)
{
    choice c = { .items = data->contents.info.items[FIG_TRAIN_SPLIT] };
    int64_t wanted[3] = { 0, part_of(c.items, validation), part_of(c.items, test) }, place = 0;
    if (c.items < 2)
        return fig_fail(err, FIG_E_USAGE, "%s: a single item cannot be split into train and %s; set %s to 0",
                        data->contents.info.path, wanted[1] ? "validation" : "test", wanted[1] ? "validation" : "test");
    if (wanted[1] + wanted[2] >= c.items)
        return fig_fail(err, FIG_E_USAGE, "%s: %lld items are too few for validation and test parts of %g and %g",
                        data->contents.info.path, (long long)c.items, validation, test);
    int32_t *group = NULL;
    FIG_TRY(fig__find_groups(data, FIG_TRAIN_SPLIT, &group, err));
    c.group = group;
    c.part = fig__alloc((size_t)c.items);
    chain_groups(&c);
    fig__permutation order;
    fig__permutation_init(&order, (uint64_t)c.items, 0, fig__hash64("validation", 10, 0), 0);
    int64_t found[3] = { 0 };
    for (uint8_t part = VALIDATION; part <= TEST; part++)
        found[part] = fill_part(&c, &order, &place, wanted[part], part);
    found[TRAIN] = c.items - found[VALIDATION] - found[TEST];
    fig_status status = FIG_OK;
    if ((wanted[VALIDATION] && !found[VALIDATION]) || (wanted[TEST] && !found[TEST]) || !found[TRAIN])
        status = fig_fail(err, FIG_E_USAGE,
                          "%s: its items cannot be split so that copies stay together; figment data check names them",
                          data->contents.info.path);
    if (status == FIG_OK) {
        make_index(data, &c, FIG_TRAIN_SPLIT, TRAIN, found[TRAIN]);
        if (wanted[VALIDATION])
            make_index(data, &c, FIG_VALIDATION_SPLIT, VALIDATION, found[VALIDATION]);
        if (wanted[TEST])
            make_index(data, &c, FIG_TEST_SPLIT, TEST, found[TEST]);
    }
    free(c.part);
    free(c.size);
    free(c.next);
    free(group);
    return status;
}

fig_status fig__settle_splits(fig_data *data, fig_error *err)
{
    const fig_data_info *info = &data->contents.info;
    for (int split = 0; split < FIG_SPLITS; split++) {
        data->from[split] = (fig_split)split;
        data->count[split] = info->items[split];
    }
    if (!info->items[FIG_TRAIN_SPLIT])
        return FIG_OK;
    double validation = info->items[FIG_VALIDATION_SPLIT] ? 0 : data->spec->validation;
    double test = info->items[FIG_TEST_SPLIT] ? 0 : data->spec->test;
    return validation > 0 || test > 0 ? keep_aside(data, validation, test, err) : FIG_OK;
}
