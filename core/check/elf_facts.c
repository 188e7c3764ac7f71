/* elf_facts.c - headers, segments and the dynamic tables of a shared object, each bound-checked before it is read. */
#include "check/elf_facts.h"

#include <elf.h>
#include <stdio.h>
#include <string.h>

enum { TABLE_MAX = 1 << 20 }; /* entries of one table: beyond it the file is refused, not read */

struct image {
    const uint8_t *p;
    size_t len;
};

/* size bytes at off into to; false: they are not all there. */
static bool get(const struct image *im, uint64_t off, void *to, size_t size)
{
    if (off > im->len || size > im->len - off)
        return false;
    memcpy(to, im->p + off, size);
    return true;
}

/* A NUL-terminated text inside [off, off + size), cut to cap - 1. */
static bool get_text(const struct image *im, uint64_t off, uint64_t size, uint64_t at, char *buf, size_t cap)
{
    if (off > im->len || size > im->len - off || at >= size)
        return false;
    const char *from = (const char *)im->p + off + at;
    size_t n = strnlen(from, (size_t)(size - at));
    if (n == size - at)
        return false;
    if (n >= cap)
        n = cap - 1;
    memcpy(buf, from, n);
    buf[n] = '\0';
    return true;
}

static bool is_export(const Elf64_Sym *s)
{
    unsigned bind = ELF64_ST_BIND(s->st_info), type = ELF64_ST_TYPE(s->st_info), vis = ELF64_ST_VISIBILITY(s->st_other);
    return s->st_shndx != SHN_UNDEF && (bind == STB_GLOBAL || bind == STB_WEAK || bind == STB_GNU_UNIQUE) &&
           (vis == STV_DEFAULT || vis == STV_PROTECTED) && type != STT_SECTION && type != STT_FILE;
}

static int read_symbols(const struct image *im, const Elf64_Ehdr *eh, struct mmr_elf_facts *f, struct mmr_error *err)
{
    bool is_found = false;
    for (uint32_t i = 0; i < eh->e_shnum; i++) {
        Elf64_Shdr dyn, str;
        if (!get(im, eh->e_shoff + (uint64_t)i * sizeof dyn, &dyn, sizeof dyn))
            return mmr_fail(err, MMR_EBADMSG, "the table of sections runs off the end of the file");
        if (dyn.sh_type != SHT_DYNSYM)
            continue;
        is_found = true;
        if (dyn.sh_link >= eh->e_shnum || !get(im, eh->e_shoff + (uint64_t)dyn.sh_link * sizeof str, &str, sizeof str) ||
            dyn.sh_size / sizeof(Elf64_Sym) > TABLE_MAX)
            return mmr_fail(err, MMR_EBADMSG, "the table of dynamic symbols is malformed");
        for (uint64_t k = 1; k < dyn.sh_size / sizeof(Elf64_Sym); k++) {
            Elf64_Sym s;
            char name[MMR_ELF_NAME_MAX + 1];
            if (!get(im, dyn.sh_offset + k * sizeof s, &s, sizeof s) || dyn.sh_offset > im->len)
                return mmr_fail(err, MMR_EBADMSG, "the table of dynamic symbols runs off the end of the file");
            if (!is_export(&s))
                continue;
            if (!get_text(im, str.sh_offset, str.sh_size, s.st_name, name, sizeof name))
                return mmr_fail(err, MMR_EBADMSG, "a dynamic symbol has its name outside the file");
            if (strncmp(name, "__odr_asan.", 11) == 0) /* the address sanitizer's, one for each exported object */
                continue;
            if (f->exports < MMR_ELF_NAMES_MAX)
                memcpy(f->names[f->exports], name, sizeof name);
            else if (strncmp(name, "mmr_plugin_entry_v", 18) == 0) /* whoever looks for it finds it among however many */
                memcpy(f->names[MMR_ELF_NAMES_MAX - 1], name, sizeof name);
            f->exports++;
        }
    }
    return is_found ? 0 : mmr_fail(err, MMR_EBADMSG, "there is no table of dynamic symbols");
}

struct dynamic {
    uint64_t strtab, strsz, path;
    bool has_path;
};

