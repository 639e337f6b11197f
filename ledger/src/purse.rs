//! Money of budgets: an amount is held before a query runs, and what it cost is settled afterwards.
//!
//! A hold is one conditional statement in a transaction: whoever else asks at the same time, in this
//! process or from another replica, no period's budget is ever held or spent beyond its limit by holds.
//! What is settled may be more than was held: then the next hold finds that much less.

#[cfg(test)]
mod tests;

use std::thread::JoinHandle;

use rust_decimal::prelude::ToPrimitive;
use rust_decimal::{Decimal, RoundingStrategy};
use sqlx::{Any, Connection, Row, Transaction};
use tokio::sync::{mpsc, oneshot};

use crate::error::{LedgerError, Refusal};
use crate::store::{Engine, Place, Store, begin, lock_key};
use crate::writer::{in_time, patience};

/// Money in the store is in billionths.
const DIGITS: u32 = 9;

/// The most holds that wait for their turn.
const QUEUE: usize = 1024;

/// How often what was spent is tried to be written at once; then with what comes next.
const TRIES: u32 = 3;

/// A period of an account, and what may be spent in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budget {
    /// Which period, as "2026-11-21".
    pub period: String,
    /// What may be held and spent in it together.
    pub limit: Decimal,
}

/// Money that is held. It stays held until it is settled.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "what isn't settled stays held"]
pub struct Hold {
    id: String,
}

/// Why money isn't held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HoldError {
    /// The budget of this period has not that much left.
    Exhausted {
        /// Which period.
        period: String,
    },
    /// An amount is negative or beyond all bounds.
    Amount,
    /// The store can't be written.
    Refused(Refusal),
}

enum Command {
    Hold { account: String, budgets: Vec<Budget>, amount: Decimal, answer: oneshot::Sender<Held> },
    Settle { hold: Hold, amount: Decimal, answer: oneshot::Sender<Result<(), Refusal>> },
    Taken { account: String, period: String, answer: oneshot::Sender<Result<Decimal, Refusal>> },
}

type Held = Result<Hold, HoldError>;

/// The purses of a ledger, with a connection of their own.
pub struct Purses {
    queue: Option<mpsc::Sender<Command>>,
    thread: Option<JoinHandle<()>>,
}

impl Purses {
    /// Opens the purses. What an earlier run of this replica held and never settled counts as spent: its
    /// queries may have used it.
    ///
    /// # Errors
    /// The store can't be opened.
    pub fn open(place: Place, replica: &str) -> Result<Purses, LedgerError> {
        let (queue, mut commands) = mpsc::channel(QUEUE);
        let (opened, answer) = std::sync::mpsc::sync_channel(1);
        let owner = replica.to_owned();
        let run = move || {
            let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => {
                    let _ = opened.send(Err(LedgerError::System(error.to_string())));
                    return;
                }
            };
            runtime.block_on(async {
                let limit = patience(&place);
                let mut purses = Writer { place, owner, store: None, next: 0, owed: Vec::new() };
                let started = in_time(limit, purses.recover()).await;
                let works = started.is_ok();
                if opened.send(started).is_err() || !works {
                    return;
                }
                while let Some(command) = commands.recv().await {
                    purses.run(command).await;
                }
            });
        };
        let system = |error: std::io::Error| LedgerError::System(error.to_string());
        let thread =
            std::thread::Builder::new().name("purses".to_owned()).spawn(run).map_err(system)?;
        let stopped = || LedgerError::System("the purses did not open".to_owned());
        answer.recv().map_err(|_| stopped())??;
        Ok(Purses { queue: Some(queue), thread: Some(thread) })
    }

    /// Holds an amount in all of the account's periods, or in none.
    ///
    /// # Errors
    /// A budget has not that much left, or the store can't be written.
    pub async fn hold(&self, account: &str, budgets: &[Budget], amount: Decimal) -> Held {
        let closed = || HoldError::Refused(Refusal::Closed);
        let queue = self.queue.as_ref().ok_or_else(closed)?;
        let (answer, held) = oneshot::channel();
        let (account, mut budgets) = (account.to_owned(), budgets.to_vec());
        // Everyone takes the periods in one order, so that no two wait for each other.
        budgets.sort_by(|a, b| a.period.cmp(&b.period));
        let command = Command::Hold { account, budgets, amount, answer };
        queue.send(command).await.map_err(|_| closed())?;
        held.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Ends a hold: so much of it was spent.
    ///
    /// # Errors
    /// It could not be written yet; until it is, the money stays held.
    pub async fn settle(&self, hold: Hold, amount: Decimal) -> Result<(), Refusal> {
        let queue = self.queue.as_ref().ok_or(Refusal::Closed)?;
        let (answer, settled) = oneshot::channel();
        let command = Command::Settle { hold, amount, answer };
        queue.send(command).await.map_err(|_| Refusal::Closed)?;
        settled.await.unwrap_or(Err(Refusal::Closed))
    }

    /// What is held and spent in a period of an account.
    ///
    /// # Errors
    /// It could not be read.
    pub async fn taken(&self, account: &str, period: &str) -> Result<Decimal, Refusal> {
        let queue = self.queue.as_ref().ok_or(Refusal::Closed)?;
        let (answer, taken) = oneshot::channel();
        let (account, period) = (account.to_owned(), period.to_owned());
        let command = Command::Taken { account, period, answer };
        queue.send(command).await.map_err(|_| Refusal::Closed)?;
        taken.await.unwrap_or(Err(Refusal::Closed))
    }

    /// Ends a hold of which nothing was spent.
    ///
    /// # Errors
    /// As [`Purses::settle`].
    pub async fn release(&self, hold: Hold) -> Result<(), Refusal> {
        self.settle(hold, Decimal::ZERO).await
    }
}

