//! Decodes Parquet's encodings for readers that want few of a page's values.
//!
//! A look-up wants two or three of the 2,048 values of a page. Runs and bit-packed values are reached without decoding those
//! before them. Deltas have to be added up, which takes a nanosecond each. Nothing is allocated for values that were not asked
//! for.
//!
//! **Invariant**: decoding ends for any bytes; `None` says that they are not valid.

use std::ops::Range;

use super::thrift::Compact;

/// Values of `width` bits in runs of one value or of packed ones.
pub struct Hybrid<'a> {
    rest: Compact<'a>,
    width: u32,
}

enum Run<'a> {
    Same(u64),
    Packed(&'a [u8]),
}

impl<'a> Hybrid<'a> {
    /// Values that begin here.
    pub fn new(bytes: &'a [u8], width: u32) -> Option<Self> {
        (width <= 32).then(|| Self { rest: Compact::new(bytes), width })
    }

    fn run(&mut self) -> Option<(usize, Run<'a>)> {
        let head = self.rest.varint()?;
        let count = usize::try_from(head >> 1).ok()?;
        if head & 1 == 0 {
            let bytes = self.rest.take(self.width.div_ceil(8) as usize)?;
            return Some((count, Run::Same(word(bytes, 0))));
        }
        // Packed values come by the eight.
        let packed = self.rest.take(count.checked_mul(self.width as usize)?)?;
        Some((count.checked_mul(8)?, Run::Packed(packed)))
    }

    /// Shows `each` the values at these places.
    pub fn pick(mut self, places: &Range<usize>, mut each: impl FnMut(u64)) -> Option<()> {
        let mut first = 0usize;
        while first < places.end {
            let (count, run) = self.run()?;
            let after = first.checked_add(count).filter(|_| count > 0)?;
            for place in places.start.max(first)..places.end.min(after) {
                each(match run {
                    Run::Same(value) => value,
                    Run::Packed(packed) => bits(packed, self.width, place - first),
                });
            }
            first = after;
        }
        Some(())
    }

    /// How many of the first values are 1; they have one bit.
    pub fn ones(mut self, before: usize) -> Option<usize> {
        let (mut first, mut ones) = (0usize, 0);
        while first < before {
            let (count, run) = self.run()?;
            let wanted = count.min(before - first);
            ones += match run {
                Run::Same(value) => wanted * (value == 1) as usize,
                Run::Packed(packed) => {
                    let whole = packed.get(..wanted / 8)?.iter().map(|byte| byte.count_ones() as usize).sum::<usize>();
                    let rest = packed.get(wanted / 8).map_or(0, |byte| byte & ((1u8 << (wanted % 8)) - 1));
                    whole + rest.count_ones() as usize
                }
            };
            first = first.checked_add(count).filter(|_| count > 0)?;
        }
        Some(ones)
    }
}

/// Eight bytes from a place on; those behind the end are 0.
fn word(bytes: &[u8], at: usize) -> u64 {
    match bytes.get(at..).and_then(<[u8]>::first_chunk) {
        Some(whole) => u64::from_le_bytes(*whole),
        None => bytes.iter().skip(at).rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    }
}

/// The value at a place among packed ones.
fn bits(packed: &[u8], width: u32, place: usize) -> u64 {
    let bit = place * width as usize;
    let (byte, shift) = (bit / 8, (bit % 8) as u32);
    let low = word(packed, byte) >> shift;
    // A wide value may reach into a ninth byte.
    let high = if shift + width > 64 { word(packed, byte + 8) << (64 - shift) } else { 0 };
    (low | high) & u64::MAX.checked_shr(64 - width).unwrap_or(0)
}

/// Appends the first `wanted` numbers of a stream of packed differences; returns the bytes behind the stream.
pub fn deltas<'a>(bytes: &'a [u8], wanted: usize, out: &mut Vec<i64>) -> Option<&'a [u8]> {
    let mut rest = Compact::new(bytes);
    let block = usize::try_from(rest.varint()?).ok()?;
    let parts = usize::try_from(rest.varint()?).ok()?;
    let total = usize::try_from(rest.varint()?).ok()?;
    let mut last = rest.zigzag()?;
    let in_part = block.checked_div(parts)?;
    if in_part == 0 || in_part % 8 != 0 || wanted > total {
        return None;
    }
    if wanted > 0 {
        out.push(last);
    }
    let mut done = 1;
    while done < total {
        let least = rest.zigzag()?;
        for &width in rest.take(parts)? {
            if done >= total {
                break;
            }
            if width > 64 {
                return None;
            }
            let packed = rest.take((in_part / 8).checked_mul(usize::from(width))?)?;
            let values = in_part.min(wanted.saturating_sub(done));
            let (width, mask) = (usize::from(width), u64::MAX.checked_shr(64 - u32::from(width)).unwrap_or(0));
            let first = out.len();
            out.resize(first + values, 0);
            let mut add = |difference: u64, value: &mut i64| {
                last = last.wrapping_add(least.wrapping_add(difference as i64));
                *value = last;
            };
            for (number, eight) in out[first..].chunks_mut(8).enumerate() {
                if width < 8 {
                    // Eight values of up to seven bits lie in one word.
                    let mut all = word(packed, number * width);
                    for value in eight {
                        add(all & mask, value);
                        all >>= width;
                    }
                } else {
                    for (place, value) in eight.iter_mut().enumerate() {
                        add(bits(packed, width as u32, number * 8 + place), value);
                    }
                }
            }
            done += in_part.min(total - done);
        }
    }
    rest.rest()
}

