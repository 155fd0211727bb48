//! A store that counts its calls, fails one of them in a chosen way, holds one back until told to go on, lets several
//! processes call in turns, and dates its objects by the test's clock. Mostly over objects in memory, of which it can show
//! how they stood before and after each call; but over any other store, too.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::ops::Range;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt, TryStreamExt};
use ier::clock::{Clock, ManualClock};
use ier::lake::paths::is_named_by_commits;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart,
};
use tokio::sync::Notify;

use super::turns::{Seat, Turn};

/// How a call fails.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mode {
    /// The call fails, the next one works.
    ErrorOnce,
    /// This call and all after it fail.
    ErrorForEver,
    /// The call is done, and reported failed.
    DoneButFailed,
    /// A file that a commit will name is written by half, and the call fails. What is found by its name alone, the engine
    /// has written whole or not at all: that is not written.
    TornWrite,
    /// The call fails after a while.
    TimeOut,
    /// The process stops before the call is made.
    AbortBefore,
    /// The process stops when the call is done.
    AbortAfter,
    /// What makes the call panics before it is made.
    PanicBefore,
    /// What makes the call panics when it is done.
    PanicAfter,
}

impl Mode {
    /// All ways in which a store fails, or a process ends.
    pub const ALL: [Mode; 7] = [
        Mode::ErrorOnce,
        Mode::ErrorForEver,
        Mode::DoneButFailed,
        Mode::TornWrite,
        Mode::TimeOut,
        Mode::AbortBefore,
        Mode::AbortAfter,
    ];

    /// In these something of the job dies rather than get an error. They leave behind what an error or a kill does, so they are tried
    /// where every call of every job is, and not again in each job's own tests.
    pub const PANICS: [Mode; 2] = [Mode::PanicBefore, Mode::PanicAfter];

    /// Does something of the job die rather than get an error?
    pub fn panics(self) -> bool {
        Self::PANICS.contains(&self)
    }

    /// Does the way make a difference to writes only? To a call that reads, a time-out is an error that comes later, one
    /// that is done and reported failed has failed, there is nothing to tear, and to stop after it is to stop before the next.
    pub fn concerns_writes_only(self) -> bool {
        !matches!(self, Mode::ErrorOnce | Mode::ErrorForEver | Mode::AbortBefore | Mode::PanicBefore)
    }
}

/// One call, as the store saw it.
#[derive(Clone, Debug)]
pub struct Call {
    /// `put`, `get`, `list` …
    pub what: &'static str,
    /// The object or prefix.
    pub path: String,
}

impl Call {
    /// Does it change the store?
    pub fn writes(&self) -> bool {
        !matches!(self.what, "get" | "get_ranges" | "list" | "list_with_delimiter")
    }
}

/// What one call is to do.
enum Step {
    Go,
    Fail,
    FailLater,
    DoThenFail,
    Tear,
    StopBefore,
    StopAfter,
    Panic,
    DoThenPanic,
}

type Picked = Box<dyn Fn(&Call) -> bool + Send + Sync>;

/// A call held back.
struct Held {
    picks: Picked,
    taken: AtomicBool,
    reached: Notify,
    open: Notify,
}

/// The test's end of a held call.
pub struct Gate(Arc<Held>);

impl Gate {
    /// Waits until somebody stands before the call.
    pub async fn reached(&self) {
        let wait = tokio::time::timeout(Duration::from_secs(30), self.0.reached.notified());
        wait.await.expect("nobody made the call that was to be held back");
    }

    /// Lets the call go on.
    pub fn open(&self) {
        self.0.open.notify_one();
    }
}

/// How the objects stood before or after a call: what is left of a process that is killed there.
#[derive(Clone)]
pub struct Moment {
    /// The call, from 1.
    pub call: u64,
    /// Was it done?
    pub after: bool,
    memory: Arc<InMemory>,
}

/// The objects, which several processes share.
#[derive(Clone)]
struct Objects {
    inner: Arc<dyn ObjectStore>,
    /// The same, when they are in memory and can be copied.
    memory: Option<Arc<InMemory>>,
    dates: Arc<Mutex<HashMap<Path, DateTime<Utc>>>>,
}

