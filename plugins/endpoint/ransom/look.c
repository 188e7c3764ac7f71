/* look.c - what bytes and names look like. Pure: the file's first bytes and its name, nothing else. */
#include "ransom.h"

#include <ctype.h>
#include <math.h>
#include <string.h>
#include <strings.h>

static const struct mmr_counter_kind kinds[] = {
    {0, 2, "\x1f\x8b"}, {0, 2, "PK"}, {0, 6, "\xfd" "7zXZ\0"}, {0, 4, "\x28\xb5\x2f\xfd"}, {0, 3, "BZh"}, {0, 4, "7z\xbc\xaf"},
    {0, 3, "\xff\xd8\xff"}, {0, 4, "\x89PNG"}, {0, 4, "GIF8"}, {0, 4, "RIFF"}, {4, 4, "ftyp"}, {0, 3, "ID3"}, {0, 4, "OggS"},
    {0, 4, "fLaC"}, {0, 4, "%PDF"}, {0, 4, "Rar!"}, {0, 4, "\x04\x22\x4d\x18"}, {0, 4, "\x7f" "ELF"}, {0, 2, "MZ"},
    {0, 4, "wOF2"}, {0, 4, "wOFF"}, {0, 2, "\x78\x01"}, {0, 2, "\x78\x9c"}, {0, 2, "\x78\xda"}, {0, 4, "\x1a\x45\xdf\xa3"},
    {0, 7, "!<arch>"}, {0, 2, "\xff\xfb"}, {0, 2, "\xff\xf3"}, {0, 4, "SQLi"}, {0, 8, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"},
    {0, 4, "\0asm"}, {0, 4, "DIRC"}, {0, 4, "PACK"}, {0, 4, "\xca\xfe\xba\xbe"}, {0, 4, "II*\0"}, {0, 4, "MM\0*"},
};

const struct mmr_counter_kind *mmr_look_kinds(size_t *ret_n)
{
    *ret_n = sizeof kinds / sizeof kinds[0];
    return kinds;
}

static bool is_packed_kind(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (n >= kinds[i].at + kinds[i].len && memcmp(p + kinds[i].at, kinds[i].magic, kinds[i].len) == 0)
            return true;
    return false;
}

bool mmr_look_is_encrypted(const uint8_t *p, size_t n)
{
    uint32_t count[256] = {0};
    double bits = 0;
    if (n < 256 || is_packed_kind(p, n))
        return false;
    for (size_t i = 0; i < n; i++)
        count[p[i]]++;
    for (size_t i = 0; i < 256; i++)
        if (count[i]) {
            double share = (double)count[i] / (double)n;
            bits -= share * log2(share);
        }
    /* n random bytes show 8 - 255 / (2 n ln 2) bits each (Miller, 1955); text and tables stay below 6.5 */
    return bits > 8 - 255 / (2 * (double)n * 0.693147) - 0.25;
}

static bool has_word(const char *name, const char *const *words, size_t n)
{
    char low[256];
    size_t len = strlen(name);
    if (len >= sizeof low)
        return false;
    for (size_t i = 0; i <= len; i++)
        low[i] = (char)tolower((unsigned char)name[i]);
    for (size_t i = 0; i < n; i++)
        if (strstr(low, words[i]))
            return true;
    return false;
}

bool mmr_look_is_note(const char *name)
{
    static const char *const words[] = {"decrypt", "ransom", "recover", "restore", "how_to", "how-to", "howto", "readme", "read_me", "your_files", "unlock"};
    static const char *const ends[] = {".txt", ".html", ".hta", ".md", ".htm", ".url"};
    size_t n = strlen(name);
    if (!has_word(name, words, sizeof words / sizeof words[0]))
        return false;
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
        if (n > strlen(ends[i]) && strcasecmp(name + n - strlen(ends[i]), ends[i]) == 0)
            return true;
    return false;
}

bool mmr_look_is_document(const char *name)
{
    static const char *const ends[] = {".doc", ".docx", ".xls", ".xlsx", ".ppt", ".pptx", ".odt", ".ods", ".pdf", ".txt", ".csv", ".jpg",
                                       ".jpeg", ".png", ".zip", ".sql", ".db", ".xml", ".json", ".html", ".py", ".c", ".md", ".rtf"};
    size_t n = strlen(name);
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
        if (n > strlen(ends[i]) && strcasecmp(name + n - strlen(ends[i]), ends[i]) == 0)
            return true;
    return false;
}

bool mmr_look_is_backup(const char *path)
{
    static const char *const ends[] = {".bak", ".backup", ".vbk", ".vib", ".bkf", ".bkp", ".old", ".dump", ".tib", ".vhdx", ".qcow2"};
    static const char *const folders[] = {"/backup/", "/backups/", "/.snapshots/", "/snapshots/", "/.zfs/", "/timeshift/"};
    size_t n = strlen(path);
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
        if (n > strlen(ends[i]) && strcasecmp(path + n - strlen(ends[i]), ends[i]) == 0)
            return true;
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++)
        if (strcasestr(path, folders[i]))
            return true;
    return false;
}
