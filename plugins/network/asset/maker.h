/* maker.h - who made a network card, from the first three bytes of its address. */
#ifndef MMR_ASSET_MAKER_H
#define MMR_ASSET_MAKER_H

#include <stdint.h>

/* Debian's ieee-data (/usr/share/ieee-data/oui.txt, or path) where it is installed, else a small table; "" unknown, "random"
 * for an address a system made up. buf of 40 bytes. */
void asset_maker(const uint8_t mac[6], const char *path, char *buf);

#endif
