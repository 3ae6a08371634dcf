/* cli/session.c - the session that a command computes with */
#include "cli/command.h"

fig_session_opts cli_session_opts(fig_cli *cli, int64_t threads)
{
    return (fig_session_opts){ .threads = (int)threads, .log = cli_on_message, .log_user = cli };
}

fig_status cli_session_open(fig_cli *cli, int64_t threads, bool tune, fig_session **out, fig_error *err)
{
    fig_session_opts opts = cli_session_opts(cli, threads);
    opts.tune = tune;
    return fig_session_new(&opts, out, err);
}
