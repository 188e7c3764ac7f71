/*
 * site.h - what every command about this site starts with: its configuration, its store (read only), and the running
 * mamori behind the control socket. Problems are said on stderr, once, here.
 */
#ifndef MMR_CLI_SITE_H
#define MMR_CLI_SITE_H

#include "cli/command.h"
#include "config/sources.h"
#include "control/client.h"
#include "store/db.h"

#include <json-c/json.h>

struct mmr_cli_site {
    const char *command; /* "incident", for messages */
    const char *dir;     /* --config; NULL: the installed one */
    bool is_json, is_ja;
    bool is_tolerant;    /* in: files that are wrong are left out (mmr_config_load_sound) */
    unsigned left_out;   /* out: how many were */
    struct mmr_config *config;
    const char *state_dir, *run_dir; /* borrowed from config */
};

/* command and dir are set. Loads the configuration. Returns enum mmr_exit */
int mmr_cli_site_open(struct mmr_cli_site *s);
void mmr_cli_site_done(struct mmr_cli_site *s);

/* The store, read only. quiet_if_none: when there is none yet, *ret is NULL and nothing is said. */
int mmr_cli_site_store(const struct mmr_cli_site *s, bool quiet_if_none, struct mmr_db **ret);

/*
 * mmr_cli_site_ask - a request over the control socket; {"error"} lines are said on stderr, the others go to line.
 * Returns the status of the answer; MMR_EXIT_FAILED when there was none. is_down (may be NULL): nothing runs here,
 * which then is not said.
 */
int mmr_cli_site_ask(const struct mmr_cli_site *s, const char *command, struct json_object *args, int64_t timeout_ms,
                     mmr_control_line_fn line, void *ctx, bool *is_down);

/* The Japanese or the English words, of which both or none are a format. */
__attribute__((format_arg(2), format_arg(3))) static inline const char *mmr_cli_word(const struct mmr_cli_site *s, const char *ja, const char *en)
{
    return s->is_ja ? ja : en;
}

/* ---- JSON out ---- */
void mmr_cli_json_str(struct json_object *o, const char *key, const char *text); /* broken UTF-8 as '?' */
void mmr_cli_json_int(struct json_object *o, const char *key, int64_t v);
void mmr_cli_json_time(struct json_object *o, const char *key, int64_t ns); /* RFC 3339; left out for 0 */
void mmr_cli_json_print(struct json_object *o);                               /* one line; o is taken */
/* Read: "" and 0 where absent or of another type. Borrowed. */
const char *mmr_cli_json_text(struct json_object *o, const char *key);
int64_t mmr_cli_json_number(struct json_object *o, const char *key);
struct json_object *mmr_cli_json_list(struct json_object *o, const char *key, size_t *ret_n); /* NULL, 0: none */

#endif
