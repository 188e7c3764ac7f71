/* fieldmemo.c - one probe a name; what is not there is asked of the table of fields and put there. */
#include "fieldmemo.h"

#include <string.h>

#include "sigma/fields.h"

void mmr_fieldmemo_event(struct mmr_fieldmemo *m, const char *kind, const char *code)
{
    size_t n = strlen(code);
    uint64_t w[2];
    m->kind = kind;
    memset(m->code, 0, sizeof m->code);
    if (n <= MMR_FIELDMEMO_CODE_MAX)
        memcpy(m->code, code, n);
    memcpy(w, m->code, sizeof w);
    m->seed = mmr_bytes_hash((const char *)w, sizeof w, (uint32_t)((uintptr_t)kind >> 3));
}

static bool ends(const char *s, const char *tail)
{
    size_t n = strlen(s), t = strlen(tail);
    return n >= t && memcmp(s + n - t, tail, t) == 0;
}

static void fill(struct mmr_field_place *p, const struct mmr_fieldmemo *m, struct mmr_slice name)
{
    static const char *const bases[MMR_FIELD_BASES] = {"", "process.file.path", "process.parent_process.file.path", "file.path"};
    const struct mmr_sigma_field *f = mmr_sigma_field_find(m->kind, m->code, name.p, name.n);
    *p = (struct mmr_field_place){.ocsf = f ? f->ocsf : NULL, .kind = m->kind};
    memcpy(p->code, m->code, sizeof p->code);
    if (!f)
        p->form = MMR_FIELD_UNMAPPED;
    else if (f->form == MMR_SIGMA_HASHES)
        p->form = MMR_FIELD_HASHES;
    else if (f->form == MMR_SIGMA_ACCOUNT)
        p->form = MMR_FIELD_ACCOUNT;
    else if (ends(f->ocsf, "_endpoint.ip"))
        p->form = MMR_FIELD_ADDR;
    else if (ends(f->ocsf, ".pid") || ends(f->ocsf, ".port") || ends(f->ocsf, "protocol_num"))
        p->form = MMR_FIELD_INT;
    else
        p->form = ends(f->ocsf, ".uid") ? MMR_FIELD_UID : MMR_FIELD_TEXT;
    for (uint8_t b = 1; f && b < MMR_FIELD_BASES; b++)
        if (strcmp(f->ocsf, bases[b]) == 0)
            p->base = b;
}

const struct mmr_field_place *mmr_fieldmemo_find(struct mmr_fieldmemo *m, struct mmr_slice name)
{
    if (!name.n || name.n > MMR_FIELDMEMO_NAME_MAX) {
        fill(&m->one, m, name);
        return &m->one;
    }
    struct mmr_field_place *p = &m->e[mmr_bytes_hash(name.p, name.n, m->seed) % MMR_FIELDMEMO_ENTRIES];
    if (p->kind == m->kind && p->name_len == name.n && memcmp(p->name, name.p, name.n) == 0 &&
        memcmp(p->code, m->code, sizeof p->code) == 0)
        return p;
    fill(p, m, name);
    memcpy(p->name, name.p, name.n);
    p->name_len = (uint8_t)name.n;
    return p;
}
