/*
 * fields.h - the one table between the names logs and Sigma rules use (Windows EventData, Sysmon,
 * auditd, web and network taxonomies) and mamori's dotted OCSF names. The log sensor fills events by
 * it, the Sigma matcher looks values up by it, so the two cannot drift apart.
 *
 * Names are compared without ASCII case (`ProcessGUID` and `ProcessGuid` are one field). A name
 * without a row lives in the event as `unmapped.<Name>`, spelled as the log spells it.
 *
 * Some fields are split by the sensor and put together again by the matcher:
 *   User, ParentUser, SourceUser, TargetUser   `DOMAIN\name` -> <x>.domain and <x>.name, where <x>.name is
 *                                the row's OCSF name (`user.name` -> `user.domain`)
 *   Hashes, Hash                 `SHA1=..,MD5=..` -> the rows of `sha1`, `md5`, `sha256`, `imphash` of the kind
 *   c-uri, cs-uri and their parts  from http_request.url.path, .query_string and .hostname; what listens on the network
 *                                leaves the query in the path
 * Numbers keep their type: `ProcessId` is an integer in the event and matches as decimal text.
 */
#ifndef MMR_SIGMA_FIELDS_H
#define MMR_SIGMA_FIELDS_H

#include <stdbool.h>
#include <stddef.h>

enum { /* what putting the value together needs */
    MMR_SIGMA_PLAIN = 0,
    MMR_SIGMA_ACCOUNT = 1, /* DOMAIN\name: ocsf ends with ".name", its domain is beside it */
    MMR_SIGMA_HASHES = 2,  /* ocsf is the prefix: ocsf + "sha1", "md5", "sha256", "imphash" */
    MMR_SIGMA_URI = 3,     /* path and query as one text, and the same with the host before it where that is known */
    MMR_SIGMA_STEM = 4,    /* the path alone */
    MMR_SIGMA_QUERY = 5,   /* the query alone, and path and query as one: rules for web servers mean either */
    MMR_SIGMA_EXTENSION = 6, /* what follows the last dot of the path's last part */
    MMR_SIGMA_SERIAL = 7,  /* hexadecimal digits, with and without the zeros in front */
};

struct mmr_sigma_field {
    const char *name;  /* as in logs and rules */
    const char *ocsf;  /* NULL: `unmapped.<name>` on purpose in this context */
    const char *kinds; /* space separated kinds, "file.*" for a family; NULL: any kind */
    const char *code;  /* event id it holds for; NULL: any */
    int form;          /* MMR_SIGMA_* */
};

/*
 * mmr_sigma_field_find - the row of a log's field name in its context.
 *
 * kind   mamori.kind of the event, or NULL
 * code   metadata.event_code, or NULL
 * name   not NUL-terminated
 * return the row, or NULL: the field is `unmapped.<name>`
 */
const struct mmr_sigma_field *mmr_sigma_field_find(const char *kind, const char *code,
                                                   const char *name, size_t name_len);

/* All rows, sorted by name without case; rows of one name: the special ones first. */
const struct mmr_sigma_field *mmr_sigma_fields(size_t *ret_n);

#endif
