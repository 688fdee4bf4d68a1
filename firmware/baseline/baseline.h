/* A library under measurement: one P-256 key, one SHA-256 that was hashed already. */
#ifndef BASELINE_H
#define BASELINE_H

#include <stdint.h>

extern const uint8_t secret[32], digest[32];

/* Makes the public key; not measured. 0 when done, as all of these. */
int prepare(void);
/* Signs the digest. */
int sign(uint8_t signature[64]);
/* Checks a signature of the digest. */
int verify(const uint8_t signature[64]);

#endif