impl Drop for Purses {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Writer {
    place: Place,
    owner: String,
    store: Option<Store>,
    next: u64,
    /// Holds that are to be ended, and what was spent of each: those of which isn't known whether they were
    /// written, which nobody was given, and those that couldn't be settled.
    owed: Vec<(String, i64)>,
}

impl Writer {
    async fn run(&mut self, command: Command) {
        let limit = patience(&self.place);
        match command {
            Command::Hold { account, budgets, amount, answer } => {
                self.next += 1;
                let id = format!("{}-{:x}-{:x}", self.owner, crate::record::now(), self.next);
                let held = in_time(limit, self.hold(&id, &account, &budgets, amount)).await;
                let held = held.unwrap_or_else(|error| {
                    self.store = None;
                    self.owed.push((id, 0));
                    tracing::error!(%error, "money could not be held");
                    Err(HoldError::Refused(Refusal::of(&error)))
                });
                if let Err(Ok(hold)) = answer.send(held) {
                    // Nobody waits for it any more: the query doesn't run.
                    // An error is in the log; the money counts as spent after the next start.
                    let _ = self.settle(&hold, Decimal::ZERO).await;
                }
            }
            Command::Settle { hold, amount, answer } => {
                let settled = self.settle(&hold, amount).await;
                let _ = answer.send(settled);
            }
            Command::Taken { account, period, answer } => {
                let taken = in_time(limit, self.taken(&account, &period)).await;
                let taken = taken.map_err(|error| {
                    self.store = None;
                    tracing::error!(%error, "what is spent could not be read");
                    Refusal::of(&error)
                });
                let _ = answer.send(taken);
            }
        }
    }

    async fn store(&mut self) -> Result<&mut Store, LedgerError> {
        let mut store = match self.store.take() {
            Some(store) => store,
            None => Store::open(&self.place, None).await?,
        };
        while let Some((id, units)) = self.owed.last() {
            let mut transaction = alone(&mut store, &self.owner).await?;
            spend(&mut transaction, id, Some(*units)).await?;
            transaction.commit().await?;
            self.owed.pop();
        }
        Ok(self.store.insert(store))
    }

