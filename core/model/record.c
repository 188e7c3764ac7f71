#include "model/record.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* The name a field goes by, NULL where it is none of the record's own. */
static const char *own_name(const struct mmr_field *f, size_t *ret_len)
{
    static const char prefix[] = "unmapped.", uid[] = "user.uid";
    if (f->key_len > sizeof prefix - 1 && memcmp(f->key, prefix, sizeof prefix - 1) == 0) {
        *ret_len = f->key_len - (sizeof prefix - 1);
        return f->key + sizeof prefix - 1;
    }
    if (f->key_len == sizeof uid - 1 && memcmp(f->key, uid, sizeof uid - 1) == 0) {
        *ret_len = 3;
        return "uid";
    }
    return NULL;
}

size_t mmr_finding_record(const struct mmr_event_view *ev, char out[MMR_RECORD_MAX])
{
    size_t n = 0;
    for (uint32_t i = 0, fields = 0; i < ev->n && fields < MMR_RECORD_FIELDS_MAX; i++) {
        const struct mmr_field *f = &ev->f[i];
        size_t name_len = 0, len = f->v.len;
        const char *name = own_name(f, &name_len), *value = (const char *)f->v.p;
        char digits[24];
        if (!name || (f->v.type != MMR_VAL_STR && f->v.type != MMR_VAL_INT))
            continue;
        if (f->v.type == MMR_VAL_INT) {
            len = (size_t)snprintf(digits, sizeof digits, "%" PRId64, f->v.n.i);
            value = digits;
        }
        if (!len || len > MMR_RECORD_VALUE_MAX || n + name_len + len + 3 > MMR_RECORD_MAX)
            continue;
        char *line = out + n;
        memcpy(line, name, name_len);
        line[name_len] = '\t';
        memcpy(line + name_len + 1, value, len);
        for (size_t k = 0; k < name_len + 1 + len; k++) /* neither a name nor a value may start another line */
            if (k != name_len && (line[k] == '\t' || line[k] == '\n'))
                line[k] = ' ';
        n += name_len + len + 2;
        out[n - 1] = '\n';
        fields++;
    }
    out[n] = '\0';
    return n;
}
