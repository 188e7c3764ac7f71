/* winrec.h - one Windows (or Sysmon for Linux) event record, whatever shape its sender gave it. */
#ifndef MMR_WINREC_H
#define MMR_WINREC_H

#include "jsonscan.h"
#include "outev.h"

enum { MMR_WINREC_FIELDS_MAX = 200, MMR_WINREC_SCRATCH = 8 * 1024, MMR_WINREC_VALUES_MAX = 64 };

struct mmr_winrec_field {
    struct mmr_slice name, val;
};
struct mmr_winrec { /* slices are borrowed from the line (or from scratch) */
    struct mmr_slice channel, provider, computer, event_id, message, record_id, keywords, level, task;
    struct mmr_slice user_sid, account, account_domain;
    struct mmr_slice system_time, event_time, arrival; /* text; arrival: when the collector had it */
    bool is_system_utc; /* system_time is UTC for certain (winlogbeat's own clock) */
    uint32_t n, scratch_used;
    struct mmr_winrec_field f[MMR_WINREC_FIELDS_MAX]; /* EventData, UserData */
    char scratch[MMR_WINREC_SCRATCH];
};

/* The shapes: flat (NXLog, Fluent Bit, PowerShell's objects, also with dotted names), Event.System/EventData (also without "Event"),
 * ECS (winlog.*), Wazuh's win.system/eventdata; each also inside what stores put around it.
 * MMR_EUNSUPPORTED: JSON, but not of a Windows event. */
int mmr_winrec_from_json(const struct mmr_js_doc *doc, struct mmr_winrec *ret, struct mmr_error *err);

/* <Event><System>..</System><EventData>..</EventData></Event>; text is changed in place.
 * MMR_EBADMSG: no such element, or cut off before its System part is complete. */
int mmr_winrec_from_xml(char *text, size_t len, struct mmr_winrec *ret, struct mmr_error *err);

/* EventData as values without names: named by their places where the event is known (winvalues.c), else from the record's message. */
void mmr_winrec_name_values(struct mmr_winrec *r, const struct mmr_slice *v, uint32_t n);
/* What a shipper moved out of EventData into fields of the Elastic Common Schema, back under its own names; what is there stays. */
void mmr_winrec_add_elastic(struct mmr_winrec *r, const struct mmr_js_doc *doc, int32_t root);

void mmr_winrec_clear(struct mmr_winrec *r);
void mmr_winrec_add(struct mmr_winrec *r, struct mmr_slice name, struct mmr_slice val);
struct mmr_slice mmr_winrec_get(const struct mmr_winrec *r, const char *name); /* without ASCII case */

#endif
