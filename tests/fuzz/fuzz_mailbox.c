/* link: mmr_libmailbox mamori-sdk */
/* A mail from anybody, and a server's two answers: what is passed on has a whole token and a level, and lists are in order. */
#include "answer.h"
#include "imap.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint32_t validity = 0, next = 0, uid[MMR_IMAP_UIDS_MAX];
    bool has_more = false;
    struct mmr_mail_answer a = mmr_mail_answer((const char *)data, size);
    if ((a.kind == MMR_MAIL_STATUS || a.kind == MMR_MAIL_REPLY) &&
        (strlen(a.token) != MMR_MAIL_TOKEN || strspn(a.token, "0123456789abcdef") != MMR_MAIL_TOKEN || a.level < -1 || a.level > 4 || a.level == 0))
        abort();
    if (mmr_imap_status((const char *)data, size, &validity, &next) && (!validity || !next))
        abort();
    size_t n = mmr_imap_search((const char *)data, size, 3, uid, &has_more);
    for (size_t i = 0; i < n; i++)
        if (uid[i] <= (i ? uid[i - 1] : 3))
            abort();
    return 0;
}
