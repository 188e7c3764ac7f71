/* receipt.c - the map a responder answers with (mamori/action.h). */
#include "acts.h"

void mmr_receipt_send(const struct mmr_host *host, uint64_t id, int code, const struct mmr_receipt_out *r)
{
    uint8_t buf[4096];
    struct mmr_event ev;
    mmr_event_begin_map(&ev, buf, sizeof buf);
    mmr_event_str(&ev, "result", r->result);
    mmr_event_str(&ev, "verify.result", r->verified ? r->verified : "none");
    mmr_event_str(&ev, "verify.method", r->method);
    if (r->method)
        mmr_event_int(&ev, "verify.at", host->now_ns(host->impl, MMR_CLOCK_WALL));
    if (r->applied_ns)
        mmr_event_int(&ev, "applied_at", r->applied_ns);
    if (r->expires_ns)
        mmr_event_int(&ev, "expires_at", r->expires_ns);
    if (r->revoked_ns)
        mmr_event_int(&ev, "revoked_at", r->revoked_ns);
    if (r->has_counter) {
        mmr_event_int(&ev, "counter.packets", (int64_t)r->packets);
        mmr_event_int(&ev, "counter.bytes", (int64_t)r->bytes);
    }
    if (r->is_dry_run)
        mmr_event_bool(&ev, "dry_run", true);
    mmr_event_str(&ev, "undo", r->undo);
    mmr_event_str(&ev, "detail", r->detail);
    if (mmr_event_end(&ev) != 0) { /* only an undo text over 3 KiB could; the bare facts still go out */
        mmr_event_begin_map(&ev, buf, sizeof buf);
        mmr_event_str(&ev, "result", r->result);
        mmr_event_str(&ev, "verify.result", r->verified ? r->verified : "none");
        (void)mmr_event_end(&ev);
    }
    (void)host->action_done(host->impl, id, code, ev.buf, ev.len);
}

void mmr_receipt_fail(const struct mmr_host *host, uint64_t id, const char *result, const char *detail)
{
    mmr_receipt_send(host, id, 0, &(struct mmr_receipt_out){.result = result, .detail = detail});
}
