#include "flash.h"

#include <string.h>

void flash_make(struct flash *flash)
{
    memset(flash->bytes, 0xff, sizeof flash->bytes);
    flash->left = -1;
    flash->is_dead = 0;
    flash->spent = 0;
}

void flash_power_up(struct flash *flash)
{
    flash->left = -1;
    flash->is_dead = 0;
}

/* Whether power lasts for one more byte. */
static int spend(struct flash *flash)
{
    flash->spent++;
    if (flash->left == 0) {
        flash->is_dead = 1;
    } else if (flash->left > 0) {
        flash->left--;
    }
    return !flash->is_dead;
}

int flash_read(void *context, uint32_t at, uint8_t *out, size_t len)
{
    struct flash *flash = context;
    if (flash->is_dead || at > sizeof flash->bytes || len > sizeof flash->bytes - at) {
        return -1;
    }
    memcpy(out, flash->bytes + at, len);
    return 0;
}

int flash_program(void *context, uint32_t at, const uint8_t *words, size_t len)
{
    struct flash *flash = context;
    if (flash->is_dead || at > sizeof flash->bytes || len > sizeof flash->bytes - at ||
        at % FLASH_WORD != 0 || len % FLASH_WORD != 0) {
        return -1;
    }
    for (size_t i = 0; i < len; i++) {
        /* As strict as flash with error correction: each word once between two erases. */
        if (flash->bytes[at + i] != 0xff || !spend(flash)) {
            return -1;
        }
        flash->bytes[at + i] = words[i];
    }
    return 0;
}

int flash_erase(void *context, uint32_t page)
{
    struct flash *flash = context;
    if (flash->is_dead || page >= FLASH_PAGES) {
        return -1;
    }
    for (size_t i = 0; i < FLASH_PAGE; i++) {
        if (!spend(flash)) {
            return -1;
        }
        flash->bytes[page * FLASH_PAGE + i] = 0xff;
    }
    return 0;
}
