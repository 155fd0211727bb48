//! A temporary file for batches and numbers that wait on disk. It has no name, so nothing of it is left however a run ends.

use std::fs::File;
use std::io::{Cursor, Read, Seek, SeekFrom, Write};
use std::sync::{Mutex, MutexGuard};

use arrow::array::RecordBatch;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::{IpcWriteOptions, StreamWriter};
use arrow::ipc::{CompressionType, MetadataVersion};

use crate::error::{Context, Error, Result};
use crate::human::temporary_folder;

/// The file; made when something is written first.
#[derive(Default)]
pub(crate) struct Scratch {
    file: Mutex<Option<File>>,
}

/// A position in the file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    offset: u64,
    bytes: usize,
}

impl Place {
    /// Bytes that stand there.
    pub fn bytes(self) -> usize {
        self.bytes
    }
}

impl Scratch {
    fn file(&self) -> Result<MutexGuard<'_, Option<File>>> {
        self.file.lock().map_err(|_| Error::internal("the spill file's lock is poisoned"))
    }

    /// Puts bytes at the end.
    pub fn put(&self, bytes: &[u8]) -> Result<Place> {
        let mut file = self.file()?;
        let file = match &mut *file {
            Some(file) => file,
            none => none.insert(tempfile::tempfile().context(|| phrase!("cannot make a spill file in {}", temporary_folder()))?),
        };
        let offset = file.seek(SeekFrom::End(0))?;
        file.write_all(bytes).context(|| phrase!("cannot write the spill file in {}", temporary_folder()))?;
        Ok(Place { offset, bytes: bytes.len() })
    }

    /// Fills `bytes` with the bytes at a position, from its byte `from` on.
    pub fn get(&self, place: Place, from: usize, bytes: &mut [u8]) -> Result<()> {
        let mut file = self.file()?;
        let file = file.as_mut().ok_or_else(|| Error::internal("a place in a spill file that is not there"))?;
        file.seek(SeekFrom::Start(place.offset + from as u64))?;
        file.read_exact(bytes).context(|| phrase!("cannot read the spill file in {}", temporary_folder()))
    }

    /// Writes a batch.
    pub fn write(&self, batch: &RecordBatch) -> Result<Place> {
        let options =
            IpcWriteOptions::try_new(64, false, MetadataVersion::V5)?.try_with_compression(Some(CompressionType::LZ4_FRAME))?;
        let mut bytes = Vec::new();
        let mut writer = StreamWriter::try_new_with_options(&mut bytes, &batch.schema(), options)?;
        writer.write(batch)?;
        writer.finish()?;
        drop(writer);
        self.put(&bytes)
    }

    /// Reads a batch.
    pub fn read(&self, place: Place) -> Result<RecordBatch> {
        let mut bytes = vec![0; place.bytes];
        self.get(place, 0, &mut bytes)?;
        let reader = StreamReader::try_new(Cursor::new(bytes), None)?;
        let batches: Vec<RecordBatch> = reader.collect::<Result<_, _>>()?;
        let [batch] = <[RecordBatch; 1]>::try_from(batches).map_err(|_| Error::internal("a spilled run is one batch"))?;
        Ok(batch)
    }
}
