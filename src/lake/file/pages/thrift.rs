//! Decodes Thrift's compact protocol as far as page headers need it, and names the numbers of Parquet's encodings.
//!
//! **Invariant**: decoding ends for any bytes; `None` says that they are not valid.

/// A field that is true; it has no value.
pub const TRUE: u8 = 1;
/// A field that is false; it has no value.
pub const FALSE: u8 = 2;
const BYTE: u8 = 3;
const I16: u8 = 4;
/// A whole number of 32 bits.
pub const I32: u8 = 5;
const I64: u8 = 6;
const DOUBLE: u8 = 7;
const BINARY: u8 = 8;
/// A list.
pub const LIST: u8 = 9;
const SET: u8 = 10;
/// A structure.
pub const STRUCT: u8 = 12;

/// Values within values: more than any page header has, and less than a stack.
const DEPTH: usize = 64;

/// Values that stand one after the other.
#[derive(Debug)]
pub struct Compact<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Compact<'a> {
    /// Values from the first byte on.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The place of the next value.
    pub fn at(&self) -> usize {
        self.at
    }

    /// The next bytes as they are.
    pub fn take(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let start = self.at;
        self.pass(bytes)?;
        self.bytes.get(start..self.at)
    }

    /// What has not been read yet.
    pub fn rest(&self) -> Option<&'a [u8]> {
        self.bytes.get(self.at..)
    }

    /// One byte.
    pub fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    /// A number without a sign.
    pub fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    /// A number with a sign.
    pub fn zigzag(&mut self) -> Option<i64> {
        let value = self.varint()?;
        Some((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    fn pass(&mut self, bytes: usize) -> Option<()> {
        let end = self.at.checked_add(bytes).filter(|end| *end <= self.bytes.len())?;
        self.at = end;
        Some(())
    }

    /// Shows `each` the fields by number and type; it must take in or skip their values.
    pub fn structure(&mut self, each: &mut dyn FnMut(&mut Self, i64, u8) -> Option<()>) -> Option<()> {
        let mut field = 0;
        loop {
            let head = self.byte()?;
            if head == 0 {
                return Some(());
            }
            field = if head >> 4 == 0 { self.zigzag()? } else { i64::checked_add(field, i64::from(head >> 4))? };
            each(self, field, head & 0x0F)?;
        }
    }

    /// How many values a list has, and of which type.
    pub fn list(&mut self) -> Option<(u64, u8)> {
        let head = self.byte()?;
        let count = if head >> 4 == 0x0F { self.varint()? } else { u64::from(head >> 4) };
        Some((count, head & 0x0F))
    }

    /// Passes over a value of this type.
    pub fn skip(&mut self, kind: u8) -> Option<()> {
        self.skip_within(kind, DEPTH)
    }

    /// The same, where values stand within values at most so deep.
    fn skip_within(&mut self, kind: u8, depth: usize) -> Option<()> {
        let deeper = depth.checked_sub(1)?;
        match kind {
            TRUE | FALSE => Some(()),
            BYTE => self.pass(1),
            I16 | I32 | I64 => self.varint().map(|_| ()),
            DOUBLE => self.pass(8),
            BINARY => {
                let bytes = self.varint()?;
                self.pass(usize::try_from(bytes).ok()?)
            }
            LIST | SET => {
                let (count, kind) = self.list()?;
                // Each takes a byte at least: a list ends with the bytes, whatever it says of itself.
                for _ in 0..count {
                    match kind {
                        TRUE | FALSE => self.pass(1)?,
                        kind => self.skip_within(kind, deeper)?,
                    }
                }
                Some(())
            }
            STRUCT => self.structure(&mut |header, _, kind| header.skip_within(kind, deeper)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skipped(kind: u8, bytes: &[u8]) -> Option<()> {
        Compact::new(bytes).skip(kind)
    }

    #[test]
    fn crafted_values_end() {
        let mut many = vec![0xF0 | TRUE];
        many.extend([0xFF; 9]);
        many.push(0x01);
        let nested_lists = vec![0x10 | LIST; 1 << 20];
        let nested_structures = vec![0x10 | STRUCT; 1 << 20];
        assert_eq!(skipped(LIST, &many), None, "a list of 2^64 that has no bytes left");
        assert_eq!(skipped(LIST, &nested_lists), None, "lists within lists");
        assert_eq!(skipped(STRUCT, &nested_structures), None, "structures within structures");
        assert_eq!(skipped(DOUBLE, &[0; 7]), None, "a value that is cut off");
        assert_eq!(skipped(BINARY, &[200, 1, 0]), None, "a text longer than what is left");
        let far = [BYTE, 0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01, 0, 0x10 | BYTE, 0, 0];
        assert_eq!(skipped(STRUCT, &far), None, "a number of a field beyond all numbers");
        assert_eq!(Compact::new(&[1, 2]).take(3), None);
    }

    #[test]
    fn what_is_whole_is_passed_over() {
        let structure = [0x10 | I32, 4, 0x10 | LIST, 0x20 | I32, 2, 4, 0x10 | STRUCT, 0x10 | TRUE, 0, 0, 99];
        let mut values = Compact::new(&structure);
        assert_eq!((values.skip(STRUCT), values.at()), (Some(()), structure.len() - 1));
    }
}
