/* cmd_evidence.c - `mamori evidence verify`: walks the hash chain and the checkpoint signatures. */
#include "cli/command.h"
#include "config/sources.h"
#include "store/evidence.h"

#include <getopt.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

static void say(void *ctx, const char *line)
{
    (void)ctx;
    (void)fprintf(stderr, "%s\n", line);
}

static int show(const struct mmr_evidence_report *r, const char *dir, bool is_json)
{
    const bool is_good = r->bad_seq == 0;
    if (is_json) {
        struct json_object *o = json_object_new_object();
        if (!o)
            return MMR_EXIT_FAILED;
        (void)json_object_object_add(o, "ok", json_object_new_boolean(is_good));
        (void)json_object_object_add(o, "records", json_object_new_uint64(r->records));
        (void)json_object_object_add(o, "checkpoints", json_object_new_uint64(r->checkpoints));
        (void)json_object_object_add(o, "signed_upto", json_object_new_uint64(r->signed_upto));
        if (is_good)
            (void)json_object_object_add(o, "head", json_object_new_string(r->head_hex));
        else {
            (void)json_object_object_add(o, "bad_record", json_object_new_uint64(r->bad_seq));
            (void)json_object_object_add(o, "why", json_object_new_string(r->bad));
        }
        (void)puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN |
                                                         JSON_C_TO_STRING_NOSLASHESCAPE));
        (void)json_object_put(o);
    } else if (is_good) {
        (void)printf("%s: %" PRIu64 " records in an unbroken chain, %" PRIu64
                     " checkpoints, signed up to record %" PRIu64 "\n",
                     dir, r->records, r->checkpoints, r->signed_upto);
    } else {
        (void)printf("%s: first bad record %" PRIu64 ": %s\n", dir, r->bad_seq, r->bad);
    }
    return is_good ? MMR_EXIT_OK : MMR_EXIT_NO;
}

static int run(int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"state", required_argument, NULL, 's'},
                                            {0}};
    const char *config_dir = NULL, *dir = NULL;
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_config *config = NULL;
    struct mmr_evidence_report report;
    bool is_json = false;
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;)
        switch (o) {
        case 'c':
            config_dir = optarg;
            break;
        case 'j':
            is_json = true;
            break;
        case 's':
            dir = optarg;
            break;
        default:
            return MMR_EXIT_USAGE;
        }
    if (optind + 1 != argc || strcmp(argv[optind], "verify") != 0) {
        (void)fprintf(stderr,
                      "mamori evidence: expected 'verify'%s%s; see 'mamori help evidence'\n",
                      optind < argc ? ", found " : "", optind < argc ? argv[optind] : "");
        return MMR_EXIT_USAGE;
    }
    if (!dir) {
        if (mmr_config_load_site(config_dir, NULL, say, NULL, &config, &err) < 0) {
            (void)fprintf(stderr, "mamori evidence: %s\n", err.text);
            return MMR_EXIT_USAGE;
        }
        dir = mmr_config_str(config, "node.state_dir");
    }
    int status = MMR_EXIT_FAILED;
    if (!dir)
        (void)fprintf(
            stderr,
            "mamori evidence: no state directory is configured; name one with --state DIR\n");
    else if (mmr_evidence_verify(dir, &report, &err) < 0)
        (void)fprintf(stderr, "mamori evidence: %s\n", err.text);
    else
        status = show(&report, dir, is_json);
    mmr_config_free(config);
    return status;
}

MMR_COMMAND(evidence) = {
    .name = "evidence",
    .help = "checks the log of who decided what from which facts",
    .usage = "mamori evidence verify [--state DIR] [--json]\n"
             "\n"
             "Walks the hash chain and the signatures of the checkpoints. Status 1 with the first "
             "bad record.\n",
    .run = run,
};
