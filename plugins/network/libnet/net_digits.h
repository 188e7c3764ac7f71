/* net_digits.h - numbers as text where it is done for each packet or message: printf takes ten times as long. */
#ifndef MMR_NET_DIGITS_H
#define MMR_NET_DIGITS_H

#include <stddef.h>
#include <stdint.h>

/* Decimal digits of v at p, 20 at most, without a NUL; returns the place after them. */
static inline char *net_put_decimal(char *p, uint64_t v)
{
    char digits[20];
    unsigned n = 0;
    do
        digits[n++] = (char)('0' + v % 10);
    while ((v /= 10) != 0);
    while (n > 0)
        *p++ = digits[--n];
    return p;
}

/* One byte as two hexadecimal digits; returns the place after them. */
static inline char *net_put_hex(char *p, uint8_t v)
{
    static const char digits[] = "0123456789abcdef";
    *p++ = digits[v >> 4];
    *p++ = digits[v & 15];
    return p;
}

#endif
