/* visits.c - visits of a technician (SR-33 to SR-35), put on record by who manages them: evidence, from which the weekly report counts. */
#include "brain/live.h"

#include "util/clock.h"

#include <json-c/json.h>
#include <string.h>

enum { TEXT_MAX = 120, BACK_S = 400 * 24 * 3600, AHEAD_S = 24 * 3600 };

static const char *text_of(struct json_object *o, const char *key)
{
    struct json_object *v = NULL;
    const char *text = json_object_object_get_ex(o, key, &v) && json_object_is_type(v, json_type_string) ? json_object_get_string(v) : "";
    return strlen(text) <= TEXT_MAX ? text : "";
}

static bool is_one_of(const char *text, const char *const *words)
{
    while (*words && strcmp(*words, text) != 0)
        words++;
    return *words != NULL;
}

static void put(struct json_object *o, const char *key, const char *text)
{
    if (*text)
        (void)json_object_object_add(o, key, json_object_new_string(text));
}

static int wrong(struct json_object *o, const char *text)
{
    (void)json_object_object_add(o, "error", json_object_new_string(text));
    return 2;
}

static int record(struct mmr_live *l, struct json_object *a, struct json_object *o)
{
    static const char *const kinds[] = {"incident", "initial_setup", NULL}, *const modes[] = {"onsite", "remote", NULL}, *const payers[] = {"provider", "insurance", "user", NULL};
    struct mmr_error err = {.struct_size = sizeof err};
    struct json_object *v = NULL, *d;
    const int64_t now = mmr_clock_wall_ns();
    const char *kind = text_of(a, "kind"), *mode = text_of(a, "mode"), *payer = text_of(a, "paid_by"), *by = text_of(a, "by");
    int64_t at = json_object_object_get_ex(a, "at_ns", &v) && json_object_is_type(v, json_type_int) ? json_object_get_int64(v) : 0;
    if (!is_one_of(kind, kinds) || !is_one_of(mode, modes) || !is_one_of(payer, payers) || !*by)
        return wrong(o, "expected kind (incident or initial_setup), mode (onsite or remote), paid_by (provider, insurance or user) and by (a person's name)");
    if (at < now - BACK_S * MMR_NS_PER_S || at > now + AHEAD_S * MMR_NS_PER_S)
        return wrong(o, "a visit is put on record within 400 days after it was");
    /* A set-up visit and remote help do not use up the free ones (SR-33, SR-34); what the user pays for is none. */
    bool is_free = strcmp(kind, kinds[0]) == 0 && strcmp(mode, modes[0]) == 0 && strcmp(payer, payers[2]) != 0;
    d = json_object_new_object();
    put(d, "kind", kind);
    put(d, "mode", mode);
    put(d, "place", text_of(a, "place"));
    put(d, "incident", text_of(a, "incident"));
    put(d, "technician", text_of(a, "technician"));
    put(d, "paid_by", payer);
    put(d, "recorded_by", by);
    (void)json_object_object_add(d, "arrived_ns", json_object_new_int64(at));
    (void)json_object_object_add(d, "counts_as_free", json_object_new_boolean(is_free));
    int r = mmr_persist_note(l->persist, "dispatch", json_object_to_json_string_ext(d, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE), now, &err);
    if (r) {
        json_object_put(d);
        (void)wrong(o, err.text);
        return 3;
    }
    (void)json_object_object_add(o, "recorded", d);
    return 0;
}

bool mmr_live_visit_request(struct mmr_live *l, const char *command, const char *args, struct json_object *o, int *ret_status)
{
    if (strcmp(command, "visit.record") != 0)
        return false;
    struct json_object *a = json_tokener_parse(args);
    *ret_status = json_object_is_type(a, json_type_object) ? record(l, a, o) : wrong(o, "expected an object");
    json_object_put(a);
    return true;
}
