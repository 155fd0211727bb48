//! Checks before a commit that the files it adds exist.
//!
//! **Why.** The job that wrote the files knows that they were stored. Only one thing can have deleted them since: a vacuum whose
//! retention is shorter than the job took. A commit that names a missing file loses its rows and makes the table unreadable, so
//! the commit fails instead, and the job writes its files again.
//!
//! **Price**: one request a new file, all at once, so a commit waits for about one more request.

use std::sync::Arc;

use deltalake_core::kernel::Add;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use super::table::LakeTable;
use crate::error::{Error, Result};

/// Files asked for at once.
const AT_ONCE: usize = 64;

/// Makes sure that every file is there, in its size.
///
/// # Errors
/// Conflict, naming the first that is not there or is another: whoever committed has to write it again. Unavailable when the
/// store does not answer.
pub(crate) async fn all_there(table: &LakeTable, adds: &[Add]) -> Result<()> {
    let mut asked: Vec<BoxFuture<'static, Result<()>>> = Vec::with_capacity(adds.len());
    for add in adds {
        let path = Path::from_iter(table.folder.parts().chain(Path::from(add.path.as_str()).parts()));
        asked.push(is_there(table.store.clone(), path, add.size).boxed());
    }
    futures::stream::iter(asked).buffer_unordered(AT_ONCE).try_collect::<()>().await
}

async fn is_there(store: Arc<dyn ObjectStore>, path: Path, size: i64) -> Result<()> {
    match store.head(&path).await {
        Ok(found) if i64::try_from(found.size) == Ok(size) => Ok(()),
        Ok(found) => Err(Error::conflict(phrase!(
            "{path} has {} bytes, and {size} were written: somebody else wrote it since, so nothing was committed",
            found.size
        ))),
        Err(object_store::Error::NotFound { .. }) => Err(Error::conflict(phrase!(
            "{path} was written and is gone, so nothing was committed: a vacuum took it for unused (its --retain is shorter than this \
             run took)"
        ))),
        Err(error) => Err(Error::from(error).context(phrase!("cannot look for {path}"))),
    }
}
