/* exec/doctor.c - what this computer offers a session, and what could be better: the document "figment.doctor/1" */
#include "exec/exec.h"
#include "kernels/kernel.h"

#include <figment/plan.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *fig_version(void)
{
    return FIG_VERSION;
}

typedef struct findings { fig__text *out; int count; } findings;

static void find(findings *f, const char *what, const char *remedy)
{
    fig__text_print(f->out, "%s{\"what\": ", f->count++ ? ", " : "");
    fig__json_put_text(f->out, what);
    fig__text_print(f->out, ", \"remedy\": ");
    fig__json_put_text(f->out, remedy);
    fig__text_print(f->out, "}");
}

/* The nearest existing folder above the cache must be writable, so that the cache can be made. */
static bool cache_is_writable(const char *cache)
{
    char *path = fig__strdup(cache);
    while (!fig__path_exists(path)) {
        char *slash = strrchr(path, '/');
        if (!slash || slash == path)
            break;
        *slash = '\0';
    }
    bool writable = access(path, W_OK) == 0;
    free(path);
    return writable;
}

static void put_findings(fig__text *out, const fig_session *session, const fig__machine *machine, uint64_t available, const char *cache)
{
    findings f = {.out = out};
    fig__text_print(out, "\"findings\": [");
    if (!machine->avx2)
        find(&f, "this processor has no AVX2, so products run many times slower", "train on a computer made after 2014");
    if (session->threads < machine->threads)
        find(&f, "fewer threads are used than this machine allows", "leave --threads out, or raise it");
    if (session->threads > machine->threads)
        find(&f, "more threads are used than this machine has processors", "leave --threads out");
    if (session->opts.reference_kernels)
        find(&f, "reference kernels are chosen: right, but slow", "unset FIGMENT_KERNELS");
    if (available < (1ull << 30))
        find(&f, "less than 1 GiB of memory is free", "close other programs, or train with a smaller batch");
    if (!cache_is_writable(cache))
        find(&f, "the cache folder cannot be written, so no data set can be fetched", "set FIGMENT_HOME to a folder of yours");
    fig__text_print(out, "]");
}

char *fig_doctor_json(fig_session *session)
{
    const fig__machine *machine = fig__machine_get();
    uint64_t available = fig__memory_available();
    char *cache = fig__cache_folder();
    int kernels = 0, ops = 0;
    while (fig__kernels[kernels])
        kernels++;
    while (fig__ops[ops])
        ops++;
    fig__text out;
    fig__text_init(&out, 1u << 16);
    fig__text_print(&out, "{\"schema\": \"figment.doctor/1\", \"version\": \"%s\", \"cpu\": ", fig_version());
    fig__json_put_text(&out, machine->cpu);
    fig__text_print(
        &out, ", \"isa\": \"%s\", \"bf16\": %s, \"threads\": %d, \"threads_allowed\": %d, \"memory_free_mb\": %.0f, ",
        machine->isa, machine->avx512_bf16 ? "true" : "false", session->threads, machine->threads,
        (double)available / 1e6);
    fig__text_print(&out,
                    "\"libraries\": {\"onednn\": \"%s\"}, \"ops\": %d, \"kernels\": %d, \"kernel_choice\": \"%s\", "
                    "\"cache_folder\": ",
                    fig__onednn_version(), ops, kernels, session->opts.reference_kernels ? "reference" : "fast");
    fig__json_put_text(&out, cache ? cache : "");
    fig__text_print(&out, ", ");
    put_findings(&out, session, machine, available, cache ? cache : "/");
    fig__text_print(&out, "}");
    free(cache);
    return out.data;
}
