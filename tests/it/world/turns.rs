//! Several processes that call the store in turns: one call at a time, and a seed decides whose is next.
//!
//! The one whose turn it is keeps all others waiting until it has made its call or ended, however long it computes before
//! that. So the order of calls depends on the seed and on what each process does, not on the machine. Where a process makes
//! several calls at once, they are let through as they come.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::oneshot;

use super::store::Call;

/// Chance that comes again with its seed.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0xd6e8_feb8_6659_fd93))
    }

    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    /// 0 .. n, n excluded.
    pub fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.roll()) * n as u128) >> 64) as usize
    }
}

/// Who may call when.
pub struct Turns(Mutex<Order>);

struct Order {
    dice: Dice,
    /// After a call the same process goes on, but for one time in so many.
    changes_in: usize,
    /// The processes that have not ended, and after how many calls of all each may begin.
    running: Vec<Option<usize>>,
    waiting: Vec<VecDeque<oneshot::Sender<()>>>,
    next: usize,
    calling: bool,
    calls: Vec<(usize, String)>,
}

/// A process's place among those that take turns.
#[derive(Clone)]
pub struct Seat {
    turns: Arc<Turns>,
    process: usize,
}

/// The right to make one call; the next is chosen when it is dropped.
pub struct Turn(Arc<Turns>);

impl Turns {
    /// So many processes as `begin` has entries, each of which begins after so many calls.
    pub fn new(seed: u64, begin: &[usize]) -> Arc<Self> {
        let mut dice = Dice::new(seed);
        // Fine interleavings and coarse ones: some faults want a whole job between two calls of another.
        let changes_in = [1, 2, 5, 20, 60][dice.below(5)];
        let waiting = begin.iter().map(|_| VecDeque::new()).collect();
        let running = begin.iter().copied().map(Some).collect();
        let mut order = Order { dice, changes_in, running, waiting, next: 0, calling: false, calls: Vec::new() };
        order.choose(true);
        Arc::new(Self(Mutex::new(order)))
    }

    /// The place of a process.
    pub fn seat(self: &Arc<Self>, process: usize) -> Seat {
        Seat { turns: self.clone(), process }
    }

    /// The calls made so far, by process; random parts of names left out.
    pub fn calls(&self) -> Vec<(usize, String)> {
        self.order().calls.clone()
    }

    fn order(&self) -> MutexGuard<'_, Order> {
        self.0.lock().expect("no test panics with the lock")
    }
}

impl Order {
    fn choose(&mut self, change: bool) {
        let may: Vec<usize> = (0..self.running.len())
            .filter(|process| self.running[*process].is_some_and(|begins| begins <= self.calls.len()))
            .collect();
        let may = if may.is_empty() { (0..self.running.len()).filter(|at| self.running[*at].is_some()).collect() } else { may };
        let stays = may.contains(&self.next) && !change && self.dice.below(self.changes_in) > 0;
        if !stays && !may.is_empty() {
            self.next = may[self.dice.below(may.len())];
        }
    }

    /// Lets the next process make its call, if it has one to make.
    fn advance(&mut self) {
        while !self.calling
            && let Some(waiting) = self.waiting[self.next].pop_front()
        {
            self.calling = waiting.send(()).is_ok();
        }
    }
}

impl Seat {
    /// Waits for the process's turn. Calls of what is left of a process that has ended need none.
    pub async fn turn(&self, call: &Call) -> Option<Turn> {
        let mut waiting = {
            let mut order = self.turns.order();
            order.running[self.process]?;
            let (sender, receiver) = oneshot::channel();
            order.waiting[self.process].push_back(sender);
            order.advance();
            Waiting { turns: self.turns.clone(), receiver }
        };
        (&mut waiting.receiver).await.ok()?;
        let name = call.path.split_once("part-").map_or(call.path.as_str(), |(folder, _)| folder);
        self.turns.order().calls.push((self.process, format!("{} {name}", call.what)));
        Some(Turn(self.turns.clone()))
    }

    /// The process has ended.
    pub fn leaves(&self) {
        let mut order = self.turns.order();
        order.running[self.process] = None;
        order.waiting[self.process].clear();
        if !order.calling {
            if order.next == self.process {
                order.choose(true);
            }
            order.advance();
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut order = self.0.order();
        order.calling = false;
        order.choose(false);
        order.advance();
    }
}

/// A call that waits; when it is given up after it got its turn, the turn goes on to the next.
struct Waiting {
    turns: Arc<Turns>,
    receiver: oneshot::Receiver<()>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if self.receiver.try_recv().is_ok() {
            drop(Turn(self.turns.clone()));
        }
    }
}