impl Objects {
    fn in_memory(memory: Arc<InMemory>, dates: HashMap<Path, DateTime<Utc>>) -> Self {
        Self { inner: memory.clone(), memory: Some(memory), dates: Arc::new(Mutex::new(dates)) }
    }

    fn dates(&self) -> HashMap<Path, DateTime<Utc>> {
        self.dates.lock().expect("no test panics with the lock").clone()
    }
}

/// Which call fails, and how.
#[derive(Clone, Copy)]
struct Fault {
    /// From 1.
    at: u64,
    mode: Mode,
    /// Only writes are counted.
    of_writes: bool,
}

/// One process and what becomes of its calls.
#[derive(Default)]
struct State {
    /// Calls that might have been the one that fails.
    counted: AtomicU64,
    fault: Option<Fault>,
    broken: AtomicBool,
    stopped: AtomicBool,
    stop: Notify,
    buried: AtomicBool,
    burial: Notify,
    log: Mutex<Vec<Call>>,
    held: Mutex<Vec<Arc<Held>>>,
    seat: Option<Seat>,
    /// The objects to be copied before and after each call, and the copies.
    watched: Option<Arc<InMemory>>,
    moments: Mutex<Vec<Moment>>,
    acknowledged: Mutex<Vec<Path>>,
}

/// The store, as one process has it.
pub struct FaultStore {
    objects: Objects,
    clock: ManualClock,
    state: Arc<State>,
}

impl fmt::Debug for FaultStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a store that may fail")
    }
}

impl fmt::Display for FaultStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a store that may fail")
    }
}

impl FaultStore {
    /// An empty store in memory.
    pub fn new(clock: ManualClock) -> Arc<Self> {
        Self::with(Objects::in_memory(Arc::default(), HashMap::new()), clock, State::default())
    }

    /// Any other store.
    pub fn over(inner: Arc<dyn ObjectStore>, clock: ManualClock) -> Arc<Self> {
        Self::with(Objects { inner, memory: None, dates: Arc::default() }, clock, State::default())
    }

    fn with(objects: Objects, clock: ManualClock, state: State) -> Arc<Self> {
        Arc::new(Self { objects, clock, state: Arc::new(state) })
    }

    fn memory(&self) -> &Arc<InMemory> {
        self.objects.memory.as_ref().expect("only a store in memory can be copied")
    }

    fn copy(&self) -> Objects {
        Objects::in_memory(Arc::new(self.memory().fork()), self.objects.dates())
    }

    /// A copy of the objects, in which call `fault.0` (from 1; where the way concerns writes only, that write) will fail.
    pub fn fork(&self, clock: ManualClock, fault: Option<(u64, Mode)>) -> Arc<Self> {
        let fault = fault.map(|(at, mode)| Fault { at, mode, of_writes: mode.concerns_writes_only() });
        Self::with(self.copy(), clock, State { fault, ..State::default() })
    }

    /// A copy of the objects that remembers how they stood before and after each call; see [`FaultStore::moments`].
    pub fn watched(&self, clock: ManualClock) -> Arc<Self> {
        let objects = self.copy();
        let state = State { watched: objects.memory.clone(), ..State::default() };
        Self::with(objects, clock, state)
    }

    /// The same objects, seen by the next process, of which call `fault.0`, counted from 1, will fail.
    pub fn process_of(&self, clock: ManualClock, fault: Option<(u64, Mode)>, seat: Option<Seat>) -> Arc<Self> {
        let fault = fault.map(|(at, mode)| Fault { at, mode, of_writes: false });
        Self::with(self.objects.clone(), clock, State { fault, seat, ..State::default() })
    }

    /// The objects as they stood at a moment.
    pub fn at(&self, moment: &Moment) -> Arc<Self> {
        let objects = Objects::in_memory(Arc::new(moment.memory.fork()), self.objects.dates());
        Self::with(objects, self.clock.clone(), State::default())
    }

    /// The moments of a watched process, in order.
    pub fn moments(&self) -> Vec<Moment> {
        self.state.moments.lock().expect("no test panics with the lock").clone()
    }

