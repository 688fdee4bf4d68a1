/* The board that QEMU plays, for the device in C: what ../board is for the one in Rust. */
#ifndef BOARD_H
#define BOARD_H

#include <stddef.h>
#include <stdint.h>

#define PAGE 4096u
#define WORD 4u
#define PAGES 16u

#define FACTORY 0u
#define BENCH 0x4000u
#define BOOT 0x8000u
#define JOURNAL 0x10000u
#define IMAGE 0x200000u

/* Stops for good. */
void halt(void) __attribute__((noreturn));

/* Milliseconds since power came on. */
uint64_t uptime_ms(void);

/* The UART. */
void send_byte(uint8_t byte);
void send_text(const char *text);
void send_hex(const uint8_t *bytes, size_t len);
void send_number(uint32_t number);
uint8_t wait_byte(void);

/* What a test bench wrote for this start, ../board/src/bench.rs; `other` if it asks for nothing. */
uint32_t bench(uint32_t at, uint32_t other);

/* External flash, by address from its beginning: 0 when done. */
const uint8_t *flash_at(uint32_t at);
int flash_read(void *base, uint32_t at, uint8_t *out, size_t len);
int flash_program(void *base, uint32_t at, const uint8_t *words, size_t len);
int flash_erase(void *base, uint32_t page);
/* Stops the processor after so many more words were written. */
void flash_stop_after(uint32_t words);

/* The choice between the two slots, as the boot chain makes it; 0 when done. A slot is PAGES pages,
 * and holds an image of MCUboot from its first byte on. */
int boot_start(void);
const uint8_t *boot_running(void);
int boot_write_other(const uint8_t *image, uint32_t len);
int boot_try_other(void);
int boot_confirm(void);
int boot_revert(void);

#endif
