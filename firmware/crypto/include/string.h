/* What P-256 needs of a C library; the board's own routines answer to these names. */
#ifndef FIRMLOG_STRING_H
#define FIRMLOG_STRING_H

#include <stddef.h>

void *memcpy(void *to, const void *from, size_t len);
void *memset(void *to, int value, size_t len);

#endif
