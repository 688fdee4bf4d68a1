/* NOR flash in memory, with power that can fail at any byte. */

#ifndef EXAMPLE_FLASH_H
#define EXAMPLE_FLASH_H

#include <stddef.h>
#include <stdint.h>

#define FLASH_PAGES 12u
#define FLASH_PAGE 2048u
#define FLASH_WORD 8u

struct flash {
    uint8_t bytes[FLASH_PAGES * FLASH_PAGE];
    /* Bytes that are still written or erased before power fails; negative: it does not. */
    long left;
    int is_dead;
    /* Bytes written and erased so far. */
    long spent;
};

/* Blank flash with power on. */
void flash_make(struct flash *flash);

/* Power comes back, and will not fail again. */
void flash_power_up(struct flash *flash);

/* The callbacks of a firmlog_flash whose context is a struct flash. */
int flash_read(void *context, uint32_t at, uint8_t *out, size_t len);
int flash_program(void *context, uint32_t at, const uint8_t *words, size_t len);
int flash_erase(void *context, uint32_t page);

#endif
