/* outlet_record.c - the record a forwarder gets for one attempt, and the way back from its number or token. */
#include "notify/outlet_internal.h"

#include "util/id.h"

#include <json-c/json.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

static const char *const kinds[MMR_TEXT_KINDS] = {"urgent", "task", "change", "followup", "correction"};

const char *mmr_outlet_through(const struct mmr_outlet *o, unsigned channel, unsigned carrier)
{
    const struct mmr_outlet_channel *c = &o->c.channel[channel];
    return carrier && c->through[1][0] ? c->through[1] : c->through[0];
}

/* A keyed hash over what names the attempt: nobody outside can make one, and it says nothing about its incident. */
void mmr_outlet_token_of(const struct mmr_outlet *o, const char *what, const struct mmr_notice *n, const struct mmr_attempt *a, char buf[MMR_TOKEN_MAX])
{
    char key[MMR_ATTEMPT_KEY_TEXT_MAX];
    mmr_attempt_key_text(&o->d, n, a, key);
    mmr_outlet_token_for(o, what, key, buf);
}

void mmr_outlet_token_for(const struct mmr_outlet *o, const char *what, const char *key, char buf[MMR_TOKEN_MAX])
{
    char text[MMR_ATTEMPT_KEY_TEXT_MAX + 16];
    uint8_t hash[16];
    int len = snprintf(text, sizeof text, "%s.%s", what, key);
    if (len < 0 || (size_t)len >= sizeof text)
        len = sizeof text - 1;
    (void)crypto_generichash(hash, sizeof hash, (const uint8_t *)text, (unsigned long long)len, o->key, sizeof o->key);
    (void)sodium_bin2hex(buf, MMR_TOKEN_MAX, hash, sizeof hash);
}

uint64_t mmr_outlet_number_of(const struct mmr_outlet *o, const struct mmr_notice *n, const struct mmr_attempt *a)
{
    char key[MMR_ATTEMPT_KEY_TEXT_MAX];
    mmr_attempt_key_text(&o->d, n, a, key);
    return MMR_NUMBER_NOTICE | (mmr_hash64(key, strlen(key), 17) & MMR_NUMBER_MASK);
}

struct mmr_notice *mmr_outlet_by_number(struct mmr_outlet *o, uint64_t number, struct mmr_attempt **ret)
{
    for (uint32_t k = 0; k < o->d.n_notices; k++)
        for (uint32_t i = 0; i < o->d.notice[k]->n_attempts; i++)
            if (mmr_outlet_number_of(o, o->d.notice[k], &o->d.notice[k]->attempt[i]) == number) {
                *ret = &o->d.notice[k]->attempt[i];
                return o->d.notice[k];
            }
    return NULL;
}

static void put(struct json_object *o, const char *key, const char *text)
{
    (void)json_object_object_add(o, key, json_object_new_string(text));
}

static char *text_of(struct json_object *o)
{
    const char *text = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
    char *copy = text ? strdup(text) : NULL;
    json_object_put(o);
    return copy;
}

static struct json_object *begin(const struct mmr_outlet *o, const char *key, unsigned contact, unsigned channel, unsigned carrier, const char *text)
{
    struct json_object *r = json_object_new_object();
    struct mmr_error err = {.struct_size = sizeof err};
    const struct mmr_contact *c = &o->d.contact[contact];
    char subject[MMR_SUBJECT_MAX], voice[MMR_NOTICE_TEXT_MAX];
    put(r, "kind", "notice");
    put(r, "key", key);
    put(r, "channel", mmr_notice_channel_name((enum mmr_notice_channel)channel));
    put(r, "carrier", c->carrier[channel][carrier]);
    put(r, "contact", c->name);
    put(r, "to", c->address[channel]);
    put(r, "lang", o->c.office.lang);
    put(r, "office", o->c.office.name);
    put(r, "service", o->c.office.service);
    mmr_compose_subject(text, subject);
    put(r, "subject", subject);
    put(r, "text", text);
    if (channel == MMR_NOTICE_MAIL) { /* mail comes back: as a delivery notice, as a reply */
        char token[MMR_TOKEN_MAX];
        mmr_outlet_token_for(o, "report", key, token);
        put(r, "report_token", token);
        mmr_outlet_token_for(o, "reply", key, token);
        put(r, "reply_token", token);
    }
    if (channel == MMR_NOTICE_VOICE && mmr_compose_voice(&o->c.office, text, voice, sizeof voice, &err) == 0)
        put(r, "voice", voice);
    return r;
}

char *mmr_outlet_record(const struct mmr_outlet *o, const struct mmr_notice *n, const struct mmr_attempt *a)
{
    char key[MMR_ATTEMPT_KEY_TEXT_MAX], id[20], token[MMR_TOKEN_MAX], url[sizeof o->c.confirm_url + 48];
    mmr_attempt_key_text(&o->d, n, a, key);
    (void)snprintf(id, sizeof id, "%016llx", (unsigned long long)n->id);
    struct json_object *r = begin(o, key, a->contact, a->channel, a->carrier, a->text < n->n_texts ? n->text[a->text] : "");
    put(r, "incident", id);
    put(r, "message", kinds[a->kind]);
    put(r, "band", mmr_band_name(n->band));
    (void)json_object_object_add(r, "exercise", json_object_new_boolean(n->is_exercise));
    (void)json_object_object_add(r, "step", json_object_new_int64(a->step));
    (void)json_object_object_add(r, "try", json_object_new_int64(a->tries));
    if (o->c.confirm_url[0]) {
        mmr_outlet_token_of(o, "confirm", n, a, token);
        (void)snprintf(url, sizeof url, "%s/c/%s", o->c.confirm_url, token);
        if (a->kind != MMR_TEXT_CORRECTION && a->kind != MMR_TEXT_TASK)
            put(r, "confirm_url", url);
        mmr_outlet_token_of(o, "report", n, a, token);
        (void)snprintf(url, sizeof url, "%s/d/%s", o->c.confirm_url, token);
        put(r, "report_url", url);
    }
    return text_of(r);
}

void mmr_outlet_test_key(const struct mmr_outlet_test *t, char buf[MMR_OUTLET_TEST_KEY_MAX])
{
    (void)snprintf(buf, MMR_OUTLET_TEST_KEY_MAX, "test.%016llx", (unsigned long long)t->number);
}

char *mmr_outlet_test_record(const struct mmr_outlet *o, const struct mmr_outlet_test *t, const char *text)
{
    char key[MMR_OUTLET_TEST_KEY_MAX];
    mmr_outlet_test_key(t, key);
    struct json_object *r = begin(o, key, t->contact, t->channel, t->carrier, text);
    put(r, "message", "test");
    return text_of(r);
}
