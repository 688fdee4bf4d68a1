/* micro-ecc, its assembly with UMAAL: nonces are random numbers that the caller brings. */

#include "baseline.h"
#include <uECC.h>

static uint8_t point[64];

/* The same each time: what is measured is the arithmetic. */
static int noise(uint8_t *out, unsigned len)
{
    for (unsigned i = 0; i < len; i++) {
        out[i] = (uint8_t)(0x17 + i);
    }
    return 1;
}

int prepare(void)
{
    uECC_set_rng(noise);
    return !uECC_compute_public_key(secret, point, uECC_secp256r1());
}

int sign(uint8_t signature[64])
{
    return !uECC_sign(secret, digest, sizeof digest, signature, uECC_secp256r1());
}

int verify(const uint8_t signature[64])
{
    return !uECC_verify(point, digest, sizeof digest, signature, uECC_secp256r1());
}