/// Texts in DELTA_BYTE_ARRAY: each shares its beginning with the text before.
pub struct Shared<'a> {
    /// Bytes each has in common with the one before.
    prefixes: &'a [i64],
    /// Bytes each has of its own.
    suffixes: &'a [i64],
    /// The bytes of their own, one after the other.
    own: &'a [u8],
}

impl<'a> Shared<'a> {
    /// The first `wanted` texts of a page; the two vectors are where their lengths are put.
    pub fn read(bytes: &'a [u8], wanted: usize, prefixes: &'a mut Vec<i64>, suffixes: &'a mut Vec<i64>) -> Option<Self> {
        prefixes.clear();
        suffixes.clear();
        let rest = deltas(bytes, wanted, prefixes)?;
        let own = deltas(rest, wanted, suffixes)?;
        Some(Self { prefixes, suffixes, own })
    }

    /// Shows `each` the texts at these places.
    pub fn pick(&self, places: &Range<usize>, mut each: impl FnMut(&[u8]) -> Option<()>) -> Option<()> {
        if places.is_empty() {
            return Some(());
        }
        let before = self.suffixes.get(..places.start)?;
        let mut start = before.iter().try_fold(0usize, |sum, bytes| sum.checked_add(usize::try_from(*bytes).ok()?))?;
        let mut text = self.beginning(places.start, start)?;
        for place in places.clone() {
            let (prefix, suffix) = self.lengths(place)?;
            if prefix > text.len() {
                return None;
            }
            text.truncate(prefix);
            text.extend_from_slice(self.own.get(start..start.checked_add(suffix)?)?);
            start += suffix;
            each(&text)?;
        }
        Some(())
    }

    /// What the text at a place shares with the one before; its own bytes begin at `start`. Found from back to front: each text
    /// before it adds what those behind it have from it.
    fn beginning(&self, place: usize, start: usize) -> Option<Vec<u8>> {
        let (mut missing, _) = self.lengths(place)?;
        // No text is longer than all there is.
        let mut text = vec![0; Some(missing).filter(|bytes| *bytes <= self.own.len())?];
        let (mut place, mut start) = (place, start);
        while missing > 0 {
            place = place.checked_sub(1)?;
            let (prefix, suffix) = self.lengths(place)?;
            start = start.checked_sub(suffix)?;
            if prefix < missing {
                let own = self.own.get(start..start.checked_add(missing - prefix)?)?;
                if own.len() > suffix {
                    return None;
                }
                text.get_mut(prefix..missing)?.copy_from_slice(own);
                missing = prefix;
            }
        }
        Some(text)
    }

    /// Shows `each` the places where the text is this one. How far the last text was like it is remembered, so that hardly
    /// any bytes are compared.
    pub fn find(&self, wanted: &[u8], mut each: impl FnMut(usize)) -> Option<()> {
        let (mut like, mut start, mut before) = (0, 0usize, 0);
        for place in 0..self.prefixes.len() {
            let (prefix, suffix) = self.lengths(place)?;
            let after = start.checked_add(suffix)?;
            let own = self.own.get(start..after)?;
            if prefix > before {
                return None;
            }
            if prefix <= like {
                like = prefix + own.iter().zip(wanted.get(prefix..)?).take_while(|(own, wanted)| own == wanted).count();
            }
            (start, before) = (after, prefix + suffix);
            if like == wanted.len() && like == before {
                each(place);
            }
        }
        Some(())
    }

    fn lengths(&self, place: usize) -> Option<(usize, usize)> {
        let length = |lengths: &[i64]| usize::try_from(*lengths.get(place)?).ok();
        Some((length(self.prefixes)?, length(self.suffixes)?))
    }
}
