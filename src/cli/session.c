/* cli/session.c - the session that a command computes with */
#include "cli/command.h"
#include <stdlib.h>
#include <string.h>

fig_status cli_session_opts(fig_cli *cli, int64_t threads, fig_session_opts *out, fig_error *err)
{
    const char *kernels = getenv("FIGMENT_KERNELS");
    bool reference = kernels && !strcmp(kernels, "reference");
    if (kernels && *kernels && !reference && strcmp(kernels, "fast") != 0)
        return fig_fail(err, FIG_E_USAGE, "FIGMENT_KERNELS is \"%s\"; it may be \"reference\" or \"fast\"", kernels);
    *out = (fig_session_opts){
        .threads = (int)threads, .reference_kernels = reference, .log = cli_on_message, .log_user = cli
    };
    return FIG_OK;
}

fig_status cli_session_open(fig_cli *cli, int64_t threads, fig_session **out, fig_error *err)
{
    fig_session_opts opts;
    FIG_TRY(cli_session_opts(cli, threads, &opts, err));
    return fig_session_new(&opts, out, err);
}
