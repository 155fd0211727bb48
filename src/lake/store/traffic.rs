//! Counts the requests to a store: their number, their bytes, and the longest chain of requests that waited for one another.
//!
//! On a distant store an answer takes as long as its longest chain of requests, each of which began after the one before had
//! ended. How many requests ran beside them hardly matters. `--stats` shows both.

use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, OBJECT_STORE_COALESCE_DEFAULT, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result, UploadPart, coalesce_ranges,
};
use serde::Serialize;

use crate::human;

/// Requests so far. Cheap enough to be always on.
#[derive(Debug, Default)]
pub struct Traffic {
    reads: AtomicU64,
    lists: AtomicU64,
    writes: AtomicU64,
    deletes: AtomicU64,
    bytes_read: AtomicU64,
    bytes_written: AtomicU64,
    /// The longest chain of requests that have ended.
    chain: Mutex<u64>,
    /// Requests go over a network, where each waits for its answer.
    distant: AtomicBool,
}

/// The counters.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Counts {
    /// Requests for an object, for parts of one, or for what is known of it.
    pub reads: u64,
    /// Listings.
    pub lists: u64,
    /// Objects written, copied or renamed; of large ones each part.
    pub writes: u64,
    /// Objects deleted.
    pub deletes: u64,
    /// Bytes of the objects read.
    pub bytes_read: u64,
    /// Bytes written.
    pub bytes_written: u64,
    /// The most requests of which each began when the one before had ended: what is paid for a store's latency.
    pub longest_chain: u64,
    /// That is paid: on a local disk hardly any request overlaps another, and none waits for long.
    #[serde(skip)]
    pub distant: bool,
}

impl Traffic {
    /// The counts so far.
    pub fn counts(&self) -> Counts {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            reads: of(&self.reads),
            lists: of(&self.lists),
            writes: of(&self.writes),
            deletes: of(&self.deletes),
            bytes_read: of(&self.bytes_read),
            bytes_written: of(&self.bytes_written),
            distant: self.distant.load(Ordering::Relaxed),
            longest_chain: *self.chain.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// A request begins.
    fn begins(&self, counter: &AtomicU64) -> u64 {
        counter.fetch_add(1, Ordering::Relaxed);
        *self.chain.lock().unwrap_or_else(PoisonError::into_inner) + 1
    }

    /// A request ends that was given this number when it began.
    fn ends(&self, number: u64) {
        let mut chain = self.chain.lock().unwrap_or_else(PoisonError::into_inner);
        *chain = (*chain).max(number);
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let requests = human::counted(self.reads + self.lists + self.writes + self.deletes, "request");
        let kinds = [(self.reads, "read"), (self.lists, "list"), (self.writes, "write"), (self.deletes, "delete")];
        let kinds: Vec<String> =
            kinds.iter().filter(|(count, _)| *count > 0).map(|(count, kind)| human::counted(*count, kind)).collect();
        let (read, written) = (human::bytes(self.bytes_read), human::bytes(self.bytes_written));
        write!(f, "store: {requests} ({}), {read} read, {written} written", kinds.join(", "))?;
        match self.distant {
            true => write!(f, ", {} of them in a chain in which each waited for the one before", self.longest_chain),
            false => Ok(()),
        }
    }
}

/// A store whose requests are counted.
#[derive(Debug)]
pub struct Counted {
    inner: Arc<dyn ObjectStore>,
    traffic: Arc<Traffic>,
    /// Reads several parts of an object as one request; other stores need one for each part that is not near another.
    local: bool,
}

impl Counted {
    /// Counts the requests to a store.
    pub fn new(inner: Arc<dyn ObjectStore>, traffic: Arc<Traffic>, local: bool) -> Self {
        traffic.distant.fetch_or(!local, Ordering::Relaxed);
        Self { inner, traffic, local }
    }