static int read_dynamic(const struct image *im, const Elf64_Phdr *ph, struct mmr_elf_facts *f, struct dynamic *d,
                        struct mmr_error *err)
{
    for (uint64_t k = 0; k < ph->p_filesz / sizeof(Elf64_Dyn) && k < TABLE_MAX; k++) {
        Elf64_Dyn e;
        if (!get(im, ph->p_offset + k * sizeof e, &e, sizeof e))
            return mmr_fail(err, MMR_EBADMSG, "the dynamic table runs off the end of the file");
        if (e.d_tag == DT_NULL)
            break;
        if (e.d_tag == DT_TEXTREL || (e.d_tag == DT_FLAGS && (e.d_un.d_val & DF_TEXTREL)))
            f->has_text_relocations = true;
        else if (e.d_tag == DT_STRTAB)
            d->strtab = e.d_un.d_ptr;
        else if (e.d_tag == DT_STRSZ)
            d->strsz = e.d_un.d_val;
        else if (e.d_tag == DT_RPATH || e.d_tag == DT_RUNPATH) {
            d->path = e.d_un.d_val;
            d->has_path = true;
        }
    }
    return 0;
}

/* An address as it will be in memory, back to its place in the file; UINT64_MAX: nowhere. */
static uint64_t offset_of(const struct image *im, const Elf64_Ehdr *eh, uint64_t addr)
{
    for (uint32_t i = 0; i < eh->e_phnum; i++) {
        Elf64_Phdr ph;
        if (get(im, eh->e_phoff + (uint64_t)i * sizeof ph, &ph, sizeof ph) && ph.p_type == PT_LOAD && addr >= ph.p_vaddr &&
            addr - ph.p_vaddr < ph.p_filesz)
            return ph.p_offset + (addr - ph.p_vaddr);
    }
    return UINT64_MAX;
}

static int read_segments(const struct image *im, const Elf64_Ehdr *eh, struct mmr_elf_facts *f, struct mmr_error *err)
{
    struct dynamic d = {0};
    bool has_stack = false;
    for (uint32_t i = 0; i < eh->e_phnum; i++) {
        Elf64_Phdr ph;
        if (!get(im, eh->e_phoff + (uint64_t)i * sizeof ph, &ph, sizeof ph))
            return mmr_fail(err, MMR_EBADMSG, "the table of segments runs off the end of the file");
        if (ph.p_type == PT_LOAD && (ph.p_flags & PF_X) && (ph.p_flags & PF_W))
            f->has_writable_code = true;
        if (ph.p_type == PT_GNU_STACK) {
            has_stack = true;
            f->has_exec_stack = ph.p_flags & PF_X;
        }
        if (ph.p_type == PT_DYNAMIC) {
            int r = read_dynamic(im, &ph, f, &d, err);
            if (r)
                return r;
        }
    }
    if (!has_stack)
        f->has_exec_stack = true; /* without the note the kernel gives one */
    if (d.has_path) {
        uint64_t at = offset_of(im, eh, d.strtab);
        if (!get_text(im, at, d.strsz, d.path, f->search_path, sizeof f->search_path))
            return mmr_fail(err, MMR_EBADMSG, "the library search path lies outside the file");
    }
    return 0;
}

int mmr_elf_read(const void *bytes, size_t len, struct mmr_elf_facts *ret, struct mmr_error *err)
{
    struct image im = {bytes, len};
    struct mmr_elf_facts f = {0};
    Elf64_Ehdr eh;
    const unsigned char order = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB;

    if (!get(&im, 0, &eh, sizeof eh) || memcmp(eh.e_ident, ELFMAG, SELFMAG) != 0)
        return mmr_fail(err, MMR_EBADMSG, "this is no shared object (ELF)");
    if (eh.e_ident[EI_CLASS] != ELFCLASS64 || eh.e_ident[EI_DATA] != order)
        return mmr_fail(err, MMR_EBADMSG, "this shared object is of another kind of machine; expected 64 bit in this byte order");
    if (eh.e_type != ET_DYN)
        return mmr_fail(err, MMR_EBADMSG, "this ELF file is of type %u, expected a shared object (3); link it with -shared", eh.e_type);
    if (eh.e_phentsize != sizeof(Elf64_Phdr) || eh.e_shentsize != sizeof(Elf64_Shdr) || eh.e_shoff > len || eh.e_phoff > len)
        return mmr_fail(err, MMR_EBADMSG, "the header of this shared object is malformed");
    int r = read_segments(&im, &eh, &f, err);
    if (r == 0)
        r = read_symbols(&im, &eh, &f, err);
    if (r == 0)
        *ret = f;
    return r;
}