    async fn hold(
        &mut self,
        id: &str,
        account: &str,
        budgets: &[Budget],
        amount: Decimal,
    ) -> Result<Held, LedgerError> {
        let Some(units) = units(amount).filter(|units| *units >= 0) else {
            return Ok(Err(HoldError::Amount));
        };
        let owner = self.owner.clone();
        let store = self.store().await?;
        let mut transaction = alone(store, &owner).await?;
        for Budget { period, limit } in budgets {
            let Some(limit) = floor(*limit) else { return Ok(Err(HoldError::Amount)) };
            let insert = "INSERT INTO purses (account, period, held, spent) VALUES ($1, $2, 0, 0) \
                          ON CONFLICT DO NOTHING";
            sqlx::query(insert)
                .bind(account)
                .bind(period.as_str())
                .execute(&mut *transaction)
                .await?;
            let update = "UPDATE purses SET held = held + $3 \
                          WHERE account = $1 AND period = $2 AND spent + held + $3 <= $4";
            let held = sqlx::query(update)
                .bind(account)
                .bind(period.as_str())
                .bind(units)
                .bind(limit)
                .execute(&mut *transaction)
                .await?;
            if held.rows_affected() != 1 {
                transaction.rollback().await?;
                return Ok(Err(HoldError::Exhausted { period: period.clone() }));
            }
            let insert = "INSERT INTO holds (id, account, period, owner, amount) \
                          VALUES ($1, $2, $3, $4, $5)";
            sqlx::query(insert)
                .bind(id)
                .bind(account)
                .bind(period.as_str())
                .bind(owner.as_str())
                .bind(units)
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok(Ok(Hold { id: id.to_owned() }))
    }

    /// Tries for a while: what was spent must not be lost.
    async fn settle(&mut self, hold: &Hold, amount: Decimal) -> Result<(), Refusal> {
        let units = units(amount).filter(|units| *units >= 0).unwrap_or(i64::MAX / 4);
        let mut refusal = Refusal::Failing;
        for _ in 0..TRIES {
            match in_time(patience(&self.place), self.spend(hold, units)).await {
                Ok(()) => return Ok(()),
                Err(error) => {
                    self.store = None;
                    tracing::error!(%error, "what was spent could not be written yet");
                    refusal = Refusal::of(&error);
                    tokio::time::sleep(std::time::Duration::from_millis(250)).await;
                }
            }
        }
        self.owed.push((hold.id.clone(), units));
        Err(refusal)
    }

    async fn spend(&mut self, hold: &Hold, units: i64) -> Result<(), LedgerError> {
        let store = self.store().await?;
        let mut transaction = store.connection.begin_with(begin(store.engine)).await?;
        spend(&mut transaction, &hold.id, Some(units)).await?;
        transaction.commit().await?;
        Ok(())
    }

    async fn taken(&mut self, account: &str, period: &str) -> Result<Decimal, LedgerError> {
        let store = self.store().await?;
        let query = "SELECT held, spent FROM purses WHERE account = $1 AND period = $2";
        let row = sqlx::query(query)
            .bind(account.to_owned())
            .bind(period.to_owned())
            .fetch_optional(&mut store.connection)
            .await?;
        let Some(row) = row else { return Ok(Decimal::ZERO) };
        let (held, spent): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
        Ok(Decimal::new(held, DIGITS) + Decimal::new(spent, DIGITS))
    }

    /// Ends what an earlier run of this replica, and what replicas that are gone have left held.
    async fn recover(&mut self) -> Result<(), LedgerError> {
        let own = self.owner.clone();
        let store = self.store().await?;
        let rows = sqlx::query("SELECT DISTINCT owner FROM holds");
        for row in rows.fetch_all(&mut store.connection).await? {
            let owner: String = row.try_get(0)?;
            // Whoever runs holds the lock of its chain, which has its name.
            let is_own = owner == own;
            if !is_own && (store.engine == Engine::Sqlite || !store.lock_chain(&owner).await?) {
                continue;
            }
            let mut transaction = store.connection.begin_with(begin(store.engine)).await?;
            let query = "SELECT DISTINCT id FROM holds WHERE owner = $1";
            let rows = sqlx::query(query).bind(owner.as_str()).fetch_all(&mut *transaction).await?;
            for row in rows {
                let id: String = row.try_get(0)?;
                spend(&mut transaction, &id, None).await?;
            }
            transaction.commit().await?;
            if !is_own {
                store.unlock_chain(&owner).await?;
            }
        }
        Ok(())
    }
}

/// A transaction after all others of this replica: one whose connection was lost may still be committing.
async fn alone<'c>(store: &'c mut Store, owner: &str) -> Result<Transaction<'c, Any>, LedgerError> {
    let engine = store.engine;
    let mut transaction = store.connection.begin_with(begin(engine)).await?;
    if engine == Engine::Postgres {
        let key = lock_key(&format!("purses/{owner}"));
        let lock = "SELECT pg_advisory_xact_lock($1)";
        sqlx::query(lock).bind(key).execute(&mut *transaction).await?;
    }
    Ok(transaction)
}

/// Ends a hold in all its periods; without an amount, all that was held is spent. Does nothing the
/// second time.
async fn spend(
    connection: &mut sqlx::AnyConnection,
    id: &str,
    units: Option<i64>,
) -> Result<(), LedgerError> {
    let query = "SELECT account, period, amount FROM holds WHERE id = $1 ORDER BY period";
    let rows = sqlx::query(query).bind(id).fetch_all(&mut *connection).await?;
    for row in rows {
        let (account, period): (String, String) = (row.try_get(0)?, row.try_get(1)?);
        let held: i64 = row.try_get(2)?;
        let delete = "DELETE FROM holds WHERE id = $1 AND account = $2 AND period = $3";
        let deleted = sqlx::query(delete)
            .bind(id)
            .bind(account.as_str())
            .bind(period.as_str())
            .execute(&mut *connection)
            .await?;
        if deleted.rows_affected() != 1 {
            continue;
        }
        let update = "UPDATE purses SET held = held - $3, spent = spent + $4 \
                      WHERE account = $1 AND period = $2";
        sqlx::query(update)
            .bind(account)
            .bind(period)
            .bind(held)
            .bind(units.unwrap_or(held))
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// An amount in billionths, rounded up; nothing if it is beyond all bounds. A quarter of what fits is
/// the most, so that sums fit too.
fn units(amount: Decimal) -> Option<i64> {
    let rounded = amount.round_dp_with_strategy(DIGITS, RoundingStrategy::ToPositiveInfinity);
    let units = rounded.checked_mul(Decimal::from(1_000_000_000))?.to_i64()?;
    (units <= i64::MAX / 4).then_some(units)
}

/// A limit in billionths, rounded down.
fn floor(limit: Decimal) -> Option<i64> {
    let rounded = limit.round_dp_with_strategy(DIGITS, RoundingStrategy::ToNegativeInfinity);
    let units = rounded.checked_mul(Decimal::from(1_000_000_000))?.to_i64()?;
    Some(units.clamp(i64::MIN / 4, i64::MAX / 4))
}
