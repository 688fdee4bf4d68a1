/* mbedTLS: ECDSA with nonces by RFC 6979, memory from a pool of its own. */

#include "baseline.h"
#include <mbedtls/ecdsa.h>
#include <mbedtls/memory_buffer_alloc.h>

#define POOL 3072

static unsigned char pool[POOL];
static mbedtls_ecp_group group;
static mbedtls_mpi key;
static mbedtls_ecp_point point;

void *no_calloc(size_t count, size_t len)
{
    (void)count, (void)len;
    return 0;
}

void no_free(void *it)
{
    (void)it;
}

/* Blinding wants random numbers; a device would have a source of them. */
static int noise(void *state, unsigned char *out, size_t len)
{
    static uint32_t number = 1;
    (void)state;
    while (len--) {
        number = number * 1664525u + 1013904223u;
        *out++ = (unsigned char)(number >> 24);
    }
    return 0;
}

int prepare(void)
{
    mbedtls_memory_buffer_alloc_init(pool, sizeof pool);
    mbedtls_ecp_group_init(&group);
    mbedtls_mpi_init(&key);
    mbedtls_ecp_point_init(&point);
    return mbedtls_ecp_group_load(&group, MBEDTLS_ECP_DP_SECP256R1) ||
           mbedtls_mpi_read_binary(&key, secret, sizeof secret) ||
           mbedtls_ecp_mul(&group, &point, &key, &group.G, noise, 0);
}

int sign(uint8_t signature[64])
{
    mbedtls_mpi r, s;
    mbedtls_mpi_init(&r);
    mbedtls_mpi_init(&s);
    int failed = mbedtls_ecdsa_sign_det_ext(&group, &r, &s, &key, digest, sizeof digest,
                                            MBEDTLS_MD_SHA256, noise, 0) ||
                 mbedtls_mpi_write_binary(&r, signature, 32) ||
                 mbedtls_mpi_write_binary(&s, signature + 32, 32);
    mbedtls_mpi_free(&r);
    mbedtls_mpi_free(&s);
    return failed;
}

int verify(const uint8_t signature[64])
{
    mbedtls_mpi r, s;
    mbedtls_mpi_init(&r);
    mbedtls_mpi_init(&s);
    int failed = mbedtls_mpi_read_binary(&r, signature, 32) ||
                 mbedtls_mpi_read_binary(&s, signature + 32, 32) ||
                 mbedtls_ecdsa_verify(&group, digest, sizeof digest, &point, &r, &s);
    mbedtls_mpi_free(&r);
    mbedtls_mpi_free(&s);
    return failed;
}
