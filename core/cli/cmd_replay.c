/* cmd_replay.c - `mamori replay`: recorded captures and logs through the same pipeline, in event time. */
#include "brain/setup.h"
#include "cli/command.h"
#include "config/sources.h"
#include "plugin/builtin.h"
#include "plugin/describe.h"
#include "plugin/replay.h"
#include "plugin/sandbox.h"
#include "util/log.h"
#include "util/scope.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

enum { INPUTS_MAX = 256, READERS_MAX = 16, WORK_EVERY = 64 };
#define GRACE_NS (15 * 60 * MMR_NS_PER_S) /* statistics that wait for silence get this long after the last record */

struct replay {
    const char *dir, *assets, *home_net;
    bool has_findings;
    struct mmr_replay_input input[INPUTS_MAX];
    char format[INPUTS_MAX][32];
    size_t n_inputs;
    struct mmr_pipeline *pipeline;
    struct mmr_event_view *view;
    uint64_t bad;
    bool is_output_broken;
};

static void say(void *ctx, const char *line)
{
    (void)ctx;
    (void)fprintf(stderr, "%s\n", line);
}

static void put_line(struct replay *r, char *json)
{
    if (!json || fputs(json, stdout) < 0 || fputc('\n', stdout) < 0)
        r->is_output_broken = true;
    free(json);
}

static void on_finding(void *ctx, const struct mmr_finding *f)
{
    struct replay *r = ctx;
    struct mmr_error err = {.struct_size = sizeof err};
    char *json = NULL;
    if (!r->has_findings || strcmp(f->kind, "finding") != 0)
        return;
    if (mmr_finding_to_json(f, &json, &err) != 0)
        (void)fprintf(stderr, "mamori replay: a finding could not be written: %s\n", err.text);
    else
        put_line(r, json);
}

static void on_incident(void *ctx, const struct mmr_incident *i, enum mmr_activity activity, unsigned change)
{
    struct replay *r = ctx;
    struct mmr_error err = {.struct_size = sizeof err};
    char *json = NULL;
    (void)change;
    if (mmr_incident_to_json(i, (int)activity, &json, &err) != 0) {
        (void)fprintf(stderr, "mamori replay: an incident could not be written: %s\n", err.text);
        r->is_output_broken = true;
    } else {
        put_line(r, json);
    }
}

static int on_event(void *ctx, const struct mmr_runtime_event *ev)
{
    struct replay *r = ctx;
    struct mmr_error err = {.struct_size = sizeof err};
    int code = mmr_event_read(ev->stamped, ev->stamped_len, r->view, &err);
    if (!code)
        code = mmr_pipeline_event(r->pipeline, r->view, mmr_event_get_int(r->view, "mamori.received", 0), &err);
    if (code == MMR_ENOMEM)
        (void)fprintf(stderr, "mamori replay: %s\n", err.text);
    if (code && r->bad++ == 0)
        mmr_log(MMR_LOG_WARN, "event.refused", "reason=\"%s\"", err.text);
    return 0;
}

/* "--log FORMAT:FILE" or "--log FILE"; a file whose own name has a colon is found first. */
static int add_log(struct replay *r, const char *arg)
{
    static const char *const formats[] = {"winevent-json", "sysmon-linux", "auditd", "syslog", "eve"};
    struct mmr_replay_input *in = &r->input[r->n_inputs];
    *in = (struct mmr_replay_input){.path = arg, .name = arg, .side = MMR_SIDE_ENDPOINT};
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        size_t n = strlen(formats[i]);
        if (strncmp(arg, formats[i], n) == 0 && arg[n] == ':') {
            in->format = formats[i];
            in->path = in->name = arg + n + 1;
        }
    }
    r->n_inputs++;
    return 0;
}

