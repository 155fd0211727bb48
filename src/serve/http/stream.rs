//! An answer on its way out: asked in its turn, written as its rows come, and broken off where it fails.
//!
//! What fails before its first byte is a problem with a status. What fails later breaks the connection off: a body that ends is whole.
//! A stream of Arrow is cut where readers would take it for whole, so what is sent last cannot be read as a message.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use datafusion::common::Result as DfResult;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{StreamExt, stream};
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::{Instant, sleep, sleep_until};
use uuid::Uuid;

use super::app::App;
use super::form::Form;
use super::problem::Problem;
use super::runs::{Run, State};
use crate::error::{Error, Result};
use crate::output::chart::Kind;
use crate::output::{self, Format, Options};
use crate::serve::shared::Phase;

/// Bytes that are gathered before they are sent.
const PIECE: usize = 64 << 10;

/// Pieces that wait for a client.
const AHEAD: usize = 4;

/// What no reader of Arrow takes for a message or an end: a message of two gigabytes.
const NO_MESSAGE: [u8; 8] = [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F];

/// How long a connection has to send what no reader takes for a message.
const FLUSH: Duration = Duration::from_millis(100);

/// How an answer is to leave.
pub(crate) struct Outgoing {
    /// In what form.
    pub(crate) form: Form,
    /// Of the worksheet's form: how many rows are sent; the rest is counted.
    pub(crate) first: Option<usize>,
    /// What a chart is to be; the columns decide where it is not said.
    pub(crate) chart: Option<Kind>,
    /// The number under which it is known.
    pub(crate) run: Option<Uuid>,
    /// A look-up's place, which it has instead of a statement's.
    pub(crate) place: Option<OwnedSemaphorePermit>,
    /// The name of the file a browser is to keep it in, without its end.
    pub(crate) file: Option<String>,
}

impl Outgoing {
    pub(crate) fn of(form: Form) -> Self {
        Self { form, first: None, chart: None, run: None, place: None, file: None }
    }
}

/// Asks, and sends the answer.
///
/// # Errors
/// 429 where no place is free, 409 where the number is taken; the statement's own, as far as they come before its first byte.
pub(crate) async fn send(
    app: &Arc<App>,
    who: &str,
    asking: impl Future<Output = Result<SendableRecordBatchStream>>,
    mut outgoing: Outgoing,
) -> Result<Response, Problem> {
    let taken = || Problem::from(Error::conflict("a statement of this number is known already; give it another"));
    let run = app.runs.begin(outgoing.run, who, app.now()).ok_or_else(taken)?;
    // Whatever becomes of this request, its statement ends with it.
    let guard = Ending { app: app.clone(), run: run.clone() };
    let turn = match outgoing.place.take() {
        Some(place) => Some(place),
        None => app.shared.turn().await,
    };
    let Some(turn) = turn else {
        run.end(State::Failed, app.now());
        return Err(Problem::busy());
    };
    let deadline = app.shared.limits.statement.map(|limit| (Instant::now() + limit, limit));
    let first = async {
        let mut answer = asking.await?;
        // What fails at its first rows is told as such, rather than by breaking off.
        let first = answer.next().await.transpose()?;
        Ok::<_, Error>((answer, first))
    };
    let (answer, first) = tokio::select! {
        stopped = over(app, &run, deadline) => Err(stopped),
        first = first => first,
    }
    .inspect_err(|error| run.end(ended(error), app.now()))?;
    let schema = answer.schema();
    let answer = counted(schema.clone(), stream::iter(first.map(Ok)).chain(answer).boxed(), run.clone(), outgoing.first);
    let (pieces, receiver) = mpsc::channel(AHEAD);
    let (told, end) = oneshot::channel();
    let options = Options {
        zone: Some(app.site.zone),
        spill_folder: app.site.spill_folder.clone(),
        chart: outgoing.chart,
        ..Options::default()
    };
    let (format, writing) = (outgoing.form.format(), app.clone());
    tokio::spawn(async move {
        let _turn = turn;
        let sink = Sink { pieces: pieces.clone(), gathered: Vec::new() };
        let outcome = tokio::select! {
            biased;
            stopped = over(&writing, &guard.run, deadline) => Err(stopped),
            () = pieces.closed() => Err(gone()),
            written = output::write(answer, format, sink, &options) => written.map(drop),
        };
        let state = outcome.as_ref().map_or_else(ended, |()| State::Done);
        guard.run.end(state, writing.now());
        // Nobody may be there any more to hear it.
        drop(told.send(outcome));
    });
    let mut leaving = Leaving { receiver, end: Some(end), form: outgoing.form, run: run.clone(), is_marked: false };
    let first = match leaving.next().await {
        Some(Ok(first)) => Some(first),
        Some(Err(problem)) => return Err(*problem),
        None => None,
    };
    let mut headed = Vec::new();
    if outgoing.form == Form::Rows {
        headed.extend(columns(&run, &schema).into_bytes());
    }
    headed.extend(first.unwrap_or_default());
    let rest = stream::unfold(Some(leaving), |leaving| async move {
        let mut leaving = leaving?;
        match leaving.next().await {
            Some(Ok(piece)) => Some((Ok(piece), Some(leaving))),
            None => leaving.whole().map(|last| (Ok(last), None)),
            Some(Err(problem)) => leaving.broken(&problem),
        }
    });
    let body = stream::iter([Ok::<_, io::Error>(Bytes::from(headed))]).chain(rest);
    Ok(dressed(&outgoing, run.id(), Body::from_stream(body)))
}

