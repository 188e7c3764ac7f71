/* names.c - one table for each enumeration of the model, used for writing and for reading. */
#include "model/incident.h"

#include <string.h>

static bool find(const char *const *names, size_t n, const char *text, size_t len, size_t *ret)
{
    for (size_t i = 0; i < n; i++)
        if (names[i] && strlen(names[i]) == len && memcmp(names[i], text, len) == 0) {
            *ret = i;
            return true;
        }
    return false;
}

static const char *name_at(const char *const *names, size_t n, size_t i)
{
    return i < n && names[i] ? names[i] : "";
}

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const char *const phases[] = {
    [MMR_PHASE_ATTEMPT_INBOUND] = "attempt.inbound", [MMR_PHASE_ATTEMPT_USER] = "attempt.user",
    [MMR_PHASE_FOOTHOLD_PROCESS] = "foothold.process", [MMR_PHASE_FOOTHOLD_C2] = "foothold.c2",
    [MMR_PHASE_SPREAD] = "spread", [MMR_PHASE_ACCOUNT] = "account", [MMR_PHASE_IMPACT] = "impact",
};

const char *mmr_phase_name(enum mmr_phase p)
{
    return name_at(phases, COUNT(phases), p);
}

bool mmr_phase_parse(const char *text, size_t len, enum mmr_phase *ret)
{
    size_t i;
    if (len >= 7 && memcmp(text, "impact.", 7) == 0)
        len = 6; /* impact.data, impact.service: one need, nothing makes it defended */
    if (!find(phases, COUNT(phases), text, len, &i))
        return false;
    *ret = (enum mmr_phase)i;
    return true;
}

const char *mmr_direction_name(enum mmr_direction d)
{
    static const char *const names[] = {
        [MMR_DIR_INBOUND] = "inbound", [MMR_DIR_OUTBOUND] = "outbound",
        [MMR_DIR_INTERNAL] = "internal", [MMR_DIR_LOCAL] = "local",
    };
    return name_at(names, COUNT(names), d);
}

const char *mmr_potential_name(enum mmr_potential p)
{
    static const char *const names[] = {
        [MMR_POTENTIAL_INFO] = "info", [MMR_POTENTIAL_LOW] = "low", [MMR_POTENTIAL_HIGH] = "high",
    };
    return name_at(names, COUNT(names), p);
}

const char *mmr_side_name(enum mmr_side s)
{
    return s == MMR_SIDE_NETWORK ? "network" : s == MMR_SIDE_ENDPOINT ? "endpoint" : "";
}

static const char *const verbs[MMR_VERB_COUNT] = {
    [MMR_VERB_BLOCK_ADDR] = "block.addr", [MMR_VERB_CUT_FLOW] = "cut.flow",
    [MMR_VERB_BLOCK_NAME] = "block.name", [MMR_VERB_KILL_PROCESS] = "kill.process",
    [MMR_VERB_FREEZE_PROCESS] = "freeze.process", [MMR_VERB_DENY_EXEC] = "deny.exec",
    [MMR_VERB_QUARANTINE_FILE] = "quarantine.file", [MMR_VERB_REMOVE_AUTOSTART] = "remove.autostart",
    [MMR_VERB_ISOLATE_HOST] = "isolate.host", [MMR_VERB_LOCK_ACCOUNT] = "lock.account",
    [MMR_VERB_QUERY_CONNECTION_OWNER] = "query.connection_owner",
};

const char *mmr_verb_name(enum mmr_verb v)
{
    return name_at(verbs, COUNT(verbs), v);
}

bool mmr_verb_parse(const char *text, size_t len, enum mmr_verb *ret)
{
    size_t i;
    if (!find(verbs, COUNT(verbs), text, len, &i))
        return false;
    *ret = (enum mmr_verb)i;
    return true;
}

static const char *const results[] = {
    [MMR_RESULT_APPLIED] = "applied", [MMR_RESULT_ALREADY] = "already", [MMR_RESULT_PARTIAL] = "partial",
    [MMR_RESULT_FAILED] = "failed", [MMR_RESULT_REFUSED] = "refused", [MMR_RESULT_TIMEOUT] = "timeout",
    [MMR_RESULT_UNSUPPORTED] = "unsupported",
};

const char *mmr_result_name(enum mmr_result r)
{
    return name_at(results, COUNT(results), r);
}

bool mmr_result_parse(const char *text, size_t len, enum mmr_result *ret)
{
    size_t i;
    if (!find(results, COUNT(results), text, len, &i))
        return false;
    *ret = (enum mmr_result)i;
    return true;
}

static const char *const verdicts[] = {
    [MMR_VERIFIED_NONE] = "none", [MMR_VERIFIED_CONFIRMED] = "confirmed",
    [MMR_VERIFIED_REFUTED] = "refuted", [MMR_VERIFIED_INCONCLUSIVE] = "inconclusive",
};

const char *mmr_verified_name(enum mmr_verified v)
{
    return name_at(verdicts, COUNT(verdicts), v);
}

bool mmr_verified_parse(const char *text, size_t len, enum mmr_verified *ret)
{
    size_t i;
    if (!find(verdicts, COUNT(verdicts), text, len, &i))
        return false;
    *ret = (enum mmr_verified)i;
    return true;
}

const char *mmr_action_state_name(enum mmr_action_state s)
{
    /* A plan that is not carried out is told as "ordered" with mode "planned": the command contract
     * has no eighth state. */
    static const char *const names[] = {
        [MMR_STATE_PLANNED] = "ordered", [MMR_STATE_ORDERED] = "ordered",
        [MMR_STATE_APPLIED] = "applied", [MMR_STATE_PROVED] = "proved",
        [MMR_STATE_EFFECTIVE] = "effective", [MMR_STATE_FAILED] = "failed",
        [MMR_STATE_EXPIRED] = "expired", [MMR_STATE_UNDONE] = "undone",
    };
    return name_at(names, COUNT(names), s);
}

const char *mmr_class_name(enum mmr_class c)
{
    static const char *const names[] = {
        [MMR_CLASS_OF_PENDING] = "pending", [MMR_CLASS_OF_NO_RESPONSE] = "no_response_needed",
        [MMR_CLASS_OF_DEFENDED] = "defended", [MMR_CLASS_OF_SEVERE] = "severe",
    };
    return name_at(names, COUNT(names), c);
}

const char *mmr_band_name(enum mmr_band b)
{
    return b == MMR_BAND_RED ? "red" : b == MMR_BAND_YELLOW ? "yellow" : "";
}

const char *mmr_entity_kind_name(enum mmr_entity_kind k)
{
    static const char *const names[] = {
        [MMR_ENT_ADDRESS] = "address", [MMR_ENT_CONNECTION] = "connection", [MMR_ENT_HOST] = "host",
        [MMR_ENT_DOMAIN] = "domain", [MMR_ENT_PROCESS] = "process", [MMR_ENT_HASH] = "hash",
        [MMR_ENT_USER] = "user", [MMR_ENT_SESSION] = "session", [MMR_ENT_FILE] = "file",
        [MMR_ENT_RULE] = "rule",
    };
    return name_at(names, COUNT(names), k);
}
