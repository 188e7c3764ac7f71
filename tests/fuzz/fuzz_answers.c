/* link: mmr_plugin_answers_objects mmr_plugin_webhook_objects mmr_plugin_syslog_objects mmr_plugin_smtp_objects mmr_forward_post mmr_forward_report mmr_lib_cares mamori-sdk mmr_lib_json */
/* What comes back to notices from outside: a request at the listener, a gateway's answer; and a record as page, mail and line. */
#include "letter.h"
#include "line.h"
#include "record.h"
#include "reply.h"
#include "report.h"
#include "request.h"

#include <mamori/plugin.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    const struct mmr_reply_rule rule = {.field = "messages.0.status", .delivered = "delivered", .failed = "failed", .level_of_2xx = MMR_DELIVERY_GATEWAY};
    const struct mmr_syslog_line line = {.facility = 16, .hostname = "h", .max_bytes = 600, .now_ns = 1};
    struct mmr_error err = {.struct_size = sizeof err};
    char *out = NULL, *html = NULL, buf[256];
    size_t len = 0;
    struct mmr_answer_request r = mmr_answer_read(text, size);
    if (r.what >= MMR_REQUEST_SHOW && strlen(r.token) != MMR_REQUEST_TOKEN)
        abort();
    int level = mmr_reply_level(&rule, 200, text, size);
    if (level < MMR_DELIVERY_FAILED || level > MMR_DELIVERY_RECIPIENT)
        abort();
    if (mmr_syslog_format(&line, data, size, &out, &len, &err) == 0 && memchr(out, '\n', len))
        abort();
    free(out);
    out = NULL;
    struct mmr_record record;
    if (mmr_record_read(data, size, &record, &err) == 0) {
        mmr_letter_encode(record.subject, buf, sizeof buf);
        free(mmr_letter_html(record.text));
        if (record.is_report && mmr_report_render(record.json, &html, &out, &err) == 0 && (strstr(html, "<script") || !*out))
            abort();
        mmr_record_done(&record);
    }
    free(html);
    free(out);
    return 0;
}
