/* data/report.h - the parts of a data report ("figment.data/1"): a JSON text that grows, and findings beside it */
#ifndef FIG_REPORT_H
#define FIG_REPORT_H

#include "data/prepared.h"

typedef struct fig__report {
    fig_data *data;
    bool check;         /* look at everything, not at a sample */
    fig__text *out;     /* members of the object, each with a comma before */
    fig__text findings; /* elements of the list */
} fig__report;

/* ,"key":value */
void fig__report_number(fig__report *report, const char *key, double value);
void fig__report_text(fig__report *report, const char *key, const char *value);
/* A finding begins with what was found ("severity": "error" "warning" "note"), takes items, and ends. */
void fig__finding_begin(fig__report *report, const char *severity, const char *format, ...) FIG_PRINTF(3, 4);
void fig__finding_item(fig__report *report, const char *format, ...) FIG_PRINTF(2, 3);
void fig__finding_end(fig__report *report);

fig_status fig__report_pictures(fig__report *report, fig_error *err); /* report_pictures.c */
fig_status fig__report_words(fig__report *report, fig_error *err);    /* report_text.c */
fig_status fig__report_points(fig__report *report, fig_error *err);   /* report.c */
/* Counts per class and split, and what is wrong with them. */
void fig__report_classes(fig__report *report);

#endif
