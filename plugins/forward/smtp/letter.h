/* letter.h - a record for people as a mail: headers, plain text and its twin in HTML. */
#ifndef MMR_SMTP_LETTER_H
#define MMR_SMTP_LETTER_H

#include "record.h"

#include <curl/curl.h>

struct mmr_letter_from {
    const char *address, *name; /* name may be NULL */
    bool is_read; /* what comes back to address is read (the plugin 'mailbox'): a reply confirms */
};
/*
 * mmr_letter_put - make it the mail that easy sends (CURLOPT_MIMEPOST).
 *
 * now_s     seconds UTC, for Date
 * ret_head  returned, curl_slist_free_all() after the transfer; the mime part is freed by curl_mime_free(*ret_mime)
 * errors    MMR_ENOMEM; MMR_EBADMSG a report that cannot be rendered
 */
int mmr_letter_put(CURL *easy, const struct mmr_record *r, const struct mmr_letter_from *from, int64_t now_s,
                   struct curl_slist **ret_head, curl_mime **ret_mime, struct mmr_error *err);
/* RFC 2047: as it is when ASCII, else encoded words of whole characters, folded. */
void mmr_letter_encode(const char *text, char *buf, size_t cap);
/* Text as HTML: escaped, lines as <br>. returned; free(). NULL: no memory */
char *mmr_letter_html(const char *text);

#endif
