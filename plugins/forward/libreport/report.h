/*
 * report.h - a weekly report (SERVICE_STANDARD 6) as a page in HTML and as plain text. The words of the findings come with the
 * data, composed by the core; here is only the layout and the headings. Pure; the data may be wrong in any way.
 */
#ifndef MMR_FORWARD_REPORT_H
#define MMR_FORWARD_REPORT_H

#include <mamori/error.h>

struct json_object;

/*
 * mmr_report_render - data: the report's JSON twin (docs/wire.md, "weekly report").
 *
 * ret_html, ret_text  returned; free(); either may be NULL: not wanted. HTML without anything from outside: no image, no script,
 *                     no font to fetch
 * errors              MMR_EBADMSG no report; MMR_ENOMEM
 */
int mmr_report_render(struct json_object *data, char **ret_html, char **ret_text, struct mmr_error *err);

#endif
