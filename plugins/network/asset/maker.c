/* maker.c - see maker.h. The registry is read once for each new card: 5 MB, a few milliseconds, no memory kept. */
#include "maker.h"

#include <stdio.h>
#include <string.h>

enum { BUF = 40 };

static const struct {
    uint32_t oui;
    const char *name;
} makers[] = { /* common in offices; from the public IEEE registry */
    {0x00000c, "Cisco"},      {0x00000e, "Fujitsu"},     {0x000048, "Epson"},       {0x00004c, "NEC"},          {0x000074, "Ricoh"},
    {0x000085, "Canon"},      {0x0000aa, "Xerox"},       {0x0000cd, "Allied Telesis"}, {0x000393, "Apple"},     {0x000740, "Buffalo"},
    {0x00089b, "QNAP"},       {0x000c29, "VMware"},      {0x000d0b, "Buffalo"},     {0x001132, "Synology"},     {0x001422, "Dell"},
    {0x00155d, "Microsoft (virtual)"}, {0x001601, "Buffalo"}, {0x001b21, "Intel"},  {0x001d73, "Buffalo"},      {0x001e8f, "Canon"},
    {0x00206b, "Konica Minolta"}, {0x0026ab, "Epson"},   {0x005056, "VMware"},      {0x008077, "Brother"},      {0x00a0b0, "I-O DATA"},
    {0x00a0de, "Yamaha"},     {0x00c0ee, "Kyocera"},     {0x080027, "VirtualBox"},  {0x106f3f, "Buffalo"},      {0x245ebe, "QNAP"},
    {0xb827eb, "Raspberry Pi"}, {0xdca632, "Raspberry Pi"}, {0xe45f01, "Raspberry Pi"}, {0x525400, "QEMU (virtual)"},
};

void asset_maker(const uint8_t mac[6], const char *path, char *buf)
{
    uint32_t oui = (uint32_t)mac[0] << 16 | (uint32_t)mac[1] << 8 | mac[2];
    char line[256], key[9];
    buf[0] = '\0';
    for (size_t i = 0; i < sizeof makers / sizeof makers[0]; i++)
        if (makers[i].oui == oui) {
            (void)snprintf(buf, BUF, "%s", makers[i].name);
            return;
        }
    if (mac[0] & 2) { /* locally administered */
        (void)snprintf(buf, BUF, "random");
        return;
    }
    (void)snprintf(key, sizeof key, "%02X-%02X-%02X", mac[0], mac[1], mac[2]);
    FILE *f = fopen(path && path[0] ? path : "/usr/share/ieee-data/oui.txt", "re");
    while (f && fgets(line, sizeof line, f)) {
        const char *hex = strncmp(line, key, 8) == 0 ? strstr(line, "(hex)") : NULL;
        if (!hex)
            continue;
        hex += 5;
        hex += strspn(hex, " \t");
        (void)snprintf(buf, BUF, "%.*s", (int)strcspn(hex, "\r\n"), hex);
        break;
    }
    if (f)
        (void)fclose(f);
}
