/* evemap.h - EVE JSON lines of an IDS become events. */
#ifndef MMR_EVEMAP_H
#define MMR_EVEMAP_H

#include "jsonscan.h"
#include "outev.h"

bool mmr_eve_is(const struct mmr_js_doc *doc);
bool mmr_eve_time(const struct mmr_js_doc *doc, int64_t *ret_ns);
void mmr_eve_event(const struct mmr_js_doc *doc, const struct mmr_origin *from, struct mmr_outev *o, void *buf, size_t cap);

#endif
