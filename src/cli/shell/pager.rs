//! Shows answers that are longer than the terminal in a pager, such as `less`.

use std::io::{self, Write};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// How often it is looked whether a pager has ended.
const LOOK: Duration = Duration::from_millis(40);

/// A command that shows what is long, and whether it is at work.
#[derive(Clone, Debug)]
pub struct Pager {
    command: String,
    showing: Arc<AtomicBool>,
    /// Answers that were given up.
    given_up: Arc<AtomicU64>,
}

impl Pager {
    /// A pager that is begun by this command, with a shell.
    pub fn new(command: String) -> Self {
        Self { command, showing: Arc::default(), given_up: Arc::default() }
    }

    /// Where an answer goes: to the terminal, or to the pager if it has more than these lines.
    pub fn open(&self, lines: usize) -> Paged {
        Paged {
            pager: self.clone(),
            answer: self.given_up.load(Ordering::Relaxed),
            most: lines,
            lines: 0,
            held: Vec::new(),
            child: None,
        }
    }

    /// Nobody wants the answer any more: what is held back of it is not shown.
    pub fn give_up(&self) {
        self.given_up.fetch_add(1, Ordering::Relaxed);
    }

    /// Is somebody reading?
    pub fn is_showing(&self) -> bool {
        self.showing.load(Ordering::Relaxed)
    }

    /// Waits until nobody is.
    pub async fn read(&self) {
        while self.is_showing() {
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// An answer on its way to a terminal. Goes when it is dropped, and then waits for the reader.
pub struct Paged {
    pager: Pager,
    answer: u64,
    most: usize,
    lines: usize,
    held: Vec<u8>,
    child: Option<Child>,
}

impl Paged {
    /// Begins the pager with what was held back.
    fn begin(&mut self) -> io::Result<()> {
        let mut child = Command::new("sh").arg("-c").arg(&self.pager.command).stdin(Stdio::piped()).spawn()?;
        self.pager.showing.store(true, Ordering::Relaxed);
        let held = std::mem::take(&mut self.held);
        let outcome = child.stdin.as_mut().map_or(Ok(()), |stdin| stdin.write_all(&held));
        self.child = Some(child);
        outcome
    }
}

impl Write for Paged {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(stdin) = self.child.as_mut().and_then(|child| child.stdin.as_mut()) {
            return stdin.write(bytes);
        }
        self.lines += bytes.iter().filter(|byte| **byte == b'\n').count();
        self.held.extend_from_slice(bytes);
        if self.lines > self.most {
            self.begin()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        // What is held back may still go to the pager.
        self.child.as_mut().and_then(|child| child.stdin.as_mut()).map_or(Ok(()), Write::flush)
    }
}

impl Drop for Paged {
    fn drop(&mut self) {
        match self.child.take() {
            Some(mut child) => {
                drop(child.stdin.take());
                // However it ended, the reader is done.
                drop(child.wait());
                self.pager.showing.store(false, Ordering::Relaxed);
            }
            None if self.pager.given_up.load(Ordering::Relaxed) != self.answer => {}
            // A terminal that is gone has nobody to tell.
            None => drop(io::stdout().lock().write_all(&self.held).and_then(|()| io::stdout().lock().flush())),
        }
    }
}

#[cfg(test)]
#[cfg(unix)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_what_is_long_goes_to_the_pager() {
        let folder = tempfile::tempdir().unwrap();
        let seen = folder.path().join("seen");
        let pager = Pager::new(format!("cat > '{}'", seen.display()));
        let write = |text: &str| {
            let mut out = pager.open(3);
            out.write_all(text.as_bytes()).unwrap();
            assert_eq!(pager.is_showing(), text.lines().count() > 3);
        };
        write("1\n2\n3\n");
        assert!(!seen.exists());
        write("1\n2\n3\n4\n");
        pager.read().await;
        assert_eq!(std::fs::read_to_string(&seen).unwrap(), "1\n2\n3\n4\n");
    }
}
