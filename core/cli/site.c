/* site.c - configuration, store and control socket for the commands. */
#include "cli/site.h"

#include "cli/person.h"
#include "upstream/collector.h"
#include "util/clock.h"
#include "util/scope.h"

#include <stdio.h>
#include <string.h>

static void say(void *ctx, const char *line)
{
    (void)ctx;
    (void)fprintf(stderr, "%s\n", line);
}

int mmr_cli_site_open(struct mmr_cli_site *s)
{
    struct mmr_error err = {.struct_size = sizeof err};
    int r = s->is_tolerant ? mmr_config_load_sound(s->dir, say, NULL, &s->config, &s->left_out, &err)
                           : mmr_config_load_site(s->dir, NULL, say, NULL, &s->config, &err);
    if (r) {
        (void)fprintf(stderr, "mamori %s: %s\n", s->command, err.text);
        return r == MMR_ECONFIG || r == MMR_EIO ? MMR_EXIT_USAGE : MMR_EXIT_FAILED;
    }
    s->is_ja = mmr_person_is_ja(s->config);
    s->state_dir = mmr_config_str(s->config, "node.state_dir");
    s->run_dir = mmr_config_str(s->config, "node.run_dir");
    return MMR_EXIT_OK;
}

void mmr_cli_site_done(struct mmr_cli_site *s)
{
    mmr_config_free(s->config);
    s->config = NULL;
}

int mmr_cli_site_store(const struct mmr_cli_site *s, bool quiet_if_none, struct mmr_db **ret)
{
    struct mmr_error err = {.struct_size = sizeof err};
    int r = mmr_db_open(s->state_dir, MMR_DB_READONLY, ret, &err);
    if (r == 0)
        return MMR_EXIT_OK;
    *ret = NULL;
    if (r == MMR_ENOENT && quiet_if_none)
        return MMR_EXIT_OK;
    (void)fprintf(stderr, "mamori %s: %s\n", s->command, err.text);
    return MMR_EXIT_FAILED;
}

struct asking {
    const struct mmr_cli_site *site;
    mmr_control_line_fn line;
    void *ctx;
};

static int on_line(void *ctx, struct json_object *line, const char *text, size_t len)
{
    const struct asking *a = ctx;
    const char *error = mmr_cli_json_text(line, "error");
    if (*error) {
        (void)fprintf(stderr, "mamori %s: ", a->site->command);
        mmr_person_text(stderr, error);
        (void)fputc('\n', stderr);
        return 0;
    }
    return a->line ? a->line(a->ctx, line, text, len) : 0;
}

int mmr_cli_site_ask(const struct mmr_cli_site *s, const char *command, struct json_object *args, int64_t timeout_ms,
                     mmr_control_line_fn line, void *ctx, bool *is_down)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct asking a = {.site = s, .line = line, .ctx = ctx};
    int status = MMR_EXIT_FAILED;
    const char *where = mmr_collector_is_folder(s->state_dir) ? s->state_dir : s->run_dir;
    int r = mmr_control_ask(where, command, args, timeout_ms, on_line, &a, &status, &err);
    if (is_down)
        *is_down = r == MMR_ENOENT;
    if (r == 0)
        return status < 0 || status > MMR_EXIT_FAILED ? MMR_EXIT_FAILED : status;
    if (r != MMR_ENOENT || !is_down)
        (void)fprintf(stderr, "mamori %s: %s\n", s->command, err.text);
    return MMR_EXIT_FAILED;
}

void mmr_cli_json_str(struct json_object *o, const char *key, const char *text)
{
    mmr_autofree char *safe = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&safe, &len);
    if (!f)
        return;
    mmr_person_text(f, text);
    if (fclose(f) == 0)
        (void)json_object_object_add(o, key, json_object_new_string(safe));
}

void mmr_cli_json_int(struct json_object *o, const char *key, int64_t v)
{
    (void)json_object_object_add(o, key, json_object_new_int64(v));
}

void mmr_cli_json_time(struct json_object *o, const char *key, int64_t ns)
{
    char text[40];
    if (ns == 0)
        return;
    mmr_time_format(ns, text, sizeof text);
    (void)json_object_object_add(o, key, json_object_new_string(text));
}

void mmr_cli_json_print(struct json_object *o)
{
    (void)puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
    (void)json_object_put(o);
}

const char *mmr_cli_json_text(struct json_object *o, const char *key)
{
    struct json_object *v = NULL;
    if (!o || !json_object_is_type(o, json_type_object) || !json_object_object_get_ex(o, key, &v) ||
        !json_object_is_type(v, json_type_string))
        return "";
    return json_object_get_string(v);
}

int64_t mmr_cli_json_number(struct json_object *o, const char *key)
{
    struct json_object *v = NULL;
    if (!o || !json_object_is_type(o, json_type_object) || !json_object_object_get_ex(o, key, &v))
        return 0;
    return json_object_get_int64(v);
}

struct json_object *mmr_cli_json_list(struct json_object *o, const char *key, size_t *ret_n)
{
    struct json_object *v = NULL;
    *ret_n = 0;
    if (!o || !json_object_is_type(o, json_type_object) || !json_object_object_get_ex(o, key, &v) ||
        !json_object_is_type(v, json_type_array))
        return NULL;
    *ret_n = json_object_array_length(v);
    return v;
}