    /// The calls made so far.
    pub fn calls(&self) -> Vec<Call> {
        self.state.log.lock().expect("no test panics with the lock").clone()
    }

    /// Log entries this process was told it has written.
    pub fn acknowledged(&self) -> Vec<Path> {
        self.state.acknowledged.lock().expect("no test panics with the lock").clone()
    }

    /// What stands in the store, by place and size; the random part of names left out. Two states of the same job that agree
    /// in this hold the same.
    pub async fn objects(&self) -> Vec<(String, u64)> {
        let listed: Vec<ObjectMeta> = self.objects.inner.list(None).try_collect().await.expect("objects can be listed");
        let object = |meta: &ObjectMeta| {
            let path = meta.location.as_ref();
            match RANDOM.iter().find_map(|mark| Some(&path[..path.find(mark)? + mark.len()])) {
                // Of data the size tells torn files from whole ones; of what is small it depends on random numbers in it.
                Some(place) if path.ends_with(".parquet") => (place.to_owned(), meta.size),
                Some(place) => (place.to_owned(), 0),
                None if is_log(&meta.location) => (path.to_owned(), 0),
                None => (path.to_owned(), meta.size),
            }
        };
        let mut objects: Vec<(String, u64)> = listed.iter().map(object).collect();
        objects.sort();
        objects
    }

    /// All objects with their bytes.
    pub async fn everything(&self) -> Vec<(String, Bytes)> {
        let listed: Vec<ObjectMeta> = self.objects.inner.list(None).try_collect().await.expect("objects can be listed");
        let mut all = Vec::with_capacity(listed.len());
        for meta in listed {
            let bytes = async { self.objects.inner.get(&meta.location).await?.bytes().await };
            all.push((meta.location.to_string(), bytes.await.expect("an object")));
        }
        all
    }

    /// Has the chosen call been made?
    pub fn fault_struck(&self) -> bool {
        self.state.fault.is_none_or(|fault| self.state.counted.load(Ordering::SeqCst) >= fault.at)
    }

    /// Is the chosen call one at which something dies?
    pub fn panics(&self) -> bool {
        self.state.fault.is_some_and(|fault| fault.mode.panics())
    }

    /// Runs a job as a process of its own: when the fault stops the process, the job is dropped where it stands, nothing
    /// of it reaches the store any more, and the answer is `None`. So it is when the job itself panics.
    pub async fn process<T>(&self, job: impl Future<Output = T>) -> Option<T> {
        let ended = tokio::select! {
            biased;
            () = self.state.stop.notified() => None,
            done = AssertUnwindSafe(job).catch_unwind() => done.ok(),
        };
        self.state.buried.store(true, Ordering::SeqCst);
        self.state.burial.notify_waiters();
        ended.filter(|_| !self.state.stopped.load(Ordering::SeqCst))
    }

    /// Holds back the first call that `picks` picks.
    pub fn hold(&self, picks: impl Fn(&Call) -> bool + Send + Sync + 'static) -> Gate {
        let held =
            Arc::new(Held { picks: Box::new(picks), taken: AtomicBool::new(false), reached: Notify::new(), open: Notify::new() });
        self.state.held.lock().expect("no test panics with the lock").push(held.clone());
        Gate(held)
    }
}

/// What names go on at random after: data files, tallies, seals, totals put down.
const RANDOM: [&str; 4] = ["part-", "_tally/", "_seals/", "retention/"];

fn failure(call: &Call) -> object_store::Error {
    object_store::Error::Generic { store: "test", source: format!("{} {} was made to fail", call.what, call.path).into() }
}

/// Panics, without a word on the test's own output.
fn die(call: &Call) -> ! {
    std::panic::resume_unwind(Box::new(format!("{} {} died", call.what, call.path)))
}

