/* A program without libc: the functions that a compiler may call by itself, and nothing else. The
 * test puts a table of all that the library offers behind it. */

#include "firmlog.h"

typedef void (*kept)(void);

void *memcpy(void *to, const void *from, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        ((volatile uint8_t *)to)[i] = ((const uint8_t *)from)[i];
    }
    return to;
}

void *memmove(void *to, const void *from, size_t len)
{
    volatile uint8_t *out = to;
    const uint8_t *in = from;
    for (size_t i = 0; i < len; i++) {
        size_t at = (uintptr_t)out < (uintptr_t)in ? i : len - 1 - i;
        out[at] = in[at];
    }
    return to;
}

void *memset(void *to, int value, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        ((volatile uint8_t *)to)[i] = (uint8_t)value;
    }
    return to;
}

int memcmp(const void *one, const void *other, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        int differs = ((const volatile uint8_t *)one)[i] - ((const uint8_t *)other)[i];
        if (differs != 0) {
            return differs;
        }
    }
    return 0;
}

/* What compilers for hosts make of a memcmp that only asks whether there is a difference. */
int bcmp(const void *one, const void *other, size_t len);
int bcmp(const void *one, const void *other, size_t len)
{
    return memcmp(one, other, len);
}

extern kept all[];
void _start(void);
void _start(void)
{
    for (size_t i = 0; all[i] != 0; i++) {
        all[i]();
    }
    for (;;) {
    }
}
