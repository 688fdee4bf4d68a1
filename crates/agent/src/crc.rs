//! CRC-32C (Castagnoli), a byte at a time from two tables of sixteen words, not one of 256.
//!
//! ```text
//! crc32c("123456789") = e3069283
//! ```
//!
//! It tells accidents, never an attacker: statements are signed and records chained by SHA-256.
//! A CRC is linear: the remainder of a byte is that of its upper half ⊕ that of its lower half.

/// Remainders of the sixteen upper halves of a byte, for the reflected polynomial 0x82f63b78.
const UPPER: [u32; 16] = [
    0x0000_0000,
    0x105e_c76f,
    0x20bd_8ede,
    0x30e3_49b1,
    0x417b_1dbc,
    0x5125_dad3,
    0x61c6_9362,
    0x7198_540d,
    0x82f6_3b78,
    0x92a8_fc17,
    0xa24b_b5a6,
    0xb215_72c9,
    0xc38d_26c4,
    0xd3d3_e1ab,
    0xe330_a81a,
    0xf36e_6f75,
];

/// Remainders of the sixteen lower halves: those of the upper ones, four bits further.
const LOWER: [u32; 16] = [
    0x0000_0000,
    0xf26b_8303,
    0xe13b_70f7,
    0x1350_f3f4,
    0xc79a_971f,
    0x35f1_141c,
    0x26a1_e7e8,
    0xd4ca_64eb,
    0x8ad9_58cf,
    0x78b2_dbcc,
    0x6be2_2838,
    0x9989_ab3b,
    0x4d43_cfd0,
    0xbf28_4cd3,
    0xac78_bf27,
    0x5e13_3c24,
];

/// A CRC under way.
#[derive(Clone, Copy)]
pub(crate) struct Crc(u32);

impl Crc {
    pub(crate) const fn new() -> Self {
        Self(!0)
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        for byte in bytes {
            // The masks keep the indices inside the tables; `get` keeps the panic path out.
            let low = (self.0 ^ u32::from(*byte)) as usize;
            let lower = LOWER.get(low & 15).copied().unwrap_or_default();
            let upper = UPPER.get((low >> 4) & 15).copied().unwrap_or_default();
            self.0 = (self.0 >> 8) ^ lower ^ upper;
        }
    }

    pub(crate) const fn finish(self) -> u32 {
        !self.0
    }
}

/// The CRC of some bytes.
pub(crate) fn crc32c(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.finish()
}

#[cfg(test)]
mod tests {
    use super::crc32c;

    #[test]
    fn the_check_value_of_the_catalogue() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(b""), 0);
    }

    #[test]
    fn every_byte_as_bit_by_bit() {
        for byte in 0..=u8::MAX {
            let mut bits = !0 ^ u32::from(byte);
            for _ in 0..8 {
                bits = (bits >> 1) ^ if bits & 1 == 1 { 0x82f6_3b78 } else { 0 };
            }
            assert_eq!(crc32c(&[byte]), !bits, "{byte:#04x}");
        }
    }
}
