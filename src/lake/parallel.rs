//! Runs independent pieces of work on all cores.

use std::future::Future;

use tokio::task::JoinSet;

use crate::error::Result;

/// Runs `work` on each item as tasks of their own, as many at once as the machine has cores; results come in the order in
/// which they are done. The first error stops the rest, and is returned when all have stopped.
pub async fn in_parallel<I, T, F, W>(items: impl IntoIterator<Item = I>, work: W) -> Result<Vec<T>>
where
    W: Fn(I) -> F,
    F: Future<Output = Result<T>> + Send + 'static,
    T: Send + 'static,
{
    let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    at_most(cores, items, work).await
}

/// [`in_parallel`], but never more than `limit` at once: for work that holds much memory.
pub async fn at_most<I, T, F, W>(limit: usize, items: impl IntoIterator<Item = I>, work: W) -> Result<Vec<T>>
where
    W: Fn(I) -> F,
    F: Future<Output = Result<T>> + Send + 'static,
    T: Send + 'static,
{
    let mut items = items.into_iter();
    // Dropping the set, when the caller is cancelled, aborts what still runs.
    let mut running = JoinSet::new();
    let mut done = Vec::new();
    loop {
        while running.len() < limit.max(1) {
            let Some(item) = items.next() else { break };
            // On the heap: spawning moves what it is given several times, and a fold is large.
            running.spawn(Box::pin(work(item)));
        }
        match running.join_next().await {
            None => return Ok(done),
            Some(Ok(Ok(result))) => done.push(result),
            Some(failed) => {
                // Whoever clears up behind the error must not be overtaken by what still ran.
                running.shutdown().await;
                failed??;
            }
        }
    }
}
