/* No library: what the measurement itself takes. */

#include "baseline.h"

static volatile uint8_t altered;

int prepare(void)
{
    return 0;
}

int sign(uint8_t signature[64])
{
    signature[9] = digest[0];
    altered = (uint8_t)(secret[0] ^ digest[0]);
    return 0;
}

int verify(const uint8_t signature[64])
{
    return signature[9] != digest[0];
}
