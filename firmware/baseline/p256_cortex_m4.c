/* P256-Cortex-M4, which our images use; nonces are numbers that the caller brings. */

#include "baseline.h"
#include <p256-cortex-m4.h>

static uint32_t x[8], y[8];

static void number(uint32_t out[8], const uint8_t bytes[32])
{
    p256_convert_endianness(out, bytes, 32);
}

int prepare(void)
{
    uint32_t key[8];
    number(key, secret);
    return !p256_keygen(x, y, key);
}

int sign(uint8_t signature[64])
{
    static const uint32_t nonce[8] = {0x17171717, 0x17171717, 0x17171717, 0x17171717,
                                      0x17171717, 0x17171717, 0x17171717, 0x17171717};
    uint32_t key[8], r[8], s[8];
    number(key, secret);
    if (!p256_sign(r, s, digest, sizeof digest, key, nonce)) {
        return 1;
    }
    p256_convert_endianness(signature, r, 32);
    p256_convert_endianness(signature + 32, s, 32);
    return 0;
}

int verify(const uint8_t signature[64])
{
    uint32_t r[8], s[8];
    number(r, signature);
    number(s, signature + 32);
    return !p256_verify(x, y, digest, sizeof digest, r, s);
}
