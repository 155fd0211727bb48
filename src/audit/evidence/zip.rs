//! Writes and reads a zip file that always has the same bytes for the same files.
//!
//! Files are stored, not compressed: a pack is proof for years, and the output of a compressing library changes with its version.
//! Only names, sizes and checksums are written: no times, no owners, no extra fields. Any program can open it. Because a pack can
//! be written in one way only, a zip is unaltered exactly if writing its files again gives the same bytes.
//!
//! # Decisions
//! - 2026-11-22 **The zip of a pack is written by ourselves, stored, without times.** It must be the same bytes for years;
//!   what a library writes changes with its version. So a zip is whole exactly when writing its files again gives it back.

use flate2::Crc;

use crate::error::{Error, Result};

const LOCAL: [u8; 4] = *b"PK\x03\x04";
const CENTRAL: [u8; 4] = *b"PK\x01\x02";
const END: [u8; 4] = *b"PK\x05\x06";
/// The version of the format a reader needs: 1.0, plain files.
const NEEDED: u16 = 10;
/// Names are UTF-8.
const FLAGS: u16 = 1 << 11;
/// Stored.
const METHOD: u16 = 0;
/// Midnight, 1 January 1980: the format's first moment.
const TIME: u16 = 0;
const DATE: u16 = (1 << 5) | 1;
/// Bytes of a local header before the name.
const LOCAL_BYTES: usize = 30;

/// The zip of these files, in this order.
///
/// # Errors
/// Invalid when they are too many or too large for a plain zip (4 GiB).
pub fn write<'a>(files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Result<Vec<u8>> {
    let mut zip = Vec::new();
    let mut directory = Vec::new();
    let mut count = 0u16;
    for (name, bytes) in files {
        let start = fits(zip.len())?;
        let common = common(name, bytes)?;
        zip.extend_from_slice(&LOCAL);
        zip.extend_from_slice(&common);
        zip.extend_from_slice(name.as_bytes());
        zip.extend_from_slice(bytes);

        directory.extend_from_slice(&CENTRAL);
        directory.extend_from_slice(&NEEDED.to_le_bytes());
        directory.extend_from_slice(&common);
        // Comment, disk and inner attributes: 2 bytes each; outer attributes: 4.
        directory.extend_from_slice(&[0; 10]);
        directory.extend_from_slice(&start.to_le_bytes());
        directory.extend_from_slice(name.as_bytes());
        count = count.checked_add(1).ok_or_else(too_large)?;
    }
    let (start, bytes) = (fits(zip.len())?, fits(directory.len())?);
    zip.extend(directory);
    zip.extend_from_slice(&END);
    zip.extend_from_slice(&[0; 4]);
    zip.extend_from_slice(&count.to_le_bytes());
    zip.extend_from_slice(&count.to_le_bytes());
    zip.extend_from_slice(&bytes.to_le_bytes());
    zip.extend_from_slice(&start.to_le_bytes());
    zip.extend_from_slice(&[0; 2]);
    fits(zip.len())?;
    Ok(zip)
}

/// What a local header and an entry of the directory share: from the version needed to the length of extras.
fn common(name: &str, bytes: &[u8]) -> Result<Vec<u8>> {
    let mut crc = Crc::new();
    crc.update(bytes);
    let size = fits(bytes.len())?;
    let name = u16::try_from(name.len()).map_err(|_| too_large())?;
    let mut header = Vec::with_capacity(LOCAL_BYTES);
    for half in [NEEDED, FLAGS, METHOD, TIME, DATE] {
        header.extend_from_slice(&half.to_le_bytes());
    }
    for whole in [crc.sum(), size, size] {
        header.extend_from_slice(&whole.to_le_bytes());
    }
    header.extend_from_slice(&name.to_le_bytes());
    header.extend_from_slice(&[0; 2]);
    Ok(header)
}

fn fits(bytes: usize) -> Result<u32> {
    u32::try_from(bytes).map_err(|_| too_large())
}

fn too_large() -> Error {
    Error::invalid("the evidence is too large for a zip: name a folder, or ask about fewer sends")
}

/// The files of a zip that [`write`] wrote, as far as they can be read; more must be asked of [`write`] itself.
///
/// # Errors
/// Corrupt when it is no such zip.
pub fn read(zip: &[u8]) -> Result<Vec<(String, Vec<u8>)>> {
    let mut files = Vec::new();
    let mut rest = zip;
    while let Some(after) = rest.strip_prefix(&LOCAL) {
        let entry = entry(after).ok_or_else(|| {
            Error::corrupt("it is not a whole zip as ier writes them; one that another program made can be unpacked, and its folder verified")
        })?;
        rest = entry.2;
        files.push((entry.0, entry.1));
    }
    if files.is_empty() { Err(Error::corrupt("it is no zip")) } else { Ok(files) }
}

/// A file's name and bytes, and what follows it.
fn entry(after_signature: &[u8]) -> Option<(String, Vec<u8>, &[u8])> {
    let (header, rest) = after_signature.split_at_checked(LOCAL_BYTES - LOCAL.len())?;
    let half = |at: usize| Some(u16::from_le_bytes(header.get(at..at + 2)?.try_into().ok()?));
    let size = u32::from_le_bytes(header.get(14..18)?.try_into().ok()?) as usize;
    if half(2)? != FLAGS || half(4)? != METHOD {
        return None;
    }
    let (name, rest) = rest.split_at_checked(half(22)? as usize)?;
    let (_, rest) = rest.split_at_checked(half(24)? as usize)?;
    let (bytes, rest) = rest.split_at_checked(size)?;
    Some((String::from_utf8(name.to_vec()).ok()?, bytes.to_vec(), rest))
}
