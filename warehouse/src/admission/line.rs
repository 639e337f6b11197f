//! The places of one limit, and who waits for one: the queue is bounded, and fair between users.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

/// Statements that may wait for each place.
const WAITING: usize = 4;
/// Users whose turns are remembered.
const TURNS: usize = 1024;

/// The places of one limit.
#[derive(Debug)]
pub(super) struct Line {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// How many may run at once.
    most: usize,
    /// How many run, in all and of each user.
    total: usize,
    running: HashMap<Arc<str>, usize>,
    waiting: VecDeque<Waiter>,
    /// When each user had a turn, as long as somebody waits.
    turns: HashMap<Arc<str>, u64>,
    turn: u64,
}

#[derive(Debug)]
struct Waiter {
    user: Arc<str>,
    /// It had a place before, and gave it back while its client was slow: it isn't refused.
    returns: bool,
    tell: oneshot::Sender<Place>,
}

/// A place; dropping it gives it to the next.
#[derive(Debug)]
pub(super) struct Place {
    line: Arc<Line>,
    user: Arc<str>,
}

/// Too many wait already.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full;

impl Line {
    pub(super) fn new(most: usize) -> Self {
        let (running, turns) = (HashMap::new(), HashMap::new());
        let waiting = VecDeque::new();
        Self { state: Mutex::new(State { most, total: 0, running, waiting, turns, turn: 0 }) }
    }

    /// Changes how many may run at once; those that run are not touched.
    pub(super) fn resize(self: &Arc<Self>, most: usize) {
        self.state.lock().most = most;
        while self.pass_on() {}
    }

    /// Waits for a place. Places that come free go to whom has fewest, then to whose turn is longest
    /// ago, then in order of arrival.
    /// May be dropped at any time.
    pub(super) async fn place(self: &Arc<Self>, user: &str, returns: bool) -> Result<Place, Full> {
        let told = {
            let mut state = self.state.lock();
            state.waiting.retain(|waiter| !waiter.tell.is_closed());
            let user: Arc<str> = user.into();
            if state.total < state.most && state.waiting.is_empty() {
                state.enter(&user);
                return Ok(Place { line: Arc::clone(self), user });
            }
            if !returns && !state.has_room(&user) {
                return Err(Full);
            }
            let (tell, told) = oneshot::channel();
            state.waiting.push_back(Waiter { user, returns, tell });
            told
        };
        told.await.map_err(|_| Full)
    }

    /// Gives a free place to the next who waits; says whether there was one.
    fn pass_on(self: &Arc<Self>) -> bool {
        let next = self.state.lock().next();
        let Some(Waiter { user, tell, .. }) = next else { return false };
        // One that nobody takes any more is dropped here, and passed on again.
        drop(tell.send(Place { line: Arc::clone(self), user }));
        true
    }

    /// How many run.
    pub(super) fn taken(&self) -> usize {
        self.state.lock().total
    }

    /// How many run and how many wait.
    #[cfg(test)]
    pub(super) fn counts(&self) -> (usize, usize) {
        let state = self.state.lock();
        let waiting = state.waiting.iter().filter(|waiter| !waiter.tell.is_closed());
        (state.total, waiting.count())
    }
}

impl State {
    fn enter(&mut self, user: &Arc<str>) {
        self.total += 1;
        if self.turns.len() >= TURNS {
            self.turns.clear();
        }
        self.turn += 1;
        self.turns.insert(Arc::clone(user), self.turn);
        *self.running.entry(Arc::clone(user)).or_default() += 1;
    }

    fn leave(&mut self, user: &Arc<str>) {
        self.total = self.total.saturating_sub(1);
        if self.waiting.is_empty() {
            self.turns.clear();
        }
        if let Some(count) = self.running.get_mut(user) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.running.remove(user);
            }
        }
    }

    /// Takes the next waiter out and counts it in.
    fn next(&mut self) -> Option<Waiter> {
        if self.total >= self.most {
            return None;
        }
        let open = self.waiting.iter().enumerate().filter(|(_, waiter)| !waiter.tell.is_closed());
        let (index, _) = open.min_by_key(|(index, waiter)| {
            let running = self.running.get(&waiter.user).copied().unwrap_or(0);
            (running, self.turns.get(&waiter.user).copied().unwrap_or(0), *index)
        })?;
        let waiter = self.waiting.remove(index)?;
        self.enter(&waiter.user);
        Some(waiter)
    }

    /// Whether one more of this user may wait. Where the queue is full, whoever fills it most loses
    /// its last to one who has fewer.
    fn has_room(&mut self, user: &str) -> bool {
        if self.waiting.len() < self.most.saturating_mul(WAITING) {
            return true;
        }
        let mut counts: HashMap<&str, usize> = HashMap::new();
        for waiter in self.waiting.iter().filter(|waiter| !waiter.returns) {
            *counts.entry(&waiter.user).or_default() += 1;
        }
        let own = counts.get(user).copied().unwrap_or(0);
        let Some((greedy, count)) = counts.into_iter().max_by_key(|(_, count)| *count) else {
            return false;
        };
        if own + 1 >= count {
            return false;
        }
        let last = |waiter: &Waiter| !waiter.returns && waiter.user.as_ref() == greedy;
        let last = self.waiting.iter().rposition(last);
        last.is_some_and(|index| self.waiting.remove(index).is_some())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.line.state.lock().leave(&self.user);
        self.line.pass_on();
    }
}

#[cfg(test)]
mod tests;
