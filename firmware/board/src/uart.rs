//! UART 0, polled: text lines to and from the gateway.
//!
//! Numbers and bytes are written without `core::fmt`, which would be a third of a small image.

use core::ptr;

const DATA: *mut u32 = 0x4000_4000 as *mut u32;
const STATE: *const u32 = 0x4000_4004 as *const u32;
const CTRL: *mut u32 = 0x4000_4008 as *mut u32;
const DIVIDER: *mut u32 = 0x4000_4010 as *mut u32;
const TX_FULL: u32 = 1;
const RX_FULL: u32 = 2;

/// The link to the gateway.
#[derive(Debug)]
pub struct Uart(());

impl Uart {
    /// Switches it on.
    #[must_use]
    pub fn open() -> Self {
        // SAFETY: the registers of UART 0, which only this type touches.
        unsafe {
            ptr::write_volatile(DIVIDER, 16);
            ptr::write_volatile(CTRL, 3);
        }
        Self(())
    }

    /// Sends one byte.
    pub fn byte(&mut self, byte: u8) {
        // SAFETY: as in `open`.
        unsafe {
            while ptr::read_volatile(STATE) & TX_FULL != 0 {}
            ptr::write_volatile(DATA, u32::from(byte));
        }
    }

    /// Sends text as it is.
    pub fn text(&mut self, text: &str) -> &mut Self {
        text.bytes().for_each(|byte| self.byte(byte));
        self
    }

    /// Sends bytes in lowercase hex.
    pub fn hex(&mut self, bytes: &[u8]) -> &mut Self {
        for byte in bytes {
            self.byte(digit(byte >> 4));
            self.byte(digit(byte & 15));
        }
        self
    }

    /// Sends a number in decimal.
    pub fn number(&mut self, number: u32) -> &mut Self {
        let mut digits = [0; 10];
        let mut rest = number;
        let mut from = digits.len();
        while from == digits.len() || rest > 0 {
            from -= 1;
            digits[from] = digit((rest % 10) as u8);
            rest /= 10;
        }
        digits[from..].iter().for_each(|digit| self.byte(*digit));
        self
    }

    /// Ends a line.
    pub fn end(&mut self) {
        self.byte(b'\n');
    }

    /// Waits for a byte.
    pub fn wait(&mut self) -> u8 {
        // SAFETY: as in `open`.
        unsafe {
            while ptr::read_volatile(STATE) & RX_FULL == 0 {}
            ptr::read_volatile(DATA) as u8
        }
    }

    /// Waits for a line and returns it without its end; what does not fit is left out.
    pub fn line<'a>(&mut self, buffer: &'a mut [u8]) -> &'a [u8] {
        let mut len = 0;
        loop {
            match self.wait() {
                b'\n' => return &buffer[..len],
                byte if len < buffer.len() => {
                    buffer[len] = byte;
                    len += 1;
                }
                _ => {}
            }
        }
    }
}

fn digit(value: u8) -> u8 {
    if value < 10 { b'0' + value } else { b'a' + value - 10 }
}
