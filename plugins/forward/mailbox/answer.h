/*
 * answer.h - is a mail an answer to one of ours? A delivery status notice (RFC 3464) says how far it got, a reply that somebody read it. What names
 * the mail is a token only its recipient and the servers on the way have seen: the envelope id of the notice, or the Message-ID that a reply
 * refers to. Bytes from outside; trust none. What the token is worth is the core's to say.
 */
#ifndef MMR_MAILBOX_ANSWER_H
#define MMR_MAILBOX_ANSWER_H

#include <stddef.h>

enum { MMR_MAIL_BYTES_MAX = 64 * 1024, MMR_MAIL_TOKEN = 32 };
enum mmr_mail_kind {
    MMR_MAIL_OTHER = 0,  /* not about a mail of ours */
    MMR_MAIL_STATUS,     /* a delivery status notice */
    MMR_MAIL_REPLY,      /* somebody's reply */
    MMR_MAIL_AUTOMATIC,  /* a program's reply (away from the office): nobody read it */
};
struct mmr_mail_answer {
    enum mmr_mail_kind kind;
    int level;                        /* STATUS, REPLY: enum mmr_delivery */
    char token[MMR_MAIL_TOKEN + 1];
};
/* mail: the first bytes of it, headers included; what is over MMR_MAIL_BYTES_MAX is not looked at. STATUS only when it says something final. */
struct mmr_mail_answer mmr_mail_answer(const char *mail, size_t len);

#endif