impl State {
    /// Lets a call in: its number and what it is to do.
    async fn enter(&self, call: &Call) -> (u64, Step) {
        let held = self
            .held
            .lock()
            .expect("no test panics with the lock")
            .iter()
            .find(|held| !held.taken.load(Ordering::SeqCst) && (held.picks)(call))
            .cloned();
        if let Some(held) = held.filter(|held| !held.taken.swap(true, Ordering::SeqCst)) {
            held.reached.notify_one();
            held.open.notified().await;
        }
        if self.stopped.load(Ordering::SeqCst) {
            self.wait_for_burial().await;
            return (0, Step::Fail);
        }
        let number = {
            let mut log = self.log.lock().expect("no test panics with the lock");
            log.push(call.clone());
            log.len() as u64
        };
        self.remember(number, false);
        if self.broken.load(Ordering::SeqCst) {
            return (number, Step::Fail);
        }
        if self.fault.is_some_and(|fault| fault.of_writes) && !call.writes() {
            return (number, Step::Go);
        }
        let counted = self.counted.fetch_add(1, Ordering::SeqCst) + 1;
        let step = match self.fault.filter(|fault| fault.at == counted).map(|fault| fault.mode) {
            None => Step::Go,
            Some(Mode::ErrorOnce) => Step::Fail,
            Some(Mode::ErrorForEver) => {
                self.broken.store(true, Ordering::SeqCst);
                Step::Fail
            }
            Some(Mode::DoneButFailed) => Step::DoThenFail,
            Some(Mode::TornWrite) => Step::Tear,
            Some(Mode::TimeOut) => Step::FailLater,
            Some(Mode::AbortBefore) => Step::StopBefore,
            Some(Mode::AbortAfter) => Step::StopAfter,
            Some(Mode::PanicBefore) => Step::Panic,
            Some(Mode::PanicAfter) => Step::DoThenPanic,
        };
        (number, step)
    }

    fn remember(&self, call: u64, after: bool) {
        if let Some(memory) = &self.watched {
            let moment = Moment { call, after, memory: Arc::new(memory.fork()) };
            self.moments.lock().expect("no test panics with the lock").push(moment);
        }
    }

    /// The process stops here: whoever waits for this call waits until the process is gone.
    async fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
        self.stop.notify_one();
        self.wait_for_burial().await;
    }

    async fn wait_for_burial(&self) {
        let burial = self.burial.notified();
        if self.buried.load(Ordering::SeqCst) {
            return;
        }
        // A thread that cannot be dropped must not wait for ever.
        drop(tokio::time::timeout(Duration::from_secs(5), burial).await);
    }

    /// Makes a call, `act(torn)`, or fails it.
    async fn call<T, F: Future<Output = Result<T>>>(&self, call: Call, act: impl FnOnce(bool) -> F) -> Result<T> {
        let _turn: Option<Turn> = match &self.seat {
            None => None,
            Some(seat) => seat.turn(&call).await,
        };
        let (number, step) = self.enter(&call).await;
        match step {
            Step::Go => {
                let done = act(false).await;
                self.remember(number, true);
                done
            }
            Step::Fail => Err(failure(&call)),
            Step::FailLater => {
                tokio::time::sleep(Duration::from_millis(2)).await;
                Err(failure(&call))
            }
            Step::DoThenFail => act(false).await.and(Err(failure(&call))),
            Step::Tear => act(true).await.and(Err(failure(&call))),
            Step::StopBefore => {
                self.stop().await;
                Err(failure(&call))
            }
            Step::StopAfter => {
                let done = act(false).await;
                self.stop().await;
                done.and(Err(failure(&call)))
            }
            Step::Panic => die(&call),
            Step::DoThenPanic => {
                drop(act(false).await);
                die(&call)
            }
        }
    }

    /// The caller is told that a log entry of its own is there.
    fn acknowledge(&self, location: &Path) {
        if is_log(location) {
            self.acknowledged.lock().expect("no test panics with the lock").push(location.clone());
        }
    }
}

impl Objects {
    fn date(&self, location: &Path, now: DateTime<Utc>) {
        self.dates.lock().expect("no test panics with the lock").insert(location.clone(), now);
    }

    fn dated(&self, meta: ObjectMeta) -> ObjectMeta {
        let last_modified =
            self.dates.lock().expect("no test panics with the lock").get(&meta.location).copied().unwrap_or(meta.last_modified);
        ObjectMeta { last_modified, ..meta }
    }
}

fn call(what: &'static str, path: impl ToString) -> Call {
    Call { what, path: path.to_string() }
}

