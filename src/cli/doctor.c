/* cli/doctor.c - what this computer offers and what could be better */
#include "cli/command.h"

typedef struct doctor_options {
    int64_t threads;
    bool json;
} doctor_options;

static const fig_option doctor_option_table[] = {
    { "threads", FIG_INT, offsetof(doctor_options, threads), 0, 0, 1024,
      "threads to look at; 0 = what the machine allows", .short_name = 't' },
    { "json", FIG_BOOL, offsetof(doctor_options, json), .help = "one JSON document \"figment.doctor/1\"" },
    { 0 },
};

static fig_status doctor_run(fig_cli *cli, const fig_arguments *given, fig_error *err)
{
    const doctor_options *o = given->values;
    fig_session *session = NULL;
    FIG_TRY(cli_session_open(cli, o->threads, false, &session, err));
    fig_status status = cli_print_document(cli, fig_doctor_json(session), o->json, "doctor", err);
    fig_session_free(session);
    return status;
}

const fig_command fig_command_doctor = {
    .name = "doctor",
    .summary = "show what this computer offers: processor, threads, memory, libraries, kernels, cache folder",
    .usage = "",
    .options = doctor_option_table,
    .options_size = sizeof(doctor_options),
    .run = doctor_run,
};
