//! The head of a chain: who writes it has taken it, and nobody else writes it from then on.

use std::time::Duration;

use sqlx::{Connection, Row};

use crate::chain::{Hash, Purpose, is_signed, sign};
use crate::error::LedgerError;
use crate::keys::SigningKey;
use crate::record::now;
use crate::store::{ChainRow, Engine, HANDOVER, Store, begin};

/// Waits for a chain of a PostgreSQL to be free.
pub(crate) async fn take_lock(store: &mut Store, name: &str) -> Result<(), LedgerError> {
    let waited = async {
        while !store.lock_chain(name).await? {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    };
    let waited = tokio::time::timeout(HANDOVER, waited).await;
    waited.unwrap_or_else(|_| Err(LedgerError::InUse(name.to_owned())))
}

/// Makes a chain this writer's: an older writer of it is refused from now on.
pub(crate) async fn take(
    store: &mut Store,
    name: &str,
    key: &SigningKey,
) -> Result<ChainRow, LedgerError> {
    let row = store.chains().await?.into_iter().find(|row| row.name == name);
    let Some(row) = row else { return create(store, name, key).await };
    if row.public_key != key.public() {
        return Err(LedgerError::OtherKey(name.to_owned()));
    }
    let end = (row.seq, &row.hash, row.at);
    if !is_signed(&row.public_key, Purpose::Head, name, end, &row.signature) {
        return Err(LedgerError::Damaged(format!("the head of chain \"{name}\" is not signed")));
    }
    let update = "UPDATE chains SET epoch = $1 WHERE id = $2 AND epoch = $3";
    let next = row.epoch + 1;
    let moved = sqlx::query(update)
        .bind(next)
        .bind(row.id)
        .bind(row.epoch)
        .execute(&mut store.connection)
        .await?;
    if moved.rows_affected() != 1 {
        return Err(LedgerError::InUse(name.to_owned()));
    }
    Ok(ChainRow { epoch: next, ..row })
}

/// Begins a chain.
pub(crate) async fn create(
    store: &mut Store,
    name: &str,
    key: &SigningKey,
) -> Result<ChainRow, LedgerError> {
    let (hash, at) = (Hash::genesis(name), now());
    let signature = sign(key, Purpose::Head, name, 0, &hash, at);
    let mut transaction = store.connection.begin_with(begin(store.engine)).await?;
    if store.engine == Engine::Postgres {
        let lock = "LOCK TABLE chains IN EXCLUSIVE MODE";
        sqlx::query(lock).execute(&mut *transaction).await?;
    }
    let query = "SELECT coalesce(max(id), 0) + 1 FROM chains";
    let id: i64 = sqlx::query(query).fetch_one(&mut *transaction).await?.try_get(0)?;
    let insert = "INSERT INTO chains \
                  (id, name, epoch, seq, hash, at, public_key, signature, open_from) \
                  VALUES ($1, $2, 1, 0, $3, $4, $5, $6, 1)";
    sqlx::query(insert)
        .bind(id)
        .bind(name)
        .bind(hash.bytes())
        .bind(at)
        .bind(key.public().bytes())
        .bind(signature.as_slice())
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    let (name, public_key) = (name.to_owned(), key.public());
    Ok(ChainRow { id, name, epoch: 1, seq: 0, hash, at, public_key, signature, open_from: 1 })
}