static int parse_args(struct replay *r, int argc, char **argv)
{
    static const struct option options[] = {{"pcap", required_argument, NULL, 'p'}, {"log", required_argument, NULL, 'l'},
                                            {"assets", required_argument, NULL, 'a'}, {"home-net", required_argument, NULL, 'h'},
                                            {"state", required_argument, NULL, 's'}, {"findings", no_argument, NULL, 'f'},
                                            {"config", required_argument, NULL, 'c'}, {"json", no_argument, NULL, 'j'}, {0}};
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if ((o == 'p' || o == 'l') && r->n_inputs == INPUTS_MAX) {
            (void)fprintf(stderr, "mamori replay: at most %d inputs\n", INPUTS_MAX);
            return MMR_EXIT_USAGE;
        }
        switch (o) {
        case 'p': r->input[r->n_inputs++] = (struct mmr_replay_input){.path = optarg, .name = optarg, .side = MMR_SIDE_NETWORK}; break;
        case 'l': (void)add_log(r, optarg); break;
        case 'a': r->assets = optarg; break;
        case 'h': r->home_net = optarg; break;
        case 's': break; /* nothing of a replay outlives it; accepted so that scripts may name a folder */
        case 'f': r->has_findings = true; break;
        case 'c': r->dir = optarg; break;
        case 'j': break; /* the output is JSON lines in any case */
        default: return MMR_EXIT_USAGE;
        }
    }
    if (optind < argc || r->n_inputs == 0) {
        (void)fprintf(stderr, "mamori replay: %s%s; see 'mamori help replay'\n",
                      optind < argc ? "unexpected " : "nothing to replay: give --pcap FILE or --log FILE",
                      optind < argc ? argv[optind] : "");
        return MMR_EXIT_USAGE;
    }
    return 0;
}

/* What the command line lays over the configuration. Responders are declared, whatever they are set to. */
static int overlay(const struct replay *r, char *buf, size_t cap)
{
    buf[0] = '\0';
    if (!r->home_net)
        return 0;
    size_t at = (size_t)snprintf(buf, cap, "site:\n  home_net: [");
    for (const char *p = r->home_net; *p;) {
        char one[64];
        struct mmr_cidr net;
        struct mmr_error err = {.struct_size = sizeof err};
        size_t n = strcspn(p, ",");
        if (n >= sizeof one)
            n = sizeof one - 1;
        memcpy(one, p, n);
        one[n] = '\0';
        if (mmr_cidr_parse(one, &net, &err) != 0) {
            (void)fprintf(stderr, "mamori replay: --home-net: %s\n", err.text);
            return MMR_EXIT_USAGE;
        }
        int m = snprintf(buf + at, cap - at, "%s\"%s\"", at > 22 ? ", " : "", one);
        if (m < 0 || (size_t)m >= cap - at - 4) {
            (void)fprintf(stderr, "mamori replay: --home-net: too many networks\n");
            return MMR_EXIT_USAGE;
        }
        at += (size_t)m;
        p += strcspn(p, ",");
        p += *p == ',';
    }
    (void)snprintf(buf + at, cap - at, "]\n");
    return 0;
}

/* Sensors that read recorded input, and everything that works on what they say. */
static int fill_runtime(struct mmr_runtime *rt, const struct mmr_instances *inst, struct mmr_replay_reader *readers,
                        size_t *ret_n, struct mmr_error *err)
{
    for (size_t i = 0; i < inst->n; i++) {
        const struct mmr_instance *x = &inst->v[i];
        if (x->plugin->extension && x->plugin->extension("mamori.replay/0")) {
            if (*ret_n < READERS_MAX)
                readers[(*ret_n)++] = (struct mmr_replay_reader){.plugin = x->plugin, .side = x->side, .group = x->conf->host, .packed = x->packed,
                                                                     .packed_len = x->packed_len};
            continue;
        }
        if (!x->plugin->analyzer && !mmr_plugin_has_sink(x->plugin))
            continue;
        const struct mmr_runtime_instance conf = {.plugin = x->plugin, .name = x->conf->name, .side = x->side, .state_dir = "", .group = x->conf->host,
                                                  .packed = x->packed, .packed_len = x->packed_len};
        uint32_t index;
        int r = mmr_runtime_add(rt, &conf, &index, err);
        if (r)
            return r;
    }
    return 0;
}

static int exit_of(int code)
{
    switch (code) {
    case 0: return MMR_EXIT_OK;
    case MMR_ECONFIG: case MMR_EUNSUPPORTED: case MMR_EBADMSG: case MMR_EINVAL: case MMR_ETOOBIG: case MMR_ENOENT:
        return MMR_EXIT_USAGE;
    default: return MMR_EXIT_FAILED;
    }
}