fn dressed(outgoing: &Outgoing, run: Uuid, body: Body) -> Response {
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(outgoing.form.media()));
    let number = HeaderValue::from_str(&run.to_string()).unwrap_or(HeaderValue::from_static(""));
    headers.insert("x-ier-run", number);
    if let Some(file) = &outgoing.file {
        let name: String = file.chars().map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' }).collect();
        let disposition = format!("attachment; filename=\"{name}.{}\"", outgoing.form.ending());
        headers.extend(HeaderValue::from_str(&disposition).ok().map(|value| (header::CONTENT_DISPOSITION, value)));
    }
    response
}

/// A statement whose request is gone has ended.
struct Ending {
    app: Arc<App>,
    run: Arc<Run>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.run.end(State::Cancelled, self.app.now());
    }
}

fn ended(error: &Error) -> State {
    match error.kind() {
        crate::error::Kind::Interrupted => State::Cancelled,
        _ => State::Failed,
    }
}

fn gone() -> Error {
    Error::interrupted("whoever asked is gone")
}

/// Comes back when a statement is to stop, and says why.
async fn over(app: &App, run: &Run, deadline: Option<(Instant, Duration)>) -> Error {
    let late = async {
        match deadline {
            Some((deadline, limit)) => {
                sleep_until(deadline).await;
                Error::timed_out(limit)
            }
            None => std::future::pending().await,
        }
    };
    let mut phase = app.shared.phase.clone();
    let leaving = async {
        if phase.wait_for(|phase| *phase == Phase::Over).await.is_err() {
            // Nobody is there who could say so.
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        late = late => late,
        () = run.stopped() => Error::interrupted("the statement was cancelled"),
        () = leaving => Error::interrupted("the server is stopping"),
    }
}

/// The answer, its rows counted as they pass; where only the first are wanted, the rest is counted and goes no further.
fn counted(
    schema: SchemaRef,
    answer: stream::BoxStream<'static, DfResult<RecordBatch>>,
    run: Arc<Run>,
    first: Option<usize>,
) -> SendableRecordBatchStream {
    let mut left = first.unwrap_or(usize::MAX);
    let passed = answer.map(move |batch| {
        let batch = batch?;
        run.found(batch.num_rows());
        let passed = batch.slice(0, batch.num_rows().min(left));
        left -= passed.num_rows();
        Ok(passed)
    });
    Box::pin(RecordBatchStreamAdapter::new(schema, passed))
}

/// The columns of an answer that stand at these places.
pub(crate) fn only(answer: SendableRecordBatchStream, places: Vec<usize>) -> Result<SendableRecordBatchStream> {
    let schema = Arc::new(answer.schema().project(&places)?);
    let of = move |batch: DfResult<RecordBatch>| -> DfResult<RecordBatch> { Ok(batch?.project(&places)?) };
    Ok(Box::pin(RecordBatchStreamAdapter::new(schema, answer.map(of))))
}

/// The first line of the worksheet's form.
fn columns(run: &Run, schema: &SchemaRef) -> String {
    let keys = output::plain::distinct(schema);
    let columns: Vec<Value> = schema
        .fields()
        .iter()
        .zip(keys.fields())
        .map(|(field, key)| {
            let is_moment = matches!(field.data_type(), arrow::datatypes::DataType::Timestamp(_, Some(_)));
            let is_number = output::cells::is_number(field.data_type());
            let kind = if is_moment {
                "moment"
            } else if is_number {
                "number"
            } else {
                "text"
            };
            json!({ "name": field.name(), "key": key.name(), "kind": kind, "type": crate::query::described::type_name(field.data_type()) })
        })
        .collect();
    format!("{}\n", json!(["columns", columns, run.id().to_string()]))
}

/// What is written goes out piece by piece.
struct Sink {
    pieces: mpsc::Sender<Bytes>,
    gathered: Vec<u8>,
}

impl Sink {
    fn send(&mut self) -> io::Result<()> {
        if self.gathered.is_empty() {
            return Ok(());
        }
        let piece = Bytes::from(std::mem::take(&mut self.gathered));
        self.pieces.blocking_send(piece).map_err(|_| io::Error::other("nobody reads the answer"))
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.gathered.extend_from_slice(bytes);
        if self.gathered.len() >= PIECE {
            self.send()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.send()
    }
}

/// The pieces of an answer, and what became of it.
struct Leaving {
    receiver: mpsc::Receiver<Bytes>,
    end: Option<oneshot::Receiver<Result<()>>>,
    form: Form,
    run: Arc<Run>,
    /// It failed, and what is no message was sent.
    is_marked: bool,
}

impl Leaving {
    /// The next piece; none when the answer is whole.
    async fn next(&mut self) -> Option<Result<Bytes, Box<Problem>>> {
        if self.is_marked {
            // What waits is sent before the connection breaks off.
            sleep(FLUSH).await;
            return Some(Err(Box::new(gone().into())));
        }
        if let Some(piece) = self.receiver.recv().await {
            return Some(Ok(piece));
        }
        let outcome = self.end.take()?.await.unwrap_or_else(|_| Err(Error::internal("an answer ended without a word")));
        outcome.err().map(|error| Err(Box::new(error.into())))
    }

    /// What says that an answer is whole, in the form that has such a line.
    fn whole(&self) -> Option<Bytes> {
        let last = || Bytes::from(format!("{}\n", json!(["end", { "rows": self.run.rows() }])));
        (self.form == Form::Rows).then(last)
    }

    /// What is sent last of an answer that failed, and nothing behind it.
    fn broken(self, problem: &Problem) -> Option<(io::Result<Bytes>, Option<Self>)> {
        match self.form {
            // In this form a failure can be told, and what has no last line is not whole.
            Form::Rows => Some((Ok(Bytes::from(format!("[\"problem\",{}]\n", problem.json()))), None)),
            Form::File(Format::ArrowStream) if !self.is_marked => {
                Some((Ok(Bytes::from_static(&NO_MESSAGE)), Some(Self { is_marked: true, ..self })))
            }
            Form::File(_) => Some((Err(io::Error::other("the statement failed")), None)),
        }
    }
}
