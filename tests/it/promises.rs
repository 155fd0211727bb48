//! A store that breaks its promise is refused before it costs a record.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::TryStreamExt;
use futures::stream::BoxStream;
use ier::error::Kind;
use ier::lake::log::root::Root;
use ier::lake::store::probe::ProbedStore;
use ier::lake::store::traffic::{Counted, Traffic};
use ier::tiers::warehouse::Warehouse;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use crate::world::World;
use crate::world::records::ier;

/// What a store does not do although it is asked to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Broken {
    Nothing,
    Create,
    Overwrite,
    Range,
    List,
    Offset,
}

/// A store in memory that is careless in one thing.
#[derive(Debug)]
struct Careless {
    inner: InMemory,
    broken: Broken,
}

impl fmt::Display for Careless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "careless")
    }
}

#[async_trait]
impl ObjectStore for Careless {
    async fn put_opts(&self, location: &Path, payload: PutPayload, mut opts: PutOptions) -> Result<PutResult> {
        match (self.broken, &opts.mode) {
            (Broken::Create, PutMode::Create) => opts.mode = PutMode::Overwrite,
            (Broken::Overwrite, PutMode::Overwrite) if self.inner.head(location).await.is_ok() => {
                return Ok(PutResult { e_tag: None, version: None });
            }
            _ => {}
        }
        self.inner.put_opts(location, payload, opts).await
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, opts).await
    }

    async fn get_opts(&self, location: &Path, mut options: GetOptions) -> Result<GetResult> {
        if self.broken == Broken::Range {
            options.range = None;
        }
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.broken {
            Broken::List => futures::stream::empty().boxed(),
            Broken::Offset => self.inner.list(prefix),
            _ => self.inner.list_with_offset(prefix, offset),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

/// Another process that works on the store.
fn process(like: &World, store: &Arc<Careless>) -> (World, Arc<Traffic>) {
    let traffic: Arc<Traffic> = Arc::default();
    let counted = Arc::new(Counted::new(store.clone(), traffic.clone(), false));
    let root = Root::open("memory:///", &Default::default()).expect("memory is always there");
    let root = root.with_store(Arc::new(ProbedStore::new(counted, &Path::default(), "careless")));
    (like.at(Warehouse::at(root, Arc::new(like.clock.clone()))), traffic)
}

fn careless(broken: Broken) -> Arc<Careless> {
    Arc::new(Careless { inner: InMemory::new(), broken })
}

#[tokio::test]
async fn two_first_loads_at_once_through_a_store_that_overlooks_conditions_are_refused_before_anything_is_stored() {
    let world = World::on("2026-10-30");
    let store = careless(Broken::Create);
    let row = |number| ier(number).contact(1).sent("2026-10-10 08:00").stamp("2026-10-29 00:00");
    let files = [world.file("a.csv", &[row(1)]), world.file("b.csv", &[row(2)])];
    let ((one, _), (other, _)) = (process(&world, &store), process(&world, &store));
    let (a, b) = futures::join!(one.load_files(&files[..1]), other.load_files(&files[1..]));
    for refused in [a, b] {
        let error = refused.expect_err("refused");
        assert_eq!(error.kind(), Kind::Invalid, "{error}");
        assert!(error.to_string().contains("created twice"), "{error}");
    }
    let there: Vec<ObjectMeta> = store.list(None).try_collect().await.expect("a listing");
    assert!(there.is_empty(), "{there:?}");
}

#[tokio::test]
async fn each_broken_promise_is_found_before_the_first_write_and_named() {
    for (broken, says) in [
        (Broken::Create, "created twice"),
        (Broken::Overwrite, "written over"),
        (Broken::Range, "written over"),
        (Broken::List, "is not listed"),
        (Broken::Offset, "come before the one to begin at"),
    ] {
        let (world, store) = (World::on("2026-10-30"), careless(broken));
        let (one, _) = process(&world, &store);
        let file = world.file("a.csv", &[ier(1).contact(1).sent("2026-10-10 08:00").stamp("2026-10-29 00:00")]);
        let error = one.load_files(&[file]).await.expect_err("refused");
        assert!(error.kind() == Kind::Invalid && error.to_string().contains(says), "{broken:?}: {error}");
        let there: Vec<ObjectMeta> = store.inner.list(None).try_collect().await.expect("a listing");
        assert!(there.iter().all(|object| object.location.as_ref().starts_with("_probe/")), "{broken:?}: {there:?}");
        assert!(!one.warehouse.exists().await.expect("a listing"), "{broken:?}: a warehouse that was refused is none");
    }
}

#[tokio::test]
async fn a_store_that_keeps_its_promises_is_asked_two_things_by_each_process_and_all_of_them_once() {
    let (world, store) = (World::on("2026-10-30"), careless(Broken::Nothing));
    let mut asked = Vec::new();
    for number in 0..3 {
        let (process, traffic) = process(&world, &store);
        let place = Path::from(format!("hot/{number}"));
        process.warehouse.root().store.put(&place, "a".into()).await.expect("a write");
        process.warehouse.root().store.put(&place, "b".into()).await.expect("a write");
        let counts = traffic.counts();
        asked.push(counts.reads + counts.lists + counts.writes - 2);
    }
    assert_eq!(asked, [7, 2, 2], "requests beside those that were made");
    let (reader, traffic) = process(&world, &store);
    reader.warehouse.root().store.get(&Path::from("hot/1")).await.expect("an object");
    assert_eq!(traffic.counts().reads, 1, "who only reads asks nothing");
}

#[tokio::test]
async fn a_server_that_is_changed_for_a_careless_one_is_found_out() {
    let (world, store) = (World::on("2026-10-30"), careless(Broken::Nothing));
    let put = |world: World| async move { world.warehouse.root().store.put(&Path::from("hot/a"), "a".into()).await };
    put(process(&world, &store).0).await.expect("a write");
    let changed = Arc::new(Careless { inner: store.inner.fork(), broken: Broken::Create });
    let error = put(process(&world, &changed).0).await.expect_err("refused");
    assert!(error.to_string().contains("created twice"), "{error}");
}