static int run_pipeline(struct replay *r, const struct mmr_config *config, const struct mmr_instances *inst,
                        const struct mmr_setup *setup, struct mmr_error *err)
{
    static const struct mmr_runtime_ops runtime_ops = {.on_event = on_event};
    const struct mmr_runtime_opts opts = {.node = "replay", .core_version = MMR_VERSION, .ops = &runtime_ops, .ctx = r,
                                          .wants_all = true};
    const struct mmr_pipeline_ops ops = {.finding = on_finding, .incident = on_incident, .ctx = r};
    struct mmr_replay_reader readers[READERS_MAX];
    struct mmr_pipeline_config pc;
    struct mmr_replay_stats stats = {0};
    struct mmr_runtime *rt = NULL;
    size_t n_readers = 0;
    mmr_setup_pipeline(config, setup, &pc);
    int code = mmr_pipeline_new(&pc, &ops, &r->pipeline, err);
    if (!code)
        code = mmr_runtime_new(&opts, &rt, err);
    if (!code)
        code = fill_runtime(rt, inst, readers, &n_readers, err);
    if (!code) {
        const struct mmr_sandbox box = {.needs = MMR_NEED_FILES_RO};
        if (mmr_sandbox_enter(&box, NULL, err) != 0) /* a container may forbid it: say so and go on unsandboxed */
            mmr_log(MMR_LOG_WARN, "sandbox.incomplete", "reason=\"%s\"", err->text);
        code = mmr_replay_run(rt, readers, n_readers, r->input, r->n_inputs, GRACE_NS, say, NULL, r, &stats, err);
    }
    if (!code)
        code = mmr_pipeline_finish(r->pipeline, err);
    mmr_runtime_free(rt);
    mmr_pipeline_free(r->pipeline);
    if (!code && (fflush(stdout) != 0 || r->is_output_broken))
        code = mmr_fail(err, MMR_EIO, "the output could not be written: %s", strerror(errno));
    return code;
}

static int replay_here(struct replay *r, const char *over)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_config *config = NULL;
    struct mmr_instances inst = {0};
    struct mmr_setup setup = {0};
    r->view = calloc(1, sizeof *r->view);
    int code = r->view ? mmr_config_load_site(r->dir, over[0] ? over : NULL, say, NULL, &config, &err)
                       : mmr_fail(&err, MMR_ENOMEM, "out of memory");
    if (!code)
        code = mmr_instances_load(config, mmr_builtin_plugins, say, NULL, &inst, &err);
    if (!code)
        code = mmr_setup_new(config, &inst, r->assets, true, say, NULL, &setup, &err);
    if (!code)
        code = run_pipeline(r, config, &inst, &setup, &err);
    if (code)
        (void)fprintf(stderr, "mamori replay: %s\n", err.text);
    mmr_setup_done(&setup);
    mmr_instances_done(&inst);
    mmr_config_free(config);
    free(r->view);
    return exit_of(code);
}

/* Plugins parse hostile bytes: they do it in a child, so that even a crash ends in a status and a sentence. */
static int run(int argc, char **argv)
{
    mmr_autofree struct replay *r = calloc(1, sizeof *r);
    char over[4096];
    int status;
    if (!r) {
        (void)fprintf(stderr, "mamori replay: out of memory\n");
        return MMR_EXIT_FAILED;
    }
    int code = parse_args(r, argc, argv);
    for (size_t i = 0; i < r->n_inputs && !code; i++)
        if (strcmp(r->input[i].path, "-") != 0 && access(r->input[i].path, R_OK) != 0) {
            (void)fprintf(stderr, "mamori replay: input '%s': %s\n", r->input[i].path, strerror(errno));
            code = MMR_EXIT_USAGE;
        }
    if (!code)
        code = overlay(r, over, sizeof over);
    if (code)
        return code;
    pid_t pid = fork();
    if (pid < 0) {
        (void)fprintf(stderr, "mamori replay: cannot start a process: %s\n", strerror(errno));
        return MMR_EXIT_FAILED;
    }
    if (pid == 0)
        exit(replay_here(r, over));
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return MMR_EXIT_FAILED;
    if (WIFSIGNALED(status)) {
        (void)fprintf(stderr, "mamori replay: the replaying process ended by signal %d (%s); what was printed before is good\n",
                      WTERMSIG(status), strsignal(WTERMSIG(status)));
        return MMR_EXIT_FAILED;
    }
    return WEXITSTATUS(status);
}

MMR_COMMAND(replay) = {
    .name = "replay",
    .help = "recorded captures and logs through the same pipeline, in event time",
    .usage = "mamori replay [--pcap FILE]... [--log [FORMAT:]FILE]... [--assets FILE] [--home-net CIDR[,CIDR]...]\n"
             "              [--state DIR] [--findings] [--config DIR]\n"
             "\n"
             "Inputs are merged by event time; .gz is read as is; - is standard input. FORMAT is winevent-json,\n"
             "sysmon-linux, auditd, syslog or eve; left out, it is recognised. Prints one OCSF Incident Finding a line;\n"
             "with --findings each Detection Finding before them. Nothing is blocked: actions come out as planned.\n",
    .run = run,
};
