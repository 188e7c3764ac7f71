/* record.h - a record for people as the core gives it to a forwarder: a notice or a weekly report (JSON). docs/wire.md says it. */
#ifndef MMR_FORWARD_RECORD_H
#define MMR_FORWARD_RECORD_H

#include <mamori/error.h>

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>

struct mmr_record { /* texts are borrowed from json and never NULL */
    struct json_object *json;
    bool is_report;
    const char *key;     /* of the attempt: the same record given again has the same one; its bytes are plain ASCII */
    const char *channel, *to, *lang, *office, *service, *subject, *text, *voice, *message, *band, *incident, *contact;
    const char *confirm_url, *report_url;
    const char *reply_token, *report_token; /* of mails: 32 hex digits, or "" */
};
/* errors MMR_EBADMSG no JSON object, or a field is missing; MMR_EUNSUPPORTED an OCSF record, which is not for people */
int mmr_record_read(const void *data, size_t len, struct mmr_record *ret, struct mmr_error *err);
void mmr_record_done(struct mmr_record *r);
/* A text of the record by name; "" when there is none. */
const char *mmr_record_text(const struct mmr_record *r, const char *name);

#endif