fn prefix_call(what: &'static str, prefix: Option<&Path>) -> Call {
    call(what, prefix.map(ToString::to_string).unwrap_or_default())
}

/// The first half of what was to be written.
fn half(payload: PutPayload) -> PutPayload {
    let whole = Bytes::from(payload);
    whole.slice(..whole.len() / 2).into()
}

fn is_log(location: &Path) -> bool {
    location.as_ref().contains("_delta_log")
}

#[async_trait]
impl ObjectStore for FaultStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        let what = if opts.mode == PutMode::Create { "put new" } else { "put" };
        let act = |torn: bool| async move {
            let payload = match torn {
                true if !is_named_by_commits(location) => return Err(failure(&call(what, location))),
                true => half(payload),
                false => payload,
            };
            let done = self.objects.inner.put_opts(location, payload, opts).await?;
            self.objects.date(location, self.clock.now());
            Ok(done)
        };
        let done = self.state.call(call(what, location), act).await?;
        if what == "put new" {
            self.state.acknowledge(location);
        }
        Ok(done)
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        let act = |_| async {
            let inner = self.objects.inner.put_multipart_opts(location, opts).await?;
            self.objects.date(location, self.clock.now());
            let upload = Upload {
                inner,
                parts: Vec::new(),
                location: location.clone(),
                store: self.objects.inner.clone(),
                state: self.state.clone(),
            };
            Ok(Box::new(upload) as Box<dyn MultipartUpload>)
        };
        self.state.call(call("put_multipart", location), act).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.state.call(call("get", location), |_| self.objects.inner.get_opts(location, options)).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.state.call(call("get_ranges", location), |_| self.objects.inner.get_ranges(location, ranges)).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let (inner, state) = (self.objects.inner.clone(), self.state.clone());
        locations
            .then(move |location| {
                let (inner, state) = (inner.clone(), state.clone());
                async move {
                    let location = location?;
                    let one = futures::stream::once(futures::future::ready(Ok(location.clone()))).boxed();
                    let act = |_| async move { inner.delete_stream(one).try_collect::<Vec<_>>().await };
                    state.call(call("delete", &location), act).await?;
                    Ok(location)
                }
            })
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (objects, state, prefix) = (self.objects.clone(), self.state.clone(), prefix.cloned());
        let made = prefix_call("list", prefix.as_ref());
        let inner = objects.inner.clone();
        let listed = async move { state.call(made, |_| async { Ok(inner.list(prefix.as_ref())) }).await };
        futures::stream::once(listed).try_flatten().map_ok(move |meta| objects.dated(meta)).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let made = prefix_call("list_with_delimiter", prefix);
        self.state.call(made, |_| self.objects.inner.list_with_delimiter(prefix)).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.state.call(call("copy", to), |_| self.objects.inner.copy_opts(from, to, options)).await
    }
}

/// A file sent in parts; each part and the completion is a call.
struct Upload {
    inner: Box<dyn MultipartUpload>,
    parts: Vec<PutPayload>,
    location: Path,
    store: Arc<dyn ObjectStore>,
    state: Arc<State>,
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "upload of {}", self.location)
    }
}

#[async_trait]
impl MultipartUpload for Upload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.parts.push(data.clone());
        let part = self.inner.put_part(data);
        let (state, made) = (self.state.clone(), call("put_part", &self.location));
        Box::pin(async move { state.call(made, |_| part).await })
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let (state, made) = (self.state.clone(), call("complete", &self.location));
        let (store, location) = (self.store.clone(), self.location.clone());
        let parts: Vec<Bytes> = self.parts.drain(..).flat_map(|part| part.into_iter().collect::<Vec<_>>()).collect();
        let inner = &mut self.inner;
        let act = |torn: bool| async move {
            let done = inner.complete().await?;
            if torn {
                let whole = Bytes::from(parts.concat());
                store.put_opts(&location, half(whole.into()), PutOptions::default()).await?;
            }
            Ok(done)
        };
        state.call(made, act).await
    }

    async fn abort(&mut self) -> Result<()> {
        self.inner.abort().await
    }
}