    fn listed(&self, objects: BoxStream<'static, Result<ObjectMeta>>) -> BoxStream<'static, Result<ObjectMeta>> {
        let traffic = self.traffic.clone();
        let number = traffic.begins(&traffic.lists);
        let end = futures::stream::poll_fn(move |_| {
            traffic.ends(number);
            std::task::Poll::Ready(None)
        });
        objects.chain(end).boxed()
    }
}

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

#[async_trait]
impl ObjectStore for Counted {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        self.traffic.bytes_written.fetch_add(payload.content_length() as u64, Ordering::Relaxed);
        let number = self.traffic.begins(&self.traffic.writes);
        let done = self.inner.put_opts(location, payload, opts).await;
        self.traffic.ends(number);
        done
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        let number = self.traffic.begins(&self.traffic.writes);
        let done = self.inner.put_multipart_opts(location, opts).await;
        self.traffic.ends(number);
        Ok(Box::new(CountedUpload { inner: done?, traffic: self.traffic.clone() }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let head = options.head;
        let number = self.traffic.begins(&self.traffic.reads);
        let done = self.inner.get_opts(location, options).await;
        self.traffic.ends(number);
        if let Ok(found) = done.as_ref()
            && !head
        {
            self.traffic.bytes_read.fetch_add(found.range.end - found.range.start, Ordering::Relaxed);
        }
        done
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        if !self.local {
            let part = |range: Range<u64>| async move {
                let options = GetOptions { range: Some(range.into()), ..GetOptions::default() };
                self.get_opts(location, options).await?.bytes().await
            };
            return coalesce_ranges(ranges, part, OBJECT_STORE_COALESCE_DEFAULT).await;
        }
        let number = self.traffic.begins(&self.traffic.reads);
        let done = self.inner.get_ranges(location, ranges).await;
        self.traffic.ends(number);
        let bytes = done.as_ref().map_or(0, |parts| parts.iter().map(|part| part.len() as u64).sum());
        self.traffic.bytes_read.fetch_add(bytes, Ordering::Relaxed);
        done
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let traffic = self.traffic.clone();
        let counted = move |_: &Path| {
            let number = traffic.begins(&traffic.deletes);
            traffic.ends(number);
        };
        self.inner.delete_stream(locations).inspect_ok(counted).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.listed(self.inner.list(prefix))
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        self.listed(self.inner.list_with_offset(prefix, offset))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let number = self.traffic.begins(&self.traffic.lists);
        let done = self.inner.list_with_delimiter(prefix).await;
        self.traffic.ends(number);
        done
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let number = self.traffic.begins(&self.traffic.writes);
        let done = self.inner.copy_opts(from, to, options).await;
        self.traffic.ends(number);
        done
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        let number = self.traffic.begins(&self.traffic.writes);
        let done = self.inner.rename_opts(from, to, options).await;
        self.traffic.ends(number);
        done
    }
}

#[derive(Debug)]
struct CountedUpload {
    inner: Box<dyn MultipartUpload>,
    traffic: Arc<Traffic>,
}

#[async_trait]
impl MultipartUpload for CountedUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.traffic.bytes_written.fetch_add(data.content_length() as u64, Ordering::Relaxed);
        let (part, traffic) = (self.inner.put_part(data), self.traffic.clone());
        async move {
            let number = traffic.begins(&traffic.writes);
            let done = part.await;
            traffic.ends(number);
            done
        }
        .boxed()
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let number = self.traffic.begins(&self.traffic.writes);
        let done = self.inner.complete().await;
        self.traffic.ends(number);
        done
    }

    async fn abort(&mut self) -> Result<()> {
        self.inner.abort().await
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use object_store::ObjectStoreExt;
    use object_store::memory::InMemory;

    use super::*;

    #[tokio::test]
    async fn what_waits_for_another_makes_the_chain_longer_and_what_goes_beside_it_does_not() {
        let traffic = Arc::new(Traffic::default());
        let store = Counted::new(Arc::new(InMemory::new()), traffic.clone(), false);
        let path = Path::from("a");
        store.put(&path, "hundred bytes ".repeat(10).into()).await.unwrap();
        assert_eq!(traffic.counts().longest_chain, 1);
        let numbers: Vec<u64> = (0..3).map(|_| traffic.begins(&traffic.reads)).collect();
        assert_eq!(numbers, [2, 2, 2]);
        numbers.into_iter().for_each(|number| traffic.ends(number));
        store.get_ranges(&path, &[0..10, 20..30]).await.unwrap();
        let counts = traffic.counts();
        assert_eq!((counts.reads, counts.writes, counts.bytes_written, counts.longest_chain), (4, 1, 140, 3));
        assert_eq!(counts.bytes_read, 30, "neighbours are one request");
        assert_eq!(store.list(None).try_collect::<Vec<_>>().await.unwrap().len(), 1);
        assert_eq!((traffic.counts().lists, traffic.counts().longest_chain), (1, 4));
        let shown = traffic.counts().to_string();
        let chain = ", 4 of them in a chain in which each waited for the one before";
        assert_eq!(shown, format!("store: 6 requests (4 reads, 1 list, 1 write), 30 B read, 140 B written{chain}"));
        let near = Arc::new(Traffic::default());
        let store = Counted::new(Arc::new(InMemory::new()), near.clone(), true);
        store.put(&path, "a".into()).await.unwrap();
        assert_eq!(
            near.counts().to_string(),
            "store: 1 request (1 write), 0 B read, 1 B written",
            "a disk's requests wait for none"
        );
    }
}
