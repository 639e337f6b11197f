//! Reading a ledger: the records in order, and the signed ends.

use crate::chain::{Checkpoint, hex};
use crate::error::LedgerError;
use crate::record::{Body, spelled};
use crate::store::{ChainRow, Place, Store};

/// Records that are read at once.
pub(crate) const PAGE: i64 = 1000;

/// A record as it is read back.
#[derive(Debug, Clone)]
pub struct Stored {
    /// The chain's name.
    pub chain: String,
    /// The record.
    pub body: Body,
    /// The record as it was written.
    pub json: String,
}

/// A ledger that is read; a gateway may write to it at the same time.
pub struct Reader {
    pub(crate) store: Store,
}

impl Reader {
    /// Opens a ledger that is there.
    ///
    /// # Errors
    /// It isn't, or it can't be read.
    pub async fn open(place: &Place) -> Result<Reader, LedgerError> {
        Ok(Reader { store: Store::open_to_read(place).await? })
    }

    /// The signed head of each chain.
    ///
    /// # Errors
    /// The store can't be read.
    pub async fn heads(&mut self) -> Result<Vec<Checkpoint>, LedgerError> {
        Ok(self.store.chains().await?.iter().map(head).collect())
    }

    /// Visits all records, chain by chain, in order.
    ///
    /// # Errors
    /// The store can't be read, a record isn't one, or what the visitor says.
    pub async fn each<E: From<LedgerError>>(
        &mut self,
        mut visit: impl FnMut(Stored) -> Result<(), E>,
    ) -> Result<(), E> {
        for chain in self.store.chains().await? {
            let mut after = 0;
            loop {
                let rows = self.store.records(chain.id, after, PAGE).await?;
                let Some(last) = rows.last() else { break };
                after = last.seq;
                for row in rows {
                    let body = serde_json::from_str(&row.body).map_err(|_| {
                        let text = format!("record {} is not one of a gateway", row.seq);
                        LedgerError::Damaged(text)
                    })?;
                    visit(Stored { chain: chain.name.clone(), body, json: row.body })?;
                }
            }
        }
        Ok(())
    }
}

/// A chain's head as operators keep it.
pub(crate) fn head(chain: &ChainRow) -> Checkpoint {
    Checkpoint {
        chain: chain.name.clone(),
        seq: chain.seq,
        hash: chain.hash.to_string(),
        time: spelled(chain.at),
        public_key: chain.public_key.hex(),
        signature: hex(&chain.signature),
    }
}
